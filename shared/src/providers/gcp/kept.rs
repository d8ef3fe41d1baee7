//! How a bucket of Cloud Storage is kept: versions, encryption, retention, lifecycle, exposure.
//!
//! One description has nearly all of it; who may read takes a second question where access is not prevented outright. A
//! right that is missing is named.

use super::{bucket::Gcs, call::Ask, refused::Refused};
use crate::{
    domain::posture::{BucketPosture, Encryption, Expiry, Exposure, Lifecycle, Lock},
    error::Result,
};
use serde::Deserialize;

/// Everybody, and everybody with any account of Google's.
const EVERYBODY: [&str; 2] = ["allUsers", "allAuthenticatedUsers"];
const DAY: u64 = 86_400;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Description {
    versioning: Versioning,
    retention_policy: Option<Retention>,
    object_retention: Option<ObjectRetention>,
    encryption: Option<DefaultKey>,
    iam_configuration: Iam,
    lifecycle: Rules,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Retention {
    retention_period: String,
}

#[derive(Debug, Deserialize)]
struct ObjectRetention {
    mode: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DefaultKey {
    default_kms_key_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Iam {
    public_access_prevention: String,
    uniform_bucket_level_access: Versioning,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rules {
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    action: Action,
    #[serde(default)]
    condition: Condition,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    age: Option<u32>,
    is_live: Option<bool>,
    created_before: Option<String>,
    days_since_noncurrent_time: Option<u32>,
    noncurrent_time_before: Option<String>,
    num_newer_versions: Option<u32>,
    custom_time_before: Option<String>,
    days_since_custom_time: Option<u32>,
    matches_prefix: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Policy {
    bindings: Vec<Binding>,
}

#[derive(Debug, Deserialize)]
struct Binding {
    role: String,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lists {
    items: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    entity: String,
}

/// Looks at all of it.
pub(super) async fn posture(bucket: &Gcs) -> Result<BucketPosture> {
    const FIELDS: &str = "versioning,retentionPolicy,objectRetention,encryption,iamConfiguration,lifecycle";
    let description: Description = asked(bucket, Ask::get(bucket.path()).query("fields", FIELDS), "storage.buckets.get").await?;
    let mut posture = BucketPosture {
        versioning: Some(description.versioning.enabled),
        encryption: Some(encryption(&description)),
        lock: Some(lock(&description)),
        lifecycle: Some(lifecycle(&description)),
        exposure: None,
        unseen: Vec::new(),
    };
    posture.exposure = exposure(bucket, &description.iam_configuration, &mut posture.unseen).await;
    Ok(posture)
}

async fn asked<T: serde::de::DeserializeOwned>(bucket: &Gcs, ask: Ask, permission: &str) -> Result<T> {
    let answered = bucket.call().ask(&ask).await.and_then(|reply| reply.json());
    answered.map_err(|refused: Refused| refused.told(permission, bucket.name()))
}

fn encryption(description: &Description) -> Encryption {
    match description.encryption.as_ref().and_then(|default| default.default_kms_key_name.clone()) {
        Some(key) => Encryption::Key(Some(key)),
        // Cloud Storage encrypts everything.
        None => Encryption::OfTheStore,
    }
}

fn lock(description: &Description) -> Lock {
    let seconds = description.retention_policy.as_ref().and_then(|policy| policy.retention_period.parse::<u64>().ok());
    let one_by_one = description.object_retention.as_ref().is_some_and(|retention| retention.mode == "Enabled");
    match seconds {
        Some(seconds) => Lock::On { days: Some(u32::try_from(seconds / DAY).unwrap_or(u32::MAX)) },
        None if one_by_one => Lock::On { days: None },
        None => Lock::Off,
    }
}

/// The rules that delete. Moves to another class are none of ours to know: every class is read at once.
fn lifecycle(description: &Description) -> Vec<Lifecycle> {
    let mut rules = Vec::new();
    for (number, Rule { action, condition }) in (1..).zip(&description.lifecycle.rule) {
        let of_former = condition.is_live == Some(false)
            || condition.days_since_noncurrent_time.is_some()
            || condition.noncurrent_time_before.is_some()
            || condition.num_newer_versions.is_some_and(|newer| newer > 0);
        let mut rule = Lifecycle {
            id: format!("rule {number}"),
            // Ours bear no custom time.
            tagged: condition.custom_time_before.is_some() || condition.days_since_custom_time.is_some(),
            ..Lifecycle::default()
        };
        match action.kind.as_str() {
            "Delete" if of_former => {
                rule.noncurrent_days = Some(condition.days_since_noncurrent_time.or(condition.age).unwrap_or_default());
            }
            "Delete" => {
                rule.expires = Some(match (&condition.created_before, condition.age) {
                    (Some(day), None) => Expiry::On(day.clone()),
                    (_, age) => Expiry::After(age.unwrap_or_default()),
                });
            }
            "AbortIncompleteMultipartUpload" => rule.uploads_days = condition.age,
            _ => continue,
        }
        let prefixes = if condition.matches_prefix.is_empty() { &[String::new()][..] } else { &condition.matches_prefix };
        rules.extend(prefixes.iter().map(|prefix| Lifecycle { prefix: prefix.clone(), ..rule.clone() }));
    }
    rules
}

/// What is not prevented is looked at. What cannot be looked at is not closed.
async fn exposure(bucket: &Gcs, iam: &Iam, unseen: &mut Vec<(String, String)>) -> Option<Exposure> {
    if iam.public_access_prevention == "enforced" {
        return Some(Exposure::Closed);
    }
    let policy = asked::<Policy>(bucket, Ask::get(format!("{}/iam", bucket.path())), "storage.buckets.getIamPolicy").await;
    match policy {
        Ok(policy) => {
            let public = policy.bindings.into_iter().find(|binding| binding.members.iter().any(|member| EVERYBODY.contains(&&**member)));
            if let Some(Binding { role, .. }) = public {
                return Some(Exposure::Public(format!("its policy gives everybody {role}")));
            }
        }
        Err(error) => {
            unseen.push(("policy".to_owned(), error.full()));
            return None;
        }
    }
    if !iam.uniform_bucket_level_access.enabled {
        let lists = asked::<Lists>(bucket, Ask::get(format!("{}/defaultObjectAcl", bucket.path())), "storage.buckets.getIamPolicy").await;
        match lists {
            Ok(lists) if lists.items.iter().any(|entry| EVERYBODY.contains(&&*entry.entity)) => {
                return Some(Exposure::Public("its access list for new objects lets everybody in".to_owned()));
            }
            Ok(_) => {}
            Err(error) => {
                unseen.push(("access list".to_owned(), error.full()));
                return None;
            }
        }
    }
    Some(Exposure::Unguarded("public access prevention is not enforced".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_that_says_nothing_keeps_nothing() {
        let description: Description = serde_json::from_str("{}").unwrap();
        assert!(!description.versioning.enabled);
        assert_eq!((encryption(&description), lock(&description)), (Encryption::OfTheStore, Lock::Off));
        assert!(lifecycle(&description).is_empty());
    }

    #[test]
    fn what_a_bucket_says_is_understood() {
        let description: Description = serde_json::from_value(serde_json::json!({
            "versioning": { "enabled": true },
            "retentionPolicy": { "retentionPeriod": "2592000", "isLocked": true },
            "encryption": { "defaultKmsKeyName": "projects/p/locations/eu/keyRings/r/cryptoKeys/k" },
            "lifecycle": { "rule": [
                { "action": { "type": "Delete" }, "condition": { "age": 400, "matchesPrefix": ["a/", "b/"] } },
                { "action": { "type": "Delete" }, "condition": { "daysSinceNoncurrentTime": 30 } },
                { "action": { "type": "Delete" }, "condition": { "createdBefore": "2027-01-01" } },
                { "action": { "type": "Delete" }, "condition": { "daysSinceCustomTime": 1 } },
                { "action": { "type": "SetStorageClass", "storageClass": "ARCHIVE" }, "condition": { "age": 30 } },
                { "action": { "type": "AbortIncompleteMultipartUpload" }, "condition": { "age": 7 } },
            ] },
        }))
        .unwrap();
        assert_eq!(lock(&description), Lock::On { days: Some(30) });
        assert_eq!(encryption(&description), Encryption::Key(Some("projects/p/locations/eu/keyRings/r/cryptoKeys/k".into())));
        let rules = lifecycle(&description);
        assert_eq!(rules.len(), 6);
        assert_eq!((rules[0].expires.clone(), rules[0].prefix.as_str()), (Some(Expiry::After(400)), "a/"));
        assert!(!rules[1].touches("a/") && rules[1].touches("b/x"));
        assert_eq!((rules[2].noncurrent_days, rules[2].expires.clone()), (Some(30), None));
        assert_eq!(rules[3].expires, Some(Expiry::On("2027-01-01".into())));
        assert!(rules[4].tagged);
        assert_eq!(rules[5].uploads_days, Some(7));
    }
}
