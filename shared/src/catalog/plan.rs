//! What a prune decided, written before it acted: who reads the vault later sees what went, when, and why.

use super::Record;
use crate::{clock::Timestamp, domain::retention::Plan};
use serde::{Deserialize, Serialize};

/// A prune's plan as it was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// When it was made, by the clock of the machine that made it.
    pub planned_at: Timestamp,
    /// Who made it: unique to one invocation.
    pub holder: String,
    /// Whether a person typed its hash.
    pub approved: bool,
    /// How far it came.
    pub state: PlanState,
    /// What it says.
    pub plan: Plan,
}

/// How far a plan came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum PlanState {
    /// It was written; what it lets go may or may not be gone. Tombstones tell.
    Begun,
    /// It was written and then refused: nothing was let go.
    Refused {
        /// Why.
        reason: String,
    },
    /// It was carried out.
    Done {
        /// When.
        at: Timestamp,
    },
}

impl Record for PlanRecord {
    const NAME: &'static str = "plan";
}
