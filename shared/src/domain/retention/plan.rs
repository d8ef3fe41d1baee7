//! The answer: what stays and why, what may go, and whether that is refused.

use crate::{
    config::Retention,
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One backup with the reason for what happens to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The backup.
    pub id: BackupId,
    /// Why it stays or may go.
    pub why: String,
}

/// What a prune would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The asset.
    pub asset: AssetName,
    /// The policy that it follows.
    pub policy: Retention,
    /// What stays, newest first.
    pub keep: Vec<Judged>,
    /// What would go, newest first.
    pub prune: Vec<Judged>,
    /// Why nothing goes, if it is refused.
    pub refused: Option<String>,
    /// Names exactly this plan: a person types it to approve what is over the cap.
    pub hash: String,
}

impl Plan {
    /// Returns what may really be let go: nothing when the plan is refused.
    pub fn allowed(&self) -> &[Judged] {
        if self.refused.is_some() { &[] } else { &self.prune }
    }
}

/// Returns the name of a plan: the same backups of the same asset under the same policy have the same one.
pub(super) fn hash(asset: &AssetName, policy: Retention, prune: &[Judged]) -> String {
    let mut ids: Vec<_> = prune.iter().map(|judged| judged.id.to_string()).collect();
    ids.sort();
    let text = format!("{asset}\n{} {} {}\n{}", policy.daily, policy.weekly, policy.monthly, ids.join("\n"));
    hex::encode(&Sha256::digest(text)[..6])
}
