//! The adapters of a world in memory.

use super::{MemoryReplicas, MemorySchedules, MemorySnapshots, MemorySource, MemoryWal};
use crate::{
    config::{Asset, DrillTarget},
    domain::{backup::Form, fleet::Candidate, place::Place},
    error::{Result, not_found},
    ports::{Bucket, Exporter, Providers, Replicas, Schedules, Snapshots, WalArchive},
};
use async_trait::async_trait;
use std::{collections::BTreeMap, sync::Arc};

/// Hands out buckets, one source and one place for replicas.
#[derive(Debug, Clone)]
pub struct MemoryProviders {
    /// The buckets, by place.
    pub buckets: BTreeMap<Place, Arc<dyn Bucket>>,
    /// What every asset is a backup of.
    pub source: MemorySource,
    /// What the provider holds.
    pub snapshots: MemorySnapshots,
    /// Where every drill restores to.
    pub replicas: MemoryReplicas,
    /// Where write-ahead log goes.
    pub wal: MemoryWal,
    /// What wakes us.
    pub schedules: MemorySchedules,
}

#[async_trait]
impl Providers for MemoryProviders {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        self.buckets.get(place).cloned().ok_or_else(|| not_found(format!("no bucket is at {place}")))
    }

    async fn exporter(&self, _: &Asset, _: Form) -> Result<Arc<dyn Exporter>> {
        Ok(Arc::new(self.source.clone()))
    }

    async fn snapshots(&self, _: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Ok(Arc::new(self.snapshots.at(at)))
    }

    async fn wal(&self, _: &Asset) -> Result<Option<Arc<dyn WalArchive>>> {
        Ok(Some(Arc::new(self.wal.clone())))
    }

    async fn schedules(&self) -> Result<Option<Arc<dyn Schedules>>> {
        Ok(self.schedules.are_kept().then(|| Arc::new(self.schedules.clone()) as Arc<dyn Schedules>))
    }

    async fn candidates(&self, at: &Place) -> Result<Vec<Candidate>> {
        self.snapshots.shown(at)
    }

    async fn replicas(&self, _: &Asset, _: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Ok(Arc::new(self.replicas.clone()))
    }
}
