//! What Compute Engine answers, as far as we read it. Numbers of 64 bits come as text.

use super::labels::Labels;
use crate::clock::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

/// A page of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
    pub(super) next_page_token: Option<String>,
}

/// A disk.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Disk {
    pub(super) name: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) size_gb: u64,
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) labels: Labels,
    /// The machines that it is attached to, as addresses.
    #[serde(default)]
    pub(super) users: Vec<String>,
    /// The snapshot schedules and other policies on it, as addresses.
    #[serde(default)]
    pub(super) resource_policies: Vec<String>,
    /// The zones of a disk that is in two at once, as addresses.
    #[serde(default)]
    pub(super) replica_zones: Vec<String>,
    #[serde(default)]
    pub(super) source_snapshot: String,
    #[serde(rename = "diskEncryptionKey")]
    pub(super) encryption_key: Option<EncryptionKey>,
    #[serde(default, deserialize_with = "number_if_any")]
    pub(super) provisioned_iops: Option<u64>,
    #[serde(default, deserialize_with = "number_if_any")]
    pub(super) provisioned_throughput: Option<u64>,
    pub(super) access_mode: Option<String>,
    #[serde(default)]
    pub(super) multi_writer: bool,
}

/// What something is encrypted with besides Google's own keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EncryptionKey {
    /// The key of Cloud KMS, with its version.
    pub(super) kms_key_name: Option<String>,
    /// The digest of a key that only its owner has.
    pub(super) sha256: Option<String>,
}

impl EncryptionKey {
    /// The key of Cloud KMS, without its version: what is encrypted with it names the version by itself.
    pub(super) fn kms(&self) -> Option<&str> {
        let name = self.kms_key_name.as_deref().filter(|name| !name.is_empty())?;
        Some(name.split_once("/cryptoKeyVersions/").map_or(name, |(key, _)| key))
    }

    /// Whether it is a key that only its owner has, and that every request would have to bring along.
    pub(super) fn is_brought_along(&self) -> bool {
        self.kms().is_none() && self.sha256.is_some()
    }
}

/// A snapshot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) creation_timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "number")]
    pub(super) disk_size_gb: u64,
    #[serde(default)]
    pub(super) source_disk: String,
    #[serde(default)]
    pub(super) labels: Labels,
    #[serde(rename = "snapshotEncryptionKey")]
    pub(super) encryption_key: Option<EncryptionKey>,
}

/// A machine, as far as it says what becomes of its disks.
#[derive(Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) name: String,
    #[serde(default)]
    pub(super) disks: Vec<Attached>,
}

/// A disk as a machine sees it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attached {
    #[serde(default)]
    pub(super) source: String,
    #[serde(default)]
    pub(super) auto_delete: bool,
}

/// A snapshot schedule, or another policy.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourcePolicy {
    pub(super) name: String,
    pub(super) snapshot_schedule_policy: Option<SnapshotSchedule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotSchedule {
    pub(super) retention_policy: Option<ScheduleRetention>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScheduleRetention {
    pub(super) on_source_disk_delete: Option<String>,
}

/// What a project may have.
#[derive(Debug, Deserialize)]
pub(super) struct ProjectSeen {
    #[serde(default)]
    pub(super) quotas: Vec<QuotaSeen>,
}

#[derive(Debug, Deserialize)]
pub(super) struct QuotaSeen {
    pub(super) metric: String,
    pub(super) limit: f64,
    pub(super) usage: f64,
}

/// The name at the end of an address.
pub(super) fn last(address: &str) -> &str {
    address.rsplit('/').next().unwrap_or(address)
}

/// What an address names, from `projects/` on.
pub(super) fn path_of(address: &str) -> &str {
    address.find("projects/").map_or(address, |at| &address[at..])
}

/// The word that follows another in an address: the zone behind `zones`.
pub(super) fn after<'a>(address: &'a str, word: &str) -> Option<&'a str> {
    let mut parts = address.split('/').skip_while(|part| *part != word);
    parts.nth(1)
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Number(u64),
}

impl Written {
    fn read<E: serde::de::Error>(self) -> Result<u64, E> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Text(text) => text.parse().map_err(|_| E::custom("a number was expected")),
        }
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Written::deserialize(deserializer).map_err(|_| D::Error::custom("a number was expected"))?.read()
}

fn number_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::<Written>::deserialize(deserializer)?.map(Written::read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_whatever_stands_before_the_project() {
        let address = "https://www.googleapis.com/compute/v1/projects/acme-prod/zones/europe-west1-b/disks/data-1";
        assert_eq!((last(address), path_of(address)), ("data-1", "projects/acme-prod/zones/europe-west1-b/disks/data-1"));
        assert_eq!((after(address, "zones"), after(address, "regions")), (Some("europe-west1-b"), None));
    }

    #[test]
    fn a_key_is_named_without_its_version_and_one_that_is_brought_along_is_told() {
        let key = |text: &str| serde_json::from_str::<EncryptionKey>(text).unwrap();
        let kms = key(r#"{"kmsKeyName": "projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3"}"#);
        assert_eq!((kms.kms(), kms.is_brought_along()), (Some("projects/p/locations/eu/keyRings/r/cryptoKeys/k"), false));
        assert!(key(r#"{"sha256": "x"}"#).is_brought_along());
    }
}
