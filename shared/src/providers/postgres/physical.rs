//! Base backups: the whole server as one tar, with the WAL that it needs to stand alone and Postgres' own manifest.
//!
//! A base backup is the server as it was when the copying *ended*, at the end LSN of its manifest. The data time is the
//! last moment, sampled on the server's clock, whose WAL position had been reached by then: never later than the truth.
//! Row counts are recorded only when nothing was committed from before the start until after the end, for only then are
//! they certain.

use super::{
    child::Whole,
    connect::{connect, connect_pinned, sql_error},
    inspect::{self, Tables, Wanted},
    preflight,
    snapshot::{NOW, timestamp},
    tarball::{Kept, Tap},
    tools::{Found, Tool, Tools, Version},
    url::PgUrl,
};
use crate::{
    clock::Timestamp,
    domain::backup::{Expectations, Form, Method, Origin, Role},
    error::{During, Result, failed, invalid, unsupported},
    ports::{Ask, Dump, Exporter, Facts, Piece, Preflight},
};
use async_trait::async_trait;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// How exactly the data time is known.
const SAMPLE: Duration = Duration::from_millis(500);
/// The first version whose base backups carry a manifest.
const MANIFESTS_SINCE: u32 = 130_000;

/// Base backups of one server.
#[derive(Debug, Clone)]
pub struct Physical {
    url: PgUrl,
    tools: Tools,
}

impl Physical {
    /// Takes base backups of the server at `url` with the programs in `tools`.
    pub fn new(url: PgUrl, tools: Tools) -> Self {
        Self { url, tools }
    }

    async fn program(&self, origin: &Origin) -> Result<Found> {
        if origin.server_version_num < MANIFESTS_SINCE {
            return Err(
                unsupported(format!("{} makes base backups without a manifest", origin.server)).hint("use export instead of snapshot")
            );
        }
        self.tools.for_server(Tool::PgBasebackup, Version::of_server(origin.server_version_num)).await
    }
}

#[async_trait]
impl Exporter for Physical {
    async fn preflight(&self, _: &Ask) -> Result<Preflight> {
        let (client, url) = connect_pinned(&self.url).await?;
        let origin = inspect::origin(&client, &url.address()).await?;
        self.program(&origin).await?;
        preflight::physical(&client).await?;
        let size = inspect::one(&client, "select coalesce(sum(pg_tablespace_size(oid)), 0)::bigint from pg_catalog.pg_tablespace").await;
        // A role that replicates need not be allowed to measure: then the size stays a guess.
        let size = size.map_or(0, |row| u64::try_from(row.get::<_, i64>(0)).unwrap_or_default());
        Ok(Preflight { origin: Origin { database: None, ..origin }, expected_size: size.saturating_add(1 << 30) })
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        if ask.method != Method::PgBaseBackup {
            return Err(invalid("a logical dump is an export, not a snapshot"));
        }
        let (client, url) = connect_pinned(&self.url).await?;
        let origin = inspect::origin(&client, &url.address()).await?;
        let program = self.program(&origin).await?;
        let wanted = Wanted { form: Form::Snapshot, digests: ask.digests, migrations: ask.migrations.clone(), tables: Tables::All };
        client
            .batch_execute("set statement_timeout = 0; begin transaction isolation level repeatable read read only")
            .await
            .map_err(|error| sql_error(&error))?;
        let before = horizon(&client).await?;
        let counting = tokio::spawn({
            let wanted = wanted.clone();
            async move { inspect::expectations(&client, &wanted).await }
        });
        let samples = Samples::default();
        let sampling = tokio::spawn(sample(connect(&url).await?, samples.clone()));
        Ok(Box::new(BaseBackup {
            url,
            origin: Origin { database: None, ..origin },
            program,
            wanted,
            before,
            counting: Task(counting),
            samples,
            sampling: Task(sampling),
            stage: Stage::Tar,
        }))
    }
}

/// Which transactions had ended: equal texts mean that none has ended in between.
async fn horizon(client: &Client) -> Result<String> {
    Ok(inspect::one(client, "select pg_catalog.pg_current_snapshot()::text").await?.get(0))
}

/// Moments and the WAL positions that had been reached by then.
type Samples = Arc<Mutex<Vec<(Timestamp, u64)>>>;

async fn sample(client: Client, samples: Samples) -> Result<()> {
    let sql = format!(
        "select {NOW}, (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_insert_lsn() end
                        - '0/0'::pg_lsn)::bigint"
    );
    loop {
        let row = inspect::one(&client, &sql).await?;
        let taken = (timestamp(row.get(0))?, u64::try_from(row.get::<_, i64>(1)).unwrap_or_default());
        samples.lock().unwrap_or_else(PoisonError::into_inner).push(taken);
        tokio::time::sleep(SAMPLE).await;
    }
}

/// A task that ends with its owner.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

enum Stage {
    Tar,
    Manifest(Kept),
    Read(Ranges),
}

struct BaseBackup {
    url: PgUrl,
    origin: Origin,
    program: Found,
    wanted: Wanted,
    before: String,
    counting: Task<Result<Expectations>>,
    samples: Samples,
    sampling: Task<Result<()>>,
    stage: Stage,
}

#[async_trait]
impl Dump for BaseBackup {
    async fn next(&mut self) -> Result<Option<Piece>> {
        match &self.stage {
            Stage::Tar => {
                // The WAL is fetched at the end into the same stream: nothing else is needed to start from it.
                let program = self
                    .program
                    .program()
                    .args(["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--no-password", "--label=lastgood"])
                    .watchful()
                    .connected_to(&self.url);
                let (tap, kept) = Tap::new(program.stream(Whole::Tar)?, "backup_manifest");
                self.stage = Stage::Manifest(kept);
                Ok(Some(Piece { role: Role::Data, ending: ".tar".to_owned(), expected_size: None, bytes: Box::pin(tap) }))
            }
            Stage::Manifest(kept) => {
                // It is the last file of the tar, which may still be being read.
                let kept = kept.clone();
                let manifest = loop {
                    let abandoned = Arc::strong_count(&kept) == 2;
                    if let Some(manifest) = kept.lock().unwrap_or_else(PoisonError::into_inner).take() {
                        break manifest;
                    }
                    if abandoned {
                        return Err(failed("the base backup ended without Postgres' manifest"));
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                };
                let ranges =
                    serde_json::from_slice(&manifest).map_err(|error| failed("Postgres' manifest is unreadable").because(error))?;
                self.stage = Stage::Read(ranges);
                Ok(Some(Piece {
                    role: Role::BackupManifest,
                    ending: ".backup_manifest".to_owned(),
                    expected_size: Some(manifest.len() as u64),
                    bytes: Box::pin(Cursor::new(manifest)),
                }))
            }
            Stage::Read(_) => Ok(None),
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<Facts> {
        let Stage::Read(ranges) = &self.stage else { return Err(failed("the base backup was ended before all of it was read")) };
        let (end_lsn, position) = ranges.end()?;
        let reached = |samples: &Samples| {
            let samples = samples.lock().unwrap_or_else(PoisonError::into_inner);
            samples.iter().rev().find(|(_, lsn)| *lsn <= position).map(|(at, _)| *at)
        };
        if self.sampling.0.is_finished() {
            (&mut self.sampling.0).await.map_err(|error| failed("watching the server's clock broke off").because(error))??;
        }
        let data_time = reached(&self.samples).ok_or_else(|| failed("the moment of the base backup is not known"))?;
        let counted = (&mut self.counting.0).await.map_err(|error| failed("counting rows broke off").because(error))?;
        let mut expectations = counted.during("recording what a restore must show")?;
        let client = connect(&self.url).await?;
        let after = inspect::expectations(&client, &Wanted { tables: Tables::Skipped, ..self.wanted.clone() }).await?;
        if horizon(&client).await? != self.before {
            expectations = common(expectations, after);
        }
        expectations.end_lsn = Some(end_lsn);
        let tools = BTreeMap::from([("pg_basebackup".to_owned(), self.program.version.to_string())]);
        Ok(Facts { origin: self.origin, data_time, expectations, tools })
    }
}

/// What held both before and after, and so in between.
fn common(before: Expectations, after: Expectations) -> Expectations {
    let kept = |mut left: BTreeMap<String, String>, right: &BTreeMap<String, String>| {
        left.retain(|name, value| right.get(name) == Some(value));
        left
    };
    Expectations {
        extensions: kept(before.extensions, &after.extensions),
        migrations: kept(before.migrations, &after.migrations),
        roles: before.roles.into_iter().filter(|role| after.roles.contains(role)).collect(),
        tables: BTreeMap::new(),
        ..after
    }
}

/// The part of Postgres' manifest that says how far its WAL reaches.
#[derive(Deserialize)]
struct Ranges {
    #[serde(rename = "WAL-Ranges")]
    wal: Vec<Range>,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "End-LSN")]
    end: String,
}

impl Ranges {
    fn end(&self) -> Result<(String, u64)> {
        let ends = self.wal.iter().filter_map(|range| Some((range.end.clone(), position(&range.end)?)));
        ends.max_by_key(|(_, position)| *position).ok_or_else(|| failed("Postgres' manifest names no WAL"))
    }
}

/// Reads an LSN, `16/B374D848`.
fn position(lsn: &str) -> Option<u64> {
    let (high, low) = lsn.split_once('/')?;
    Some(u64::from(u32::from_str_radix(high, 16).ok()?) << 32 | u64::from(u32::from_str_radix(low, 16).ok()?))
}
