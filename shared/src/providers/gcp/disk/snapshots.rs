//! The snapshots of one disk: taken, seen and let go.

use super::{
    compute::{Compute, Order, below, gone},
    error::is_taken,
    labels::{self, ASSET},
    posture, seen, source,
};
use crate::{
    clock::Clock,
    config::{Asset, DiskAt, Source},
    domain::{
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Result, invalid, unsupported},
    id::AssetName,
    ports::{Snapshots, SourceSeen},
    providers::{
        gcp::{Google, call::escaped},
        owned::{adopt, refuse_strangers},
    },
};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;
use std::sync::Arc;

/// The snapshots of one disk, in its project.
#[derive(Debug)]
pub struct DiskSnapshots {
    asset: AssetName,
    disk: String,
    at: DiskAt,
    location: Option<String>,
    guest_flush: bool,
    here: Compute,
    clock: Arc<dyn Clock>,
}

impl DiskSnapshots {
    /// Opens the snapshots of an asset in its own project. Asks nothing yet.
    pub fn new(google: Arc<Google>, asset: &Asset, at: &Place, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Disk { volume, at: stands, place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not a disk of Google's", asset.name, asset.source.kind())));
        };
        if at != home {
            return Err(invalid(format!("Google holds snapshots of {} at {home} alone, not at {at}", asset.name)));
        }
        let policy = asset.policy.snapshot.as_ref();
        Ok(Self {
            asset: asset.name.clone(),
            disk: volume.clone(),
            at: stands.clone(),
            location: policy.and_then(|policy| policy.location.clone()),
            guest_flush: policy.is_some_and(|policy| policy.guest_flush),
            here: Compute::new(google, home, clock.clone())?,
            clock,
        })
    }

    /// The address of the disk, from `projects/` on.
    fn itself(&self) -> String {
        format!("projects/{}/{}/disks/{}", self.here.project(), below(&self.at), self.disk)
    }
}

#[async_trait]
impl Snapshots for DiskSnapshots {
    fn place(&self) -> &Place {
        &self.here.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        Ok(source::seen(&source::disk(&self.here, &self.at, &self.disk).await?))
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        let disk = source::disk(&self.here, &self.at, &self.disk).await?;
        posture::of(&self.here, &disk, &self.itself()).await.map(Some)
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        let mut body = json!({
            "name": label.name.0,
            "labels": labels::of_snapshot(label),
            "description": format!("Lastgood: backup {} of {}", label.backup, label.asset),
        });
        if let Some(location) = &self.location {
            body["storageLocations"] = json!([location]);
        }
        let order = Order {
            permission: "compute.disks.createSnapshot",
            of: &self.disk,
            method: Method::POST,
            path: format!("{}/disks/{}/createSnapshot", below(&self.at), escaped(&self.disk)),
            body: Some(body),
            // Between invocations the name is what tells work from its repetition. A snapshot that failed and was removed is
            // taken anew under that name: it must not be taken for the order that failed.
            key: format!("snapshot {} {} {}", label.backup, label.name, self.clock.now()),
            guest_flush: self.guest_flush,
        };
        match self.here.order(order).await {
            Ok(()) => {
                tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} begins at {}", label.name, self.here.place);
                Ok(())
            }
            Err(error) if is_taken(&error) => adopt(self, label).await,
            Err(error) => Err(error),
        }
    }

    async fn begin_copy(&self, label: &Label, _: &Held) -> Result<()> {
        Err(unsupported(format!("{} cannot be copied: Google moves no snapshot to another location", label.name)))
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        let found = self.here.snapshot(&name.0).await?;
        Ok(found.map(|snapshot| seen::of(&self.here.place, &self.asset, &snapshot)))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        let found = self.here.snapshots(&format!("labels.{ASSET}={}", self.asset)).await?;
        let seen = found.iter().map(|snapshot| seen::of(&self.here.place, &self.asset, snapshot));
        Ok(seen.filter(|seen| seen.backup.is_some()).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        let Some(seen) = self.snapshot(name).await? else { return Ok(()) };
        refuse_strangers(self, &seen, &self.asset)?;
        if seen.state == SnapshotState::Leaving {
            return Ok(());
        }
        let order = Order {
            permission: "compute.snapshots.delete",
            of: &name.0,
            method: Method::DELETE,
            path: format!("global/snapshots/{}", escaped(&name.0)),
            body: None,
            key: format!("remove {name} {}", self.clock.now()),
            guest_flush: false,
        };
        gone(self.here.order(order).await)?;
        tracing::info!(asset = %self.asset, "snapshot {name} at {} is being removed", self.here.place);
        Ok(())
    }
}
