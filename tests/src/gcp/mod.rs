//! Google for tests, at the level of its protocols and behind one address: Cloud Storage, Cloud SQL and Cloud KMS, harsher
//! than the real ones, with real Postgres behind every instance.
//!
//! What begins takes a few looks to be there; only one thing at a time goes on with an instance, and whoever comes meanwhile is
//! refused; what a restore or a clone makes is a real server with an address of its own, that speaks TLS only under a
//! certificate that no other instance has. A field or a parameter that Google does not know is refused. A test says what goes
//! wrong: see [`Faults`].

pub mod compute;
mod door;
mod faults;
mod kms;
pub mod larder;
pub mod memorystore;
mod sqladmin;
mod wire;
pub mod yard;

pub use crate::engine::Lost;
pub use faults::{Ending, Faults, Missing, Rules};
pub use kms::Kms;
pub use sqladmin::{BackupSeen, InstanceSeen, POSTGRES_PASSWORD};
pub use wire::{Asked, Call, Part, Refusal};

use crate::{engine::Dated, gcs::GcsServer, pg::Cluster};
use door::Behind;
use lastgood_core::{
    clock::SystemClock,
    providers::gcp::{Access, Account, Google},
};
use serde_json::Value;
use sqladmin::SqlAdmin;
use std::{net::SocketAddr, sync::Arc};

/// An emulated Google, gone with the test.
pub struct Gcp {
    address: SocketAddr,
    behind: Arc<Behind>,
    kms: Kms,
}

impl Gcp {
    /// Starts it on the machine's time.
    pub async fn start() -> Self {
        Self::start_at(Arc::new(SystemClock)).await
    }

    /// Starts it on a time of the test's own: what Cloud SQL dates bears that time.
    pub async fn start_at(clock: Arc<dyn Dated>) -> Self {
        Self::start_with(clock, |_, _| Vec::new()).await
    }

    /// The same with more services behind the same door; they are made of what goes wrong, and of Cloud Storage.
    pub async fn start_with(clock: Arc<dyn Dated>, parts: impl FnOnce(&Faults, &Arc<GcsServer>) -> Vec<Arc<dyn Part>>) -> Self {
        let (listener, address) = door::listen().await;
        let (storage, faults) = (Arc::new(GcsServer::behind(address)), Faults::default());
        let sql = SqlAdmin::new(clock, faults.clone(), storage.clone());
        let (mut parts, kms) = (parts(&faults, &storage), Kms::default());
        parts.push(Arc::new(kms.clone()));
        let behind = Arc::new(Behind { parts, storage, sql, faults });
        door::open(listener, behind.clone());
        Self { address, behind, kms }
    }

    /// Where it listens: every service.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How our own adapters reach it.
    pub fn access(&self) -> Access {
        Access { endpoint: Some(self.endpoint()), account: Account::Nobody }
    }

    /// The way to it.
    pub fn google(&self) -> Arc<Google> {
        Arc::new(Google::new(self.access()))
    }

    /// Asks it past our own code, as somebody with curl would: `GET`, `/v1/projects/acme/instances`. What this asks counts, and
    /// meets its fate, as every call does.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        door::ask(self.address, method, path, body).await
    }

    /// What goes wrong, and what was called.
    pub fn faults(&self) -> &Faults {
        &self.behind.faults
    }

    /// How many calls of a method came: `sql.backupRuns.insert`.
    pub fn calls(&self, api: &str) -> usize {
        self.faults().calls(api)
    }

    /// Its Cloud Storage, from behind. It begins with one bucket, `vault-test`.
    pub fn storage(&self) -> &GcsServer {
        &self.behind.storage
    }

    /// Its Cloud KMS, from behind.
    pub fn kms(&self) -> &Kms {
        &self.kms
    }

    /// Starts a server that can stand behind an instance: see [`Gcp::database`].
    pub async fn cluster(&self) -> Cluster {
        self.behind.sql.cluster().await
    }

    /// Makes a protected, private instance in front of a running server, which it does not own: it is backed up daily, keeps
    /// its logs for a week and its backups after its end. It is there at once.
    pub async fn database(&self, cluster: &Cluster, project: &str, name: &str, region: &str) {
        self.behind.sql.found(cluster, project, name, region).await;
    }

    /// Changes an instance as somebody in the console would, at once: a merge patch of its description.
    pub async fn change(&self, project: &str, name: &str, patch: &Value) {
        self.behind.sql.change(project, name, patch).await;
    }

    /// Lets an instance be in a state for good: `SUSPENDED`.
    pub async fn state(&self, project: &str, name: &str, state: &'static str) {
        self.behind.sql.set_state(project, name, state).await;
    }

    /// Lets Cloud SQL take a backup of an instance by itself, as in its backup window: it is there at once. Returns its id.
    pub async fn takes_by_itself(&self, project: &str, name: &str) -> String {
        self.behind.sql.takes_by_itself(project, name).await
    }

    /// Lets Cloud SQL do something by itself that locks an instance, for as many looks as operations run now: `MAINTENANCE`.
    pub async fn begins_by_itself(&self, project: &str, name: &str, operation: &'static str) {
        self.behind.sql.begins_by_itself(project, name, operation).await;
    }

    /// The backups of a project, the newest first: all that is there, of whatever instance.
    pub async fn backups(&self, project: &str) -> Vec<BackupSeen> {
        self.behind.sql.backups_seen(project).await
    }

    /// What runs in a project.
    pub async fn instances(&self, project: &str) -> Vec<InstanceSeen> {
        self.behind.sql.seen(project).await
    }
}
