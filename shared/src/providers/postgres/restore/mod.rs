//! A logical backup goes back into an empty database: roles first, then the dump, then statistics.
//!
//! The promise: every stored byte is compared with its record on the way, the tool's end is seen, and the first thing that
//! it complained of is the error. The dump itself is never trusted: a script cannot run commands on this machine.

mod directory;
pub mod globals;
mod script;

use self::globals::{Rights, Roles, Tag};
use super::{
    PgUrl, Tool, Tools,
    child::{Program, Running},
    connect::{connect, sql_error},
    tools::Version,
};
use crate::{
    domain::backup::{Artifact, Manifest, Method, Role},
    env::{Gauge, Progress, Quiet},
    error::{During, Kind, Result, corrupt, failed, invalid, unsupported},
    ports::{Bucket, ByteStream},
    stream,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncBufRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    process::ChildStdin,
};

const GLOBALS_LIMIT: u64 = 16 << 20;
const BUFFER: usize = 1 << 20;

/// One logical restore.
pub struct Restore<'a> {
    /// The backup.
    pub backup: &'a Manifest,
    /// Where its bytes are.
    pub bucket: Arc<dyn Bucket>,
    /// What opens them.
    pub keys: &'a stream::Keys,
    /// Where progress is shown.
    pub progress: &'a dyn Progress,
    /// Postgres' programs.
    pub tools: &'a Tools,
    /// The empty database to restore into.
    pub into: PgUrl,
    /// What roles that are missing there are given.
    pub rights: Rights,
    /// What they are tagged with.
    pub tag: Tag,
    /// Whether one transaction is faster than many: on a server whose WAL is not wanted.
    pub transaction: Transaction,
    /// A private folder for a directory dump's small files; made and removed here.
    pub spool: PathBuf,
}

/// How a restore is cut into transactions. The database is thrown away after a failure either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// One: where WAL is minimal, tables made in it are filled without any.
    One,
    /// One for each statement.
    Many,
    /// One, whatever it costs: the database was there before and must be as it was after a failure.
    Whole,
}

/// Returns the oldest server that can hold a restore of this backup, and so the oldest tool that can read it: a newer
/// `pg_dump` writes what an older server does not understand.
pub fn needed(backup: &Manifest) -> Version {
    let server = Version::of_server(backup.source.server_version_num);
    let of_tool = |text: &String| text.split('.').next().and_then(|major| major.parse().ok());
    let tool = backup.tools.get("pg_dump").and_then(of_tool).unwrap_or(0);
    if tool > server.major { Version { major: tool, minor: 0 } } else { server }
}

impl Restore<'_> {
    /// Restores and returns the tools that did it, with their versions.
    pub async fn run(&self) -> Result<BTreeMap<String, String>> {
        let client = connect(&self.into).await?;
        let row = client.query_one("select current_setting('server_version_num')::int", &[]).await.map_err(|error| sql_error(&error))?;
        let server = Version::of_server(u32::try_from(row.get::<_, i32>(0)).unwrap_or_default());
        if server.major < needed(self.backup).major {
            return Err(unsupported(format!(
                "the backup needs a server of version {} or newer, this is {server}",
                needed(self.backup).major
            )));
        }
        self.roles().await?.make_missing(&client, self.rights, &self.tag).await.during("restoring roles")?;
        let (tool, jobs) = match self.backup.method {
            Method::PgDumpCustom | Method::PgDumpDirectory => (Tool::PgRestore, cores()),
            Method::PgDumpPlain => (Tool::Psql, 1),
            Method::PgBaseBackup => return Err(invalid("a base backup is not restored into a database").hint("restore it into a folder")),
            Method::RedisRdb | Method::SecretsJsonl => {
                return Err(invalid("what is no export of Postgres is not restored into one").hint("restore it into a folder"));
            }
            Method::ProviderSnapshot | Method::PointInTime => return Err(providers_own()),
        };
        let found = self.tools.for_server(tool, needed(self.backup).max(server)).await?;
        match self.backup.method {
            Method::PgDumpPlain => self.script(found.program()).await?,
            Method::PgDumpDirectory => self.directory(found.program(), jobs).await?,
            Method::PgDumpCustom
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl
            | Method::ProviderSnapshot
            | Method::PointInTime => {
                self.archive(found.program()).await?;
            }
        }
        client.batch_execute("set statement_timeout = 0; analyze").await.map_err(|error| sql_error(&error)).during("analysing")?;
        Ok([(found.tool.as_str().to_owned(), found.version.to_string()), ("postgres".to_owned(), server.to_string())].into())
    }

    /// Reads every stored byte and decodes the dump to its end, without touching anything: what is cut or damaged shows here.
    pub async fn rehearse(&self) -> Result<()> {
        let data = self.data().map(|artifact| artifact.key.clone()).unwrap_or_default();
        let decoded = matches!(self.backup.method, Method::PgDumpCustom | Method::PgDumpPlain);
        for artifact in self.backup.artifacts.iter().filter(|artifact| !decoded || artifact.key != data) {
            let gauge = self.progress.begin(&format!("reading {}", artifact.key), Some(artifact.size));
            stream::verify(&*self.bucket, artifact, &*gauge).await?;
        }
        match self.backup.method {
            Method::PgDumpCustom => {
                let tool = self.tools.for_server(Tool::PgRestore, needed(self.backup)).await?;
                let dump = BufReader::with_capacity(BUFFER, self.open_as("reading", self.data()?).await?);
                feed(&tool.program().arg("--file=/dev/null"), dump).await.map_err(|error| match error.kind() {
                    Kind::Failed => corrupt("the dump cannot be read to its end").because(error),
                    _ => error,
                })
            }
            Method::PgDumpPlain => {
                let mut dump = script::fenced(self.open_as("reading", self.data()?).await?)?;
                tokio::io::copy(&mut dump, &mut tokio::io::sink()).await?;
                Ok(())
            }
            Method::PgDumpDirectory
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl
            | Method::ProviderSnapshot
            | Method::PointInTime => Ok(()),
        }
    }

    async fn roles(&self) -> Result<Roles> {
        let Some(artifact) = self.backup.artifacts.iter().find(|artifact| artifact.role == Role::Globals) else {
            // Where globals may not be dumped, the names of the roles that matter are still on record.
            return Ok(Roles::named(&self.backup.expectations.roles));
        };
        let mut sql = String::new();
        let bytes = stream::open(self.bucket.clone(), artifact, self.keys, Arc::new(Quiet)).await?;
        let read = bytes.take(GLOBALS_LIMIT).read_to_string(&mut sql).await?;
        if read as u64 == GLOBALS_LIMIT {
            return Err(invalid(format!("{} is larger than any dump of globals", artifact.key)));
        }
        Ok(Roles::read(&sql))
    }

    fn data(&self) -> Result<&Artifact> {
        self.backup.artifacts.iter().find(|artifact| artifact.role == Role::Data).ok_or_else(|| failed("the backup names no dump"))
    }

    async fn open(&self, artifact: &Artifact) -> Result<ByteStream> {
        self.open_as("restoring", artifact).await
    }

    async fn open_as(&self, doing: &str, artifact: &Artifact) -> Result<ByteStream> {
        let gauge: Arc<dyn Gauge> = self.progress.begin(&format!("{doing} {}", artifact.key), Some(artifact.size)).into();
        stream::open(self.bucket.clone(), artifact, self.keys, gauge).await
    }

    fn pg_restore(&self, program: Program) -> Program {
        program
            .connected_to(&self.into)
            .args(["--exit-on-error", "--no-password", "--no-subscriptions", "--no-tablespaces"])
            .arg(format!("--dbname={}", self.into.database))
    }

    async fn archive(&self, program: Program) -> Result<()> {
        let mut program = self.pg_restore(program);
        if self.transaction != Transaction::Many {
            program = program.arg("--single-transaction");
        }
        let dump = BufReader::with_capacity(BUFFER, self.open(self.data()?).await?);
        feed(&program, dump).await
    }

    async fn script(&self, program: Program) -> Result<()> {
        let mut program =
            program.connected_to(&self.into).args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--file=-"]);
        if self.transaction != Transaction::Many {
            program = program.arg("--single-transaction");
        }
        let dump = self.open(self.data()?).await?;
        feed(&program, BufReader::with_capacity(BUFFER, script::fenced(dump)?)).await
    }

    async fn directory(&self, program: Program, jobs: usize) -> Result<()> {
        let files: Vec<_> = self
            .backup
            .artifacts
            .iter()
            .filter_map(|artifact| match &artifact.role {
                Role::DirectoryFile(name) => Some((name.clone(), artifact.clone())),
                Role::Data | Role::Tablespace(_) | Role::Globals | Role::TableCsv(_) | Role::Wal | Role::BackupManifest => None,
            })
            .collect();
        let cut = match self.transaction {
            Transaction::Whole => "--single-transaction".to_owned(),
            Transaction::One | Transaction::Many => format!("--jobs={jobs}"),
        };
        let program = self.pg_restore(program).arg(cut).arg("--format=directory");
        directory::restore(self, &program, files).await
    }
}

/// Feeds a dump to a tool and waits for its end. Bytes that are not what their record says kill the tool before it can
/// take a short dump for a whole one.
async fn feed(program: &Program, mut dump: impl AsyncBufRead + Unpin) -> Result<()> {
    let (mut input, mut running) = program.feed()?;
    let fed = pour(&mut dump, &mut input).await;
    match fed {
        Poured::Whole => {
            drop(input);
            running.finish().await
        }
        // The tool closed its ears: what it said is the reason.
        Poured::Refused => {
            drop(input);
            running.finish().await.and_then(|()| Err(failed("the tool ended well before it had read the whole dump")))
        }
        Poured::Damaged(error) => {
            kill(running, input).await;
            Err(error)
        }
    }
}

async fn kill(mut running: Running, input: ChildStdin) {
    running.signal(rustix::process::Signal::KILL);
    // Its failure is our doing; the damage is the error to tell.
    let _ = running.finish().await;
    drop(input);
}

enum Poured {
    Whole,
    Refused,
    Damaged(crate::error::Error),
}

async fn pour(from: &mut (impl AsyncBufRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Poured {
    use tokio::io::AsyncBufReadExt;
    loop {
        let (count, written) = match from.fill_buf().await {
            Ok([]) => break,
            Ok(bytes) => (bytes.len(), to.write_all(bytes).await),
            Err(error) => return Poured::Damaged(error.into()),
        };
        if written.is_err() {
            return Poured::Refused;
        }
        from.consume(count);
    }
    if to.shutdown().await.is_err() { Poured::Refused } else { Poured::Whole }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get).max(2)
}

/// Says that a snapshot which a provider holds has no bytes that we could pour anywhere.
pub(in crate::providers::postgres) fn providers_own() -> crate::error::Error {
    invalid("only its provider restores a snapshot that it holds")
        .hint("restore it into a new instance of the provider, or drill it with `into: { rds: … }`")
}
