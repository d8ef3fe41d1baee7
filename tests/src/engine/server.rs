//! A running server past the network: freezing its data, shipping its WAL, setting passwords.

use crate::pg::{self, Cluster};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How a server ships its WAL: into a folder beside its data, each segment whole or not at all.
pub const SHIPPING: [(&str, &str); 2] =
    [("archive_mode", "on"), ("archive_command", "mkdir -p ../shipped && cp %p ../shipped/.%f && mv ../shipped/.%f ../shipped/%f")];

/// Data of a server as they were at a moment: nobody writes to them any more.
#[derive(Debug)]
pub struct Frozen(TempDir);

impl Frozen {
    /// The folder.
    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// How many bytes they are.
    pub fn bytes(&self) -> u64 {
        fn below(folder: &Path) -> u64 {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => below(&entry.path()),
                    Ok(metadata) => metadata.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        below(&self.data())
    }
}

/// How a running server is reached past the network.
#[derive(Debug, Clone)]
pub struct Socket {
    folder: PathBuf,
    superuser: &'static str,
    /// Its port.
    pub port: u16,
}

impl Socket {
    /// That of a cluster.
    pub fn of(cluster: &Cluster) -> Self {
        Self { folder: cluster.socket_folder().to_owned(), superuser: cluster.superuser(), port: cluster.port() }
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of its superuser.
    pub fn superuser(&self) -> &'static str {
        self.superuser
    }

    /// Freezes the server's data as they are at this moment.
    pub async fn freeze(&self) -> Frozen {
        let Self { folder, superuser, port } = self.clone();
        tokio::task::spawn_blocking(move || {
            let home = tempfile::Builder::new().prefix("lgsnap-").tempdir().expect("a folder for a snapshot");
            let data = home.path().join("data");
            let output = Command::new(pg::program("pg_basebackup"))
                .args(["-U", superuser, "-X", "stream", "-c", "fast", "--no-sync", "-h"])
                .arg(&folder)
                .args(["-p", &port.to_string(), "-D"])
                .arg(&data)
                .output()
                .expect("pg_basebackup");
            assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
            Frozen(home)
        })
        .await
        .expect("a snapshot")
    }

    /// Whether it ships its WAL.
    pub async fn ships(&self) -> bool {
        self.ask("show archive_mode").await == "on"
    }

    /// Ships all that was written until now, and returns the folder with all that ever was. It ends with a sign of life, as
    /// a cloud writes one: nothing is replayed up to a moment that nothing follows.
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

    /// The first column of what a question answers.
    pub async fn column(&self, sql: &str) -> Vec<String> {
        let client = self.connect().await;
        let answer = client.simple_query(sql).await.expect("an answer");
        let cell = |message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        };
        answer.into_iter().filter_map(cell).collect()
    }

    /// The first cell of what a question answers.
    pub async fn ask(&self, sql: &str) -> String {
        self.column(sql).await.into_iter().next().unwrap_or_default()
    }

    /// Runs SQL that may fail.
    pub async fn run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.connect().await.batch_execute(sql).await
    }

    async fn connect(&self) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user(self.superuser).dbname("postgres");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Sets a role's password.
    pub async fn set_password(&self, role: &str, password: &str) {
        let sql = format!("alter role {} password {}", identifier(role), literal(password));
        self.run(&sql).await.expect("a new password");
    }
}

/// A name in SQL.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in SQL.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
