//! What a key closed while it was good, and when it was last seen to open it again.

use super::Record;
use crate::{clock::Timestamp, domain::place::Place};
use serde::{Deserialize, Serialize};

/// The proof that a key still opens what it once closed. The bytes are ours and worth nothing to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Where the key is.
    pub place: Place,
    /// Its name.
    pub key: String,
    /// What it closed, in base64.
    pub closed: String,
    /// When it closed it.
    pub closed_at: Timestamp,
    /// When it was last seen to open it.
    pub opened_at: Timestamp,
}

impl Record for Opened {
    const NAME: &'static str = "opened";
}
