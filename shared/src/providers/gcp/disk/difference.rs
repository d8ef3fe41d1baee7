//! How a disk differs from the one that was recorded: what a restore must bring back, not where it happens to be.

use super::{
    settings,
    wire::{Disk, path_of},
};
use crate::{
    domain::{
        compare::{CheckResult, shown},
        held::Member,
    },
    error::{Result, invalid},
    providers::managed::volumes::{self, Settings, number, text},
};

/// Compares the disk that was made with what was recorded of the one that it stands for.
pub(super) fn checks(member: &Member, recorded: &Settings, made: &Disk) -> Result<Vec<CheckResult>> {
    let of = &member.of;
    let Some(source) = volumes::recorded(recorded, of) else {
        return Err(invalid(format!("the manifest does not say how {of} was set up")));
    };
    let found = settings::of_one(made);
    let mut checks = vec![CheckResult::same(format!("origin of {of}"), &member.reference, path_of(&made.source_snapshot))];
    let (least, size) = (number(source, "size").unwrap_or_default(), made.size_gb);
    checks.push(CheckResult::at_least(format!("size of {of}"), least.max(1), size, "GiB"));
    if let Some(key) = text(source, "kms_key") {
        checks.push(CheckResult::same(format!("key of {of}"), key, text(&found, "kms_key").unwrap_or("Google's own")));
    }
    for setting in ["type", "iops", "throughput", "access_mode", "replica_zones"] {
        let Some(value) = source.get(setting) else { continue };
        checks.push(CheckResult::told(format!("{} of {of}", setting.replace('_', "-")), shown(Some(value)), shown(found.get(setting))));
    }
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{compare::verdict, drill::Verdict};
    use serde_json::json;

    #[test]
    fn r48_what_differs_is_named_and_what_must_differ_is_not() {
        let member = Member { of: "data-1".into(), reference: "projects/p/global/snapshots/s".into(), bytes: 10 << 30, encrypted: true };
        let recorded: Settings = serde_json::from_value(json!({ "volumes": { "data-1": {
            "type": "pd-ssd", "size": 10, "kms_key": "k", "attached": [{ "instance": "web-1" }], "labels": { "team": "shop" }
        } } }))
        .unwrap();
        let judged = |size: &str, kind: &str, key: &str, from: &str| {
            let made: Disk = serde_json::from_value(json!({
                "name": "x", "sizeGb": size, "type": format!("https://g/diskTypes/{kind}"), "diskEncryptionKey": { "kmsKeyName": key },
                "sourceSnapshot": format!("https://www.googleapis.com/compute/v1/projects/p/global/snapshots/{from}"),
            }))
            .unwrap();
            verdict(&checks(&member, &recorded, &made).unwrap())
        };
        assert_eq!(judged("10", "pd-ssd", "k/cryptoKeyVersions/2", "s"), Verdict::Proven);
        assert_eq!(judged("12", "pd-balanced", "k", "s"), Verdict::CouldNotVerify);
        assert_eq!(judged("9", "pd-ssd", "k", "s"), Verdict::Failed);
        assert_eq!(judged("10", "pd-ssd", "", "s"), Verdict::Failed);
        assert_eq!(judged("10", "pd-ssd", "k", "another"), Verdict::Failed);
    }
}
