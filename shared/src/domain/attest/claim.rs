//! What a drill shows of what auditors ask for. The words are ours; the numbers of their controls come from the config.

use crate::domain::drill::Verdict;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Something that a drill can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// Backups are restored for a test, and what comes back is checked.
    RestoreTest,
    /// A restore takes no longer than the recovery time objective.
    RecoveryTime,
    /// The newest backup is no older than the recovery point objective.
    RecoveryPoint,
    /// What was restored was a copy at another place.
    RestoreFromCopy,
}

impl Claim {
    /// Every claim.
    pub const ALL: [Self; 4] = [Self::RestoreTest, Self::RecoveryTime, Self::RecoveryPoint, Self::RestoreFromCopy];

    /// The claim as config and records write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RestoreTest => "restore-test",
            Self::RecoveryTime => "recovery-time",
            Self::RecoveryPoint => "recovery-point",
            Self::RestoreFromCopy => "restore-from-copy",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a drill came to for a claim. Unknown is none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// It holds.
    Met,
    /// It does not.
    NotMet,
    /// This drill does not tell.
    Unknown,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Met => "met",
            Self::NotMet => "not met",
            Self::Unknown => "not shown",
        })
    }
}

/// What of a drill decides about claims.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// How it ended.
    pub verdict: Verdict,
    /// Whether the restore was quick enough.
    pub rto_met: Option<bool>,
    /// Whether the newest backup was young enough.
    pub rpo_met: Option<bool>,
    /// Whether what was restored was read from another place than the vault; none when nothing was.
    pub from_copy: Option<bool>,
}

/// One claim, what was shown of it, and the controls that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlShown {
    /// The claim.
    pub claim: Claim,
    /// What was shown.
    pub shown: Shown,
    /// The controls, as the config names them.
    pub controls: Vec<String>,
}

/// Returns what a drill shows of each claim that the config maps to controls.
pub fn controls(facts: &Facts, mapped: &BTreeMap<Claim, Vec<String>>) -> Vec<ControlShown> {
    let of = |(claim, controls): (&Claim, &Vec<String>)| ControlShown {
        claim: *claim,
        shown: shown(*claim, *facts),
        controls: controls.clone(),
    };
    mapped.iter().map(of).collect()
}

fn shown(claim: Claim, facts: Facts) -> Shown {
    let tested = match facts.verdict {
        Verdict::Proven => Shown::Met,
        Verdict::Failed => Shown::NotMet,
        Verdict::CouldNotVerify => Shown::Unknown,
    };
    let measured = |met: Option<bool>| match met {
        Some(true) => Shown::Met,
        Some(false) => Shown::NotMet,
        None => Shown::Unknown,
    };
    match claim {
        Claim::RestoreTest => tested,
        // A restore that brought back the wrong thing quickly meets no objective.
        Claim::RecoveryTime if facts.verdict != Verdict::Proven && facts.rto_met == Some(true) => Shown::Unknown,
        Claim::RecoveryTime => measured(facts.rto_met),
        Claim::RecoveryPoint => measured(facts.rpo_met),
        Claim::RestoreFromCopy if facts.from_copy == Some(true) => tested,
        Claim::RestoreFromCopy => Shown::Unknown,
    }
}
