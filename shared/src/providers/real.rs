//! The adapters of a real invocation: from configuration to clouds, folders and servers.

use crate::{
    clock::Clock,
    config::{Asset, Config, DrillTarget, Source},
    domain::{backup::Form, place::Place},
    env::{Progress, keys},
    error::{Result, unsupported},
    ports::{Bucket, Confirmation, Exporter, Providers, Replicas, RestoreTarget, Secret, Secrets, Target},
    providers::postgres::{
        self, PgUrl, Scratch, Server, Tools,
        target::{Means, NewDatabase, NewFolder},
    },
};
use async_trait::async_trait;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};
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

    async fn replicas(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        let Source::Postgres { url: source } = &asset.source else {
            return Err(unsupported(format!("{} is of kind {}, which cannot be drilled yet", asset.name, asset.source.kind())));
        };
        let (name, keys, progress) = (asset.name.clone(), keys(&self.config, &*self.secrets).await?, self.progress.clone());
        let tools = self.tools.clone();
        match into {
            DrillTarget::Scratch => Ok(Arc::new(Scratch::new(&drills(&self.scratch), name, tools, keys, progress)?)),
            DrillTarget::Server(server) => {
                let server = PgUrl::parse(&self.secrets.resolve(server).await?)?;
                // Where a drill runs, production's address may be withheld on purpose: then its identity decides alone.
                let source = match self.secrets.resolve(source).await {
                    Ok(url) => Some(PgUrl::parse(&url)?),
                    Err(_) => None,
                };
                Ok(Arc::new(Server::new(server, source, name, tools, keys, progress, self.scratch.clone())?))
            }
            DrillTarget::Rds(_) | DrillTarget::Cloudsql(_) => {
                Err(unsupported("drills into managed instances are not supported yet").hint("use `into: scratch` or `into: { server: … }`"))
            }
        }
    }

    async fn target(&self, asset: &Asset, into: &Target, confirmation: Confirmation) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Postgres { url: source } = &asset.source else {
            return Err(unsupported(format!("{} is of kind {}, which cannot be restored yet", asset.name, asset.source.kind())));
        };
        let means = Means {
            asset: asset.name.clone(),
            tools: Tools::of_this_machine(),
            keys: keys(&self.config, &*self.secrets).await?,
            progress: self.progress.clone(),
            spool: self.scratch.clone(),
        };
        let url = match into {
            Target::Folder(folder) => return Ok(Arc::new(NewFolder::new(means, folder.clone()))),
            Target::Referenced(reference) => PgUrl::parse(&self.secrets.resolve(reference).await?)?,
            Target::Url(url) => PgUrl::parse(&Secret::new(url.clone()))?,
        };
        // After a disaster the source's address may be gone: then its identity, recorded with the backup, decides.
        let source = match self.secrets.resolve(source).await {
            Ok(url) => Some(PgUrl::parse(&url)?),
            Err(_) => None,
        };
        Ok(Arc::new(NewDatabase::new(means, url, source, confirmation)))
    }
}

/// The folder of throwaway servers: beside the one that scratch folders come and go in, and the same for every invocation.
fn drills(scratch: &Path) -> PathBuf {
    let home = scratch.parent().unwrap_or(scratch);
    let mut name = home.file_name().unwrap_or_default().to_os_string();
    name.push("-drills");
    home.with_file_name(name)
}
