//! A whole world in memory: a config, a vault, other places, a clock and somebody who listens, with a past that a test
//! tells in its own words: `world.asset("orders-db").backed_up("26h ago")`.

use super::{
    AssetInWorld, Inbox, ManualClock, MemoryBucket, MemoryProviders, MemoryReplicas, MemorySchedules, MemorySecrets, MemorySnapshots,
    MemorySource, MemoryWal, SideEffects,
};
use crate::{
    catalog::{Heartbeat, Key, Record, Vault, Waker, encode},
    clock::{Clock, Timestamp, before},
    config::{Config, Copies, Source},
    domain::{place::Place, span::Span},
    env::{Env, Quiet},
    error::{Result, invalid},
    function::Exit,
    ports::Bucket,
};
use std::{collections::BTreeMap, sync::Arc};

/// A world in memory.
#[derive(Debug, Clone)]
pub struct World {
    /// The time.
    pub clock: ManualClock,
    /// The main vault's bucket.
    pub vault: MemoryBucket,
    /// Every bucket, by place.
    pub buckets: BTreeMap<Place, MemoryBucket>,
    /// Who listens.
    pub inbox: Inbox,
    /// What a config says.
    pub config: Arc<Config>,
    /// What assets are backups of.
    pub source: MemorySource,
    /// What the provider holds.
    pub snapshots: MemorySnapshots,
    /// Where drills restore to.
    pub replicas: MemoryReplicas,
    /// Where write-ahead log goes.
    pub wal: MemoryWal,
    /// What wakes the functions.
    pub schedules: MemorySchedules,
}

impl World {
    /// A world in which it is `now` (RFC 3339) and which this config (YAML) describes. Every place that the config names is
    /// an empty bucket in memory.
    pub fn new(now: &str, config: &str) -> Result<Self> {
        let now: Timestamp = now.parse().map_err(|error| invalid("not a moment").because(format!("{error}")))?;
        Ok(Self::of(now, Config::parse(config, "lastgood.yaml")?))
    }

    /// A world in which it is `now` and which this config describes.
    pub fn of(now: Timestamp, config: Config) -> Self {
        let clock = ManualClock::at(now);
        let config = Arc::new(config);
        let copies = config.policies().flat_map(|policy| &policy.copies);
        let protected = config.assets.values().filter_map(|asset| match &asset.source {
            Source::Bucket { url, .. } => Some(url),
            _ => None,
        });
        let places = copies.map(Copies::place).filter(|place| !place.holds_snapshots()).chain(protected).cloned();
        let bucket = |place: Place| (place.clone(), MemoryBucket::new(place, clock.clone()));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let mut buckets: BTreeMap<_, _> = places.map(bucket).collect();
        buckets.insert(config.vault.clone(), vault.clone());
        let (source, replicas) = (MemorySource::new(clock.clone(), 100), MemoryReplicas::new(SideEffects::default()));
        let snapshots = MemorySnapshots::new(clock.clone(), SideEffects::default());
        let (wal, schedules) = (MemoryWal::new(clock.clone()), MemorySchedules::default());
        Self { vault, buckets, inbox: Inbox::new("inbox"), config, source, snapshots, replicas, wal, schedules, clock }
    }

    /// What a function gets.
    pub fn env(&self) -> Env {
        self.env_through(&SideEffects::default())
    }

    /// What a function gets once its host has looked who belongs to the fleets.
    pub async fn looked(&self) -> Env {
        let env = self.env();
        let config = crate::fleet::expanded(&env.config, &env.vault, &*env.providers).await;
        Env { config: Arc::new(config), ..env }
    }

    /// What a function gets whose every change counts as a side effect, and may fail as planned there.
    pub fn env_through(&self, effects: &SideEffects) -> Env {
        let faulty = |bucket: &MemoryBucket| -> Arc<dyn Bucket> { Arc::new(super::Faulty::new(Arc::new(bucket.clone()), effects.clone())) };
        let buckets = self.buckets.iter().map(|(place, bucket)| (place.clone(), faulty(bucket))).collect();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        Env {
            config: self.config.clone(),
            vault: Vault::of(&self.config, faulty(&self.vault), &clock),
            clock,
            secrets: Arc::new(MemorySecrets::default()),
            providers: Arc::new(MemoryProviders {
                buckets,
                source: self.source.clone(),
                snapshots: self.snapshots.counting_in(effects.clone()),
                replicas: self.replicas.counting_in(effects.clone()),
                wal: self.wal.clone(),
                schedules: self.schedules.clone(),
            }),
            notifiers: vec![Arc::new(self.inbox.clone())],
            monitors: Vec::new(),
            progress: Arc::new(Quiet),
            holder: "story".to_owned(),
            deadline: None,
            scratch: std::path::PathBuf::from("/nonexistent"),
        }
    }

    /// The past of an asset.
    pub fn asset(&self, name: &str) -> AssetInWorld<'_> {
        AssetInWorld::new(self, name)
    }

    /// The bucket at a place.
    pub fn at(&self, place: &str) -> MemoryBucket {
        let place: Option<Place> = place.parse().ok();
        place.and_then(|place| self.buckets.get(&place)).cloned().unwrap_or_else(|| self.vault.clone())
    }

    /// Lets time pass: `26h`.
    pub fn passes(&self, span: &str) {
        self.clock.set(crate::clock::after(self.clock.now(), Self::span(span)));
    }

    /// The moment that a test calls `26h ago`, or `now`.
    pub fn moment(&self, when: &str) -> Timestamp {
        match when.strip_suffix(" ago") {
            Some(span) => before(self.clock.now(), Self::span(span)),
            None => when.parse().unwrap_or_else(|_| self.clock.now()),
        }
    }

    fn span(text: &str) -> std::time::Duration {
        text.parse::<Span>().map(Span::duration).unwrap_or_default()
    }

    /// Says that a schedule woke a function.
    pub fn woken(&self, function: &str, when: &str) -> Result<()> {
        let at = self.moment(when);
        let beat = Heartbeat { function: function.to_owned(), at, exit: Exit::Good, waker: Waker::Event, scheduled_at: Some(at) };
        self.record(at, &Key::Heartbeat(function.to_owned()), &beat)
    }

    /// Writes a record into the vault as if it were `at`.
    pub fn record<R: Record>(&self, at: Timestamp, key: &Key, record: &R) -> Result<()> {
        let bytes = encode(record)?;
        self.then(at, |vault| vault.overwrite(&key.to_string(), bytes));
        Ok(())
    }

    /// Does something to the vault as if it were `at`: what is written then bears that time.
    pub fn then(&self, at: Timestamp, act: impl FnOnce(&MemoryBucket)) {
        let now = self.clock.now();
        self.clock.set(at);
        act(&self.vault);
        self.clock.set(now);
    }
}
