//! `lastgood.yaml` as it is written: every key that exists, each with the place where it stands.

use super::EvidencePolicy;
use super::notify::{RawAlerts, RawChannel, RawHeartbeat};
use super::{AnalyticsPolicy, AnyOf, BucketExpectations, ExportPolicy, Filesystem, RecoverySet, Retention, SecretRef, SecretsProvider};
use super::{DrillTarget, Expect, Login, Monitors, OwnEvents, Select, SnapshotPolicy, WalPolicy};
use crate::domain::{backup::Form, bytes::Bytes, due::Schedule, place::Place, span::Span};
use crate::id::AssetName;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, path::PathBuf};

/// A key that only some kinds of asset have, with its line.
pub type Key<T> = Option<Spanned<T>>;

/// The Lastgood configuration: what is protected, how well, and how that is proven.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "lastgood.yaml")]
pub struct RawConfig {
    /// Where backups and records are kept: `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///folder`.
    #[schemars(with = "Place")]
    pub vault: Spanned<Place>,
    /// Whom exports are encrypted to.
    pub encryption: Option<RawEncryption>,
    /// How the evidence of drills is signed.
    #[schemars(with = "Option<EvidencePolicy>")]
    pub evidence: Key<EvidencePolicy>,
    /// Who is told.
    #[serde(default)]
    #[schemars(with = "Vec<RawChannel>")]
    pub notify: Vec<Spanned<RawChannel>>,
    /// How often who is told, and how soon somebody should respond.
    pub alerts: Option<RawAlerts>,
    /// A sign of life outside our account after each check.
    pub heartbeat: Option<RawHeartbeat>,
    /// Where numbers go, besides the vault.
    #[serde(default)]
    pub metrics: Monitors,
    /// Where events of our own go.
    pub events: Option<OwnEvents>,
    /// The AWS accounts whose events are believed, besides the one that a function runs in.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("items" = { "type": "string", "pattern": "^[0-9]{12}$" }))]
    pub accounts: Vec<Spanned<String>>,
    /// The base of alert links: a link is this + `#section`.
    pub runbook: Option<String>,
    /// How many bytes all backups together may take in the vault, such as `500GiB`.
    pub quota: Option<Bytes>,
    /// Whether the vault and every vault of copies must have Object Lock.
    pub object_lock: Option<bool>,
    /// How often a schedule wakes the checker: twice that without it is told by whatever else runs. The strictest rpo when not given.
    pub check_every: Option<Span>,
    /// For how long the checker may go by what it saw of an asset while all was well and no function touched its records; every
    /// check looks at everything when not given.
    pub relist_every: Option<Span>,
    /// What holds for every asset that says nothing else.
    #[serde(default)]
    pub defaults: RawDefaults,
    /// Everything that is protected, by name.
    #[schemars(with = "BTreeMap<AssetName, RawAsset>")]
    pub assets: BTreeMap<AssetName, Spanned<RawAsset>>,
    /// Assets that are recovered together, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<AssetName, RawSystem>")]
    pub systems: BTreeMap<AssetName, Spanned<RawSystem>>,
}

/// Whom exports are encrypted to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEncryption {
    /// Files with the recipients' OpenPGP public keys.
    pub openpgp: Vec<PathBuf>,
    /// The secret key that opens them again: only drills and restores need it.
    pub decrypt_with: Option<SecretRef>,
    /// The passphrase of that key.
    pub passphrase: Option<SecretRef>,
}

/// What holds for every asset that says nothing else.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDefaults {
    /// How much data may be lost, in time; 24h when not given.
    pub rpo: Option<Span>,
    /// How long a restore may take, until validated; 4h when not given.
    pub rto: Option<Span>,
    /// What is kept; 7 daily, 4 weekly, 12 monthly when not given.
    #[schemars(with = "Option<Retention>")]
    pub retention: Key<Retention>,
}

/// The kinds of asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawKind {
    /// Any reachable Postgres.
    Postgres,
    /// An RDS instance or Aurora cluster.
    Rds,
    /// A Cloud SQL instance.
    Cloudsql,
    /// A bucket of objects.
    Bucket,
    /// A Redis or Valkey server.
    Redis,
    /// A set of secrets.
    Secrets,
    /// A block volume.
    Volume,
}

/// One thing to protect.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAsset {
    /// What it is.
    pub kind: RawKind,
    /// A reference to its connection URL (postgres, redis), or a bucket's place.
    #[schemars(with = "Option<String>")]
    pub url: Key<String>,
    /// How its database is logged in to (rds).
    #[schemars(with = "Option<Login>")]
    pub login: Key<Login>,
    /// The instance (rds, cloudsql, redis on Memorystore), the replication group or cache cluster (redis on ElastiCache), or the machine all of whose
    /// volumes are one asset (volume).
    #[schemars(with = "Option<String>")]
    pub instance: Key<String>,
    /// Instances and clusters by their tag, instead of one by its name (rds): a fleet.
    #[schemars(with = "Option<Select>")]
    pub select: Key<Select>,
    /// The region (rds, secrets and volume of Amazon's, regional disk of Google's, redis on ElastiCache or Memorystore).
    #[schemars(with = "Option<String>")]
    pub region: Key<String>,
    /// The zone (volume of Google's).
    #[schemars(with = "Option<String>")]
    pub zone: Key<String>,
    /// The project (cloudsql, secrets and volume of Google's, redis on Memorystore).
    #[schemars(with = "Option<String>")]
    pub project: Key<String>,
    /// Who keeps it (secrets, volume, redis on ElastiCache or Memorystore).
    #[schemars(with = "Option<SecretsProvider>")]
    pub provider: Key<SecretsProvider>,
    /// The volume's id; of a disk of Google's its name.
    #[schemars(with = "Option<String>")]
    pub volume: Key<String>,
    /// How the names of its secrets begin (secrets); all that are there when not given.
    #[schemars(with = "Option<String>")]
    pub prefix: Key<String>,
    /// The posture a bucket must have.
    #[schemars(with = "Option<BucketExpectations>")]
    pub expect: Key<BucketExpectations>,
    /// How much data may be lost, in time.
    pub rpo: Option<Span>,
    /// How long a restore may take, until validated.
    pub rto: Option<Span>,
    /// What is kept.
    #[schemars(with = "Option<Retention>")]
    pub retention: Key<Retention>,
    /// How long one backup may take; three times the usual when not given.
    pub max_duration: Option<Span>,
    /// How many bytes its backups may take in the vault, such as `500GiB`.
    pub quota: Option<Bytes>,
    /// How its write-ahead log is archived (postgres).
    #[schemars(with = "Option<WalPolicy>")]
    pub wal: Key<WalPolicy>,
    /// Logical exports.
    #[schemars(with = "Option<ExportPolicy>")]
    pub export: Key<ExportPolicy>,
    /// Snapshots, or base backups.
    #[schemars(with = "Option<SnapshotPolicy>")]
    pub snapshot: Key<SnapshotPolicy>,
    /// Where every backup must exist as well.
    #[serde(default)]
    #[schemars(with = "Vec<RawCopy>")]
    pub copies: Vec<Spanned<RawCopy>>,
    /// How it is proven.
    #[schemars(with = "Option<RawDrill>")]
    pub drill: Key<RawDrill>,
    /// Extracts for analysts (rds): not a backup.
    #[schemars(with = "Option<AnalyticsPolicy>")]
    pub analytics: Key<AnalyticsPolicy>,
}

/// Another place where every backup must exist.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCopy {
    /// Another vault.
    pub vault: Option<Place>,
    /// The class of storage of the artifacts there, as the provider writes it: `GLACIER`, `NEARLINE`, `Cool`. Records stay where
    /// they can be read at once.
    pub storage_class: Option<String>,
    /// Another region of the same provider.
    pub region: Option<String>,
    /// The key to encrypt with there.
    pub kms_key: Option<String>,
    /// The account, when it is another.
    pub account: Option<String>,
}

/// How and when an asset's backups are proven.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDrill {
    /// When.
    pub schedule: Schedule,
    /// Where the replica is made; `scratch` when not given.
    #[serde(default)]
    pub into: DrillTarget,
    /// The place whose copy is restored; the vault itself when not given.
    pub from: Option<Place>,
    /// Which form is drilled.
    pub form: Option<Form>,
    /// Restores no snapshot, but the moment this long before the drill, out of the provider's own continuous backups
    /// (`into: { rds: … }`).
    pub point_in_time: Option<Span>,
    /// Asks the checks of every database, too, that a restore testing plan of AWS Backup restores of this asset, and tells
    /// AWS Backup the verdict (`into: { rds: … }`).
    #[serde(default)]
    pub restore_tests: bool,
    /// How long a drill may take; twice the rto when not given.
    pub timeout: Option<Span>,
    /// What is checked beyond the recorded expectations.
    #[serde(default)]
    #[schemars(with = "Vec<RawCheck>")]
    pub checks: Vec<Spanned<RawCheck>>,
}

/// One question to a replica: `sql`, `table` with `rows` or `newest`, `migration`, `http`, `amcheck` or `filesystem`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCheck {
    /// One SQL question with a single answer; needs `expect`.
    pub sql: Option<String>,
    /// What the answer must be (`sql`), or the body contain (`http`).
    pub expect: Option<String>,
    /// A table; needs `rows` or `newest`.
    pub table: Option<String>,
    /// What its number of rows must be.
    pub rows: Option<Expect>,
    /// The column that dates its rows; needs `within`.
    pub newest: Option<String>,
    /// How old the newest row may be at the backup's data time.
    pub within: Option<Span>,
    /// A migration table; needs `equals_source: true`.
    pub migration: Option<String>,
    /// The head must be the source's.
    pub equals_source: Option<bool>,
    /// An endpoint; needs `expect`.
    pub http: Option<String>,
    /// Checks every index of a physically restored replica.
    pub amcheck: Option<bool>,
    /// The file system that every volume must bear (volumes).
    pub filesystem: Option<AnyOf<Filesystem>>,
}

/// Assets that are recovered together, in order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSystem {
    /// Which asset is restored after which.
    pub restore_order: Vec<AssetName>,
    /// The database point and the object point that belong together.
    pub set: Option<RecoverySet>,
}
