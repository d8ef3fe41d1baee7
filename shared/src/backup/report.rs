//! What taking backups came to.

use crate::{
    catalog::Extract,
    clock::{Timestamp, since},
    domain::{
        backup::{Manifest, Method, Tier},
        change::{Change, ChangeState},
        finding::{Finding, FindingKind, Severity},
        measure::{Gauge, Measures},
    },
    function::{Entry, Exit, Findings, Outcome, Report, Status},
    id::BackupId,
};
use serde::{Deserialize, Serialize};
use std::{ops::Deref, time::Duration};

/// A backup that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Its id.
    pub backup: BackupId,
    /// How it was made.
    pub method: Method,
    /// The tier it was taken as.
    pub tier: Tier,
    /// The key of its main artifact.
    pub artifact: String,
    /// How many objects it has.
    pub objects: usize,
    /// The bytes that the vault holds for it.
    pub stored_bytes: u64,
    /// The same before compression and encryption.
    pub plain_bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
}

impl Taken {
    /// Tells a backup by its manifest.
    pub fn of(manifest: &Manifest) -> Self {
        Self {
            backup: manifest.id,
            method: manifest.method,
            tier: manifest.tier,
            artifact: manifest.main().map(|artifact| artifact.key.clone()).unwrap_or_default(),
            objects: manifest.artifacts.len(),
            stored_bytes: manifest.stored_bytes(),
            plain_bytes: manifest.artifacts.iter().map(|artifact| artifact.plain_size).sum(),
            took_ms: u64::try_from(since(manifest.finished_at, manifest.started_at).as_millis()).unwrap_or(u64::MAX),
            data_time: manifest.data_time,
        }
    }

    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.took_ms)
    }
}

/// What an export or a snapshot function reports.
#[derive(Debug, Clone, Serialize)]
pub struct BackupReport {
    /// What became of each asset.
    #[serde(flatten)]
    report: Report<Taken>,
    /// What became of extracts for analysts, which are no backups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub analytics: Vec<Entry<Extract>>,
    #[serde(skip)]
    runbook: String,
}

impl BackupReport {
    /// Wraps a report; findings link to `runbook`.
    pub fn new(report: Report<Taken>, runbook: &str) -> Self {
        Self { report, analytics: Vec::new(), runbook: runbook.to_owned() }
    }

    /// The same with what became of extracts.
    #[must_use]
    pub fn with_analytics(self, analytics: Vec<Entry<Extract>>) -> Self {
        Self { analytics, ..self }
    }
}

impl Deref for BackupReport {
    type Target = Report<Taken>;

    fn deref(&self) -> &Self::Target {
        &self.report
    }
}

impl Findings for BackupReport {
    fn findings(&self) -> Vec<Finding> {
        let failed = self.entries.iter().filter_map(|entry| match &entry.outcome {
            Outcome::Failed { reason, .. } => {
                let sentence = format!("no backup was taken: {reason}");
                let finding = Finding::new(FindingKind::BackupFailed, Severity::Warning, sentence, "lastgood doctor");
                Some(finding.about(&entry.asset).linked(&self.runbook))
            }
            Outcome::Done(_) | Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => None,
        });
        let unextracted = self.analytics.iter().filter_map(|entry| match &entry.outcome {
            Outcome::Failed { reason, .. } => {
                let sentence = format!("no extract for analysts was made: {reason}; backups are not concerned");
                let finding = Finding::new(FindingKind::BackupFailed, Severity::Note, sentence, "lastgood doctor");
                Some(finding.about(&entry.asset).linked(&self.runbook))
            }
            Outcome::Done(_) | Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => None,
        });
        failed.chain(unextracted).collect()
    }

    fn exit(&self) -> Exit {
        let extracts = self.analytics.iter().all(|entry| !matches!(entry.outcome, Outcome::Failed { .. }));
        match self.status {
            Status::Ok if extracts => Exit::Good,
            Status::Ok | Status::Partial | Status::Failed => Exit::Failed,
        }
    }

    fn changes(&self) -> Vec<Change> {
        let of = |entry: &Entry<Taken>| {
            let (state, backup) = match &entry.outcome {
                Outcome::Done(taken) => (ChangeState::Done, Some(taken.backup)),
                Outcome::Failed { .. } => (ChangeState::Failed, None),
                Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => return None,
            };
            Some(Change { asset: entry.asset.clone(), state, backup })
        };
        self.entries.iter().filter_map(of).collect()
    }

    fn measures(&self) -> Vec<Measures> {
        let of = |entry: &Entry<Taken>| {
            let measures = Measures::of(&entry.asset);
            match &entry.outcome {
                // Of a snapshot that its provider holds the vault has no bytes: nothing is known, which is not 0.
                Outcome::Done(taken) => measures
                    .with(Gauge::BackupSize, (taken.objects > 0).then_some(taken.stored_bytes))
                    .lasting(Gauge::BackupDuration, Some(taken.took().as_secs_f64()))
                    .with(Gauge::BackupLastSuccess, Some(taken.data_time.as_second()))
                    .with(Gauge::BackupFailed, Some(0)),
                Outcome::Failed { .. } => measures.with(Gauge::BackupFailed, Some(1)),
                Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => measures,
            }
        };
        self.entries.iter().map(of).collect()
    }
}
