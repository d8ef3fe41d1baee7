//! One backup on its way round: from S3 to Cloud Storage to Blob Storage to a folder, proven by reading it at each.

use cross_region_copy::CrossRegionCopy;
use lastgood_core::{
    catalog::Vault,
    clock::SystemClock,
    config::Config,
    domain::{
        backup::Role,
        place::Place,
        posture::{Encryption, Exposure, Lock},
    },
    env::Quiet,
    function::{Exit, Findings, Function},
    ports::Bucket,
    providers::local::Folder,
    stream::{self, Keys},
};
use lastgood_tests::{
    azurite::Azurite,
    gcs::GcsServer,
    s3::S3Server,
    vaults::{ASSET, Buckets, asset, backup, environment, lifelike, zstd},
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_backup_goes_from_cloud_to_cloud_and_opens_at_the_end() {
    const SIZE: usize = 60_000_000;
    let Some(azure) = Azurite::start("a_backup_goes_from_cloud_to_cloud_and_opens_at_the_end").await else { return };
    let (amazon, google) = (S3Server::verifying().await, GcsServer::start().await);
    let folder = tempfile::tempdir().unwrap();
    let here: Place = format!("file://{}/vault", folder.path().display()).parse().unwrap();
    let buckets: [Arc<dyn Bucket>; 4] = [
        Arc::new(amazon.open("lastgood")),
        Arc::new(google.open("lastgood")),
        Arc::new(azure.open("lastgood")),
        Arc::new(Folder::new(here).unwrap()),
    ];
    let all: BTreeMap<Place, Arc<dyn Bucket>> = buckets.iter().map(|bucket| (bucket.place().clone(), bucket.clone())).collect();
    let pieces = [(Role::Data, lifelike(SIZE)), (Role::Globals, b"create role app;\n".to_vec())];
    let made = backup(&Vault::new(buckets[0].clone()), "2026-11-20T02:00:00Z", &pieces, &zstd()).await;
    for hop in buckets.windows(2) {
        let (from, to) = (hop[0].place(), hop[1].place());
        let text = format!(
            "vault: {from}\nassets:\n  {ASSET}: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 2 * * *\" }}, copies: [ {{ vault: \"{to}\" }} ] }}\n"
        );
        let config = Arc::new(Config::parse(&text, "lastgood.yaml").unwrap());
        let env = environment(config, Buckets(all.clone()), Arc::new(SystemClock), folder.path().join("scratch"));
        let report = CrossRegionCopy { asset: Some(asset()) }.run(&env).await.unwrap();
        assert_eq!(report.exit(), Exit::Good, "{from} to {to}: {report:?}");
        let there = Vault::new(hop[1].clone()).backups(&asset()).await.unwrap().good;
        assert_eq!(there, std::slice::from_ref(&made), "{from} to {to}");
    }
    let mut opened = stream::open(buckets[3].clone(), made.main().unwrap(), &Keys::default(), Arc::new(Quiet)).await.unwrap();
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == lifelike(SIZE));
    assert_eq!(google.uploads(), 0, "no upload is left open");
}

#[tokio::test]
async fn cloud_storage_says_how_it_is_kept() {
    let server = GcsServer::start().await;
    let bucket = server.open("lastgood");
    server.describe(json!({}), json!({ "bindings": [{ "role": "roles/storage.objectViewer", "members": ["allUsers"] }] }));
    let open = bucket.posture().await.unwrap().unwrap();
    assert_eq!(open.exposure, Some(Exposure::Public("its policy gives everybody roles/storage.objectViewer".into())));
    assert_eq!((open.versioning, open.lock), (Some(false), Some(Lock::Off)));
    let description = json!({
        "versioning": { "enabled": true }, "retentionPolicy": { "retentionPeriod": "604800" },
        "iamConfiguration": { "publicAccessPrevention": "enforced", "uniformBucketLevelAccess": { "enabled": true } },
    });
    server.describe(description, json!({}));
    let closed = bucket.posture().await.unwrap().unwrap();
    assert_eq!((closed.versioning, closed.exposure), (Some(true), Some(Exposure::Closed)));
    assert_eq!((closed.lock, closed.encryption), (Some(Lock::On { days: Some(7) }), Some(Encryption::OfTheStore)));
    assert!(closed.unseen.is_empty());
}
