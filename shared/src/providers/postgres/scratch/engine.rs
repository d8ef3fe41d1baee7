//! The throwaway server itself: a data folder, one socket that only we can open, and settings for speed.
//!
//! The promise: no TCP, no archiving, no replication, no subscription worker, no preloaded library, from the first start
//! on. Durability is given up, because all of it is thrown away.

use super::account::Account;
use crate::{
    error::{During, Result, failed, retry},
    ports::Secret,
    providers::postgres::{
        PgUrl, Tool, Tools,
        connect::{connect, sql_error},
        tools::Version,
        url::{Host, Password, Session, SslMode},
    },
};
use rand::TryRngCore;
use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const PORT: u16 = 5432;
const START_LIMIT: Duration = Duration::from_mins(10);
/// The role that we ask and restore as.
pub const SUPERUSER: &str = "postgres";
/// The role that is added to a physical copy, whose own superusers' passwords we do not know.
pub const DRILLER: &str = "lastgood_drill";

/// One throwaway server: where its parts lie.
#[derive(Debug, Clone)]
pub struct Engine {
    folder: PathBuf,
    sockets: PathBuf,
    account: Account,
}

impl Engine {
    /// The server of the replica in `folder`.
    pub fn new(folder: &Path, account: Account) -> Self {
        let digest = hex::encode(&Sha256::digest(folder.as_os_str().as_encoded_bytes())[..4]);
        Self { folder: folder.to_owned(), sockets: folder.with_file_name(format!("s-{digest}")), account }
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes an empty cluster.
    pub async fn init(&self, tools: &Tools, version: Version) -> Result<()> {
        self.prepare()?;
        let password = self.password(&fresh_password()?)?;
        let handed = self.sockets.join("password");
        self.account.private_file(&handed, password.expose())?;
        self.account.private_folder(&self.data())?;
        let initdb = tools.of_major(Tool::Initdb, version.major).await?.program().account(self.account.ids());
        let made = initdb
            .args(["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .args(["--username", SUPERUSER])
            .arg(format!("--pwfile={}", handed.display()))
            .arg(format!("--pgdata={}", self.data().display()))
            .run()
            .await;
        std::fs::remove_file(&handed)?;
        made.during("making a throwaway server")?;
        self.configure(SUPERUSER, &[])
    }

    /// Makes the folder of its socket and its log, emptied of what an earlier attempt left.
    pub fn prepare(&self) -> Result<()> {
        if self.sockets.exists() {
            std::fs::remove_dir_all(&self.sockets)?;
        }
        self.account.private_folder(&self.sockets)
    }

    /// Keeps the password of our role, where only we can read it.
    pub fn password(&self, password: &str) -> Result<Secret> {
        let path = self.folder.join("password");
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        Account::private_to_us(&path, password)?;
        Ok(Secret::new(password))
    }

    /// Writes every setting that matters over what the data folder brought along: it may come from production.
    pub fn configure(&self, role: &str, more: &[(String, String)]) -> Result<()> {
        let data = self.data();
        for brought in ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf", "pg_ident.conf"] {
            let path = data.join(brought);
            if path.exists() {
                std::fs::rename(&path, self.folder.join(format!("source-{brought}")))?;
            }
        }
        for signal in ["recovery.signal", "standby.signal", "recovery.conf", "postmaster.pid", "postmaster.opts"] {
            let path = data.join(signal);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        self.account.private_file(&data.join("postgresql.conf"), &self.settings(more))?;
        self.account.private_file(&data.join("postgresql.auto.conf"), "")?;
        self.account.private_file(&data.join("pg_hba.conf"), &format!("local all {role} scram-sha-256\n"))?;
        self.account.private_file(&data.join("pg_ident.conf"), "")
    }

    fn settings(&self, more: &[(String, String)]) -> String {
        let memory = available_memory();
        let share = |part: u64, most: u64| format!("{}MB", (memory / part).clamp(32, most));
        let sockets = self.sockets.display().to_string();
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).to_string();
        let fixed = [
            // Fences: nothing of it reaches the outside, and nothing outside reaches it.
            ("listen_addresses", ""),
            ("unix_socket_permissions", "0700"),
            ("archive_mode", "off"),
            ("archive_command", ""),
            ("restore_command", ""),
            ("primary_conninfo", ""),
            ("primary_slot_name", ""),
            ("max_wal_senders", "0"),
            ("max_replication_slots", "10"),
            ("max_logical_replication_workers", "0"),
            ("shared_preload_libraries", ""),
            ("session_preload_libraries", ""),
            ("local_preload_libraries", ""),
            ("ssl", "off"),
            // Speed: durability is not wanted here.
            ("wal_level", "minimal"),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("synchronous_commit", "off"),
            ("autovacuum", "off"),
            ("checkpoint_timeout", "1h"),
            ("max_wal_size", "4GB"),
            ("wal_buffers", "16MB"),
            ("bgwriter_lru_maxpages", "0"),
            ("jit", "off"),
            // Room for a whole schema in one transaction.
            ("max_connections", "40"),
            ("max_locks_per_transaction", "2048"),
            ("restart_after_crash", "off"),
            // Nothing of the data ends in the log.
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
            ("log_statement", "none"),
            ("log_min_error_statement", "panic"),
            ("log_error_verbosity", "terse"),
            ("log_checkpoints", "off"),
            ("lc_messages", "C"),
            ("timezone", "UTC"),
        ];
        let mut text = "# written by lastgood for a throwaway server\n".to_owned();
        let measured = [
            ("unix_socket_directories", sockets),
            ("port", PORT.to_string()),
            ("shared_buffers", share(16, 2048)),
            ("maintenance_work_mem", share(16, 1024)),
            ("max_parallel_maintenance_workers", cores.clone()),
            ("max_parallel_workers", cores),
        ];
        let all = fixed.into_iter().map(|(name, value)| (name, value.to_owned())).chain(measured);
        for (name, value) in all.chain(more.iter().map(|(name, value)| (name.as_str(), value.clone()))) {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        text
    }

    /// Starts the server and returns once it accepts connections.
    pub async fn start(&self, tools: &Tools, major: u32) -> Result<()> {
        let log = self.sockets.join("log");
        let started = tools
            .of_major(Tool::PgCtl, major)
            .await?
            .program()
            .account(self.account.ids())
            .args(["start", "--silent", "--wait"])
            .arg(format!("--timeout={}", START_LIMIT.as_secs()))
            .arg(format!("--pgdata={}", self.data().display()))
            .arg(format!("--log={}", log.display()))
            .within(START_LIMIT + Duration::from_secs(30))
            .run()
            .await;
        if let Err(error) = started {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let why = log.lines().rev().find(|line| line.contains("FATAL") || line.contains("PANIC"));
            return Err(failed(format!("the throwaway server did not start{}", why.map_or_else(String::new, |why| format!(": {why}"))))
                .because(error));
        }
        Ok(())
    }

    /// Where the server is reached, as `role`, in `database`.
    pub fn url(&self, role: &str, database: &str) -> Result<PgUrl> {
        let password = std::fs::read_to_string(self.folder.join("password")).during("reading the replica's password")?;
        Ok(PgUrl {
            hosts: vec![(Host::Socket(self.sockets.clone()), PORT)],
            user: role.to_owned(),
            password: Some(Password::Known(Secret::new(password))),
            database: database.to_owned(),
            ssl_mode: SslMode::Disable,
            ssl_root: None,
            session: Session::Any,
            options: None,
        })
    }

    /// Asks the running server whether it is fenced, instead of believing what was written into its files.
    pub async fn confirm_fenced(&self, url: &PgUrl) -> Result<()> {
        let client = connect(url).await?;
        let question =
            "select name from (values ('listen_addresses', ''), ('archive_mode', 'off'), ('max_logical_replication_workers', '0'),
              ('shared_preload_libraries', ''), ('max_wal_senders', '0'), ('primary_conninfo', '')) fence (name, value)
            where current_setting(name) <> value
            union all select 'subscription ' || subname from pg_subscription where subenabled
            union all select 'recovery' where pg_is_in_recovery()";
        let open = client.query(question, &[]).await.map_err(|error| sql_error(&error).during("asking whether the replica is fenced"))?;
        match open.first() {
            None => Ok(()),
            Some(row) => Err(failed(format!("the replica is not fenced: {}", row.get::<_, String>(0)))),
        }
    }

    /// Stops the server if it runs, at once and without saving anything.
    pub async fn stop(&self) -> Result<()> {
        let Some(pid) = self.postmaster() else { return Ok(()) };
        let end = Instant::now() + Duration::from_secs(20);
        let mut signal = rustix::process::Signal::QUIT;
        while rustix::process::test_kill_process(pid).is_ok() && self.postmaster() == Some(pid) {
            // It may have ended by itself in the meantime.
            let _ = rustix::process::kill_process(pid, signal);
            if Instant::now() > end {
                return Err(retry(format!("the throwaway server (process {}) does not end", pid.as_raw_nonzero())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            if Instant::now() + Duration::from_secs(10) > end {
                signal = rustix::process::Signal::KILL;
            }
        }
        Ok(())
    }

    /// Removes everything that lies outside the replica's own folder.
    pub fn clear(&self) -> Result<()> {
        if self.sockets.exists() {
            std::fs::remove_dir_all(&self.sockets)?;
        }
        Ok(())
    }

    /// The server's process, if the one that its data folder names is really at work there.
    fn postmaster(&self) -> Option<rustix::process::Pid> {
        let data = self.data();
        let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        // In single-user mode the number is negative.
        let number: i32 = text.lines().next()?.trim().parse().ok()?;
        let pid = rustix::process::Pid::from_raw(number.checked_abs()?)?;
        if Path::new("/proc/self/cwd").exists() {
            // A process id is reused after a reboot: its folder tells whether it is this server.
            let folder = std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).ok()?;
            return (folder == data.canonicalize().ok()?).then_some(pid);
        }
        Some(pid)
    }
}

impl Account {
    /// Makes a new file that only we can open.
    fn private_to_us(path: &Path, content: &str) -> Result<()> {
        use std::{io::Write as _, os::unix::fs::OpenOptionsExt};
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(file.write_all(content.as_bytes())?)
    }
}

/// Returns a password that nobody knows.
pub fn fresh_password() -> Result<String> {
    let mut bytes = [0; 24];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(|error| failed("drawing a password").because(error))?;
    Ok(hex::encode(bytes))
}

/// Megabytes of memory that are free for use here: of the machine, or of the control group if that has less.
fn available_memory() -> u64 {
    let machine = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
    });
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    machine.unwrap_or(1024).min(group.map_or(u64::MAX, |bytes| bytes >> 20))
}
