//! The adapters of a real invocation: from configuration to clouds, folders and servers.

use crate::{
    clock::Clock,
    config::{Asset, Config, DrillTarget},
    domain::{backup::Form, place::Place},
    env::Progress,
    error::{Result, unsupported},
    ports::{Bucket, Exporter, Providers, Replicas, Secrets},
};
use async_trait::async_trait;
use std::{collections::HashMap, path::PathBuf, sync::Arc};
use tokio::sync::Mutex;

/// Opens real adapters; each bucket once.
#[derive(Debug)]
pub struct Real {
    /// Where secrets come from.
    pub secrets: Arc<dyn Secrets>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// A private folder for spools and sockets.
    pub scratch: PathBuf,
    /// What is protected and how.
    pub config: Arc<Config>,
    buckets: Mutex<HashMap<Place, Arc<dyn Bucket>>>,
}

impl Real {
    /// Opens nothing yet.
    pub fn new(
        secrets: Arc<dyn Secrets>,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
        scratch: PathBuf,
        config: Arc<Config>,
    ) -> Self {
        Self { secrets, clock, progress, scratch, config, buckets: Mutex::default() }
    }
}

#[async_trait]
impl Providers for Real {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        let mut buckets = self.buckets.lock().await;
        if let Some(bucket) = buckets.get(place) {
            return Ok(bucket.clone());
        }
        let bucket = super::open_bucket(place)?;
        buckets.insert(place.clone(), bucket.clone());
        Ok(bucket)
    }

    async fn exporter(&self, asset: &Asset, _form: Form) -> Result<Arc<dyn Exporter>> {
        Err(unsupported(format!("{} cannot be backed up by this build", asset.name)))
    }

    async fn replicas(&self, asset: &Asset, _into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("{} cannot be drilled by this build", asset.name)))
    }
}
