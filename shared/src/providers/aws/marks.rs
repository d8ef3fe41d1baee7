//! What tells a thing as ours, in services that are called without an SDK: the same tags as in RDS.

use crate::{
    clock::Timestamp,
    domain::{drill::ReplicaName, held::Label},
    id::{AssetName, BackupId},
};
use std::collections::BTreeMap;

/// Tags, as a service keeps them with a thing.
pub(super) type Tags = BTreeMap<String, String>;

const ASSET: &str = "lastgood:asset";
const BACKUP: &str = "lastgood:backup";
/// The derived name: what consoles show, and what a snapshot is looked for by where it has no name of its own.
pub(super) const NAME: &str = "Name";
/// The moment whose data a copy holds: the copy itself only says when it was made.
const DATA_TIME: &str = "lastgood:data-time";
/// The volume that a copied snapshot is of: the copy itself names an arbitrary one.
const VOLUME: &str = "lastgood:volume";
/// How many parts a set has.
const MEMBERS: &str = "lastgood:members";
const REPLICA: &str = "lastgood:replica";
const EXPIRES: &str = "lastgood:expires";
/// The backup that something was restored from, for real.
const RESTORED: &str = "lastgood:restored";
const OURS: &str = "lastgood:";

/// AWS keeps at most this many tags with a thing.
const MOST: usize = 50;

fn tags<const N: usize>(all: [(&str, String); N]) -> Tags {
    all.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The tags of a snapshot in a service where snapshots have names.
pub(super) fn of_named(label: &Label) -> Tags {
    tags([(ASSET, label.asset.to_string()), (BACKUP, label.backup.to_string())])
}

/// The tags of every part of a snapshot that has so many.
pub(super) fn of_part(label: &Label, members: usize) -> Tags {
    let mut tags = of_named(label);
    tags.insert(NAME.to_owned(), label.name.0.clone());
    note_members(&mut tags, members);
    tags
}

/// The tags of the copy of one part: ours, and those of the original that are neither AWS's own nor ours.
pub(super) fn of_copy(label: &Label, members: usize, volume: &str, data_time: Timestamp, original: &Tags) -> Tags {
    let mut all = of_part(label, members);
    all.insert(VOLUME.to_owned(), volume.to_owned());
    all.insert(DATA_TIME.to_owned(), data_time.to_string());
    let room = MOST - all.len();
    let peoples: Vec<_> = peoples(original).filter(|(key, _)| *key != NAME).take(room).collect();
    all.extend(peoples.into_iter().map(|(key, value)| (key.clone(), value.clone())));
    all
}

/// Notes how many parts a set has.
pub(super) fn note_members(tags: &mut Tags, members: usize) {
    tags.insert(MEMBERS.to_owned(), members.to_string());
}

/// The tags of a replica of one volume.
pub(super) fn of_replica(name: &ReplicaName, asset: &AssetName, expires: Timestamp, volume: &str) -> Tags {
    tags([
        (NAME, name.0.clone()),
        (REPLICA, name.0.clone()),
        (ASSET, asset.to_string()),
        (EXPIRES, expires.to_string()),
        (VOLUME, volume.to_owned()),
    ])
}

/// The tags of a volume that is restored for real: those that its source had, and the backup that it is of.
pub(super) fn of_restored(backup: BackupId, volume: &str, recorded: &serde_json::Value) -> Tags {
    let mut all = tags([(RESTORED, backup.to_string()), (VOLUME, volume.to_owned())]);
    let room = MOST - all.len();
    let recorded = recorded.as_object().into_iter().flatten();
    all.extend(recorded.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).take(room));
    all
}

/// The tags that people gave: neither AWS's own nor ours.
pub(super) fn peoples(tags: &Tags) -> impl Iterator<Item = (&String, &String)> {
    tags.iter().filter(|(key, _)| !key.is_empty() && !key.starts_with("aws:") && !key.starts_with(OURS))
}

/// The backup of this asset that a snapshot is the body of; none where its tags do not say so.
pub(super) fn backup(tags: &Tags, asset: &AssetName) -> Option<BackupId> {
    tags.get(BACKUP).filter(|_| tags.get(ASSET).map(String::as_str) == Some(asset.as_str()))?.parse().ok()
}

/// The backup that a volume was restored from, for real.
pub(super) fn restored(tags: &Tags) -> Option<BackupId> {
    tags.get(RESTORED)?.parse().ok()
}

/// The volume that a copy, a replica or a restored volume is of.
pub(super) fn volume(tags: &Tags) -> Option<&str> {
    tags.get(VOLUME).map(String::as_str)
}

/// The moment that a copy says it holds.
pub(super) fn data_time(tags: &Tags) -> Option<Timestamp> {
    tags.get(DATA_TIME)?.parse().ok()
}

/// How many parts a set says it has.
pub(super) fn members(tags: &Tags) -> Option<usize> {
    tags.get(MEMBERS)?.parse().ok()
}

/// What the tags of a replica say: its name and when it must be gone; none where it is not ours.
pub(super) fn replica(tags: &Tags) -> Option<(ReplicaName, Timestamp)> {
    let name = ReplicaName(tags.get(REPLICA)?.to_owned());
    Some((name, tags.get(EXPIRES)?.parse().ok()?))
}

/// The filters by which our snapshots of an asset, and replicas, are found.
pub(super) const BY_ASSET: &str = "tag:lastgood:asset";
pub(super) const BY_NAME: &str = "tag:Name";
pub(super) const BY_REPLICA: &str = "tag:lastgood:replica";
pub(super) const BY_RESTORED: &str = "tag:lastgood:restored";
/// Every replica, whatever its name.
pub(super) const ANY_REPLICA: (&str, &str) = ("tag-key", REPLICA);

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
    fn a_thing_is_ours_only_for_the_asset_that_its_tags_name() {
        let tags = of_part(&label(), 2);
        assert_eq!((backup(&tags, &"data".parse().unwrap()), members(&tags)), (Some(label().backup), Some(2)));
        assert_eq!(backup(&tags, &"other".parse().unwrap()), None);
        let named = Tags::from([(NAME.to_owned(), label().name.0)]);
        assert_eq!(backup(&named, &"data".parse().unwrap()), None, "a name proves nothing");
        assert_eq!(replica(&Tags::from([(REPLICA.to_owned(), "x".to_owned())])), None, "what does not say when it expires is not ours");
    }

    #[test]
    fn a_copy_carries_peoples_tags_and_neither_awss_nor_older_ones_of_ours() {
        let original = tags([("team", "shop".into()), ("aws:dlm:managed", "x".into()), (ASSET, "other".into()), (NAME, "web".into())]);
        let moment = "2026-11-20T04:00:05Z".parse().unwrap();
        let copied = of_copy(&label(), 1, "vol-0abc", moment, &original);
        assert_eq!(copied.get("team").map(String::as_str), Some("shop"));
        assert_eq!((volume(&copied), data_time(&copied)), (Some("vol-0abc"), Some(moment)));
        assert_eq!((copied[NAME].as_str(), copied[ASSET].as_str()), ("lastgood-data-20261120t040000z", "data"));
        assert!(!copied.keys().any(|key| key.starts_with("aws:")));
        let many: Tags = (0..80).map(|number| (format!("t{number}"), String::new())).collect();
        assert_eq!(of_copy(&label(), 1, "vol-0abc", moment, &many).len(), MOST);
    }
}
