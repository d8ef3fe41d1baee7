//! A bucket with an archive: objects that are moved to a class of it can be read only after a recall, which takes its time.

use crate::{
    clock::{Clock, Timestamp, after},
    domain::{
        archive::{Haste, Readiness, StorageClass},
        place::Place,
    },
    error::{Error, Kind, Result, not_found},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
    testing::ManualClock,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Any bucket, with an archive in it. Clones are the same bucket.
#[derive(Debug, Clone)]
pub struct Archiving {
    inner: Arc<dyn Bucket>,
    clock: ManualClock,
    takes: Duration,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Where objects lie, and from when on one that was asked for can be read.
    classes: BTreeMap<String, (StorageClass, Option<Timestamp>)>,
    /// What was asked for, in order.
    asked: Vec<(String, Haste)>,
}

impl Archiving {
    /// Puts an archive into a bucket, whose recalls take so long.
    pub fn new(inner: Arc<dyn Bucket>, clock: ManualClock, takes: Duration) -> Self {
        Self { inner, clock, takes, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects that do not lie in the bucket's own class, with theirs.
    pub fn classes(&self) -> Vec<(String, &'static str)> {
        self.state().classes.iter().map(|(key, (class, _))| (key.clone(), class.name())).collect()
    }

    /// What was recalled so far, in order.
    pub fn recalled(&self) -> Vec<(String, Haste)> {
        self.state().asked.clone()
    }

    fn how(&self, key: &str) -> Readiness {
        match self.state().classes.get(key) {
            Some((class, None)) if class.is_archive() => Readiness::Archived(*class),
            Some((class, Some(back))) if class.is_archive() && self.clock.now() < *back => Readiness::Coming(*class),
            _ => Readiness::Now,
        }
    }

    fn readable(&self, key: &str) -> Result<()> {
        match self.how(key) {
            Readiness::Now => Ok(()),
            Readiness::Archived(_) | Readiness::Coming(_) => {
                Err(Error::new(Kind::Refused, format!("{key}: it is archived and must be recalled first")))
            }
        }
    }
}

#[async_trait]
impl Bucket for Archiving {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.readable(key)?;
        self.inner.get(key, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.readable(key)?;
        self.inner.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.inner.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.inner.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.inner.list(prefix, start_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.state().classes.remove(key);
        self.inner.delete(key).await
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.inner.sweep_uploads(now, older_than).await
    }

    async fn readiness(&self, key: &str) -> Result<Option<Readiness>> {
        Ok(self.inner.head(key).await?.map(|_| self.how(key)))
    }

    async fn recall(&self, key: &str, haste: Haste) -> Result<()> {
        let (back, how) = (after(self.clock.now(), self.takes), self.how(key));
        let mut state = self.state();
        state.asked.push((key.to_owned(), haste));
        match how {
            Readiness::Archived(class) => state.classes.insert(key.to_owned(), (class, Some(back))),
            Readiness::Now | Readiness::Coming(_) => None,
        };
        Ok(())
    }

    async fn reclass(&self, key: &str, class: StorageClass) -> Result<()> {
        if self.inner.head(key).await?.is_none() {
            return Err(not_found(format!("{key} is not there")));
        }
        self.state().classes.insert(key.to_owned(), (class, None));
        Ok(())
    }
}
