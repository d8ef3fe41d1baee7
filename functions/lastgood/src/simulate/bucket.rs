//! A bucket of the simulation: one in memory, in whatever weather there is.

use super::{fault::Kind, weather::Weather};
use async_trait::async_trait;
use bytes::Bytes;
use lastgood_core::{
    clock::Timestamp,
    domain::{
        place::Place,
        posture::{BucketPosture, Expiry, Exposure, Lifecycle},
    },
    error::{Result, denied, no_space, retry},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
    testing::MemoryBucket,
};
use std::{ops::Range, time::Duration};

/// After how many days the rule that somebody added deletes.
pub const DELETES_AFTER: u32 = 14;

/// A bucket in some weather.
#[derive(Debug, Clone)]
pub struct Exposed {
    inner: MemoryBucket,
    weather: Weather,
    main: bool,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Look,
    Read,
    Write,
}

impl Exposed {
    /// The main vault, or a place of copies.
    pub fn new(inner: MemoryBucket, weather: Weather, main: bool) -> Self {
        Self { inner, weather, main }
    }

    /// Refuses what the weather does not allow.
    fn bear(&self, key: &str, deed: Deed) -> Result<()> {
        let asset = asset_of(key);
        if !self.main {
            let down = self.weather.is(Kind::CopyRegionDown, asset);
            return if down { Err(retry(format!("{} does not answer", self.inner.place()))) } else { Ok(()) };
        }
        if deed != Deed::Look && self.weather.is(Kind::KmsRevoked, asset) {
            return Err(denied(format!("{key}: the key that the vault is encrypted with is disabled (KMS.DisabledException)")));
        }
        if deed == Deed::Write && key.starts_with("exports/") && self.weather.is(Kind::DiskFull, asset) {
            return Err(no_space(format!("{key}: the vault takes no more bytes")));
        }
        Ok(())
    }
}

/// The asset that an object belongs to, by its key; empty where it is nobody's.
fn asset_of(key: &str) -> &str {
    let below = key.strip_prefix("exports/").or_else(|| key.strip_prefix("catalog/v1/assets/")).unwrap_or_default();
    below.split('/').next().unwrap_or_default()
}

#[async_trait]
impl Bucket for Exposed {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.bear(key, Deed::Look)?;
        self.inner.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.bear(key, Deed::Read)?;
        self.inner.get(key, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.bear(key, Deed::Read)?;
        self.inner.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.bear(key, Deed::Write)?;
        self.inner.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.bear(key, Deed::Write)?;
        self.inner.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.bear(prefix, Deed::Look)?;
        self.inner.list(prefix, start_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.bear(key, Deed::Look)?;
        self.inner.delete(key).await
    }

    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.copy_from(from, source_key, key).await
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.bear("", Deed::Look)?;
        self.inner.sweep_uploads(now, older_than).await
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        self.bear("", Deed::Look)?;
        if !self.main {
            return Ok(None);
        }
        let public = self.weather.everywhere(Kind::VaultPublic).then(|| Exposure::Public("its policy lets everybody read".to_owned()));
        let rule = Lifecycle { id: "clean-up".to_owned(), expires: Some(Expiry::After(DELETES_AFTER)), ..Lifecycle::default() };
        let rules = self.weather.everywhere(Kind::LifecycleChange).then(|| vec![rule]);
        let drifted = public.is_some() || rules.is_some();
        Ok(drifted.then(|| BucketPosture { exposure: public, lifecycle: rules, ..BucketPosture::default() }))
    }
}
