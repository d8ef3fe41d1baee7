//! The adapters of a real invocation: from configuration to clouds, folders and servers.

use crate::{
    clock::Clock,
    config::{Asset, Config, DrillTarget, Login, RdsDrill, Source},
    domain::{
        backup::Form,
        place::{Place, Scheme},
    },
    env::{Progress, keys},
    error::{Result, invalid, unsupported},
    ports::{Bucket, Confirmation, Exporter, NewInstance, Providers, Replicas, RestoreTarget, Secret, Secrets, Target},
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
            #[cfg(feature = "aws")]
            aws: Arc::default(),
            #[cfg(feature = "gcp")]
            google: Arc::default(),
            #[cfg(feature = "azure")]
            azure: Arc::default(),
            buckets: Mutex::default(),
        }
    }

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

    #[cfg(feature = "aws")]
    async fn logged_in(&self, url: PgUrl, login: Login, region: &str) -> Result<PgUrl> {
        match login {
            Login::Password => Ok(url),
            Login::Iam => url.minted_by(Arc::new(super::aws::IamLogin::open(&self.aws, region, self.clock.clone()).await?)),
        }
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "logging in to AWS waits")]
    async fn logged_in(&self, url: PgUrl, login: Login, _: &str) -> Result<PgUrl> {
        match login {
            Login::Password => Ok(url),
            Login::Iam => Err(unsupported("this build cannot log in by IAM").hint("use a build with the feature `aws`")),
        }
    }

    #[cfg(feature = "aws")]
    fn replicas_in_rds(&self, asset: &Asset, drill: &RdsDrill) -> Result<super::aws::rds::RdsReplicas> {
        let (aws, clock, tools) = (self.aws.clone(), self.clock.clone(), self.tools.clone());
        let replicas = super::aws::rds::RdsReplicas::new(aws, asset, drill.clone(), clock, tools)?;
        Ok(replicas.sparing(self.config.assets.values().filter_map(|asset| asset.source.instance())))
    }

    #[cfg(feature = "aws")]
    fn in_rds(&self, asset: &Asset, drill: &RdsDrill) -> Result<Arc<dyn Replicas>> {
        Ok(Arc::new(self.replicas_in_rds(asset, drill)?))
    }

    #[cfg(feature = "aws")]
    fn beside_in_rds(&self, asset: &Asset, new: &NewInstance) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Rds { instance, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: RDS restores only its own snapshots", asset.name, asset.source.kind())));
        };
        let (aws, clock, progress) = (self.aws.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(super::aws::rds::Beside::new(aws, new.clone(), instance, clock, progress)))
    }

    #[cfg(feature = "aws")]
    fn in_ebs(&self, asset: &Asset, drill: &crate::config::EbsDrill) -> Result<Arc<dyn Replicas>> {
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        Ok(Arc::new(super::aws::ebs::EbsReplicas::new(aws, asset, drill.clone(), clock)?))
    }

    #[cfg(feature = "aws")]
    fn beside_in_ebs(&self, asset: &Asset, new: &crate::ports::NewVolume) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Volume { place: Some(_), .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: EBS restores only volumes", asset.name, asset.source.kind())));
        };
        let (aws, clock, progress) = (self.aws.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(super::aws::ebs::EbsVolume::new(aws, new.clone(), clock, progress)))
    }

    #[cfg(not(feature = "aws"))]
    fn in_ebs(&self, asset: &Asset, _: &crate::config::EbsDrill) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("this build cannot drill {} in EBS", asset.name)).hint("use a build with the feature `aws`"))
    }

    #[cfg(not(feature = "aws"))]
    fn beside_in_ebs(&self, asset: &Asset, _: &crate::ports::NewVolume) -> Result<Arc<dyn RestoreTarget>> {
        Err(unsupported(format!("this build cannot restore {} in EBS", asset.name)).hint("use a build with the feature `aws`"))
    }

    #[cfg(not(feature = "aws"))]
    fn beside_in_rds(&self, asset: &Asset, _: &NewInstance) -> Result<Arc<dyn RestoreTarget>> {
        Err(unsupported(format!("this build cannot restore {} in RDS", asset.name)).hint("use a build with the feature `aws`"))
    }

    #[cfg(not(feature = "aws"))]
    fn in_rds(&self, asset: &Asset, _: &RdsDrill) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("this build cannot drill {} in RDS", asset.name)).hint("use a build with the feature `aws`"))
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
                Ok(postgres::exporter(self.logged_in(url, *login, region).await?, form, self.tools.clone()))
            }
            Source::Rds { url: Some(_), .. } => {
                Err(unsupported(format!("base backups of {} cannot be taken: RDS lets nobody", asset.name))
                    .hint("give it a `snapshot`, which RDS takes and holds itself"))
            }
            Source::Rds { url: None, .. } => Err(invalid(format!("{} names no `url` to export its database from", asset.name))
                .hint("add `url: REF` to it, or take snapshots only")),
            Source::Cloudsql { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Elasticache { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => {
                Err(unsupported(format!("{} is of kind {}, which this build cannot back up", asset.name, asset.source.kind())))
            }
        }
    }

    #[cfg(feature = "aws")]
    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn crate::ports::Snapshots>> {
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        match &asset.source {
            Source::Volume { .. } => Ok(Arc::new(super::aws::ebs::EbsSnapshots::open(aws, asset, at, clock).await?)),
            Source::Elasticache { .. } => Ok(Arc::new(super::aws::elasticache::CacheSnapshots::open(aws, asset, at).await?)),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Cloudsql { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Secrets { .. } => Ok(Arc::new(super::aws::rds::RdsSnapshots::open(aws, asset, at, clock).await?)),
        }
    }

    #[cfg(feature = "aws")]
    async fn extracts(&self, asset: &Asset) -> Result<Arc<dyn crate::ports::Extracts>> {
        let home = asset.source.home().ok_or_else(|| invalid(format!("no provider holds snapshots of {}", asset.name)))?;
        Ok(Arc::new(super::aws::rds::RdsExtracts::open(&self.aws, home).await?))
    }

    #[cfg(feature = "aws")]
    async fn keys(&self, at: &Place) -> Result<Option<Arc<dyn crate::ports::Keys>>> {
        Ok(Some(Arc::new(super::aws::AwsKeys::open(&self.aws, at).await?)))
    }

    #[cfg(feature = "aws")]
    async fn announcer(&self) -> Result<Option<Arc<dyn crate::ports::Announcer>>> {
        let open = |events: &crate::config::OwnEvents| -> Arc<dyn crate::ports::Announcer> {
            Arc::new(super::aws::Events::new(events.bus.clone(), self.aws.access().clone()))
        };
        Ok(self.config.events.as_ref().map(open))
    }

    async fn wal(&self, asset: &Asset) -> Result<Option<Arc<dyn crate::ports::WalArchive>>> {
        let (Some(policy), Some(url)) = (&asset.policy.wal, asset.source.database()) else { return Ok(None) };
        let url = PgUrl::parse(&self.secrets.resolve(url).await?)?;
        Ok(Some(Arc::new(postgres::Archive::new(url, policy.clone(), self.tools.clone()))))
    }

    #[cfg(feature = "aws")]
    async fn schedules(&self) -> Result<Option<Arc<dyn crate::ports::Schedules>>> {
        Ok(super::aws::Scheduler::of_this_deployment(self.aws.access()).map(|keeper| Arc::new(keeper) as _))
    }

    #[cfg(feature = "aws")]
    async fn candidates(&self, at: &Place) -> Result<Vec<crate::domain::fleet::Candidate>> {
        super::aws::rds::candidates(&self.aws, at, self.clock.now()).await
    }

    async fn replicas(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        if let DrillTarget::Rds(drill) = into {
            return self.in_rds(asset, drill);
        }
        if let DrillTarget::Ebs(drill) = into {
            return self.in_ebs(asset, drill);
        }
        if asset.source.database().is_none() {
            return Err(unsupported(format!("{} is of kind {}, which cannot be drilled so", asset.name, asset.source.kind()))
                .hint("an rds asset is drilled `into: { rds: … }`, or with a `url` of its database into any Postgres"));
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
            DrillTarget::Rds(_) | DrillTarget::Cloudsql(_) | DrillTarget::Ebs(_) => {
                Err(unsupported("drills into Cloud SQL are not supported yet").hint("use `into: scratch` or `into: { server: … }`"))
            }
        }
    }

    #[cfg(feature = "aws")]
    async fn restore_tests(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn crate::ports::RestoreTests>> {
        let (DrillTarget::Rds(drill), Source::Rds { instance, place, .. }) = (into, &asset.source) else {
            return Err(unsupported(format!("AWS Backup restores {} nowhere that it could be asked", asset.name))
                .hint("leave `drill.restore_tests` out"));
        };
        let members = asset.member.iter().flat_map(|member| member.instances.iter().cloned());
        let sources = members.chain([instance.clone()]).collect();
        let replicas = Arc::new(self.replicas_in_rds(asset, drill)?);
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        Ok(Arc::new(super::aws::backup::BackupTests::new(aws, replicas, place.clone(), sources, clock)))
    }

    async fn target(&self, asset: &Asset, into: &Target, confirmation: Confirmation) -> Result<Arc<dyn RestoreTarget>> {
        if let Target::Instance(new) = into {
            return self.beside_in_rds(asset, new);
        }
        if let Target::Volume(new) = into {
            return self.beside_in_ebs(asset, new);
        }
        if asset.source.database().is_none() {
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
            Target::Instance(_) | Target::Volume(_) => {
                return Err(unsupported(format!("{} cannot be restored into {into} here", asset.name)));
            }
        };
        let source = self.source(asset).await?;
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
