//! What Cloud SQL is told to make: an instance for a drill, fenced and in its network, or one for a restore for real, set up as
//! its source was.

use super::{
    label,
    settings::{self, Settings, put, text},
};
use crate::{
    config::SqlDrill,
    error::{Result, invalid},
    ports::NewSqlInstance,
};
use serde_json::{Map, Value, json};

/// Flags by which a copy of a database acts on the world: its schedules would run, its changes would be sent on.
const ACTING: [&str; 2] = ["cloudsql.enable_pg_cron", "cloudsql.logical_decoding"];
/// Settings that a drill's server needs of its source's to hold the data and to answer as it did.
const NEEDED: [&str; 12] = [
    "tier",
    "edition",
    "pricingPlan",
    "dataDiskSizeGb",
    "dataDiskType",
    "dataDiskProvisionedIops",
    "dataDiskProvisionedThroughput",
    "storageAutoResize",
    "databaseFlags",
    "collation",
    "timeZone",
    "dataCacheConfig",
];
/// What Cloud SQL says of its settings and nobody sets.
const TOLD: [&str; 3] = ["backupConfiguration.transactionalLogStorageState", "backupConfiguration.backupTier", "replicationType"];

/// The network that a drill's instance is in.
pub(super) fn drill_network<'a>(drill: &'a SqlDrill, recorded: &'a Settings) -> Result<&'a str> {
    drill.network.as_deref().or_else(|| text(recorded, "ipConfiguration.privateNetwork")).ok_or_else(|| {
        invalid("its source has no private network, and a drill's instance never has a public address")
            .hint("write `drill: { into: { cloudsql: { network: projects/PROJECT/global/networks/NAME } } }`")
    })
}

/// The flags of a source without those by which a copy acts.
pub(super) fn fenced_flags(recorded: &Settings) -> Map<String, Value> {
    let flags = recorded.get("databaseFlags").and_then(Value::as_object).into_iter().flatten();
    flags.filter(|(name, _)| !ACTING.contains(&name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A drill's instance: in its network only, spoken to with encryption only, kept and backed up by nobody.
pub(super) fn for_drill(id: &str, drill: &SqlDrill, recorded: &Settings, labels: &Value) -> Result<Value> {
    let mut needed: Settings = recorded.iter().filter(|(name, _)| NEEDED.contains(&first(name))).map(owned).collect();
    needed.insert("databaseFlags".to_owned(), Value::Object(fenced_flags(recorded)));
    let mut settings = settings::asked(&needed);
    if let Some(tier) = &drill.tier {
        settings.insert("tier".to_owned(), json!(tier));
    }
    fence(&mut settings, drill_network(drill, recorded)?, labels);
    settings.insert("availabilityType".to_owned(), json!("ZONAL"));
    settings.insert("activationPolicy".to_owned(), json!("ALWAYS"));
    let home = text(recorded, "region");
    let region = drill.region.as_deref().or(home);
    let key = text(recorded, "kmsKeyName").filter(|_| region == home);
    body(id, region, recorded, settings, key)
}

/// What makes a drill's instance of a clone, which came up as its source is.
pub(super) fn fence_of_clone(drill: &SqlDrill, recorded: &Settings, labels: &Value) -> Result<Value> {
    let mut settings = Map::new();
    fence(&mut settings, drill_network(drill, recorded)?, labels);
    let flags: Settings = [("databaseFlags".to_owned(), Value::Object(fenced_flags(recorded)))].into();
    settings.extend(settings::asked(&flags));
    Ok(json!({ "settings": settings }))
}

fn fence(settings: &mut Map<String, Value>, network: &str, labels: &Value) {
    let network = json!({ "ipv4Enabled": false, "privateNetwork": network, "authorizedNetworks": [], "sslMode": "ENCRYPTED_ONLY" });
    settings.insert("ipConfiguration".to_owned(), network);
    settings.insert("backupConfiguration".to_owned(), json!({ "enabled": false, "pointInTimeRecoveryEnabled": false }));
    settings.insert("userLabels".to_owned(), labels.clone());
    settings.insert("deletionProtectionEnabled".to_owned(), json!(false));
    settings.insert("retainBackupsOnDelete".to_owned(), json!(false));
}

/// An instance for a restore for real: all that was recorded, but for what the operator names and what cannot go along. Nobody on
/// the internet is let in by it, whoever was let in before.
pub(super) fn beside(new: &NewSqlInstance, recorded: &Settings, labels: &Value) -> Result<Value> {
    let region = new.region.as_deref().or_else(|| text(recorded, "region"));
    let key = new.kms_key.as_deref().or_else(|| text(recorded, "kmsKeyName").filter(|_| !is_elsewhere(new, recorded)));
    if is_elsewhere(new, recorded) && text(recorded, "kmsKeyName").is_some() && new.kms_key.is_none() {
        return Err(invalid("its source is encrypted with a key of its own region, which cannot be used in another")
            .hint("name a key of the new region: cloudsql:NAME?region=REGION&kms_key=projects/…/cryptoKeys/KEY"));
    }
    body(&new.name, region, recorded, beside_settings(new, recorded, labels), key)
}

/// The settings of an instance for a restore for real.
pub(super) fn beside_settings(new: &NewSqlInstance, recorded: &Settings, labels: &Value) -> Map<String, Value> {
    let kept = recorded.iter().filter(|(name, _)| !TOLD.contains(&name.as_str()) && !left_behind(new, recorded, name));
    let mut settings = settings::asked(&kept.map(owned).collect());
    if let Some(network) = &new.network {
        put(&mut settings, "ipConfiguration.privateNetwork", json!(network));
    }
    settings.insert("userLabels".to_owned(), labels.clone());
    settings
}

/// Whether it is made in another region than its source's.
pub(super) fn is_elsewhere(new: &NewSqlInstance, recorded: &Settings) -> bool {
    new.region.as_deref().is_some_and(|region| Some(region) != text(recorded, "region"))
}

/// What a new instance does not have of its source's: who was let in, and in another region the zones, and the range of addresses
/// of another network.
pub(super) fn left_behind(new: &NewSqlInstance, recorded: &Settings, name: &str) -> bool {
    name == "ipConfiguration.authorizedNetworks"
        || (is_elsewhere(new, recorded) && first(name) == "locationPreference")
        || ((new.network.is_some() || is_elsewhere(new, recorded)) && name == "ipConfiguration.allocatedIpRange")
}

fn body(name: &str, region: Option<&str>, recorded: &Settings, settings: Map<String, Value>, key: Option<&str>) -> Result<Value> {
    let missing = |what: &str| invalid(format!("the manifest does not say {what} its source had"));
    let region = region.ok_or_else(|| missing("which region"))?;
    let version = text(recorded, "databaseVersion").ok_or_else(|| missing("which version"))?;
    let mut body = json!({ "name": name, "region": region, "databaseVersion": version, "settings": Value::Object(settings) });
    if let Some(key) = key {
        body["diskEncryptionConfiguration"] = json!({ "kmsKeyName": key });
    }
    Ok(body)
}

fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// The labels of a replica.
pub(super) fn labels(ours: &Value, ready: bool) -> Value {
    let mut labels = ours.clone();
    if ready {
        let (name, value) = label::ready();
        labels[name] = value;
    }
    labels
}
