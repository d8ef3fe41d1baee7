//! What is measured on: a throwaway server with lifelike data, a vault in a folder, and the tools that everybody has.

use super::{Run, run};
use crate::pg::{Cluster, program};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};
use tempfile::TempDir;

const LIFELIKE: &str = include_str!("../../../functions/lastgood/src/demo/lifelike.sql");
/// What one story and its share of the rest takes in a dump, in bytes.
const BYTES_PER_STORY: u64 = 1_640;

/// A database, a vault beside it, and the command under measurement.
#[derive(Debug)]
pub struct Shop {
    cluster: Cluster,
    folder: TempDir,
    lastgood: PathBuf,
}

/// A format of exports, each an asset of its own in the config.
#[derive(Debug, Clone, Copy)]
pub enum Format {
    /// One archive.
    Custom,
    /// A folder of files, written by two workers.
    Directory,
}

impl Format {
    /// The name of the asset that is exported in this format.
    pub const fn asset(self) -> &'static str {
        match self {
            Self::Custom => "shop-custom",
            Self::Directory => "shop-directory",
        }
    }
}

impl Shop {
    /// Fills a fresh server with about so many megabytes of dump, and configures `lastgood` for it.
    pub async fn open(lastgood: &Path, megabytes: u64) -> Self {
        let settings = [("shared_buffers", "1GB"), ("max_wal_size", "8GB"), ("maintenance_work_mem", "256MB"), ("autovacuum", "off")];
        let cluster = Cluster::start_with(&settings).await;
        let stories = (megabytes * 1_000_000 / BYTES_PER_STORY).max(100);
        let sql = LIFELIKE
            .replace(":users", &(stories / 8).max(10).to_string())
            .replace(":orders", &(stories * 2).to_string())
            .replace(":stories", &stories.to_string());
        cluster.create("shop").await;
        cluster.sql("shop", &sql).await;
        // Hint bits and the visibility map are written by whoever reads first: not in a measured run.
        cluster.sql("shop", "vacuum").await;
        cluster.sql("shop", "checkpoint").await;
        let folder = tempfile::Builder::new().prefix("lastgood-bench-").tempdir().expect("a temporary folder");
        let shop = Self { cluster, folder, lastgood: lastgood.to_owned() };
        shop.configure();
        shop
    }

    fn configure(&self) {
        std::fs::write(self.path("url"), self.cluster.url("shop")).expect("a secret file");
        let asset = |format: Format, word: &str| {
            format!(
                "  {}:\n    kind: postgres\n    url: file:{}\n    export: {{ schedule: \"0 2 * * *\", format: {word}, compression: zstd }}\n    \
                 drill: {{ schedule: \"0 6 * * 0\", into: scratch, form: export }}\n",
                format.asset(),
                self.path("url").display()
            )
        };
        let (custom, directory) = (asset(Format::Custom, "custom"), asset(Format::Directory, "directory"));
        let config = format!("vault: file://{}\nassets:\n{custom}{directory}", self.path("vault").display());
        std::fs::write(self.path("lastgood.yaml"), config).expect("a config");
    }

    /// A path in the bench's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The measured command.
    pub fn lastgood(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.lastgood);
        command.arg("--config").arg(self.path("lastgood.yaml")).args(args);
        command
    }

    /// `pg_dump` of the same database, reached the same way.
    pub fn pg_dump(&self) -> Command {
        let mut command = Command::new(program("pg_dump"));
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-d", "shop", "--no-password", "-p"]).arg(self.cluster.port().to_string());
        command.env("PGPASSWORD", crate::pg::PASSWORD);
        command
    }

    /// The stored files of an asset, without the digests beside them.
    pub fn stored(&self, format: Format) -> Vec<PathBuf> {
        let folder = self.path("vault").join("exports").join(format.asset());
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending != "sha256"))
            .collect();
        files.sort();
        files
    }

    /// Drills the newest export; the time is the evidence's own, from the empty folder to the validated replica.
    pub fn drill(&self, format: Format) -> Run {
        let report = self.path("drill.json");
        let mut command = self.lastgood(&["drill", format.asset(), "--json"]);
        let run = run(command.stdout(std::fs::File::create(&report).expect("a report")));
        let told: Value = serde_json::from_slice(&std::fs::read(&report).expect("a report")).expect("JSON");
        let told = told.pointer("/entries/0").unwrap_or(&told);
        let wall = find(told, "restore_seconds").and_then(Value::as_f64).unwrap_or_else(|| panic!("no time in {told}"));
        Run { wall, ..run }
    }

    /// Does by hand what a drill does, with `restore` in the middle: a fresh server with a drill's settings, a database, the
    /// roles, the restore, ANALYZE and a count of every row.
    pub async fn by_hand(&self, restore: impl FnOnce(&[String])) -> f64 {
        let began = Instant::now();
        let settings = scratch_settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let replica = Cluster::start_fresh(&settings).await;
        replica.create("replica").await;
        replica.sql("replica", "create role shop_app; create role shop_reporting").await;
        let socket = replica.socket_folder().display().to_string();
        restore(&["-h".to_owned(), socket, "-p".to_owned(), replica.port().to_string()]);
        replica.sql("replica", "analyze").await;
        for table in ["users", "orders", "stories", "alembic_version"] {
            replica.sql("replica", &format!("select count(*) from {table}")).await;
        }
        began.elapsed().as_secs_f64()
    }
}

/// `pg_restore` into the database that [`Shop::by_hand`] made.
pub fn pg_restore(server: &[String]) -> Command {
    let mut command = Command::new(program("pg_restore"));
    command.args(server).args(["-U", "postgres", "-d", "replica", "--no-password"]).stderr(Stdio::inherit());
    command
}

/// What a drill's throwaway server is set to for speed.
fn scratch_settings() -> Vec<(&'static str, String)> {
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    let share = |most: u64| format!("{}MB", (available.unwrap_or(1 << 20) / 1024 / 16).clamp(32, most));
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).to_string();
    let fixed = [
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("autovacuum", "off"),
        ("checkpoint_timeout", "1h"),
        ("max_wal_size", "4GB"),
        ("wal_buffers", "16MB"),
        ("bgwriter_lru_maxpages", "0"),
        ("jit", "off"),
    ];
    let measured = [
        ("shared_buffers", share(2048)),
        ("maintenance_work_mem", share(1024)),
        ("max_parallel_maintenance_workers", cores.clone()),
        ("max_parallel_workers", cores),
    ];
    fixed.into_iter().map(|(name, value)| (name, value.to_owned())).chain(measured).collect()
}

/// The first value under this key, however deep.
fn find<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(key).or_else(|| map.values().find_map(|value| find(value, key))),
        Value::Array(items) => items.iter().find_map(|value| find(value, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
