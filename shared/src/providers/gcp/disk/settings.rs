//! How a disk is set up, as the manifest keeps it: a snapshot brings back the bytes and nothing of this.

use super::{
    labels,
    wire::{Disk, after, last},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What was recorded, by the setting's name.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings of a disk, by its name, below one key.
pub(super) fn of(disk: &Disk) -> Settings {
    let one = Map::from_iter([(disk.name.clone(), Value::Object(of_one(disk)))]);
    Settings::from([("volumes".to_owned(), Value::Object(one))])
}

/// The settings of one disk.
pub(super) fn of_one(disk: &Disk) -> Map<String, Value> {
    let attached: Vec<_> =
        disk.users.iter().map(|user| json!({ "instance": last(user), "zone": after(user, "zones").unwrap_or_default() })).collect();
    let peoples: BTreeMap<_, _> = labels::peoples(&disk.labels).collect();
    let names = |addresses: &[String]| addresses.iter().map(|address| last(address).to_owned()).collect::<Vec<_>>();
    let all = [
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
    ];
    let said = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    all.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What was recorded of one disk.
pub(super) fn recorded<'a>(settings: &'a Settings, disk: &str) -> Option<&'a Map<String, Value>> {
    settings.get("volumes")?.get(disk)?.as_object()
}

/// A setting that is a text.
pub(super) fn text<'a>(settings: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    settings.get(name).and_then(Value::as_str)
}

/// A setting that is a number.
pub(super) fn number(settings: &Map<String, Value>, name: &str) -> Option<u64> {
    settings.get(name).and_then(Value::as_u64)
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
        assert_eq!(number(recorded(&kept, "data-1").unwrap(), "iops"), Some(4000));
    }
}
