//! R12: bytes that are not what their record says, through a real folder: flipped, cut, grown, swapped.

use lastgood_core::{
    catalog::{Key, Verification, verify_backup},
    domain::{
        backup::{Artifact, Compression},
        damage::Damage,
    },
    env::Quiet,
    error::{Error, Kind, Result},
    stream::{self, Encoding, Keys},
};
use lastgood_tests::vaults::{Vaults, asset};
use proptest::{prelude::*, sample::Index};
use std::sync::Arc;

const CHUNK: usize = 8 << 20;

#[derive(Debug, Clone)]
enum Harm {
    Flip(Index, u8),
    Cut(Index),
    Grow(u8),
    Swap(Index, Index),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => any::<Index>().prop_map(Harm::Cut),
        1 => (1..=255_u8).prop_map(Harm::Grow),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Harm::Swap(one, other)),
    ]
}

/// Damages some bytes and returns the first offset that differs; none if nothing does.
fn harmed(stored: &[u8], harm: &Harm) -> Option<(Vec<u8>, usize)> {
    let mut bytes = stored.to_vec();
    match harm {
        Harm::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Harm::Cut(to) => bytes.truncate(to.index(bytes.len())),
        Harm::Grow(by) => bytes.extend(std::iter::repeat_n(0, usize::from(*by))),
        Harm::Swap(one, other) => {
            let whole = bytes.len() / CHUNK;
            let (one, other) = (one.index(whole), other.index(whole));
            if one != other {
                let (head, tail) = bytes.split_at_mut(one.max(other) * CHUNK);
                head[one.min(other) * CHUNK..][..CHUNK].swap_with_slice(&mut tail[..CHUNK]);
            }
        }
    }
    let block = bytes.chunks(4_096).zip(stored.chunks(4_096)).position(|(one, other)| one != other);
    let from = block.map_or(bytes.len().min(stored.len()), |block| block * 4_096);
    let first = (from..bytes.len().max(stored.len())).find(|at| bytes.get(*at) != stored.get(*at))?;
    Some((bytes, first))
}

async fn open(vaults: &Vaults, artifact: &Artifact) -> (u64, Result<u64>) {
    let mut stream = match stream::open(vaults.env.vault.bucket().clone(), artifact, &Keys::default(), Arc::new(Quiet)).await {
        Ok(stream) => stream,
        Err(error) => return (0, Err(error)),
    };
    let mut sink = Counting(0);
    let end = tokio::io::copy(&mut stream, &mut sink).await.map_err(Error::from);
    (sink.0, end)
}

struct Counting(u64);

impl tokio::io::AsyncWrite for Counting {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.0 += bytes.len() as u64;
        std::task::Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn r12_any_byte_that_differs_is_found_by_verify_and_refused_by_restore_with_object_and_offset() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vaults = Vaults::default();
    // As it is, so that what is handed on can be counted in stored bytes: 20 MB, two whole chunks and a part.
    let encoding = Encoding { compression: Compression::None, level: None, recipients: Arc::default(), at_once: 1 };
    let backup = runtime.block_on(vaults.encoded("2026-11-20T02:00:00Z", 20_000_000, &encoding));
    let main = backup.main().unwrap().clone();
    let path = vaults.here().join(&main.key);
    let stored = std::fs::read(&path).unwrap();
    proptest!(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() }, |(harm in harm())| {
        let Some((bytes, first)) = harmed(&stored, &harm) else { return Ok(()) };
        std::fs::write(&path, &bytes).unwrap();
        runtime.block_on(async {
            let found = verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap();
            let record = vaults.env.vault.load::<Verification>(&Key::Verification(asset(), backup.id)).await.unwrap().unwrap().record;
            assert_eq!(record, found);
            assert!(!record.is_sound(), "verify saw nothing of {harm:?}");
            assert_eq!(record.damage[0].object(), main.key);
            let chunk = (first / CHUNK * CHUNK) as u64;
            match &record.damage[0] {
                Damage::Bytes { offset, .. } => assert_eq!(*offset, Some(chunk), "{harm:?}"),
                Damage::Size { recorded, found, .. } => assert_eq!((*recorded, *found), (stored.len() as u64, bytes.len() as u64)),
                Damage::Missing { .. } | Damage::Held { .. } => panic!("it is there, in the vault"),
            }
            let (handed_on, end) = open(&vaults, &main).await;
            let error = end.unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{harm:?}");
            assert!(error.full().contains(&main.key) && error.full().contains("offset"), "{error:?}");
            assert!(handed_on <= chunk, "{handed_on} bytes were handed on, the chunk at {chunk} is damaged");
        });
    });
    std::fs::write(&path, &stored).unwrap();
    runtime.block_on(async {
        assert!(verify_backup(&vaults.env, &vaults.env.vault, &backup).await.unwrap().is_sound());
        open(&vaults, &main).await.1.unwrap();
    });
}

#[test]
fn r12_a_compressed_backup_is_refused_too_wherever_it_is_damaged() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for compression in [Compression::Zstd, Compression::Gzip] {
        let vaults = Vaults::default();
        let encoding = Encoding { compression, level: None, recipients: Arc::default(), at_once: 1 };
        let backup = runtime.block_on(vaults.encoded("2026-11-20T02:00:00Z", 1_000_000, &encoding));
        let main = backup.main().unwrap().clone();
        let path = vaults.here().join(&main.key);
        let stored = std::fs::read(&path).unwrap();
        for at in (0..stored.len()).step_by(stored.len() / 40 + 1).chain([stored.len() - 1]) {
            let mut bytes = stored.clone();
            bytes[at] ^= 0x80;
            std::fs::write(&path, &bytes).unwrap();
            let (_, end) = runtime.block_on(open(&vaults, &main));
            assert_eq!(end.unwrap_err().kind(), Kind::Corrupt, "{compression:?} at {at}");
        }
    }
}
