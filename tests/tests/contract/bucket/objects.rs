//! Objects: written under a condition, read whole and in ranges, deleted.

use super::{Subject, keys, noise, put, read, upload};
use bytes::Bytes;
use lastgood_core::{
    clock::Timestamp,
    error::Kind,
    ports::{If, Version},
};
use tokio::io::AsyncReadExt;

pub(super) async fn what_was_put_is_got(bucket: Subject) {
    let bytes = noise(300_000);
    let version = put(&bucket, "a/b.json", bytes.clone()).await;
    assert_eq!(bucket.get("a/b.json", 300_000).await.unwrap(), Some((bytes.clone(), version.clone())));
    assert_eq!(read(&bucket, "a/b.json").await, bytes);
    let meta = bucket.head("a/b.json").await.unwrap().unwrap();
    assert_eq!((meta.key.as_str(), meta.size, &meta.version), ("a/b.json", 300_000, &version));
    assert!(meta.modified > Timestamp::UNIX_EPOCH);
    assert_eq!(bucket.get("a/b.json", 299_999).await.unwrap_err().kind(), Kind::Invalid, "more than asked for");
}

pub(super) async fn an_empty_object_is_an_object(bucket: Subject) {
    let version = put(&bucket, "empty", "").await;
    assert_eq!(bucket.get("empty", 10).await.unwrap(), Some((Bytes::new(), version)));
    assert_eq!(bucket.head("empty").await.unwrap().unwrap().size, 0);
    assert!(read(&bucket, "empty").await.is_empty());
    assert_eq!(keys(&bucket, "").await, ["empty"]);
}

pub(super) async fn what_is_not_there_is_none(bucket: Subject) {
    assert_eq!(bucket.head("x/y").await.unwrap(), None);
    assert_eq!(bucket.get("x/y", 10).await.unwrap(), None);
    let error = bucket.read("x/y", None).await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(keys(&bucket, "x/").await.is_empty());
    assert_eq!(bucket.put("x/y", "z".into(), If::Is(Version("\"0\"".into()))).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(bucket.head("x/y").await.unwrap(), None);
}

pub(super) async fn a_free_key_is_taken_once(bucket: Subject) {
    put(&bucket, "k", "first").await;
    let error = bucket.put("k", "second".into(), If::Absent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    assert_eq!(read(&bucket, "k").await, b"first");
}

pub(super) async fn a_state_is_replaced_once(bucket: Subject) {
    let first = put(&bucket, "k", "1").await;
    let second = bucket.put("k", "2".into(), If::Is(first.clone())).await.unwrap();
    assert_ne!(first, second);
    let error = bucket.put("k", "3".into(), If::Is(first)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    assert_eq!(bucket.get("k", 10).await.unwrap(), Some(("2".into(), second)));
}

/// Eight writers add one five times each by compare-and-swap: nothing is lost, nothing counted twice.
pub(super) async fn eight_writers_lose_no_update(bucket: Subject) {
    put(&bucket, "counter", "0").await;
    let writers = (0..8).map(|_| {
        let bucket = bucket.clone();
        tokio::spawn(async move {
            let mut lost = 0;
            for _ in 0..5 {
                loop {
                    let (bytes, version) = bucket.get("counter", 100).await.unwrap().unwrap();
                    let next: u32 = std::str::from_utf8(&bytes).unwrap().parse::<u32>().unwrap() + 1;
                    match bucket.put("counter", next.to_string().into(), If::Is(version)).await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error:?}"),
                    }
                    lost += 1;
                    assert!(lost < 1_000, "it never gets its turn");
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(read(&bucket, "counter").await, b"40");
}

pub(super) async fn eight_creators_make_one_object(bucket: Subject) {
    let creators = (0..8).map(|i: u32| {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.put("one", format!("by {i}").into(), If::Absent).await })
    });
    let mut winners = Vec::new();
    for (i, creator) in creators.collect::<Vec<_>>().into_iter().enumerate() {
        match creator.await.unwrap() {
            Ok(_) => winners.push(format!("by {i}")),
            Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error:?}"),
        }
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(read(&bucket, "one").await, winners[0].as_bytes());
}

pub(super) async fn ranges_are_exact_and_never_short(bucket: Subject) {
    let bytes = noise(3 << 20);
    upload(&bucket, "r", &bytes).await.unwrap();
    let size = bytes.len();
    for range in [0..1, 0..size, 17..(2 << 20) + 5, size - 1..size, 5..5, size..size] {
        let wanted = bytes.slice(range.clone());
        let mut got = Vec::new();
        let range = range.start as u64..range.end as u64;
        bucket.read("r", Some(range.clone())).await.unwrap().read_to_end(&mut got).await.unwrap();
        assert!(got == wanted, "{range:?}");
    }
    let beyond = 0..size as u64 + 1;
    let outcome = match bucket.read("r", Some(beyond)).await {
        Ok(mut reader) => reader.read_to_end(&mut Vec::new()).await.map_err(lastgood_core::error::Error::from).map(|_| ()),
        Err(error) => Err(error),
    };
    assert_eq!(outcome.unwrap_err().kind(), Kind::Corrupt, "an end that does not come is never an end");
}

pub(super) async fn deleting_twice_is_a_success(bucket: Subject) {
    bucket.delete("d/x").await.unwrap();
    put(&bucket, "d/x", "1").await;
    bucket.delete("d/x").await.unwrap();
    bucket.delete("d/x").await.unwrap();
    assert_eq!(bucket.head("d/x").await.unwrap(), None);
    assert!(keys(&bucket, "").await.is_empty());
    put(&bucket, "d/x", "2").await;
    assert_eq!(read(&bucket, "d/x").await, b"2");
}
