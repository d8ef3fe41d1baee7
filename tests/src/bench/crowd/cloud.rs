//! The cloud of a crowd: who belongs to the fleet, and what a region holds of each member.

use super::{
    Crowd,
    records::{TAKES, held},
};
use async_trait::async_trait;
use lastgood_core::{
    config::{Asset, DrillTarget},
    domain::{
        backup::Form,
        fleet::Candidate,
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Result, unsupported},
    id::{AssetName, BackupId},
    ports::{Bucket, Exporter, Providers, Replicas, Snapshots, SourceSeen},
};
use std::{collections::BTreeMap, sync::Arc};

#[async_trait]
impl Providers for Crowd {
    async fn bucket(&self, _: &Place) -> Result<Arc<dyn Bucket>> {
        Ok(Arc::new(self.clone()))
    }

    async fn exporter(&self, asset: &Asset, _: Form) -> Result<Arc<dyn Exporter>> {
        Err(unsupported(format!("{} is not exported", asset.name)))
    }

    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Ok(Arc::new(Shelf { crowd: self.clone(), asset: asset.name.clone(), place: at.clone() }))
    }

    async fn candidates(&self, _: &Place) -> Result<Vec<Candidate>> {
        for _ in 0..self.members.div_ceil(100) {
            self.asked(&self.calls.provider).await;
        }
        let tags = || vec![BTreeMap::from([("backup".to_owned(), "true".to_owned())])];
        let one = |number| Candidate { id: format!("db{number:05}"), tags: tags(), instances: Vec::new(), unfit: None };
        Ok((0..self.members).map(one).collect())
    }

    async fn replicas(&self, asset: &Asset, _: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("{} is not drilled", asset.name)))
    }
}

/// What a region holds of one member.
#[derive(Debug)]
struct Shelf {
    crowd: Crowd,
    asset: AssetName,
    place: Place,
}

#[async_trait]
impl Snapshots for Shelf {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        Err(unsupported("nothing is taken here"))
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        // What a region shows of all instances serves every one of them.
        Ok(Some(Posture { retention_days: Some(7), protected: Some(true), public: Some(false), ..Posture::default() }))
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        Err(unsupported(format!("{} is not taken here", label.name)))
    }

    async fn begin_copy(&self, label: &Label, _: &Held) -> Result<()> {
        Err(unsupported(format!("{} is not copied here", label.name)))
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        Ok(self.snapshots().await?.into_iter().find(|seen| seen.name == *name))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        for _ in 0..self.crowd.backups.div_ceil(100).max(1) {
            self.crowd.asked(&self.crowd.calls.provider).await;
        }
        let one = |back| {
            let slot = self.crowd.slot(back);
            let held = held(&self.asset, slot, &self.place.to_string());
            SnapshotSeen {
                name: held.name.clone(),
                backup: Some(BackupId::derive(TAKES, &self.asset, &slot)),
                state: SnapshotState::Available,
                data_time: Some(slot.0),
                held,
            }
        };
        Ok((0..self.crowd.backups).map(one).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        Err(unsupported(format!("{name} is not removed here")))
    }
}
