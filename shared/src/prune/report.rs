//! What a prune did, or would do.

use super::Mode;
use crate::{
    clock::Timestamp,
    domain::{
        finding::{Finding, FindingKind, Severity},
        retention::Plan,
    },
    function::{Exit, Findings},
    id::BackupId,
};
use serde::Serialize;

/// What a prune of one asset did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// What was decided, and whether it was refused.
    pub plan: Plan,
    /// Whether it was carried out.
    pub applied: bool,
    /// What was let go.
    pub let_go: Vec<LetGo>,
    /// What stayed after all, because somebody began to use it.
    pub skipped: Vec<(BackupId, String)>,
    /// What earlier prunes had begun and this one finished.
    pub finished: Vec<BackupId>,
    /// What could not be let go; the next prune tries again.
    pub failed: Vec<(BackupId, String)>,
    /// What an operator must know.
    pub findings: Vec<Finding>,
}

/// A backup that was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetGo {
    /// The backup.
    pub id: BackupId,
    /// The moment whose data it held.
    pub data_time: Timestamp,
    /// The bytes that the vault held for it.
    pub bytes: u64,
    /// Why it could go.
    pub why: String,
}

impl Pruned {
    pub(super) fn planned(plan: Plan, mode: Mode) -> Self {
        Self {
            plan,
            applied: mode == Mode::Apply,
            let_go: Vec::new(),
            skipped: Vec::new(),
            finished: Vec::new(),
            failed: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Turns a refusal, failures and what could not be looked at into findings.
    pub(super) fn conclude(&mut self, blind: &[(String, String)], runbook: &str) {
        let asset = &self.plan.asset;
        for (what, why) in blind {
            let sentence = format!("{what} could not be looked at, and what was let go may still lie there: {why}");
            let finding = Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood doctor");
            self.findings.push(finding.about(asset).linked(runbook));
        }
        let tell =
            |sentence, command| Finding::new(FindingKind::PruneRefused, Severity::Warning, sentence, command).about(asset).linked(runbook);
        if let Some(why) = &self.plan.refused {
            self.findings.push(tell(format!("nothing was let go: {why}"), format!("lastgood prune {asset}")));
        }
        if let Some((id, why)) = self.failed.first() {
            let sentence = format!("{} backups could not be let go whole, such as {id}: {why}", self.failed.len());
            self.findings.push(tell(sentence, format!("lastgood prune {asset} --apply")));
        }
    }

    /// The bytes that were freed.
    pub fn freed(&self) -> u64 {
        self.let_go.iter().map(|gone| gone.bytes).sum()
    }
}

impl Findings for Pruned {
    fn findings(&self) -> Vec<Finding> {
        self.findings.clone()
    }

    fn exit(&self) -> Exit {
        if self.plan.refused.is_some() || !self.failed.is_empty() { Exit::Failed } else { Exit::Good }
    }
}
