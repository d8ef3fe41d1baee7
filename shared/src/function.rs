//! The contract of a function, and what it reports.

use crate::{
    clock::Timestamp,
    domain::{
        change::Change,
        finding::{Finding, FindingKind, Severity},
        measure::Measures,
    },
    env::Env,
    error::{Error, Kind, Result},
    id::AssetName,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::future::Future;

/// A unit of scheduled work. The value is the request; running it twice is harmless; empty means "whatever is due".
pub trait Function: DeserializeOwned + clap::Args + Send + Sync + 'static {
    /// The function's name: of its crate, its heartbeat and its runs.
    const NAME: &'static str;
    /// What it reports.
    type Report: Serialize + Findings + Send;
    /// Whether it works on what fleets select: then the host looks who their members are before it runs.
    const SEES_FLEETS: bool = true;
    /// Does the work that is due. One asset's failure goes into the report, not out of the loop.
    fn run(self, env: &Env) -> impl Future<Output = Result<Self::Report>> + Send;
}

/// What a report says to the host and to the one who reads it.
pub trait Findings {
    /// What an operator must know.
    fn findings(&self) -> Vec<Finding>;
    /// How the invocation ends.
    fn exit(&self) -> Exit;
    /// What changed, for programs that wait for it: nothing where a report changes nothing.
    fn changes(&self) -> Vec<Change> {
        Vec::new()
    }
    /// What was measured, for monitors: nothing where a report measures nothing.
    fn measures(&self) -> Vec<Measures> {
        Vec::new()
    }
}

/// How an invocation ends: the exit codes of the command, **contract**.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// All is well.
    Good = 0,
    /// Something failed.
    Failed = 1,
    /// Something is too old or missing.
    Stale = 2,
    /// Something could not be verified.
    CouldNotVerify = 3,
    /// The request makes no sense.
    Usage = 64,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<&Error> for Exit {
    fn from(error: &Error) -> Self {
        match error.kind() {
            Kind::Invalid => Self::Usage,
            Kind::NotFound
            | Kind::Conflict
            | Kind::Busy
            | Kind::Retry
            | Kind::OutOfTime
            | Kind::NoSpace
            | Kind::Denied
            | Kind::Corrupt
            | Kind::Unsupported
            | Kind::Refused
            | Kind::Failed => Self::Failed,
        }
    }
}

/// What most functions report: one entry per asset. `D` is what the function did there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report<D> {
    /// The function.
    pub function: String,
    /// How it went as a whole.
    pub status: Status,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// One entry per asset that was due or asked for.
    pub entries: Vec<Entry<D>>,
}

/// How a report went as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Everything that was due is done, held by another invocation, or waiting.
    Ok,
    /// Some entries failed.
    Partial,
    /// Every entry failed.
    Failed,
}

/// What happened to one asset.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry<D> {
    /// The asset.
    pub asset: AssetName,
    /// How it went.
    #[serde(flatten)]
    pub outcome: Outcome<D>,
}

/// How it went for one asset.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome<D> {
    /// Done, by this invocation or an earlier one.
    Done(D),
    /// Nothing was due.
    NotDue {
        /// When it will be.
        next: Option<Timestamp>,
    },
    /// Another invocation holds it.
    AlreadyRunning {
        /// Until when, unless it renews.
        until: Timestamp,
    },
    /// The time budget ended; the next invocation goes on.
    Waiting {
        /// For what.
        reason: String,
    },
    /// It failed. Earlier backups are as they were.
    Failed {
        /// The kind of error.
        kind: Kind,
        /// What happened, redacted.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl<D> Outcome<D> {
    /// Tells an error as an outcome.
    pub fn from_error(error: &Error) -> Self {
        match error.kind() {
            Kind::OutOfTime => Self::Waiting { reason: error.full() },
            kind => Self::Failed { kind, reason: error.full(), hint: error.advice().map(str::to_owned) },
        }
    }
}

impl<D> Report<D> {
    /// Sums entries up.
    pub fn of(function: &str, started_at: Timestamp, finished_at: Timestamp, entries: Vec<Entry<D>>) -> Self {
        let failed = entries.iter().filter(|entry| matches!(entry.outcome, Outcome::Failed { .. })).count();
        let status = match failed {
            0 => Status::Ok,
            n if n == entries.len() => Status::Failed,
            _ => Status::Partial,
        };
        Self { function: function.to_owned(), status, started_at, finished_at, entries }
    }
}

/// Returns how an invocation that found these ends: what failed or is corrupt before what is too old or missing, and that
/// before what could not be verified. Notes, and warnings that leave every promise standing, end well.
pub fn exit_of(findings: &[Finding]) -> Exit {
    use FindingKind as F;
    let exit = |finding: &Finding| match finding.kind {
        _ if finding.severity == Severity::Note => Exit::Good,
        F::BackupFailed | F::BackupCorrupt | F::RecordUnreadable | F::DrillFailed | F::NotDelivered | F::KeyUnusable | F::VaultUnsafe => {
            Exit::Failed
        }
        F::BackupStale
        | F::NeverSucceeded
        | F::ScheduleSilent
        | F::CopyMissing
        | F::RecordedButMissing
        | F::HeartbeatMissing
        | F::FleetShort
        | F::WalStale
        | F::ScheduleDisabled
        | F::CheckerDead => Exit::Stale,
        F::MemberLeft if finding.severity == Severity::Critical => Exit::Stale,
        F::SizeAnomaly | F::Unproven | F::DrillCouldNotVerify | F::ClockImplausible | F::CouldNotObserve => Exit::CouldNotVerify,
        F::PresentButUnrecorded
        | F::RtoMissed
        | F::DrillIntervalTooLong
        | F::PruneRefused
        | F::HandOperated
        | F::EventRefused
        | F::QuotaNear
        | F::PostureDrift
        | F::MemberLeft
        | F::DurationOverLimit
        | F::StorageQuota
        | F::EvidenceUnsigned => Exit::Good,
    };
    let exits: Vec<_> = findings.iter().map(exit).collect();
    [Exit::Failed, Exit::Stale, Exit::CouldNotVerify].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Good)
}

/// Returns the worst severity among findings.
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}
