//! What tells a thing of RDS as ours. Values keep to what RDS allows in a tag: letters, digits, space and `_.:/=+-@`.

use crate::{
    clock::Timestamp,
    domain::{drill::ReplicaName, held::Label},
    id::{AssetName, BackupId},
};
use aws_sdk_rds::types::Tag;

const ASSET: &str = "lastgood:asset";
const BACKUP: &str = "lastgood:backup";
/// The moment whose data a copied snapshot holds: that of a cluster's copy says only when it was copied.
const DATA_TIME: &str = "lastgood:data-time";
const REPLICA: &str = "lastgood:replica";
const EXPIRES: &str = "lastgood:expires";
/// Set once a replica has its drill's settings: from then on it may be asked.
const READY: &str = "lastgood:ready";
/// The backup that an instance was restored from, for real.
const RESTORED: &str = "lastgood:restored";
const OURS: &str = "lastgood:";

/// RDS keeps at most this many tags with a thing.
const MOST: usize = 50;

fn tag(key: &str, value: impl Into<String>) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn value<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(Tag::value)
}

/// The tags of a snapshot.
pub(super) fn of_snapshot(label: &Label) -> Vec<Tag> {
    vec![tag(ASSET, label.asset.to_string()), tag(BACKUP, label.backup.to_string())]
}

/// The tags of a copy: ours, and those of the original that are neither AWS's own nor ours.
pub(super) fn of_copy(label: &Label, data_time: Option<Timestamp>, original: &[Tag]) -> Vec<Tag> {
    let mut tags = of_snapshot(label);
    tags.extend(data_time.map(|moment| tag(DATA_TIME, moment.to_string())));
    let room = MOST - tags.len();
    tags.extend(peoples(original).take(room).cloned());
    tags
}

/// The tags of a replica.
pub(super) fn of_replica(name: &ReplicaName, asset: &AssetName, expires: Timestamp) -> Vec<Tag> {
    vec![tag(REPLICA, name.0.clone()), tag(ASSET, asset.to_string()), tag(EXPIRES, expires.to_string())]
}

/// The tag of a replica that may be asked.
pub(super) fn ready() -> Tag {
    tag(READY, "true")
}

/// The tags of an instance that is restored for real: those that its source had, and the backup that it is of.
pub(super) fn of_restored(backup: BackupId, recorded: &super::settings::Settings) -> Vec<Tag> {
    let peoples = recorded.get("tags").and_then(serde_json::Value::as_object).into_iter().flatten();
    let peoples = peoples.filter_map(|(key, value)| Some(tag(key, value.as_str()?))).take(MOST - 1);
    std::iter::once(tag(RESTORED, backup.to_string())).chain(peoples).collect()
}

/// The backup that an instance was restored from, for real.
pub(super) fn restored(tags: &[Tag]) -> Option<BackupId> {
    value(tags, RESTORED)?.parse().ok()
}

/// Those of the tags that are ours.
pub(super) fn ours(tags: &[Tag]) -> Vec<Tag> {
    tags.iter().filter(|tag| tag.key().is_some_and(|key| key.starts_with(OURS))).cloned().collect()
}

/// The tags that people gave: neither AWS's own nor ours.
pub(super) fn peoples(tags: &[Tag]) -> impl Iterator<Item = &Tag> {
    tags.iter().filter(|tag| {
        let key = tag.key().unwrap_or_default();
        !key.is_empty() && !key.starts_with("aws:") && !key.starts_with("rds:") && !key.starts_with(OURS)
    })
}

/// The backup of this asset that a snapshot is the body of; none where its tags do not say so.
pub(super) fn backup(tags: &[Tag], asset: &AssetName) -> Option<BackupId> {
    value(tags, BACKUP).filter(|_| value(tags, ASSET) == Some(asset.as_str()))?.parse().ok()
}

/// The moment that a copy says it holds.
pub(super) fn data_time(tags: &[Tag]) -> Option<Timestamp> {
    value(tags, DATA_TIME)?.parse().ok()
}

/// What the tags of a replica say: its name and when it must be gone; none where it is not ours.
pub(super) fn replica(tags: &[Tag]) -> Option<(ReplicaName, Timestamp)> {
    let name = ReplicaName(value(tags, REPLICA)?.to_owned());
    Some((name, value(tags, EXPIRES)?.parse().ok()?))
}

/// Whether a replica may be asked.
pub(super) fn is_ready(tags: &[Tag]) -> bool {
    value(tags, READY) == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::held::SnapshotName;

    fn label() -> Label {
        Label {
            name: SnapshotName("lastgood-orders-20261120t030000z".into()),
            asset: "orders".parse().unwrap(),
            backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        }
    }

    #[test]
    fn a_snapshot_is_ours_only_for_the_asset_that_its_tags_name() {
        let tags = of_snapshot(&label());
        assert_eq!(backup(&tags, &"orders".parse().unwrap()), Some(label().backup));
        assert_eq!(backup(&tags, &"billing".parse().unwrap()), None);
        assert_eq!(backup(&tags[1..], &"orders".parse().unwrap()), None);
        assert_eq!(backup(&[tag(ASSET, "orders"), tag(BACKUP, "hand-made")], &"orders".parse().unwrap()), None);
    }

    #[test]
    fn a_copy_carries_peoples_tags_and_neither_awss_nor_older_ones_of_ours() {
        let original = [tag("team", "shop"), tag("aws:cloudformation:stack-name", "x"), tag("rds:y", "z"), tag(ASSET, "other")];
        let moment = "2026-11-20T03:00:05Z".parse().unwrap();
        let tags = of_copy(&label(), Some(moment), &original);
        let keys: Vec<_> = tags.iter().filter_map(Tag::key).collect();
        assert_eq!(keys, [ASSET, BACKUP, DATA_TIME, "team"]);
        assert_eq!(data_time(&tags), Some(moment));
        let many: Vec<_> = (0..80).map(|number| tag(&format!("t{number}"), "")).collect();
        assert_eq!(of_copy(&label(), None, &many).len(), MOST);
    }

    #[test]
    fn values_keep_to_the_characters_that_rds_allows() {
        let name = ReplicaName("lastgood-drill-orders-20261120t060000z".into());
        let expires = "2026-11-20T14:00:00.25Z".parse().unwrap();
        let mut tags = of_replica(&name, &"orders".parse().unwrap(), expires);
        assert_eq!(replica(&tags), Some((name, expires)));
        assert!(!is_ready(&tags));
        tags.push(ready());
        assert!(is_ready(&tags));
        let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-@".contains(c);
        for tag in &tags {
            assert!(tag.key().unwrap().chars().all(allowed) && tag.value().unwrap().chars().all(allowed), "{tag:?}");
        }
        assert_eq!(replica(&[tag(REPLICA, "x")]), None, "what does not say when it expires is not ours");
    }
}
