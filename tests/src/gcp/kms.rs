//! Cloud KMS, as far as it says how a key stands: every key is there and enabled until a test says otherwise.

use super::{Asked, Call, Part, Refusal};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The keys that do not stand as they should, by their names.
#[derive(Debug, Clone, Default)]
pub struct Kms(Arc<Mutex<BTreeMap<String, Value>>>);

impl Kms {
    /// Lets the primary version of a key be so from now on: `{ "state": "DISABLED" }`; none at all where it is null.
    pub fn primary(&self, key: &str, primary: Value) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), primary);
    }
}

#[async_trait]
impl Part for Kms {
    fn call(&self, asked: &Asked) -> Option<Result<Call, Refusal>> {
        let path: Vec<_> = asked.path.iter().map(String::as_str).collect();
        let ["v1", "projects", _, "locations", _, "keyRings", _, "cryptoKeys", ..] = path[..] else { return None };
        if asked.method != "GET" || path.len() != 9 {
            return Some(Err(Refusal::new(404, "notFound", "The requested URL was not found on this server.")));
        }
        let (api, permission) = ("cloudkms.cryptoKeys.get", "cloudkms.cryptoKeys.get");
        Some(Ok(Call { api, permission, names: vec![path[1..].join("/")], query: asked.query.clone(), body: Value::Null }))
    }

    async fn answer(&self, call: &Call) -> Result<Value, Refusal> {
        let name = &call.names[0];
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let mut primary = kept.unwrap_or_else(|| json!({ "state": "ENABLED" }));
        if primary.is_object() {
            primary["name"] = format!("{name}/cryptoKeyVersions/1").into();
        }
        Ok(json!({ "name": name, "purpose": "ENCRYPT_DECRYPT", "primary": primary }))
    }
}
