//! Work under way, as the vault remembers it: whose it is, until when, and how it ended.

use super::{drill::OpenDrill, held::SnapshotName};
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
}
