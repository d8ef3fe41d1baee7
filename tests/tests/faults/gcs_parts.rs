//! Uploads to Cloud Storage with many parts at once, over a line that breaks: the object appears once, whole, at a free key, or
//! not at all; and what is left of the others can be swept.

use bytes::Bytes;
use futures::{StreamExt, stream};
use lastgood_core::{
    clock::{Clock, SystemClock},
    error::{Error, Kind, Result},
    ports::{Bucket, If, ObjectMeta},
    providers::gcp::Gcs,
};
use lastgood_tests::{
    fault_proxy::{Fault, FaultProxy},
    gcs::{self, GcsServer},
};
use std::time::Duration;
use tokio::io::AsyncReadExt;

const BUSY: &str = "<?xml version='1.0'?><Error><Code>ServiceUnavailable</Code><Message>later</Message></Error>";
const PART: usize = 8 << 20;

struct Broken {
    server: GcsServer,
    proxy: FaultProxy,
    bucket: Gcs,
}

impl Broken {
    async fn new() -> Self {
        let server = GcsServer::start().await.at_once();
        let proxy = FaultProxy::before(server.address()).await;
        let bucket = Gcs::new(gcs::place("lastgood"), gcs::google_at(proxy.address())).unwrap();
        Self { server, proxy, bucket }
    }

    async fn upload(&self, key: &str) -> Result<ObjectMeta> {
        upload(&self.bucket, key).await
    }

    /// Nothing is there but what was asked for, and nothing is under way.
    fn holds_only(&self, keys: &[&str]) {
        let wanted: Vec<_> = keys.iter().map(|key| format!("lastgood/{key}")).collect();
        assert_eq!(self.server.names(), wanted);
        assert_eq!((self.server.multipart_uploads(), self.server.uploads()), (0, 0), "no upload is left open");
    }
}

fn bytes() -> Bytes {
    (0_u32..).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).take(2 * PART + 12_345).collect()
}

/// Sends the parts at once, the last one first.
async fn upload(bucket: &dyn Bucket, key: &str) -> Result<ObjectMeta> {
    let (bytes, upload) = (bytes(), bucket.begin_upload(key, None).await?);
    let size = upload.part_size(0);
    let count = u32::try_from(bytes.len().div_ceil(size)).unwrap();
    let sent: Vec<Result<(), Error>> = stream::iter((0..count).rev())
        .map(|number| {
            let at = number as usize * size;
            let part = bytes.slice(at..(at + size).min(bytes.len()));
            upload.put_part(number, at as u64, part)
        })
        .buffer_unordered(3)
        .collect()
        .await;
    match sent.into_iter().collect::<Result<Vec<_>>>() {
        Ok(_) => upload.complete(bytes.len() as u64).await,
        Err(error) => {
            upload.abort().await?;
            Err(error)
        }
    }
}

async fn read(bucket: &dyn Bucket, key: &str) -> Vec<u8> {
    let mut read = Vec::new();
    bucket.read(key, None).await.unwrap().read_to_end(&mut read).await.unwrap();
    read
}

#[tokio::test]
async fn r37_gs_parts_at_once_that_fail_on_the_way_are_sent_again() {
    let broken = Broken::new().await;
    let faults = [
        ("busy", Fault::Refuse(503, BUSY)),
        ("lost-request", Fault::LoseRequest),
        ("lost-reply", Fault::LoseReply),
        ("misreported", Fault::Misreport(500, BUSY)),
    ];
    for (key, fault) in &faults {
        broken.proxy.breaks("PUT", "partNumber=", 2, fault.clone());
        broken.proxy.breaks("POST", "uploads=", 1, fault.clone());
        broken.proxy.breaks("POST", "uploadId=", 1, fault.clone());
        broken.proxy.breaks("POST", "moveTo", 1, fault.clone());
        let meta = broken.upload(key).await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(meta.size, bytes().len() as u64);
        assert!(read(&broken.server.open("lastgood"), key).await == bytes(), "{fault:?}");
    }
    assert_eq!(broken.proxy.seen("PUT", "upload_id"), 0, "nothing went up in order");
    // A reply to the beginning that was lost leaves an upload that nobody knows the id of: the sweep does.
    let later = SystemClock.now() + Duration::from_secs(7_200);
    assert_eq!(broken.server.multipart_uploads(), 2);
    assert_eq!(broken.bucket.sweep_uploads(SystemClock.now(), Duration::from_secs(3_600)).await.unwrap(), 0, "too young");
    assert_eq!(broken.bucket.sweep_uploads(later, Duration::from_secs(3_600)).await.unwrap(), 2);
    broken.holds_only(&["busy", "lost-reply", "lost-request", "misreported"]);
}

#[tokio::test]
async fn gs_parts_at_once_whose_last_reply_never_comes_leave_the_object_to_decide() {
    let broken = Broken::new().await;
    broken.proxy.breaks("POST", "uploadId=", usize::MAX, Fault::LoseReply);
    broken.proxy.breaks("POST", "moveTo", usize::MAX, Fault::LoseReply);
    broken.upload("lost").await.unwrap();
    assert!(read(&broken.server.open("lastgood"), "lost").await == bytes());
    broken.holds_only(&["lost"]);
}

#[tokio::test]
async fn gs_parts_at_once_never_replace_what_came_meanwhile() {
    let broken = Broken::new().await;
    for (key, fault) in [("taken", None), ("taken-unheard", Some(Fault::LoseReply))] {
        let bytes = bytes();
        let late = broken.bucket.begin_upload(key, None).await.unwrap();
        for number in 0..3 {
            let at = number as usize * PART;
            late.put_part(number, at as u64, bytes.slice(at..(at + PART).min(bytes.len()))).await.unwrap();
        }
        broken.server.open("lastgood").put(key, "theirs".into(), If::Absent).await.unwrap();
        if let Some(fault) = fault {
            broken.proxy.breaks("POST", "moveTo", 1, fault);
        }
        assert_eq!(late.complete(bytes.len() as u64).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(read(&broken.server.open("lastgood"), key).await, b"theirs");
    }
    broken.holds_only(&["taken", "taken-unheard"]);
}

#[tokio::test]
async fn gs_a_part_damaged_on_its_way_never_becomes_an_object() {
    let broken = Broken::new().await;
    broken.proxy.breaks("PUT", "partNumber=", usize::MAX, Fault::FlipRequestByte(70_000));
    broken.upload("damaged").await.unwrap_err();
    broken.holds_only(&[]);
}

#[tokio::test]
async fn gs_what_a_killed_upload_left_between_its_end_and_the_move_is_invisible_and_swept() {
    let broken = Broken::new().await;
    broken.proxy.breaks("POST", "moveTo", usize::MAX, Fault::LoseRequest);
    broken.proxy.breaks("DELETE", "", usize::MAX, Fault::Refuse(403, BUSY));
    assert_eq!(broken.upload("killed").await.unwrap_err().kind(), Kind::Retry);
    assert_eq!(broken.server.names().len(), 1, "it stands under a name of the store's own");
    let bucket = broken.server.open("lastgood");
    assert!((&bucket as &dyn Bucket).list_all("").await.unwrap().is_empty(), "and nobody sees it");
    assert_eq!(bucket.sweep_uploads(SystemClock.now(), Duration::from_secs(3_600)).await.unwrap(), 0, "too young");
    let later = SystemClock.now() + Duration::from_secs(7_200);
    assert_eq!(bucket.sweep_uploads(later, Duration::from_secs(3_600)).await.unwrap(), 1);
    broken.holds_only(&[]);
    // Another place of the same bucket has nothing to do with it.
    upload(&bucket, "again").await.unwrap();
    broken.holds_only(&["again"]);
}

#[tokio::test]
async fn gs_where_a_name_on_the_way_would_stay_uploads_go_up_in_order() {
    use serde_json::json;
    let standard = |more: serde_json::Value| {
        let mut description = json!({ "storageClass": "STANDARD" });
        description.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        description
    };
    for description in [
        json!({ "storageClass": "ARCHIVE" }),
        standard(json!({ "versioning": { "enabled": true } })),
        standard(json!({ "retentionPolicy": { "retentionPeriod": "604800" } })),
        standard(json!({ "defaultEventBasedHold": true })),
    ] {
        let broken = Broken::new().await;
        broken.server.describe(description.clone(), json!({}));
        broken.server.retain();
        broken.upload("kept").await.unwrap_or_else(|error| panic!("{description}: {error:?}"));
        assert_eq!(broken.server.names_ever(), ["lastgood/kept"], "{description}");
        assert_eq!(broken.proxy.seen("POST", "uploads="), 0);
        assert_eq!(broken.bucket.sweep_uploads(SystemClock.now(), Duration::ZERO).await.unwrap(), 0);
    }
    // And where we could not clean up after ourselves.
    for right in ["storage.objects.delete", "storage.multipartUploads.abort", "storage.multipartUploads.create"] {
        let broken = Broken::new().await;
        broken.server.lacks(right);
        broken.upload("kept").await.unwrap_or_else(|error| panic!("{right}: {error:?}"));
        assert_eq!(broken.server.names_ever(), ["lastgood/kept"], "{right}");
    }
}

#[tokio::test]
async fn r41_gs_parts_at_once_outlive_their_token() {
    let server = GcsServer::start().await.at_once();
    server.tokens_last(3);
    let (bucket, bytes_sent) = (server.open("lastgood"), bytes());
    let long = bucket.begin_upload("long", None).await.unwrap();
    // One after the other: a double whose new token ends the old one would starve three at once.
    for number in 0..3 {
        let at = number as usize * PART;
        long.put_part(number, at as u64, bytes_sent.slice(at..(at + PART).min(bytes_sent.len()))).await.unwrap();
    }
    long.complete(bytes_sent.len() as u64).await.unwrap();
    assert!(read(&bucket, "long").await == bytes());
    assert!(server.tokens_given() > 3, "{}", server.tokens_given());
}
