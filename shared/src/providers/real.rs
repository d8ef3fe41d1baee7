//! The adapters of a real invocation: from configuration to clouds, folders and servers.

use crate::{
    clock::Clock,
    config::{Asset, Config, DrillTarget, Source},
    domain::{backup::Form, place::Place},
    env::Progress,
    error::{Result, unsupported},
    ports::{Bucket, Exporter, Providers, Replicas, Secrets},
    providers::postgres::{self, Tools},
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
    /// Where the programs of Postgres are looked for.
    pub tools: Tools,
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
        Self { secrets, clock, progress, scratch, config, tools: Tools::of_this_machine(), buckets: Mutex::default() }
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

    async fn exporter(&self, asset: &Asset, form: Form) -> Result<Arc<dyn Exporter>> {
        match &asset.source {
            Source::Postgres { url } => postgres::exporter(&self.secrets.resolve(url).await?, form, self.tools.clone()),
            Source::Rds { .. }
            | Source::Cloudsql { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => {
                Err(unsupported(format!("{} is of kind {}, which this build cannot back up", asset.name, asset.source.kind())))
            }
        }
    }

    async fn replicas(&self, asset: &Asset, _into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("{} cannot be drilled by this build", asset.name)))
    }
}
