//! A snapshot as Google describes it, in our own words.

use super::{labels, wire};
use crate::{
    domain::{
        held::{Held, Member, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
    },
    id::AssetName,
};
use std::collections::BTreeMap;

/// What is seen of a snapshot.
pub(super) fn of(place: &Place, asset: &AssetName, snapshot: &wire::Snapshot) -> SnapshotSeen {
    let name = SnapshotName(snapshot.name.clone());
    let reference = format!("projects/{}/global/snapshots/{}", place.bucket(), snapshot.name);
    let bytes = snapshot.disk_size_gb << 30;
    // Google encrypts every snapshot; with a key that can be named only where the disk has one.
    let member = Member { of: wire::last(&snapshot.source_disk).to_owned(), reference: reference.clone(), bytes, encrypted: true };
    SnapshotSeen {
        backup: labels::backup(&snapshot.labels, asset),
        state: state(&snapshot.status),
        held: Held {
            place: place.clone(),
            name: name.clone(),
            reference,
            engine: "volume".to_owned(),
            bytes,
            encrypted: true,
            key: snapshot.encryption_key.as_ref().and_then(|key| key.kms()).map(str::to_owned),
            members: vec![member],
            settings: BTreeMap::new(),
        },
        // It holds the disk as it was when the snapshot began.
        data_time: snapshot.creation_timestamp,
        name,
    }
}

fn state(status: &str) -> SnapshotState {
    match status {
        "READY" => SnapshotState::Available,
        "DELETING" => SnapshotState::Leaving,
        "FAILED" => SnapshotState::Failed("Google says FAILED, and not why".to_owned()),
        "CREATING" | "UPLOADING" | "" => SnapshotState::Pending { percent: None },
        other => SnapshotState::Failed(format!("Google says {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_of_its_disk_its_moment_and_its_key() {
        let snapshot: wire::Snapshot = serde_json::from_value(serde_json::json!({
            "name": "lastgood-data-x", "status": "UPLOADING", "creationTimestamp": "2026-11-19T20:00:05.123-08:00", "diskSizeGb": "10",
            "sourceDisk": "https://www.googleapis.com/compute/v1/projects/acme-prod/zones/europe-west1-b/disks/data-1",
            "snapshotEncryptionKey": { "kmsKeyName": "projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1" },
            "labels": { "lastgood-asset": "data", "lastgood-backup": "01kafyf000b5m1y0z9p4t1d3qk" }, "storageLocations": ["eu"],
        }))
        .unwrap();
        let seen = of(&"gcp://acme-prod".parse().unwrap(), &"data".parse().unwrap(), &snapshot);
        assert_eq!(seen.data_time.unwrap().to_string(), "2026-11-20T04:00:05.123Z");
        assert_eq!(
            (seen.held.bytes, seen.held.members[0].of.as_str(), &seen.state),
            (10 << 30, "data-1", &SnapshotState::Pending { percent: None })
        );
        assert_eq!(seen.held.key.as_deref(), Some("projects/p/locations/eu/keyRings/r/cryptoKeys/k"));
        assert_eq!(seen.backup.unwrap().to_string(), "01KAFYF000B5M1Y0Z9P4T1D3QK");
        assert_eq!((state("READY"), state("DELETING")), (SnapshotState::Available, SnapshotState::Leaving));
        assert!(matches!(state("FAILED"), SnapshotState::Failed(_)) && matches!(state("NEW"), SnapshotState::Failed(_)));
    }
}
