//! The disk that an asset is, as it is now.

use super::{compute::Compute, settings, wire::Disk};
use crate::{
    config::DiskAt,
    error::{Result, not_found},
    ports::{Readiness, SourceSeen},
};

/// Looks at the disk.
pub(super) async fn disk(compute: &Compute, at: &DiskAt, name: &str) -> Result<Disk> {
    let found = compute.disk(at, name).await?;
    found.ok_or_else(|| {
        let (DiskAt::Zone(at) | DiskAt::Region(at)) = at;
        not_found(format!("there is no disk {name} in {at} at {}", compute.place))
            .hint("check `project`, `volume` and `zone` of this asset; snapshots that were taken stay where they are")
    })
}

/// What is seen of it. Its id never passes to another disk of the same name.
pub(super) fn seen(disk: &Disk) -> SourceSeen {
    SourceSeen { readiness: readiness(disk), address: String::new(), identity: disk.id.to_string(), settings: settings::of(disk) }
}

/// A snapshot can begin of a disk in use and of one at rest.
fn readiness(disk: &Disk) -> Readiness {
    if disk.encryption_key.as_ref().is_some_and(super::wire::EncryptionKey::is_brought_along) {
        return Readiness::Unfit("encrypted with a key that only its owner has (CSEK), which Lastgood does not hold".to_owned());
    }
    match disk.status.as_str() {
        "READY" => Readiness::Ready,
        "CREATING" | "RESTORING" | "" => Readiness::Busy("being created".to_owned()),
        other => Readiness::Unfit(other.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_begins_only_of_what_can_be_read() {
        let disk = |status: &str, key: serde_json::Value| -> Disk {
            serde_json::from_value(serde_json::json!({ "name": "data-1", "status": status, "diskEncryptionKey": key })).unwrap()
        };
        let none = serde_json::Value::Null;
        assert_eq!(readiness(&disk("READY", none.clone())), Readiness::Ready);
        assert_eq!(readiness(&disk("CREATING", none.clone())), Readiness::Busy("being created".into()));
        assert_eq!(readiness(&disk("FAILED", none)), Readiness::Unfit("failed".into()));
        assert!(matches!(readiness(&disk("READY", serde_json::json!({ "sha256": "x" }))), Readiness::Unfit(_)));
    }
}
