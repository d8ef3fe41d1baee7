//! What a round of drills came to.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    clock::Timestamp,
    domain::{
        backup::Method,
        change::{Change, ChangeState},
        compare::CheckOutcome,
        drill::Verdict,
        finding::{Finding, FindingKind, Severity},
        measure::{Gauge, Measures},
        place::Place,
    },
    function::{Entry, Exit, Findings, Outcome, Report},
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};
use std::ops::Deref;

/// A finished drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drilled {
    /// The drill.
    pub drill: BackupId,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not proven.
    pub reason: Option<String>,
    /// The backup that was restored.
    pub backup: Option<BackupId>,
    /// What it is: an export, a snapshot, a moment of the provider's own continuous backups.
    pub method: Option<Method>,
    /// The recovery point of AWS Backup's that was tested, where no backup of ours was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_point: Option<String>,
    /// The place that it was read from.
    pub from: Option<Place>,
    /// The moment whose data it holds.
    pub data_time: Option<Timestamp>,
    /// How long it took until the data was restored and validated, in seconds.
    pub restore_seconds: Option<f64>,
    /// Whether that was within the recovery time objective.
    pub rto_met: Option<bool>,
    /// Whether the newest backup was within the recovery point objective.
    pub rpo_met: Option<bool>,
    /// Checks that passed.
    pub passed: usize,
    /// All checks.
    pub checks: usize,
    /// The evidence's key below the vault.
    pub evidence: String,
    /// The key of its page for people.
    pub page: String,
    /// The SHA-256 of the link that signs the evidence: the head of its chain when the drill ended. Worth remembering elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// Why the evidence is not signed although the config asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsigned: Option<String>,
    /// Replicas of lost drills that were removed first.
    pub swept: usize,
}

impl Drilled {
    pub(crate) fn of(evidence: &Evidence, swept: usize) -> Self {
        let backup = evidence.backup.as_ref();
        Self {
            drill: evidence.drill,
            verdict: evidence.verdict,
            reason: evidence.reason.clone(),
            backup: backup.map(|backup| backup.id),
            method: backup.map(|backup| backup.method),
            recovery_point: evidence.restore_test.as_ref().map(|test| test.recovery_point.clone()),
            from: backup.map(|backup| backup.from.clone()),
            data_time: backup.map(|backup| backup.data_time).or(evidence.restore_test.as_ref().map(|test| test.data_time)),
            restore_seconds: evidence.restore_seconds,
            rto_met: evidence.objectives.rto_met,
            rpo_met: evidence.objectives.rpo_met,
            passed: evidence.count(CheckOutcome::Passed),
            checks: evidence.checks.len(),
            evidence: Key::Drill(evidence.asset.clone(), evidence.drill).to_string(),
            page: Key::DrillPage(evidence.asset.clone(), evidence.drill).to_string(),
            head: None,
            unsigned: evidence.unsigned.clone(),
            swept,
        }
    }
}

/// What a round of drills came to.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct DrillReport {
    report: Report<Drilled>,
    #[serde(skip)]
    runbook: String,
}

impl DrillReport {
    pub(crate) fn new(report: Report<Drilled>, runbook: &str) -> Self {
        Self { report, runbook: runbook.to_owned() }
    }

    fn verdicts(&self) -> impl Iterator<Item = Verdict> {
        self.entries.iter().filter_map(|entry| match &entry.outcome {
            Outcome::Done(drilled) => Some(drilled.verdict),
            // A drill that never came to judge its backup says nothing about it.
            Outcome::Failed { .. } => Some(Verdict::CouldNotVerify),
            Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => None,
        })
    }
}

impl Deref for DrillReport {
    type Target = Report<Drilled>;

    fn deref(&self) -> &Self::Target {
        &self.report
    }
}

impl Findings for DrillReport {
    fn findings(&self) -> Vec<Finding> {
        self.entries.iter().flat_map(|entry| findings(entry).into_iter().map(|finding| finding.linked(&self.runbook))).collect()
    }

    fn exit(&self) -> Exit {
        match self.verdicts().max() {
            None | Some(Verdict::Proven) => Exit::Good,
            Some(Verdict::CouldNotVerify) => Exit::CouldNotVerify,
            Some(Verdict::Failed) => Exit::Failed,
        }
    }

    fn changes(&self) -> Vec<Change> {
        let of = |entry: &Entry<Drilled>| {
            let (state, backup) = match &entry.outcome {
                Outcome::Done(drilled) => (state(drilled.verdict), drilled.backup),
                Outcome::Failed { .. } => (ChangeState::CouldNotVerify, None),
                Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => return None,
            };
            Some(Change { asset: entry.asset.clone(), state, backup })
        };
        self.entries.iter().filter_map(of).collect()
    }

    fn measures(&self) -> Vec<Measures> {
        let of = |entry: &Entry<Drilled>| {
            let measures = Measures::of(&entry.asset);
            match &entry.outcome {
                Outcome::Done(drilled) => measures
                    .lasting(Gauge::Restore, drilled.restore_seconds)
                    .with(Gauge::DrillFailed, Some(u8::from(drilled.verdict != Verdict::Proven))),
                Outcome::Failed { .. } => measures.with(Gauge::DrillFailed, Some(1)),
                Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => measures,
            }
        };
        self.entries.iter().map(of).collect()
    }
}

const fn state(verdict: Verdict) -> ChangeState {
    match verdict {
        Verdict::Proven => ChangeState::Proven,
        Verdict::CouldNotVerify => ChangeState::CouldNotVerify,
        Verdict::Failed => ChangeState::Failed,
    }
}

fn findings(entry: &Entry<Drilled>) -> Vec<Finding> {
    let asset = &entry.asset;
    let about = |kind, severity, sentence: String| Finding::new(kind, severity, sentence, again(asset)).about(asset);
    match &entry.outcome {
        Outcome::Done(drilled) => {
            let reason = drilled.reason.as_deref().unwrap_or("see the evidence");
            let mut found = Vec::new();
            match drilled.verdict {
                Verdict::Proven => {}
                Verdict::CouldNotVerify => found.push(about(
                    FindingKind::DrillCouldNotVerify,
                    Severity::Warning,
                    format!("the drill could not verify the backup: {reason}"),
                )),
                Verdict::Failed => {
                    found.push(about(FindingKind::DrillFailed, Severity::Critical, format!("the drill failed: {reason}")));
                }
            }
            if let Some(why) = &drilled.unsigned {
                let sentence = format!("the evidence of the drill is not signed: {why}");
                found.push(about(FindingKind::EvidenceUnsigned, Severity::Warning, sentence));
            }
            if drilled.rto_met == Some(false) {
                let took = drilled.restore_seconds.unwrap_or_default();
                found.push(about(
                    FindingKind::RtoMissed,
                    Severity::Warning,
                    format!("the restore took {took:.0} s, longer than the objective"),
                ));
            }
            found
        }
        Outcome::Failed { reason, .. } => {
            vec![about(FindingKind::DrillCouldNotVerify, Severity::Warning, format!("the drill could not be done: {reason}"))]
        }
        Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => Vec::new(),
    }
}

fn again(asset: &AssetName) -> String {
    format!("lastgood drill {asset}")
}
