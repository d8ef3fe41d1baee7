//! Evidence for auditors: what signs it, whose signatures are believed, and which controls it speaks to.

use super::SecretRef;
use crate::{clock::Timestamp, domain::attest::Claim};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// How the evidence of drills is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidencePolicy {
    /// The private key that signs it: Ed25519, PKCS#8 in PEM. Only drills need it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign: Option<SecretRef>,
    /// The public keys whose signatures are believed, relative to the config.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<PublicKeyFile>,
    /// The controls that each claim stands for, in the auditors' own words: `restore-test: ["SOC2 A1.3"]`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub controls: BTreeMap<Claim, Vec<String>>,
}

/// A public key, and when it was in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicKeyFile {
    /// The PEM file.
    pub file: PathBuf,
    /// Drills that ended before this are not believed to be signed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub from: Option<Timestamp>,
    /// Drills that ended at this moment or later are not believed to be signed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub until: Option<Timestamp>,
}

impl EvidencePolicy {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
