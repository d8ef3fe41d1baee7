//! The Cloud SQL Admin API, version 1: instances, backups, restores, clones, users, databases, exports and imports.
//!
//! Every call that changes something begins an operation; an instance has one at a time, and whoever comes meanwhile gets a
//! 409. An operation goes on when somebody looks: at it, at its instance, or by running against its lock.

mod backups;
mod fields;
mod instances;
mod listing;
mod operations;
mod restores;
mod retained;
mod routes;
mod settings;
mod transfers;
mod users;

pub(super) use routes::read_call as read;
pub use users::POSTGRES_PASSWORD;

use super::{
    faults::{Faults, Missing, not_authorized},
    wire::{Call, Refusal},
};
use crate::{
    engine::{Certificates, Dated, Street},
    gcs::GcsServer,
    pg::Cluster,
};
use backups::Backup;
use instances::Instance;
use lastgood_core::clock::Timestamp;
use operations::Operation;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::Mutex;

/// Cloud SQL in every project.
pub struct SqlAdmin {
    clock: Arc<dyn Dated>,
    faults: Faults,
    storage: Arc<GcsServer>,
    street: Street,
    state: Mutex<State>,
}

/// What is known of an instance from behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceSeen {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// `RUNNABLE`.
    pub state: &'static str,
    /// The port of the server behind it, if there is one.
    pub port: Option<u16>,
    /// Whether it is protected from deletion.
    pub protected: bool,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What is known of a backup from behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSeen {
    /// Its number as a run.
    pub id: String,
    /// The instance that it is of.
    pub instance: String,
    /// `SUCCESSFUL`.
    pub status: &'static str,
    /// Its description.
    pub description: String,
}

/// A project and the name of an instance in it.
type Key = (String, String);

#[derive(Default)]
struct State {
    instances: BTreeMap<Key, Instance>,
    operations: Vec<Operation>,
    backups: Vec<Backup>,
    /// The names of what was deleted.
    deleted: BTreeSet<Key>,
    /// The certificates of servers that a test started, by their ports.
    certificates: BTreeMap<u16, Arc<Certificates>>,
    made: u64,
}

impl State {
    /// A name that nothing else has, as Google gives them to operations and backups.
    fn unique(&mut self) -> String {
        self.made += 1;
        let digest = hex::encode(Sha256::digest(format!("made {}", self.made)));
        format!("{}-{}-4{}-8{}-{}", &digest[..8], &digest[8..12], &digest[12..15], &digest[15..18], &digest[18..30])
    }
}

impl SqlAdmin {
    /// Nothing runs yet.
    pub fn new(clock: Arc<dyn Dated>, faults: Faults, storage: Arc<GcsServer>) -> Self {
        Self { clock, faults, storage, street: Street::open(), state: Mutex::default() }
    }

    /// Answers a call. One at a time: what it decides on stands still meanwhile.
    pub async fn answer(&self, call: &Call) -> Result<Value, Refusal> {
        let mut state = self.state.lock().await;
        let state = &mut *state;
        match call.api {
            "sql.instances.list" => self.list_instances(state, call).await,
            "sql.instances.get" => self.get_instance(state, call).await,
            "sql.instances.insert" => self.insert_instance(state, call),
            "sql.instances.patch" => self.patch_instance(state, call).await,
            "sql.instances.delete" => self.delete_instance(state, call).await,
            "sql.instances.clone" => self.clone_instance(state, call).await,
            "sql.instances.restoreBackup" => self.restore_backup(state, call).await,
            "sql.instances.export" => self.export(state, call).await,
            "sql.instances.import" => self.import(state, call).await,
            "sql.projects.instances.getLatestRecoveryTime" => self.latest_recovery_time(state, call),
            "sql.backupRuns.list" => self.list_runs(state, call).await,
            "sql.backupRuns.get" => self.get_run(state, call).await,
            "sql.backupRuns.insert" => self.insert_run(state, call).await,
            "sql.backupRuns.delete" => self.delete_run(state, call).await,
            "sql.operations.list" => self.list_operations(state, call).await,
            "sql.operations.get" => self.get_operation(state, call).await,
            "sql.users.list" => self.list_users(state, call).await,
            "sql.users.insert" | "sql.users.update" | "sql.users.delete" => self.change_user(state, call).await,
            "sql.databases.list" => self.list_databases(state, call).await,
            "sql.databases.insert" | "sql.databases.delete" => self.change_database(state, call).await,
            "sql.Backups.ListBackups" => self.list_backups(state, call).await,
            "sql.Backups.GetBackup" => self.get_backup(state, call),
            "sql.Backups.CreateBackup" => self.create_backup(state, call).await,
            "sql.Backups.DeleteBackup" => self.delete_backup(state, call).await,
            other => Err(Refusal::new(501, "notImplemented", format!("{other} is not emulated"))),
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is said of an instance that is not there.
    fn missing(&self) -> Refusal {
        match self.faults.rules_now().missing {
            Missing::NotAuthorized => not_authorized(),
            Missing::NotFound => Refusal::new(404, "instanceDoesNotExist", "The Cloud SQL instance does not exist."),
        }
    }

    /// An instance that is there.
    fn instance<'a>(&self, state: &'a State, key: &Key) -> Result<&'a Instance, Refusal> {
        state.instances.get(key).ok_or_else(|| self.missing())
    }

    /// Starts a server that can stand behind an instance.
    pub async fn cluster(&self) -> Cluster {
        let certificates = Arc::new(certificates("acme:found"));
        let cluster = users::settled(&certificates, POSTGRES_PASSWORD).await;
        self.state.lock().await.certificates.insert(cluster.port(), certificates);
        cluster
    }
}

/// Every instance has an authority of its own, and a certificate that does not name its address.
fn certificates(of: &str) -> Certificates {
    let dns = format!("DNS:{}.0000.europe-west1.sql.goog", &hex::encode(Sha256::digest(of))[..12]);
    Certificates::make(of, &[dns], users::SUPERUSER)
}

/// The instance that a path names.
fn key(call: &Call) -> Key {
    (call.names[0].clone(), call.names.get(1).cloned().unwrap_or_default())
}

/// A moment as Cloud SQL writes it.
fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
