//! How a replica's settings differ from its source's: those that a restore must bring back, not those in which a drill must
//! differ (network, address, protection, backups, class, zones).

use super::settings::{Settings, text};
use crate::domain::compare::{CheckResult, shown};
use serde_json::Value;

/// Compares what was recorded of the source with what the replica has.
pub(super) fn checks(recorded: &Settings, found: &Settings) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    for name in ["engine", "engine_version"] {
        checks.extend(recorded.get(name).map(|value| CheckResult::same(label(name), shown(Some(value)), said(found, name))));
    }
    if recorded.get("encrypted") == Some(&Value::Bool(true)) {
        let is = if found.get("encrypted") == Some(&Value::Bool(true)) { "encrypted" } else { "not encrypted" };
        checks.push(CheckResult::same("encryption", "encrypted", is));
    }
    for name in ["parameter_group", "cluster_parameter_group", "storage_type", "iam_authentication", "port"] {
        checks.extend(recorded.get(name).map(|value| CheckResult::told(label(name), shown(Some(value)), said(found, name))));
    }
    if let Some(least) = recorded.get("allocated_storage").and_then(Value::as_u64).filter(|_| !is_aurora(recorded)) {
        let has = found.get("allocated_storage").and_then(Value::as_u64).unwrap_or_default();
        checks.push(CheckResult::at_least(label("allocated_storage"), least, has, "GiB"));
    }
    checks
}

/// Aurora's storage grows by itself and is no setting.
fn is_aurora(settings: &Settings) -> bool {
    text(settings, "engine").is_some_and(|engine| engine.starts_with("aurora"))
}

pub(super) fn label(name: &str) -> String {
    format!("setting {}", name.replace('_', " "))
}

pub(super) fn said(settings: &Settings, name: &str) -> String {
    shown(settings.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{compare::verdict, drill::Verdict};
    use serde_json::json;

    fn settings(value: Value) -> Settings {
        serde_json::from_value(value).unwrap()
    }

    fn source() -> Settings {
        settings(json!({
            "engine": "postgres", "engine_version": "15.18", "encrypted": true, "parameter_group": "orders-pg15", "storage_type": "gp3",
            "allocated_storage": 20, "multi_az": true, "deletion_protection": true, "security_groups": ["sg-prod"], "subnet_group": "prod",
            "publicly_accessible": false, "backup_retention": 14, "class": "db.r6g.xlarge", "port": 5432
        }))
    }

    #[test]
    fn r48_a_replica_differs_only_where_a_drill_must() {
        let mut replica = source();
        replica.extend(settings(json!({
            "multi_az": false, "deletion_protection": false, "security_groups": ["sg-drill"], "subnet_group": "drill",
            "backup_retention": 0, "class": "db.t4g.medium"
        })));
        assert_eq!(verdict(&checks(&source(), &replica)), Verdict::Proven);
    }

    #[test]
    fn r48_what_a_restore_did_not_bring_back_is_named() {
        let with = |changes: Value| {
            let mut replica = source();
            replica.extend(settings(changes));
            let found = checks(&source(), &replica);
            let wrong: Vec<_> = found
                .iter()
                .filter(|check| check.expected != check.found && !check.expected.starts_with("at least"))
                .map(|check| check.name.clone())
                .collect();
            (verdict(&found), wrong)
        };
        let default = with(json!({ "parameter_group": "default.postgres15" }));
        assert_eq!(default, (Verdict::CouldNotVerify, vec!["setting parameter group".to_owned()]));
        assert_eq!(with(json!({ "encrypted": false })), (Verdict::Failed, vec!["encryption".to_owned()]));
        assert_eq!(with(json!({ "engine_version": "14.2" })), (Verdict::Failed, vec!["setting engine version".to_owned()]));
        assert_eq!(with(json!({ "allocated_storage": 5 })).0, Verdict::Failed);
    }
}
