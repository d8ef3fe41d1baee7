//! The adapters of a real invocation: from configuration to clouds, folders and servers.
//!
//! What belongs to one cloud is asked of that cloud's own room here, [`aws`] and [`gcp`], by the place or the asset that it is
//! about: a build with both serves both. Where a cloud is not built in, [`without`] says so.

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "gcp")]
mod gcp;
#[cfg(not(all(feature = "aws", feature = "gcp")))]
mod without;

use crate::{
    clock::Clock,
    config::{Asset, Config, DrillTarget, SecretsAt, Source},
    domain::{
        backup::Form,
        fleet::Candidate,
        place::{Place, Scheme},
    },
    env::{Progress, keys},
    error::{Error, Result, invalid, refused, unsupported},
    ports::{
        Announcer, Bucket, Confirmation, Exporter, Extracts, Keys, NewSecrets, Providers, Replicas, RestoreTarget, RestoreTests, Schedules,
        Secret, Secrets, Snapshots, Target, WalArchive,
    },
    providers::{
        postgres::{
            self, PgUrl, Scratch, Server, Tools,
            target::{Means, NewDatabase, NewFolder},
        },
        redis::{NewRdb, Programs, RedisScratch},
        secret_set::{BesideSecrets, Keeper, NewFile, SecretExports, SecretScratch, Wanted},
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
    /// Where the programs of Redis and Valkey are looked for.
    pub redis: Programs,
    /// The way to AWS.
    #[cfg(feature = "aws")]
    pub aws: Arc<super::aws::Aws>,
    /// The way to Google.
    #[cfg(feature = "gcp")]
    pub google: Arc<super::gcp::Google>,
    /// The way to Azure.
    #[cfg(feature = "azure")]
    pub azure: Arc<super::azure::Azure>,
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
        Self {
            secrets,
            clock,
            progress,
            scratch,
            config,
            tools: Tools::of_this_machine(),
            redis: Programs::of_this_machine(),
            #[cfg(feature = "aws")]
            aws: Arc::default(),
            #[cfg(feature = "gcp")]
            google: Arc::default(),
            #[cfg(feature = "azure")]
            azure: Arc::default(),
            buckets: Mutex::default(),
        }
    }

    #[cfg_attr(not(any(feature = "aws", feature = "gcp", feature = "azure")), expect(clippy::unused_self, reason = "no cloud is built in"))]
    fn open(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        match place.scheme() {
            #[cfg(feature = "aws")]
            Scheme::S3 => {
                let super::aws::Access { endpoint, credentials } = self.aws.access().clone();
                let settings = super::aws::Settings { endpoint, credentials, ..super::aws::Settings::default() };
                Ok(Arc::new(super::aws::S3::new(place.clone(), settings)?))
            }
            #[cfg(feature = "gcp")]
            Scheme::Gs => Ok(Arc::new(super::gcp::Gcs::new(place.clone(), self.google.clone())?)),
            #[cfg(feature = "azure")]
            Scheme::Az => Ok(Arc::new(super::azure::Blobs::new(place.clone(), self.azure.clone())?)),
            #[cfg(not(feature = "aws"))]
            Scheme::S3 => super::open_bucket(place),
            #[cfg(not(feature = "gcp"))]
            Scheme::Gs => super::open_bucket(place),
            #[cfg(not(feature = "azure"))]
            Scheme::Az => super::open_bucket(place),
            Scheme::File | Scheme::Aws | Scheme::Gcp => super::open_bucket(place),
        }
    }

    /// The same adapters, told more of what is protected.
    #[must_use]
    pub fn knowing(self, config: Arc<Config>) -> Self {
        Self { config, ..self }
    }

    /// The connection URL of an asset's database, as far as the config names one and this invocation may know it. After a
    /// disaster, or where a drill runs, it may be out of reach: then the identity that was recorded decides alone.
    async fn source(&self, asset: &Asset) -> Result<Option<PgUrl>> {
        let Some(url) = asset.source.database() else { return Ok(None) };
        match self.secrets.resolve(url).await {
            Ok(url) => Ok(Some(PgUrl::parse(&url)?)),
            Err(_) => Ok(None),
        }
    }

    /// Opens the store that a set of secrets is in.
    fn keeper(&self, at: &SecretsAt) -> Result<Arc<dyn Keeper>> {
        match at {
            SecretsAt::Project(project) => self.secrets_at_google(project),
            SecretsAt::Region(region) => self.secrets_at_aws(region),
        }
    }

    /// Secrets go back to a store of the cloud that they were in: the same place, or another.
    async fn beside_secrets(&self, asset: &Asset, new: &NewSecrets) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Secrets { at, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: only secrets go back to where secrets are", asset.name, asset.source.kind())));
        };
        let there = match at {
            SecretsAt::Project(_) => SecretsAt::Project(new.place.clone()),
            SecretsAt::Region(_) => SecretsAt::Region(new.place.clone()),
        };
        let keys = keys(&self.config, &*self.secrets).await?;
        Ok(Arc::new(BesideSecrets::new(self.keeper(&there)?, Wanted(new.only.clone()), keys, self.progress.clone())))
    }
}

#[async_trait]
impl Providers for Real {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        let mut buckets = self.buckets.lock().await;
        if let Some(bucket) = buckets.get(place) {
            return Ok(bucket.clone());
        }
        let bucket = self.open(place)?;
        buckets.insert(place.clone(), bucket.clone());
        Ok(bucket)
    }

    async fn exporter(&self, asset: &Asset, form: Form) -> Result<Arc<dyn Exporter>> {
        match &asset.source {
            Source::Postgres { url } => Ok(postgres::exporter(PgUrl::parse(&self.secrets.resolve(url).await?)?, form, self.tools.clone())),
            Source::Rds { url: Some(url), login, region, .. } if form == Form::Export => {
                let url = PgUrl::parse(&self.secrets.resolve(url).await?)?;
                Ok(postgres::exporter(self.logged_in_at_aws(url, *login, region).await?, form, self.tools.clone()))
            }
            Source::Cloudsql { .. } if form == Form::Export && asset.policy.export.as_ref().is_some_and(|export| export.offload) => {
                let through = asset.policy.export.as_ref().and_then(|export| export.through.as_ref()).unwrap_or(&self.config.vault);
                self.offloaded_by_cloudsql(asset, self.bucket(through).await?)
            }
            Source::Memorystore { .. } => {
                let through = asset.policy.export.as_ref().and_then(|export| export.through.as_ref());
                let through = through.ok_or_else(|| invalid(format!("{} names no bucket to export through", asset.name)))?;
                self.memorystore(asset, self.bucket(through).await?)
            }
            Source::Cloudsql { url: Some(url), .. } if form == Form::Export => {
                let url = PgUrl::parse(&self.secrets.resolve(url).await?)?;
                Ok(postgres::exporter(url, form, self.tools.clone()))
            }
            Source::Rds { url: Some(_), .. } | Source::Cloudsql { url: Some(_), .. } => {
                Err(unsupported(format!("base backups of {} cannot be taken: its provider lets nobody", asset.name))
                    .hint("give it a `snapshot`, which its provider takes and holds itself"))
            }
            Source::Rds { url: None, .. } | Source::Cloudsql { url: None, .. } => {
                Err(invalid(format!("{} names no `url` to export its database from", asset.name))
                    .hint("add `url: REF` to it, or take snapshots only"))
            }
            Source::Secrets { at, prefix, .. } => {
                if self.config.openpgp.is_empty() {
                    return Err(refused("secrets are exported encrypted or not at all, and no key is named")
                        .hint("add `encryption: { openpgp: [keys/backup.asc] }` to the config"));
                }
                Ok(Arc::new(SecretExports::new(self.keeper(at)?, prefix.clone(), self.clock.clone())))
            }
            Source::Bucket { .. } | Source::Redis { .. } | Source::Elasticache { .. } | Source::Disk { .. } | Source::Volume { .. } => {
                Err(unsupported(format!("{} is of kind {}, which this build cannot back up", asset.name, asset.source.kind())))
            }
        }
    }

    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        match at.scheme() {
            Scheme::Aws => self.snapshots_at_aws(asset, at).await,
            Scheme::Gcp => self.snapshots_at_google(asset, at),
            Scheme::File | Scheme::S3 | Scheme::Gs | Scheme::Az => Err(holds_none(asset, at)),
        }
    }

    async fn extracts(&self, asset: &Asset) -> Result<Arc<dyn Extracts>> {
        let home = asset.source.home().ok_or_else(|| invalid(format!("no provider holds snapshots of {}", asset.name)))?;
        match home.scheme() {
            Scheme::Aws => self.extracts_at_aws(home).await,
            Scheme::Gcp | Scheme::File | Scheme::S3 | Scheme::Gs | Scheme::Az => {
                Err(unsupported(format!("nobody makes extracts of {} at {home}", asset.name)).hint("only RDS does: leave `analytics` out"))
            }
        }
    }

    async fn keys(&self, at: &Place) -> Result<Option<Arc<dyn Keys>>> {
        match at.scheme() {
            Scheme::Aws => self.keys_at_aws(at).await,
            Scheme::Gcp => Ok(self.keys_at_google()),
            Scheme::File | Scheme::S3 | Scheme::Gs | Scheme::Az => Ok(None),
        }
    }

    async fn announcer(&self) -> Result<Option<Arc<dyn Announcer>>> {
        Ok(self.announcer_at_aws())
    }

    async fn wal(&self, asset: &Asset) -> Result<Option<Arc<dyn WalArchive>>> {
        let (Some(policy), Some(url)) = (&asset.policy.wal, asset.source.database()) else { return Ok(None) };
        let url = PgUrl::parse(&self.secrets.resolve(url).await?)?;
        Ok(Some(Arc::new(postgres::Archive::new(url, policy.clone(), self.tools.clone()))))
    }

    async fn schedules(&self) -> Result<Option<Arc<dyn Schedules>>> {
        Ok(self.schedules_at_aws())
    }

    async fn candidates(&self, at: &Place) -> Result<Vec<Candidate>> {
        match at.scheme() {
            Scheme::Aws => self.candidates_at_aws(at).await,
            Scheme::Gcp | Scheme::File | Scheme::S3 | Scheme::Gs | Scheme::Az => {
                Err(unsupported(format!("a fleet cannot be selected at {at}")).hint("name each instance in an asset of its own"))
            }
        }
    }

    async fn replicas(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        match into {
            DrillTarget::Rds(drill) => return self.in_rds(asset, drill),
            DrillTarget::Ebs(drill) => return self.in_ebs(asset, drill),
            DrillTarget::Disk(drill) => return self.in_disks(asset, drill),
            DrillTarget::Cloudsql(drill) => return self.in_cloudsql(asset, drill),
            DrillTarget::Scratch | DrillTarget::Server(_) => {}
        }
        if let (Source::Memorystore { .. }, DrillTarget::Scratch) = (&asset.source, into) {
            let (name, keys, progress) = (asset.name.clone(), keys(&self.config, &*self.secrets).await?, self.progress.clone());
            return Ok(Arc::new(RedisScratch::new(&named_drills(&self.scratch, "redis"), name, self.redis.clone(), keys, progress)?));
        }
        if let (Source::Secrets { .. }, DrillTarget::Scratch) = (&asset.source, into) {
            let (name, keys, progress) = (asset.name.clone(), keys(&self.config, &*self.secrets).await?, self.progress.clone());
            return Ok(Arc::new(SecretScratch::new(&named_drills(&self.scratch, "secrets"), name, keys, progress)?));
        }
        if !has_exports(asset) {
            return Err(unsupported(format!("{} is of kind {}, which cannot be drilled so", asset.name, asset.source.kind()))
                .hint("an asset that its provider backs up is drilled `into: { rds: … }` or `{ cloudsql: … }`, or with a `url` of its database into any Postgres"));
        }
        let (name, keys, progress) = (asset.name.clone(), keys(&self.config, &*self.secrets).await?, self.progress.clone());
        let tools = self.tools.clone();
        match into {
            DrillTarget::Scratch => Ok(Arc::new(Scratch::new(&drills(&self.scratch), name, tools, keys, progress)?)),
            DrillTarget::Server(server) => {
                let server = PgUrl::parse(&self.secrets.resolve(server).await?)?;
                let source = self.source(asset).await?;
                Ok(Arc::new(Server::new(server, source, name, tools, keys, progress, self.scratch.clone())?))
            }
            DrillTarget::Rds(_) | DrillTarget::Cloudsql(_) | DrillTarget::Ebs(_) | DrillTarget::Disk(_) => {
                Err(unsupported(format!("{} cannot be drilled there", asset.name)))
            }
        }
    }

    async fn restore_tests(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn RestoreTests>> {
        self.restore_tests_at_aws(asset, into)
    }

    async fn target(&self, asset: &Asset, into: &Target, confirmation: Confirmation) -> Result<Arc<dyn RestoreTarget>> {
        match into {
            Target::Instance(new) => return self.beside_in_rds(asset, new),
            Target::Volume(new) => return self.beside_in_ebs(asset, new),
            Target::Disk(new) => return self.beside_on_disk(asset, new),
            Target::SqlInstance(new) => return self.beside_in_cloudsql(asset, new),
            Target::Secrets(new) => return self.beside_secrets(asset, new).await,
            Target::Referenced(_) | Target::Url(_) | Target::Folder(_) => {}
        }
        if let (Source::Memorystore { .. }, Target::Folder(folder)) = (&asset.source, into) {
            let keys = keys(&self.config, &*self.secrets).await?;
            return Ok(Arc::new(NewRdb::new(folder, keys, self.progress.clone())));
        }
        if let (Source::Secrets { .. }, Target::Folder(file)) = (&asset.source, into) {
            let keys = keys(&self.config, &*self.secrets).await?;
            return Ok(Arc::new(NewFile::new(file, keys, self.progress.clone())));
        }
        if !has_exports(asset) {
            return Err(unsupported(format!("{} is of kind {}, which cannot be restored yet", asset.name, asset.source.kind())));
        }
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
            Target::Instance(_) | Target::Volume(_) | Target::SqlInstance(_) | Target::Disk(_) | Target::Secrets(_) => {
                return Err(unsupported(format!("{} cannot be restored into {into} here", asset.name)));
            }
        };
        let source = self.source(asset).await?;
        Ok(Arc::new(NewDatabase::new(means, url, source, confirmation)))
    }
}

/// Whether exports of an asset can be there: its database can be reached, or its provider writes them.
fn has_exports(asset: &Asset) -> bool {
    asset.source.database().is_some() || asset.policy.export.as_ref().is_some_and(|export| export.offload)
}

fn holds_none(asset: &Asset, at: &Place) -> Error {
    unsupported(format!("no provider holds snapshots of {} at {at}", asset.name)).hint("name another vault under `copies`")
}

/// The folder of drills of another sort: one of their own, so that nobody stops them as if they were servers of Postgres.
fn named_drills(scratch: &Path, sort: &str) -> PathBuf {
    let drills = drills(scratch);
    let mut name = drills.file_name().unwrap_or_default().to_os_string();
    name.push(format!("-{sort}"));
    drills.with_file_name(name)
}

/// The folder of throwaway servers: beside the one that scratch folders come and go in, and the same for every invocation.
fn drills(scratch: &Path) -> PathBuf {
    let home = scratch.parent().unwrap_or(scratch);
    let mut name = home.file_name().unwrap_or_default().to_os_string();
    name.push("-drills");
    home.with_file_name(name)
}
