//! What an operator must know: what, how bad, where to read on, what to type next.

use crate::id::AssetName;
use serde::{Deserialize, Serialize};

/// How bad it is, by consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; nothing is at risk.
    Note,
    /// Redundancy or proof is thinner than the policy asks.
    Warning,
    /// If the asset were lost now, more would be lost than the policy allows.
    Critical,
}

/// Something an operator must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of finding: the name of its section in docs/runbook.md, `backup-stale`.
    pub kind: FindingKind,
    /// The asset it is about, if it is about one.
    pub asset: Option<AssetName>,
    /// How bad it is.
    pub severity: Severity,
    /// One plain sentence: `newest backup is 26h old, policy allows 24h`.
    pub sentence: String,
    /// The link to the runbook section: the config's `runbook` + `#` + section.
    pub runbook: String,
    /// The next command to type.
    pub command: String,
}

/// Every kind of finding there is. Each has a section of the same name in docs/runbook.md; a test walks them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The newest backup is older than the policy allows.
    BackupStale,
    /// There has never been a backup.
    NeverSucceeded,
    /// The last run failed.
    BackupFailed,
    /// A schedule that ran has fallen silent.
    ScheduleSilent,
    /// A copy that the policy asks for is missing or late.
    CopyMissing,
    /// A recorded object is not there, or has another size.
    RecordedButMissing,
    /// An object lies in the vault that no manifest names.
    PresentButUnrecorded,
    /// Bytes were read back and are not what the manifest says.
    BackupCorrupt,
    /// A record cannot be read, or is of a newer version.
    RecordUnreadable,
    /// A backup is far smaller or far larger than its predecessor, or empty.
    SizeAnomaly,
    /// No restore was proven within the drill interval.
    Unproven,
    /// The last drill failed.
    DrillFailed,
    /// The last drill could not verify.
    DrillCouldNotVerify,
    /// A drill or a restore took longer than the recovery time objective.
    RtoMissed,
    /// Backups are deleted before the drill that would prove them.
    DrillIntervalTooLong,
    /// A function has not run for longer than its schedule.
    HeartbeatMissing,
    /// The clock of this machine and that of the store disagree.
    ClockImplausible,
    /// A prune was refused: over its cap or under its floor.
    PruneRefused,
    /// A notification could not be delivered.
    NotDelivered,
    /// The vault has never been run by a schedule: judged by its assets alone.
    HandOperated,
}
