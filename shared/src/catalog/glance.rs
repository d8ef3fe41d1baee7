//! All records of one asset at one glance: a single listing, and a memory of what they said when they were last read.
//!
//! An asset has hundreds of records, and from one look to the next hardly any changes. So a function keeps what it has read, each
//! with the state that the store gave it, and reads again only what the listing shows in another. Every record is read again
//! in the end, however little it changes; where a store does not tell states apart in its listings, nothing is remembered.
//! A memory is the function's own: nobody reads another's, so nobody's rights reach further by it.

use super::{Key, RECORD_LIMIT, Vault};
use crate::{
    clock::{Clock, Timestamp, after, spread},
    domain::place::Place,
    error::{Error, Kind, Result, failed},
    id::AssetName,
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{
    collections::BTreeMap,
    io::Read,
    ops::{Bound, Range},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A larger record is not remembered: it holds the sums of a large backup, and is read when it is needed.
const LARGEST: usize = 64 << 10;
/// The most bytes that a memory takes, unpacked: about ten thousand records.
const MOST: u64 = 32 << 20;
/// How long a record may be remembered before it is read again, at the least and at the most.
const LEAST: Duration = Duration::from_hours(7 * 24);
const LEVEL: i32 = 1;

/// The records of one asset as they were at one moment. What is asked of [`Glance::vault`] is answered from there.
#[derive(Debug)]
pub struct Glance {
    /// The vault, whose records of this asset stand still. Nothing is written through it.
    pub vault: Vault,
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    inner: Arc<dyn Bucket>,
    folder: String,
    listed: BTreeMap<String, ObjectMeta>,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

/// What is remembered, and where.
#[derive(Debug, Default)]
struct Memory {
    key: Option<String>,
    version: Option<Version>,
    records: BTreeMap<String, Remembered>,
    changed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Remembered {
    version: String,
    read_at: Timestamp,
    record: Box<RawValue>,
}

/// What a memory is as it is stored, behind zstd.
#[derive(Debug, Serialize, Deserialize)]
struct Stored<R> {
    version: u64,
    records: R,
}

const VERSION: u64 = 1;

impl Vault {
    /// Looks at all records of an asset; `whose` memory is used, if any.
    pub async fn glance(&self, asset: &AssetName, whose: Option<&str>, clock: &Arc<dyn Clock>) -> Result<Glance> {
        let (inner, folder) = (self.bucket().clone(), Key::records(asset));
        let listed: BTreeMap<_, _> = inner.list_all(&folder).await?.into_iter().map(|meta| (meta.key.clone(), meta)).collect();
        let tells = listed.values().all(|meta| !meta.version.0.is_empty());
        let memory = match whose {
            Some(whose) if tells && !listed.is_empty() => recall(&*inner, asset, whose, &listed).await,
            Some(_) | None => Memory::default(),
        };
        let seen = Arc::new(Seen { inner, folder, listed, clock: clock.clone(), memory: Mutex::new(memory) });
        Ok(Glance { vault: Self::new(seen.clone()), seen })
    }
}

impl Glance {
    /// Keeps what was read, if that is news. Another that does the same at this moment is left to it.
    pub async fn remember(&self) -> Result<()> {
        let (key, bytes, condition) = {
            let memory = self.seen.memory();
            let Some(key) = memory.key.clone().filter(|_| memory.changed) else { return Ok(()) };
            (key, pack(&memory.records)?, memory.version.clone().map_or(If::Absent, If::Is))
        };
        match self.seen.inner.put(&key, bytes, condition).await {
            Err(error) if error.kind() != Kind::Conflict => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

/// Returns what is remembered of the records that are still listed as they were. A memory that cannot be read is none.
async fn recall(bucket: &dyn Bucket, asset: &AssetName, whose: &str, listed: &BTreeMap<String, ObjectMeta>) -> Memory {
    let key = Key::Memory(whose.to_owned(), asset.clone()).to_string();
    let (version, records) = match bucket.get(&key, RECORD_LIMIT).await {
        Ok(Some((bytes, version))) => (Some(version), unpack(&bytes).unwrap_or_default()),
        Ok(None) => (None, BTreeMap::new()),
        Err(_) => return Memory::default(),
    };
    let before = records.len();
    let still = |name: &String, found: &mut Remembered| listed.get(name).is_some_and(|meta| meta.version.0 == found.version);
    let mut records = records;
    records.retain(still);
    Memory { changed: records.len() != before, key: Some(key), version, records }
}

fn pack(records: &BTreeMap<String, Remembered>) -> Result<Bytes> {
    // Straight into the compressor: neither a copy of the records nor their text is held beside them.
    let mut packed = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(Error::from)?;
    let stored = Stored { version: VERSION, records };
    serde_json::to_writer(&mut packed, &stored).map_err(|error| failed("writing a memory").because(error))?;
    Ok(packed.finish().map_err(Error::from)?.into())
}

fn unpack(bytes: &[u8]) -> Option<BTreeMap<String, Remembered>> {
    let mut text = Vec::new();
    zstd::stream::read::Decoder::new(bytes).ok()?.take(MOST).read_to_end(&mut text).ok()?;
    serde_json::from_slice::<Stored<BTreeMap<String, Remembered>>>(&text)
        .ok()
        .filter(|stored| stored.version == VERSION)
        .map(|stored| stored.records)
}

/// Until when a record need not be read again: between one and two weeks, so that they do not all come due at once.
fn fresh_until(key: &str, read_at: Timestamp) -> Timestamp {
    after(read_at, LEAST + Duration::from_secs(spread(key, LEAST.as_secs())))
}

impl Seen {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, key: &str) -> bool {
        key.starts_with(&self.folder)
    }

    fn recalled(&self, key: &str) -> Option<Bytes> {
        let memory = self.memory();
        let found = memory.records.get(key).filter(|found| fresh_until(key, found.read_at) > self.clock.now())?;
        Some(Bytes::copy_from_slice(found.record.get().as_bytes()))
    }

    /// Remembers a record that is still as it was listed. What is no JSON is no record.
    fn note(&self, meta: &ObjectMeta, bytes: &Bytes, version: &Version) {
        let mut memory = self.memory();
        if memory.key.is_none() || bytes.len() > LARGEST || *version != meta.version {
            return;
        }
        if let Ok(record) = serde_json::from_slice(bytes) {
            let found = Remembered { version: version.0.clone(), read_at: self.clock.now(), record };
            memory.records.insert(meta.key.clone(), found);
            memory.changed = true;
        }
    }
}

#[async_trait]
impl Bucket for Seen {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        if self.is_ours(key) { Ok(self.listed.get(key).cloned()) } else { self.inner.head(key).await }
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        if !self.is_ours(key) {
            return self.inner.get(key, most).await;
        }
        let Some(meta) = self.listed.get(key) else { return Ok(None) };
        if let Some(bytes) = self.recalled(key) {
            return Ok(Some((bytes, meta.version.clone())));
        }
        let found = self.inner.get(key, most).await?;
        if let Some((bytes, version)) = &found {
            self.note(meta, bytes, version);
        }
        Ok(found)
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        if !self.is_ours(prefix) {
            return self.inner.list(prefix, start_after).await;
        }
        let from = start_after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
        let below = self.listed.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        Ok(Listed { objects: below.map(|(_, meta)| meta.clone()).collect(), next: None })
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.inner.read(key, range).await
    }

    async fn put(&self, key: &str, _: Bytes, _: If) -> Result<Version> {
        Err(failed(format!("{key}: nothing is written at a glance")))
    }

    async fn begin_upload(&self, key: &str, _: Option<u64>) -> Result<Box<dyn Upload>> {
        Err(failed(format!("{key}: nothing is written at a glance")))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        Err(failed(format!("{key}: nothing is removed at a glance")))
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, key: &str) -> Result<Option<ObjectMeta>> {
        Err(failed(format!("{key}: nothing is written at a glance")))
    }

    async fn sweep_uploads(&self, _: Timestamp, _: Duration) -> Result<usize> {
        Ok(0)
    }
}
