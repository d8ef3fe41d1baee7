//! What tells a thing of Google's as ours. Labels have up to 63 lower-case letters, digits, hyphens and underscores, on both sides.

use crate::{
    clock::{Timestamp, UTC},
    domain::{drill::ReplicaName, held::Label},
    id::{AssetName, BackupId, Slot},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Labels, as a service keeps them with a thing.
pub(super) type Labels = BTreeMap<String, String>;

pub(super) const ASSET: &str = "lastgood-asset";
const BACKUP: &str = "lastgood-backup";
pub(super) const REPLICA: &str = "lastgood-replica";
const EXPIRES: &str = "lastgood-expires";
/// The disk that a replica or a restored disk stands for.
const DISK: &str = "lastgood-disk";
/// The backup that a disk was restored from, for real.
pub(super) const RESTORED: &str = "lastgood-restored";
const OURS: &str = "lastgood-";

/// Google keeps at most this many labels with a thing.
const MOST: usize = 64;
/// A name and a label's value have at most this many characters.
const LONGEST: usize = 63;

fn labels<const N: usize>(all: [(&str, String); N]) -> Labels {
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The labels of a snapshot.
pub(super) fn of_snapshot(label: &Label) -> Labels {
    labels([(ASSET, label.asset.to_string()), (BACKUP, lower(label.backup))])
}

/// The labels of a replica.
pub(super) fn of_replica(name: &ReplicaName, asset: &AssetName, expires: Timestamp, disk: &str) -> Labels {
    let expires = Slot::at(expires).to_string().to_ascii_lowercase();
    labels([(ASSET, asset.to_string()), (REPLICA, short(&name.0)), (EXPIRES, expires), (DISK, disk.to_owned())])
}

/// The labels of a disk that is restored for real: those that its source had, and the backup that it is of.
pub(super) fn of_restored(backup: BackupId, disk: &str, recorded: &serde_json::Value) -> Labels {
    let mut all = labels([(RESTORED, lower(backup)), (DISK, disk.to_owned())]);
    let room = MOST - all.len();
    let recorded = recorded.as_object().into_iter().flatten();
    all.extend(recorded.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).take(room));
    all
}

/// The labels that people gave: neither Google's own nor ours.
pub(super) fn peoples(labels: &Labels) -> impl Iterator<Item = (&String, &String)> {
    labels.iter().filter(|(key, _)| !key.starts_with("goog-") && !key.starts_with(OURS))
}

/// The backup of this asset that a snapshot is the body of; none where its labels do not say so.
pub(super) fn backup(labels: &Labels, asset: &AssetName) -> Option<BackupId> {
    labels.get(BACKUP).filter(|_| labels.get(ASSET).map(String::as_str) == Some(asset.as_str()))?.to_ascii_uppercase().parse().ok()
}

/// The backup that a disk was restored from, for real.
pub(super) fn restored(labels: &Labels) -> Option<BackupId> {
    labels.get(RESTORED)?.to_ascii_uppercase().parse().ok()
}

/// What a replica's labels and description say: its name and when it must be gone; none where it is not ours. A label has no
/// room for every name, a description has.
pub(super) fn replica(labels: &Labels, description: &str) -> Option<(ReplicaName, Timestamp)> {
    let said = labels.get(REPLICA)?;
    let name = if short(description) == *said { description } else { said };
    let expires: Slot = labels.get(EXPIRES)?.to_ascii_uppercase().parse().ok()?;
    Some((ReplicaName(name.to_owned()), expires.0.to_zoned(UTC).timestamp()))
}

/// A name as Google allows one: where ours is longer, a digest stands for its middle.
pub(super) fn short(name: &str) -> String {
    let plain = name.trim_end_matches('-');
    if plain.len() <= LONGEST && plain.is_ascii() {
        return plain.to_owned();
    }
    let digest = hex::encode(&Sha256::digest(name)[..4]);
    let tail: String = name.chars().skip(name.chars().count().saturating_sub(16)).collect();
    let head: String = name.chars().take(LONGEST - digest.len() - tail.len() - 2).collect();
    format!("{head}-{digest}-{tail}")
}

/// An id as a label or a name can bear it.
pub(super) fn lower(id: BackupId) -> String {
    id.to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::held::SnapshotName;

    fn label() -> Label {
        Label {
            name: SnapshotName("lastgood-data-20261120t040000z".into()),
            asset: "data".parse().unwrap(),
            backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        }
    }

    #[test]
    fn a_thing_is_ours_only_for_the_asset_that_its_labels_name_and_survives_lower_case() {
        let labels = of_snapshot(&label());
        assert_eq!(backup(&labels, &"data".parse().unwrap()), Some(label().backup));
        assert_eq!(backup(&labels, &"other".parse().unwrap()), None);
        assert_eq!(restored(&of_restored(label().backup, "data-1", &serde_json::Value::Null)), Some(label().backup));
        assert_eq!(
            replica(&Labels::from([(REPLICA.to_owned(), "x".to_owned())]), "x"),
            None,
            "what does not say when it expires is not ours"
        );
    }

    #[test]
    fn a_replicas_name_comes_back_whole_however_long_it_is() {
        let expires = "2026-11-20T14:00:00Z".parse().unwrap();
        for asset in ["data", &"a".repeat(63), "odd-"] {
            let (asset, slot) = (asset.parse().unwrap(), Slot("2026-11-20T06:00:00Z".parse().unwrap()));
            let name = ReplicaName::derive(&asset, &slot);
            let labels = of_replica(&name, &asset, expires, "data-1");
            assert!(labels.values().all(|value| value.len() <= 63), "{labels:?}");
            assert_eq!(replica(&labels, &name.0), Some((name.clone(), expires)));
            let told = replica(&labels, "somebody wrote another description").unwrap().0;
            assert_eq!(short(&told.0), short(&name.0), "it can still be found and removed");
        }
    }
}
