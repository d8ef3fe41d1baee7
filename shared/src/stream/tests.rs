//! The data path over a bucket in memory whose bytes a test may change.

mod shelf;

use super::{Encoding, Keys, Recipients, Relayed, digests, inspect, open, relay, store};
use crate::{
    clock::Timestamp,
    domain::{
        backup::{Artifact, Compression, Role},
        damage::Damage,
    },
    env::Quiet,
    error::{Error, Kind, Result, corrupt, failed},
    ports::ByteStream,
};
use bytes::Bytes;
use proptest::prelude::*;
use shelf::{KEY, PART, Shelf};
use std::sync::Arc;
use tokio::io::AsyncReadExt;

fn plain(compression: Compression) -> Encoding {
    Encoding { compression, level: None, recipients: Arc::default(), at_once: 1 }
}

/// Text-like bytes that compress about as a dump does, the same every time.
fn lifelike(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut text = Vec::with_capacity(size + 64);
    while text.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(format!("{}\tstory number {}\t{:x}\n", state % 100_000, state % 977, state).as_bytes());
    }
    text.truncate(size);
    text
}

fn source(bytes: Vec<u8>) -> ByteStream {
    Box::pin(std::io::Cursor::new(bytes))
}

async fn stored(shelf: &Arc<Shelf>, bytes: Vec<u8>, encoding: &Encoding) -> Result<Artifact> {
    store(shelf.as_ref(), KEY, Role::Data, source(bytes), encoding, None, &Quiet).await
}

async fn opened(shelf: &Arc<Shelf>, artifact: &Artifact, keys: &Keys) -> (Vec<u8>, Result<()>) {
    let mut stream = match open(shelf.clone(), artifact, keys, Arc::new(Quiet)).await {
        Ok(stream) => stream,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await.map(|_| ()).map_err(Error::from);
    (bytes, end)
}

#[tokio::test]
async fn what_is_stored_opens_again() {
    for compression in [Compression::Zstd, Compression::Gzip, Compression::None] {
        for size in [0, 1, 100_000, PART, 12_000_000] {
            let shelf = Shelf::new();
            let bytes = lifelike(size);
            let artifact = stored(&shelf, bytes.clone(), &plain(compression)).await.unwrap();
            assert_eq!(artifact.plain_size, size as u64);
            assert_eq!(artifact.size, shelf.bytes().unwrap().len() as u64);
            let (back, end) = opened(&shelf, &artifact, &Keys::default()).await;
            end.unwrap();
            assert!(back == bytes, "{compression:?} {size}");
            assert_eq!(inspect(shelf.as_ref(), &artifact, &Quiet).await.unwrap(), None);
        }
    }
}

/// A source that breaks after some bytes, as a killed `pg_dump` does.
struct Breaks(usize);

impl tokio::io::AsyncRead for Breaks {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        into: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(Err(failed("pg_dump was killed").into()));
        }
        let count = self.0.min(into.remaining()).min(4_096);
        into.put_slice(&vec![b'x'; count]);
        self.0 -= count;
        std::task::Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_source_that_fails_leaves_nothing_visible() {
    for after in [0, 1, 70_000, 30_000_000] {
        let shelf = Shelf::new();
        let error =
            store(shelf.as_ref(), KEY, Role::Data, Box::pin(Breaks(after)), &plain(Compression::None), None, &Quiet).await.unwrap_err();
        assert!(error.full().contains("pg_dump was killed"), "{error:?}");
        assert_eq!(shelf.bytes(), None);
    }
}

#[tokio::test]
async fn a_store_that_keeps_other_bytes_is_found_out_before_anything_counts() {
    let shelf = Shelf::lying(true);
    let error = stored(&shelf, lifelike(9_000_000), &plain(Compression::None)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.full().contains("offset 8388608"), "{error:?}");
    assert_eq!(shelf.bytes(), None);
}

#[tokio::test]
async fn a_taken_key_is_left_alone() {
    let shelf = Shelf::new();
    stored(&shelf, lifelike(10), &plain(Compression::Zstd)).await.unwrap();
    let before = shelf.bytes();
    let error = stored(&shelf, lifelike(20), &plain(Compression::Zstd)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(shelf.bytes(), before);
}

#[tokio::test]
async fn swapped_chunks_are_refused_at_the_first_of_them() {
    let shelf = Shelf::new();
    let artifact = stored(&shelf, lifelike(24 << 20), &plain(Compression::None)).await.unwrap();
    shelf.change(|bytes| {
        let (first, second) = bytes.split_at_mut(16 << 20);
        first[8 << 20..].swap_with_slice(&mut second[..8 << 20]);
    });
    let expected = Damage::Bytes { object: KEY.to_owned(), offset: Some(8 << 20), length: 8 << 20 };
    assert_eq!(inspect(shelf.as_ref(), &artifact, &Quiet).await.unwrap(), Some(expected));
    let (back, end) = opened(&shelf, &artifact, &Keys::default()).await;
    assert_eq!(end.unwrap_err().kind(), Kind::Corrupt);
    assert!(back.len() <= 8 << 20, "a byte of a wrong chunk was handed on");
}

#[tokio::test]
async fn several_frames_open_as_one_and_garbage_after_them_is_refused() {
    for (compression, whole) in [
        (Compression::Zstd, [zstd::encode_all(&b"one"[..], 1).unwrap(), zstd::encode_all(&b"two"[..], 1).unwrap()].concat()),
        (Compression::Gzip, [gzip(b"one"), gzip(b"two")].concat()),
    ] {
        let shelf = Shelf::new();
        let mut artifact = stored(&shelf, whole.clone(), &plain(Compression::None)).await.unwrap();
        artifact.compression = compression;
        artifact.plain_size = 6;
        let (back, end) = opened(&shelf, &artifact, &Keys::default()).await;
        end.unwrap();
        assert_eq!(back, b"onetwo");

        let shelf = Shelf::new();
        let mut artifact = stored(&shelf, [whole.as_slice(), b"garbage"].concat(), &plain(Compression::None)).await.unwrap();
        artifact.compression = compression;
        artifact.plain_size = 6;
        let (_, end) = opened(&shelf, &artifact, &Keys::default()).await;
        assert_eq!(end.unwrap_err().kind(), Kind::Corrupt, "{compression:?}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzEncoder::new(bytes, flate2::Compression::fast()), &mut out).unwrap();
    out
}

#[tokio::test]
async fn a_record_with_impossible_chunks_is_refused() {
    let shelf = Shelf::new();
    let artifact = stored(&shelf, lifelike(1_000), &plain(Compression::Zstd)).await.unwrap();
    for (size, crc) in [(0, "0123456789abcdef"), (u64::MAX, "0123456789abcdef"), (8 << 20, ""), (8 << 20, "0123456789abcdeg")] {
        let mut hostile = artifact.clone();
        hostile.chunks = Some(crate::domain::backup::Chunks { size, crc64nvme: crc.to_owned() });
        assert_eq!(inspect(shelf.as_ref(), &hostile, &Quiet).await.unwrap_err().kind(), Kind::Corrupt);
    }
}

#[tokio::test]
async fn a_copy_is_made_once_and_read_again() {
    let (here, there) = (Shelf::new(), Shelf::new());
    let artifact = stored(&here, lifelike(20_000_000), &plain(Compression::None)).await.unwrap();
    assert_eq!(relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap(), Relayed::Copied);
    assert!(there.bytes() == here.bytes());
    assert_eq!(relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap(), Relayed::AlreadyThere);
}

#[tokio::test]
async fn a_damaged_source_is_never_copied() {
    for (at, chunked) in [(0, true), (9_000_000, true), (9_000_000, false)] {
        let (here, there) = (Shelf::new(), Shelf::new());
        let mut artifact = stored(&here, lifelike(10_000_000), &plain(Compression::None)).await.unwrap();
        here.change(|bytes| bytes[at] ^= 0x10);
        if !chunked {
            artifact.chunks = None;
        }
        let relayed = relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap();
        assert!(matches!(relayed, Relayed::SourceDamaged(Damage::Bytes { .. })), "{relayed:?}");
        assert_eq!(there.bytes(), None);
    }
    let (here, there) = (Shelf::new(), Shelf::new());
    let artifact = stored(&here, lifelike(10), &plain(Compression::None)).await.unwrap();
    here.objects.lock().unwrap().clear();
    let relayed = relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap();
    assert_eq!(relayed, Relayed::SourceDamaged(Damage::Missing { object: KEY.to_owned() }));
}

#[tokio::test]
async fn a_destination_that_keeps_other_bytes_is_found_out_and_a_stranger_is_left_alone() {
    let (here, there) = (Shelf::new(), Shelf::lying(true));
    let artifact = stored(&here, lifelike(1_000_000), &plain(Compression::None)).await.unwrap();
    assert_eq!(relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(there.bytes(), None);

    there.objects.lock().unwrap().insert(KEY.to_owned(), b"a stranger's".to_vec());
    let relayed = relay(here.as_ref(), there.as_ref(), &artifact, &Quiet).await.unwrap();
    assert!(matches!(relayed, Relayed::Taken(Damage::Size { found: 12, .. })), "{relayed:?}");
    assert_eq!(there.bytes().unwrap(), b"a stranger's");
}

#[tokio::test]
async fn digests_name_files_as_they_lie_in_the_folder() {
    let shelf = Shelf::new();
    let artifact = stored(&shelf, lifelike(10), &plain(Compression::Zstd)).await.unwrap();
    let line = format!("{}  orders-db_daily_20261120_020000.dump.zst\n", artifact.sha256);
    assert_eq!(digests(&[artifact]), line.as_bytes());
}

/// How a property test damages stored bytes.
#[derive(Debug, Clone)]
enum Harm {
    Flip { at: prop::sample::Index, bit: u8 },
    Cut { to: prop::sample::Index },
    Grow { by: u8 },
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip { at, bit }),
        2 => any::<prop::sample::Index>().prop_map(|to| Harm::Cut { to }),
        1 => (1..=255_u8).prop_map(|by| Harm::Grow { by }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_harm_at_any_offset_is_refused_by_both_ways_of_reading(harm in harm(), compression in 0..3_usize, chunked in any::<bool>()) {
        let compression = [Compression::Zstd, Compression::Gzip, Compression::None][compression];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let shelf = Shelf::new();
            let mut artifact = stored(&shelf, lifelike(300_000), &plain(compression)).await.unwrap();
            if !chunked {
                artifact.chunks = None;
            }
            shelf.change(|bytes| match &harm {
                Harm::Flip { at, bit } => {
                    let at = at.index(bytes.len());
                    bytes[at] ^= 1 << bit;
                }
                Harm::Cut { to } => bytes.truncate(to.index(bytes.len())),
                Harm::Grow { by } => bytes.extend(std::iter::repeat_n(0, usize::from(*by))),
            });
            let damage = inspect(shelf.as_ref(), &artifact, &Quiet).await.unwrap().expect("harm goes unseen");
            assert_eq!(damage.object(), KEY);
            let (_, end) = opened(&shelf, &artifact, &Keys::default()).await;
            let error = end.expect_err("harm opens");
            assert_eq!(error.kind(), Kind::Corrupt);
            assert!(error.full().contains(KEY), "{error:?}");
        });
    }
}

#[test]
fn a_cancelled_source_never_looks_like_the_end() {
    let (inlet, items) = super::pipe::pipe(2);
    inlet.try_send(Ok(Some(Bytes::from_static(b"half")))).unwrap();
    drop(inlet);
    let mut outlet = super::pipe::Outlet::new(items);
    let error = std::io::Read::read_to_end(&mut outlet, &mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn an_error_keeps_its_kind_through_the_pipe() {
    let (inlet, items) = super::pipe::pipe(1);
    inlet.try_send(Err(corrupt("chunk 3"))).unwrap();
    let mut outlet = super::pipe::Outlet::new(items);
    let error = std::io::Read::read_to_end(&mut outlet, &mut Vec::new()).unwrap_err();
    assert_eq!(Error::from(error).kind(), Kind::Corrupt);
}

#[test]
fn what_is_no_public_key_is_refused_with_a_way_out() {
    for text in ["", "hello", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"] {
        let error = Recipients::parse(text.as_bytes(), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid, "{text:?}");
        assert!(error.advice().is_some_and(|hint| hint.contains("gpg")), "{error:?}");
    }
}
