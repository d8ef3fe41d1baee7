//! What became of one asset's backups, copies and drills over the last year, small enough to keep for thousands of assets.
//!
//! Promises: nothing older than a year is held; a day of which nothing is recorded is none, never good; what retention let
//! go was a backup on its day; every number is of the records, none is filled in.

mod days;
mod trend;

pub use days::{DAYS, Day, Timeline};
pub use trend::{Point, trend};

use super::{backup::Form, drill::Verdict};
use crate::{
    clock::{Timestamp, before},
    id::BackupId,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How far back a history goes.
pub const LONGEST: Duration = Duration::from_hours(365 * 24);

/// What became of one asset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Its backups, those that were let go as well, oldest data first.
    pub backups: Vec<PastBackup>,
    /// When runs were due that made no backup, with the form that they were to make, oldest first.
    pub failures: Vec<(Timestamp, Form)>,
    /// Its drills, oldest first.
    pub drills: Vec<PastDrill>,
}

/// A backup of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastBackup {
    /// The moment whose data it holds, or held.
    pub data_time: Timestamp,
    /// Its form.
    pub form: Form,
    /// Its bytes.
    pub bytes: u64,
    /// How long it took; none where that is no longer recorded.
    pub took: Option<Duration>,
    /// Whether it is still there, and as it was recorded.
    pub standing: Standing,
    /// Whether it is where else the policy wants it.
    pub copies: Copied,
}

/// What became of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is there, and nothing speaks against it.
    Kept,
    /// Something is missing of it, or other bytes were read.
    Damaged,
    /// Retention let it go.
    LetGo,
}

/// Whether a backup is at every place that the policy names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The policy names none, or it is not known any more.
    Unasked,
    /// It is proven everywhere.
    Everywhere,
    /// A proof is missing, and not late yet.
    UnderWay,
    /// A proof is missing, or what it proved is not there any more.
    Missing,
}

/// A drill of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastDrill {
    /// Its id: what its evidence is named by.
    pub id: BackupId,
    /// When it ended.
    pub at: Timestamp,
    /// How it ended.
    pub verdict: Verdict,
    /// What was restored.
    pub what: Drilled,
    /// How many bytes that had.
    pub bytes: u64,
    /// From the start of the restore until validated; none where it did not come that far.
    pub took: Option<Duration>,
}

/// What a drill restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drilled {
    /// A backup of this form.
    Backup(Form),
    /// A moment of the provider's own continuous backups.
    Moment,
    /// There was nothing to restore.
    Nothing,
}

impl History {
    /// Puts everything in order, and leaves out what is older than a year.
    #[must_use]
    pub fn bounded(mut self, now: Timestamp) -> Self {
        let oldest = before(now, LONGEST);
        self.backups.retain(|backup| backup.data_time >= oldest);
        self.failures.retain(|(at, _)| *at >= oldest);
        self.drills.retain(|drill| drill.at >= oldest);
        self.backups.sort_by_key(|backup| backup.data_time);
        self.failures.sort();
        self.drills.sort_by_key(|drill| (drill.at, drill.id));
        self.backups.shrink_to_fit();
        self.drills.shrink_to_fit();
        self
    }

    /// When the first thing of it was recorded; none where nothing is.
    pub fn since(&self) -> Option<Timestamp> {
        let firsts = [
            self.backups.first().map(|backup| backup.data_time),
            self.failures.first().map(|(at, _)| *at),
            self.drills.first().map(|drill| drill.at),
        ];
        firsts.into_iter().flatten().min()
    }

    /// The form that most of its backups have: sizes of two forms are no trend.
    pub fn main_form(&self) -> Option<Form> {
        let exports = self.backups.iter().filter(|backup| backup.form == Form::Export).count();
        let snapshots = self.backups.len() - exports;
        (exports + snapshots > 0).then_some(if exports >= snapshots { Form::Export } else { Form::Snapshot })
    }
}
