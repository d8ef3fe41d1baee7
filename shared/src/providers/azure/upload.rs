//! Uploads to Blob Storage: one request for what fits in a block, named blocks for the rest.
//!
//! Blocks are invisible, may come in any order and at once, and are named after this upload, so that no other can use them.
//! The list that makes a blob of them is refused where a blob stands. Azure wants at most 50,000 blocks: they begin at 8 MiB,
//! or at a forty-thousandth of the expected size, and grow sixteenfold when there turn out to be many.

use super::{
    bucket::{Blobs, MARK},
    call::Ask,
};
use crate::{
    error::{Error, Kind, Result, corrupt, failed, invalid},
    ports::{If, ObjectMeta, Upload},
    providers::{
        again::mark,
        parts::{IN_FLIGHT, Parts},
    },
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use reqwest::Method;
use tokio::sync::{Mutex, Semaphore};

const MIB: u64 = 1 << 20;
const SMALLEST: u64 = 8 * MIB;
const LARGEST: u64 = 4_000 * MIB;
const MOST_PARTS: u32 = 50_000;

/// Returns the size of block `number` of a blob of about `expected` bytes.
fn part_size(expected: Option<u64>, number: u32) -> u64 {
    let first = expected.unwrap_or_default().div_ceil(40_000).next_multiple_of(MIB).max(SMALLEST);
    if number < 40_000 { first.min(LARGEST) } else { first.saturating_mul(16).min(LARGEST) }
}

/// One blob on its way. Nothing is asked of Azure before there is a whole block.
pub(super) struct BlobUpload {
    bucket: Blobs,
    key: String,
    path: String,
    expected: Option<u64>,
    mark: String,
    /// A first block that is smaller than blocks are: it is the whole blob.
    only: Mutex<Option<Bytes>>,
    parts: Parts<u32>,
    room: Semaphore,
}

impl BlobUpload {
    pub(super) fn new(bucket: Blobs, key: String, path: String, expected: Option<u64>) -> Self {
        let (only, parts, room) = (Mutex::default(), Parts::default(), Semaphore::new(IN_FLIGHT as usize));
        Self { bucket, key, path, expected, mark: mark(), only, parts, room }
    }

    /// All names have one length, as Azure wants it.
    fn block(&self, number: u32) -> String {
        STANDARD.encode(format!("{}-{number:06}", self.mark))
    }

    async fn send(&self, number: u32, bytes: Bytes) -> Result<()> {
        let ask = Ask::new(Method::PUT, &self.path).query("comp", "block").query("blockid", self.block(number)).body(bytes);
        let sent = self.bucket.call().ask(&ask).await.map_err(|refused| refused.told("blobs/write", &self.path));
        sent.map(|_| ()).map_err(|error| error.during(format_args!("part {number}")))
    }

    async fn join(&self, numbers: &[u32]) -> Result<()> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for number in numbers {
            list.push_str(&format!("<Uncommitted>{}</Uncommitted>", self.block(*number)));
        }
        list.push_str("</BlockList>");
        let ask = Ask::new(Method::PUT, &self.path)
            .query("comp", "blocklist")
            .header("if-none-match", "*")
            .header("content-type", "application/xml")
            .header("x-ms-blob-content-type", "application/octet-stream")
            .header(MARK, self.mark.clone())
            .body(list.into());
        self.bucket.call().ask(&ask).await.map(|_| ()).map_err(|refused| refused.told("blobs/write", &self.path))
    }
}

/// Writes a small blob as one block and its list. A store may take blocks that nobody committed for a blob that stands there
/// when it is written in one request; a list is only refused where a blob is seen.
pub(super) async fn as_block(bucket: &Blobs, key: &str, path: &str, bytes: &Bytes, mark: &str) -> Result<()> {
    let upload = BlobUpload { mark: mark.to_owned(), ..BlobUpload::new(bucket.clone(), key.to_owned(), path.to_owned(), None) };
    if bytes.is_empty() {
        return upload.join(&[]).await;
    }
    upload.send(0, bytes.clone()).await?;
    upload.join(&[0]).await
}

#[async_trait]
impl Upload for BlobUpload {
    fn part_size(&self, number: u32) -> usize {
        usize::try_from(part_size(self.expected, number)).unwrap_or(usize::MAX)
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        if number >= MOST_PARTS {
            return Err(invalid(format!("{} has more than {MOST_PARTS} parts", self.path)));
        }
        let length = bytes.len();
        if number == 0 && length < self.part_size(0) {
            *self.only.lock().await = Some(bytes);
            return self.parts.add(0, offset, length, 0);
        }
        let mib = u32::try_from(length.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, IN_FLIGHT);
        let _room = self.room.acquire_many(mib).await.map_err(|error| failed("the upload was closed").because(error))?;
        self.send(number, bytes).await?;
        self.parts.add(number, offset, length, number)
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        let parts = self.parts.tiling(size).map_err(|error| error.during(format_args!("completing {}", self.path)))?;
        let only = self.only.lock().await.take();
        let joined = match only {
            Some(bytes) if parts.len() == 1 => self.bucket.write(&self.key, &bytes, &If::Absent, &self.mark).await.map(|_| ()),
            Some(_) => Err(failed(format!("part 0 of {} was too small not to be the last", self.path))),
            None if parts.is_empty() => self.bucket.write(&self.key, &Bytes::new(), &If::Absent, &self.mark).await.map(|_| ()),
            None => self.join(&parts).await,
        };
        // Whatever the reply was: what stands there, of which size and by whose hand, decides.
        match (joined, self.bucket.find(&self.key).await?) {
            (_, Some(found)) if found.mark.as_deref() == Some(&self.mark) => match found.meta.size {
                stored if stored == size => Ok(found.meta),
                stored => Err(corrupt(format!("{} has {stored} bytes after its upload, and should have {size}", self.path))),
            },
            (Ok(()), _) => Err(corrupt(format!("{} was completed and is not there", self.path))),
            (Err(error), None) => Err(error),
            (Err(error), Some(_)) => Err(Error::new(Kind::Conflict, format!("{} is already there", self.path)).because(error)),
        }
    }

    /// Blocks that nobody commits have no name to delete them by: Azure forgets them after a week.
    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_blob_that_azure_takes_fits_into_fifty_thousand_blocks() {
        const TIB: u64 = 1 << 40;
        for expected in [None, Some(TIB), Some(100 * TIB)] {
            let whole: u64 = (0..MOST_PARTS).map(|number| part_size(expected, number)).sum();
            assert!(whole >= expected.unwrap_or(TIB), "{expected:?}");
        }
        assert_eq!((part_size(None, 0), part_size(None, 40_000)), (8 * MIB, 128 * MIB));
    }
}
