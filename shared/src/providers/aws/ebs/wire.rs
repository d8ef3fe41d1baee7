//! What EC2 answers, as far as we read it.
#![expect(clippy::struct_field_names, reason = "they are the service's own names")]

use crate::{clock::Timestamp, providers::aws::marks::Tags};
use serde::Deserialize;

/// A list: `<volumeSet><item>…</item></volumeSet>`.
#[derive(Debug, Deserialize)]
pub(super) struct Items<T> {
    #[serde(default = "Vec::new")]
    pub(super) item: Vec<T>,
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

#[derive(Debug, Clone, Deserialize)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

fn tags(items: &Items<Tag>) -> Tags {
    items.item.iter().map(|tag| (tag.key.clone(), tag.value.clone())).collect()
}

/// A page of volumes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volumes {
    #[serde(default)]
    pub(super) volume_set: Items<Volume>,
    pub(super) next_token: Option<String>,
}

/// A volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) volume_id: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) size: u64,
    pub(super) snapshot_id: Option<String>,
    pub(super) availability_zone: Option<String>,
    pub(super) volume_type: Option<String>,
    pub(super) iops: Option<u64>,
    pub(super) throughput: Option<u64>,
    #[serde(default)]
    pub(super) encrypted: bool,
    pub(super) kms_key_id: Option<String>,
    pub(super) multi_attach_enabled: Option<bool>,
    #[serde(default)]
    pub(super) attachment_set: Items<Attachment>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl Volume {
    /// Its tags.
    pub(super) fn tags(&self) -> Tags {
        tags(&self.tag_set)
    }
}

/// Where a volume is attached.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attachment {
    pub(super) instance_id: Option<String>,
    pub(super) device: Option<String>,
    pub(super) delete_on_termination: Option<bool>,
}

/// A page of snapshots, or those that were begun together.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshots {
    #[serde(default)]
    pub(super) snapshot_set: Items<Snapshot>,
    pub(super) next_token: Option<String>,
}

/// A snapshot of one volume.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    pub(super) snapshot_id: String,
    #[serde(default)]
    pub(super) volume_id: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) status_message: Option<String>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) progress: Option<String>,
    #[serde(default)]
    pub(super) volume_size: u64,
    #[serde(default)]
    pub(super) encrypted: bool,
    pub(super) kms_key_id: Option<String>,
    #[serde(default)]
    tag_set: Items<Tag>,
}

impl Snapshot {
    /// Its tags.
    pub(super) fn tags(&self) -> Tags {
        tags(&self.tag_set)
    }
}

/// What was begun.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Begun {
    pub(super) snapshot_id: Option<String>,
    pub(super) volume_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_snapshots_is_read_as_ec2_writes_it() {
        let page = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeSnapshotsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>59dbff89</requestId><snapshotSet><item>
<snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>error</status><statusMessage>Given key ID is not accessible</statusMessage>
<startTime>2026-11-20T04:00:05.123Z</startTime><progress>40%</progress><ownerId>111122223333</ownerId><volumeSize>15</volumeSize>
<description/><encrypted>true</encrypted><kmsKeyId>arn:aws:kms:eu-west-1:111122223333:key/1</kmsKeyId>
<tagSet><item><key>a</key><value>b &amp; c</value></item><item><key>empty</key><value/></item></tagSet></item>
<item><snapshotId>snap-2</snapshotId></item></snapshotSet><nextToken>more</nextToken></DescribeSnapshotsResponse>"#;
        let page: Snapshots = quick_xml::de::from_str(page).unwrap();
        let [first, second] = &page.snapshot_set.item[..] else { panic!() };
        assert_eq!((first.volume_size, first.encrypted, page.next_token.as_deref()), (15, true, Some("more")));
        assert_eq!(first.start_time.unwrap().to_string(), "2026-11-20T04:00:05.123Z");
        assert_eq!((first.tags()["a"].as_str(), first.tags()["empty"].as_str()), ("b & c", ""));
        assert_eq!((second.status.as_str(), second.tags().len()), ("", 0));
        let none: Snapshots = quick_xml::de::from_str("<DescribeSnapshotsResponse><snapshotSet/></DescribeSnapshotsResponse>").unwrap();
        assert!(none.snapshot_set.item.is_empty());
    }
}
