//! What of an invocation is Amazon's.

use super::Real;
use crate::{
    config::{Asset, DrillTarget, EbsDrill, Login, OwnEvents, RdsDrill, Source},
    domain::{fleet::Candidate, place::Place},
    error::{Result, invalid, unsupported},
    ports::{Announcer, Extracts, Keys, NewInstance, NewVolume, Replicas, RestoreTarget, RestoreTests, Schedules, Snapshots},
    providers::{aws, postgres::PgUrl, secret_set::Keeper},
};
use std::sync::Arc;

impl Real {
    pub(super) async fn logged_in_at_aws(&self, url: PgUrl, login: Login, region: &str) -> Result<PgUrl> {
        match login {
            Login::Password => Ok(url),
            Login::Iam => url.minted_by(Arc::new(aws::IamLogin::open(&self.aws, region, self.clock.clone()).await?)),
        }
    }

    pub(super) async fn snapshots_at_aws(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        match &asset.source {
            Source::Volume { .. } => Ok(Arc::new(aws::ebs::EbsSnapshots::open(aws, asset, at, clock).await?)),
            Source::Elasticache { .. } => Ok(Arc::new(aws::elasticache::CacheSnapshots::open(aws, asset, at).await?)),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Cloudsql { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Secrets { .. }
            | Source::Memorystore { .. }
            | Source::Disk { .. } => Ok(Arc::new(aws::rds::RdsSnapshots::open(aws, asset, at, clock).await?)),
        }
    }

    pub(super) async fn extracts_at_aws(&self, home: &Place) -> Result<Arc<dyn Extracts>> {
        Ok(Arc::new(aws::rds::RdsExtracts::open(&self.aws, home).await?))
    }

    pub(super) async fn keys_at_aws(&self, at: &Place) -> Result<Option<Arc<dyn Keys>>> {
        Ok(Some(Arc::new(aws::AwsKeys::open(&self.aws, at).await?)))
    }

    pub(super) fn announcer_at_aws(&self) -> Option<Arc<dyn Announcer>> {
        let open = |events: &OwnEvents| -> Arc<dyn Announcer> { Arc::new(aws::Events::new(events.bus.clone(), self.aws.access().clone())) };
        self.config.events.as_ref().map(open)
    }

    pub(super) fn schedules_at_aws(&self) -> Option<Arc<dyn Schedules>> {
        aws::Scheduler::of_this_deployment(self.aws.access()).map(|keeper| Arc::new(keeper) as _)
    }

    pub(super) async fn candidates_at_aws(&self, at: &Place) -> Result<Vec<Candidate>> {
        aws::rds::candidates(&self.aws, at, self.clock.now()).await
    }

    /// Opens the secrets of a region.
    #[expect(clippy::unnecessary_wraps, reason = "the same question as where AWS is not built in")]
    pub(super) fn secrets_at_aws(&self, region: &str) -> Result<Arc<dyn Keeper>> {
        Ok(Arc::new(aws::AwsSecretSet::new(self.aws.clone(), region)))
    }

    pub(super) fn in_rds(&self, asset: &Asset, drill: &RdsDrill) -> Result<Arc<dyn Replicas>> {
        Ok(Arc::new(self.replicas_in_rds(asset, drill)?))
    }

    pub(super) fn in_ebs(&self, asset: &Asset, drill: &EbsDrill) -> Result<Arc<dyn Replicas>> {
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        Ok(Arc::new(aws::ebs::EbsReplicas::new(aws, asset, drill.clone(), clock)?))
    }

    pub(super) fn restore_tests_at_aws(&self, asset: &Asset, into: &DrillTarget) -> Result<Arc<dyn RestoreTests>> {
        let (DrillTarget::Rds(drill), Source::Rds { instance, place, .. }) = (into, &asset.source) else {
            return Err(unsupported(format!("AWS Backup restores {} nowhere that it could be asked", asset.name))
                .hint("leave `drill.restore_tests` out"));
        };
        let members = asset.member.iter().flat_map(|member| member.instances.iter().cloned());
        let sources = members.chain([instance.clone()]).collect();
        let replicas = Arc::new(self.replicas_in_rds(asset, drill)?);
        let (aws, clock) = (self.aws.clone(), self.clock.clone());
        Ok(Arc::new(aws::backup::BackupTests::new(aws, replicas, place.clone(), sources, clock)))
    }

    pub(super) fn beside_in_rds(&self, asset: &Asset, new: &NewInstance) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Rds { instance, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: RDS restores only its own snapshots", asset.name, asset.source.kind())));
        };
        let (aws, clock, progress) = (self.aws.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(aws::rds::Beside::new(aws, new.clone(), instance, clock, progress)))
    }

    pub(super) fn beside_in_ebs(&self, asset: &Asset, new: &NewVolume) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Volume { .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: EBS restores only volumes", asset.name, asset.source.kind())));
        };
        let (aws, clock, progress) = (self.aws.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(aws::ebs::EbsVolume::new(aws, new.clone(), clock, progress)))
    }

    fn replicas_in_rds(&self, asset: &Asset, drill: &RdsDrill) -> Result<aws::rds::RdsReplicas> {
        let (aws, clock, tools) = (self.aws.clone(), self.clock.clone(), self.tools.clone());
        let replicas = aws::rds::RdsReplicas::new(aws, asset, drill.clone(), clock, tools)?;
        Ok(replicas.sparing(self.config.assets.values().filter_map(|asset| asset.source.instance())))
    }
}
