//! What of an invocation is Google's.

use super::{Real, holds_none};
use crate::{
    config::{Asset, DiskDrill, Source},
    domain::place::Place,
    error::{Result, invalid},
    ports::{Bucket, Exporter, Keys, NewDisk, Replicas, RestoreTarget, Snapshots},
    providers::gcp::{
        disk::{DiskReplicas, DiskSnapshots, RestoredDisk},
        memorystore::{Memorystore, Which},
    },
};
use std::sync::Arc;

impl Real {
    pub(super) fn snapshots_at_google(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let (google, clock) = (self.google.clone(), self.clock.clone());
        match &asset.source {
            Source::Disk { .. } => Ok(Arc::new(DiskSnapshots::new(google, asset, at, clock)?)),
            Source::Postgres { .. }
            | Source::Rds { .. }
            | Source::Cloudsql { .. }
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

    /// Cloud KMS lets its services use a key for us; whether they may shows in what they hold.
    #[expect(clippy::unused_self, reason = "as for the other clouds")]
    pub(super) fn keys_at_google(&self, _: &Place) -> Option<Arc<dyn Keys>> {
        None
    }
}
