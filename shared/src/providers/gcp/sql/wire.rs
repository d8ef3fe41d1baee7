//! What Cloud SQL says, as far as we read it. Whole numbers come as text, enums as words that Google adds to: what nobody here
//! knows is kept as it came.

#![expect(clippy::struct_field_names, reason = "fields are named as Google names them")]

use crate::clock::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// An instance.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Instance {
    pub name: String,
    pub state: String,
    pub database_version: String,
    pub database_installed_version: Option<String>,
    pub region: String,
    pub gce_zone: Option<String>,
    pub connection_name: String,
    pub create_time: Option<String>,
    pub instance_type: String,
    pub master_instance_name: String,
    pub ip_addresses: Vec<Address>,
    pub server_ca_cert: Option<Certificate>,
    pub disk_encryption_configuration: Option<DiskKey>,
    pub service_account_email_address: Option<String>,
    pub settings: Map<String, Value>,
}

/// One of its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Address {
    #[serde(rename = "type")]
    pub kind: String,
    pub ip_address: String,
}

/// A certificate, as PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Certificate {
    pub cert: String,
}

/// A key of the owner's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DiskKey {
    pub kms_key_name: Option<String>,
}

impl Instance {
    /// One of its settings, by its path: `/backupConfiguration/enabled`.
    pub(super) fn setting(&self, path: &str) -> Option<&Value> {
        let (first, rest) = path.strip_prefix('/')?.split_once('/').map_or((path.get(1..)?, ""), |(first, rest)| (first, rest));
        let found = self.settings.get(first)?;
        if rest.is_empty() { Some(found) } else { found.pointer(&format!("/{rest}")) }.filter(|value| !value.is_null())
    }

    /// A setting that is switched on. What Google does not say is off.
    pub(super) fn is_on(&self, path: &str) -> bool {
        self.setting(path).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.setting(path).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.setting(path).and_then(number)
    }

    /// One of the labels that people and we give.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.settings.get("userLabels")?.get(name)?.as_str()
    }

    pub(super) fn private_address(&self) -> Option<&str> {
        self.address("PRIVATE")
    }

    /// Where it is reached: inside its network if it is in one.
    pub(super) fn any_address(&self) -> Option<&str> {
        self.private_address().or_else(|| self.address("PRIMARY"))
    }

    fn address(&self, kind: &str) -> Option<&str> {
        self.ip_addresses.iter().find(|address| address.kind == kind).map(|address| address.ip_address.as_str())
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.disk_encryption_configuration.as_ref()?.kms_key_name.as_deref().filter(|key| !key.is_empty())
    }

    /// Its lasting name: another instance that gets the same name later was made at another time.
    pub(super) fn identity(&self) -> String {
        format!("{}@{}", self.connection_name, self.create_time.as_deref().unwrap_or_default())
    }
}

/// A backup of an instance, as the run that made it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BackupRun {
    #[serde(deserialize_with = "text_or_number")]
    pub id: String,
    pub status: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub description: Option<String>,
    pub instance: String,
    pub location: Option<String>,
    pub database_version: Option<String>,
    /// When the backup itself began: what was written till then is in it.
    pub start_time: Option<Timestamp>,
    pub end_time: Option<Timestamp>,
    pub disk_encryption_configuration: Option<DiskKey>,
    #[serde(deserialize_with = "maybe_number")]
    pub max_chargeable_bytes: Option<u64>,
    pub error: Option<Trouble>,
    /// Its name in the project, where its instance is gone.
    #[serde(skip)]
    pub lasting: Option<String>,
}

/// A backup of a project: it may outlive its instance.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Backup {
    pub name: String,
    pub state: String,
    #[serde(rename = "type")]
    kind: String,
    description: Option<String>,
    pub instance: String,
    location: Option<String>,
    database_version: Option<String>,
    backup_interval: Interval,
    kms_key: Option<String>,
    #[serde(deserialize_with = "maybe_number")]
    max_chargeable_bytes: Option<u64>,
    error: Option<Trouble>,
    instance_deletion_time: Option<Timestamp>,
    backup_run: Option<String>,
}

/// From when to when a backup was made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Interval {
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
}

impl Backup {
    /// Whether its instance is gone: another may bear the name by now.
    pub(super) fn is_retained(&self) -> bool {
        self.instance_deletion_time.is_some()
    }

    /// As the run that made it.
    pub(super) fn as_run(&self) -> BackupRun {
        let status = if self.state == "DELETING" { "DELETION_PENDING" } else { &self.state };
        BackupRun {
            id: self.backup_run.as_deref().and_then(|run| run.rsplit('/').next()).unwrap_or_default().to_owned(),
            status: status.to_owned(),
            kind: self.kind.clone(),
            description: self.description.clone(),
            instance: self.instance.clone(),
            location: self.location.clone(),
            database_version: self.database_version.clone(),
            start_time: self.backup_interval.start_time,
            end_time: self.backup_interval.end_time,
            disk_encryption_configuration: self.kms_key.clone().map(|key| DiskKey { kms_key_name: Some(key) }),
            max_chargeable_bytes: self.max_chargeable_bytes,
            error: self.error.clone(),
            lasting: Some(self.name.clone()),
        }
    }
}

/// Work that Cloud SQL does: one at a time for each instance.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Operation {
    pub name: String,
    pub status: String,
    pub operation_type: String,
    pub target_id: String,
    pub start_time: Option<Timestamp>,
    pub error: Option<Troubles>,
    pub backup_context: Option<BackupContext>,
    pub export_context: Option<ExportContext>,
}

/// Which backup an operation is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct BackupContext {
    #[serde(deserialize_with = "text_or_number")]
    pub backup_id: String,
}

/// Which object an operation writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct ExportContext {
    pub uri: String,
}

/// What went wrong in an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Troubles {
    pub errors: Vec<Trouble>,
}

/// One thing that went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Trouble {
    pub code: String,
    pub message: Option<String>,
}

impl Trouble {
    /// It, for people.
    pub(super) fn said(&self) -> String {
        let said = [self.code.as_str(), self.message.as_deref().unwrap_or_default()];
        said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    }
}

impl Operation {
    /// Whether it is over, well or not.
    pub(super) fn is_over(&self) -> bool {
        self.status == "DONE"
    }

    /// What went wrong; none while it is at work and where all went well.
    pub(super) fn trouble(&self) -> Option<String> {
        let errors = &self.error.as_ref()?.errors;
        let said: Vec<_> = errors.iter().map(Trouble::said).filter(|said| !said.is_empty()).collect();
        Some(if said.is_empty() { "it says that it failed, and not why".to_owned() } else { said.join("; ") })
    }

    /// What it does, for people: `BACKUP_VOLUME` is `backup volume`.
    pub(super) fn work(&self) -> String {
        self.operation_type.to_lowercase().replace('_', " ")
    }
}

/// One page of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: Deserialize<'de>")]
pub(super) struct Page<T> {
    #[serde(default = "Vec::new")]
    pub items: Vec<T>,
    #[serde(default)]
    pub next_page_token: Option<String>,
    /// What is missing of it: a region that does not answer.
    #[serde(default)]
    pub warnings: Vec<Trouble>,
}

/// One page of a project's backups.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Backups {
    pub backups: Vec<Backup>,
    pub next_page_token: Option<String>,
    pub warnings: Vec<Trouble>,
}

/// How far the continuous backups of an instance reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reach {
    pub latest_recovery_time: Option<Timestamp>,
    pub earliest_recovery_time: Option<Timestamp>,
}

/// A whole number, however it is written.
pub(super) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Ok(String::new()),
    }
}

fn maybe_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(number(&Value::deserialize(deserializer)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_as_text_and_as_numbers_and_settings_by_their_path() {
        let instance: Instance = serde_json::from_value(json!({
            "name": "pegasus-db-eu", "kind": "sql#instance", "settings": {
                "dataDiskSizeGb": "20", "backupConfiguration": { "enabled": true, "transactionLogRetentionDays": 7, "location": "" },
                "userLabels": { "team": "pegasus" }
            },
            "ipAddresses": [{ "type": "PRIMARY", "ipAddress": "203.0.113.9" }, { "type": "PRIVATE", "ipAddress": "10.0.0.9" }]
        }))
        .unwrap();
        assert_eq!(
            (instance.number("/dataDiskSizeGb"), instance.number("/backupConfiguration/transactionLogRetentionDays")),
            (Some(20), Some(7))
        );
        assert!(instance.is_on("/backupConfiguration/enabled") && !instance.is_on("/deletionProtectionEnabled"));
        assert_eq!((instance.text("/backupConfiguration/location"), instance.label("team")), (None, Some("pegasus")));
        assert_eq!(instance.any_address(), Some("10.0.0.9"));
        let run: BackupRun = serde_json::from_value(json!({ "id": "1732071600000", "maxChargeableBytes": "5" })).unwrap();
        assert_eq!((run.id.as_str(), run.max_chargeable_bytes), ("1732071600000", Some(5)));
    }

    #[test]
    fn r08_an_operation_that_is_done_may_have_failed() {
        let done = |error: Value| serde_json::from_value::<Operation>(json!({ "status": "DONE", "error": error })).unwrap();
        assert_eq!(done(Value::Null).trouble(), None);
        let failed = done(json!({ "errors": [{ "code": "INTERNAL_ERROR", "message": "try later" }] }));
        assert_eq!((failed.is_over(), failed.trouble().as_deref()), (true, Some("INTERNAL_ERROR: try later")));
        assert!(done(json!({ "errors": [] })).trouble().is_some(), "an error without words is one");
    }
}
