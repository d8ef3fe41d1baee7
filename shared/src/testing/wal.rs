//! A server's archiver and the repository behind it, and the schedules that wake functions, as a test says they are.

use crate::{
    clock::{Clock, Timestamp},
    domain::{
        freshness::ScheduleSeen,
        wal::{ArchiveMode, ArchiverSeen, Means, RepositorySeen, Segment, Waiting},
    },
    error::{Result, denied, retry},
    ports::{Schedules, WalArchive},
    testing::ManualClock,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// An archiver that does as it should, and a repository that holds what it archived, until a test says otherwise. Clones are the same.
#[derive(Debug, Clone)]
pub struct MemoryWal {
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when nothing is archived any more.
    stuck: Option<Timestamp>,
    /// Whether the server cannot be reached.
    away: bool,
    /// The newest segment of the repository, where it lacks some.
    lacks: bool,
}

const SIZE: u64 = 16 << 20;

impl MemoryWal {
    /// One that archives.
    pub fn new(clock: ManualClock) -> Self {
        Self { clock, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets archiving fail from now on.
    pub fn fails(&self) {
        self.state().stuck = Some(self.clock.now());
    }

    /// Lets it archive again, all that waited first.
    pub fn archives(&self) {
        *self.state() = State::default();
    }

    /// Takes the server out of reach.
    pub fn goes_away(&self) {
        self.state().away = true;
    }

    /// Lets the repository lack what the server says that it archived.
    pub fn loses(&self) {
        self.state().lacks = true;
    }
}

fn segment(number: u64) -> String {
    Segment { timeline: 1, number }.name(SIZE)
}

#[async_trait]
impl WalArchive for MemoryWal {
    async fn archiver(&self) -> Result<ArchiverSeen> {
        let (now, state) = (self.clock.now(), self.state());
        if state.away {
            return Err(retry("the server did not answer"));
        }
        let last = state.stuck.unwrap_or(now);
        Ok(ArchiverSeen {
            at: now,
            mode: ArchiveMode::On,
            means: Means::Set,
            standby: false,
            archived: Some((segment(9), last)),
            failed: state.stuck.map(|_| (segment(10), now)),
            failures: u64::from(state.stuck.is_some()),
            since: last,
            waiting: Some(Waiting { count: u64::from(state.stuck.is_some()), oldest: state.stuck }),
            current: Segment { timeline: 1, number: 11 },
            written: 0,
            segment_size: SIZE,
            timeout: Duration::from_mins(5),
        })
    }

    async fn repository(&self) -> Result<Option<RepositorySeen>> {
        let newest = if self.state().lacks { 7 } else { 9 };
        Ok(Some(RepositorySeen {
            name: "pgBackRest, stanza main".to_owned(),
            newest: Some(segment(newest)),
            base_at: Some(self.clock.now()),
            wrong: None,
        }))
    }
}

/// Schedules by name; kept by nobody until a test says so. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct MemorySchedules {
    kept: Arc<Mutex<Option<BTreeMap<String, ScheduleSeen>>>>,
}

impl MemorySchedules {
    fn kept(&self) -> MutexGuard<'_, Option<BTreeMap<String, ScheduleSeen>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how a schedule stands; those that nobody spoke of are on.
    pub fn set(&self, name: &str, seen: ScheduleSeen) {
        self.kept().get_or_insert_default().insert(name.to_owned(), seen);
    }

    /// Whether anybody keeps them.
    pub fn are_kept(&self) -> bool {
        self.kept().is_some()
    }
}

#[async_trait]
impl Schedules for MemorySchedules {
    async fn schedule(&self, name: &str) -> Result<ScheduleSeen> {
        let kept = self.kept();
        let kept = kept.as_ref().ok_or_else(|| denied("nobody keeps schedules here"))?;
        Ok(kept.get(name).copied().unwrap_or(ScheduleSeen::On))
    }
}
