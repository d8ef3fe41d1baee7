//! What an operator must know: what, how bad, where to read on, what to type next.

use crate::id::AssetName;
use serde::{Deserialize, Serialize};
use std::fmt;

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

impl Severity {
    /// The severity as records, labels and people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
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
    /// Something could not be looked at: unknown, and never rounded to good.
    CouldNotObserve,
    /// An event came from an account whose events are not believed.
    EventRefused,
    /// A key that backups are encrypted with cannot be used.
    KeyUnusable,
    /// Little is left of something that the provider caps.
    QuotaNear,
    /// The provider no longer keeps the asset as a restore will need it.
    PostureDrift,
    /// The bucket that backups lie in is open to the public, or deletes them by itself.
    VaultUnsafe,
    /// A fleet selects nothing, or something that cannot join.
    FleetShort,
    /// A member is no longer selected by its fleet: its backups are kept, and no new ones are made.
    MemberLeft,
    /// Write-ahead log of a self-managed Postgres is not archived as its policy asks, or is not where it should be.
    WalStale,
    /// A backup took, or takes, longer than its policy allows or than it usually does.
    DurationOverLimit,
    /// What may be stored, or can be, is nearly or wholly taken.
    StorageQuota,
    /// A schedule that should wake a function is switched off, or is not there.
    ScheduleDisabled,
    /// The checker has not run: whatever else is wrong is not told.
    CheckerDead,
    /// The evidence of a drill is not signed although the config asks for it.
    EvidenceUnsigned,
}

impl FindingKind {
    /// Every kind, so that the runbook and the tests can walk them.
    pub const ALL: [Self; 34] = [
        Self::BackupStale,
        Self::NeverSucceeded,
        Self::BackupFailed,
        Self::ScheduleSilent,
        Self::CopyMissing,
        Self::RecordedButMissing,
        Self::PresentButUnrecorded,
        Self::BackupCorrupt,
        Self::RecordUnreadable,
        Self::SizeAnomaly,
        Self::Unproven,
        Self::DrillFailed,
        Self::DrillCouldNotVerify,
        Self::RtoMissed,
        Self::DrillIntervalTooLong,
        Self::HeartbeatMissing,
        Self::ClockImplausible,
        Self::PruneRefused,
        Self::NotDelivered,
        Self::HandOperated,
        Self::CouldNotObserve,
        Self::EventRefused,
        Self::KeyUnusable,
        Self::QuotaNear,
        Self::PostureDrift,
        Self::VaultUnsafe,
        Self::FleetShort,
        Self::MemberLeft,
        Self::WalStale,
        Self::DurationOverLimit,
        Self::StorageQuota,
        Self::ScheduleDisabled,
        Self::CheckerDead,
        Self::EvidenceUnsigned,
    ];

    /// The kind as records and the runbook's headings write it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::BackupStale => "backup-stale",
            Self::NeverSucceeded => "never-succeeded",
            Self::BackupFailed => "backup-failed",
            Self::ScheduleSilent => "schedule-silent",
            Self::CopyMissing => "copy-missing",
            Self::RecordedButMissing => "recorded-but-missing",
            Self::PresentButUnrecorded => "present-but-unrecorded",
            Self::BackupCorrupt => "backup-corrupt",
            Self::RecordUnreadable => "record-unreadable",
            Self::SizeAnomaly => "size-anomaly",
            Self::Unproven => "unproven",
            Self::DrillFailed => "drill-failed",
            Self::DrillCouldNotVerify => "drill-could-not-verify",
            Self::RtoMissed => "rto-missed",
            Self::DrillIntervalTooLong => "drill-interval-too-long",
            Self::HeartbeatMissing => "heartbeat-missing",
            Self::ClockImplausible => "clock-implausible",
            Self::PruneRefused => "prune-refused",
            Self::NotDelivered => "not-delivered",
            Self::HandOperated => "hand-operated",
            Self::CouldNotObserve => "could-not-observe",
            Self::EventRefused => "event-refused",
            Self::KeyUnusable => "key-unusable",
            Self::QuotaNear => "quota-near",
            Self::PostureDrift => "posture-drift",
            Self::VaultUnsafe => "vault-unsafe",
            Self::FleetShort => "fleet-short",
            Self::MemberLeft => "member-left",
            Self::WalStale => "wal-stale",
            Self::DurationOverLimit => "duration-over-limit",
            Self::StorageQuota => "storage-quota",
            Self::ScheduleDisabled => "schedule-disabled",
            Self::CheckerDead => "checker-dead",
            Self::EvidenceUnsigned => "evidence-unsigned",
        }
    }
}

impl Finding {
    /// A finding about no asset in particular, linked to its section of a runbook that is yet to be named.
    pub fn new(kind: FindingKind, severity: Severity, sentence: impl Into<String>, command: impl Into<String>) -> Self {
        let runbook = format!("#{}", kind.slug());
        Self { kind, asset: None, severity, sentence: crate::redact::text(&sentence.into()), runbook, command: command.into() }
    }

    /// Says which asset it is about.
    #[must_use]
    pub fn about(mut self, asset: &AssetName) -> Self {
        self.asset = Some(asset.clone());
        self
    }

    /// Links it to a runbook: `base` + `#` + section.
    #[must_use]
    pub fn linked(mut self, base: &str) -> Self {
        self.runbook = format!("{base}#{}", self.kind.slug());
        self
    }
}

impl fmt::Display for Finding {
    /// `orders-db: newest backup is 26h old, policy allows 24h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asset {
            Some(asset) => write!(f, "{asset}: {}", self.sentence),
            None => f.write_str(&self.sentence),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_in_records_as_in_the_runbook() {
        for kind in FindingKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.slug());
        }
    }
}
