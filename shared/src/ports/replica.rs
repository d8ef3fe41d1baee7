//! Throwaway restores: where a drill restores to, asks its questions and leaves nothing behind.

use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
    },
    error::{Result, unsupported},
};
use async_trait::async_trait;
use std::collections::BTreeMap;

pub use crate::domain::drill::{ReplicaName, Sighting};

/// What is seen of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its name.
    pub name: ReplicaName,
    /// When it must be gone.
    pub expires: Timestamp,
    /// How far it has come; never `Absent`.
    pub sighting: Sighting,
}

/// The answer to one SQL question: column names and text cells, bounded in size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Makes, fills, asks and removes replicas in one place (a scratch server on this machine, a staging server, …).
/// It refuses to touch anything that it did not make.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Begins a replica that can hold a restore of `backup`, fenced before its first start. One of this name that is ours
    /// is adopted; a stranger's is `Kind::Conflict`.
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()>;

    /// Returns what is seen of a replica, or none once it is gone.
    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>>;

    /// Restores `backup` out of `vault` into the replica: globals first, then data, then ANALYZE. Bytes that differ from
    /// their record are `Kind::Corrupt`. Returns the tools that did it, with their versions.
    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>>;

    /// Measures in the replica what was recorded of the source: the same questions, so that the two can be compared.
    async fn measure(&self, name: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations>;

    /// Compares how a replica is set up with how the source was when the provider took the snapshot.
    async fn set_up(&self, name: &ReplicaName, _: &Manifest) -> Result<Vec<CheckResult>> {
        Err(unsupported(format!("how {name} is set up cannot be compared here")))
    }

    /// Says which file systems are recognised on each volume of a replica, by the volume that it stands for.
    async fn filesystems(&self, name: &ReplicaName) -> Result<BTreeMap<String, Vec<String>>> {
        Err(unsupported(format!("{name} has no volume that could be read here")))
    }

    /// Asks one read-only SQL question, under a time limit.
    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows>;

    /// Checks every index and heap of the replica and returns how many objects are damaged.
    async fn amcheck(&self, name: &ReplicaName) -> Result<usize>;

    /// Begins to remove a replica that is ours; one that is gone is a success.
    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()>;

    /// Returns every replica here that is ours.
    async fn replicas(&self) -> Result<Vec<Replica>>;
}
