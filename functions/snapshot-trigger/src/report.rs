//! What a wake-up took, and what retention let go after it.

use lastgood_core::{
    backup::BackupReport,
    domain::{change::Change, finding::Finding, measure::Measures},
    function::{Exit, Findings},
    prune::Pruned,
};
use serde::Serialize;
use std::ops::Deref;

/// What was taken, and what was let go.
#[derive(Debug, Serialize)]
pub struct SnapshotReport {
    /// The snapshots.
    #[serde(flatten)]
    pub taken: BackupReport,
    /// What policy let go, for each asset of which something could go; empty when one asset was asked for by hand.
    pub pruned: Vec<Pruned>,
}

impl Deref for SnapshotReport {
    type Target = BackupReport;

    fn deref(&self) -> &BackupReport {
        &self.taken
    }
}

impl Findings for SnapshotReport {
    fn findings(&self) -> Vec<Finding> {
        self.taken.findings().into_iter().chain(self.pruned.iter().flat_map(Findings::findings)).collect()
    }

    fn exit(&self) -> Exit {
        // A refused prune keeps everything: it is told, and no failure of the backups.
        self.taken.exit()
    }

    fn changes(&self) -> Vec<Change> {
        self.taken.changes()
    }

    fn measures(&self) -> Vec<Measures> {
        self.taken.measures()
    }
}
