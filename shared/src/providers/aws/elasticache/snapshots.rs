//! The snapshots of one cache: taken, seen and let go. They stay in its region.

use super::{
    error::{is_absent, is_taken},
    region::Region,
    seen,
    source::Cache,
    wire::Snapshot,
};
use crate::{
    config::{Asset, Source},
    domain::{
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Result, invalid, unsupported},
    id::AssetName,
    ports::{Snapshots, SourceSeen},
    providers::{
        aws::{Aws, keys, marks},
        owned::{adopt, refuse_strangers},
    },
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;

/// Tags are asked for one thing at a time; so many of these at once.
const AT_ONCE: usize = 4;
/// What all of our names begin with: others need not be asked for their tags.
const PREFIX: &str = "lastgood-";

/// The snapshots of one replication group or cache cluster.
#[derive(Debug)]
pub struct CacheSnapshots {
    asset: AssetName,
    id: String,
    here: Region,
}

impl CacheSnapshots {
    /// Opens the snapshots of an asset in its own region. Asks nothing yet.
    pub async fn open(aws: Arc<Aws>, asset: &Asset, at: &Place) -> Result<Self> {
        let Source::Elasticache { instance, place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not a cache of ElastiCache", asset.name, asset.source.kind())));
        };
        if at != home {
            return Err(invalid(format!("ElastiCache holds snapshots of {} at {home} alone, not at {at}", asset.name)));
        }
        Ok(Self { asset: asset.name.clone(), id: instance.clone(), here: Region::open(&aws, at).await? })
    }

    async fn told(&self, snapshot: Snapshot) -> Result<SnapshotSeen> {
        let tags = self.here.tags(snapshot.arn.as_deref().unwrap_or_default()).await?;
        Ok(seen::of(&self.here.place, &self.asset, &snapshot, &tags))
    }
}

#[async_trait]
impl Snapshots for CacheSnapshots {
    fn place(&self) -> &Place {
        &self.here.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        Ok(Cache::find(&self.here, &self.id).await?.seen())
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        let cache = Cache::find(&self.here, &self.id).await?;
        let key = match cache.key() {
            Some(key) => Some(keys::look(&self.here.config, &self.here.place, key).await?),
            None => None,
        };
        Ok(Some(Posture { retention_days: cache.retention_days(), key, ..Posture::default() }))
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        let cache = Cache::find(&self.here, &self.id).await?;
        let mut ask = vec![("SnapshotName", label.name.0.clone()), cache.named()];
        let tags: Vec<_> = marks::of_named(label).into_iter().collect();
        for (key, value, tag) in [("Tags.Tag.1.Key", "Tags.Tag.1.Value", 0), ("Tags.Tag.2.Key", "Tags.Tag.2.Value", 1)] {
            if let Some((name, said)) = tags.get(tag) {
                ask.extend([(key, name.clone()), (value, said.clone())]);
            }
        }
        match self.here.ask("elasticache:CreateSnapshot", &ask).await {
            Ok(_) => {
                tracing::info!(asset = %self.asset, backup = %label.backup, "snapshot {} begins at {}", label.name, self.here.place);
                Ok(())
            }
            Err(error) if is_taken(&error) => adopt(self, label).await,
            Err(error) => Err(self.here.told("elasticache:CreateSnapshot", &self.id, &error)),
        }
    }

    async fn begin_copy(&self, label: &Label, _: &Held) -> Result<()> {
        Err(unsupported(format!("{} cannot be copied: ElastiCache keeps snapshots in their own region", label.name)))
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        match self.here.snapshot(name).await? {
            Some(snapshot) => self.told(snapshot).await.map(Some),
            None => Ok(None),
        }
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        let named: Vec<_> = self.here.snapshots().await?.into_iter().filter(|found| found.snapshot_name.starts_with(PREFIX)).collect();
        let told = stream::iter(named).map(|snapshot| self.told(snapshot)).buffered(AT_ONCE);
        let seen: Vec<SnapshotSeen> = told.try_collect().await?;
        Ok(seen.into_iter().filter(|seen| seen.backup.is_some()).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        let Some(seen) = self.snapshot(name).await? else { return Ok(()) };
        refuse_strangers(self, &seen, &self.asset)?;
        if seen.state == SnapshotState::Leaving {
            return Ok(());
        }
        match self.here.ask("elasticache:DeleteSnapshot", &[("SnapshotName", name.0.clone())]).await {
            Ok(_) => tracing::info!(asset = %self.asset, "snapshot {name} at {} is being removed", self.here.place),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(self.here.told("elasticache:DeleteSnapshot", &name.0, &error)),
        }
        Ok(())
    }
}
