//! `lastgood.yaml`: what is protected, how well, and how that is proven. One source of truth, strict and typed.
//!
//! Reading refuses unknown keys, impossible values and plaintext passwords, and names the key, the line and the fix.

mod asset;
mod bus;
mod cloudsql;
mod convert;
mod drill;
mod ebs;
mod evidence;
mod fault;
mod fleet;
mod google;
mod limits;
mod monitors;
mod notify;
mod policy;
mod project;
mod raw;
mod read;
mod reference;
mod secrets;
mod show;
mod topic;
mod wal;

pub use asset::{Asset, BucketExpectations, DiskAt, Login, SecretsAt, SecretsProvider, Source, Volumes};
pub use bus::{EventBus, OwnEvents};
pub use cloudsql::SqlDrill;
pub use drill::{Check, DrillNetwork, DrillPolicy, DrillTarget, Expect, RdsDrill};
pub use ebs::{AnyOf, Blocks, EbsDrill, Filesystem};
pub use evidence::{EvidencePolicy, PublicKeyFile};
pub use fleet::{Fleet, Select, Tag};
pub use google::DiskDrill;
pub(crate) use google::{is_disk, is_zone};
pub use monitors::{CloudMonitoring, GatewayUrl, Monitors, Pushgateway, Textfile};
pub use notify::{Alerts, Channel, Heartbeat, MailTls, PubsubTopic, Remind, Respond, Ses, Smtp, Way};
pub use policy::{AnalyticsPolicy, Copies, ExportPolicy, Format, Policy, Retention, SnapshotFrom, SnapshotPolicy};
pub use project::ProjectId;
pub use read::remarks;
pub use reference::SecretRef;
pub(crate) use secrets::{is_of_a_name as is_of_a_secrets_name, is_place as is_secrets_place};
pub use topic::{Topic, TopicArn};
pub use wal::{AbsolutePath, Name, PgBackRest, WalG, WalPolicy, WalRepository};

use crate::{
    domain::{bytes::Bytes, place::Place, span::Span},
    error::{Result, invalid, not_found},
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
    /// How the evidence of drills is signed.
    #[serde(skip_serializing_if = "EvidencePolicy::is_empty")]
    pub evidence: EvidencePolicy,
    /// Who is told.
    pub notify: Vec<Channel>,
    /// How often who is told, and how soon somebody should respond.
    pub alerts: Alerts,
    /// The sign of life outside our account.
    pub heartbeat: Option<Heartbeat>,
    /// Where numbers go, besides the vault.
    pub metrics: Monitors,
    /// Where events of our own go; none where nobody waits for them.
    pub events: Option<OwnEvents>,
    /// The AWS accounts whose events are believed, besides the one that a function runs in.
    pub accounts: Vec<String>,
    /// The base of alert links: a link is this + `#section`.
    pub runbook: String,
    /// How many bytes all backups together may take in the vault.
    pub quota: Option<Bytes>,
    /// Whether the vault and every vault of copies must be able to keep objects from being deleted.
    pub object_lock: Option<bool>,
    /// How often a schedule wakes the checker, where that is known.
    pub check_every: Option<Span>,
    /// For how long the checker may go by what it saw of an asset; every check looks at everything when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relist_every: Option<Span>,
    /// Everything that is protected, by name.
    pub assets: BTreeMap<AssetName, Asset>,
    /// What is protected by its tags, by name. Their members are assets once [`crate::fleet::expanded`] has looked.
    pub fleets: BTreeMap<AssetName, Fleet>,
    /// Assets that are recovered together, by name.
    pub systems: BTreeMap<AssetName, System>,
}

impl Config {
    /// Returns an asset by its name.
    pub fn asset(&self, name: &AssetName) -> Result<&Asset> {
        self.assets.get(name).ok_or_else(|| match self.fleets.get(name) {
            Some(fleet) => {
                invalid(format!("{name} is a fleet")).hint(format!("name one of its members: {}", some(fleet.roll.members.keys())))
            }
            None => not_found(format!("no asset is named {name}"))
                .hint(format!("the config names: {}", some(self.assets.keys().chain(self.fleets.keys())))),
        })
    }

    /// Returns the assets that a request is about: the named one, the members of the named fleet, or all.
    pub fn selected(&self, name: Option<&AssetName>) -> Result<Vec<&Asset>> {
        match name {
            Some(name) if self.fleets.contains_key(name) => Ok(self.members(name).collect()),
            Some(name) => self.asset(name).map(|asset| vec![asset]),
            None => Ok(self.assets.values().collect()),
        }
    }

    /// Returns the members of a fleet, former ones as well.
    pub fn members<'a, 'b>(&'a self, fleet: &'b AssetName) -> impl Iterator<Item = &'a Asset> + use<'a, 'b> {
        self.assets.values().filter(move |asset| asset.member.as_ref().is_some_and(|member| member.fleet == *fleet))
    }

    /// Returns the fleets that a request is about: the named one, that of the named member, or all.
    pub fn fleets_of<'a>(&'a self, asked: Option<&'a AssetName>) -> impl Iterator<Item = &'a Fleet> {
        let of_member = asked.and_then(|name| self.assets.get(name)?.member.as_ref()).map(|member| &member.fleet);
        self.fleets.values().filter(move |fleet| asked.is_none_or(|name| *name == fleet.name || of_member == Some(&fleet.name)))
    }

    /// Returns every policy that the config states: of its assets and of its fleets.
    pub fn policies(&self) -> impl Iterator<Item = &Policy> {
        self.assets.values().map(|asset| &asset.policy).chain(self.fleets.values().map(|fleet| &fleet.policy))
    }
}

/// As many names as a person reads.
fn some<'a>(names: impl Iterator<Item = &'a AssetName>) -> String {
    const MANY: usize = 20;
    let mut names: Vec<_> = names.map(AssetName::as_str).collect();
    let more = names.len().saturating_sub(MANY);
    names.truncate(MANY);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    if names.is_empty() { "none".to_owned() } else { format!("{}{more}", names.join(", ")) }
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
