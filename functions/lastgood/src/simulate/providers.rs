//! The adapters of the simulation: every asset has a source, a provider and a place for drills of its own, all in memory.

use super::{fault::Kind, replicas::Stand, weather::Weather};
use async_trait::async_trait;
use lastgood_core::{
    clock::{Clock, Timestamp},
    config::{Asset, Config, DrillTarget, SnapshotFrom},
    domain::{
        backup::Form,
        place::Place,
        posture::{KeySeen, Posture},
    },
    error::{Result, denied, not_found, retry},
    id::AssetName,
    ports::{Ask, Bucket, Dump, Exporter, Preflight, Providers, Replicas, Snapshots},
    testing::{ManualClock, MemorySnapshots, MemorySource, SideEffects},
};
use std::{collections::BTreeMap, sync::Arc};

/// What an asset is made of.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its data.
    pub source: MemorySource,
    /// Its provider.
    pub snapshots: MemorySnapshots,
    /// Where its drills restore to.
    pub stand: Stand,
}

/// The whole stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The buckets, by place.
    pub buckets: BTreeMap<Place, Arc<dyn Bucket>>,
    /// The assets.
    pub parts: BTreeMap<AssetName, Part>,
    /// What is wrong now.
    pub weather: Weather,
    clock: ManualClock,
}

impl Stage {
    /// Sets the stage.
    pub fn new(config: &Config, buckets: BTreeMap<Place, Arc<dyn Bucket>>, weather: Weather, clock: ManualClock) -> Self {
        let part = |name: &AssetName| Part {
            source: MemorySource::new(clock.clone(), 100),
            snapshots: MemorySnapshots::new(clock.clone(), SideEffects::default()),
            stand: Stand::new(name.clone(), weather.clone(), clock.clone()),
        };
        let parts = config.assets.keys().map(|name| (name.clone(), part(name))).collect();
        Self { buckets, parts, weather, clock }
    }

    fn part(&self, asset: &Asset) -> Result<&Part> {
        self.parts.get(&asset.name).ok_or_else(|| not_found(format!("{} does not play", asset.name)))
    }
}

#[async_trait]
impl Providers for Stage {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        self.buckets.get(place).cloned().ok_or_else(|| not_found(format!("no bucket is at {place}")))
    }

    async fn exporter(&self, asset: &Asset, _: Form) -> Result<Arc<dyn Exporter>> {
        let source = self.part(asset)?.source.clone();
        source.break_after(self.weather.hits(Kind::BackupFails, &asset.name).then_some(20));
        Ok(Arc::new(Gate { source, asset: asset.name.clone(), weather: self.weather.clone() }))
    }

    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        let snapshots = &self.part(asset)?.snapshots;
        let home = asset.source.home() == Some(at);
        let hits = |kind| self.weather.hits(kind, &asset.name);
        if home && hits(Kind::CredentialsExpired) {
            return Err(denied("ExpiredToken: the security token included in the request is expired"));
        }
        if !home && hits(Kind::CopyRegionDown) {
            return Err(retry(format!("{at} does not answer")));
        }
        snapshots.break_late(match (hits(Kind::KmsRevoked), hits(Kind::BackupFails)) {
            (true, _) => Some("the key that it is encrypted with is disabled"),
            (false, true) => Some("the provider gave it up: internal failure"),
            (false, false) => None,
        });
        let unusable = hits(Kind::KmsRevoked).then(|| "is disabled".to_owned());
        let key = unusable.map(|why| KeySeen { name: "alias/backups".to_owned(), unusable: Some(why) });
        snapshots.set_posture(Posture { key, ..Posture::default() });
        if asset.policy.snapshot.as_ref().is_some_and(|policy| policy.from == SnapshotFrom::Automated) {
            snapshots.takes_by_itself(at, midnight(self.clock.now()));
        }
        Ok(Arc::new(snapshots.at(at)))
    }

    async fn replicas(&self, asset: &Asset, _: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        if self.weather.hits(Kind::DrillCannotRun, &asset.name) {
            return Err(denied("the place for drills refuses us"));
        }
        Ok(Arc::new(self.part(asset)?.stand.clone()))
    }
}

/// The day's beginning: when a provider takes its own snapshots.
fn midnight(now: Timestamp) -> Timestamp {
    let day = 86_400;
    Timestamp::from_second(now.as_second().div_euclid(day) * day).unwrap_or(now)
}

/// A source behind its login.
struct Gate {
    source: MemorySource,
    asset: AssetName,
    weather: Weather,
}

#[async_trait]
impl Exporter for Gate {
    async fn preflight(&self, ask: &Ask) -> Result<Preflight> {
        if self.weather.hits(Kind::CredentialsExpired, &self.asset) {
            return Err(denied("28P01 password authentication failed for user \"backup\""));
        }
        self.source.preflight(ask).await
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        self.source.begin(ask).await
    }
}
