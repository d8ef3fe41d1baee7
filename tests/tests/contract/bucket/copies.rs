//! Copies inside one store: the bytes never pass through us.

use super::{Subject, folder, noise, put, read, upload};
use lastgood_core::{
    domain::place::Place,
    error::Kind,
    providers::{aws::S3, gcp::Gcs},
};
use lastgood_tests::{gcs::GcsServer, s3::S3Server};
use std::sync::Arc;

/// Whole, in several rounds, refused where something stands, none where the source is elsewhere.
async fn copies_stay_inside(from: Subject, to: Subject) {
    for (key, size) in [("empty", 0), ("small ü+%", 100_000), ("large", (13 << 20) + 1)] {
        let bytes = noise(size);
        upload(&from, key, &bytes).await.unwrap();
        let copied = to.copy_from(&*from, key, &format!("copy of {key}")).await.unwrap().unwrap();
        assert_eq!(copied.size, size as u64);
        assert!(read(&to, &format!("copy of {key}")).await == bytes, "{key}");
        let error = to.copy_from(&*from, key, &format!("copy of {key}")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    }
    assert_eq!(to.copy_from(&*from, "missing", "x").await.unwrap_err().kind(), Kind::NotFound);
    let (elsewhere, _folder) = folder();
    put(&elsewhere, "here", "x").await;
    assert_eq!(to.copy_from(&*elsewhere, "here", "there").await.unwrap(), None);
    assert_eq!(elsewhere.copy_from(&*from, "small ü+%", "there").await.unwrap(), None);
}

async fn inside(server: S3Server) {
    let in_parts = lastgood_core::providers::aws::Settings { copy_at_once: 6 << 20, ..server.settings() };
    let to = S3::new(lastgood_tests::s3::place("to"), in_parts).unwrap();
    copies_stay_inside(Arc::new(server.open("from é&")), Arc::new(to)).await;
}

#[tokio::test]
async fn s3_that_verifies_copies_inside() {
    inside(S3Server::verifying().await).await;
}

#[tokio::test]
async fn s3_on_moto_copies_inside() {
    let Some(server) = S3Server::moto("s3_on_moto_copies_inside").await else { return };
    inside(server).await;
}

#[tokio::test]
async fn gs_copies_inside_from_one_bucket_to_another() {
    let server = GcsServer::start().await;
    server.create_bucket("vault-far");
    let far: Place = "gs://vault-far/to".parse().unwrap();
    let to = Gcs::new(far, server.google()).unwrap();
    copies_stay_inside(Arc::new(server.open("from é&")), Arc::new(to)).await;
}
