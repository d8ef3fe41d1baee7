//! Signs that an asset's records are being changed: one small object each, renewed by whoever writes, before it writes.
//!
//! One listing then tells of a thousand assets whose records were changed since. A sign speaks for what its writer writes in
//! the minutes after it, so that an hour after the newest sign ([`SETTLES`]) everything that it announced is there to be seen.
//! It is no proof of anything: what strangers change leaves no sign.

use super::{Key, Vault};
use crate::{
    clock::{Clock, Timestamp, since},
    config::Config,
    domain::{
        place::Place,
        posture::{BucketPosture, Space},
    },
    error::{During, Result},
    id::AssetName,
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long after a sign everything that it announced is there to be seen.
pub const SETTLES: Duration = Duration::from_hours(1);
/// How long a writer may write without renewing its sign.
const SPEAKS_FOR: Duration = Duration::from_mins(15);

/// A vault's bucket whose writers leave signs.
#[derive(Debug)]
struct Touching {
    inner: Arc<dyn Bucket>,
    clock: Arc<dyn Clock>,
    signs: Mutex<BTreeMap<AssetName, Timestamp>>,
}

/// Returns when each asset's records were last touched, as the store dates it.
pub async fn touches(vault: &Vault) -> Result<BTreeMap<AssetName, Timestamp>> {
    let folder = Key::touches();
    let listed = vault.bucket().list_all(&folder).await?;
    Ok(listed.into_iter().filter_map(|meta| Some((meta.key.strip_prefix(&folder)?.parse().ok()?, meta.modified))).collect())
}

impl Vault {
    /// The vault of a config: its writers leave signs where the checker may go by what it saw before.
    pub fn of(config: &Config, bucket: Arc<dyn Bucket>, clock: &Arc<dyn Clock>) -> Self {
        Self::new(match config.relist_every {
            Some(_) => Arc::new(Touching::new(bucket, clock.clone())),
            None => bucket,
        })
    }
}

impl Touching {
    fn new(inner: Arc<dyn Bucket>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, signs: Mutex::default() }
    }

    /// Leaves a sign before a record is changed. Where that cannot be, nothing is changed: nobody would hear of it.
    async fn touch(&self, key: &str) -> Result<()> {
        let Some(asset) = Key::owner(key) else { return Ok(()) };
        let now = self.clock.now();
        if self.signs.lock().unwrap_or_else(PoisonError::into_inner).get(&asset).is_some_and(|at| since(now, *at) < SPEAKS_FOR) {
            return Ok(());
        }
        let sign = Vault::new(self.inner.clone()).publish(&Key::Touched(asset.clone()), format!("{now}\n").into()).await;
        sign.during(format_args!("leaving a sign that the records of {asset} change"))?;
        self.signs.lock().unwrap_or_else(PoisonError::into_inner).insert(asset, now);
        Ok(())
    }
}

#[async_trait]
impl Bucket for Touching {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.inner.get(key, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.inner.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.touch(key).await?;
        self.inner.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.inner.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.inner.list(prefix, start_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.touch(key).await?;
        self.inner.delete(key).await
    }

    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.copy_from(from, source_key, key).await
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.inner.sweep_uploads(now, older_than).await
    }

    async fn posture(&self) -> Result<Option<BucketPosture>> {
        self.inner.posture().await
    }

    async fn space(&self) -> Result<Option<Space>> {
        self.inner.space().await
    }
}
