//! The snapshots of one asset in one region: taken, copied to, seen and let go.

use super::{
    Shape, automated, continuous,
    copy::Copy,
    directory::Shown,
    error::{is_absent, is_taken},
    look::Region,
    posture, seen,
    source::Source,
    tags,
};
use crate::{
    clock::Clock,
    config::{Asset, Copies, Source as Kept},
    domain::{
        continuous::Continuous,
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Error, Kind, Result, invalid},
    id::AssetName,
    ports::{Snapshots, SourceSeen},
    providers::{
        aws::Aws,
        owned::{adopt, refuse_strangers},
    },
};
use async_trait::async_trait;
use std::sync::{Arc, OnceLock};

/// What an asset is in RDS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    Instance(String),
    Cluster(String),
}

/// The snapshots of one RDS instance or cluster at one place.
#[derive(Debug)]
pub struct RdsSnapshots {
    aws: Arc<Aws>,
    pub(super) asset: AssetName,
    pub(super) id: String,
    home: Place,
    pub(super) here: Region,
    key: Option<String>,
    clock: Arc<dyn Clock>,
    named: OnceLock<Named>,
}

impl RdsSnapshots {
    /// Opens the snapshots of an asset in its own region, or where copies of them are. Asks nothing yet.
    pub async fn open(aws: Arc<Aws>, asset: &Asset, at: &Place, clock: Arc<dyn Clock>) -> Result<Self> {
        let Kept::Rds { instance, place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not rds", asset.name, asset.source.kind())));
        };
        let key = asset.policy.copies.iter().find_map(|copies| match copies {
            Copies::Region { place, kms_key, .. } if place == at => kms_key.clone(),
            Copies::Region { .. } | Copies::Vault { .. } => None,
        });
        let here = Region::open(&aws, at).await?;
        let (asset, id, home) = (asset.name.clone(), instance.clone(), home.clone());
        Ok(Self { aws, asset, id, home, here, key, clock, named: OnceLock::new() })
    }

    /// Looks at the instance or cluster, and keeps in mind which of the two it is.
    pub(super) async fn look(&self) -> Result<Source> {
        let region = self.region().await?;
        let source = Source::find(&region, &self.id).await?;
        self.note(&source);
        Ok(source)
    }

    async fn region(&self) -> Result<Region> {
        if self.here.place == self.home { Ok(self.here.clone()) } else { Region::open(&self.aws, &self.home).await }
    }

    /// The same as it was lately, where many ask, with the region that showed it.
    async fn lately(&self) -> Result<(Source, Option<Arc<Shown>>)> {
        let shown = match self.region().await {
            Ok(region) => self.aws.directory.lately(&region, self.clock.now()).await.ok().flatten(),
            Err(_) => None,
        };
        match shown.as_ref().and_then(|shown| shown.source(&self.id)) {
            Some(source) => {
                self.note(&source);
                Ok((source, shown))
            }
            None => Ok((self.look().await?, shown)),
        }
    }

    fn note(&self, source: &Source) {
        let named = match source {
            Source::Instance(_) => Named::Instance(self.id.clone()),
            Source::Cluster(cluster, _) => Named::Cluster(cluster.db_cluster_identifier().unwrap_or(&self.id).to_owned()),
        };
        let _ = self.named.set(named);
    }

    pub(super) async fn named(&self) -> Result<Named> {
        if let Some(named) = self.named.get() {
            return Ok(named.clone());
        }
        self.lately().await?;
        self.named.get().cloned().ok_or_else(|| invalid(format!("{} is neither an instance nor a cluster", self.id)))
    }

    async fn of_instance(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        Ok(self.here.snapshot(name).await?.map(|snapshot| seen::of_instance(&self.here.place, &self.asset, &snapshot)))
    }

    async fn of_cluster(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        Ok(self.here.cluster_snapshot(name).await?.map(|snapshot| seen::of_cluster(&self.here.place, &self.asset, &snapshot)))
    }

    /// Every snapshot of this asset here of one shape; of all of the region where it is not known what the asset is.
    async fn listed(&self, shape: Shape, of: Option<&str>) -> Result<Vec<SnapshotSeen>> {
        let (place, asset) = (&self.here.place, &self.asset);
        let mut all: Vec<_> = match shape {
            Shape::Instance => self.here.snapshots(of).await?.iter().map(|snapshot| seen::of_instance(place, asset, snapshot)).collect(),
            Shape::Cluster => {
                self.here.cluster_snapshots(of).await?.iter().map(|snapshot| seen::of_cluster(place, asset, snapshot)).collect()
            }
        };
        all.retain(|seen| seen.backup.is_some());
        Ok(all)
    }

    /// Every snapshot here of what the asset is. Where copies are, its own region is asked only if there seem to be none: that
    /// region may be the one that is lost.
    async fn narrowly(&self) -> Result<Vec<SnapshotSeen>> {
        let away = self.here.place != self.home;
        if away && self.named.get().is_none() {
            let near = self.of_this_name().await?;
            if !near.is_empty() {
                return Ok(near);
            }
        }
        match self.named().await {
            Ok(Named::Instance(id)) => self.listed(Shape::Instance, Some(&id)).await,
            Ok(Named::Cluster(id)) => self.listed(Shape::Cluster, Some(&id)).await,
            Err(_) if away => self.all().await,
            // It is gone, and what was taken of it is not.
            Err(error) if error.kind() == Kind::NotFound => match self.of_this_name().await? {
                near if near.is_empty() => Err(error),
                near => Ok(near),
            },
            Err(error) => Err(error),
        }
    }

    async fn of_this_name(&self) -> Result<Vec<SnapshotSeen>> {
        let mut near = self.listed(Shape::Instance, Some(&self.id)).await?;
        near.extend(self.listed(Shape::Cluster, Some(&self.id)).await?);
        Ok(near)
    }

    /// Every snapshot of this asset, whatever it was when each was taken.
    async fn all(&self) -> Result<Vec<SnapshotSeen>> {
        let mut all = self.listed(Shape::Instance, None).await?;
        all.extend(self.listed(Shape::Cluster, None).await?);
        Ok(all)
    }
}

#[async_trait]
impl Snapshots for RdsSnapshots {
    fn place(&self) -> &Place {
        &self.here.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        if self.here.place != self.home {
            return Err(invalid(format!("{} is at {}, not at {}", self.asset, self.home, self.here.place)));
        }
        Ok(self.look().await?.seen())
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        if self.here.place != self.home {
            return Ok(None);
        }
        let (source, shown) = self.lately().await?;
        Ok(Some(posture::of(&self.here, &source, shown.as_deref()).await?))
    }

    async fn continuous(&self) -> Result<Option<Continuous>> {
        let source = self.look().await?;
        continuous::of(&self.here, &source).await
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        let (client, tags) = (&self.here.client, Some(tags::of_snapshot(label)));
        let begun = match self.named().await? {
            Named::Instance(id) => {
                let call = client.create_db_snapshot().db_instance_identifier(&id).db_snapshot_identifier(&label.name.0).set_tags(tags);
                match call.send().await {
                    Ok(_) => Ok(()),
                    Err(error) if is_taken(&error) => Err(None),
                    Err(error) => Err(Some(self.here.told("rds:CreateDBSnapshot", &id, &error))),
                }
            }
            Named::Cluster(id) => {
                let call = client.create_db_cluster_snapshot().db_cluster_identifier(&id);
                match call.db_cluster_snapshot_identifier(&label.name.0).set_tags(tags).send().await {
                    Ok(_) => Ok(()),
                    Err(error) if is_taken(&error) => Err(None),
                    Err(error) => Err(Some(self.here.told("rds:CreateDBClusterSnapshot", &id, &error))),
                }
            }
        };
        match begun {
            Ok(()) => {
                tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} begins at {}", label.name, self.here.place);
                Ok(())
            }
            Err(None) => adopt(self, label).await,
            Err(Some(error)) => Err(error),
        }
    }

    async fn automated(&self) -> Result<Option<SnapshotSeen>> {
        if self.here.place != self.home {
            return Err(invalid(format!("{} is at {}, not at {}", self.asset, self.home, self.here.place)));
        }
        automated::newest(self).await
    }

    async fn begin_keeping(&self, label: &Label, of: &Held) -> Result<()> {
        if automated::keep(self, label, of).await? {
            tracing::info!(asset = %self.asset, backup = %label.backup, "{} is being kept as {}", of.name, label.name);
            return Ok(());
        }
        adopt(self, label).await
    }

    async fn begin_copy(&self, label: &Label, of: &Held) -> Result<()> {
        let from = Region::open(&self.aws, &of.place).await?;
        let copy = Copy { here: &self.here, from: &from, key: self.key.as_deref(), label, of, now: self.clock.now() };
        if copy.begin().await? {
            tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} is being copied to {}", label.name, self.here.place);
            return Ok(());
        }
        adopt(self, label).await
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        match self.named.get() {
            Some(Named::Instance(_)) => self.of_instance(name).await,
            Some(Named::Cluster(_)) => self.of_cluster(name).await,
            None => match self.of_instance(name).await? {
                Some(seen) => Ok(Some(seen)),
                None => self.of_cluster(name).await,
            },
        }
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        // A region is asked for this asset's alone: others may hold thousands there. What cannot be found so is found by tags.
        match self.narrowly().await {
            Err(error) if error.kind() == Kind::NotFound => self.all().await,
            listed => listed,
        }
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        let Some(seen) = self.snapshot(name).await? else { return Ok(()) };
        refuse_strangers(self, &seen, &self.asset)?;
        if seen.state == SnapshotState::Leaving {
            return Ok(());
        }
        let removed: Result<(), Error> = match Shape::of(&seen.held.reference) {
            Shape::Instance => match self.here.client.delete_db_snapshot().db_snapshot_identifier(&name.0).send().await {
                Ok(_) => Ok(()),
                Err(error) if is_absent(&error) => Ok(()),
                Err(error) => Err(self.here.told("rds:DeleteDBSnapshot", &name.0, &error)),
            },
            Shape::Cluster => match self.here.client.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(&name.0).send().await {
                Ok(_) => Ok(()),
                Err(error) if is_absent(&error) => Ok(()),
                Err(error) => Err(self.here.told("rds:DeleteDBClusterSnapshot", &name.0, &error)),
            },
        };
        removed?;
        tracing::info!(asset = %self.asset, "snapshot {name} at {} is being removed", self.here.place);
        Ok(())
    }
}
