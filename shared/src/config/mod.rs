//! `lastgood.yaml`: what is protected, how well, and how that is proven. One source of truth, strict and typed.
//!
//! Reading refuses unknown keys, impossible values and plaintext passwords, and names the key, the line and the fix.

mod asset;
mod bus;
mod convert;
mod ebs;
mod fault;
mod limits;
mod policy;
mod raw;
mod read;
mod reference;
mod show;
mod topic;

pub use asset::{Asset, BucketExpectations, Login, SecretsProvider, Source, Volumes};
pub use bus::{EventBus, OwnEvents};
pub use ebs::{AnyOf, Blocks, EbsDrill, Filesystem};
pub use policy::{
    AnalyticsPolicy, Check, Copies, DrillNetwork, DrillPolicy, DrillTarget, Expect, ExportPolicy, Format, Policy, RdsDrill, Retention,
    SnapshotPolicy,
};
pub use read::remarks;
pub use reference::SecretRef;
pub use topic::{Topic, TopicArn};

use crate::{
    domain::{place::Place, span::Span},
    error::{Result, not_found},
    id::AssetName,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The whole configuration, with every default applied.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where backups and records are kept.
    pub vault: Place,
    /// Files that hold the recipients' OpenPGP public keys; empty when exports are not encrypted.
    pub openpgp: Vec<std::path::PathBuf>,
    /// The secret key that opens them again: only drills and restores need it.
    pub decrypt_with: Option<SecretRef>,
    /// The passphrase of that key, if it has one.
    pub passphrase: Option<SecretRef>,
    /// Who is told.
    pub notify: Vec<Channel>,
    /// Where events of our own go; none where nobody waits for them.
    pub events: Option<OwnEvents>,
    /// The AWS accounts whose events are believed, besides the one that a function runs in.
    pub accounts: Vec<String>,
    /// The base of alert links: a link is this + `#section`.
    pub runbook: String,
    /// Everything that is protected, by name.
    pub assets: BTreeMap<AssetName, Asset>,
    /// Assets that are recovered together, by name.
    pub systems: BTreeMap<AssetName, System>,
}

impl Config {
    /// Returns an asset by its name.
    pub fn asset(&self, name: &AssetName) -> Result<&Asset> {
        self.assets.get(name).ok_or_else(|| {
            let names: Vec<_> = self.assets.keys().map(AssetName::as_str).collect();
            not_found(format!("no asset is named {name}")).hint(format!("the config names: {}", names.join(", ")))
        })
    }

    /// Returns the assets that a request is about: the named one, or all.
    pub fn selected(&self, name: Option<&AssetName>) -> Result<Vec<&Asset>> {
        match name {
            Some(name) => self.asset(name).map(|asset| vec![asset]),
            None => Ok(self.assets.values().collect()),
        }
    }
}

/// Somebody to tell.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Channel {
    /// A JSON POST to a URL, signed with HMAC-SHA256 when a key is given.
    Webhook {
        /// The URL.
        url: SecretRef,
        /// The signing key.
        signing_key: Option<SecretRef>,
    },
    /// A Slack incoming webhook.
    Slack {
        /// The webhook's URL.
        url: SecretRef,
    },
    /// `PagerDuty` Events v2.
    Pagerduty {
        /// The integration's routing key.
        routing_key: SecretRef,
    },
    /// A topic of Amazon SNS.
    Sns {
        /// The topic.
        topic: Topic,
    },
}

/// Assets that are recovered together, in order.
#[derive(Debug, Clone, Serialize)]
pub struct System {
    /// Which asset is restored after which.
    pub restore_order: Vec<AssetName>,
    /// The recovery set: the database point and the object point that belong together.
    pub set: Option<RecoverySet>,
}

/// A database and the objects that belong to it.
#[derive(Debug, Clone, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverySet {
    /// The database.
    pub database: AssetName,
    /// The bucket.
    pub objects: AssetName,
    /// How far the two points may lie apart.
    pub tolerance: Span,
}
