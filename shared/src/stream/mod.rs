//! The data path, in constant memory: source → compress → encrypt → digest → parts → bucket, and the same way back.
//!
//! Nothing is stored that was not digested; nothing is handed on as whole that was not compared with its record. Every
//! chunk is compared before its bytes are handed on, the whole before its end is.
//!
//! ```text
//! store   source ─task→ pipe ─thread→ encode → digest → cut ─task→ put_part ×4 → complete → read all of it back
//! open    ranges ×4 ─task→ compare chunk ─thread→ digest → decode → pipe ─task→ reader
//! relay   ranges ×4 ─task→ compare chunk ─thread→ digest → cut ─task→ put_part ×4 → compare → complete → read it back
//! verify  ranges ×4 ─task→ compare chunk ─thread→ digest
//! ```

mod cut;
mod decode;
mod digest;
mod encode;
mod fetch;
mod inspect;
mod lay;
mod open;
mod openpgp;
mod pipe;
mod relay;
mod sidecar;
mod store;
#[cfg(test)]
mod tests;
mod upload;

pub use inspect::{inspect, verify};
pub use lay::{lay_down, unfinished};
pub use open::open;
pub use openpgp::{Keys, Recipients};
pub use relay::{Relayed, relay};
pub use sidecar::digests;
pub use store::store;

use crate::domain::backup::Compression;
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
    /// How many large streams are stored at once, this one among them: they share the cores and the memory.
    pub at_once: usize,
}
