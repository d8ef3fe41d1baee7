//! The clockwork: wakes the real functions as the schedules of infra/aws do, from wake-up to wake-up.
//!
//! A look that can find nothing to do is passed over, and only its sign of life is noted: nothing is due, nothing waits, nothing
//! changed since the last look. In quiet times the checker looks every six hours, and every hour for three days after a fault
//! came or went.

use super::{
    bucket::{DELETES_AFTER, Exposed},
    cast::Cast,
    chronicle::{Chronicle, Story},
    fault::Kind,
    luck::Luck,
    providers::Stage,
    weather::Weather,
};
use cross_region_copy::CrossRegionCopy;
use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::{BackupReport, When},
    catalog::{Heartbeat, Key, Vault, Waker},
    clock::{Clock, Timestamp, after, before, since},
    config::Policy,
    domain::{drill::Verdict, due::Schedule},
    env::Env,
    error::{Error, Result, failed},
    function::{Exit, Function, Outcome, Report},
    id::AssetName,
    ports::{Bucket, Notifier},
    testing::{Inbox, MemoryBucket, World},
};
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// When every simulation begins: a Monday.
pub const START: i64 = 1_767_571_200;
const MINUTE: i64 = 60;
const QUIET: Duration = Duration::from_hours(6);
const ALERT_FOR: Duration = Duration::from_hours(72);
const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// Who is woken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Export(AssetName),
    Snapshot,
    Copy,
    Drill,
    Check,
}

impl Wake {
    const fn function(&self) -> &'static str {
        match self {
            Self::Export(_) => ExportToBucket::NAME,
            Self::Snapshot => SnapshotTrigger::NAME,
            Self::Copy => CrossRegionCopy::NAME,
            Self::Drill => RestoreDrill::NAME,
            Self::Check => FreshnessChecker::NAME,
        }
    }
}

/// When a function last really ran, and whether it left something to go on with.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Timestamp,
    waits: bool,
    failed: bool,
}

/// Everything that moves.
struct Play<'a> {
    cast: &'a Cast,
    world: World,
    env: Env,
    weather: Weather,
    stage: Stage,
    ears: Vec<Inbox>,
    book: Chronicle,
    start: Timestamp,
    last: BTreeMap<&'static str, Last>,
    ticks: BTreeMap<&'static str, Timestamp>,
    /// When something in the vault last changed that others look at.
    changed: Timestamp,
    luck: Luck,
    day: u64,
}

/// Plays so many days.
pub async fn play(cast: &Cast, days: u32, seed: u64, mut watch: impl FnMut(u64)) -> Result<Story> {
    let scratch = tempfile::tempdir().map_err(Error::from)?;
    let start = Timestamp::from_second(START).map_err(|error| failed("no beginning").because(error))?;
    let mut play = Play::begin(cast, seed, start, scratch.path());
    play.everything_once().await;
    let end = after(start, DAY * days);
    let mut wakes = play.first_wakes(start);
    while let Some((at, wake)) = wakes.pop_first() {
        if at > end {
            break;
        }
        if play.world.clock.now() < at {
            play.world.clock.set(at);
        }
        play.dawn(&mut watch).await;
        play.wake(&wake, at).await;
        play.weigh();
        if let Some(next) = play.next(&wake, at) {
            wakes.insert((next, wake));
        }
    }
    Ok(play.book.close(cast, days, seed, start))
}

impl<'a> Play<'a> {
    fn begin(cast: &'a Cast, seed: u64, start: Timestamp, scratch: &std::path::Path) -> Self {
        let world = World::of(start, cast.config.clone());
        let weather = Weather::new(&cast.faults, world.clock.clone());
        let main = world.config.vault.clone();
        world.buckets.values().for_each(|bucket| bucket.pages_of(1_000));
        let exposed =
            |bucket: &MemoryBucket| -> Arc<dyn Bucket> { Arc::new(Exposed::new(bucket.clone(), weather.clone(), *bucket.place() == main)) };
        let buckets: BTreeMap<_, _> = world.buckets.iter().map(|(place, bucket)| (place.clone(), exposed(bucket))).collect();
        let stage = Stage::new(&world.config, buckets, weather.clone(), world.clock.clone());
        let ears: Vec<_> = (0..cast.channels.max(1)).map(|n| Inbox::new(&format!("channel {}", n + 1))).collect();
        let env = Env {
            vault: Vault::of(&world.config, exposed(&world.vault), &weather.clock()),
            clock: weather.clock(),
            providers: Arc::new(stage.clone()),
            notifiers: ears.iter().map(|ear| Arc::new(ear.clone()) as Arc<dyn Notifier>).collect(),
            holder: "simulation".to_owned(),
            scratch: scratch.to_owned(),
            ..world.env()
        };
        let (last, ticks) = (BTreeMap::new(), BTreeMap::new());
        let (book, luck) = (Chronicle::default(), Luck(seed));
        Self { cast, world, env, weather, stage, ears, book, start, last, ticks, changed: start, luck, day: 0 }
    }

    fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Before the first day everything is backed up, copied and proven once: what is played is a policy, not its introduction.
    async fn everything_once(&mut self) {
        for name in self.cast.config.assets.keys().cloned().collect::<Vec<_>>() {
            let Some(policy) = self.cast.config.assets.get(&name).map(|asset| &asset.policy) else { continue };
            if policy.export.is_some() {
                let done = ExportToBucket { asset: Some(name.clone()), when: When::Now, analytics: false }.run(&self.env).await;
                self.took(done.ok().as_ref());
            }
            if policy.snapshot.is_some() {
                let done = SnapshotTrigger { asset: Some(name.clone()), when: When::Now }.run(&self.env).await;
                self.took(done.ok().map(|report| report.taken).as_ref());
            }
        }
        self.copy(&self.env.clone()).await;
        for name in self.cast.config.assets.iter().filter(|(_, asset)| asset.policy.drill.is_some()).map(|(name, _)| name.clone()) {
            if let Ok(report) = (RestoreDrill { asset: Some(name), now: true, ..RestoreDrill::default() }).run(&self.env).await {
                self.drilled(&report);
            }
        }
        let now = self.now();
        for wake in [Wake::Snapshot, Wake::Copy, Wake::Drill, Wake::Check] {
            self.ticks.insert(wake.function(), now);
        }
        if self.cast.config.assets.values().any(|asset| asset.policy.export.is_some()) {
            self.ticks.insert(ExportToBucket::NAME, now);
        }
    }

    fn first_wakes(&self, start: Timestamp) -> BTreeSet<(Timestamp, Wake)> {
        let exports = self.cast.config.assets.iter().filter(|(_, asset)| asset.policy.export.is_some());
        let wakes = exports.map(|(name, _)| Wake::Export(name.clone())).chain([Wake::Snapshot, Wake::Copy, Wake::Drill, Wake::Check]);
        wakes.filter_map(|wake| Some((self.next(&wake, start)?, wake))).collect()
    }

    /// When a schedule wakes it next: as in infra/aws.
    fn next(&self, wake: &Wake, at: Timestamp) -> Option<Timestamp> {
        let every = |minutes: i64, offset: i64| {
            let (period, offset) = (minutes * MINUTE, offset * MINUTE);
            let next = (at.as_second() - offset).div_euclid(period) * period + period + offset;
            Timestamp::from_second(next).ok()
        };
        match wake {
            Wake::Export(name) => self.cast.config.assets.get(name)?.policy.export.as_ref()?.schedule.next(at),
            Wake::Snapshot => every(15, 0),
            Wake::Copy => every(15, 5),
            Wake::Drill => every(15, 10),
            Wake::Check => every(60, 7),
        }
    }

    /// What a new day brings: more rows, bytes that rot, objects that a rule deletes.
    async fn dawn(&mut self, watch: &mut impl FnMut(u64)) {
        let day = self.weather.elapsed().as_secs() / DAY.as_secs();
        if day > self.day {
            self.day = day;
            watch(day);
            if self.weather.everywhere(Kind::LifecycleChange) {
                self.expire().await;
            }
        }
        let growth = 100 + self.day + self.luck.upto(3);
        for (name, part) in &self.stage.parts {
            part.source.set_rows(if self.weather.hits(Kind::SourceShrinks, name) { growth / 20 } else { growth });
        }
    }

    /// Deletes what is older than the rule that somebody added allows.
    async fn expire(&mut self) {
        let oldest = before(self.now(), DAY * DELETES_AFTER);
        for key in self.world.vault.keys() {
            if self.world.vault.head(&key).await.is_ok_and(|meta| meta.is_some_and(|meta| meta.modified < oldest)) {
                self.world.vault.lose(&key);
                self.changed = self.now();
            }
        }
        let vault = &self.world.vault;
        for (asset, backups) in &mut self.book.backups {
            let gone = |id| vault.bytes(&Key::Manifest(asset.clone(), id).to_string()).is_none();
            backups.iter_mut().filter(|(id, _)| gone(**id)).for_each(|(_, backup)| backup.sound = false);
        }
    }

    /// Flips a byte of the newest stored backup of each asset that is hit, once per backup.
    fn rot(&mut self) {
        for (asset, backups) in &mut self.book.backups {
            if !self.weather.hits(Kind::CorruptBytes, asset) {
                continue;
            }
            let Some((id, backup)) = backups.iter_mut().max_by_key(|(_, backup)| backup.data_time) else { continue };
            if !backup.sound {
                continue;
            }
            let manifest = self.world.vault.bytes(&Key::Manifest(asset.clone(), *id).to_string());
            let manifest =
                manifest.and_then(|bytes| lastgood_core::catalog::decode::<lastgood_core::domain::backup::Manifest>(&bytes).ok());
            let Some(main) = manifest.as_ref().and_then(|manifest| manifest.main()) else { continue };
            let offset = usize::try_from(main.size / 2).unwrap_or_default();
            backup.sound = !self.world.vault.flip(&main.key, offset);
        }
    }

    fn silent(&self, wake: &Wake) -> bool {
        match wake {
            Wake::Check => self.weather.everywhere(Kind::CheckerDead),
            Wake::Export(name) => {
                self.weather.is(Kind::ScheduleSilent, name.as_str()) || self.weather.is(Kind::ScheduleSilent, wake.function())
            }
            Wake::Snapshot | Wake::Copy | Wake::Drill => self.weather.is(Kind::ScheduleSilent, wake.function()),
        }
    }

    async fn wake(&mut self, wake: &Wake, at: Timestamp) {
        if self.silent(wake) {
            return;
        }
        self.ticks.insert(wake.function(), at);
        if !self.worth(wake, at) {
            return;
        }
        let (env, begun) = (self.env.clone(), self.now());
        self.book.runs += 1;
        let (waits, failed) = match wake {
            Wake::Export(name) => {
                let done = ExportToBucket { asset: Some(name.clone()), when: When::Due, analytics: false }.run(&env).await;
                self.took(done.as_ref().ok());
                done.as_ref().map_or((false, true), |report| stands(report))
            }
            Wake::Snapshot => {
                let done = SnapshotTrigger::default().run(&env).await.map(|report| report.taken);
                self.took(done.as_ref().ok());
                done.as_ref().map_or((false, true), |report| stands(report))
            }
            Wake::Copy => self.copy(&env).await,
            Wake::Drill => match RestoreDrill::default().run(&env).await {
                Ok(report) => {
                    self.drilled(&report);
                    stands(&report)
                }
                Err(_) => (false, true),
            },
            Wake::Check => {
                self.check(&env).await;
                (false, false)
            }
        };
        self.rot();
        self.last.insert(wake.function(), Last { at: begun, waits, failed });
    }

    /// Whether a look could find something to do.
    fn worth(&self, wake: &Wake, at: Timestamp) -> bool {
        let Some(last) = self.last.get(wake.function()) else { return true };
        let (idle, turned) = (since(at, last.at), self.weather.turned(last.at, at));
        let dirty = self.changed >= last.at;
        let came = |schedule: fn(&Policy) -> Option<&Schedule>| {
            let policies = self.cast.config.assets.values().filter_map(|asset| schedule(&asset.policy));
            policies.filter_map(|schedule| schedule.last(at)).any(|slot| slot > last.at)
        };
        let again = last.waits || turned || idle >= DAY || last.failed && idle >= HOUR;
        match wake {
            Wake::Export(_) => true,
            Wake::Snapshot => again || dirty && idle >= QUIET || came(|policy| policy.snapshot.as_ref().map(|snapshot| &snapshot.schedule)),
            Wake::Copy => again || dirty,
            Wake::Drill => again || came(|policy| policy.drill.as_ref().map(|drill| &drill.schedule)),
            Wake::Check => again || dirty || idle >= QUIET || self.weather.turned(before(at, ALERT_FOR), at),
        }
    }

    fn took(&mut self, report: Option<&BackupReport>) {
        for entry in report.into_iter().flat_map(|report| &report.entries) {
            match &entry.outcome {
                Outcome::Done(taken) => {
                    let whole = !self.weather.hits(Kind::SourceShrinks, &entry.asset);
                    self.book.took(&entry.asset, taken.backup, taken.data_time, whole);
                    self.changed = self.now();
                }
                Outcome::Failed { .. } => self.changed = self.now(),
                Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => {}
            }
        }
    }

    async fn copy(&mut self, env: &Env) -> (bool, bool) {
        let Ok(report) = CrossRegionCopy::default().run(env).await else { return (false, true) };
        let mut failed = false;
        for entry in &report.entries {
            let Outcome::Done(copies) = &entry.outcome else { continue };
            failed |= !copies.problems.is_empty();
            for id in copies.places.iter().flat_map(|place| &place.copied) {
                if let Some(backup) = self.book.backups.get_mut(&entry.asset).and_then(|backups| backups.get_mut(id)) {
                    backup.copied = true;
                }
                self.changed = self.world.clock.now();
            }
        }
        let (waits, broken) = stands(&report);
        (waits, failed || broken)
    }

    fn drilled(&mut self, report: &restore_drill::DrillReport) {
        for entry in &report.entries {
            if let Outcome::Done(drilled) = &entry.outcome {
                self.changed = self.now();
                if drilled.verdict == Verdict::Proven {
                    self.book.proven.insert(drilled.drill);
                }
            }
        }
    }

    async fn check(&mut self, env: &Env) {
        let refused = self.weather.everywhere(Kind::ChannelRefuses);
        if let Some(first) = self.ears.first() {
            if refused { first.close() } else { first.open() }
        }
        for (function, at) in &self.ticks {
            // The checker's own sign of life is written after its run, as its host does.
            if *function != FreshnessChecker::NAME {
                sign_of_life(&self.env, function, *at).await;
            }
        }
        let heard = !refused || self.ears.len() > 1;
        let now = self.now();
        if let Ok(status) = FreshnessChecker::default().run(env).await {
            self.book.checked(now, &status, heard);
        }
        self.ears.iter().for_each(|ear| drop(ear.take()));
        sign_of_life(&self.env, FreshnessChecker::NAME, now).await;
    }

    fn weigh(&mut self) {
        let now = self.now();
        for (name, asset) in &self.cast.config.assets {
            let home = !self.weather.hits(Kind::KmsRevoked, name);
            let away = !self.weather.hits(Kind::CopyRegionDown, name);
            self.book.weigh(now, name, asset.policy.rpo.duration(), home, away);
        }
        debug_assert!(self.now() >= self.start);
    }
}

async fn sign_of_life(env: &Env, function: &str, at: Timestamp) {
    let beat = Heartbeat { function: function.to_owned(), at, exit: Exit::Good, waker: Waker::Event, scheduled_at: Some(at) };
    // A vault that takes nothing has no sign of life, as in life.
    let _ = env.vault.save(&Key::Heartbeat(function.to_owned()), &beat).await;
}

/// Whether something waits, and whether something failed.
fn stands<D>(report: &Report<D>) -> (bool, bool) {
    let any = |of: fn(&Outcome<D>) -> bool| report.entries.iter().any(|entry| of(&entry.outcome));
    let waits = any(|outcome| matches!(outcome, Outcome::Waiting { .. } | Outcome::AlreadyRunning { .. }));
    (waits, any(|outcome| matches!(outcome, Outcome::Failed { .. })))
}
