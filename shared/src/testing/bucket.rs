//! A bucket in memory, harsher than life: short pages, small parts, opaque versions, listings that lag if asked to.

use crate::{
    clock::{Clock, Timestamp, after, since},
    domain::{
        place::Place,
        posture::{BucketPosture, Space},
    },
    error::{Result, conflict, corrupt, failed, invalid, not_found},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version, check_key, check_prefix},
    providers::parts::Parts,
    testing::ManualClock,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const PAGE: usize = 7;
const PART: usize = 64 << 10;

/// A bucket in memory. Clones are the same bucket; its times come from the clock it was made with.
#[derive(Debug, Clone)]
pub struct MemoryBucket {
    place: Place,
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// What a key held before its last write, and deleted objects with the moment that they went.
    former: BTreeMap<String, Option<Object>>,
    gone: BTreeMap<String, (Object, Timestamp)>,
    uploads: BTreeMap<u64, Pending>,
    writes: u64,
    lag: Duration,
    /// How many objects a page of a listing has, where it is not the shortest.
    page: Option<usize>,
    posture: Option<BucketPosture>,
    space: Option<Space>,
}

#[derive(Debug, Clone)]
struct Object {
    bytes: Bytes,
    version: Version,
    modified: Timestamp,
}

#[derive(Debug)]
struct Pending {
    touched: Timestamp,
    parts: BTreeMap<u32, Bytes>,
}

impl Object {
    fn meta(&self, key: &str) -> ObjectMeta {
        ObjectMeta { key: key.to_owned(), size: self.bytes.len() as u64, version: self.version.clone(), modified: self.modified }
    }
}

impl State {
    fn write(&mut self, key: &str, bytes: Bytes, now: Timestamp) -> ObjectMeta {
        self.writes += 1;
        let object = Object { bytes, version: Version(format!("\"v{}\"", self.writes)), modified: now };
        let meta = object.meta(key);
        self.gone.remove(key);
        let former = self.objects.insert(key.to_owned(), object);
        self.former.insert(key.to_owned(), former);
        meta
    }
}

impl MemoryBucket {
    /// Creates an empty bucket that says it is at `place`.
    pub fn new(place: Place, clock: ManualClock) -> Self {
        Self { place, clock, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets listings show the past: what was written or deleted less than `lag` ago.
    pub fn lag_listings(&self, lag: Duration) {
        self.state().lag = lag;
    }

    /// Lets pages of listings be this long.
    pub fn pages_of(&self, objects: usize) {
        self.state().page = Some(objects.max(1));
    }

    /// Says how the bucket is kept.
    pub fn set_posture(&self, posture: BucketPosture) {
        self.state().posture = Some(posture);
    }

    /// Says how much room there is.
    pub fn set_space(&self, space: Option<Space>) {
        self.state().space = space;
    }

    /// Returns what a key holds.
    pub fn bytes(&self, key: &str) -> Option<Bytes> {
        self.state().objects.get(key).map(|object| object.bytes.clone())
    }

    /// Returns every key, in order.
    pub fn keys(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }

    /// Returns everything that is stored, to be compared with a later state byte for byte.
    pub fn contents(&self) -> BTreeMap<String, Bytes> {
        self.state().objects.iter().map(|(key, object)| (key.clone(), object.bytes.clone())).collect()
    }

    /// Puts bytes under a key past every condition, as a stranger's hand would.
    pub fn overwrite(&self, key: &str, bytes: impl Into<Bytes>) {
        let now = self.clock.now();
        self.state().write(key, bytes.into(), now);
    }

    /// Removes an object past everything, as a stranger's hand would.
    pub fn lose(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// Flips one bit of one stored byte; version and time stay. Returns false where there is no such byte.
    pub fn flip(&self, key: &str, offset: usize) -> bool {
        self.change(key, |bytes| match bytes.get_mut(offset) {
            Some(byte) => {
                *byte ^= 1;
                true
            }
            None => false,
        })
    }

    /// Cuts an object to its first `length` bytes; version and time stay.
    pub fn truncate(&self, key: &str, length: usize) -> bool {
        self.change(key, |bytes| {
            bytes.truncate(length);
            true
        })
    }

    /// Changes an object's bytes under its version and time, as a rotting disk would.
    pub fn change(&self, key: &str, change: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let mut state = self.state();
        let Some(object) = state.objects.get_mut(key) else { return false };
        let mut bytes = object.bytes.to_vec();
        let changed = change(&mut bytes);
        object.bytes = bytes.into();
        changed
    }

    /// Takes the last write to a key back, as a store that lost it after a crash would. Returns false if there was none.
    pub fn lose_last_write(&self, key: &str) -> bool {
        let mut state = self.state();
        match state.former.remove(key) {
            Some(Some(former)) => state.objects.insert(key.to_owned(), former).is_some(),
            Some(None) => state.objects.remove(key).is_some(),
            None => false,
        }
    }

    /// Returns how many uploads are neither completed nor removed.
    pub fn open_uploads(&self) -> usize {
        self.state().uploads.len()
    }
}

#[async_trait]
impl Bucket for MemoryBucket {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        check_key(key)?;
        tokio::task::yield_now().await;
        Ok(self.state().objects.get(key).map(|object| object.meta(key)))
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        check_key(key)?;
        tokio::task::yield_now().await;
        match self.state().objects.get(key) {
            Some(object) if object.bytes.len() as u64 > most => Err(invalid(format!("{key} has more than {most} bytes"))),
            Some(object) => Ok(Some((object.bytes.clone(), object.version.clone()))),
            None => Ok(None),
        }
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        check_key(key)?;
        let bytes = self.bytes(key).ok_or_else(|| not_found(format!("{}/{key} is not there", self.place)))?;
        let size = bytes.len() as u64;
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(corrupt(format!("{key} has {size} bytes, and bytes {} to {} were asked for", range.start, range.end)));
        }
        let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(Box::pin(std::io::Cursor::new(bytes.slice(at(range.start)..at(range.end)))))
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        check_key(key)?;
        tokio::task::yield_now().await;
        let now = self.clock.now();
        let mut state = self.state();
        let found = state.objects.get(key).map(|object| &object.version);
        match (condition, found) {
            (If::Absent, None) => {}
            (If::Is(expected), Some(version)) if expected == *version => {}
            (If::Absent, Some(_)) => return Err(conflict(format!("{key} is already there"))),
            (If::Is(_), _) => return Err(conflict(format!("{key} is no longer what it was when it was read"))),
        }
        Ok(state.write(key, bytes, now).version)
    }

    async fn begin_upload(&self, key: &str, _expected: Option<u64>) -> Result<Box<dyn Upload>> {
        check_key(key)?;
        tokio::task::yield_now().await;
        let now = self.clock.now();
        let mut state = self.state();
        state.writes += 1;
        let id = state.writes;
        state.uploads.insert(id, Pending { touched: now, parts: BTreeMap::new() });
        Ok(Box::new(MemoryUpload { bucket: self.clone(), key: key.to_owned(), id, tiles: Parts::default() }))
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        check_prefix(prefix)?;
        tokio::task::yield_now().await;
        let now = self.clock.now();
        let state = self.state();
        let seen = |at: Timestamp| after(at, state.lag) <= now;
        let from = match start_after {
            Some(start) if start >= prefix => Bound::Excluded(start),
            Some(_) | None => Bound::Included(prefix),
        };
        let below = |key: &&String| key.starts_with(prefix);
        let gone = state.gone.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| below(key));
        let there = state.objects.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| below(key));
        let page = state.page.unwrap_or(PAGE);
        let mut shown: BTreeMap<&str, ObjectMeta> =
            gone.filter(|(_, (_, at))| !seen(*at)).map(|(key, (object, _))| (key.as_str(), object.meta(key))).collect();
        // One more than a page says that there is a next one.
        let more = page + 1 + shown.len();
        shown.extend(there.filter(|(_, object)| seen(object.modified)).take(more).map(|(key, object)| (key.as_str(), object.meta(key))));
        let mut objects: Vec<_> = shown.into_values().collect();
        let next = (objects.len() > page).then(|| objects[page - 1].key.clone());
        objects.truncate(page);
        Ok(Listed { objects, next })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        check_key(key)?;
        tokio::task::yield_now().await;
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(object) = state.objects.remove(key) {
            state.gone.insert(key.to_owned(), (object, now));
        }
        Ok(())
    }

    async fn copy_from(&self, _from: &dyn Bucket, _source_key: &str, _key: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn space(&self) -> Result<Option<Space>> {
        Ok(self.state().space)
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        Ok(self.state().posture.clone())
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        let mut state = self.state();
        let before = state.uploads.len();
        state.uploads.retain(|_, pending| since(now, pending.touched) < older_than);
        Ok(before - state.uploads.len())
    }
}

struct MemoryUpload {
    bucket: MemoryBucket,
    key: String,
    id: u64,
    tiles: Parts<()>,
}

#[async_trait]
impl Upload for MemoryUpload {
    fn part_size(&self, _number: u32) -> usize {
        PART
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        tokio::task::yield_now().await;
        let now = self.bucket.clock.now();
        self.tiles.add(number, offset, bytes.len(), ())?;
        let mut state = self.bucket.state();
        let pending = state.uploads.get_mut(&self.id).ok_or_else(|| failed("the upload was swept away"))?;
        pending.touched = now;
        pending.parts.insert(number, bytes);
        Ok(())
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        self.tiles.tiling(size)?;
        tokio::task::yield_now().await;
        let now = self.bucket.clock.now();
        let mut state = self.bucket.state();
        let pending = state.uploads.get(&self.id).ok_or_else(|| failed("the upload was swept away"))?;
        if pending.parts.values().rev().skip(1).any(|part| part.len() < PART) {
            return Err(failed("a part other than the last is too small"));
        }
        if state.objects.contains_key(&self.key) {
            return Err(conflict(format!("{} is already there", self.key)));
        }
        let whole: Vec<u8> = pending.parts.values().flatten().copied().collect();
        state.uploads.remove(&self.id);
        Ok(state.write(&self.key, whole.into(), now))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.bucket.state().uploads.remove(&self.id);
        Ok(())
    }
}
