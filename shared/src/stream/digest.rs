//! Digests of stored bytes: SHA-256 of the whole, CRC-64/NVME of each chunk.
//!
//! The SHA-256 is the claim; the chunks' checksums say where a difference is, before a byte of that chunk is used.

use crate::{
    domain::backup::{Artifact, Chunks},
    error::{Result, corrupt},
};
use crc_fast::{CrcAlgorithm, Digest as Crc};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, ops::Range};

/// The bytes of a chunk in what we store.
pub(super) const CHUNK: u64 = 8 << 20;
/// What a record may ask us to hold in memory at once.
const CHUNK_SIZES: std::ops::RangeInclusive<u64> = (64 << 10)..=(64 << 20);

/// Digests bytes that are on their way into a store.
pub(super) struct Digester {
    size: u64,
    sha256: Sha256,
    crc: Crc,
    chunks: String,
}

/// What a digester found.
pub(super) struct Digests {
    pub(super) size: u64,
    pub(super) sha256: String,
    pub(super) chunks: Chunks,
}

impl Digester {
    pub(super) fn new() -> Self {
        Self { size: 0, sha256: Sha256::new(), crc: Crc::new(CrcAlgorithm::Crc64Nvme), chunks: String::new() }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.sha256.update(bytes);
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK - self.size % CHUNK).unwrap_or(usize::MAX);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.crc.update(now);
            self.size += now.len() as u64;
            if self.size.is_multiple_of(CHUNK) {
                self.close_chunk();
            }
            bytes = rest;
        }
    }

    fn close_chunk(&mut self) {
        let _ = write!(self.chunks, "{:016x}", self.crc.finalize());
        self.crc.reset();
    }

    pub(super) fn finish(mut self) -> Digests {
        if !self.size.is_multiple_of(CHUNK) {
            self.close_chunk();
        }
        let chunks = Chunks { size: CHUNK, crc64nvme: self.chunks };
        Digests { size: self.size, sha256: hex::encode(self.sha256.finalize()), chunks }
    }
}

/// The chunks in which an artifact is read, each with its recorded checksum if there is one.
#[derive(Debug)]
pub(super) struct Layout {
    size: u64,
    chunk: u64,
    checksums: Option<Vec<u64>>,
}

/// One chunk of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) range: Range<u64>,
    pub(super) checksum: Option<u64>,
}

impl Layout {
    /// Reads the layout of an artifact from its record; one that makes no sense is refused.
    pub(super) fn of(artifact: &Artifact) -> Result<Self> {
        let size = artifact.size;
        let Some(Chunks { size: chunk, crc64nvme }) = &artifact.chunks else {
            return Ok(Self { size, chunk: CHUNK, checksums: None });
        };
        let refuse = || corrupt(format!("the record of {} has impossible chunks", artifact.key));
        if !CHUNK_SIZES.contains(chunk) || !crc64nvme.is_ascii() || crc64nvme.len() as u64 != 16 * size.div_ceil(*chunk) {
            return Err(refuse());
        }
        let checksums = crc64nvme
            .as_bytes()
            .chunks(16)
            .map(|digits| std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(refuse)?;
        Ok(Self { size, chunk: *chunk, checksums: Some(checksums) })
    }

    /// How many chunks may be held so that they stay within `bytes`; at least one.
    pub(super) fn within(&self, bytes: u64) -> usize {
        usize::try_from(bytes / self.chunk).unwrap_or(1).max(1)
    }

    pub(super) fn chunks(self) -> impl Iterator<Item = Chunk> + Send {
        let Self { size, chunk, checksums } = self;
        (0..size.div_ceil(chunk)).map(move |number| {
            let start = number * chunk;
            let checksum = usize::try_from(number).ok().and_then(|number| checksums.as_ref()?.get(number).copied());
            Chunk { range: start..size.min(start + chunk), checksum }
        })
    }
}

impl Chunk {
    /// Whether these bytes are the recorded ones, as far as the chunk's checksum can tell.
    pub(super) fn matches(&self, bytes: &[u8]) -> bool {
        self.checksum.is_none_or(|recorded| crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes) == recorded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_catalogued_one() {
        assert_eq!(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn digests_do_not_depend_on_how_the_bytes_arrive() {
        let bytes: Vec<u8> = (0..CHUNK + 12_345).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect();
        let whole = {
            let mut digester = Digester::new();
            digester.update(&bytes);
            digester.finish()
        };
        let mut digester = Digester::new();
        bytes.chunks(77_777).for_each(|some| digester.update(some));
        let pieces = digester.finish();
        assert_eq!((whole.size, &whole.sha256, &whole.chunks), (pieces.size, &pieces.sha256, &pieces.chunks));
        assert_eq!(whole.chunks.crc64nvme.len(), 32);
        assert_eq!(whole.sha256, hex::encode(Sha256::digest(&bytes)));
    }
}
