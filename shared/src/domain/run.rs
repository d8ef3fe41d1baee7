//! Work under way, as the vault remembers it: whose it is, until when, and how it ended.

use super::{drill::OpenDrill, held::SnapshotName};
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// One piece of work under way. Saved before anything that costs, and at every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The function that does it.
    pub function: String,
    /// The asset it is done for.
    pub asset: AssetName,
    /// When it was due.
    pub slot: Slot,
    /// The backup (or drill) that it makes.
    pub id: BackupId,
    /// How often it was begun.
    pub attempt: u32,
    /// Where it stands.
    pub state: RunState,
    /// Keys that an attempt may have left behind without a manifest; the next attempt clears them. One that ends in a slash
    /// stands for everything below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
    /// The provider's snapshot that it began: that goes on whether or not anybody waits for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<BegunSnapshot>,
    /// What a drill under way has come to so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<OpenDrill>,
}

/// A provider's snapshot under way, with what was seen of its source when it began. Saved before the provider is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BegunSnapshot {
    /// Its name.
    pub name: SnapshotName,
    /// When it began.
    pub began_at: Timestamp,
    /// The source's address.
    pub address: String,
    /// The provider's lasting name of the source.
    pub identity: String,
    /// How the source was set up.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// Somebody is at work on it, until the lease runs out.
    Working {
        /// Who: unique to one invocation.
        holder: String,
        /// Since when.
        since: Timestamp,
        /// Until when nobody else may touch it; renewed while the work goes on.
        lease_until: Timestamp,
    },
    /// It was put down before it was done; any invocation may take it up.
    Waiting {
        /// Why it waits.
        reason: String,
    },
    /// It is done, and its manifest or evidence exists.
    Done {
        /// When.
        at: Timestamp,
    },
    /// It failed. The schedule is the retry.
    Failed {
        /// When.
        at: Timestamp,
        /// Why, redacted.
        reason: String,
    },
}

/// How many attempts may follow each other at once: the platform's own retries of passing faults are among them.
const AT_ONCE: u32 = 5;
const FIRST_REST: Duration = Duration::from_mins(10);
const LONGEST_REST: Duration = Duration::from_hours(6);

/// What an invocation may do with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Work on it.
    Take,
    /// Leave it: somebody holds it until then.
    Held {
        /// When their lease runs out.
        until: Timestamp,
    },
    /// Leave it: it is done.
    AlreadyDone,
}

impl Run {
    /// Decides what an invocation may do with what it found.
    pub fn claim(&self, now: Timestamp) -> Claim {
        match &self.state {
            RunState::Working { lease_until, .. } if *lease_until > now => Claim::Held { until: *lease_until },
            RunState::Working { .. } | RunState::Waiting { .. } | RunState::Failed { .. } => Claim::Take,
            RunState::Done { .. } => Claim::AlreadyDone,
        }
    }

    /// Until when a run that keeps failing is left alone by whatever wakes a function: an event may follow from the very
    /// failure that it is to mend, and would make it again for as long as nobody looks.
    pub fn rests_until(&self) -> Option<Timestamp> {
        let RunState::Failed { at, .. } = &self.state else { return None };
        let beyond = self.attempt.checked_sub(AT_ONCE)?;
        let rest = FIRST_REST.saturating_mul(1 << beyond.min(10)).min(LONGEST_REST);
        Some(crate::clock::after(*at, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_keeps_failing_rests_longer_and_longer_but_never_for_ever() {
        let at: Timestamp = "2026-11-20T03:00:00Z".parse().unwrap();
        let run = |attempt, state| {
            let (asset, slot): (AssetName, _) = ("orders-rds".parse().unwrap(), Slot::at(at));
            let id = BackupId::derive("snapshot-trigger", &asset, &slot);
            let function = "snapshot-trigger".to_owned();
            Run { function, asset, slot, id, attempt, state, leftovers: Vec::new(), snapshot: None, drill: None }
        };
        let rest = |attempt| {
            run(attempt, RunState::Failed { at, reason: String::new() }).rests_until().map(|until| crate::clock::since(until, at))
        };
        assert_eq!([1, 4].map(rest), [None, None]);
        let minutes = |minutes| Some(Duration::from_mins(minutes));
        assert_eq!([5, 6, 7, 10, 11, u32::MAX].map(rest), [10, 20, 40, 320, 360, 360].map(minutes));
        assert_eq!(run(9, RunState::Waiting { reason: String::new() }).rests_until(), None);
    }
}
