//! A database that somebody else restored to be tested: AWS Backup, by a restore testing plan. Ours are the questions and the
//! verdict; the restore, the replica and its removal are AWS Backup's.
//!
//! Such a test proves a recovery point of AWS Backup's and no backup of ours.

use super::{
    backup::{Expectations, Manifest, Method, Origin, Tier},
    drill::{ReplicaName, Verdict},
};
use crate::{
    clock::{Timestamp, since},
    id::{AssetName, BackupId, Slot},
    redact,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What the names of everything begin with that AWS Backup restores to be tested.
pub const PREFIX: &str = "awsbackup-restore-test-";

/// The most characters of what AWS Backup is told beside the verdict.
const MESSAGE: usize = 250;

/// A restore that is to be tested, as AWS Backup describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTest {
    /// The restore job.
    pub job: String,
    /// The restore testing plan that it belongs to.
    pub plan: String,
    /// The recovery point that was restored.
    pub recovery_point: String,
    /// The moment whose data it holds: when the recovery point was made.
    pub data_time: Timestamp,
    /// The database that was made of it.
    pub created: String,
    /// When the restore began.
    pub began_at: Timestamp,
    /// When it ended; none where that was not said.
    pub ended_at: Option<Timestamp>,
}

/// What AWS Backup is told. It has three words, and so have we.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The data are what they should be.
    Successful,
    /// They are not.
    Failed,
    /// Nobody could say: AWS Backup's own word for a test that nobody judged.
    TimedOut,
}

impl Told {
    /// What a verdict is told as. That a backup could not be verified is neither good nor bad news of it.
    pub const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Proven => Self::Successful,
            Verdict::Failed => Self::Failed,
            Verdict::CouldNotVerify => Self::TimedOut,
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// What AWS Backup is told beside the word, in one line without secrets.
pub fn message(verdict: Verdict, reason: Option<&str>, passed: usize, checks: usize) -> String {
    let said = match (verdict, reason) {
        (Verdict::Proven, _) => format!("lastgood: {verdict}, {passed} of {checks} checks passed"),
        (Verdict::CouldNotVerify | Verdict::Failed, Some(reason)) => format!("lastgood: {verdict}: {reason}"),
        (Verdict::CouldNotVerify | Verdict::Failed, None) => format!("lastgood: {verdict}"),
    };
    let line: String = redact::text(&said).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    redact::clip(&line, MESSAGE)
}

impl RestoreTest {
    /// The replica, which bears the name that AWS Backup gave it.
    pub fn replica(&self) -> ReplicaName {
        ReplicaName(self.created.rsplit(':').next().unwrap_or_default().to_owned())
    }

    /// How long the restore itself took.
    pub fn took(&self) -> Option<Duration> {
        self.ended_at.map(|ended| since(ended, self.began_at))
    }

    /// The recovery point as what is drilled: nothing was counted in it, and nothing of it is ours.
    pub fn manifest(&self, asset: &AssetName, id: BackupId) -> Manifest {
        Manifest {
            id,
            asset: asset.clone(),
            method: Method::ProviderSnapshot,
            tier: Tier::Daily,
            slot: Slot::at(self.data_time),
            data_time: self.data_time,
            started_at: self.data_time,
            finished_at: self.data_time,
            source: Origin::default(),
            artifacts: Vec::new(),
            held: None,
            expectations: Expectations::default(),
            tools: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r40_only_what_was_proven_is_told_as_successful_and_what_nobody_could_say_is_not_told_as_failed() {
        assert_eq!(Told::of(Verdict::Proven).as_str(), "SUCCESSFUL");
        assert_eq!(Told::of(Verdict::Failed).as_str(), "FAILED");
        assert_eq!(Told::of(Verdict::CouldNotVerify).as_str(), "TIMED_OUT");
        assert_eq!(message(Verdict::Proven, None, 3, 3), "lastgood: proven, 3 of 3 checks passed");
    }

    #[test]
    fn r08_what_is_told_is_one_short_line_without_secrets() {
        let reason = format!("no way to postgres://dba:hunter2hunter2@db/x\nand {}", "more ".repeat(200));
        let said = message(Verdict::CouldNotVerify, Some(&reason), 0, 0);
        assert!(said.starts_with("lastgood: could not verify: "), "{said}");
        assert!(!said.contains("hunter2") && !said.contains('\n') && said.chars().count() <= MESSAGE + 3, "{said}");
    }
}
