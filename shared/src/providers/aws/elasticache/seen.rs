//! A snapshot as ElastiCache describes it, in our own words.

use super::wire::Snapshot;
use crate::{
    domain::{
        held::{Held, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
    },
    id::AssetName,
    providers::aws::marks::{self, Tags},
};
use std::collections::BTreeMap;

/// A snapshot and its tags, as one thing.
pub(super) fn of(place: &Place, asset: &AssetName, snapshot: &Snapshot, tags: &Tags) -> SnapshotSeen {
    let name = SnapshotName(snapshot.snapshot_name.clone());
    let parts = &snapshot.node_snapshots.node_snapshot;
    let key = snapshot.kms_key_id.clone().filter(|key| !key.is_empty());
    SnapshotSeen {
        backup: marks::backup(tags, asset),
        state: state(&snapshot.snapshot_status),
        held: Held {
            place: place.clone(),
            name: name.clone(),
            reference: snapshot.arn.clone().unwrap_or_default(),
            engine: format!("{} {}", snapshot.engine.as_deref().unwrap_or("redis"), snapshot.engine_version.as_deref().unwrap_or_default())
                .trim_end()
                .to_owned(),
            bytes: parts.iter().filter_map(|part| bytes(part.cache_size.as_deref()?)).sum(),
            // Of a key that is the service's own nothing is told; `settings.encrypted` says it of the cache.
            encrypted: key.is_some(),
            key,
            members: Vec::new(),
            settings: BTreeMap::new(),
        },
        // Each shard is taken at a moment of its own: the earliest is the one that all of them hold.
        data_time: parts.iter().filter_map(|part| part.snapshot_create_time).min(),
        name,
    }
}

fn state(status: &str) -> SnapshotState {
    match status {
        "available" | "restoring" | "copying" | "exporting" => SnapshotState::Available,
        "deleting" | "deleted" => SnapshotState::Leaving,
        "failed" | "error" | "create-failed" => SnapshotState::Failed(format!("ElastiCache says {status}")),
        _ => SnapshotState::Pending { percent: None },
    }
}

/// The bytes of `55 MB`, as ElastiCache writes what a node held.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = size.trim().split_once(' ')?;
    let shift = match unit {
        "B" | "bytes" => 0,
        "KB" => 10,
        "MB" => 20,
        "GB" => 30,
        "TB" => 40,
        _ => return None,
    };
    // Of a fraction the whole part is enough: it is a size to compare with itself.
    let whole: u64 = number.split('.').next()?.parse().ok()?;
    whole.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_several_shards_holds_the_earliest_moment_of_all() {
        let snapshot: Snapshot = quick_xml::de::from_str(
            "<Snapshot><SnapshotName>lastgood-cache-x</SnapshotName><SnapshotStatus>available</SnapshotStatus><Engine>redis</Engine>\
             <EngineVersion>7.1</EngineVersion><KmsKeyId>k</KmsKeyId><ARN>arn:s</ARN><NodeSnapshots>\
             <NodeSnapshot><NodeGroupId>0002</NodeGroupId><CacheSize>7 MB</CacheSize><SnapshotCreateTime>2026-11-20T05:00:09Z</SnapshotCreateTime></NodeSnapshot>\
             <NodeSnapshot><NodeGroupId>0001</NodeGroupId><CacheSize>5 MB</CacheSize><SnapshotCreateTime>2026-11-20T05:00:05Z</SnapshotCreateTime></NodeSnapshot>\
             </NodeSnapshots></Snapshot>",
        )
        .unwrap();
        let place = "aws://eu-west-1".parse().unwrap();
        let seen = of(&place, &"cache".parse().unwrap(), &snapshot, &Tags::new());
        assert_eq!((seen.backup, seen.state, seen.held.bytes), (None, SnapshotState::Available, 12 << 20));
        assert_eq!(seen.data_time.unwrap().to_string(), "2026-11-20T05:00:05Z");
        assert_eq!((seen.held.engine.as_str(), seen.held.encrypted), ("redis 7.1", true));
    }

    #[test]
    fn sizes_and_states_are_read_as_they_are_written() {
        assert_eq!((bytes("3 GB"), bytes("1.5 MB"), bytes("many"), bytes("")), (Some(3 << 30), Some(1 << 20), None, None));
        assert_eq!(state("creating"), SnapshotState::Pending { percent: None });
        assert_eq!(state("deleting"), SnapshotState::Leaving);
        assert!(matches!(state("failed"), SnapshotState::Failed(_)));
    }
}
