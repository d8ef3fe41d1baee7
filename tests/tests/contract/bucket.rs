//! What every bucket promises, whichever adapter is behind it: one suite, run over memory, a folder, two S3 servers, Cloud
//! Storage and Blob Storage.

mod copies;
mod listings;
mod names;
mod objects;
mod uploads;

use bytes::Bytes;
use futures::future::BoxFuture;
use lastgood_core::{
    error::Kind,
    ports::{Bucket, If, Upload, Version},
    providers::{azure::Blobs, local::Folder},
    testing::{ManualClock, MemoryBucket},
};
use lastgood_tests::{
    azurite::{self, Azurite},
    s3::S3Server,
};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

type Subject = Arc<dyn Bucket>;

/// One promise: its name and how to see that it is kept, in an empty bucket.
type Promise = (&'static str, fn(Subject) -> BoxFuture<'static, ()>);

macro_rules! promises {
    (everywhere: $($room:ident::$name:ident),* ; where_uploads_are_listed: $($more_room:ident::$more:ident),*) => {
        const PROMISES: &[Promise] = &[
            $((stringify!($name), |bucket| Box::pin($room::$name(bucket))),)*
            $((stringify!($more), |bucket| Box::pin($more_room::$more(bucket))),)*
        ];

        mod s3_that_verifies {
            $(#[tokio::test] async fn $name() {
                let server = lastgood_tests::s3::S3Server::verifying().await;
                super::$room::$name(std::sync::Arc::new(server.open("lastgood"))).await;
            })*
        }

        mod gs {
            $(#[tokio::test] async fn $name() {
                let server = lastgood_tests::gcs::GcsServer::start().await;
                super::$room::$name(std::sync::Arc::new(server.open("lastgood"))).await;
            })*
        }

        mod gs_with_parts_at_once {
            $(#[tokio::test] async fn $name() {
                let server = lastgood_tests::gcs::GcsServer::start().await.at_once();
                super::$room::$name(std::sync::Arc::new(server.open("lastgood"))).await;
            })*
            $(#[tokio::test] async fn $more() {
                let server = lastgood_tests::gcs::GcsServer::start().await.at_once();
                super::$more_room::$more(std::sync::Arc::new(server.open("lastgood"))).await;
            })*
        }

        mod memory {
            $(#[tokio::test] async fn $name() { super::$room::$name(super::memory_bucket()).await; })*
            $(#[tokio::test] async fn $more() { super::$more_room::$more(super::memory_bucket()).await; })*
        }

        mod file {
            $(#[tokio::test] async fn $name() {
                let (bucket, _folder) = super::folder();
                super::$room::$name(bucket).await;
            })*
            $(#[tokio::test] async fn $more() {
                let (bucket, _folder) = super::folder();
                super::$more_room::$more(bucket).await;
            })*
        }
    };
}

promises![
    everywhere:
    objects::what_was_put_is_got,
    objects::an_empty_object_is_an_object,
    objects::what_is_not_there_is_none,
    objects::a_free_key_is_taken_once,
    objects::a_state_is_replaced_once,
    objects::eight_writers_lose_no_update,
    objects::eight_creators_make_one_object,
    objects::ranges_are_exact_and_never_short,
    objects::deleting_twice_is_a_success,
    uploads::an_upload_appears_whole_and_only_at_the_end,
    uploads::an_upload_in_parts_comes_back_byte_for_byte,
    uploads::an_empty_upload_is_an_empty_object,
    uploads::an_upload_never_replaces,
    uploads::an_upload_with_a_gap_is_refused,
    uploads::an_aborted_upload_leaves_nothing,
    listings::listings_are_in_the_order_of_bytes,
    listings::a_listing_goes_on_after_any_key,
    names::r39_odd_keys_come_back_exactly_or_are_refused;
    where_uploads_are_listed:
    uploads::a_lost_upload_leaves_nothing_that_a_sweep_does_not_remove
];

/// The whole suite in one test: one server process is enough for all of it.
#[tokio::test]
async fn s3_on_moto_keeps_every_promise() {
    let Some(server) = S3Server::moto("s3_on_moto_keeps_every_promise").await else { return };
    for (name, promise) in PROMISES {
        eprintln!("{name}");
        promise(Arc::new(server.open(name))).await;
    }
}

/// The suite over Microsoft's own double of Blob Storage: with the account's key, and with no more than a signature that lets
/// one read, create, write, delete and list in one container.
#[tokio::test]
async fn az_on_azurite_keeps_every_promise() {
    let Some(server) = Azurite::start("az_on_azurite_keeps_every_promise").await else { return };
    let by_sas = azurite::azure_by_sas(server.address(), "rcwdl", "2099-01-01T00:00:00Z");
    for (name, promise) in PROMISES.iter().filter(|(name, _)| !name.contains("sweep")) {
        eprintln!("{name}");
        promise(Arc::new(server.open(name))).await;
        eprintln!("{name}, by a shared access signature");
        promise(Arc::new(Blobs::new(azurite::place(&format!("by-sas/{name}")), by_sas.clone()).unwrap())).await;
    }
}

#[tokio::test]
async fn r41_az_a_signature_that_has_ended_or_allows_too_little_is_said_and_never_shown() {
    let Some(server) = Azurite::start("r41_az_a_signature").await else { return };
    let with =
        |permissions, until| Blobs::new(azurite::place("lastgood"), azurite::azure_by_sas(server.address(), permissions, until)).unwrap();
    server.open("lastgood").put("k", "1".into(), If::Absent).await.unwrap();
    let ended = with("rcwdl", "2020-01-01T00:00:00Z").get("k", 10).await.unwrap_err();
    let reader = with("rl", "2099-01-01T00:00:00Z");
    assert_eq!(&reader.get("k", 10).await.unwrap().unwrap().0[..], b"1");
    let deleted = reader.delete("k").await.unwrap_err();
    for (error, right) in [(ended, "blobs/read"), (deleted, "blobs/delete")] {
        assert_eq!(error.kind(), Kind::Denied, "{error:?}");
        let said = format!("{} {:?}", error.full(), error.advice());
        assert!(said.contains(right) && !said.contains("sig="), "{said}");
    }
}

fn memory_bucket() -> Subject {
    let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
    Arc::new(MemoryBucket::new("s3://memory/below".parse().unwrap(), clock))
}

fn folder() -> (Subject, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file://{}/vault", folder.path().display()).parse().unwrap();
    (Arc::new(Folder::new(place).unwrap()), folder)
}

/// Bytes that are the same nowhere twice.
fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

async fn put(bucket: &Subject, key: &str, bytes: impl Into<Bytes>) -> Version {
    bucket.put(key, bytes.into(), If::Absent).await.unwrap_or_else(|error| panic!("{key:?}: {error:?}"))
}

async fn read(bucket: &Subject, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    bucket.read(key, None).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

async fn keys(bucket: &Subject, prefix: &str) -> Vec<String> {
    bucket.list_all(prefix).await.unwrap().into_iter().map(|meta| meta.key).collect()
}

/// Cuts bytes into parts as the upload wants them.
fn parts(upload: &dyn Upload, bytes: &Bytes) -> Vec<(u32, u64, Bytes)> {
    let (mut parts, mut offset) = (Vec::new(), 0);
    while offset < bytes.len() {
        let number = u32::try_from(parts.len()).unwrap();
        let end = (offset + upload.part_size(number)).min(bytes.len());
        parts.push((number, offset as u64, bytes.slice(offset..end)));
        offset = end;
    }
    parts
}

async fn upload(bucket: &Subject, key: &str, bytes: &Bytes) -> lastgood_core::error::Result<()> {
    let upload = bucket.begin_upload(key, Some(bytes.len() as u64)).await?;
    for (number, offset, part) in parts(&*upload, bytes) {
        upload.put_part(number, offset, part).await?;
    }
    upload.complete(bytes.len() as u64).await.map(|_| ())
}
