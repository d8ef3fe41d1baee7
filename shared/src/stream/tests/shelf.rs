//! A bucket of one object, whose bytes a test may change.

use crate::{
    clock::Timestamp,
    domain::place::Place,
    error::{Result, conflict, failed, not_found},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A bucket in memory. `lies` flips a byte of whatever is stored, as a broken disk would.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) place: Place,
    pub(super) objects: Objects,
    pub(super) lies: bool,
}

impl Shelf {
    pub(super) fn new() -> Arc<Self> {
        Self::lying(false)
    }

    pub(super) fn lying(lies: bool) -> Arc<Self> {
        Arc::new(Self { place: "file:///shelf".parse().unwrap(), objects: Objects::default(), lies })
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.objects.lock().unwrap().get_mut(KEY).unwrap());
    }

    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        self.objects.lock().unwrap().get(KEY).cloned()
    }
}

#[derive(Debug)]
struct Parts {
    key: String,
    objects: Objects,
    kept: Mutex<BTreeMap<u32, Bytes>>,
    lies: bool,
}

pub(super) const KEY: &str = "exports/orders-db/orders-db_daily_20261120_020000.dump.zst";
pub(super) const PART: usize = 5 << 20;

#[async_trait]
impl Upload for Parts {
    fn part_size(&self, _: u32) -> usize {
        PART
    }

    async fn put_part(&self, number: u32, offset: u64, bytes: Bytes) -> Result<()> {
        assert_eq!(offset, u64::from(number) * PART as u64);
        tokio::time::sleep(Duration::from_millis(u64::from(number % 3))).await;
        assert!(self.kept.lock().unwrap().insert(number, bytes).is_none());
        Ok(())
    }

    async fn complete(self: Box<Self>, size: u64) -> Result<ObjectMeta> {
        let parts = self.kept.lock().unwrap();
        let mut whole: Vec<u8> = parts.values().flatten().copied().collect();
        assert_eq!(whole.len() as u64, size);
        assert!(parts.values().rev().skip(1).all(|part| part.len() == PART));
        if self.lies {
            *whole.last_mut().unwrap() ^= 1;
        }
        self.objects.lock().unwrap().insert(self.key.clone(), whole);
        Ok(meta(&self.key, size))
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn meta(key: &str, size: u64) -> ObjectMeta {
    ObjectMeta { key: key.to_owned(), size, version: Version(String::new()), modified: Timestamp::UNIX_EPOCH }
}

#[async_trait]
impl Bucket for Shelf {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        Ok(self.objects.lock().unwrap().get(key).map(|bytes| meta(key, bytes.len() as u64)))
    }

    async fn get(&self, _: &str, _: u64) -> Result<Option<(Bytes, Version)>> {
        Err(failed("not needed"))
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let bytes = self.objects.lock().unwrap().get(key).cloned().ok_or_else(|| not_found("no such object"))?;
        let range = range.unwrap_or(0..bytes.len() as u64);
        let range = usize::try_from(range.start).unwrap().min(bytes.len())..usize::try_from(range.end).unwrap().min(bytes.len());
        Ok(Box::pin(std::io::Cursor::new(bytes[range].to_vec())))
    }

    async fn put(&self, _: &str, _: Bytes, _: If) -> Result<Version> {
        Err(failed("not needed"))
    }

    async fn begin_upload(&self, key: &str, _: Option<u64>) -> Result<Box<dyn Upload>> {
        if self.objects.lock().unwrap().contains_key(key) {
            return Err(conflict("the key is taken"));
        }
        let parts = Parts { key: key.to_owned(), objects: self.objects.clone(), kept: Mutex::default(), lies: self.lies };
        Ok(Box::new(parts))
    }

    async fn list(&self, _: &str, _: Option<&str>) -> Result<Listed> {
        Err(failed("not needed"))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn sweep_uploads(&self, _: Timestamp, _: Duration) -> Result<usize> {
        Ok(0)
    }
}
