//! The data path, in constant memory: source → compress → encrypt → digest → parts → bucket, and the same way back.
//!
//! Nothing is stored that was not digested; nothing is handed on as whole that was not compared with its record.

use crate::{
    domain::backup::{Artifact, Compression, Role},
    env::Gauge,
    error::{Result, failed},
    ports::{Bucket, ByteStream},
};
use std::sync::Arc;

/// How bytes are stored.
#[derive(Debug, Clone)]
pub struct Encoding {
    /// How they are compressed.
    pub compression: Compression,
    /// The level; none for the default of the compression.
    pub level: Option<i32>,
    /// Whom they are encrypted to; nobody when empty.
    pub recipients: Arc<Recipients>,
}

/// OpenPGP public keys that exports are encrypted to.
#[derive(Debug, Default)]
pub struct Recipients {}

/// OpenPGP secret keys that open what was encrypted.
#[derive(Debug, Default, Clone)]
pub struct Keys {}

/// Stores a stream under a free key and reads it back: returns only what was seen to be there, byte for byte.
pub async fn store(
    _bucket: &dyn Bucket,
    _key: &str,
    _role: Role,
    _source: ByteStream,
    _encoding: &Encoding,
    _expected: Option<u64>,
    _gauge: &dyn Gauge,
) -> Result<Artifact> {
    Err(failed("the data path is being written"))
}

/// Opens an artifact as it was before compression and encryption. The end of the stream comes only after every stored
/// byte was compared with the record; a difference is a read error of kind `Corrupt` that names object and offset.
pub async fn open(_bucket: Arc<dyn Bucket>, _artifact: &Artifact, _keys: &Keys, _gauge: Arc<dyn Gauge>) -> Result<ByteStream> {
    Err(failed("the data path is being written"))
}

/// Reads back every stored byte of an artifact and compares it with the record.
pub async fn verify(_bucket: &dyn Bucket, _artifact: &Artifact, _gauge: &dyn Gauge) -> Result<()> {
    Err(failed("the data path is being written"))
}
