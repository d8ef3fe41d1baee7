//! A store of objects: a bucket and prefix, or a folder.

use crate::{
    clock::Timestamp,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::Place,
        posture::{BucketPosture, Space},
    },
    error::{Result, unsupported},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt::Debug, ops::Range, sync::Arc, time::Duration};

/// Bytes on their way out of a bucket.
pub type ByteStream = std::pin::Pin<Box<dyn tokio::io::AsyncRead + Send>>;

/// The state of an object that a conditional write compares with: an `ETag`, a generation, a digest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(pub String);

/// Under which condition a write takes place. A condition that does not hold is an error of kind `Conflict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum If {
    /// The key is free.
    Absent,
    /// The key holds exactly this state.
    Is(Version),
}

/// What a bucket knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key below the place.
    pub key: String,
    /// Its stored bytes.
    pub size: u64,
    /// Its state. A listing may leave it empty where the store does not say it.
    pub version: Version,
    /// When the store says that it was written: the provider's time, not ours.
    pub modified: Timestamp,
}

/// One page of a listing, in ascending order of keys (by their bytes).
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// The objects.
    pub objects: Vec<ObjectMeta>,
    /// Pass this as `start_after` for the next page; none at the end.
    pub next: Option<String>,
}

/// A store of objects. Keys are relative to the place, `/`-separated, and never begin with a slash.
///
/// Every adapter passes the same conformance suite. Passing faults are retried inside, bounded and jittered; what comes
/// out is final for this invocation, with `Kind::Retry` where a later one may fare better.
#[async_trait]
pub trait Bucket: Debug + Send + Sync {
    /// Where this is.
    fn place(&self) -> &Place;

    /// Returns what is known of an object, or none when there is none.
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>>;

    /// Returns a small object whole (at most `most` bytes, else `Kind::Invalid`) with its state.
    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>>;

    /// Opens an object, or a range of its bytes, for reading. An interrupted transfer is resumed at its offset or ends
    /// in an error, never in a silent end.
    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// Writes a small object in one request and returns its new state. Durable when it returns.
    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version>;

    /// Begins an upload of unknown size. Nothing is visible under `key` before [`Upload::complete`].
    /// `expected` is a rough upper bound of the size, for the choice of part sizes.
    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>>;

    /// Lists objects whose key begins with `prefix`, after `start_after` if given, one page (at most 1,000) at a time.
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed>;

    /// Deletes an object; one that is not there is a success.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Copies an object from another place without the bytes passing through here, if the provider can: returns none
    /// where it cannot and the caller must stream. Refuses an existing `key` with `Kind::Conflict`.
    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>>;

    /// Removes uploads that were begun below this place and neither completed nor touched for `older_than`; returns how many.
    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize>;

    /// Returns how an object can be read: at once, or only after it was recalled; none when there is none.
    async fn readiness(&self, key: &str) -> Result<Option<Readiness>> {
        Ok(self.head(key).await?.map(|_| Readiness::Now))
    }

    /// Asks the store to bring an archived object back. One that is on its way, or back, is a success.
    async fn recall(&self, key: &str, _: Haste) -> Result<()> {
        Err(unsupported(format!("{} archives nothing, and {key} cannot be recalled", self.place())))
    }

    /// Returns the same place, whose uploads and copies lie in a class of storage from their first byte on; none where an object
    /// is moved there once it was read back ([`Bucket::reclass`]).
    fn of_class(&self, _: StorageClass) -> Option<Arc<dyn Bucket>> {
        None
    }

    /// Moves an object to a class of storage, bytes and key as they are. One that lies there is a success.
    async fn reclass(&self, key: &str, class: StorageClass) -> Result<()> {
        Err(unsupported(format!("{} has no class {class} to move {key} to", self.place())))
    }

    /// Looks at how the whole bucket is kept; none where there is nothing to look at, or the store does not know the question.
    async fn posture(&self) -> Result<Option<BucketPosture>> {
        Ok(None)
    }

    /// Looks at how much room there is; none where there is no end to it.
    async fn space(&self) -> Result<Option<Space>> {
        Ok(None)
    }
}

/// An upload under way. Parts may be sent concurrently and in any order; dropping it leaves only what
/// [`Bucket::sweep_uploads`] removes.
#[async_trait]
pub trait Upload: Send + Sync {
    /// The size that part `number` (from 0) should have; only the last part may be smaller.
    fn part_size(&self, number: u32) -> usize;

    /// Stores part `number` (from 0), whose first byte lies at `offset` of the object. Checked by a checksum on the way.
    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()>;

    /// Makes the object appear, whole and durable, under a key that must be free, and checks that it has `size` bytes.
    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta>;

    /// Gives the upload up and removes its parts.
    async fn abort(self: Box<Self>) -> Result<()>;
}

/// Returns every object below `prefix`, page after page.
impl dyn Bucket + '_ {
    /// Returns every object whose key begins with `prefix`, page after page.
    pub async fn list_all(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.list(prefix, after.as_deref()).await?;
            all.extend(page.objects);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}
