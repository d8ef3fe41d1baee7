//! Reading a snapshot's blocks, and holding each against the sum that EBS keeps of it. What was never written has no block.

use super::{error, filesystem, partitions, region::Region};
use crate::{
    config::Blocks,
    error::{Error, Kind, Result, corrupt, retry},
    providers::aws::{call::escaped, shared::every_page},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The bytes of a block.
const BLOCK: usize = 512 << 10;
const SIZE: u64 = BLOCK as u64;
/// Blocks that are read at once.
const AT_ONCE: usize = 8;

/// What was read of a snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) blocks: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    blocks: Vec<Block>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block {
    block_index: u64,
    block_token: String,
}

/// A snapshot of one volume, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) region: &'a Region,
    /// Its id.
    pub(super) id: &'a str,
    /// Its volume's bytes.
    pub(super) bytes: u64,
}

impl Reading<'_> {
    /// Reads so many blocks, spread over all of it. A block that is not what EBS says it is, is `Kind::Corrupt`.
    pub(super) async fn all(&self, blocks: Blocks) -> Result<Read> {
        let there = self.bytes.div_ceil(SIZE);
        match blocks {
            Blocks::Some(some) if u64::from(some) < there => self.some(u64::from(some), there).await,
            Blocks::Some(_) | Blocks::All => self.every().await,
        }
    }

    /// Reads every block, a page of the listing at a time.
    async fn every(&self) -> Result<Read> {
        let mut read = Read::default();
        let pages = every_page("blocks", |token| async move {
            let page = self.page(0, token).await?;
            let sizes = self.bodies(page.blocks).await?;
            Ok((vec![Read { blocks: sizes.len() as u64, bytes: sizes.iter().sum() }], page.next_token))
        });
        for page in pages.await? {
            read = Read { blocks: read.blocks + page.blocks, bytes: read.bytes + page.bytes };
        }
        Ok(read)
    }

    /// Reads the first block that is there at or after each of so many places, which lie equally far apart.
    async fn some(&self, some: u64, there: u64) -> Result<Read> {
        let places = (0..some).map(|number| number * there / some);
        let found: Vec<_> = stream::iter(places).map(|place| self.at_or_after(place)).buffered(AT_ONCE).try_collect().await?;
        let mut blocks: Vec<_> = found.into_iter().flatten().collect();
        blocks.dedup_by_key(|block| block.block_index);
        let sizes = self.bodies(blocks).await?;
        Ok(Read { blocks: sizes.len() as u64, bytes: sizes.iter().sum() })
    }

    async fn bodies(&self, blocks: Vec<Block>) -> Result<Vec<u64>> {
        let read = stream::iter(blocks).map(|block| async move { Ok::<_, Error>(self.body(&block).await?.len() as u64) });
        read.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Says which file systems begin on it: at its start, or in its partitions.
    pub(super) async fn filesystems(&self) -> Result<Vec<&'static str>> {
        let first = self.bytes_at(0, SIZE).await?;
        let mut found = Vec::new();
        for beginning in partitions::beginnings(&first).into_iter().filter(|beginning| *beginning < self.bytes) {
            found.extend(filesystem::recognised(&self.bytes_at(beginning, filesystem::NEEDED).await?));
        }
        Ok(found)
    }

    /// The bytes of a range; zeros where nothing was ever written.
    async fn bytes_at(&self, start: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for index in start / SIZE..(start + length).min(self.bytes).div_ceil(SIZE) {
            let block = self.at_or_after(index).await?.filter(|block| block.block_index == index);
            let mut body = match block {
                Some(block) => self.body(&block).await?,
                None => Vec::new(),
            };
            body.resize(BLOCK, 0);
            bytes.extend(body);
        }
        let skipped = usize::try_from(start % SIZE).unwrap_or(BLOCK).min(bytes.len());
        bytes.drain(..skipped);
        bytes.truncate(usize::try_from(length).unwrap_or(BLOCK));
        Ok(bytes)
    }

    async fn at_or_after(&self, index: u64) -> Result<Option<Block>> {
        Ok(self.page(index, None).await?.blocks.into_iter().min_by_key(|block| block.block_index))
    }

    async fn page(&self, from: u64, token: Option<String>) -> Result<Page> {
        let most = if token.is_none() && from > 0 { 100 } else { 10_000 };
        let more = token.map(|token| format!("&pageToken={}", escaped(&token))).unwrap_or_default();
        let path = format!("/snapshots/{}/blocks?maxResults={most}&startingBlockIndex={from}{more}", escaped(self.id));
        let reply = self.region.blocks.rest("GET", &path, None).await;
        let reply = reply.map_err(|error| self.told("ebs:ListSnapshotBlocks", &error))?;
        serde_json::from_slice(&reply.body).map_err(|error| retry("the list of blocks cannot be read").because(error))
    }

    /// Reads one block and compares it with its sum.
    async fn body(&self, block: &Block) -> Result<Vec<u8>> {
        let path = format!("/snapshots/{}/blocks/{}?blockToken={}", escaped(self.id), block.block_index, escaped(&block.block_token));
        let reply = self.region.blocks.rest("GET", &path, None).await;
        let reply = reply.map_err(|error| self.told("ebs:GetSnapshotBlock", &error))?;
        let sum = match (reply.header("x-amz-checksum-algorithm"), reply.header("x-amz-checksum")) {
            (Some("SHA256") | None, Some(sum)) => sum,
            (algorithm, _) => {
                let algorithm = algorithm.unwrap_or("no");
                return Err(Error::new(
                    Kind::Unsupported,
                    format!("block {} of {} has a sum of {algorithm} kind", block.block_index, self.id),
                ));
            }
        };
        if BASE64_STANDARD.encode(Sha256::digest(&reply.body)) == sum {
            return Ok(reply.body);
        }
        Err(corrupt(format!("block {} of snapshot {} is not what EBS says it is", block.block_index, self.id)))
    }

    fn told(&self, right: &str, error: &crate::providers::aws::call::CallError) -> Error {
        error::told(right, &format!("{} at {}", self.id, self.region.place), error)
    }
}
