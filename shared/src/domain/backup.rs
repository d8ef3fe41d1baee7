//! What a finished backup is: the contents of its manifest.

use super::{held::Held, place::Place};
use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A finished, restorable point of one asset. Every byte it names was read back and digested before this was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The backup's id: derived from asset, function and slot.
    pub id: BackupId,
    /// The asset it is a backup of.
    pub asset: AssetName,
    /// How it was made, and so how it is restored.
    pub method: Method,
    /// The tier it was taken as: the first of a month, of a week, or any other. Retention promotes by itself.
    pub tier: Tier,
    /// When it was due.
    pub slot: Slot,
    /// The moment whose data it holds. Freshness counts from here.
    pub data_time: Timestamp,
    /// When the work began.
    pub started_at: Timestamp,
    /// When the last byte had been read back.
    pub finished_at: Timestamp,
    /// What it was taken from.
    pub source: Origin,
    /// Every stored object, the main one first. None where the provider holds it.
    pub artifacts: Vec<Artifact>,
    /// The provider's snapshot, where that is the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What a restore of it must show.
    pub expectations: Expectations,
    /// The tools that made it, with their versions: `pg_dump` → `15.18`, `lastgood` → `0.1.0`.
    pub tools: BTreeMap<String, String>,
}

impl Manifest {
    /// The bytes that are held for it, by the vault or by the provider.
    pub fn stored_bytes(&self) -> u64 {
        let held = self.held.as_ref().map_or(0, |held| held.bytes);
        held + self.artifacts.iter().map(|artifact| artifact.size).sum::<u64>()
    }

    /// Whether a place is one for it: a region holds snapshots, a vault what is stored in vaults.
    pub fn belongs_at(&self, place: &Place) -> bool {
        place.holds_snapshots() == self.held.is_some()
    }

    /// Its main artifact.
    pub fn main(&self) -> Option<&Artifact> {
        self.artifacts.first()
    }

    /// Whether it is an export or a snapshot.
    pub fn form(&self) -> Form {
        self.method.form()
    }
}

/// The two forms of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A logical copy of the data, held by the vault.
    Export,
    /// A physical copy of the whole server, held by the vault or the provider.
    Snapshot,
}

/// How a backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// `pg_dump -Fc -Z0`, compressed by us; `pg_restore` reads it.
    PgDumpCustom,
    /// `pg_dump -Fp`; `psql` reads it.
    PgDumpPlain,
    /// `pg_dump -Fd -j`, one artifact per file; `pg_restore -j` reads it.
    PgDumpDirectory,
    /// `pg_basebackup -Ft` with its WAL; unpacked, it is a data folder.
    PgBaseBackup,
    /// The RDB file of a Redis, read through to its checksum.
    RedisRdb,
    /// A set of secrets, one JSON line each.
    SecretsJsonl,
    /// A snapshot that the provider makes and holds: of an RDS instance, an Aurora cluster, a volume.
    ProviderSnapshot,
    /// A moment of the provider's own continuous backups. Only drills and restores speak of it: no manifest of it is recorded.
    PointInTime,
}

impl Method {
    /// Whether it makes exports or snapshots.
    pub const fn form(self) -> Form {
        match self {
            Self::PgDumpCustom | Self::PgDumpPlain | Self::PgDumpDirectory | Self::RedisRdb | Self::SecretsJsonl => Form::Export,
            Self::PgBaseBackup | Self::ProviderSnapshot | Self::PointInTime => Form::Snapshot,
        }
    }
}

/// How often such a backup is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Any other.
    Daily,
    /// The first of an ISO week.
    Weekly,
    /// The first of a calendar month.
    Monthly,
}

impl Tier {
    /// The tier as artifact names carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }
}

/// What a backup was taken from. It never holds an address with a password, nor a row of data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `PostgreSQL 15.18`.
    pub server: String,
    /// The server's version as a number: 150018.
    pub server_version_num: u32,
    /// The cluster's system identifier, the same on every physical copy of it.
    pub system_identifier: Option<String>,
    /// `host:port/database`, without user or password.
    pub address: String,
    /// The database's name; none for a whole cluster.
    pub database: Option<String>,
}

/// One stored object of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its key below the vault.
    pub key: String,
    /// What it holds.
    pub role: Role,
    /// Its stored bytes.
    pub size: u64,
    /// SHA-256 of its stored bytes, in hex.
    pub sha256: String,
    /// Checksums of its stored bytes, chunk by chunk, so that damage is found where it is and not only that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Chunks>,
    /// Its bytes before compression and encryption.
    pub plain_size: u64,
    /// How it is compressed.
    pub compression: Compression,
    /// Key ids (hex) that it is encrypted to with OpenPGP; empty when it is not encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
}

/// Checksums of an object's consecutive chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunks {
    /// Bytes of each chunk but the last.
    pub size: u64,
    /// CRC-64/NVME of each chunk, 16 hex digits each, joined: about 2 KB of record for each GiB stored in 8 MiB chunks.
    pub crc64nvme: String,
}

/// What a stored object holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The dump, or the tar of the data folder.
    Data,
    /// One file of a directory dump, under the name `pg_restore` looks for.
    DirectoryFile(String),
    /// The tar of a tablespace other than the default one, by its oid.
    Tablespace(String),
    /// Roles and other globals, as SQL.
    Globals,
    /// One table as CSV, from the same snapshot: `schema.table`.
    TableCsv(String),
    /// The WAL that a base backup needs, as a tar.
    Wal,
    /// Postgres' own backup manifest, for `pg_verifybackup`.
    BackupManifest,
}

/// How stored bytes are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Zstandard, level 1 unless told otherwise: the pipe's bottleneck, so the fastest that is any good.
    #[default]
    Zstd,
    /// Gzip, for people who can open nothing else.
    Gzip,
    /// As it is.
    None,
}

impl Compression {
    /// The ending that names it, with its dot; empty for none.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }
}

/// What was true of the source in the very snapshot that was backed up, and must be true of every restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectations {
    /// `UTF8`.
    pub encoding: Option<String>,
    /// The database's `datcollate`, `datctype`, provider and recorded collation version.
    pub locale: Option<Locale>,
    /// Extension → version.
    pub extensions: BTreeMap<String, String>,
    /// Roles that own or may use something in the database.
    pub roles: Vec<String>,
    /// Migration table → its head, for those that the policy names and the usual ones that exist.
    pub migrations: BTreeMap<String, String>,
    /// `schema.table` → what it held.
    pub tables: BTreeMap<String, TableFacts>,
    /// Number of large objects.
    #[serde(default)]
    pub large_objects: u64,
    /// The WAL position at the end: a restore must have replayed at least to here.
    pub end_lsn: Option<String>,
    /// Number of a database of Redis → what it held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keyspace: BTreeMap<u32, Keys>,
    /// Name of a secret → the version whose value is held; none where it had no value that counted. Never a value, nor a digest
    /// of one: a short value could be guessed from it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Option<String>>,
}

/// What one database of a Redis held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// Its keys.
    pub keys: u64,
    /// Those of them that were to expire: by the time of a restore, some have.
    pub expiring: u64,
}

/// A database's collation, as the source's C library saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// `c` (libc), `i` (ICU) or `b` (built in).
    pub provider: String,
    /// The collation version that the database was created with.
    pub recorded_version: Option<String>,
    /// The collation version that the source's libraries had.
    pub actual_version: Option<String>,
}

/// What one table held.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Its rows.
    pub rows: u64,
    /// An order-independent digest of its rows, where the policy asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}
