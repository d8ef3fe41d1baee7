//! Real Postgres for tests: a private cluster per test, ready in well under a second, gone with it even on a panic.
//!
//! A cluster has its own data folder and socket in a temporary folder, runs under an unprivileged account when the test
//! runs as root, listens on a free loopback port with scram passwords, and never syncs: it is thrown away.

pub mod lifelike;

use std::{
    ffi::OsStr,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Rows of text cells; `None` is NULL.
pub type Cells = Vec<Vec<Option<String>>>;

/// The superuser's password: a canary that must never turn up in a report, a record, an argument list or a log.
pub const PASSWORD: &str = "canary-p@ss:w/rd%21";

/// A running Postgres server of this test's own.
#[derive(Debug)]
pub struct Cluster {
    home: TempDir,
    superuser: &'static str,
    port: u16,
    postmaster: Child,
    settings: Vec<String>,
}

/// The superuser, where nothing else is said.
const SUPERUSER: &str = "postgres";

impl Cluster {
    /// Starts a cluster.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a cluster with settings of its own, such as `("archive_mode", "on")`.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let home = home();
        copy_template(&template(), &home.path().join("data"));
        Self::launch(home, SUPERUSER, settings).await
    }

    /// Starts a cluster with an identity of its own: all others are copies of one template, and so one system to Postgres.
    pub async fn start_unlike() -> Self {
        Self::start_fresh(&[]).await
    }

    /// Starts a cluster fresh from `initdb`, with settings of its own.
    pub async fn start_fresh(settings: &[(&str, &str)]) -> Self {
        Self::start_fresh_under(SUPERUSER, settings).await
    }

    /// The same under a superuser of another name.
    pub async fn start_fresh_under(superuser: &'static str, settings: &[(&str, &str)]) -> Self {
        let home = home();
        initdb(home.path(), superuser);
        Self::launch(home, superuser, settings).await
    }

    async fn launch(home: TempDir, superuser: &'static str, settings: &[(&str, &str)]) -> Self {
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        for attempt in 0.. {
            let port = free_port();
            let mut postmaster = launch(home.path(), port, &settings);
            if ready(home.path(), superuser, port, &mut postmaster).await {
                return Self { home, superuser, port, postmaster, settings };
            }
            let _ = postmaster.kill();
            let _ = postmaster.wait();
            let log = std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
            assert!(attempt < 3, "Postgres did not start:\n{log}");
        }
        unreachable!()
    }

    /// Takes over a restored data folder (a drill's, or one unpacked by a test) and starts it. `data` is moved.
    pub async fn start_from(data: &Path, settings: &[(&str, &str)]) -> Self {
        Self::start_from_under(SUPERUSER, data, settings).await
    }

    /// The same, where the superuser has another name.
    pub async fn start_from_under(superuser: &'static str, data: &Path, settings: &[(&str, &str)]) -> Self {
        let home = home();
        let target = home.path().join("data");
        run(Command::new("cp").arg("-a").arg("--reflink=auto").arg(data).arg(&target));
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o700)).expect("permissions");
        give_away(home.path());
        let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let port = free_port();
        let mut postmaster = launch(home.path(), port, &settings);
        let up = ready(home.path(), superuser, port, &mut postmaster).await;
        let log = std::fs::read_to_string(home.path().join("log")).unwrap_or_default();
        assert!(up, "the restored Postgres did not start:\n{log}");
        Self { home, superuser, port, postmaster, settings }
    }

    /// The name of its superuser.
    pub fn superuser(&self) -> &'static str {
        self.superuser
    }

    /// The superuser's URL of a database, over TCP with a password.
    pub fn url(&self, database: &str) -> String {
        self.url_as(self.superuser, PASSWORD, database)
    }

    /// A role's URL of a database, over TCP with a password.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        let quote = |text: &str| {
            text.bytes()
                .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
                .collect::<String>()
        };
        format!("postgres://{}:{}@127.0.0.1:{}/{}", quote(role), quote(password), self.port, quote(database))
    }

    /// The superuser's URL of a database, over the socket, without a password.
    pub fn socket_url(&self, database: &str) -> String {
        format!("postgres://{}@/{database}?host={}&port={}", self.superuser, self.socket_folder().display(), self.port)
    }

    /// The folder of its socket.
    pub fn socket_folder(&self) -> &Path {
        self.home.path()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// Opens a superuser's connection to a database.
    pub async fn connect(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.socket_folder()).port(self.port).user(self.superuser).dbname(database);
        let (client, connection) = config.connect(NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Runs SQL in a database as superuser and returns the rows of its last statement that has any.
    pub async fn sql(&self, database: &str, sql: &str) -> Cells {
        self.try_sql(database, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Runs SQL that may fail.
    pub async fn try_sql(&self, database: &str, sql: &str) -> Result<Cells, tokio_postgres::Error> {
        let client = self.connect(database).await;
        let mut rows = Vec::new();
        for message in client.simple_query(sql).await? {
            match message {
                SimpleQueryMessage::RowDescription(_) => rows.clear(),
                SimpleQueryMessage::Row(row) => rows.push((0..row.len()).map(|cell| row.get(cell).map(str::to_owned)).collect()),
                _ => {}
            }
        }
        Ok(rows)
    }

    /// The single cell that a question answers.
    pub async fn cell(&self, database: &str, sql: &str) -> String {
        self.sql(database, sql).await.into_iter().flatten().flatten().next().unwrap_or_default()
    }

    /// Makes an empty database.
    pub async fn create(&self, database: &str) {
        self.sql("postgres", &format!("create database \"{database}\" template template0")).await;
    }

    /// Makes database `shop` with lifelike schema and data: `rows` orders. See `lifelike.sql` for what is in it.
    pub async fn lifelike(&self, rows: u32) {
        self.create("shop").await;
        self.sql("shop", &lifelike::sql(rows)).await;
    }

    /// Fingerprints every table, sequence and large object of a database: equal text means equal contents, row for row.
    pub async fn fingerprint(&self, database: &str) -> String {
        lifelike::fingerprint(self, database).await
    }

    /// Kills the server as a power cut would, and starts it again.
    pub async fn crash_and_restart(&mut self) {
        self.stop();
        self.postmaster = launch(self.home.path(), self.port, &self.settings);
        assert!(
            ready(self.home.path(), self.superuser, self.port, &mut self.postmaster).await,
            "Postgres did not come back:\n{}",
            self.log()
        );
    }

    /// Stops the server at once, without a checkpoint. Its data folder stays until the cluster is dropped.
    pub fn stop(&mut self) {
        let pid = self.postmaster.id().to_string();
        if matches!(self.postmaster.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-QUIT", &pid]).status();
        }
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.postmaster.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.postmaster.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Returns the path of one of Postgres' programs: newest `/usr/lib/postgresql/*/bin` first, then `PATH`.
pub fn program(name: &str) -> PathBuf {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, path)| path.is_file())
        .collect();
    versions.sort();
    versions.pop().map_or_else(|| on_path(name), |(_, path)| path)
}

#[expect(clippy::disallowed_methods, reason = "a test looks for programs where its user does")]
fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no {name} on this machine: install Debian's `postgresql`"))
}

/// The account that servers run under when the tests run as root: uid and gid.
pub fn account() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    is_root.then(|| find("nobody").or_else(|| find("postgres")).expect("an unprivileged account"))
}

/// Makes a path belong to the servers' account.
pub fn give_away(path: &Path) {
    if let Some((uid, gid)) = account() {
        run(Command::new("chown").arg("-R").arg(format!("{uid}:{gid}")).arg(path));
    }
}

/// Runs a program to its end under the servers' account; it must succeed.
pub fn as_server(program: &str, arguments: &[&str]) {
    run(unprivileged(program).args(arguments));
}

fn unprivileged(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = account() {
        command.uid(uid).gid(gid);
    }
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A cluster fresh from `initdb`, made once per machine and copied ever after: `initdb` takes longer than most tests.
fn template() -> PathBuf {
    let version = Command::new(program("initdb")).arg("--version").output().expect("initdb");
    let version: String = String::from_utf8_lossy(&version.stdout).chars().filter(char::is_ascii_alphanumeric).collect();
    let uid = account().map_or_else(|| "self".to_owned(), |(uid, _)| uid.to_string());
    let kept = std::env::temp_dir().join(format!("lastgood-tests-{version}-{uid}-1"));
    if kept.join("PG_VERSION").exists() {
        return kept;
    }
    let making = home();
    // Another test may have been faster: then its template is as good.
    let _ = std::fs::rename(initdb(making.path(), SUPERUSER), &kept);
    kept
}

fn home() -> TempDir {
    let home = tempfile::Builder::new().prefix("lgpg-").tempdir().expect("a temporary folder");
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    home
}

/// Makes a fresh data folder below `home` and returns it.
fn initdb(home: &Path, superuser: &str) -> PathBuf {
    let password = home.join("password");
    std::fs::write(&password, PASSWORD).expect("a password file");
    give_away(home);
    let data = home.join("data");
    run(unprivileged(program("initdb"))
        .args(["--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
        .args(["--wal-segsize=16", "--no-instructions"])
        .arg(format!("--username={superuser}"))
        .arg(format!("--pwfile={}", password.display()))
        .arg(format!("--pgdata={}", data.display())));
    data
}

fn copy_template(template: &Path, data: &Path) {
    run(Command::new("cp").arg("-a").arg("--reflink=auto").arg(template).arg(data));
    if let Some(home) = data.parent() {
        give_away(home);
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn launch(home: &Path, port: u16, settings: &[String]) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(home.join("log")).expect("a log file");
    let mut command = unprivileged(program("postgres"));
    command.arg("-D").arg(home.join("data")).arg("-k").arg(home).args(["-p", &port.to_string()]);
    let defaults = [
        "listen_addresses=127.0.0.1",
        "fsync=off",
        "full_page_writes=off",
        "synchronous_commit=off",
        "wal_level=replica",
        "max_wal_senders=8",
        "max_connections=60",
        "shared_buffers=32MB",
        "max_wal_size=4GB",
        "min_wal_size=32MB",
    ];
    for setting in defaults.into_iter().map(str::to_owned).chain(settings.iter().cloned()) {
        command.arg("-c").arg(setting);
    }
    command.stdout(Stdio::null()).stderr(log).spawn().expect("postgres")
}

async fn ready(home: &Path, superuser: &str, port: u16, postmaster: &mut Child) -> bool {
    let mut config = tokio_postgres::Config::new();
    config.host_path(home).port(port).user(superuser).dbname("postgres");
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end && matches!(postmaster.try_wait(), Ok(None)) {
        if config.connect(NoTls).await.is_ok() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}
