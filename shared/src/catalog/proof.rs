//! The proof that a backup exists at another place.

use super::Record;
use crate::{
    clock::Timestamp,
    domain::{backup::Manifest, held::Held, place::Place},
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
    /// The provider's snapshot there, as the provider itself described it, where that is the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
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

/// How far the copying of a backup has come, so that whoever goes on does not begin again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copying {
    /// The backup.
    pub backup: BackupId,
    /// Where it is copied to.
    pub place: Place,
    /// What was read there again, in which state of the object.
    pub artifacts: Vec<Checked>,
}

/// One object of a copy under way, as it was read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The object.
    #[serde(flatten)]
    pub copied: Copied,
    /// The state in which it was read: an object in any other state is read once more.
    pub version: String,
}

impl Record for Copy {
    const NAME: &'static str = "copy";
}

impl Record for Copying {
    const NAME: &'static str = "copying";
}

impl From<&crate::domain::backup::Artifact> for Copied {
    fn from(artifact: &crate::domain::backup::Artifact) -> Self {
        Self { key: artifact.key.clone(), size: artifact.size, sha256: artifact.sha256.clone() }
    }
}

impl Copy {
    /// Whether this is a proof of exactly this backup: every artifact, with its size and digest.
    pub fn proves(&self, backup: &Manifest) -> bool {
        let same = |artifact: &crate::domain::backup::Artifact| {
            self.artifacts
                .iter()
                .any(|copied| copied.key == artifact.key && copied.size == artifact.size && copied.sha256 == artifact.sha256)
        };
        let held = match (&self.held, &backup.held) {
            (Some(copy), Some(original)) => copy.differs(original).is_none(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        held && self.backup == backup.id && self.asset == backup.asset && backup.artifacts.iter().all(same)
    }

    /// The bytes that the copy holds.
    pub fn bytes(&self) -> u64 {
        let held = self.held.as_ref().map_or(0, |held| held.bytes);
        held + self.artifacts.iter().map(|copied| copied.size).sum::<u64>()
    }
}
