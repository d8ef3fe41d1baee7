//! The real Postgres behind an emulated instance: a master user who is no superuser, one authority for all.

use crate::{
    engine::{Address, Certificates, Frozen, SHIPPING, Socket, Street},
    pg::Cluster,
};
use std::path::PathBuf;

/// The name of an instance's master user. As in RDS it may do much, and is no superuser.
pub const MASTER: &str = "dba";
/// Its password in the source: a canary that must never turn up in a report, a record or a log.
pub const MASTER_PASSWORD: &str = "canary-master-0f2b";

/// Where the servers of RDS live: each at an address of its own, all with one certificate.
#[derive(Debug)]
pub struct Estates {
    /// The certificate, and whose it is.
    pub certificates: Certificates,
    street: Street,
}

impl Estates {
    /// Opens a street and makes a certificate for it.
    pub fn make() -> Self {
        let street = Street::open();
        let houses: Vec<_> = (1..=Street::LONG).map(|house| format!("IP:{}", street.at(house))).collect();
        Self { certificates: Certificates::make("localhost", &houses, "postgres"), street }
    }

    /// Gives a running server an address of its own, at the same port as all others.
    pub fn address(&self, server: &Socket) -> Address {
        self.street.let_out(server.port)
    }

    /// The file with the authority's certificate: what `global-bundle.pem` is for RDS.
    pub fn ca(&self) -> PathBuf {
        self.certificates.ca()
    }

    /// Starts a cluster as an instance is set up, with a master user.
    pub async fn cluster(&self) -> Cluster {
        let cluster = self.certificates.fresh(&SHIPPING).await;
        let master = format!(
            "create role rds_superuser nologin in role pg_monitor, pg_signal_backend, pg_read_all_data, pg_write_all_data;
             create role {MASTER} login createdb createrole password '{MASTER_PASSWORD}' in role rds_superuser;
             alter database postgres owner to {MASTER};"
        );
        cluster.sql("postgres", &master).await;
        cluster
    }

    /// Starts a cluster from frozen data, as a restore does.
    pub async fn restored(&self, frozen: &Frozen) -> Cluster {
        self.certificates.restored(frozen, &[]).await
    }
}
