//! How volumes are set up, as the manifest keeps it: a snapshot brings back the bytes and nothing of this.

use super::wire::Volume;
use crate::providers::{
    aws::marks,
    managed::volumes::{self, Settings},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The settings of volumes, by their ids.
pub(super) fn of(volumes: &[Volume]) -> Settings {
    volumes::of(volumes.iter().map(|volume| (volume.volume_id.clone(), of_one(volume))))
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
    volumes::said([
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
    ])
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
        assert_eq!(volumes::number(volumes::recorded(&kept, "vol-1").unwrap(), "iops"), Some(3000));
    }
}
