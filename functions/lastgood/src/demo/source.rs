//! The demo's production: a throwaway Postgres on loopback with a database of lifelike data.

use lastgood_core::{
    error::{During, Result, failed},
    ports::Secret,
    providers::postgres::{
        PgUrl, Tool, Tools,
        account::{self, Account},
        child::{Program, Running},
        connect,
    },
};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

const LIFELIKE: &str = include_str!("lifelike.sql");
/// What one story and its share of the rest takes in a dump, in bytes.
const BYTES_PER_STORY: u64 = 1_640;

/// A running throwaway server. Dropping it stops it.
pub struct Source {
    server: Running,
    _home: tempfile::TempDir,
    url: Secret,
}

impl Source {
    /// Starts a server under a private folder and returns it once it answers.
    pub async fn start(password: &str) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("lastgood-demo-").tempdir().during("making a folder for the demo's server")?;
        let account = account::for_server()?;
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).during("closing the demo's folder")?;
        account::hand_over(home.path(), account)?;
        let data = home.path().join("data");
        let tools = Tools::of_this_machine();
        make(&tools, home.path(), &data, password, account).await?;
        let port = free_port()?;
        let server = tools.newest(Tool::Postgres).await?;
        let running = server
            .program()
            .account(account)
            .folder(home.path())
            .arg("-D")
            .arg(&data)
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .arg("-k")
            .arg(home.path())
            .args(SETTINGS.iter().flat_map(|setting| ["-c", *setting]))
            .spawn()?;
        let url = Secret::new(format!("postgres://postgres:{password}@127.0.0.1:{port}/shop"));
        let source = Self { server: running, _home: home, url };
        source.ready().await?;
        Ok(source)
    }

    /// The URL of its database, with the password.
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// Fills its database with about this much data.
    pub async fn fill(&self, megabytes: u32) -> Result<()> {
        let shop = PgUrl::parse(&self.url)?;
        let admin = connect(&shop.with_database("postgres")).await?;
        admin.batch_execute("create database shop").await.map_err(|error| failed("making the demo's database").because(error))?;
        let stories = (u64::from(megabytes) * 1_000_000 / BYTES_PER_STORY).max(100);
        let sql = LIFELIKE
            .replace(":users", &(stories / 8).max(10).to_string())
            .replace(":orders", &(stories * 2).to_string())
            .replace(":stories", &stories.to_string());
        let client = connect(&shop).await?;
        client.batch_execute("set statement_timeout = 0").await.map_err(|error| failed("filling the demo's database").because(error))?;
        client.batch_execute(&sql).await.map_err(|error| failed("filling the demo's database").because(error))
    }

    async fn ready(&self) -> Result<()> {
        let admin = PgUrl::parse(&self.url)?.with_database("postgres");
        let mut last = None;
        for _ in 0..300 {
            match connect(&admin).await {
                Ok(_) => return Ok(()),
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let error = last.unwrap_or_else(|| failed("it does not answer"));
        Err(error.during("starting the demo's Postgres").hint("see whether `postgres` runs on this machine at all"))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.server.signal(rustix::process::Signal::QUIT);
    }
}

/// A throwaway server need not survive a power cut.
const SETTINGS: &[&str] = &[
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "max_wal_size=4GB",
    "shared_buffers=128MB",
    "maintenance_work_mem=256MB",
    "log_min_messages=fatal",
];

async fn make(tools: &Tools, home: &Path, data: &Path, password: &str, account: Option<Account>) -> Result<()> {
    let file: PathBuf = home.join("password");
    fs::write(&file, password).during("writing the demo's password")?;
    account::hand_over(&file, account)?;
    let initdb: Program = tools.newest(Tool::Initdb).await?.program();
    initdb
        .account(account)
        .folder(home)
        .args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
        .arg(format!("--pwfile={}", file.display()))
        .arg(format!("--pgdata={}", data.display()))
        .run()
        .await
        .map_err(|error| error.during("making the demo's Postgres"))?;
    fs::remove_file(&file).during("removing the demo's password file")
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).during("finding a free port")?;
    Ok(listener.local_addr().during("finding a free port")?.port())
}
