//! A provider that writes a snapshot's tables as files for analysts.

use crate::{
    config::AnalyticsPolicy,
    domain::held::{Held, SnapshotName},
    error::Result,
};
use async_trait::async_trait;
use std::fmt::Debug;

/// The extracts of one asset. They have names of their own, derived as those of snapshots are.
#[async_trait]
pub trait Extracts: Debug + Send + Sync {
    /// Begins an extract of a snapshot. One of this name from this snapshot is adopted.
    async fn begin_extract(&self, name: &SnapshotName, of: &Held, policy: &AnalyticsPolicy) -> Result<()>;

    /// Returns what is seen of an extract, or none where there is none.
    async fn extract(&self, name: &SnapshotName) -> Result<Option<ExtractSeen>>;
}

/// An extract, as its provider shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractSeen {
    /// The snapshot that it is made from.
    pub of: String,
    /// How far it is.
    pub state: ExtractState,
}

/// How far an extract is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtractState {
    /// The provider is at work.
    Pending {
        /// How far, if it says so.
        percent: Option<u8>,
    },
    /// It is complete.
    Complete {
        /// How many bytes of tables went into it.
        bytes: u64,
    },
    /// The provider gave it up.
    Failed(String),
}
