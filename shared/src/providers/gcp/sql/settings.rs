//! How an instance is set up, as a restore would have to bring it back: a backup of Cloud SQL brings back its data and its roles.
//!
//! Settings are recorded under Google's own names, each branch flattened (`backupConfiguration.enabled`), so that what Google
//! adds to an instance is recorded, asked for and compared without anybody here having heard of it.

use super::wire::Instance;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Settings by name; what Cloud SQL does not say is left out.
pub(super) type Settings = BTreeMap<String, Value>;

/// What says nothing about how it is set up.
const PASSING: [&str; 3] = ["kind", "settingsVersion", "etag"];
/// Branches that are one setting: their keys are names that people chose.
const WHOLE: [&str; 1] = ["userLabels"];
/// Settings of an instance that are not among its settings.
const OUTSIDE: [&str; 8] =
    ["engine", "databaseVersion", "databaseInstalledVersion", "region", "gceZone", "kmsKeyName", "connectionName", "instanceType"];

/// The settings of an instance.
pub(super) fn of(instance: &Instance) -> Settings {
    let mut all = Settings::new();
    for (name, value) in &instance.settings {
        if !PASSING.contains(&name.as_str()) {
            flatten(name, value, &mut all);
        }
    }
    let outside = [
        ("engine", Some(engine(&instance.database_version))),
        ("databaseVersion", Some(instance.database_version.clone())),
        ("databaseInstalledVersion", instance.database_installed_version.clone()),
        ("region", Some(instance.region.clone())),
        ("gceZone", instance.gce_zone.clone()),
        ("kmsKeyName", instance.key().map(str::to_owned)),
        ("connectionName", Some(instance.connection_name.clone())),
        ("instanceType", Some(instance.instance_type.clone())),
    ];
    all.extend(outside.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.filter(|value| !value.is_empty())?)))));
    all
}

fn flatten(name: &str, value: &Value, into: &mut Settings) {
    match value {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) if name == "databaseFlags" => {
            let flag = |item: &Value| Some((item["name"].as_str()?.to_owned(), item["value"].clone()));
            into.insert(name.to_owned(), Value::Object(items.iter().filter_map(flag).collect()));
        }
        Value::Object(branch) if WHOLE.contains(&name) => {
            let peoples = super::label::peoples(Some(&Value::Object(branch.clone())));
            if !peoples.is_empty() {
                into.insert(name.to_owned(), Value::Object(peoples));
            }
        }
        Value::Object(branch) => {
            for (key, value) in branch.iter().filter(|(key, _)| !PASSING.contains(&key.as_str())) {
                flatten(&format!("{name}.{key}"), value, into);
            }
        }
        Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            into.insert(name.to_owned(), value.clone());
        }
    }
}

/// What Cloud SQL is told to set up, from what was recorded.
pub(super) fn asked(recorded: &Settings) -> Map<String, Value> {
    let mut root = Map::new();
    for (name, value) in recorded.iter().filter(|(name, _)| !OUTSIDE.contains(&name.as_str())) {
        let value = match (name.as_str(), value) {
            ("databaseFlags", Value::Object(flags)) => flags.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect(),
            (_, value) => value.clone(),
        };
        put(&mut root, name, value);
    }
    root
}

/// Puts a value at its flattened name.
pub(super) fn put(root: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            root.insert(name.to_owned(), value);
        }
        Some((first, rest)) => {
            let branch = root.entry(first.to_owned()).or_insert_with(|| json!({}));
            if !branch.is_object() {
                *branch = json!({});
            }
            if let Value::Object(branch) = branch {
                put(branch, rest, value);
            }
        }
    }
}

/// A setting that is a text.
pub(super) fn text<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    settings.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A setting that is a whole number.
pub(super) fn number(settings: &Settings, name: &str) -> Option<u64> {
    settings.get(name).and_then(super::wire::number)
}

/// `POSTGRES_15` as people say it: `postgres 15`. Of older ones the minor version was part of the name: `postgres 9.6`.
pub(super) fn engine(version: &str) -> String {
    version.to_lowercase().replacen('_', " ", 1).replace('_', ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        serde_json::from_value(json!({
            "name": "pegasus-db-eu", "databaseVersion": "POSTGRES_15", "databaseInstalledVersion": "POSTGRES_15_18", "region": "europe-west1",
            "connectionName": "acme:europe-west1:pegasus-db-eu", "gceZone": "europe-west1-b",
            "diskEncryptionConfiguration": { "kmsKeyName": "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k" },
            "settings": {
                "kind": "sql#settings", "settingsVersion": "12", "tier": "db-custom-2-8192", "dataDiskSizeGb": "20", "locationPreference": null,
                "databaseFlags": [{ "name": "max_connections", "value": "200" }, { "name": "work_mem", "value": "65536" }],
                "backupConfiguration": { "kind": "sql#backupConfiguration", "enabled": true, "backupRetentionSettings": { "retainedBackups": 7 } },
                "ipConfiguration": { "ipv4Enabled": false, "privateNetwork": "projects/acme/global/networks/prod", "authorizedNetworks": [] },
                "userLabels": { "team": "pegasus", "lastgood-ready": "true" }, "whatGoogleAddsNext": { "on": true }
            }
        }))
        .unwrap()
    }

    #[test]
    fn r25_what_a_restore_does_not_bring_back_is_recorded_and_asked_for_as_it_was() {
        let kept = of(&instance());
        assert_eq!(
            serde_json::to_value(&kept).unwrap(),
            json!({
                "engine": "postgres 15", "databaseVersion": "POSTGRES_15", "databaseInstalledVersion": "POSTGRES_15_18", "region": "europe-west1",
                "gceZone": "europe-west1-b", "connectionName": "acme:europe-west1:pegasus-db-eu",
                "kmsKeyName": "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k", "tier": "db-custom-2-8192", "dataDiskSizeGb": "20",
                "databaseFlags": { "max_connections": "200", "work_mem": "65536" }, "backupConfiguration.enabled": true,
                "backupConfiguration.backupRetentionSettings.retainedBackups": 7, "ipConfiguration.ipv4Enabled": false,
                "ipConfiguration.privateNetwork": "projects/acme/global/networks/prod", "userLabels": { "team": "pegasus" },
                "whatGoogleAddsNext.on": true
            })
        );
        assert_eq!(
            Value::Object(asked(&kept)),
            json!({
                "tier": "db-custom-2-8192", "dataDiskSizeGb": "20", "whatGoogleAddsNext": { "on": true }, "userLabels": { "team": "pegasus" },
                "databaseFlags": [{ "name": "max_connections", "value": "200" }, { "name": "work_mem", "value": "65536" }],
                "backupConfiguration": { "enabled": true, "backupRetentionSettings": { "retainedBackups": 7 } },
                "ipConfiguration": { "ipv4Enabled": false, "privateNetwork": "projects/acme/global/networks/prod" }
            })
        );
        assert_eq!((text(&kept, "tier"), number(&kept, "dataDiskSizeGb")), (Some("db-custom-2-8192"), Some(20)));
    }

    #[test]
    fn engines_are_named_as_people_say_them() {
        assert_eq!((engine("POSTGRES_15"), engine("POSTGRES_9_6")), ("postgres 15".to_owned(), "postgres 9.6".to_owned()));
    }
}
