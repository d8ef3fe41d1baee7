//! A provider in memory that keeps snapshots, slow and moody: each takes a few looks to be made, and a test says what goes
//! wrong. Every change counts as a side effect.

use super::{ManualClock, SideEffects};
use crate::{
    clock::{Clock, Timestamp},
    domain::{
        fleet::Candidate,
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Result, conflict, refused},
    ports::{Readiness, Snapshots, SourceSeen},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many looks a snapshot takes to be made.
const LOOKS: u32 = 3;

/// Every region of a provider in memory. Clones are the same provider.
#[derive(Debug, Clone)]
pub struct MemorySnapshots {
    clock: ManualClock,
    effects: SideEffects,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<(Place, SnapshotName), Kept>,
    readiness: Option<Readiness>,
    breaks: Option<String>,
    posture: Option<Posture>,
    automated: Option<SnapshotSeen>,
    shown: BTreeMap<Place, Result<Vec<Candidate>, String>>,
}

#[derive(Debug, Clone)]
struct Kept {
    seen: SnapshotSeen,
    looks: u32,
}

impl MemorySnapshots {
    /// A provider that holds nothing yet, whose changes count in `effects`.
    pub fn new(clock: ManualClock, effects: SideEffects) -> Self {
        Self { clock, effects, state: Arc::default() }
    }

    /// Returns the same provider, whose changes count elsewhere from now on.
    #[must_use]
    pub fn counting_in(&self, effects: SideEffects) -> Self {
        Self { effects, ..self.clone() }
    }

    /// Sets whether snapshots of the source can begin.
    pub fn set_readiness(&self, readiness: Readiness) {
        self.state().readiness = Some(readiness);
    }

    /// Sets how the provider keeps the asset.
    pub fn set_posture(&self, posture: Posture) {
        self.state().posture = Some(posture);
    }

    /// Sets the newest snapshot that the provider took by itself: of which moment.
    pub fn takes_by_itself(&self, place: &Place, at: Timestamp) {
        let name = SnapshotName(format!("rds:orders-prod-{}", at.strftime("%Y-%m-%d-%H-%M")));
        let seen = seen(place, &name, None, at);
        self.state().automated = Some(SnapshotSeen { state: SnapshotState::Available, ..seen });
    }

    /// Sets what a place shows to fleets, or why it cannot be asked.
    pub fn shows(&self, place: &str, shown: Result<Vec<Candidate>, &str>) {
        if let Ok(place) = place.parse() {
            self.state().shown.insert(place, shown.map_err(str::to_owned));
        }
    }

    /// What a place shows to fleets.
    pub(super) fn shown(&self, place: &Place) -> Result<Vec<Candidate>> {
        self.state().shown.get(place).cloned().unwrap_or_else(|| Ok(Vec::new())).map_err(crate::error::denied)
    }

    /// Breaks every snapshot and copy that begins from now on, late, with this reason; none mends it.
    pub fn break_late(&self, why: Option<&str>) {
        self.state().breaks = why.map(str::to_owned);
    }

    /// Returns the names at a place, ours or not.
    pub fn names(&self, place: &str) -> Vec<String> {
        self.state().held.keys().filter(|(at, _)| at.to_string() == place).map(|(_, name)| name.0.clone()).collect()
    }

    /// Changes what a place says of a snapshot, or removes it there.
    pub fn change(&self, place: &str, name: &str, change: impl FnOnce(&mut SnapshotSeen) -> bool) {
        let mut state = self.state();
        let key = state.held.keys().find(|(at, known)| at.to_string() == place && known.0 == name).cloned();
        let Some(key) = key else { return };
        if state.held.get_mut(&key).is_some_and(|kept| !change(&mut kept.seen)) {
            state.held.remove(&key);
        }
    }

    /// Puts a snapshot there that a stranger made.
    pub fn strange(&self, place: &Place, name: &str) {
        let name = SnapshotName(name.to_owned());
        let seen = seen(place, &name, None, self.clock.now());
        let seen = SnapshotSeen { state: SnapshotState::Available, ..seen };
        self.state().held.insert((place.clone(), name), Kept { seen, looks: LOOKS });
    }

    /// What one place holds.
    pub fn at(&self, place: &Place) -> MemoryRegion {
        MemoryRegion { place: place.clone(), provider: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One region.
#[derive(Debug)]
pub struct MemoryRegion {
    place: Place,
    provider: MemorySnapshots,
}

fn seen(place: &Place, name: &SnapshotName, label: Option<&Label>, data_time: Timestamp) -> SnapshotSeen {
    SnapshotSeen {
        name: name.clone(),
        backup: label.map(|label| label.backup),
        state: SnapshotState::Pending { percent: Some(0) },
        held: Held {
            place: place.clone(),
            name: name.clone(),
            reference: format!("arn:aws:rds:{}:111122223333:snapshot:{name}", place.bucket()),
            engine: "postgres 15.18".to_owned(),
            bytes: 20 << 30,
            encrypted: true,
            key: Some(format!("arn:aws:kms:{}:111122223333:key/1", place.bucket())),
            members: Vec::new(),
            settings: BTreeMap::new(),
        },
        data_time: Some(data_time),
    }
}

impl MemoryRegion {
    async fn begin(&self, label: &Label, data_time: Timestamp) -> Result<()> {
        let Self { place, provider } = self;
        provider
            .effects
            .around(format!("begin snapshot {} at {place}", label.name), async {
                let mut state = provider.state();
                let key = (place.clone(), label.name.clone());
                match state.held.get(&key) {
                    Some(kept) if kept.seen.backup != Some(label.backup) => Err(conflict(format!("{} is not ours", label.name))),
                    Some(_) => Ok(()),
                    None => {
                        let seen = seen(place, &label.name, Some(label), data_time);
                        state.held.insert(key, Kept { seen, looks: 0 });
                        Ok(())
                    }
                }
            })
            .await
    }

    fn look(&self, name: &SnapshotName) -> Option<SnapshotSeen> {
        let mut state = self.provider.state();
        let breaks = state.breaks.clone();
        let key = (self.place.clone(), name.clone());
        let kept = state.held.get_mut(&key)?;
        kept.looks += 1;
        match &kept.seen.state {
            SnapshotState::Pending { .. } if kept.looks > LOOKS => {
                kept.seen.state = breaks.map_or(SnapshotState::Available, SnapshotState::Failed);
            }
            SnapshotState::Leaving => {
                let last = kept.seen.clone();
                state.held.remove(&key);
                return Some(last);
            }
            SnapshotState::Pending { .. } | SnapshotState::Available | SnapshotState::Failed(_) => {}
        }
        state.held.get(&key).map(|kept| kept.seen.clone())
    }
}

#[async_trait]
impl Snapshots for MemoryRegion {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        self.provider.effects.alive().await;
        Ok(SourceSeen {
            readiness: self.provider.state().readiness.clone().unwrap_or(Readiness::Ready),
            address: "orders.abc.eu-west-1.rds.amazonaws.com:5432".to_owned(),
            identity: "db-ABCDEFGHIJKL".to_owned(),
            settings: BTreeMap::from([("db_parameter_group".to_owned(), "orders-pg15".into())]),
        })
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        self.provider.effects.alive().await;
        Ok(self.provider.state().posture.clone())
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        self.begin(label, self.provider.clock.now()).await
    }

    async fn automated(&self) -> Result<Option<SnapshotSeen>> {
        self.provider.effects.alive().await;
        Ok(self.provider.state().automated.clone())
    }

    async fn begin_keeping(&self, label: &Label, of: &Held) -> Result<()> {
        let original = self.provider.state().automated.clone().filter(|seen| seen.name == of.name);
        let original = original.ok_or_else(|| crate::error::not_found(format!("{} is gone", of.name)))?;
        self.begin(label, original.data_time.unwrap_or_default()).await
    }

    async fn begin_copy(&self, label: &Label, of: &Held) -> Result<()> {
        let original = self.provider.state().held.get(&(of.place.clone(), of.name.clone())).map(|kept| kept.seen.clone());
        let original = original.ok_or_else(|| crate::error::not_found(format!("{} is gone", of.name)))?;
        self.begin(label, original.data_time.unwrap_or_default()).await
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        self.provider.effects.alive().await;
        Ok(self.look(name))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        self.provider.effects.alive().await;
        let names: Vec<_> = {
            let state = self.provider.state();
            state.held.keys().filter(|(at, _)| *at == self.place).map(|(_, name)| name.clone()).collect()
        };
        Ok(names.iter().filter_map(|name| self.look(name)).filter(|seen| seen.backup.is_some()).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        let Self { place, provider } = self;
        provider
            .effects
            .around(format!("remove snapshot {name} at {place}"), async {
                let mut state = provider.state();
                match state.held.get_mut(&(place.clone(), name.clone())) {
                    Some(kept) if kept.seen.backup.is_none() => Err(refused(format!("{name} is not ours"))),
                    Some(kept) => {
                        kept.seen.state = SnapshotState::Leaving;
                        Ok(())
                    }
                    None => Ok(()),
                }
            })
            .await
    }
}
