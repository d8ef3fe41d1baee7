//! An extract for analysts, as it was when the provider had written it. It is not a backup: nothing that looks for backups looks here.

use super::Record;
use crate::{
    clock::Timestamp,
    domain::place::Place,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};

/// What every extract says of itself.
const CAUTION: &str = "analytics, not a backup: no database can be restored from it";

/// An extract for analysts: written when the provider said that it is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extract {
    /// Its id.
    pub id: BackupId,
    /// The asset.
    pub asset: AssetName,
    /// When it was due.
    pub slot: Slot,
    /// What it is, and what not.
    pub caution: String,
    /// The snapshot that it was made from.
    pub of: String,
    /// Where the files are.
    pub to: Place,
    /// When it was seen to be complete.
    pub seen_at: Timestamp,
    /// How many bytes of tables went into it, as the provider counts them.
    pub bytes: u64,
}

impl Extract {
    /// An extract that is complete.
    pub fn new(id: BackupId, asset: AssetName, slot: Slot, of: String, to: Place, seen_at: Timestamp, bytes: u64) -> Self {
        Self { id, asset, slot, caution: CAUTION.to_owned(), of, to, seen_at, bytes }
    }
}

impl Record for Extract {
    const NAME: &'static str = "extract";
}
