//! The proof that a backup exists at another place.

use super::Record;
use crate::{
    clock::Timestamp,
    domain::{backup::Manifest, place::Place},
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};

/// A backup at another place: written last, after every byte there was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The backup.
    pub backup: BackupId,
    /// The asset it is a backup of.
    pub asset: AssetName,
    /// Where it exists.
    pub place: Place,
    /// When the last byte there had been read again.
    pub proven_at: Timestamp,
    /// What was read there.
    pub artifacts: Vec<Copied>,
}

/// One object of a copy, as it was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Its key, the same as in the vault it was copied from.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
}

impl Record for Copy {
    const NAME: &'static str = "copy";
}

impl Copy {
    /// Whether this is a proof of exactly this backup: every artifact, with its size and digest.
    pub fn proves(&self, backup: &Manifest) -> bool {
        let same = |artifact: &crate::domain::backup::Artifact| {
            self.artifacts
                .iter()
                .any(|copied| copied.key == artifact.key && copied.size == artifact.size && copied.sha256 == artifact.sha256)
        };
        self.backup == backup.id && self.asset == backup.asset && backup.artifacts.iter().all(same)
    }

    /// The bytes that the copy holds.
    pub fn bytes(&self) -> u64 {
        self.artifacts.iter().map(|copied| copied.size).sum()
    }
}
