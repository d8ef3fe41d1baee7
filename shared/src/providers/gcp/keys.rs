//! Keys of Cloud KMS, as their keeper says that they stand.
//!
//! They are asked about and never used: what would let us open a few bytes of our own would let us open whatever the key protects,
//! for Google's rights know no context. A key whose primary version is not enabled encrypts nothing new, and a restore that needs
//! it fails.

use super::{
    access::Google,
    call::{Ask, Call, Service, escaped},
};
use crate::{
    domain::posture::KeySeen,
    error::{Kind, Result, invalid},
    ports::Keys,
    redact::clip,
};
use async_trait::async_trait;
use serde::Deserialize;
use std::sync::Arc;

const RIGHT: &str = "cloudkms.cryptoKeys.get";

/// Keys of Cloud KMS, of whatever project: each name says its own.
#[derive(Debug)]
pub struct GcpKeys(Call);

impl GcpKeys {
    /// Reaches nothing yet.
    pub fn new(google: Arc<Google>) -> Self {
        Self(Call::new(google, Service::Kms))
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CryptoKey {
    primary: Option<Version>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Version {
    state: String,
    destroy_time: Option<String>,
}

impl CryptoKey {
    fn unusable(&self) -> Option<String> {
        let Some(primary) = &self.primary else { return Some("has no version that could be used".to_owned()) };
        Some(match primary.state.as_str() {
            "ENABLED" => return None,
            "DISABLED" => "is disabled".to_owned(),
            "DESTROYED" => "is destroyed".to_owned(),
            "DESTROY_SCHEDULED" => match &primary.destroy_time {
                Some(at) => format!("is to be destroyed on {}", clip(at, 30)),
                None => "is to be destroyed".to_owned(),
            },
            other => format!("is in state {}", clip(other, 60)),
        })
    }
}

/// The path of a key; its version, if one is named, is left out.
fn path(name: &str) -> Result<String> {
    match name.split('/').collect::<Vec<_>>()[..] {
        ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key, ..] => {
            let [project, location, ring, key] = [project, location, ring, key].map(escaped);
            Ok(format!("/v1/projects/{project}/locations/{location}/keyRings/{ring}/cryptoKeys/{key}"))
        }
        _ => Err(invalid(format!("{:?} is no key of Cloud KMS", clip(name, 120)))),
    }
}

#[async_trait]
impl Keys for GcpKeys {
    async fn key(&self, name: &str) -> Result<KeySeen> {
        let asked = match self.0.ask(&Ask::get(path(name)?)).await {
            Ok(reply) => reply.json::<CryptoKey>(),
            Err(refused) => Err(refused),
        };
        let unusable = match asked.map_err(|refused| refused.told(RIGHT, name)) {
            Ok(key) => key.unusable(),
            // No key of Google's ever vanishes, but the one that was named may never have been.
            Err(error) if error.kind() == Kind::NotFound => Some("is not there".to_owned()),
            Err(error) if error.kind() == Kind::Denied => {
                return Err(error.hint("grant roles/cloudkms.viewer on it to the service account that this runs with"));
            }
            Err(error) => return Err(error),
        };
        Ok(KeySeen { name: name.to_owned(), unusable })
    }

    async fn close(&self, _: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    async fn open(&self, name: &str, _: &[u8]) -> Result<KeySeen> {
        self.key(name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_state_in_which_a_key_opens_nothing_is_told() {
        let told =
            |primary| serde_json::from_value::<CryptoKey>(json!({ "purpose": "ENCRYPT_DECRYPT", "primary": primary })).unwrap().unusable();
        assert_eq!(told(json!({ "state": "ENABLED" })), None);
        for (primary, word) in [
            (json!({ "state": "DISABLED" }), "is disabled"),
            (json!({ "state": "DESTROYED" }), "is destroyed"),
            (json!({ "state": "DESTROY_SCHEDULED", "destroyTime": "2026-12-20T00:00:00Z" }), "is to be destroyed on 2026-12-20"),
            (json!({ "state": "GENERATION_FAILED" }), "GENERATION_FAILED"),
            (json!(null), "no version"),
        ] {
            assert!(told(primary.clone()).is_some_and(|why| why.contains(word)), "{primary}");
        }
    }

    #[test]
    fn a_key_is_asked_about_whichever_of_its_versions_is_named_and_nothing_else_is() {
        let key = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";
        assert_eq!(path(key).unwrap(), format!("/v1/{key}"));
        assert_eq!(path(&format!("{key}/cryptoKeyVersions/7")).unwrap(), format!("/v1/{key}"));
        assert!(!path("projects/p/locations/eu/keyRings/r/cryptoKeys/..:destroy?x").unwrap().contains(':'));
        for bad in ["", "alias/dr", "projects/p", "arn:aws:kms:eu-west-1:1:key/k"] {
            assert_eq!(path(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
    }
}
