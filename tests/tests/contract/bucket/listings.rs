//! Listings: in the order of bytes, whatever the pages.

use super::{Subject, folder, keys, memory_bucket, put};
use futures::{StreamExt, stream};
use lastgood_tests::{gcs::GcsServer, s3::S3Server};
use std::{sync::Arc, time::Duration};

pub(super) async fn listings_are_in_the_order_of_bytes(bucket: Subject) {
    let mut all = ["a", "a-b/x", "a.b", "a0", "b/c/d", "b/c/e", "b/c.d", "b/cc", "b/é", "b/z", "c", "Z", "_", "~/y", "b/c/f/g"];
    for key in all {
        put(&bucket, key, key.to_owned()).await;
    }
    all.sort_unstable();
    assert_eq!(keys(&bucket, "").await, all);
    for prefix in ["b/", "b/c", "b/c/", "a", "nothing/", "b/c/d", "b/é"] {
        let wanted: Vec<_> = all.iter().filter(|key| key.starts_with(prefix)).copied().collect();
        assert_eq!(keys(&bucket, prefix).await, wanted, "{prefix:?}");
    }
    let listed = bucket.list("b/c/d", None).await.unwrap().objects;
    assert_eq!(listed[0].size, 5);
}

pub(super) async fn a_listing_goes_on_after_any_key(bucket: Subject) {
    let all: Vec<_> = (0..12).map(|i| format!("n/{}/{i:02}", i % 3)).collect();
    for key in &all {
        put(&bucket, key, "x").await;
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    for after in sorted.iter().map(String::as_str).chain(["n/", "n/1", "n/1/", "n/1/05x", "zzz", "a"]) {
        let wanted: Vec<_> = sorted.iter().filter(|key| key.as_str() > after).take(7).cloned().collect();
        let (mut got, mut next) = (Vec::new(), Some(after.to_owned()));
        while let Some(after) = next.filter(|_| got.len() < 7) {
            let page = bucket.list("n/", Some(&after)).await.unwrap();
            got.extend(page.objects.into_iter().map(|meta| meta.key));
            next = page.next;
        }
        got.truncate(7);
        assert_eq!(got, wanted, "after {after:?}");
    }
}

/// More objects than any page holds, every one listed once and in order.
#[tokio::test]
async fn long_listings_lose_nothing_between_pages() {
    let (file, _folder) = folder();
    let server = S3Server::verifying().await;
    let s3: Subject = Arc::new(server.open("lastgood"));
    let google = GcsServer::start().await;
    let gs: Subject = Arc::new(google.open("lastgood"));
    for bucket in [file, s3, gs, memory_bucket()] {
        let wanted: Vec<_> = (0..1_007).map(|i| format!("n/{:02}/{i:04}", i / 100)).collect();
        let written = stream::iter(wanted.clone()).map(|key| {
            let bucket = bucket.clone();
            async move { put(&bucket, &key, "x").await }
        });
        assert_eq!(written.buffer_unordered(16).count().await, 1_007);
        put(&bucket, "o", "not below").await;
        assert_eq!(keys(&bucket, "n/").await, wanted);
        assert_eq!(keys(&bucket, "n/1").await, wanted[1_000..]);
    }
}

#[tokio::test]
async fn a_store_that_cannot_list_uploads_is_not_an_error() {
    let server = S3Server::verifying().await;
    let bucket: Subject = Arc::new(server.open("lastgood"));
    assert_eq!(bucket.sweep_uploads("2040-01-01T00:00:00Z".parse().unwrap(), Duration::ZERO).await.unwrap(), 0);
}
