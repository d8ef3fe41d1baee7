//! A snapshot as RDS describes it, in our own words.

use super::{status, tags};
use crate::{
    clock::Timestamp,
    domain::{
        held::{Held, SnapshotName, SnapshotSeen},
        place::Place,
    },
    id::AssetName,
};
use aws_sdk_rds::{
    primitives::DateTime,
    types::{DbClusterSnapshot, DbSnapshot},
};
use std::collections::BTreeMap;

/// A snapshot of an instance.
pub(super) fn of_instance(place: &Place, asset: &AssetName, snapshot: &DbSnapshot) -> SnapshotSeen {
    let name = SnapshotName(snapshot.db_snapshot_identifier().unwrap_or_default().to_owned());
    SnapshotSeen {
        backup: tags::backup(snapshot.tag_list(), asset),
        state: status::of_snapshot(snapshot.status().unwrap_or_default(), snapshot.percent_progress()),
        held: Held {
            place: place.clone(),
            name: name.clone(),
            reference: snapshot.db_snapshot_arn().unwrap_or_default().to_owned(),
            engine: engine(snapshot.engine(), snapshot.engine_version()),
            bytes: gibibytes(snapshot.allocated_storage()),
            encrypted: snapshot.encrypted().unwrap_or_default(),
            key: snapshot.kms_key_id().map(str::to_owned),
            members: Vec::new(),
            settings: BTreeMap::new(),
        },
        data_time: moment_of_instance(snapshot),
        name,
    }
}

/// A snapshot of a cluster.
pub(super) fn of_cluster(place: &Place, asset: &AssetName, snapshot: &DbClusterSnapshot) -> SnapshotSeen {
    let name = SnapshotName(snapshot.db_cluster_snapshot_identifier().unwrap_or_default().to_owned());
    SnapshotSeen {
        backup: tags::backup(snapshot.tag_list(), asset),
        state: status::of_snapshot(snapshot.status().unwrap_or_default(), snapshot.percent_progress()),
        held: Held {
            place: place.clone(),
            name: name.clone(),
            reference: snapshot.db_cluster_snapshot_arn().unwrap_or_default().to_owned(),
            engine: engine(snapshot.engine(), snapshot.engine_version()),
            bytes: gibibytes(snapshot.allocated_storage()),
            encrypted: snapshot.storage_encrypted().unwrap_or_default(),
            key: snapshot.kms_key_id().map(str::to_owned),
            members: Vec::new(),
            settings: BTreeMap::new(),
        },
        data_time: moment_of_cluster(snapshot),
        name,
    }
}

/// The moment whose data a snapshot holds: that of the last transaction in it, else when it was ordered. That of a copy is
/// its original's.
pub(super) fn moment_of_instance(snapshot: &DbSnapshot) -> Option<Timestamp> {
    let copied = snapshot.source_db_snapshot_identifier().filter(|source| !source.is_empty());
    moment(snapshot.snapshot_database_time())
        .or_else(|| copied.and_then(|_| tags::data_time(snapshot.tag_list())))
        .or_else(|| moment(snapshot.original_snapshot_create_time()))
        .or_else(|| moment(snapshot.snapshot_create_time()))
}

/// The same of a cluster's snapshot, which says only when it was made; a copy bears its original's moment as a tag.
pub(super) fn moment_of_cluster(snapshot: &DbClusterSnapshot) -> Option<Timestamp> {
    let copied = snapshot.source_db_cluster_snapshot_arn().filter(|source| !source.is_empty());
    copied.and_then(|_| tags::data_time(snapshot.tag_list())).or_else(|| moment(snapshot.snapshot_create_time()))
}

pub(super) fn moment(at: Option<&DateTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::new(at.secs(), i32::try_from(at.subsec_nanos()).ok()?).ok())
}

pub(super) fn engine(engine: Option<&str>, version: Option<&str>) -> String {
    format!("{} {}", engine.unwrap_or("unknown"), version.unwrap_or_default()).trim_end().to_owned()
}

pub(super) fn gibibytes(size: Option<i32>) -> u64 {
    u64::try_from(size.unwrap_or_default()).unwrap_or_default() << 30
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::held::{Label, SnapshotState};

    fn place() -> Place {
        "aws://eu-west-1".parse().unwrap()
    }

    fn label() -> Label {
        Label {
            name: SnapshotName("lastgood-orders-20261120t030000z".into()),
            asset: "orders".parse().unwrap(),
            backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        }
    }

    fn at(second: i64) -> DateTime {
        DateTime::from_secs(second)
    }

    #[test]
    fn a_snapshot_of_an_instance_reads_as_rds_describes_it() {
        let snapshot = DbSnapshot::builder()
            .db_snapshot_identifier("lastgood-orders-20261120t030000z")
            .db_snapshot_arn("arn:aws:rds:eu-west-1:111122223333:snapshot:lastgood-orders-20261120t030000z")
            .engine("postgres")
            .engine_version("15.18")
            .allocated_storage(20)
            .encrypted(true)
            .kms_key_id("arn:aws:kms:eu-west-1:111122223333:key/1")
            .status("available")
            .set_tag_list(Some(tags::of_snapshot(&label())))
            .snapshot_create_time(at(300))
            .original_snapshot_create_time(at(200))
            .snapshot_database_time(at(100))
            .build();
        let seen = of_instance(&place(), &label().asset, &snapshot);
        assert_eq!((seen.backup, seen.state, seen.held.bytes), (Some(label().backup), SnapshotState::Available, 20 << 30));
        assert_eq!((seen.held.engine.as_str(), seen.held.encrypted), ("postgres 15.18", true));
        assert_eq!(seen.data_time.unwrap().as_second(), 100);
        assert_eq!(of_instance(&place(), &"billing".parse().unwrap(), &snapshot).backup, None);
    }

    #[test]
    fn data_time_is_that_of_the_data_and_a_copys_is_its_originals() {
        let original = DbSnapshot::builder().snapshot_create_time(at(200)).build();
        assert_eq!(moment_of_instance(&original).unwrap().as_second(), 200);
        let copy = DbSnapshot::builder()
            .source_db_snapshot_identifier("arn:aws:rds:eu-west-1:1:snapshot:x")
            .snapshot_create_time(at(900))
            .original_snapshot_create_time(at(201))
            .set_tag_list(Some(tags::of_copy(&label(), moment_of_instance(&original), &[])));
        assert_eq!(moment_of_instance(&copy.clone().build()).unwrap().as_second(), 200);
        assert_eq!(moment_of_instance(&copy.set_tag_list(None).build()).unwrap().as_second(), 201);
        let cluster = DbClusterSnapshot::builder().snapshot_create_time(at(900));
        let tags = tags::of_copy(&label(), Some("1970-01-01T00:03:20Z".parse().unwrap()), &[]);
        let copy =
            cluster.clone().source_db_cluster_snapshot_arn("arn:aws:rds:eu-west-1:1:cluster-snapshot:x").set_tag_list(Some(tags.clone()));
        assert_eq!(moment_of_cluster(&copy.build()).unwrap().as_second(), 200);
        assert_eq!(
            moment_of_cluster(&cluster.set_tag_list(Some(tags)).build()).unwrap().as_second(),
            900,
            "only a copy has its moment from a tag"
        );
    }
}
