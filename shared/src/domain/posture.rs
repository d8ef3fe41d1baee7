//! How an asset's provider is set to keep it: what a restore depends on that no backup of ours shows.

mod bucket;

pub use bucket::{BucketPosture, Encryption, Expiry, Exposure, Lifecycle, Lock};

use crate::clock::Timestamp;

/// How a managed database is kept. What could not be learned is none, never a zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Posture {
    /// For how many days the provider keeps backups of its own; 0 is: it keeps none, and no moment can be restored.
    pub retention_days: Option<u32>,
    /// The latest moment that could be restored.
    pub restorable_to: Option<Timestamp>,
    /// What it keeps for moments between two backups, where it keeps that apart from them.
    pub moments: Option<Moments>,
    /// Whether it is protected from being deleted.
    pub protected: Option<bool>,
    /// Whether the provider's backups of it stay when it is deleted.
    pub outlives: Option<bool>,
    /// The one region that both it and its newest backup lie in.
    pub beside: Option<String>,
    /// Whether anybody on the internet may knock at it.
    pub public: Option<bool>,
    /// Whether it may be spoken to without encryption.
    pub plaintext: Option<bool>,
    /// The key that its data and snapshots are encrypted with.
    pub key: Option<KeySeen>,
    /// How many snapshots of one's own the provider allows here.
    pub snapshots: Option<Quota>,
    /// What else endangers it, one sentence each.
    pub besides: Vec<String>,
}

/// What a provider keeps of a database's log, out of which it brings back any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moments {
    /// Nothing.
    Off,
    /// As much as it is told to.
    Kept {
        /// For how many days.
        days: Option<u32>,
        /// The earliest moment that could be restored.
        from: Option<Timestamp>,
        /// Since when the database has been there: nothing reaches further back.
        since: Option<Timestamp>,
    },
}

/// A key as its keeper describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySeen {
    /// Its name.
    pub name: String,
    /// Why nothing can be decrypted with it; none where it can be used.
    pub unusable: Option<String>,
}

/// How much of something may be had, and how much of it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How much is taken.
    pub used: u64,
    /// How much there may be.
    pub most: u64,
}

impl Quota {
    /// Whether so much is taken that the end is near: four fifths.
    pub const fn is_near(self) -> bool {
        self.most > 0 && self.used * 5 >= self.most * 4
    }
}

/// How much room a place has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it, in bytes.
    pub size: u64,
    /// What is left for us, in bytes.
    pub free: u64,
}
