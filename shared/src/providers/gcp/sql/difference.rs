//! How a replica's settings differ from its source's: those that a restore must bring back, not those in which a drill must
//! differ (network, address, protection, backups, tier, zones).

use super::{
    make::fenced_flags,
    settings::{Settings, number},
};
use crate::domain::compare::{CheckResult, shown};

/// Compares what was recorded of the source with what the replica has.
pub(super) fn checks(recorded: &Settings, found: &Settings, same_region: bool) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    checks.extend(
        recorded
            .get("databaseVersion")
            .map(|value| CheckResult::same(label("databaseVersion"), shown(Some(value)), said(found, "databaseVersion"))),
    );
    if recorded.contains_key("kmsKeyName") && same_region {
        checks.push(CheckResult::same(label("kmsKeyName"), said(recorded, "kmsKeyName"), said(found, "kmsKeyName")));
    }
    if let Some(least) = number(recorded, "dataDiskSizeGb") {
        let has = number(found, "dataDiskSizeGb").unwrap_or_default();
        checks.push(CheckResult::at_least(label("dataDiskSizeGb"), least, has, "GB"));
    }
    for name in ["edition", "dataDiskType", "collation", "timeZone"] {
        checks.extend(recorded.get(name).map(|value| CheckResult::told(label(name), shown(Some(value)), said(found, name))));
    }
    let flags = found.get("databaseFlags");
    for (flag, value) in fenced_flags(recorded) {
        let has = flags.and_then(|flags| flags.get(&flag));
        checks.push(CheckResult::told(format!("flag {flag}"), shown(Some(&value)), shown(has)));
    }
    checks
}

pub(super) fn label(name: &str) -> String {
    format!("setting {name}")
}

pub(super) fn said(settings: &Settings, name: &str) -> String {
    shown(settings.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{compare::verdict, drill::Verdict};
    use serde_json::{Value, json};

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    fn source() -> Settings {
        settings(json!({
            "databaseVersion": "POSTGRES_15", "kmsKeyName": "k", "dataDiskSizeGb": "20", "edition": "ENTERPRISE", "tier": "db-custom-2-8192",
            "databaseFlags": { "max_connections": "200", "cloudsql.enable_pg_cron": "on" }, "backupConfiguration.enabled": true
        }))
    }

    #[test]
    fn r25_a_replica_differs_only_where_a_drill_must() {
        let mut replica = source();
        replica.extend(settings(json!({
            "tier": "db-g1-small", "backupConfiguration.enabled": false, "dataDiskSizeGb": "30", "databaseFlags": { "max_connections": "200" }
        })));
        assert_eq!(verdict(&checks(&source(), &replica, true)), Verdict::Proven);
    }

    #[test]
    fn r25_what_a_restore_did_not_bring_back_is_named() {
        let with = |changes: Value, same_region| {
            let mut replica = source();
            replica.extend(settings(changes));
            let found = checks(&source(), &replica, same_region);
            let wrong: Vec<_> =
                found.iter().filter(|c| c.expected != c.found && !c.expected.starts_with("at least")).map(|c| c.name.clone()).collect();
            (verdict(&found), wrong)
        };
        assert_eq!(with(json!({ "databaseFlags": {} }), true), (Verdict::CouldNotVerify, vec!["flag max_connections".to_owned()]));
        assert_eq!(with(json!({ "kmsKeyName": "other" }), true), (Verdict::Failed, vec!["setting kmsKeyName".to_owned()]));
        assert_eq!(with(json!({ "kmsKeyName": "other" }), false).0, Verdict::Proven);
        assert_eq!(with(json!({ "databaseVersion": "POSTGRES_14" }), true).0, Verdict::Failed);
        assert_eq!(with(json!({ "dataDiskSizeGb": "10" }), true).0, Verdict::Failed);
    }
}
