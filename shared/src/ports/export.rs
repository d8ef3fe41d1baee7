//! A source of backup streams: a logical dump or a base backup of one asset.

use crate::{
    clock::Timestamp,
    domain::backup::{Expectations, Method, Origin, Role},
    error::Result,
    ports::ByteStream,
};
use async_trait::async_trait;
use std::{collections::BTreeMap, path::PathBuf};

/// What is asked of an exporter, from the asset's policy.
#[derive(Debug, Clone)]
pub struct Ask {
    /// How to make it.
    pub method: Method,
    /// Parallel workers, for methods that have them.
    pub jobs: usize,
    /// Tables to store as CSV beside it, `schema.table` or `table`.
    pub tables_csv: Vec<String>,
    /// Whether to record a digest for every table, not just its row count.
    pub digests: bool,
    /// Migration tables that the policy's checks name.
    pub migrations: Vec<String>,
    /// A private folder for spooling, emptied by the caller.
    pub spool: PathBuf,
}

/// What a preflight found out.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// What would be dumped.
    pub origin: Origin,
    /// A rough upper bound of the stored size, in bytes.
    pub expected_size: u64,
}

/// One stream to store.
pub struct Piece {
    /// What it holds.
    pub role: Role,
    /// The ending that its artifact gets before that of compression: `.dump`, `.sql`, `.globals.sql`.
    pub ending: String,
    /// A rough upper bound of its size, where known.
    pub expected_size: Option<u64>,
    /// Its bytes. The end comes only after the producing tool was seen to succeed; any failure of it is a read error.
    pub bytes: ByteStream,
}

/// What is known once every stream has ended well.
#[derive(Debug, Clone)]
pub struct Facts {
    /// What it was taken from.
    pub origin: Origin,
    /// The moment of the snapshot.
    pub data_time: Timestamp,
    /// What a restore must show.
    pub expectations: Expectations,
    /// Tool → version.
    pub tools: BTreeMap<String, String>,
}

/// Makes dumps of one asset.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// Checks everything that must hold before a dump begins and names all that is missing. Changes nothing.
    async fn preflight(&self, ask: &Ask) -> Result<Preflight>;

    /// Begins one dump from one consistent snapshot.
    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>>;
}

/// One dump under way. Dropping it kills whatever produces it and closes its connections.
#[async_trait]
pub trait Dump: Send {
    /// Returns the next stream, or none when there are no more. The first is the main one; earlier ones may still be
    /// being read when the next is asked for.
    async fn next(&mut self) -> Result<Option<Piece>>;

    /// Ends the dump after every stream was read to its end and returns what is known of it.
    async fn finish(self: Box<Self>) -> Result<Facts>;
}
