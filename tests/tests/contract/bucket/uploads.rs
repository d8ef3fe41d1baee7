//! Uploads in parts: invisible until they are whole, never in the place of anything.

use super::{Subject, keys, noise, parts, put, read, upload};
use bytes::Bytes;
use futures::{StreamExt, stream};
use lastgood_core::{clock::Timestamp, error::Kind};
use std::time::Duration;

pub(super) async fn an_upload_appears_whole_and_only_at_the_end(bucket: Subject) {
    let bytes = noise(100_000);
    let upload = bucket.begin_upload("up/x", None).await.unwrap();
    upload.put_part(0, 0, bytes.clone().slice(..upload.part_size(0).min(bytes.len()))).await.unwrap();
    assert_eq!(bucket.head("up/x").await.unwrap(), None);
    assert!(keys(&bucket, "").await.is_empty(), "nothing is listed before it is whole");
    for (number, offset, part) in parts(&*upload, &bytes).into_iter().skip(1) {
        upload.put_part(number, offset, part).await.unwrap();
    }
    let meta = upload.complete(100_000).await.unwrap();
    assert_eq!((meta.key.as_str(), meta.size), ("up/x", 100_000));
    assert_eq!(bucket.head("up/x").await.unwrap().unwrap(), meta);
    assert_eq!(read(&bucket, "up/x").await, bytes);
}

/// Three parts, sent at once and in any order, one of them twice.
pub(super) async fn an_upload_in_parts_comes_back_byte_for_byte(bucket: Subject) {
    let upload = bucket.begin_upload("up/big", None).await.unwrap();
    let bytes = noise(upload.part_size(0) + upload.part_size(1) + 12_345);
    let mut shuffled = parts(&*upload, &bytes);
    assert_eq!(shuffled.len(), 3);
    shuffled.reverse();
    shuffled.push(shuffled[1].clone());
    let sent: Vec<_> =
        stream::iter(shuffled).map(|(number, offset, part)| upload.put_part(number, offset, part)).buffer_unordered(4).collect().await;
    sent.into_iter().for_each(|sent| sent.unwrap());
    upload.complete(bytes.len() as u64).await.unwrap();
    assert!(read(&bucket, "up/big").await == bytes, "the bytes differ");
}

pub(super) async fn an_empty_upload_is_an_empty_object(bucket: Subject) {
    upload(&bucket, "up/empty", &Bytes::new()).await.unwrap();
    assert_eq!(bucket.head("up/empty").await.unwrap().unwrap().size, 0);
    assert!(read(&bucket, "up/empty").await.is_empty());
}

pub(super) async fn a_lost_upload_leaves_nothing_that_a_sweep_does_not_remove(bucket: Subject) {
    let upload = bucket.begin_upload("up/lost", None).await.unwrap();
    let bytes = noise(upload.part_size(0) + 1);
    for (number, offset, part) in parts(&*upload, &bytes) {
        upload.put_part(number, offset, part).await.unwrap();
    }
    assert_eq!(bucket.sweep_uploads(Timestamp::UNIX_EPOCH, Duration::from_secs(3600)).await.unwrap(), 0, "too young to be swept");
    std::mem::forget(upload); // the process died: no destructor ran
    let much_later: Timestamp = "2040-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(bucket.sweep_uploads(much_later, Duration::from_secs(3600)).await.unwrap(), 1);
    assert_eq!(bucket.sweep_uploads(much_later, Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(bucket.head("up/lost").await.unwrap(), None);
    assert!(keys(&bucket, "").await.is_empty());
}

pub(super) async fn an_upload_never_replaces(bucket: Subject) {
    // Large enough for parts, small enough for one request: both ways of completing must refuse.
    for extra in [0, 1] {
        let key = format!("up/taken-{extra}");
        let late = bucket.begin_upload(&key, None).await.unwrap();
        let bytes = noise(late.part_size(0) * extra + 10);
        for (number, offset, part) in parts(&*late, &bytes) {
            late.put_part(number, offset, part).await.unwrap();
        }
        put(&bucket, &key, "mine").await;
        let error = late.complete(bytes.len() as u64).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
        assert_eq!(read(&bucket, &key).await, b"mine");
        let again = upload(&bucket, &key, &bytes).await.unwrap_err();
        assert_eq!(again.kind(), Kind::Conflict, "{again:?}");
    }
}

pub(super) async fn an_upload_with_a_gap_is_refused(bucket: Subject) {
    let upload = bucket.begin_upload("up/gap", None).await.unwrap();
    let bytes = noise(upload.part_size(0) + upload.part_size(1) + 1);
    for (number, offset, part) in parts(&*upload, &bytes).into_iter().filter(|(number, ..)| *number != 1) {
        upload.put_part(number, offset, part).await.unwrap();
    }
    upload.complete(bytes.len() as u64).await.unwrap_err();
    assert_eq!(bucket.head("up/gap").await.unwrap(), None);
    let short = bucket.begin_upload("up/short", None).await.unwrap();
    short.put_part(0, 0, noise(10)).await.unwrap();
    short.complete(11).await.unwrap_err();
    assert_eq!(bucket.head("up/short").await.unwrap(), None);
}

pub(super) async fn an_aborted_upload_leaves_nothing(bucket: Subject) {
    let upload = bucket.begin_upload("up/no", None).await.unwrap();
    upload.put_part(0, 0, noise(upload.part_size(0))).await.unwrap();
    upload.abort().await.unwrap();
    assert!(keys(&bucket, "").await.is_empty());
    assert_eq!(bucket.sweep_uploads("2040-01-01T00:00:00Z".parse().unwrap(), Duration::ZERO).await.unwrap(), 0);
}
