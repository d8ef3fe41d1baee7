//! What one run changed of an asset's backups: told to whoever waits for that, and asked of nobody.

use crate::id::{AssetName, BackupId};
use serde::Serialize;

/// A change of an asset's backups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The asset.
    pub asset: AssetName,
    /// What became of it.
    pub state: ChangeState,
    /// The backup, where it is about one.
    pub backup: Option<BackupId>,
}

/// What became of an asset's backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    /// What was due is there.
    Done,
    /// What was due is not there.
    Failed,
    /// A restore was proven.
    Proven,
    /// A restore could be neither proven nor disproven.
    CouldNotVerify,
}
