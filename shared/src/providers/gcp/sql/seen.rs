//! Backups and instances as Cloud SQL describes them, in our own words.

use super::{
    label, settings,
    wire::{BackupRun, Instance, Operation},
};
use crate::{
    domain::{
        held::{Held, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
    },
    id::AssetName,
    ports::{Readiness, SourceSeen},
};
use std::collections::BTreeMap;

/// Where an instance of Cloud SQL listens; no answer of Google's says so.
pub(super) const PORT: u16 = 5432;

/// A backup that its description names; none of what is no backup any more.
pub(super) fn backup(place: &Place, asset: &AssetName, run: &BackupRun) -> Option<SnapshotSeen> {
    let label = label::read(run.description.as_deref()?)?;
    let state = state(run)?;
    let backup = Some(label.backup).filter(|_| label.asset == *asset);
    Some(SnapshotSeen { backup, state, ..described(place, label.name, run) })
}

/// A backup under a name.
pub(super) fn described(place: &Place, name: SnapshotName, run: &BackupRun) -> SnapshotSeen {
    SnapshotSeen {
        name: name.clone(),
        backup: None,
        state: state(run).unwrap_or(SnapshotState::Leaving),
        held: Held {
            place: place.clone(),
            name,
            reference: reference(place, &run.instance, &run.id),
            engine: settings::engine(run.database_version.as_deref().unwrap_or("POSTGRES")),
            // What it may be charged for at most. It is told late, and by some kinds of backup not at all.
            bytes: run.max_chargeable_bytes.unwrap_or_default(),
            // Google encrypts whatever it stores; a key of the owner's is told.
            encrypted: true,
            key: run.disk_encryption_configuration.as_ref().and_then(|key| key.kms_key_name.clone()).filter(|key| !key.is_empty()),
            members: Vec::new(),
            settings: BTreeMap::new(),
        },
        // Google documents it so: every write up to the start is in the backup. The time of the request is no such promise.
        data_time: run.start_time,
    }
}

/// A backup's full name.
pub(super) fn reference(place: &Place, instance: &str, id: &str) -> String {
    format!("projects/{}/instances/{instance}/backupRuns/{id}", place.bucket())
}

/// The instance and the id in a backup's full name.
pub(super) fn run_of(reference: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = reference.split('/').collect();
    match parts[..] {
        ["projects", _, "instances", instance, "backupRuns", id] if !id.is_empty() => Some((instance, id)),
        _ => None,
    }
}

/// How a backup stands; none once it is gone: Cloud SQL lists what was deleted for a while.
fn state(run: &BackupRun) -> Option<SnapshotState> {
    let why = || run.error.as_ref().map(super::wire::Trouble::said).filter(|said| !said.is_empty());
    Some(match run.status.as_str() {
        "SUCCESSFUL" => SnapshotState::Available,
        "FAILED" => SnapshotState::Failed(why().unwrap_or_else(|| "Cloud SQL says FAILED, and not why".to_owned())),
        "SKIPPED" => SnapshotState::Failed("Cloud SQL skipped it: nothing was backed up".to_owned()),
        "DELETION_FAILED" => SnapshotState::Failed("Cloud SQL could not delete it".to_owned()),
        "DELETION_PENDING" => SnapshotState::Leaving,
        "DELETED" => return None,
        // ENQUEUED, OVERDUE, RUNNING, and what Google adds next: work that ends.
        _ => SnapshotState::Pending { percent: None },
    })
}

/// The best of several backups under one name: an answer that was lost may have left two.
pub(super) fn best(all: impl IntoIterator<Item = SnapshotSeen>) -> Option<SnapshotSeen> {
    let rank = |seen: &SnapshotSeen| match seen.state {
        SnapshotState::Available => 3,
        SnapshotState::Pending { .. } => 2,
        SnapshotState::Failed(_) => 1,
        SnapshotState::Leaving => 0,
    };
    // `max_by_key` keeps the last of equals, and Cloud SQL lists the newest first.
    all.into_iter().max_by_key(|seen| (seen.backup.is_some(), rank(seen)))
}

/// What is seen of an instance that backups are taken of.
pub(super) fn source(instance: &Instance, operations: &[Operation]) -> SourceSeen {
    SourceSeen {
        readiness: readiness(instance, operations),
        address: instance.any_address().map(|address| format!("{address}:{PORT}")).unwrap_or_default(),
        identity: instance.identity(),
        settings: settings::of(instance),
    }
}

/// Whether a backup can begin: Cloud SQL does one thing at a time with an instance.
fn readiness(instance: &Instance, operations: &[Operation]) -> Readiness {
    if instance.instance_type == "READ_REPLICA_INSTANCE" {
        return Readiness::Unfit(format!("a read replica of {}: Cloud SQL backs up the primary only", instance.master_instance_name));
    }
    match instance.state.as_str() {
        "RUNNABLE" => {}
        "SUSPENDED" | "FAILED" | "PENDING_DELETE" => return Readiness::Unfit(instance.state.to_lowercase().replace('_', " ")),
        "" => return Readiness::Busy("in no state yet".to_owned()),
        state => return Readiness::Busy(state.to_lowercase().replace('_', " ")),
    }
    let under_way = operations.iter().find(|operation| operation.target_id == instance.name && !operation.is_over());
    under_way.map_or(Readiness::Ready, |operation| Readiness::Busy(format!("at work on an operation ({})", operation.work())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::held::Label;
    use serde_json::json;

    fn asset() -> AssetName {
        "pegasus-db".parse().unwrap()
    }

    fn run(status: &str) -> BackupRun {
        let label = Label {
            name: SnapshotName("lastgood-pegasus-db-20261120t030000z".into()),
            asset: asset(),
            backup: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        };
        serde_json::from_value(json!({
            "id": "17", "instance": "pegasus-db-eu", "status": status, "description": label::description(&label), "databaseVersion": "POSTGRES_15",
            "enqueuedTime": "2026-11-20T03:00:01Z", "startTime": "2026-11-20T03:00:05Z", "windowStartTime": "2026-11-20T00:00:00Z",
            "endTime": "2026-11-20T03:04:00Z", "maxChargeableBytes": "1073741824", "location": "eu"
        }))
        .unwrap()
    }

    fn seen(status: &str) -> Option<SnapshotSeen> {
        backup(&"gcp://acme".parse().unwrap(), &asset(), &run(status))
    }

    #[test]
    fn data_time_is_when_the_backup_itself_began_and_never_when_it_was_asked_for() {
        let seen = seen("SUCCESSFUL").unwrap();
        assert_eq!(seen.data_time, Some("2026-11-20T03:00:05Z".parse().unwrap()));
        assert_eq!((seen.held.engine.as_str(), seen.held.bytes, seen.state), ("postgres 15", 1 << 30, SnapshotState::Available));
        assert_eq!(run_of(&seen.held.reference), Some(("pegasus-db-eu", "17")));
        assert_eq!(run_of("arn:aws:rds:eu-west-1:111122223333:snapshot:x"), None);
    }

    #[test]
    fn r08_what_was_skipped_or_failed_is_no_backup() {
        for status in ["FAILED", "SKIPPED", "DELETION_FAILED"] {
            assert!(matches!(seen(status).unwrap().state, SnapshotState::Failed(_)), "{status}");
        }
        for status in ["ENQUEUED", "RUNNING", "OVERDUE", "WHAT_GOOGLE_ADDS_NEXT", ""] {
            assert_eq!(seen(status).unwrap().state, SnapshotState::Pending { percent: None }, "{status}");
        }
        assert_eq!(seen("DELETION_PENDING").unwrap().state, SnapshotState::Leaving);
        assert_eq!(seen("DELETED"), None, "what was deleted is listed for a while, and is no backup");
    }

    #[test]
    fn r03_of_two_under_one_name_the_good_one_counts() {
        let two = [seen("FAILED").unwrap(), seen("SUCCESSFUL").unwrap(), seen("RUNNING").unwrap()];
        assert_eq!(best(two).unwrap().state, SnapshotState::Available);
    }

    #[test]
    fn a_backup_waits_for_whatever_else_is_done_with_the_instance() {
        let instance = |state: &str| Instance { name: "pegasus-db-eu".into(), state: state.into(), ..Instance::default() };
        let operation = |status: &str, of: &str| Operation {
            status: status.into(),
            target_id: of.into(),
            operation_type: "BACKUP_VOLUME".into(),
            ..Operation::default()
        };
        assert_eq!(
            readiness(&instance("RUNNABLE"), &[operation("DONE", "pegasus-db-eu"), operation("RUNNING", "other")]),
            Readiness::Ready
        );
        for status in ["PENDING", "RUNNING"] {
            let busy = readiness(&instance("RUNNABLE"), &[operation(status, "pegasus-db-eu")]);
            assert_eq!(busy, Readiness::Busy("at work on an operation (backup volume)".into()));
        }
        for state in ["MAINTENANCE", "PENDING_CREATE", "REPAIRING", ""] {
            assert!(matches!(readiness(&instance(state), &[]), Readiness::Busy(_)), "{state}");
        }
        for state in ["SUSPENDED", "FAILED", "PENDING_DELETE"] {
            assert!(matches!(readiness(&instance(state), &[]), Readiness::Unfit(_)), "{state}");
        }
        let replica = Instance { instance_type: "READ_REPLICA_INSTANCE".into(), ..instance("RUNNABLE") };
        assert!(matches!(readiness(&replica, &[]), Readiness::Unfit(_)));
    }
}
