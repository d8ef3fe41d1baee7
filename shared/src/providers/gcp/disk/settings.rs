//! How a disk is set up, as the manifest keeps it: a snapshot brings back the bytes and nothing of this.

use super::{
    labels,
    wire::{Disk, after, last},
};
use crate::providers::managed::volumes::{self, Settings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The settings of a disk, by its name.
pub(super) fn of(disk: &Disk) -> Settings {
    volumes::of([(disk.name.clone(), of_one(disk))])
}

/// The settings of one disk.
pub(super) fn of_one(disk: &Disk) -> Map<String, Value> {
    let attached: Vec<_> =
        disk.users.iter().map(|user| json!({ "instance": last(user), "zone": after(user, "zones").unwrap_or_default() })).collect();
    let peoples: BTreeMap<_, _> = labels::peoples(&disk.labels).collect();
    let names = |addresses: &[String]| addresses.iter().map(|address| last(address).to_owned()).collect::<Vec<_>>();
    volumes::said([
        ("type", json!(last(&disk.kind))),
        ("size", json!(disk.size_gb)),
        ("iops", json!(disk.provisioned_iops)),
        ("throughput", json!(disk.provisioned_throughput)),
        ("kms_key", json!(disk.encryption_key.as_ref().and_then(|key| key.kms()))),
        ("access_mode", json!(disk.access_mode)),
        ("multi_writer", json!(disk.multi_writer.then_some(true))),
        ("replica_zones", json!(names(&disk.replica_zones))),
        ("policies", json!(names(&disk.resource_policies))),
        ("attached", json!(attached)),
        ("labels", json!(peoples)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_snapshot_does_not_bring_back_is_kept() {
        let disk: Disk = serde_json::from_value(json!({
            "name": "data-1", "id": "123", "status": "READY", "sizeGb": "10", "provisionedIops": "4000",
            "type": "https://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-b/diskTypes/hyperdisk-balanced",
            "labels": { "team": "shop", "goog-gke-volume": "", "lastgood-disk": "x" },
            "users": ["https://www.googleapis.com/compute/v1/projects/p/zones/europe-west1-b/instances/web-1"],
            "diskEncryptionKey": { "kmsKeyName": "k/cryptoKeyVersions/1" },
        }))
        .unwrap();
        let kept = of(&disk);
        assert_eq!(
            serde_json::to_value(&kept).unwrap(),
            json!({ "volumes": { "data-1": {
                "type": "hyperdisk-balanced", "size": 10, "iops": 4000, "kms_key": "k", "labels": { "team": "shop" },
                "attached": [{ "instance": "web-1", "zone": "europe-west1-b" }],
            } } })
        );
        assert_eq!(volumes::number(volumes::recorded(&kept, "data-1").unwrap(), "iops"), Some(4000));
    }
}
