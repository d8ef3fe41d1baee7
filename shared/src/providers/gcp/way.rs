//! How large objects go up to a bucket: many parts at once, or one after the other.
//!
//! Parts at once are a multipart upload of the XML interface. It takes no preconditions
//! (<https://docs.cloud.google.com/storage/docs/request-preconditions>), so its object appears under a name of the store's own
//! folder and is moved to its key by one atomic, conditional request, for which Google charges no early deletion and applies no
//! soft delete (<https://docs.cloud.google.com/storage/docs/json_api/v1/objects/move>). Nothing of that holds where
//!
//! - a retention policy or a default hold keeps every object, the one under the other name too;
//! - versions are kept: Google does not say that a moved object leaves no former version behind;
//! - the bucket's class has a minimum duration: parts that are given up are charged for all of it;
//! - a right is missing, the one to see how the bucket is set among them.
//!
//! There they go in order.

use super::{bucket::Gcs, call::Ask};
use serde::Deserialize;

/// The rights that parts at once need, besides those that every upload needs.
const RIGHTS: [&str; 6] = [
    "storage.multipartUploads.create",
    "storage.multipartUploads.list",
    "storage.multipartUploads.listParts",
    "storage.multipartUploads.abort",
    "storage.objects.get",
    "storage.objects.delete",
];

/// How large objects go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// One part after the other, in a resumable session.
    InOrder,
    /// Parts at once.
    AtOnce,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Settings {
    storage_class: String,
    versioning: Versioning,
    retention_policy: Option<serde_json::Value>,
    default_event_based_hold: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Versioning {
    enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Granted {
    permissions: Vec<String>,
}

impl Settings {
    fn lets_objects_move(&self) -> bool {
        self.storage_class == "STANDARD" && !self.versioning.enabled && self.retention_policy.is_none() && !self.default_event_based_hold
    }
}

/// Looks how large objects may go up. What cannot be seen is not allowed.
pub(super) async fn way(bucket: &Gcs) -> Way {
    let settings = Ask::get(bucket.path()).query("fields", "storageClass,versioning,retentionPolicy,defaultEventBasedHold");
    let settings = bucket.call().ask(&settings).await.and_then(|reply| reply.json::<Settings>());
    if !settings.is_ok_and(|settings| settings.lets_objects_move()) {
        return Way::InOrder;
    }
    let rights = Ask::get(format!("{}/iam/testPermissions", bucket.path()));
    let rights = RIGHTS.iter().fold(rights, |ask, right| ask.query("permissions", *right));
    match bucket.call().ask(&rights).await.and_then(|reply| reply.json::<Granted>()) {
        Ok(Granted { permissions }) if RIGHTS.iter().all(|right| permissions.iter().any(|given| given == right)) => Way::AtOnce,
        Ok(_) | Err(_) => Way::InOrder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_go_up_at_once_only_where_an_object_may_be_moved() {
        let moves = |text: serde_json::Value| serde_json::from_value::<Settings>(text).unwrap().lets_objects_move();
        assert!(moves(json!({ "storageClass": "STANDARD" })));
        assert!(moves(json!({ "storageClass": "STANDARD", "versioning": { "enabled": false }, "softDeletePolicy": {} })));
        for not in [
            json!({}),
            json!({ "storageClass": "NEARLINE" }),
            json!({ "storageClass": "STANDARD", "versioning": { "enabled": true } }),
            json!({ "storageClass": "STANDARD", "retentionPolicy": { "retentionPeriod": "1" } }),
            json!({ "storageClass": "STANDARD", "defaultEventBasedHold": true }),
        ] {
            assert!(!moves(not.clone()), "{not}");
        }
    }
}
