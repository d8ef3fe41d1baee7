//! What an owner asks for: when, how often, how long kept, where else, how proven.

use super::{DrillPolicy, WalPolicy};
use crate::domain::{archive::StorageClass, backup::Compression, bytes::Bytes, due::Schedule, place::Place, span::Span};
use serde::{Deserialize, Serialize};

/// What an owner asks for.
#[derive(Debug, Clone, Serialize)]
pub struct Policy {
    /// How much data may be lost, in time.
    pub rpo: Span,
    /// How long a restore may take, until validated.
    pub rto: Span,
    /// What is kept.
    pub retention: Retention,
    /// How long one backup may take.
    pub max_duration: Option<Span>,
    /// How many bytes its backups may take in the vault.
    pub quota: Option<Bytes>,
    /// How its write-ahead log is archived, where that is another program's work.
    pub wal: Option<WalPolicy>,
    /// Logical exports.
    pub export: Option<ExportPolicy>,
    /// Snapshots, or base backups.
    pub snapshot: Option<SnapshotPolicy>,
    /// Where every backup must exist as well.
    pub copies: Vec<Copies>,
    /// How it is proven.
    pub drill: Option<DrillPolicy>,
    /// Extracts for analysts: not a backup.
    pub analytics: Option<AnalyticsPolicy>,
}

impl Retention {
    /// After how many days the first backups are let go: those that stand for a day only, or else for a week or a month only.
    pub const fn soonest_days(self) -> u32 {
        match self {
            Self { daily: 1.., .. } => self.daily,
            Self { weekly: 1.., .. } => self.weekly.saturating_mul(7),
            Self { .. } => self.monthly.saturating_mul(30),
        }
    }
}

/// How many of each tier are kept. A backup is promoted: the first of a week or month that succeeded stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Days of which the newest backup is kept.
    #[serde(default)]
    pub daily: u32,
    /// Weeks of which the first backup is kept.
    #[serde(default)]
    pub weekly: u32,
    /// Months of which the first backup is kept.
    #[serde(default)]
    pub monthly: u32,
}

/// When and how logical exports are made.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExportPolicy {
    /// When.
    pub schedule: Schedule,
    /// The dump's format.
    #[serde(default)]
    pub format: Format,
    /// How it is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// The compression level; by default zstd 1, gzip 6.
    pub level: Option<i32>,
    /// Parallel workers of a directory dump.
    #[serde(default = "two")]
    pub jobs: u8,
    /// Tables stored as CSV as well, from the same snapshot.
    #[serde(default)]
    pub tables_csv: Vec<String>,
    /// Records a digest per table, not just its row count.
    #[serde(default)]
    pub digests: bool,
    /// Has Cloud SQL write the dump itself, as SQL and through a bucket (cloudsql).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offload: bool,
    /// The bucket and prefix that Google writes through, `gs://…` (cloudsql, redis on Memorystore); the vault when not given
    /// (cloudsql). What is written there is removed once it is in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Place>,
    /// The database that Cloud SQL dumps; `postgres` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

const fn two() -> u8 {
    2
}

/// The format of a logical export.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `pg_dump -Fc`: one stream, restored by `pg_restore`.
    #[default]
    Custom,
    /// SQL, restored by `psql`.
    Plain,
    /// `pg_dump -Fd -j`: a file per table, dumped and restored in parallel.
    Directory,
}

/// When and where a provider writes extracts for analysts (Parquet files of a snapshot's tables). No database can be restored
/// from them, so they count as nothing that protects.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnalyticsPolicy {
    /// When.
    pub schedule: Schedule,
    /// Where to: `s3://bucket/folder`, in the asset's own region.
    pub to: Place,
    /// The ARN of the role that the provider writes as.
    pub role: String,
    /// The key that the files are encrypted with; the provider insists on one.
    pub kms_key: String,
    /// Which parts: `database`, `database.schema` or `database.schema.table`; everything when not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
}

/// When snapshots are made.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPolicy {
    /// When.
    pub schedule: Schedule,
    /// How a base backup is compressed.
    #[serde(default)]
    pub compression: Compression,
    /// What a snapshot is made of, where a provider makes it.
    #[serde(default)]
    pub from: SnapshotFrom,
    /// Where Google keeps it: a region, or several (`eu`, `us`, `asia`). Where the instance says, or nearest to the disk, when not
    /// given (cloudsql, volumes of Google's).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Lets the machine write down what it still holds in memory before the moment of the snapshot (volumes of Google's that are
    /// attached to a machine which is set up for it).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guest_flush: bool,
}

/// What a snapshot is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotFrom {
    /// The source itself, now.
    #[default]
    Source,
    /// The newest snapshot that the provider took by itself, which is copied: nothing is asked of the source.
    Automated,
}

/// Another place where every backup must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Copies {
    /// Another vault.
    Vault {
        /// Where it is.
        vault: Place,
        /// The class of storage of the artifacts there; the bucket's own when not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        storage_class: Option<StorageClass>,
    },
    /// Another region of the same provider, for snapshots that the provider holds.
    Region {
        /// The region.
        region: String,
        /// The key to encrypt with there.
        kms_key: Option<String>,
        /// The account, when it is another.
        account: Option<String>,
        /// The same as a place: `aws://region/account`.
        #[serde(skip)]
        place: Place,
    },
}

impl Copies {
    /// Where it is.
    pub const fn place(&self) -> &Place {
        match self {
            Self::Vault { vault, .. } => vault,
            Self::Region { place, .. } => place,
        }
    }

    /// The class of storage that the artifacts there shall have, if it says so.
    pub const fn class(&self) -> Option<StorageClass> {
        match self {
            Self::Vault { storage_class, .. } => *storage_class,
            Self::Region { .. } => None,
        }
    }
}
