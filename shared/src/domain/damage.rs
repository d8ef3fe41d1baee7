//! What is wrong with a stored object, and where.

use crate::error::{Error, corrupt, not_found};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a stored object differs from its record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "damage", rename_all = "kebab-case")]
pub enum Damage {
    /// It is not there.
    Missing {
        /// Its key.
        object: String,
    },
    /// It has another size.
    Size {
        /// Its key.
        object: String,
        /// The size in the record.
        recorded: u64,
        /// The size in the store.
        found: u64,
    },
    /// The provider that holds it no longer shows what was recorded.
    Held {
        /// The snapshot's name.
        object: String,
        /// What it shows instead.
        why: String,
    },
    /// Its bytes are others.
    Bytes {
        /// Its key.
        object: String,
        /// The first byte of the chunk that differs; none where the record has a digest of the whole only.
        offset: Option<u64>,
        /// The bytes of that chunk, or of the whole.
        length: u64,
    },
}

impl Damage {
    /// The object that is damaged.
    pub fn object(&self) -> &str {
        match self {
            Self::Missing { object } | Self::Size { object, .. } | Self::Held { object, .. } | Self::Bytes { object, .. } => object,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { object } => write!(f, "{object} is missing"),
            Self::Size { object, recorded, found } => {
                write!(f, "{object} has {found} bytes instead of {recorded}: damaged from offset {} on", recorded.min(found))
            }
            Self::Held { why, .. } => f.write_str(why),
            Self::Bytes { object, offset: Some(offset), length } => {
                write!(f, "{object} is damaged at offset {offset}, within {length} bytes from there")
            }
            Self::Bytes { object, offset: None, length } => write!(f, "{object} is damaged somewhere in its {length} bytes"),
        }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        let error = match &damage {
            Damage::Missing { .. } => not_found(damage.to_string()),
            Damage::Size { .. } | Damage::Held { .. } | Damage::Bytes { .. } => corrupt(damage.to_string()),
        };
        error.hint("restore another backup, or this one from a copy; keep the damaged object for the inquiry")
    }
}
