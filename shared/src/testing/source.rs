//! A database in memory: as many rows as a test says, dumped as one line each, with the expectations that belong to them.

use crate::{
    clock::Clock,
    domain::backup::{Expectations, Origin, Role, TableFacts},
    error::{Error, Result, failed},
    ports::{Ask, Dump, Exporter, Facts, Piece, Preflight},
    testing::ManualClock,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A database in memory. Clones are the same database.
#[derive(Debug, Clone)]
pub struct MemorySource {
    clock: ManualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    rows: u64,
    dumps: usize,
    breaks_after: Option<usize>,
}

/// The table that every row is in.
pub const TABLE: &str = "public.orders";

impl MemorySource {
    /// Creates a database with this many rows.
    pub fn new(clock: ManualClock, rows: u64) -> Self {
        Self { clock, state: Arc::new(Mutex::new(State { rows, ..State::default() })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how many rows it has.
    pub fn set_rows(&self, rows: u64) {
        self.state().rows = rows;
    }

    /// Returns how many dumps were begun.
    pub fn dumps(&self) -> usize {
        self.state().dumps
    }

    /// Breaks every dump after this many bytes; none mends it.
    pub fn break_after(&self, bytes: Option<usize>) {
        self.state().breaks_after = bytes;
    }
}

fn origin() -> Origin {
    Origin {
        server: "PostgreSQL 15.18".to_owned(),
        server_version_num: 150_018,
        system_identifier: Some("7300000000000000001".to_owned()),
        address: "db.internal:5432/orders".to_owned(),
        database: Some("orders".to_owned()),
    }
}

/// What a database of so many rows must show.
pub fn expectations(rows: u64) -> Expectations {
    Expectations {
        encoding: Some("UTF8".to_owned()),
        tables: BTreeMap::from([(TABLE.to_owned(), TableFacts { rows, digest: None })]),
        ..Expectations::default()
    }
}

#[async_trait]
impl Exporter for MemorySource {
    async fn preflight(&self, _: &Ask) -> Result<Preflight> {
        Ok(Preflight { origin: origin(), expected_size: self.state().rows * 32 })
    }

    async fn begin(&self, _: &Ask) -> Result<Box<dyn Dump>> {
        let mut state = self.state();
        state.dumps += 1;
        let lines = (0..state.rows).fold(String::new(), |lines, row| lines + "row " + &row.to_string() + " of the orders\n");
        let facts = Facts { origin: origin(), data_time: self.clock.now(), expectations: expectations(state.rows), tools: BTreeMap::new() };
        let broken = state.breaks_after.filter(|at| *at < lines.len());
        Ok(Box::new(MemoryDump { lines: Some(lines), broken, facts }))
    }
}

struct MemoryDump {
    lines: Option<String>,
    broken: Option<usize>,
    facts: Facts,
}

#[async_trait]
impl Dump for MemoryDump {
    async fn next(&mut self) -> Result<Option<Piece>> {
        let Some(lines) = self.lines.take() else { return Ok(None) };
        let expected_size = Some(lines.len() as u64);
        let bytes: crate::ports::ByteStream = match self.broken {
            None => Box::pin(std::io::Cursor::new(lines.into_bytes())),
            Some(at) => {
                let whole = std::io::Cursor::new(lines.into_bytes()[..at].to_vec());
                Box::pin(tokio::io::AsyncReadExt::chain(whole, Broken))
            }
        };
        Ok(Some(Piece { role: Role::Data, ending: ".dump".to_owned(), expected_size, bytes }))
    }

    async fn finish(self: Box<Self>) -> Result<Facts> {
        match self.broken {
            None => Ok(self.facts),
            Some(_) => Err(died()),
        }
    }
}

fn died() -> Error {
    failed("pg_dump was killed by signal 9: 57P01 terminating connection due to administrator command")
}

/// Fails the first read.
struct Broken;

impl tokio::io::AsyncRead for Broken {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Err(died().into()))
    }
}
