//! What a restore for real would do, or did.

use lastgood_core::{
    clock::Timestamp,
    domain::{
        backup::Method,
        compare::{CheckOutcome, CheckResult},
        drill::Verdict,
        finding::{Finding, FindingKind, Severity},
        place::Place,
    },
    function::{Exit, Findings, Outcome, Report},
    id::BackupId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Deref};

/// A planned or a finished restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restored {
    /// The backup.
    pub backup: BackupId,
    /// What it is: an export, a snapshot, a moment of the provider's own continuous backups.
    pub method: Method,
    /// The place that it is read from.
    pub from: Place,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// How it lies to the moment that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Where it goes, without a password.
    pub target: String,
    /// Whether it was done, or only planned.
    pub applied: bool,
    /// What it does, step by step.
    pub steps: Vec<String>,
    /// What the comparison with the recorded expectations came to; none where nothing runs that could be asked.
    pub verdict: Option<Verdict>,
    /// The comparison.
    pub checks: Vec<CheckResult>,
    /// How long it took until the data was restored and compared.
    pub seconds: Option<f64>,
    /// What the operator does next.
    pub next: Vec<String>,
    /// The tools, with their versions.
    pub tools: BTreeMap<String, String>,
}

/// What a restore would do, or did.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct RestoreReport {
    report: Report<Restored>,
    #[serde(skip)]
    runbook: String,
}

impl RestoreReport {
    pub(crate) fn new(report: Report<Restored>, runbook: &str) -> Self {
        Self { report, runbook: runbook.to_owned() }
    }

    /// The restore itself.
    pub fn restored(&self) -> Option<&Restored> {
        self.entries.iter().find_map(|entry| match &entry.outcome {
            Outcome::Done(restored) => Some(restored),
            Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } | Outcome::Failed { .. } => None,
        })
    }
}

impl Deref for RestoreReport {
    type Target = Report<Restored>;

    fn deref(&self) -> &Self::Target {
        &self.report
    }
}

impl Findings for RestoreReport {
    fn findings(&self) -> Vec<Finding> {
        let Some((entry, restored)) = self.entries.first().zip(self.restored()) else { return Vec::new() };
        let wrong: Vec<_> = restored.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
        let Some(first) = wrong.first() else { return Vec::new() };
        let sentence = format!(
            "what was restored into {} differs from what was recorded: {}: expected {}, found {}",
            restored.target, first.name, first.expected, first.found
        );
        let (kind, severity) = match restored.verdict {
            Some(Verdict::Failed) => (FindingKind::DrillFailed, Severity::Critical),
            Some(Verdict::CouldNotVerify | Verdict::Proven) | None => (FindingKind::DrillCouldNotVerify, Severity::Warning),
        };
        vec![Finding::new(kind, severity, sentence, format!("lastgood list {}", entry.asset)).about(&entry.asset).linked(&self.runbook)]
    }

    fn exit(&self) -> Exit {
        match self.restored().and_then(|restored| restored.verdict) {
            None | Some(Verdict::Proven) => Exit::Good,
            Some(Verdict::CouldNotVerify) => Exit::CouldNotVerify,
            Some(Verdict::Failed) => Exit::Failed,
        }
    }
}
