//! One asset in one line: for `lastgood status` and `status.json`. Its fields are relied on by programs.

use super::{Case, Recoverable, copies, proof};
use crate::{
    clock::{Timestamp, since},
    domain::{
        backup::{Form, Method},
        finding::{Finding, FindingKind, Severity},
        forecast::Forecast,
        span::Span,
    },
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};

/// How one asset stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetStatus {
    /// The asset.
    pub asset: AssetName,
    /// What it is, as the config writes it.
    pub kind: String,
    /// The fleet that it belongs to, or belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<AssetName>,
    /// How it stands as a whole.
    pub state: State,
    /// The newest backup that counts; none when none does.
    pub newest: Option<Newest>,
    /// How much data may be lost.
    pub rpo: Span,
    /// How many places have the newest backup that counts.
    pub copies: CopyCount,
    /// The last proof that a restore works.
    pub proven: Option<Proven>,
    /// How long a restore takes.
    pub rto: Rto,
    /// What could be had back if it were lost now; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recoverable: Option<Recoverable>,
    /// When the time to restore will outgrow its target; none where that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// How many backups the vault holds.
    pub backups: usize,
    /// How many bytes they take.
    pub stored_bytes: u64,
    /// When the next backup is due.
    pub next_due: Option<Timestamp>,
    /// What an operator must know, worst first.
    pub findings: Vec<Finding>,
}

/// How an asset stands as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As its policy asks.
    Good,
    /// Redundancy or proof is thinner than its policy asks.
    Warning,
    /// Something could not be looked at: it may be good or not.
    Unknown,
    /// Too old, or missing.
    Stale,
    /// Corrupt, or proven not to restore.
    Failing,
}

impl State {
    /// Every state, best first.
    pub const ALL: [Self; 5] = [Self::Good, Self::Warning, Self::Unknown, Self::Stale, Self::Failing];

    /// The state as the status table writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Failing => "failing",
        }
    }
}

/// The newest backup that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// Its id.
    pub id: BackupId,
    /// Its form.
    pub form: Form,
    /// How it was made.
    pub method: Method,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// How old its data is, in seconds.
    pub age_seconds: u64,
    /// What it takes in the vault; absent where its provider holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
    /// How long it took to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_seconds: Option<u64>,
}

/// How many places have a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyCount {
    /// Places where it was read back and is still listed.
    pub proven: usize,
    /// Places that the policy names.
    pub asked: usize,
}

/// A proof that a restore works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The backup that was restored.
    pub backup: BackupId,
    /// Its form.
    pub form: Form,
    /// When the drill ended.
    pub at: Timestamp,
}

/// How long a restore takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rto {
    /// What the policy allows.
    pub target: Span,
    /// What the last proven drill took until validated, in seconds; absent when none was measured.
    pub measured_seconds: Option<u64>,
}

/// Sums a case up.
pub(super) fn of(case: &Case<'_>, findings: Vec<Finding>) -> AssetStatus {
    let policy = &case.asset.policy;
    let good = case.good().next();
    let proven = proof::proven(case);
    let schedules = [policy.export.as_ref().map(|export| &export.schedule), policy.snapshot.as_ref().map(|snapshot| &snapshot.schedule)];
    // An asset may have exports and snapshots, whose copies go to places of different kinds.
    let mut places = copies::places(case);
    places.retain(|place| good.is_none_or(|backup| backup.manifest.belongs_at(place)));
    AssetStatus {
        asset: case.asset.name.clone(),
        kind: case.asset.source.kind().to_owned(),
        fleet: case.asset.member.as_ref().map(|member| member.fleet.clone()),
        state: findings.iter().map(state).max().unwrap_or(State::Good),
        newest: good.map(|backup| Newest {
            id: backup.manifest.id,
            form: backup.manifest.form(),
            method: backup.manifest.method,
            data_time: backup.manifest.data_time,
            age_seconds: since(case.now, backup.manifest.data_time).as_secs(),
            stored_bytes: backup.manifest.held.is_none().then(|| backup.manifest.stored_bytes()),
            took_seconds: Some(since(backup.manifest.finished_at, backup.manifest.started_at).as_secs()),
        }),
        rpo: policy.rpo,
        copies: CopyCount {
            proven: good.map_or(0, |backup| places.iter().filter(|place| copies::is_at(backup, place)).count()),
            asked: places.len(),
        },
        proven: proven.map(|drill| Proven { backup: drill.backup, form: drill.form, at: drill.finished_at }),
        rto: Rto { target: policy.rto, measured_seconds: proven.and_then(|drill| drill.took).map(|took| took.as_secs()) },
        recoverable: None,
        forecast: None,
        backups: case.backups.len(),
        stored_bytes: case.backups.iter().map(|backup| backup.manifest.stored_bytes()).sum(),
        next_due: schedules.into_iter().flatten().filter_map(|schedule| schedule.next(case.now)).min(),
        findings,
    }
}

/// What one finding makes of its asset.
fn state(finding: &Finding) -> State {
    use FindingKind as F;
    if finding.severity == Severity::Note {
        return State::Good;
    }
    let critical = finding.severity == Severity::Critical;
    match finding.kind {
        F::BackupStale | F::NeverSucceeded => State::Stale,
        F::CopyMissing | F::MemberLeft | F::WalStale if critical => State::Stale,
        F::BackupCorrupt | F::RecordedButMissing | F::DrillFailed | F::SizeAnomaly | F::ClockImplausible | F::KeyUnusable if critical => {
            State::Failing
        }
        F::DrillCouldNotVerify | F::CouldNotObserve => State::Unknown,
        F::BackupFailed
        | F::ScheduleSilent
        | F::CopyMissing
        | F::RecordedButMissing
        | F::PresentButUnrecorded
        | F::BackupCorrupt
        | F::RecordUnreadable
        | F::SizeAnomaly
        | F::Unproven
        | F::DrillFailed
        | F::RtoMissed
        | F::DrillIntervalTooLong
        | F::HeartbeatMissing
        | F::ClockImplausible
        | F::PruneRefused
        | F::NotDelivered
        | F::HandOperated
        | F::EventRefused
        | F::KeyUnusable
        | F::QuotaNear
        | F::PostureDrift
        | F::VaultUnsafe
        | F::FleetShort
        | F::MemberLeft
        | F::WalStale
        | F::DurationOverLimit
        | F::StorageQuota
        | F::ScheduleDisabled
        | F::CheckerDead
        | F::EvidenceUnsigned => State::Warning,
    }
}
