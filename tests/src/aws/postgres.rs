//! The real Postgres behind an emulated instance: TLS only, a master user who is no superuser, data that can be frozen.

use super::street::{Address, Street};
use crate::pg::{self, Cluster};
use lastgood_core::clock::Timestamp;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The name of an instance's master user. As in RDS it may do much, and is no superuser.
pub const MASTER: &str = "dba";
/// Its password in the source: a canary that must never turn up in a report, a record or a log.
pub const MASTER_PASSWORD: &str = "canary-master-0f2b";

/// Who is let in, as an instance with `rds.force_ssl` does it: from the network only over TLS with a password.
const ACCESS: &str = "local all all trust\nlocal replication all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";

/// How a server ships its WAL: into a folder beside its data, each segment whole or not at all.
const SHIPPING: [(&str, &str); 2] =
    [("archive_mode", "on"), ("archive_command", "mkdir -p ../shipped && cp %p ../shipped/.%f && mv ../shipped/.%f ../shipped/%f")];

/// A certificate authority of this test's own, and a certificate for servers on this machine.
#[derive(Debug)]
pub struct Certificates {
    home: TempDir,
    street: Street,
}

impl Certificates {
    /// Makes them.
    pub fn make() -> Self {
        let home = tempfile::Builder::new().prefix("lgtls-").tempdir().expect("a folder for certificates");
        let folder = home.path();
        let street = Street::open();
        let houses: Vec<_> = (1..=Street::LONG).map(|house| format!("IP:{}", street.at(house))).collect();
        let names = format!("basicConstraints=CA:FALSE\nsubjectAltName={}\nextendedKeyUsage=serverAuth\n", houses.join(","));
        std::fs::write(folder.join("names"), names).expect("the certificate's names");
        std::fs::write(folder.join("access"), ACCESS).expect("who is let in");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(folder, &format!("req -x509 {key} -days 2 -subj /CN=ours -keyout ca.key -out ca.pem"));
        openssl(folder, &format!("req {key} -subj /CN=localhost -keyout server.key -out server.csr"));
        openssl(folder, "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem");
        std::fs::set_permissions(folder.join("server.key"), std::fs::Permissions::from_mode(0o600)).expect("permissions");
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        pg::give_away(folder);
        Self { home, street }
    }

    /// Gives a running server an address of its own, at the same port as all others.
    pub fn address(&self, server: &Socket) -> Address {
        self.street.let_out(server.port)
    }

    /// The file with the authority's certificate: what `global-bundle.pem` is for RDS.
    pub fn ca(&self) -> PathBuf {
        self.home.path().join("ca.pem")
    }

    fn settings(&self) -> [(&'static str, String); 4] {
        let at = |name: &str| self.home.path().join(name).display().to_string();
        [("ssl", "on".to_owned()), ("ssl_cert_file", at("server.pem")), ("ssl_key_file", at("server.key")), ("hba_file", at("access"))]
    }

    /// Starts a cluster as an instance is set up, with a master user.
    pub async fn cluster(&self) -> Cluster {
        let settings = self.settings();
        let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.extend(SHIPPING);
        let cluster = Cluster::start_fresh(&settings).await;
        let master = format!(
            "create role rds_superuser nologin in role pg_monitor, pg_signal_backend, pg_read_all_data, pg_write_all_data;
             create role {MASTER} login createdb createrole password '{MASTER_PASSWORD}' in role rds_superuser;
             alter database postgres owner to {MASTER};"
        );
        cluster.sql("postgres", &master).await;
        cluster
    }

    /// Starts a cluster from frozen data, as a restore does.
    pub async fn restored(&self, frozen: &Path) -> Cluster {
        let settings = self.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Cluster::start_from(frozen, &settings).await
    }

    /// Starts a cluster from frozen data and the WAL that was shipped since, replayed up to a moment of the machine's clock.
    /// It lets nobody in before it is there.
    pub async fn restored_to(&self, frozen: &Path, shipped: &Path, until: Timestamp) -> Cluster {
        std::fs::write(frozen.join("recovery.signal"), "").expect("a signal to recover");
        let recovery = [
            ("restore_command", format!("cp {}/%f %p", shipped.display())),
            ("recovery_target_time", until.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()),
            ("recovery_target_action", "promote".to_owned()),
            ("hot_standby", "off".to_owned()),
        ];
        let settings: Vec<_> = self.settings().into_iter().chain(recovery).collect();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Cluster::start_from(frozen, &settings).await
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().expect("openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// How a running server is reached past the network.
#[derive(Debug, Clone)]
pub struct Socket {
    folder: PathBuf,
    /// Its port.
    pub port: u16,
}

impl Socket {
    /// That of a cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self { folder: cluster.socket_folder().to_owned(), port: cluster.port() }
    }

    /// Freezes the server's data as they are at this moment: a folder that nobody writes to any more.
    pub async fn freeze(&self) -> TempDir {
        let Self { folder, port } = self.clone();
        tokio::task::spawn_blocking(move || {
            let home = tempfile::Builder::new().prefix("lgsnap-").tempdir().expect("a folder for a snapshot");
            let data = home.path().join("data");
            let output = Command::new(pg::program("pg_basebackup"))
                .args(["-U", "postgres", "-X", "stream", "-c", "fast", "--no-sync", "-h"])
                .arg(&folder)
                .args(["-p", &port.to_string(), "-D"])
                .arg(&data)
                .output()
                .expect("pg_basebackup");
            assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
            home
        })
        .await
        .expect("a snapshot")
    }

    /// Whether it ships its WAL.
    pub async fn ships(&self) -> bool {
        self.ask("show archive_mode").await == "on"
    }

    /// Ships all that was written until now, and returns the folder with all that ever was. It ends with a sign of life, as
    /// RDS writes one: nothing is replayed up to a moment that nothing follows.
    pub async fn ship(&self) -> PathBuf {
        self.ask("select pg_current_xact_id()").await;
        let segment = self.ask("select pg_walfile_name(pg_switch_wal())").await;
        let shipped = self.folder.join("shipped");
        let end = Instant::now() + Duration::from_secs(30);
        while !shipped.join(&segment).exists() {
            assert!(Instant::now() < end, "{segment} was not shipped");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shipped
    }

    async fn ask(&self, sql: &str) -> String {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let answer = client.simple_query(sql).await.expect("an answer");
        let cell = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        answer.into_iter().find_map(cell).unwrap_or_default()
    }

    /// Sets a role's password.
    pub async fn set_password(&self, role: &str, password: &str) {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname("postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let quoted = password.replace('\'', "''");
        client.batch_execute(&format!("alter role {role} password '{quoted}'")).await.expect("a new password");
    }
}
