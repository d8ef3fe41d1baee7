//! What Cloud SQL adds to the description of an instance, and what it refuses.

use super::fields::{check_labels, merge};
use crate::gcp::wire::Refusal;
use serde_json::{Value, json};

/// Checks a description of an instance that is to be made, and adds what Cloud SQL adds.
pub(super) fn complete(description: &mut Value) -> Result<(), Refusal> {
    let invalid = |what: &str| Refusal::new(400, "invalid", format!("Invalid request: {what}."));
    let name = description["name"].as_str().unwrap_or_default();
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !letters || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.ends_with('-') || name.len() > 84 {
        return Err(Refusal::new(400, "invalidInstanceName", format!("Invalid instance name ({name}).")));
    }
    if description["region"].as_str().is_none_or(|region| region.split('-').count() != 2) {
        return Err(invalid("the region is missing or unknown"));
    }
    if !description["databaseVersion"].as_str().is_some_and(|version| version.starts_with("POSTGRES_")) {
        return Err(invalid("the database version is missing or unknown"));
    }
    let defaults = json!({
        "edition": "ENTERPRISE", "availabilityType": "ZONAL", "dataDiskSizeGb": "10", "dataDiskType": "PD_SSD", "pricingPlan": "PER_USE",
        "activationPolicy": "ALWAYS", "storageAutoResize": true, "deletionProtectionEnabled": false, "retainBackupsOnDelete": false,
        "backupConfiguration": { "enabled": false, "pointInTimeRecoveryEnabled": false, "transactionLogRetentionDays": 7 },
        "ipConfiguration": { "ipv4Enabled": true, "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED" },
        "kind": "sql#settings", "settingsVersion": "1",
    });
    let mut settings = defaults;
    merge(&mut settings, &description["settings"]);
    if settings["tier"].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::new(400, "required", "Required: settings.tier"));
    }
    settings["settingsVersion"] = "1".into();
    check(&mut settings)?;
    description["settings"] = settings;
    Ok(())
}

/// Checks settings, and writes numbers as Cloud SQL does.
pub(super) fn check(settings: &mut Value) -> Result<(), Refusal> {
    check_labels(settings)?;
    let network = &settings["ipConfiguration"];
    if network["ipv4Enabled"] == false && !network["privateNetwork"].is_string() {
        let message = "Invalid request: At least one of Public IP or Private IP or PSC connectivity must be enabled.";
        return Err(Refusal::new(400, "invalid", message));
    }
    let path = |network: &str| network.trim_start_matches('/').split('/').collect::<Vec<_>>()[..].len() == 5;
    if network["privateNetwork"].as_str().is_some_and(|network| !network.contains("projects/") || !path(network)) {
        return Err(Refusal::new(400, "invalid", "Invalid request: Incorrect private network format."));
    }
    for name in ["dataDiskSizeGb", "settingsVersion"] {
        if let Some(number) = settings[name].as_u64() {
            settings[name] = number.to_string().into();
        }
    }
    let kept = &settings["backupConfiguration"];
    if kept["pointInTimeRecoveryEnabled"] == true && kept["enabled"] != true {
        return Err(Refusal::new(400, "invalid", "Invalid request: point-in-time recovery needs backups."));
    }
    if kept["transactionLogRetentionDays"].as_u64().is_some_and(|days| !(1..=35).contains(&days)) {
        return Err(Refusal::new(400, "invalid", "Invalid request: transactionLogRetentionDays is out of range."));
    }
    Ok(())
}
