//! A provider that keeps snapshots of an asset itself: RDS, Aurora, EBS, Cloud SQL.

use crate::{
    domain::{
        continuous::Continuous,
        held::{Held, Label, SnapshotName, SnapshotSeen},
        place::Place,
        posture::Posture,
    },
    error::{Result, unsupported},
};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt::Debug};

/// What is seen of the asset that snapshots are taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSeen {
    /// Whether a snapshot can begin.
    pub readiness: Readiness,
    /// `host:port`, if it has an address; never with a user or a password.
    pub address: String,
    /// The provider's name of it that never passes to another: a resource id.
    pub identity: String,
    /// How it is set up, as a restore would have to bring it back.
    pub settings: BTreeMap<String, serde_json::Value>,
}

/// Whether a snapshot can begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Now.
    Ready,
    /// Later: what it is busy with (`backing-up`, `modifying`).
    Busy(String),
    /// Not before somebody mends it (`failed`, `stopped`).
    Unfit(String),
}

/// The snapshots of one asset at one place of its provider. `begin_*` starts and returns at once; nouns observe.
///
/// It touches nothing whose tags do not say that it is ours. What comes out is final for this invocation, with
/// `Kind::Retry` where a later one may fare better.
#[async_trait]
pub trait Snapshots: Debug + Send + Sync {
    /// Where this is: `aws://eu-west-1`.
    fn place(&self) -> &Place;

    /// Looks at the asset itself. Only at its own place.
    async fn source(&self) -> Result<SourceSeen>;

    /// Looks at how the provider keeps the asset. Only at its own place; none where there is nothing to look at.
    async fn posture(&self) -> Result<Option<Posture>> {
        Ok(None)
    }

    /// Looks at the provider's own continuous backups of the asset. Only at its own place; none where it keeps none, or has
    /// none to offer yet.
    async fn continuous(&self) -> Result<Option<Continuous>> {
        Ok(None)
    }

    /// Begins a snapshot. One of this name that bears this label is adopted; a stranger's is `Kind::Conflict`; a source
    /// that is busy is `Kind::Retry`; a full quota is `Kind::NoSpace`.
    async fn begin_snapshot(&self, label: &Label) -> Result<()>;

    /// Returns the newest complete snapshot of the asset that the provider took by itself; none where it holds none.
    async fn automated(&self) -> Result<Option<SnapshotSeen>> {
        Err(unsupported(format!("no provider takes snapshots by itself at {}", self.place())))
    }

    /// Begins to keep a snapshot that the provider took by itself, under a name of ours. The same rules as for a new one.
    async fn begin_keeping(&self, _: &Label, of: &Held) -> Result<()> {
        Err(unsupported(format!("{} cannot be kept at {}", of.name, self.place())))
    }

    /// Begins to copy a snapshot that is held elsewhere to here, under the key that the policy names for this place. The
    /// same rules as for a new one; more copies at once than the provider allows are `Kind::Retry`.
    async fn begin_copy(&self, label: &Label, of: &Held) -> Result<()>;

    /// Returns what is seen of a snapshot here, or none where there is none.
    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>>;

    /// Returns every snapshot of this asset here that is ours.
    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>>;

    /// Begins to remove a snapshot that is ours; one that is gone is a success, a stranger's `Kind::Refused`.
    async fn begin_removal(&self, name: &SnapshotName) -> Result<()>;
}
