//! What an owner asks for: when, how often, how long kept, where else, how proven.

use super::{AnyOf, DiskDrill, EbsDrill, Filesystem, SecretRef, SqlDrill, WalPolicy};
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

/// How and when an asset's backups are proven.
#[derive(Debug, Clone, Serialize)]
pub struct DrillPolicy {
    /// When.
    pub schedule: Schedule,
    /// Where the replica is made.
    pub into: DrillTarget,
    /// The place whose copy is restored; the vault itself when not given.
    pub from: Option<Place>,
    /// Which form is drilled; by default whichever was drilled longer ago.
    pub form: Option<crate::domain::backup::Form>,
    /// How long before the drill the moment lies that is restored out of the provider's own continuous backups, where no
    /// backup of ours is to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_in_time: Option<Span>,
    /// Whether the policy's checks are asked of what AWS Backup restores to be tested, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub restore_tests: bool,
    /// How long a drill may take before it is torn down.
    pub timeout: Span,
    /// What is checked beyond the recorded expectations.
    pub checks: Vec<Check>,
}

/// Where a replica is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DrillTarget {
    /// A private throwaway server on the machine that runs the drill.
    #[default]
    Scratch,
    /// A database of its own on a running server.
    Server(SecretRef),
    /// A throwaway RDS instance or Aurora cluster.
    Rds(RdsDrill),
    /// A throwaway Cloud SQL instance.
    Cloudsql(SqlDrill),
    /// Throwaway volumes of EBS, which are read and never attached.
    Ebs(EbsDrill),
    /// Throwaway disks of Google's, which are never attached.
    Disk(DiskDrill),
}

/// Where a throwaway RDS instance is made: a network of its own, from which nothing reaches production.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RdsDrill {
    /// The DB subnet group of the drill network.
    pub subnet_group: String,
    /// Its security groups. They let the drill function in, and nothing out.
    pub security_groups: Vec<String>,
    /// The instance class; the source's when not given.
    pub class: Option<String>,
    /// The database that the checks ask; `postgres` when not given.
    pub database: Option<String>,
    /// A file with the certificates of RDS, such as `global-bundle.pem`; the system's when not given.
    pub ca: Option<std::path::PathBuf>,
    /// The subnet group and security groups of other regions, for drills of copies there.
    #[serde(default)]
    pub regions: std::collections::BTreeMap<String, DrillNetwork>,
}

/// The drill network of one more region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillNetwork {
    /// The DB subnet group.
    pub subnet_group: String,
    /// Its security groups.
    pub security_groups: Vec<String>,
}

/// One question to a replica.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Check {
    /// One SQL question whose single answer must satisfy a comparison.
    Sql {
        /// The question.
        sql: String,
        /// What the answer must be.
        expect: Expect,
    },
    /// The number of rows of a table.
    Rows {
        /// The table.
        table: String,
        /// What the number must be.
        rows: Expect,
    },
    /// The newest row of a table is at most this old at the backup's data time.
    Newest {
        /// The table.
        table: String,
        /// The column that dates a row.
        newest: String,
        /// How old.
        within: Span,
    },
    /// The migration head is that of the source when the backup was taken.
    Migration {
        /// The migration table.
        migration: String,
        /// Always true.
        equals_source: bool,
    },
    /// An HTTP endpoint answers with status 200 and a body that contains this.
    Http {
        /// The URL; never of this asset's production.
        http: String,
        /// What the body must contain.
        expect: String,
    },
    /// Every index of the replica is sound (physical restores).
    Amcheck {
        /// Always true.
        amcheck: bool,
    },
    /// Every volume bears a file system of this kind, or of one of these (volumes).
    Filesystem {
        /// Which.
        filesystem: AnyOf<Filesystem>,
    },
}

/// A comparison: `= 5`, `>= 1`, `< 10`, `!= 0`, `= 'text'`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(extend("pattern" = "^(=|!=|<=?|>=?) .+$"))]
pub struct Expect(ExpectParts);

#[derive(Debug, Clone, PartialEq, Eq)]
struct ExpectParts {
    operator: &'static str,
    value: String,
}

impl TryFrom<String> for Expect {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: crate::error::Error| error.sentence())
    }
}

impl std::str::FromStr for Expect {
    type Err = crate::error::Error;

    fn from_str(text: &str) -> crate::error::Result<Self> {
        let trimmed = text.trim();
        let found =
            ["!=", ">=", "<=", "=", ">", "<"].into_iter().find_map(|operator| Some((operator, trimmed.strip_prefix(operator)?.trim())));
        match found {
            Some((operator, value)) if !value.is_empty() => {
                let value = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')).unwrap_or(value).to_owned();
                Ok(Self(ExpectParts { operator, value }))
            }
            _ => Err(crate::error::invalid(format!("{:?} is not a comparison", crate::redact::clip(text, 60)))
                .hint("write an operator and a value, such as \">= 1\", \"= 42\" or \"!= 'draft'\"")),
        }
    }
}

impl From<Expect> for String {
    fn from(expect: Expect) -> Self {
        expect.to_string()
    }
}

impl std::fmt::Display for Expect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.0.operator, self.0.value)
    }
}

impl Expect {
    /// Decides whether an answer satisfies the comparison: as numbers when both are, as text otherwise.
    pub fn holds(&self, answer: &str) -> bool {
        let ExpectParts { operator, value } = &self.0;
        let ordering = match (answer.trim().parse::<f64>(), value.parse::<f64>()) {
            (Ok(answer), Ok(value)) => answer.partial_cmp(&value),
            (Err(_), Err(_)) => Some(answer.cmp(value.as_str())),
            _ if *operator == "!=" => return true,
            _ => None,
        };
        ordering.is_some_and(|ordering| match *operator {
            "=" => ordering.is_eq(),
            "!=" => ordering.is_ne(),
            ">" => ordering.is_gt(),
            ">=" => ordering.is_ge(),
            "<" => ordering.is_lt(),
            _ => ordering.is_le(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_compare_numbers_as_numbers() {
        let holds = |expect: &str, answer: &str| Expect::try_from(expect.to_owned()).unwrap().holds(answer);
        assert!(holds(">= 1", "10"));
        assert!(!holds(">= 9", "10 rows"));
        assert!(holds("= 'ready'", "ready"));
        assert!(holds("!= 0", "x"));
        assert!(!holds("> 10", "9"));
        assert!(Expect::try_from("1".to_owned()).is_err());
    }
}
