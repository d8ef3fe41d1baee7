//! That an archived backup is being brought back, since when, and how fast: whoever goes on waiting says so.

use super::Record;
use crate::{
    clock::Timestamp,
    domain::{archive::Haste, place::Place},
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};

/// A recall that was begun. Written before the store is asked, and written over once everything can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recall {
    /// The backup.
    pub backup: BackupId,
    /// The asset it is a backup of.
    pub asset: AssetName,
    /// Where it lies.
    pub place: Place,
    /// The class that it is recalled from, as the provider writes it.
    pub class: String,
    /// How fast.
    pub haste: Haste,
    /// When.
    pub begun_at: Timestamp,
    /// When everything could be read; none while somebody waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

impl Record for Recall {
    const NAME: &'static str = "recall";
}
