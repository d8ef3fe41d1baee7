//! What of an invocation is Google's.

use super::{Real, holds_none};
use crate::{
    config::{Asset, DiskDrill, Source, SqlDrill},
    domain::place::Place,
    error::{Result, invalid},
    ports::{Bucket, Exporter, Keys, NewDisk, NewSqlInstance, Replicas, RestoreTarget, Snapshots},
    providers::{
        gcp::{
            self,
            disk::{DiskReplicas, DiskSnapshots, RestoredDisk},
            memorystore::{Memorystore, Which},
        },
        secret_set::Keeper,
    },
};
use std::sync::Arc;

impl Real {
    pub(super) fn snapshots_at_google(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let (google, clock) = (self.google.clone(), self.clock.clone());
        match &asset.source {
            Source::Disk { .. } => Ok(Arc::new(DiskSnapshots::new(google, asset, at, clock)?)),
            Source::Cloudsql { .. } => Ok(Arc::new(gcp::sql::SqlSnapshots::open(google, asset, at, clock)?)),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Elasticache { .. }
            | Source::Memorystore { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => Err(holds_none(asset, at)),
        }
    }

    /// Opens a Redis of Memorystore, which exports through a bucket.
    pub(super) fn memorystore(&self, asset: &Asset, through: Arc<dyn Bucket>) -> Result<Arc<dyn Exporter>> {
        let Source::Memorystore { project, region, instance, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not a Redis of Memorystore", asset.name, asset.source.kind())));
        };
        let (google, clock) = (self.google.clone(), self.clock.clone());
        Ok(Arc::new(Memorystore::new(google, asset.name.clone(), Which { project, region, instance }, through, clock)?))
    }

    /// Opens the secrets of a project.
    #[expect(clippy::unnecessary_wraps, reason = "the same question as where Google is not built in")]
    pub(super) fn secrets_at_google(&self, project: &str) -> Result<Arc<dyn Keeper>> {
        Ok(Arc::new(gcp::GcpSecretSet::new(self.google.clone(), project)))
    }

    pub(super) fn in_disks(&self, asset: &Asset, drill: &DiskDrill) -> Result<Arc<dyn Replicas>> {
        let (google, clock) = (self.google.clone(), self.clock.clone());
        Ok(Arc::new(DiskReplicas::new(google, asset, drill, clock)?))
    }

    pub(super) fn beside_on_disk(&self, asset: &Asset, new: &NewDisk) -> Result<Arc<dyn RestoreTarget>> {
        let Source::Disk { .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: only volumes of Google's become disks", asset.name, asset.source.kind())));
        };
        let (google, clock, progress) = (self.google.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(RestoredDisk::new(google, new.clone(), clock, progress)))
    }

    pub(super) fn offloaded_by_cloudsql(&self, asset: &Asset, through: Arc<dyn Bucket>) -> Result<Arc<dyn Exporter>> {
        let database = asset.policy.export.as_ref().and_then(|export| export.database.clone());
        let (google, database) = (self.google.clone(), database.unwrap_or_else(|| "postgres".to_owned()));
        Ok(Arc::new(gcp::sql::Offload::open(google, asset, database, through, self.clock.clone())?))
    }

    pub(super) fn in_cloudsql(&self, asset: &Asset, drill: &SqlDrill) -> Result<Arc<dyn Replicas>> {
        let (google, clock, tools) = (self.google.clone(), self.clock.clone(), self.tools.clone());
        let replicas = gcp::sql::SqlReplicas::new(google, asset, drill.clone(), clock, tools, self.scratch.clone())?;
        let sources = self.config.assets.values().filter_map(|other| match &other.source {
            Source::Cloudsql { instance, place, .. } if Some(place) == asset.source.home() => Some(instance.as_str()),
            Source::Cloudsql { .. }
            | Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Bucket { .. }
            | Source::Redis { .. }
            | Source::Elasticache { .. }
            | Source::Memorystore { .. }
            | Source::Disk { .. }
            | Source::Secrets { .. }
            | Source::Volume { .. } => None,
        });
        Ok(Arc::new(replicas.sparing(sources)))
    }

    pub(super) fn beside_in_cloudsql(&self, asset: &Asset, new: &NewSqlInstance) -> Result<Arc<dyn RestoreTarget>> {
        let (google, clock, progress) = (self.google.clone(), self.clock.clone(), self.progress.clone());
        Ok(Arc::new(gcp::sql::SqlBeside::new(google, asset, new.clone(), clock, progress)?))
    }

    #[expect(clippy::unnecessary_wraps, reason = "none where Google is not built in")]
    pub(super) fn keys_at_google(&self) -> Option<Arc<dyn Keys>> {
        Some(Arc::new(gcp::GcpKeys::new(self.google.clone())))
    }
}
