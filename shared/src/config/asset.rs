//! One thing to protect.

use super::{Policy, SecretRef};
use crate::{
    domain::{
        fleet::{Membership, Standing},
        place::Place,
        span::Span,
    },
    id::AssetName,
};
use serde::{Deserialize, Serialize};

/// One thing to protect, and what its owner asks for.
#[derive(Debug, Clone, Serialize)]
pub struct Asset {
    /// Its name.
    pub name: AssetName,
    /// What it is and where.
    #[serde(flatten)]
    pub source: Source,
    /// What its owner asks for.
    #[serde(flatten)]
    pub policy: Policy,
    /// The fleet that it belongs to, where no line of its own names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<Membership>,
}

impl Asset {
    /// Whether the config asks for it now, as far as is known: by a line of its own, or by its tags.
    pub fn is_kept_now(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.standing == Standing::Selected)
    }

    /// Whether it was a member of a fleet and is none any more: nothing is taken of it, and what was taken stays.
    pub fn has_left(&self) -> bool {
        self.member.as_ref().is_some_and(|member| member.standing.has_left())
    }
}

/// What an asset is and where.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// Any reachable Postgres.
    Postgres {
        /// Its connection URL.
        url: SecretRef,
    },
    /// An RDS instance or Aurora cluster.
    Rds {
        /// Its identifier.
        instance: String,
        /// Its region.
        region: String,
        /// Its region as a place: where its own snapshots are held.
        #[serde(skip)]
        place: Place,
        /// The URL of one of its databases, for logical exports of it.
        url: Option<SecretRef>,
        /// How that database is logged in to.
        login: Login,
    },
    /// A Cloud SQL instance.
    Cloudsql {
        /// Its project.
        project: String,
        /// Its name.
        instance: String,
        /// Its project as a place: where its own backups are held.
        #[serde(skip)]
        place: Place,
        /// The URL of one of its databases, for logical exports of it.
        url: Option<SecretRef>,
    },
    /// A bucket of objects.
    Bucket {
        /// Where it is.
        url: Place,
        /// The posture it must have.
        expect: Option<BucketExpectations>,
    },
    /// A Redis or Valkey server.
    Redis {
        /// Its connection URL.
        url: SecretRef,
    },
    /// A Redis or Valkey of ElastiCache: a replication group or a cache cluster, which of the two is found out.
    #[serde(rename = "redis")]
    Elasticache {
        /// Always Amazon.
        provider: SecretsProvider,
        /// Its identifier.
        instance: String,
        /// Its region.
        region: String,
        /// Its region as a place: where its snapshots are held.
        #[serde(skip)]
        place: Place,
    },
    /// A Redis of Memorystore.
    #[serde(rename = "redis")]
    Memorystore {
        /// Always Google.
        provider: SecretsProvider,
        /// Its project.
        project: String,
        /// Its region.
        region: String,
        /// Its name.
        instance: String,
    },
    /// A set of secrets.
    Secrets {
        /// Who keeps them.
        provider: SecretsProvider,
        /// Where.
        #[serde(flatten)]
        at: SecretsAt,
        /// How the names of those that belong to it begin; all of them when not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
    },
    /// A disk of Google's: a Persistent Disk or a Hyperdisk.
    #[serde(rename = "volume")]
    Disk {
        /// Always Google.
        provider: SecretsProvider,
        /// Its project.
        project: String,
        /// Its name.
        volume: String,
        /// Where it is.
        #[serde(flatten)]
        at: DiskAt,
        /// Its project as a place: where its snapshots are held.
        #[serde(skip)]
        place: Place,
    },
    /// A block volume of EBS, or all of an instance's.
    Volume {
        /// Always Amazon.
        provider: SecretsProvider,
        /// Which.
        #[serde(flatten)]
        of: Volumes,
        /// Its region.
        region: String,
        /// Its region as a place: its snapshots are held there.
        #[serde(skip)]
        place: Place,
    },
}

/// Which block volumes are one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Volumes {
    /// One of its own.
    One {
        /// Its id.
        volume: String,
    },
    /// Every one that is attached to an instance, taken at one moment.
    Attached {
        /// The instance's id.
        instance: String,
    },
}

/// Where a disk of Google's is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskAt {
    /// In one zone.
    Zone(String),
    /// In two zones of a region at once.
    Region(String),
}

/// Where a set of secrets is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsAt {
    /// In a project of Google's.
    Project(String),
    /// In a region of Amazon's, in the account that this runs in.
    Region(String),
}

impl Source {
    /// Where its provider holds snapshots of it; none where the vault holds them.
    pub const fn home(&self) -> Option<&Place> {
        match self {
            Self::Rds { place, .. }
            | Self::Cloudsql { place, .. }
            | Self::Elasticache { place, .. }
            | Self::Disk { place, .. }
            | Self::Volume { place, .. } => Some(place),
            Self::Postgres { .. } | Self::Bucket { .. } | Self::Redis { .. } | Self::Memorystore { .. } | Self::Secrets { .. } => None,
        }
    }

    /// The connection URL of its database, where it is or has one that can be reached.
    pub const fn database(&self) -> Option<&SecretRef> {
        match self {
            Self::Postgres { url } => Some(url),
            Self::Rds { url, .. } | Self::Cloudsql { url, .. } => url.as_ref(),
            Self::Bucket { .. }
            | Self::Redis { .. }
            | Self::Elasticache { .. }
            | Self::Memorystore { .. }
            | Self::Secrets { .. }
            | Self::Disk { .. }
            | Self::Volume { .. } => None,
        }
    }

    /// The identifier of the RDS instance or cluster that it is.
    pub fn instance(&self) -> Option<&str> {
        match self {
            Self::Rds { instance, .. } => Some(instance),
            Self::Postgres { .. }
            | Self::Cloudsql { .. }
            | Self::Bucket { .. }
            | Self::Redis { .. }
            | Self::Elasticache { .. }
            | Self::Memorystore { .. }
            | Self::Secrets { .. }
            | Self::Disk { .. }
            | Self::Volume { .. } => None,
        }
    }

    /// The kind as the config writes it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgres",
            Self::Rds { .. } => "rds",
            Self::Cloudsql { .. } => "cloudsql",
            Self::Bucket { .. } => "bucket",
            Self::Redis { .. } | Self::Elasticache { .. } | Self::Memorystore { .. } => "redis",
            Self::Secrets { .. } => "secrets",
            Self::Disk { .. } | Self::Volume { .. } => "volume",
        }
    }
}

/// How a database is logged in to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// With the password in its `url`, or none.
    #[default]
    Password,
    /// With tokens of IAM, each of which holds for 15 minutes: nobody keeps a password.
    Iam,
}

/// Who keeps a set of secrets or a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretsProvider {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
}

/// The posture that a bucket must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BucketExpectations {
    /// Whether versioning must be on.
    pub versioning: Option<bool>,
    /// Whether it must be able to keep objects from being deleted.
    pub object_lock: Option<bool>,
    /// For how many days noncurrent versions must be kept.
    pub noncurrent_days: Option<u32>,
    /// How old its newest copy may be.
    pub fresh_within: Option<Span>,
}
