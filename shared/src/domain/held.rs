//! A snapshot that the provider holds: what we know of it, and how much of it counts as proof.

use super::place::Place;
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

/// The derived name of a provider's snapshot: `lastgood-<asset>-<slot>`, the same at every place, so that the same work
/// always meets itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotName(pub String);

/// A cluster's snapshot may have this many characters in its name; an instance's may have more.
const LONGEST: usize = 63;

impl SnapshotName {
    /// The name that the snapshot of this asset in this slot always has. RDS allows no two hyphens in a row and none at
    /// the end, which an asset's name may have: there the hyphens are drawn together. Where the asset's name is too long,
    /// a digest stands for its rest.
    pub fn derive(asset: &AssetName, slot: &Slot) -> Self {
        let slot = slot.to_string().to_ascii_lowercase();
        let name = plain(&format!("lastgood-{asset}-{slot}"));
        if name.len() <= LONGEST {
            return Self(name);
        }
        let digest = hex::encode(&Sha256::digest(asset.as_str())[..4]);
        let head: String = asset.as_str().chars().take(LONGEST - "lastgood---".len() - digest.len() - slot.len()).collect();
        Self(plain(&format!("lastgood-{head}-{digest}-{slot}")))
    }
}

fn plain(name: &str) -> String {
    let mut name = name.to_owned();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    name
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What tells a snapshot as ours, kept with it as tags: the asset and the backup that it is the body of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: SnapshotName,
    /// The asset.
    pub asset: AssetName,
    /// The backup.
    pub backup: BackupId,
}

/// Where a provider's snapshot stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is being made or copied.
    Pending {
        /// How far it has come, in percent, if the provider says so.
        percent: Option<u8>,
    },
    /// It can be restored.
    Available,
    /// It never will be: what the provider says.
    Failed(String),
    /// It is being removed.
    Leaving,
}

/// A snapshot as its provider describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotSeen {
    /// Its name.
    pub name: SnapshotName,
    /// The backup that it is the body of; none when its tags do not say that it is ours.
    pub backup: Option<BackupId>,
    /// Where it stands.
    pub state: SnapshotState,
    /// What it is.
    pub held: Held,
    /// The moment whose data it holds, once the provider knows it.
    pub data_time: Option<Timestamp>,
}

/// A provider's snapshot, as a manifest or a proof of a copy records it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Where it is held: `aws://eu-west-1`, with the account behind a slash when it is another.
    pub place: Place,
    /// Its name there; of continuous backups, their source's.
    pub name: SnapshotName,
    /// The provider's own full name of it: an ARN, a resource path.
    pub reference: String,
    /// What it is a snapshot of: `postgres 15.18`, `aurora-postgresql 16.4`, `volume`.
    pub engine: String,
    /// The bytes that the provider set aside for it.
    pub bytes: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The key it is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Its parts, where it is made of several: each a snapshot of one volume, all of one moment. It counts as a whole or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// How the source was set up when it was taken, because a restore does not bring that back: parameter group, security
    /// groups, flags, tags. Empty in the proof of a copy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// One part of a snapshot that is made of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// What it is a snapshot of: a volume's id.
    pub of: String,
    /// The provider's own name of it.
    pub reference: String,
    /// The bytes that the provider set aside for it.
    pub bytes: u64,
    /// Whether it is encrypted.
    pub encrypted: bool,
}

impl Held {
    /// What speaks against this being a copy of `original`; none where it is one.
    pub fn differs(&self, original: &Self) -> Option<String> {
        if self.engine != original.engine {
            return Some(format!("it is of {}, the original of {}", self.engine, original.engine));
        }
        if self.bytes != original.bytes {
            return Some(format!("it has {} bytes, the original {}", self.bytes, original.bytes));
        }
        if original.encrypted && !self.encrypted {
            return Some("the original is encrypted and it is not".to_owned());
        }
        original.members.iter().find_map(|member| {
            let Some(part) = self.members.iter().find(|part| part.of == member.of) else {
                return Some(format!("it has no part of {}, and the original has", member.of));
            };
            (part.bytes != member.bytes || (member.encrypted && !part.encrypted))
                .then(|| format!("its part of {} is smaller or less encrypted than the original's", member.of))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_and_fit_the_rules_of_rds() {
        let slot = Slot("2026-11-20T03:00:00Z".parse().unwrap());
        let name = |asset: &str| SnapshotName::derive(&asset.parse().unwrap(), &slot).0;
        assert_eq!(name("orders-rds"), "lastgood-orders-rds-20261120t030000z");
        assert_eq!(name("odd--name-"), "lastgood-odd-name-20261120t030000z");
        let (long, other) = (name(&"a".repeat(62)), name(&"a".repeat(63)));
        assert!(long.len() <= 63 && other.len() <= 63 && long != other, "{long} {other}");
        assert!(other.ends_with("-20261120t030000z"));
    }

    #[test]
    fn a_copy_is_as_large_of_the_same_engine_and_no_less_encrypted() {
        let original = Held {
            place: "aws://eu-west-1".parse().unwrap(),
            name: SnapshotName("lastgood-a-x".into()),
            reference: "arn:aws:rds:eu-west-1:111122223333:snapshot:lastgood-a-x".into(),
            engine: "postgres 15.18".into(),
            bytes: 20 << 30,
            encrypted: true,
            key: Some("k".into()),
            members: Vec::new(),
            settings: BTreeMap::new(),
        };
        assert_eq!(Held { key: Some("other".into()), ..original.clone() }.differs(&original), None);
        assert!(Held { encrypted: false, ..original.clone() }.differs(&original).unwrap().contains("encrypted"));
        assert!(Held { bytes: 1, ..original.clone() }.differs(&original).unwrap().contains("bytes"));
        assert!(Held { engine: "postgres 14.1".into(), ..original.clone() }.differs(&original).unwrap().contains("14.1"));
    }

    #[test]
    fn r47_a_set_that_lacks_a_part_is_no_copy() {
        let part = |of: &str, encrypted| Member { of: of.into(), reference: format!("snap-{of}"), bytes: 1 << 30, encrypted };
        let set = |members: Vec<Member>| Held {
            place: "aws://eu-west-1".parse().unwrap(),
            name: SnapshotName("lastgood-a-x".into()),
            reference: "snap-1,snap-2".into(),
            engine: "2 volumes".into(),
            bytes: 2 << 30,
            encrypted: false,
            key: None,
            members,
            settings: BTreeMap::new(),
        };
        let original = set(vec![part("vol-1", true), part("vol-2", false)]);
        assert_eq!(set(vec![part("vol-2", true), part("vol-1", true)]).differs(&original), None);
        assert!(set(vec![part("vol-1", true), part("vol-3", false)]).differs(&original).unwrap().contains("vol-2"));
        assert!(set(vec![part("vol-1", false), part("vol-2", false)]).differs(&original).unwrap().contains("vol-1"));
    }
}
