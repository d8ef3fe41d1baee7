//! How volumes are set up, as the manifest keeps it: a snapshot brings back the bytes and nothing of this.

use super::wire::Volume;
use crate::providers::aws::marks;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What was recorded, by the setting's name.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings of volumes, by their ids, below one key.
pub(super) fn of(volumes: &[Volume]) -> Settings {
    let each = volumes.iter().map(|volume| (volume.volume_id.clone(), Value::Object(of_one(volume))));
    Settings::from([("volumes".to_owned(), Value::Object(each.collect()))])
}

/// The settings of one volume.
pub(super) fn of_one(volume: &Volume) -> Map<String, Value> {
    let attached: Vec<_> = volume
        .attachment_set
        .item
        .iter()
        .map(|at| {
            json!({
                "instance": at.instance_id, "device": at.device, "delete_on_termination": at.delete_on_termination,
            })
        })
        .collect();
    let tags = volume.tags();
    let tags: BTreeMap<_, _> = marks::peoples(&tags).collect();
    let all = [
        ("type", json!(volume.volume_type)),
        ("size", json!(volume.size)),
        ("iops", json!(volume.iops)),
        ("throughput", json!(volume.throughput)),
        ("encrypted", json!(volume.encrypted)),
        ("kms_key", json!(volume.kms_key_id)),
        ("multi_attach", json!(volume.multi_attach_enabled)),
        ("zone", json!(volume.availability_zone)),
        ("attached", json!(attached)),
        ("tags", json!(tags)),
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

/// What was recorded of one volume.
pub(super) fn recorded<'a>(settings: &'a Settings, volume: &str) -> Option<&'a Map<String, Value>> {
    settings.get("volumes")?.get(volume)?.as_object()
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
        let volume: Volume = quick_xml::de::from_str(
            "<item><volumeId>vol-1</volumeId><size>8</size><snapshotId/><availabilityZone>eu-west-1a</availabilityZone><status>in-use</status>\
             <attachmentSet><item><volumeId>vol-1</volumeId><instanceId>i-1</instanceId><device>/dev/xvdf</device>\
             <deleteOnTermination>false</deleteOnTermination></item></attachmentSet><volumeType>gp3</volumeType><iops>3000</iops>\
             <throughput>125</throughput><encrypted>true</encrypted><kmsKeyId>k</kmsKeyId><multiAttachEnabled>false</multiAttachEnabled>\
             <tagSet><item><key>team</key><value>shop</value></item><item><key>aws:x</key><value>y</value></item></tagSet></item>",
        )
        .unwrap();
        let kept = of(&[volume]);
        assert_eq!(
            serde_json::to_value(&kept).unwrap(),
            json!({ "volumes": { "vol-1": {
                "type": "gp3", "size": 8, "iops": 3000, "throughput": 125, "encrypted": true, "kms_key": "k", "multi_attach": false,
                "zone": "eu-west-1a", "attached": [{ "instance": "i-1", "device": "/dev/xvdf", "delete_on_termination": false }],
                "tags": { "team": "shop" }
            } } })
        );
        assert_eq!(number(recorded(&kept, "vol-1").unwrap(), "iops"), Some(3000));
    }
}
