//! Cloud Storage and Blob Storage that break: refused and lost requests, lost replies, half-taken parts, expired credentials.

use bytes::Bytes;
use lastgood_core::{
    error::{Kind, Result},
    ports::{Bucket, If, ObjectMeta},
    providers::{azure::Blobs, gcp::Gcs},
};
use lastgood_tests::{
    azurite::{self, Azurite},
    fault_proxy::{Fault, FaultProxy},
    gcs::{self, GcsServer},
};
use std::time::Instant;
use tokio::io::AsyncReadExt;

const BUSY: &str = r#"{"error":{"code":503,"message":"Backend Error","errors":[{"reason":"backendError"}]}}"#;

/// The double of Cloud Storage, a proxy before it, and our adapter behind that.
struct Broken {
    server: GcsServer,
    proxy: FaultProxy,
    bucket: Gcs,
}

impl Broken {
    async fn new() -> Self {
        let server = GcsServer::start().await;
        let proxy = FaultProxy::before(server.address()).await;
        let bucket = Gcs::new(gcs::place("lastgood"), gcs::google_at(proxy.address())).unwrap();
        Self { server, proxy, bucket }
    }

    async fn stored(&self, key: &str) -> Vec<u8> {
        read(&self.server.open("lastgood"), key).await.unwrap()
    }
}

async fn read(bucket: &dyn Bucket, key: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bucket.read(key, None).await?.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Two whole parts and a bit.
fn bytes_of(bucket_part: usize) -> Bytes {
    (0_u32..).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).take(2 * bucket_part + 12_345).collect()
}

async fn upload(bucket: &dyn Bucket, key: &str, bytes: &Bytes) -> Result<ObjectMeta> {
    let upload = bucket.begin_upload(key, None).await?;
    let part = upload.part_size(0);
    for (number, at) in (0..bytes.len()).step_by(part).enumerate() {
        let end = (at + part).min(bytes.len());
        upload.put_part(u32::try_from(number).unwrap(), at as u64, bytes.slice(at..end)).await?;
    }
    upload.complete(bytes.len() as u64).await
}

#[tokio::test]
async fn r37_gs_what_fails_on_the_way_is_sent_again_from_where_the_store_is() {
    let broken = Broken::new().await;
    let bytes = bytes_of(16 << 20);
    for (key, fault) in [
        ("busy", Fault::Refuse(503, BUSY)),
        ("slower", Fault::Refuse(403, r#"{"error":{"code":403,"errors":[{"reason":"rateLimitExceeded"}]}}"#)),
        ("inside", Fault::Refuse(200, BUSY)),
        ("lost-request", Fault::LoseRequest),
        ("lost-reply", Fault::LoseReply),
        ("misreported", Fault::Misreport(500, BUSY)),
    ] {
        broken.proxy.breaks("PUT", "upload_id", 2, fault.clone());
        let meta = upload(&broken.bucket, key, &bytes).await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(meta.size, bytes.len() as u64);
        assert!(broken.stored(key).await == bytes, "{fault:?}");
        broken.proxy.breaks("POST", "uploadType=multipart", 1, fault.clone());
        broken
            .bucket
            .put(&format!("small-{key}"), "record".into(), If::Absent)
            .await
            .unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
    }
    assert_eq!(broken.server.uploads(), 0);
}

#[tokio::test]
async fn r37_gs_a_page_that_is_lost_is_asked_for_again_or_is_an_error_and_never_the_end() {
    let broken = Broken::new().await;
    let wanted: Vec<_> = (0..20).map(|number| format!("n/{number:02}")).collect();
    wanted.iter().for_each(|key| broken.server.plant(&format!("lastgood/{key}"), "x"));
    let keys = async || {
        let listed = (&broken.bucket as &dyn Bucket).list_all("n/").await?;
        Ok::<Vec<String>, lastgood_core::error::Error>(listed.into_iter().map(|meta| meta.key).collect())
    };
    for fault in [Fault::LoseReply, Fault::CutBody(100), Fault::Refuse(200, BUSY), Fault::Refuse(429, "slower")] {
        broken.proxy.breaks("GET", "startOffset", 2, fault.clone());
        assert_eq!(keys().await.unwrap(), wanted, "{fault:?}");
    }
    broken.proxy.breaks("GET", "startOffset", usize::MAX, Fault::Refuse(503, BUSY));
    assert_eq!(keys().await.unwrap_err().kind(), Kind::Retry);
}

#[tokio::test]
async fn r37_gs_a_service_that_asks_for_patience_gets_it() {
    let broken = Broken::new().await;
    broken.proxy.breaks("GET", "/o/", 1, Fault::RefuseFor(429, "Too Many Requests", 2));
    let began = Instant::now();
    assert_eq!(broken.bucket.head("x").await.unwrap(), None);
    assert!(began.elapsed().as_millis() >= 2_000, "{:?}", began.elapsed());
}

#[tokio::test]
async fn gs_a_reply_that_is_lost_at_the_end_leaves_the_object_to_decide() {
    let broken = Broken::new().await;
    let bytes = bytes_of(16 << 20);
    let bytes = bytes.slice(..(16 << 20) + 12_345);
    let session = broken.bucket.begin_upload("lost", None).await.unwrap();
    let part = session.part_size(0);
    session.put_part(0, 0, bytes.slice(..part)).await.unwrap();
    session.put_part(1, part as u64, bytes.slice(part..)).await.unwrap();
    // From here on nobody hears how far the session is: the object is there all the same.
    broken.proxy.breaks("PUT", "upload_id", usize::MAX, Fault::LoseReply);
    let meta = session.complete(bytes.len() as u64).await.unwrap();
    assert_eq!(meta.size, bytes.len() as u64);
    assert!(broken.stored("lost").await == bytes);
}

#[tokio::test]
async fn gs_bytes_damaged_on_their_way_never_become_an_object() {
    let broken = Broken::new().await;
    let bytes = bytes_of(16 << 20);
    broken.proxy.breaks("PUT", "upload_id", 1, Fault::FlipRequestByte(70_000));
    upload(&broken.bucket, "damaged", &bytes).await.unwrap_err();
    assert_eq!(broken.server.open("lastgood").head("damaged").await.unwrap(), None);
    // A token that is good, so that the fault hits what it is meant for.
    assert_eq!(broken.bucket.head("small").await.unwrap(), None);
    broken.proxy.breaks("POST", "multipart", 1, Fault::FlipRequestByte(600));
    broken.bucket.put("small", Bytes::from(vec![7; 4_000]), If::Absent).await.unwrap_err();
    assert_eq!(broken.server.open("lastgood").head("small").await.unwrap(), None);
}

#[tokio::test]
async fn gs_a_write_whose_reply_was_lost_knows_its_own_mark() {
    let broken = Broken::new().await;
    broken.proxy.breaks("POST", "multipart", 1, Fault::LoseReply);
    let version = broken.bucket.put("mine", "1".into(), If::Absent).await.unwrap();
    broken.proxy.breaks("POST", "multipart", 1, Fault::LoseReply);
    let version = broken.bucket.put("mine", "2".into(), If::Is(version)).await.unwrap();
    assert_eq!(broken.bucket.get("mine", 9).await.unwrap(), Some(("2".into(), version)));
    broken.server.open("lastgood").put("theirs", "same".into(), If::Absent).await.unwrap();
    broken.proxy.breaks("POST", "multipart", 1, Fault::LoseReply);
    assert_eq!(broken.bucket.put("theirs", "same".into(), If::Absent).await.unwrap_err().kind(), Kind::Conflict);
}

#[tokio::test]
async fn gs_an_interrupted_transfer_goes_on_at_its_offset_and_its_checksum_is_compared() {
    let broken = Broken::new().await;
    let bytes = bytes_of(4 << 20);
    broken.server.plant("lastgood/long", bytes.clone());
    for cut in [0, 1, 100_000, 3 << 20] {
        broken.proxy.breaks("GET", "alt=media", 1, Fault::CutBody(cut));
    }
    assert!(read(&broken.bucket, "long").await.unwrap() == bytes);
    assert_eq!(broken.proxy.seen("GET", "alt=media"), 5);
    broken.server.damage("lastgood/long", 5_000_000);
    assert_eq!(read(&broken.bucket, "long").await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn r41_gs_credentials_that_expire_in_the_middle_are_renewed_and_the_work_goes_on() {
    let server = GcsServer::start().await;
    server.tokens_last(3);
    let bucket = server.open("lastgood");
    let bytes = bytes_of(16 << 20);
    upload(&bucket, "long", &bytes).await.unwrap();
    assert!(read(&bucket, "long").await.unwrap() == bytes);
    for number in 0..8 {
        bucket.put(&format!("n/{number}"), "x".into(), If::Absent).await.unwrap();
    }
    assert_eq!((&bucket as &dyn Bucket).list_all("n/").await.unwrap().len(), 8);
    assert!(server.tokens_given() > 4, "{}", server.tokens_given());
    // One that is never good is an error that says what to do, after one renewal.
    server.tokens_last(0);
    let error = bucket.head("long").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error:?}");
    assert!(error.advice().unwrap().contains("check the account"));
}

#[tokio::test]
async fn gs_an_upload_that_google_forgot_fails_and_shows_nothing() {
    let server = GcsServer::start().await;
    let bucket = server.open("lastgood");
    let bytes = bytes_of(16 << 20);
    let session = bucket.begin_upload("forgotten", None).await.unwrap();
    let part = session.part_size(0);
    session.put_part(0, 0, bytes.slice(..part)).await.unwrap();
    server.forget_uploads();
    session.put_part(1, part as u64, bytes.slice(part..2 * part)).await.unwrap_err();
    drop(session);
    assert_eq!(bucket.head("forgotten").await.unwrap(), None);
    upload(&bucket, "forgotten", &bytes).await.unwrap();
}

#[tokio::test]
async fn gs_what_a_retention_policy_keeps_is_said_and_stays() {
    let server = GcsServer::start().await;
    let bucket = server.open("lastgood");
    let version = bucket.put("kept", "x".into(), If::Absent).await.unwrap();
    server.retain();
    for error in [bucket.delete("kept").await.unwrap_err(), bucket.put("kept", "y".into(), If::Is(version)).await.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Denied, "{error:?}");
        assert!(error.advice().unwrap().contains("retention"), "{error:?}");
    }
    // An upload needs no right to delete, and leaves nothing that the policy would keep.
    upload(&bucket, "large", &bytes_of(16 << 20)).await.unwrap();
    assert_eq!(server.names(), ["lastgood/kept", "lastgood/large"]);
}

#[tokio::test]
async fn az_what_fails_on_the_way_is_sent_again_and_a_lost_reply_is_no_failure() {
    let Some(server) = Azurite::start("az_what_fails_on_the_way_is_sent_again").await else { return };
    let proxy = FaultProxy::before(server.address()).await;
    let bucket = Blobs::new(azurite::place("lastgood"), azurite::azure_at(proxy.address())).unwrap();
    let bytes = bytes_of(8 << 20);
    let busy = "<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code></Error>";
    for (key, fault) in [("busy", Fault::Refuse(503, busy)), ("lost-request", Fault::LoseRequest), ("lost-reply", Fault::LoseReply)] {
        proxy.breaks("PUT", "comp=block&", 2, fault.clone());
        proxy.breaks("PUT", "comp=blocklist", 1, fault.clone());
        upload(&bucket, key, &bytes).await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert!(read(&server.open("lastgood"), key).await.unwrap() == bytes);
        proxy.breaks("PUT", "/small", 1, fault.clone());
        bucket.put(&format!("small-{key}"), "x".into(), If::Absent).await.unwrap();
    }
    proxy.breaks("PUT", "comp=block&", 1, Fault::FlipRequestByte(3));
    upload(&bucket, "damaged", &bytes).await.unwrap_err();
    assert_eq!(server.open("lastgood").head("damaged").await.unwrap(), None, "the damaged block was refused");
    for cut in [0, 1, 3 << 20] {
        proxy.breaks("GET", "/busy", 1, Fault::CutBody(cut));
    }
    assert!(read(&bucket, "busy").await.unwrap() == bytes);
}
