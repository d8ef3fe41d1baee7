//! What every bucket promises, whichever adapter is behind it: one suite, run over memory, a folder and two S3 servers.

use bytes::Bytes;
use futures::{StreamExt, future::BoxFuture, stream};
use lastgood_core::{
    clock::Timestamp,
    error::Kind,
    ports::{Bucket, If, Upload, Version},
    providers::{aws::S3, local::Folder},
    testing::{ManualClock, MemoryBucket},
};
use lastgood_tests::s3::S3Server;
use std::{sync::Arc, time::Duration};
use tokio::io::AsyncReadExt;

type Subject = Arc<dyn Bucket>;

/// One promise: its name and how to see that it is kept, in an empty bucket.
type Promise = (&'static str, fn(Subject) -> BoxFuture<'static, ()>);

macro_rules! promises {
    (everywhere: $($name:ident),* ; where_uploads_are_listed: $($more:ident),*) => {
        const PROMISES: &[Promise] = &[
            $((stringify!($name), |bucket| Box::pin($name(bucket))),)*
            $((stringify!($more), |bucket| Box::pin($more(bucket))),)*
        ];

        mod s3_that_verifies {
            $(#[tokio::test] async fn $name() {
                let server = lastgood_tests::s3::S3Server::verifying().await;
                super::$name(std::sync::Arc::new(server.open("lastgood"))).await;
            })*
        }

        mod memory {
            $(#[tokio::test] async fn $name() { super::$name(super::memory_bucket()).await; })*
            $(#[tokio::test] async fn $more() { super::$more(super::memory_bucket()).await; })*
        }

        mod file {
            $(#[tokio::test] async fn $name() {
                let (bucket, _folder) = super::folder();
                super::$name(bucket).await;
            })*
            $(#[tokio::test] async fn $more() {
                let (bucket, _folder) = super::folder();
                super::$more(bucket).await;
            })*
        }
    };
}

promises![
    everywhere:
    what_was_put_is_got,
    an_empty_object_is_an_object,
    what_is_not_there_is_none,
    a_free_key_is_taken_once,
    a_state_is_replaced_once,
    eight_writers_lose_no_update,
    eight_creators_make_one_object,
    an_upload_appears_whole_and_only_at_the_end,
    an_upload_in_parts_comes_back_byte_for_byte,
    an_empty_upload_is_an_empty_object,
    an_upload_never_replaces,
    an_upload_with_a_gap_is_refused,
    an_aborted_upload_leaves_nothing,
    ranges_are_exact_and_never_short,
    listings_are_in_the_order_of_bytes,
    a_listing_goes_on_after_any_key,
    deleting_twice_is_a_success,
    r39_odd_keys_come_back_exactly_or_are_refused;
    where_uploads_are_listed:
    a_lost_upload_leaves_nothing_that_a_sweep_does_not_remove
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

/// Copies inside one store: whole, in parts, refused where something stands, none where the source is elsewhere.
async fn copies_stay_inside(server: S3Server) {
    let from = server.open("from é&");
    let in_parts = lastgood_core::providers::aws::Settings { copy_at_once: 6 << 20, ..server.settings() };
    let to = S3::new(lastgood_tests::s3::place("to"), in_parts).unwrap();
    let (from, to): (Subject, Subject) = (Arc::new(from), Arc::new(to));
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

#[tokio::test]
async fn s3_that_verifies_copies_inside() {
    copies_stay_inside(S3Server::verifying().await).await;
}

#[tokio::test]
async fn s3_on_moto_copies_inside() {
    let Some(server) = S3Server::moto("s3_on_moto_copies_inside").await else { return };
    copies_stay_inside(server).await;
}

/// More objects than any page holds, every one listed once and in order.
#[tokio::test]
async fn long_listings_lose_nothing_between_pages() {
    let (file, _folder) = folder();
    let server = S3Server::verifying().await;
    let s3: Subject = Arc::new(server.open("lastgood"));
    for bucket in [file, s3, memory_bucket()] {
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

async fn what_was_put_is_got(bucket: Subject) {
    let bytes = noise(300_000);
    let version = put(&bucket, "a/b.json", bytes.clone()).await;
    assert_eq!(bucket.get("a/b.json", 300_000).await.unwrap(), Some((bytes.clone(), version.clone())));
    assert_eq!(read(&bucket, "a/b.json").await, bytes);
    let meta = bucket.head("a/b.json").await.unwrap().unwrap();
    assert_eq!((meta.key.as_str(), meta.size, &meta.version), ("a/b.json", 300_000, &version));
    assert!(meta.modified > Timestamp::UNIX_EPOCH);
    assert_eq!(bucket.get("a/b.json", 299_999).await.unwrap_err().kind(), Kind::Invalid, "more than asked for");
}

async fn an_empty_object_is_an_object(bucket: Subject) {
    let version = put(&bucket, "empty", "").await;
    assert_eq!(bucket.get("empty", 10).await.unwrap(), Some((Bytes::new(), version)));
    assert_eq!(bucket.head("empty").await.unwrap().unwrap().size, 0);
    assert!(read(&bucket, "empty").await.is_empty());
    assert_eq!(keys(&bucket, "").await, ["empty"]);
}

async fn what_is_not_there_is_none(bucket: Subject) {
    assert_eq!(bucket.head("x/y").await.unwrap(), None);
    assert_eq!(bucket.get("x/y", 10).await.unwrap(), None);
    let error = bucket.read("x/y", None).await.err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound, "{error:?}");
    assert!(keys(&bucket, "x/").await.is_empty());
    assert_eq!(bucket.put("x/y", "z".into(), If::Is(Version("\"0\"".into()))).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(bucket.head("x/y").await.unwrap(), None);
}

async fn a_free_key_is_taken_once(bucket: Subject) {
    put(&bucket, "k", "first").await;
    let error = bucket.put("k", "second".into(), If::Absent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    assert_eq!(read(&bucket, "k").await, b"first");
}

async fn a_state_is_replaced_once(bucket: Subject) {
    let first = put(&bucket, "k", "1").await;
    let second = bucket.put("k", "2".into(), If::Is(first.clone())).await.unwrap();
    assert_ne!(first, second);
    let error = bucket.put("k", "3".into(), If::Is(first)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    assert_eq!(bucket.get("k", 10).await.unwrap(), Some(("2".into(), second)));
}

/// Eight writers add one five times each by compare-and-swap: nothing is lost, nothing counted twice.
async fn eight_writers_lose_no_update(bucket: Subject) {
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

async fn eight_creators_make_one_object(bucket: Subject) {
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

async fn an_upload_appears_whole_and_only_at_the_end(bucket: Subject) {
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
async fn an_upload_in_parts_comes_back_byte_for_byte(bucket: Subject) {
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

async fn an_empty_upload_is_an_empty_object(bucket: Subject) {
    upload(&bucket, "up/empty", &Bytes::new()).await.unwrap();
    assert_eq!(bucket.head("up/empty").await.unwrap().unwrap().size, 0);
    assert!(read(&bucket, "up/empty").await.is_empty());
}

async fn a_lost_upload_leaves_nothing_that_a_sweep_does_not_remove(bucket: Subject) {
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

async fn an_upload_never_replaces(bucket: Subject) {
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

async fn an_upload_with_a_gap_is_refused(bucket: Subject) {
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

async fn an_aborted_upload_leaves_nothing(bucket: Subject) {
    let upload = bucket.begin_upload("up/no", None).await.unwrap();
    upload.put_part(0, 0, noise(upload.part_size(0))).await.unwrap();
    upload.abort().await.unwrap();
    assert!(keys(&bucket, "").await.is_empty());
    assert_eq!(bucket.sweep_uploads("2040-01-01T00:00:00Z".parse().unwrap(), Duration::ZERO).await.unwrap(), 0);
}

async fn ranges_are_exact_and_never_short(bucket: Subject) {
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

async fn listings_are_in_the_order_of_bytes(bucket: Subject) {
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

async fn a_listing_goes_on_after_any_key(bucket: Subject) {
    let all: Vec<_> = (0..12).map(|i| format!("n/{}/{i:02}", i % 3)).collect();
    for key in &all {
        put(&bucket, key, "x").await;
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    for after in sorted.iter().map(String::as_str).chain(["n/", "n/1", "n/1/", "n/1/05x", "zzz", "a"]) {
        let wanted: Vec<_> = sorted.iter().filter(|key| key.as_str() > after).take(7).cloned().collect();
        let got: Vec<_> = bucket.list("n/", Some(after)).await.unwrap().objects.into_iter().map(|meta| meta.key).take(7).collect();
        assert_eq!(got, wanted, "after {after:?}");
    }
}

async fn deleting_twice_is_a_success(bucket: Subject) {
    bucket.delete("d/x").await.unwrap();
    put(&bucket, "d/x", "1").await;
    bucket.delete("d/x").await.unwrap();
    bucket.delete("d/x").await.unwrap();
    assert_eq!(bucket.head("d/x").await.unwrap(), None);
    assert!(keys(&bucket, "").await.is_empty());
    put(&bucket, "d/x", "2").await;
    assert_eq!(read(&bucket, "d/x").await, b"2");
}

async fn r39_odd_keys_come_back_exactly_or_are_refused(bucket: Subject) {
    let longest = format!("{}/{}", "long".repeat(12), ["segment-"; 8].concat());
    let odd = [
        "é",
        "e\u{301}",
        "日本 語/🦀",
        " a ",
        "a+b",
        "a%2Fb",
        "a?b=c&d",
        "a#b",
        "'\"<&>",
        "...",
        "..a",
        ".hidden/.x",
        "a:b",
        "-",
        &longest,
    ];
    for key in odd {
        put(&bucket, key, key.to_owned()).await;
    }
    let mut wanted = odd.to_vec();
    wanted.sort_unstable();
    assert_eq!(keys(&bucket, "").await, wanted);
    for key in odd {
        assert_eq!(read(&bucket, key).await, key.as_bytes(), "{key:?}");
        assert_eq!(keys(&bucket, key).await, [key], "{key:?}");
    }
    for key in ["", "/", "../x", "a/../x", "a/..", "./a", "/etc/passwd", "a//b", "dir/", "a\0", "a\n", "a\\b", ".lastgood/x"] {
        assert_eq!(bucket.put(key, "x".into(), If::Absent).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.begin_upload(key, None).await.err().unwrap().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.read(key, None).await.err().unwrap().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.head(key).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.get(key, 1).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
        assert_eq!(bucket.delete(key).await.unwrap_err().kind(), Kind::Invalid, "{key:?}");
    }
    assert_eq!(bucket.list("a/../", None).await.unwrap_err().kind(), Kind::Invalid);
    // A key of the full 1,024 bytes comes back or is refused; none is cut.
    let full = format!("{}é", ["x".repeat(200).as_str(); 6].join("/")[..1022].to_owned());
    match bucket.put(&full, "full".into(), If::Absent).await {
        Ok(_) => assert_eq!(keys(&bucket, "xxx").await, [full]),
        Err(error) => assert_eq!(error.kind(), Kind::Invalid, "{error:?}"),
    }
}
