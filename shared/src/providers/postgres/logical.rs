//! Logical exports: `pg_dump` and what belongs beside its dump, all from one snapshot.

use super::{
    child::Whole,
    connect::connect_pinned,
    csv::{self, Table},
    directory::Directory,
    globals::{self, Globals},
    inspect::{self, Tables, Wanted},
    preflight,
    snapshot::Snapshot,
    tools::{Found, Tool, Tools, Version},
    url::PgUrl,
};
use crate::{
    domain::backup::{Expectations, Form, Method, Origin, Role},
    error::{During, Result, failed, invalid},
    ports::{Ask, Dump, Exporter, Facts, Piece, Preflight},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, VecDeque},
    io::Cursor,
};
use tokio::task::JoinHandle;

/// The least free space that a directory dump begins with.
pub(super) const LEAST_SPOOL: u64 = 64 << 20;

/// Exports of one database.
#[derive(Debug, Clone)]
pub struct Logical {
    url: PgUrl,
    tools: Tools,
}

impl Logical {
    /// Exports the database at `url` with the programs in `tools`.
    pub fn new(url: PgUrl, tools: Tools) -> Self {
        Self { url, tools }
    }

    async fn programs(&self, origin: &Origin) -> Result<(Found, Found)> {
        let server = Version::of_server(origin.server_version_num);
        Ok((self.tools.for_server(Tool::PgDump, server).await?, self.tools.for_server(Tool::PgDumpall, server).await?))
    }
}

#[async_trait]
impl Exporter for Logical {
    async fn preflight(&self, ask: &Ask) -> Result<Preflight> {
        let (client, url) = connect_pinned(&self.url).await?;
        let origin = inspect::origin(&client, &url.address()).await?;
        self.programs(&origin).await?;
        preflight::rights(&client).await?;
        csv::find(&client, &ask.tables_csv).await?;
        if ask.method == Method::PgDumpDirectory {
            preflight::spool_space(&ask.spool, LEAST_SPOOL)?;
        }
        let size = inspect::one(&client, "select pg_database_size(current_database())").await?;
        // Text can be larger than what it came from: bytea is written in hex.
        let expected_size = u64::try_from(size.get::<_, i64>(0)).unwrap_or_default().saturating_mul(2);
        Ok(Preflight { origin, expected_size })
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        let snapshot = Snapshot::take(&self.url).await?;
        let client = snapshot.join().await?;
        let origin = inspect::origin(&client, &snapshot.url.address()).await?;
        let (pg_dump, pg_dumpall) = self.programs(&origin).await?;
        let mut todo: VecDeque<Part> = csv::find(&client, &ask.tables_csv).await?.into_iter().map(Part::Csv).collect();
        todo.push_front(Part::Globals);
        match ask.method {
            Method::PgDumpCustom => todo.push_front(Part::Stream { flag: "-Fc", ending: ".dump", whole: Whole::Archive }),
            Method::PgDumpPlain => todo.push_front(Part::Stream { flag: "-Fp", ending: ".sql", whole: Whole::Dump }),
            Method::PgDumpDirectory => todo.push_front(Part::Directory(Directory::begin(&pg_dump, &snapshot, ask)?)),
            Method::PgBaseBackup | Method::ProviderSnapshot | Method::PointInTime | Method::RedisRdb | Method::SecretsJsonl => {
                return Err(invalid("a snapshot is no export"));
            }
        }
        let wanted = Wanted { form: Form::Export, digests: ask.digests, migrations: ask.migrations.clone(), tables: Tables::All };
        // Counting takes a connection of its own and goes on beside the dump: both read the same snapshot.
        let counting = tokio::spawn(async move { inspect::expectations(&client, &wanted).await });
        Ok(Box::new(Export { snapshot, origin, pg_dump, pg_dumpall, todo, counting: Counting(counting), refused: None, spooled: None }))
    }
}

/// What is still to be handed out.
enum Part {
    Stream { flag: &'static str, ending: &'static str, whole: Whole },
    Directory(Directory),
    Globals,
    Csv(Table),
}

/// The counting of rows; it ends with the export.
struct Counting(JoinHandle<Result<Expectations>>);

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Export {
    snapshot: Snapshot,
    origin: Origin,
    pg_dump: Found,
    pg_dumpall: Found,
    todo: VecDeque<Part>,
    counting: Counting,
    refused: Option<String>,
    spooled: Option<Part>,
}

#[async_trait]
impl Dump for Export {
    async fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            match self.todo.front_mut() {
                None => return Ok(None),
                Some(Part::Directory(directory)) => {
                    if let Some(piece) = directory.next().await? {
                        return Ok(Some(piece));
                    }
                    // Its folder stays until every file in it was read.
                    self.spooled = self.todo.pop_front();
                }
                Some(Part::Stream { flag, ending, whole }) => {
                    let program = arguments(&self.pg_dump, &self.snapshot).args([*flag, "-Z0"]);
                    let piece =
                        Piece { role: Role::Data, ending: (*ending).to_owned(), expected_size: None, bytes: program.stream(*whole)? };
                    self.todo.pop_front();
                    return Ok(Some(piece));
                }
                Some(Part::Globals) => {
                    self.todo.pop_front();
                    match globals::dump(&self.pg_dumpall, &self.snapshot.url).await? {
                        Globals::Sql(sql) => {
                            return Ok(Some(Piece {
                                role: Role::Globals,
                                ending: ".globals.sql".to_owned(),
                                expected_size: Some(sql.len() as u64),
                                bytes: Box::pin(Cursor::new(sql)),
                            }));
                        }
                        Globals::Refused(error) => self.refused = Some(error.full()),
                    }
                }
                Some(Part::Csv(table)) => {
                    let table = table.clone();
                    let doing = || format!("storing {} as CSV", table.full());
                    let bytes = csv::stream(self.snapshot.join().await.during(doing())?, &table).await.during(doing())?;
                    self.todo.pop_front();
                    let (role, ending) = (Role::TableCsv(table.full()), format!(".{}.csv", table.safe()));
                    return Ok(Some(Piece { role, ending, expected_size: None, bytes }));
                }
            }
        }
    }

    async fn finish(mut self: Box<Self>) -> Result<Facts> {
        if !self.todo.is_empty() {
            return Err(failed("the export was ended before all of it was read"));
        }
        let counted = (&mut self.counting.0).await.map_err(|error| failed("counting rows broke off").because(error))?;
        let mut expectations = counted.during("recording what a restore must show")?;
        expectations.end_lsn = Some(self.snapshot.lsn.clone());
        let mut tools = BTreeMap::from([
            ("pg_dump".to_owned(), self.pg_dump.version.to_string()),
            ("pg_dumpall".to_owned(), self.pg_dumpall.version.to_string()),
        ]);
        if let Some(refused) = self.refused {
            tools.insert("pg_dumpall".to_owned(), format!("{}, no globals: {refused}", self.pg_dumpall.version));
        }
        let data_time = self.snapshot.data_time;
        self.snapshot.release().await?;
        Ok(Facts { origin: self.origin, data_time, expectations, tools })
    }
}

/// `pg_dump` with everything that all formats share. It is never told to enable row security.
pub(super) fn arguments(pg_dump: &Found, snapshot: &Snapshot) -> super::child::Program {
    pg_dump
        .program()
        .args(["--no-password", "--no-sync", "--lock-wait-timeout=60000"])
        .arg(format!("--snapshot={}", snapshot.name))
        .watchful()
        .connected_to(&snapshot.url)
}
