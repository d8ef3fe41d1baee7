//! What was copied, and what could not be.

use lastgood_core::{
    domain::{
        change::{Change, ChangeState},
        finding::{Finding, FindingKind, Severity},
        measure::{Gauge, Measures},
        place::Place,
    },
    error::{Error, Kind},
    function::{Entry, Exit, Findings, Outcome, Report, Status},
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// What the function reports: one entry per asset that has copies.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CopyReport {
    #[serde(flatten)]
    report: Report<Copies>,
    /// The base of the findings' links.
    #[serde(skip)]
    runbook: String,
}

/// What was done for one asset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// One entry per place.
    pub places: Vec<AtPlace>,
    /// What could not be done; everything else was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// What was done at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtPlace {
    /// The place.
    pub place: Place,
    /// The backups that were copied and proven there now.
    pub copied: Vec<BackupId>,
    /// How many were proven there before.
    pub already_proven: usize,
    /// The bytes that were copied now, or found there and read again.
    pub bytes: u64,
    /// How far the newest copy there is behind the newest backup, in seconds of data time; none where nothing is proven.
    pub lag_seconds: Option<u64>,
}

/// Something that could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The backup, if it is about one.
    pub backup: Option<BackupId>,
    /// Where it should have been copied to.
    pub place: String,
    /// Whether the vault's own bytes are damaged.
    pub source_damaged: bool,
    /// The kind of error.
    pub kind: Kind,
    /// What happened, redacted.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// Tells an error as a problem.
    pub fn of(error: &Error, place: &impl ToString, backup: Option<BackupId>) -> Self {
        Self {
            backup,
            place: place.to_string(),
            source_damaged: false,
            kind: error.kind(),
            reason: error.full(),
            hint: error.advice().map(str::to_owned),
        }
    }
}

impl Copies {
    /// The outcome for an asset: failed only when nothing at all exists at any place because of the problems.
    pub fn outcome(self) -> Outcome<Self> {
        let something = self.places.iter().any(|at| !at.copied.is_empty() || at.already_proven > 0);
        match self.problems.first() {
            Some(first) if !something => Outcome::Failed {
                kind: first.kind,
                reason: self.problems.iter().map(|problem| problem.reason.as_str()).take(5).collect::<Vec<_>>().join("; "),
                hint: first.hint.clone(),
            },
            Some(_) | None => Outcome::Done(self),
        }
    }
}

impl CopyReport {
    /// Sums a report up: it is partial when anything could not be copied.
    pub fn new(mut report: Report<Copies>, runbook: &str) -> Self {
        let troubled = |entry: &Entry<Copies>| matches!(&entry.outcome, Outcome::Done(copies) if !copies.problems.is_empty());
        if report.status == Status::Ok && report.entries.iter().any(troubled) {
            report.status = Status::Partial;
        }
        Self { report, runbook: runbook.to_owned() }
    }
}

impl Deref for CopyReport {
    type Target = Report<Copies>;

    fn deref(&self) -> &Self::Target {
        &self.report
    }
}

impl Findings for CopyReport {
    fn findings(&self) -> Vec<Finding> {
        let of = |entry: &Entry<Copies>| match &entry.outcome {
            Outcome::Done(copies) => copies.problems.iter().map(|problem| finding(&entry.asset, problem)).collect(),
            Outcome::Failed { reason, .. } => vec![missing(&entry.asset, reason)],
            Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => Vec::new(),
        };
        self.entries.iter().flat_map(of).map(|finding| finding.linked(&self.runbook)).collect()
    }

    fn exit(&self) -> Exit {
        match self.status {
            Status::Ok => Exit::Good,
            Status::Partial | Status::Failed => Exit::Failed,
        }
    }

    fn changes(&self) -> Vec<Change> {
        let of = |entry: &Entry<Copies>| {
            let state = match &entry.outcome {
                Outcome::Done(copies) if !copies.problems.is_empty() => ChangeState::Failed,
                Outcome::Done(copies) if copies.places.iter().any(|at| !at.copied.is_empty()) => ChangeState::Done,
                Outcome::Failed { .. } => ChangeState::Failed,
                Outcome::Done(_) | Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => return None,
            };
            Some(Change { asset: entry.asset.clone(), state, backup: None })
        };
        self.entries.iter().filter_map(of).collect()
    }

    fn measures(&self) -> Vec<Measures> {
        let of = |entry: &Entry<Copies>| {
            let measures = Measures::of(&entry.asset);
            match &entry.outcome {
                // One place where nothing is proven is behind by no number.
                Outcome::Done(copies) => {
                    let lags: Option<Vec<u64>> = copies.places.iter().map(|at| at.lag_seconds).collect();
                    measures.with(Gauge::CopyLag, lags.and_then(|lags| lags.into_iter().max()))
                }
                Outcome::Failed { .. } | Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => measures,
            }
        };
        self.entries.iter().map(of).collect()
    }
}

fn finding(asset: &AssetName, problem: &Problem) -> Finding {
    if !problem.source_damaged {
        return missing(asset, &problem.reason);
    }
    let command = format!("lastgood verify {asset}");
    Finding::new(FindingKind::BackupCorrupt, Severity::Critical, format!("not copied: {}", problem.reason), command).about(asset)
}

fn missing(asset: &AssetName, reason: &str) -> Finding {
    let command = format!("lastgood copy {asset}");
    Finding::new(FindingKind::CopyMissing, Severity::Warning, format!("a copy could not be made: {reason}"), command).about(asset)
}
