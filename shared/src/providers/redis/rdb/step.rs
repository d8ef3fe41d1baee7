//! Steps over an RDB file, record by record. It is written as if all of the file were there; where a piece ends, it waits for
//! the next one.

use super::Rdb;
use crate::{
    clock::Timestamp,
    domain::backup::Keys,
    error::{Result, corrupt, unsupported},
};
use bytes::{Buf, Bytes};
use crc_fast::{CrcAlgorithm, Digest};
use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

/// The newest format that is known: Redis 8.
const NEWEST: u32 = 12;
/// The most of a text about the file itself that is kept.
const MOST_TEXT: u64 = 256;

/// The piece that the walk is at.
#[derive(Debug, Clone)]
pub(super) struct Fed(Arc<Mutex<Piece>>);

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    at: u64,
    sum: Digest,
}

impl Default for Fed {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Piece { bytes: Bytes::new(), at: 0, sum: Digest::new(CrcAlgorithm::Crc64Redis) })))
    }
}

/// A length, or how a text is written that is none.
enum Length {
    Bytes(u64),
    Special(u8),
}

impl Fed {
    fn piece(&self) -> MutexGuard<'_, Piece> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the next piece; the one before was walked over.
    pub(super) fn give(&self, bytes: Bytes) {
        let mut piece = self.piece();
        if piece.bytes.is_empty() {
            piece.bytes = bytes;
        } else {
            piece.bytes = [piece.bytes.as_ref(), bytes.as_ref()].concat().into();
        }
    }

    /// How many bytes of the piece are left.
    pub(super) fn left(&self) -> usize {
        self.piece().bytes.len()
    }

    /// How far the walk has come.
    pub(super) fn at(&self) -> u64 {
        self.piece().at
    }

    /// The next bytes, at least one, at most so many.
    async fn some(&self, most: u64) -> Bytes {
        poll_fn(|_| {
            let mut piece = self.piece();
            if piece.bytes.is_empty() {
                return Poll::Pending;
            }
            let count = piece.bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
            let taken = piece.bytes.split_to(count);
            piece.sum.update(&taken);
            piece.at += count as u64;
            Poll::Ready(taken)
        })
        .await
    }

    async fn skip(&self, mut count: u64) {
        while count > 0 {
            count -= self.some(count).await.len() as u64;
        }
    }

    async fn array<const N: usize>(&self) -> [u8; N] {
        let mut all = [0; N];
        let mut have = 0;
        while have < N {
            let mut some = self.some((N - have) as u64).await;
            let count = some.len();
            some.copy_to_slice(&mut all[have..have + count]);
            have += count;
        }
        all
    }

    async fn byte(&self) -> u8 {
        self.array::<1>().await[0]
    }

    async fn length_or_special(&self) -> Result<Length> {
        let first = self.byte().await;
        Ok(match first >> 6 {
            0 => Length::Bytes(u64::from(first & 0x3f)),
            1 => Length::Bytes(u64::from(first & 0x3f) << 8 | u64::from(self.byte().await)),
            3 => Length::Special(first & 0x3f),
            _ if first == 0x80 => Length::Bytes(u64::from(u32::from_be_bytes(self.array().await))),
            _ if first == 0x81 => Length::Bytes(u64::from_be_bytes(self.array().await)),
            _ => return Err(self.bad("a length")),
        })
    }

    async fn length(&self) -> Result<u64> {
        match self.length_or_special().await? {
            Length::Bytes(length) => Ok(length),
            Length::Special(_) => Err(self.bad("a length")),
        }
    }

    async fn lengths(&self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.length().await?;
        }
        Ok(())
    }

    /// Steps over a text.
    async fn text(&self) -> Result<()> {
        let count = match self.length_or_special().await? {
            Length::Bytes(length) => length,
            Length::Special(0) => 1,
            Length::Special(1) => 2,
            Length::Special(2) => 4,
            Length::Special(3) => {
                let compressed = self.length().await?;
                self.length().await?;
                compressed
            }
            Length::Special(_) => return Err(self.bad("a text")),
        };
        self.skip(count).await;
        Ok(())
    }

    async fn texts(&self, count: u64) -> Result<()> {
        for _ in 0..count {
            self.text().await?;
        }
        Ok(())
    }

    /// Reads a short text about the file itself; a number as its digits, nothing where it is long.
    async fn short_text(&self) -> Result<String> {
        Ok(match self.length_or_special().await? {
            Length::Bytes(length) if length <= MOST_TEXT => {
                let mut all = Vec::new();
                while (all.len() as u64) < length {
                    all.extend_from_slice(&self.some(length - all.len() as u64).await);
                }
                String::from_utf8_lossy(&all).into_owned()
            }
            Length::Bytes(length) => {
                self.skip(length).await;
                String::new()
            }
            Length::Special(0) => i8::from_le_bytes(self.array().await).to_string(),
            Length::Special(1) => i16::from_le_bytes(self.array().await).to_string(),
            Length::Special(2) => i32::from_le_bytes(self.array().await).to_string(),
            Length::Special(3) => {
                let compressed = self.length().await?;
                self.length().await?;
                self.skip(compressed).await;
                String::new()
            }
            Length::Special(_) => return Err(self.bad("a text")),
        })
    }

    fn bad(&self, what: &str) -> crate::error::Error {
        corrupt(format!("the RDB file is damaged: no {} before byte {}", what.trim_start_matches("a "), self.at()))
    }

    /// Steps over what a module wrote, to its own end.
    async fn module(&self) -> Result<()> {
        self.length().await?;
        loop {
            match self.length().await? {
                0 => return Ok(()),
                1 | 2 => drop(self.length().await?),
                3 => self.skip(4).await,
                4 => self.skip(8).await,
                5 => self.text().await?,
                _ => return Err(self.bad("a module's value")),
            }
        }
    }

    async fn stream(&self, version: u8) -> Result<()> {
        let listpacks = self.length().await?;
        self.texts(listpacks.saturating_mul(2)).await?;
        self.lengths(if version >= 2 { 8 } else { 3 }).await?;
        for _ in 0..self.length().await? {
            self.text().await?;
            self.lengths(if version >= 2 { 3 } else { 2 }).await?;
            for _ in 0..self.length().await? {
                self.skip(24).await;
                self.length().await?;
            }
            for _ in 0..self.length().await? {
                self.text().await?;
                self.skip(if version >= 3 { 16 } else { 8 }).await;
                let pending = self.length().await?;
                self.skip(pending.saturating_mul(16)).await;
            }
        }
        Ok(())
    }

    /// Steps over a value of a type.
    async fn value(&self, kind: u8) -> Result<()> {
        match kind {
            0 | 9..=13 | 16 | 17 | 20 => self.text().await?,
            1 | 2 | 14 => {
                let count = self.length().await?;
                self.texts(count).await?;
            }
            3 => {
                for _ in 0..self.length().await? {
                    self.text().await?;
                    // A number as its digits, or one of three words of one byte.
                    match self.byte().await {
                        253..=255 => {}
                        digits => self.skip(u64::from(digits)).await,
                    }
                }
            }
            4 => {
                let count = self.length().await?;
                self.texts(count.saturating_mul(2)).await?;
            }
            5 => {
                for _ in 0..self.length().await? {
                    self.text().await?;
                    self.skip(8).await;
                }
            }
            7 => self.module().await?,
            18 => {
                for _ in 0..self.length().await? {
                    self.length().await?;
                    self.text().await?;
                }
            }
            15 => self.stream(1).await?,
            19 => self.stream(2).await?,
            21 => self.stream(3).await?,
            24 => {
                self.skip(8).await;
                for _ in 0..self.length().await? {
                    self.length().await?;
                    self.texts(2).await?;
                }
            }
            25 => {
                self.skip(8).await;
                self.text().await?;
            }
            other => return Err(unsupported(format!("a value of type {other} in the RDB file is not known to this build"))),
        }
        Ok(())
    }
}

/// Walks over a whole file.
pub(super) async fn walk(fed: Fed) -> Result<Rdb> {
    let magic: [u8; 9] = fed.array().await;
    let version = magic.strip_prefix(b"REDIS").and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let version: u32 = version.ok_or_else(|| corrupt("this is no RDB file: it does not begin as one"))?;
    if version > NEWEST || version == 0 {
        return Err(unsupported(format!("the RDB file is of format {version}, newer than this build knows")));
    }
    let mut rdb = Rdb { version, keyspace: [(0, Keys::default())].into(), ..Rdb::default() };
    let (mut database, mut expires) = (0, false);
    loop {
        match fed.byte().await {
            0xff => break,
            0xfe => database = u32::try_from(fed.length().await?).map_err(|_| fed.bad("a database"))?,
            0xfd => {
                fed.skip(4).await;
                expires = true;
            }
            0xfc => {
                fed.skip(8).await;
                expires = true;
            }
            0xfb => fed.lengths(2).await?,
            0xfa => {
                let (name, value) = (fed.short_text().await?, fed.short_text().await?);
                match name.as_str() {
                    "redis-ver" | "valkey-ver" => rdb.server = Some(value),
                    "ctime" => rdb.moment = value.parse().ok().and_then(|second| Timestamp::from_second(second).ok()),
                    _ => {}
                }
            }
            0xf9 => fed.skip(1).await,
            0xf8 => drop(fed.length().await?),
            0xf7 => fed.module_aux().await?,
            0xf5 => fed.text().await?,
            0xf4 => fed.lengths(3).await?,
            kind @ 0..=0xf3 => {
                if kind > 25 {
                    return Err(unsupported(format!("record {kind:#x} of the RDB file is not known to this build")));
                }
                fed.text().await?;
                fed.value(kind).await?;
                let keys = rdb.keyspace.entry(database).or_default();
                keys.keys += 1;
                keys.expiring += u64::from(expires);
                expires = false;
            }
            other => return Err(unsupported(format!("record {other:#x} of the RDB file is not known to this build"))),
        }
    }
    // Before version 5 there was no checksum.
    if version >= 5 {
        let seen = fed.piece().sum.finalize();
        let written = u64::from_le_bytes(fed.array().await);
        rdb.summed = written != 0;
        if rdb.summed && written != seen {
            return Err(corrupt(format!("the RDB file is damaged: its checksum is {written:016x}, and its bytes have {seen:016x}")));
        }
    }
    Ok(rdb)
}

impl Fed {
    /// What a module keeps beside the keys has the shape of a module's value.
    async fn module_aux(&self) -> Result<()> {
        self.module().await
    }
}
