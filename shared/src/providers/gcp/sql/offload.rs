//! Exports that Cloud SQL writes itself, to an object of its own beside the vault's (`offload`): the instance's own processors are
//! spared, and no connection to it is needed.
//!
//! An object is called as nothing was called before: what exists already makes Cloud SQL accept the request and fail the work. It
//! counts for nothing until it was read to its end and says itself that it is whole; then its bytes are in the vault, encrypted and
//! with their digest as those of any export are, and the object is removed.

use super::{
    named::Named,
    project::{Begun, Project},
    seen::PORT,
    settings::engine,
    wait::until_over,
    wire::{Instance, Operation},
};
use crate::{
    clock::{Clock, Timestamp, since},
    config::{Asset, Source},
    domain::backup::{Expectations, Method, Origin, Role},
    error::{Error, Kind, Result, conflict, corrupt, failed, invalid, not_found, retry},
    id::Slot,
    ports::{Ask, Bucket, ByteStream, Dump, Exporter, Facts, Piece, Preflight},
    providers::{gcp::Google, managed::Pauses, postgres::scratch::fresh_password},
};
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::io::{AsyncRead, ReadBuf};

/// What `pg_dump` writes last.
const TRAILER: &[u8] = b"\n-- PostgreSQL database dump complete\n";
/// So many of the last bytes are kept to look for it: what follows it is short.
const KEPT: usize = 512;
/// What a killed invocation left behind is removed by a later one: no export takes longer.
const FORGOTTEN: Duration = Duration::from_hours(48);

/// The exports of one database that Cloud SQL writes itself.
#[derive(Debug, Clone)]
pub struct Offload {
    project: Project,
    asset: String,
    instance: String,
    database: String,
    through: Arc<dyn Bucket>,
    clock: Arc<dyn Clock>,
}

impl Offload {
    /// Exports a database of an asset through a bucket. Asks nothing yet.
    pub fn open(google: Arc<Google>, asset: &Asset, database: String, through: Arc<dyn Bucket>, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Cloudsql { instance, place, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not cloudsql", asset.name, asset.source.kind())));
        };
        let project = Project::open(google, place)?;
        Ok(Self { project, asset: asset.name.to_string(), instance: instance.clone(), database, through, clock })
    }

    async fn look(&self) -> Result<(Instance, Origin)> {
        let instance = self.project.instance(&self.instance).await?;
        let instance = instance.ok_or_else(|| not_found(format!("there is no instance {} at {}", self.instance, self.project.place)))?;
        let origin = Origin {
            server: engine(&instance.database_version),
            server_version_num: version(instance.database_installed_version.as_deref().unwrap_or(&instance.database_version)),
            system_identifier: Some(instance.identity()),
            address: format!("{}:{PORT}/{}", instance.any_address().unwrap_or(&instance.connection_name), self.database),
            database: Some(self.database.clone()),
        };
        Ok((instance, origin))
    }

    fn folder(&self) -> String {
        format!("offload/{}/", self.asset)
    }

    /// Removes what earlier exports left behind, and what nobody reads any more.
    async fn sweep(&self) -> Result<()> {
        for object in self.through.list_all(&self.folder()).await? {
            if since(self.clock.now(), object.modified) > FORGOTTEN {
                self.through.delete(&object.key).await?;
            }
        }
        Ok(())
    }

    /// Has it written, and waits for that.
    async fn written(&self, key: &str) -> Result<Operation> {
        let place = self.through.place();
        let uri = format!("{place}/{key}");
        let context = json!({ "fileType": "SQL", "uri": uri, "databases": [self.database], "offload": true });
        let mut pauses = Pauses::new(&*self.clock);
        loop {
            match self.project.begin_export(&self.instance, &context).await {
                Ok(Begun::Under(operation)) => return self.seen_through(operation, &uri, &mut pauses).await,
                Ok(Begun::Busy(error)) => {
                    tracing::info!("{} is busy: {}", self.instance, error.full());
                    pauses.wait().await;
                }
                Ok(Begun::Taken) => return Err(conflict(format!("{} is in no state in which it can be exported", self.instance))),
                // An answer that was lost: what it began writes to an address that nothing else does.
                Err(error) if error.kind() == Kind::Retry => {
                    let operations = self.project.operations(&self.instance).await?;
                    let writes = |operation: &Operation| operation.export_context.as_ref().is_some_and(|context| context.uri == uri);
                    match operations.into_iter().find(writes) {
                        Some(operation) => return self.seen_through(operation, &uri, &mut pauses).await,
                        None => return Err(error),
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn seen_through(&self, begun: Operation, uri: &str, pauses: &mut Pauses<'_>) -> Result<Operation> {
        tracing::info!(asset = self.asset, "Cloud SQL writes {uri}");
        let operation = until_over(&self.project, begun, pauses).await?;
        match operation.trouble() {
            None => Ok(operation),
            Some(why) => Err(failed(format!("Cloud SQL gave up the export of {} to {uri}: {why}", self.instance))
                .hint("let the instance's own service account create objects there (roles/storage.objectCreator on the bucket)")),
        }
    }
}

/// `POSTGRES_15_18` as Postgres counts: 150018.
fn version(name: &str) -> u32 {
    let mut parts = name.split('_').skip(1).map(|part| part.parse::<u32>().unwrap_or_default());
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    major * 10_000 + minor
}

#[async_trait]
impl Exporter for Offload {
    async fn preflight(&self, _: &Ask) -> Result<Preflight> {
        let (instance, origin) = self.look().await?;
        if instance.state != "RUNNABLE" {
            return Err(retry(format!("{} is {}", self.instance, instance.state.to_lowercase())));
        }
        self.through.list(&self.folder(), None).await?;
        Ok(Preflight { origin, expected_size: instance.number("/dataDiskSizeGb").unwrap_or(10) << 30 })
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        if ask.method != Method::PgDumpPlain {
            return Err(invalid("Cloud SQL writes plain dumps only"));
        }
        self.sweep().await?;
        let (_, origin) = self.look().await?;
        let random = fresh_password()?;
        let key = format!("{}{}-{}.sql", self.folder(), Slot::at(self.clock.now()).stamp(), &random[..16]);
        // The dump's own snapshot is taken after this moment, so that its data are no older.
        let before = self.clock.now();
        let operation = self.written(&key).await?;
        let data_time = operation.start_time.unwrap_or(before);
        Ok(Box::new(Written { roles: Arc::default(), through: self.through.clone(), key, data_time, origin, handed_out: false }))
    }
}

/// An object that Cloud SQL has written.
struct Written {
    roles: Arc<Mutex<BTreeSet<String>>>,
    through: Arc<dyn Bucket>,
    key: String,
    data_time: Timestamp,
    origin: Origin,
    handed_out: bool,
}

#[async_trait]
impl Dump for Written {
    async fn next(&mut self) -> Result<Option<Piece>> {
        if self.handed_out {
            return Ok(None);
        }
        let object = self.through.head(&self.key).await?;
        let object = object.ok_or_else(|| failed(format!("Cloud SQL says that it wrote {}, and it is not there", self.key)))?;
        let bytes = self.through.read(&self.key, None).await?;
        self.handed_out = true;
        let bytes: ByteStream = Box::pin(Whole {
            bytes,
            name: self.key.clone(),
            tail: Vec::new(),
            count: 0,
            named: Named::default(),
            roles: self.roles.clone(),
        });
        Ok(Some(Piece { role: Role::Data, ending: ".sql".to_owned(), expected_size: Some(object.size), bytes }))
    }

    async fn finish(self: Box<Self>) -> Result<Facts> {
        if !self.handed_out {
            return Err(failed("the export was ended before any of it was read"));
        }
        // Its bytes are in the vault by now. What cannot be removed is removed by a later export.
        if let Err(error) = self.through.delete(&self.key).await {
            tracing::warn!("{} could not be removed: {}", self.key, error.full());
        }
        let tools = BTreeMap::from([("cloudsql-export".to_owned(), self.origin.server.clone())]);
        // Roles are not in the dump, and their names are: a restore makes those that own things, or may do things with them.
        let roles = self.roles.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        Ok(Facts { origin: self.origin, data_time: self.data_time, expectations: Expectations { roles, ..Expectations::default() }, tools })
    }
}

/// A dump whose end is good only if it says so itself.
struct Whole {
    bytes: ByteStream,
    name: String,
    tail: Vec<u8>,
    count: u64,
    named: Named,
    roles: Arc<Mutex<BTreeSet<String>>>,
}

impl AsyncRead for Whole {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.bytes.as_mut().poll_read(context, into))?;
        let fresh = &into.filled()[before..];
        if fresh.is_empty() {
            return Poll::Ready(self.end().map_err(io::Error::other));
        }
        self.count += fresh.len() as u64;
        self.named.read(fresh);
        let kept = &fresh[fresh.len().saturating_sub(KEPT)..];
        self.tail.extend_from_slice(kept);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        Poll::Ready(Ok(()))
    }
}

impl Whole {
    fn end(&self) -> Result<(), Error> {
        if self.tail.windows(TRAILER.len()).any(|window| window == TRAILER) {
            self.roles.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.named.roles);
            return Ok(());
        }
        Err(corrupt(format!("{} has {} bytes and ends without pg_dump's last words: it is not whole", self.name, self.count))
            .hint("nothing was recorded; the next wake-up has another written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;

    async fn read(text: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut whole = Whole {
            bytes: Box::pin(io::Cursor::new(text)),
            name: "x.sql".into(),
            tail: Vec::new(),
            count: 0,
            named: Named::default(),
            roles: Arc::default(),
        };
        let mut found = Vec::new();
        whole.read_to_end(&mut found).await.map(|_| found)
    }

    fn dump(rows: usize) -> Vec<u8> {
        let rows: Vec<_> = (0..rows).map(|row| format!("insert into t values ({row});\n")).collect();
        let rows = rows.concat();
        format!("--\n-- PostgreSQL database dump\n--\n\n{rows}\n--\n-- PostgreSQL database dump complete\n--\n\n").into_bytes()
    }

    #[tokio::test]
    async fn r12_a_dump_that_was_cut_short_never_reads_to_its_end() {
        assert_eq!(read(dump(5_000)).await.unwrap(), dump(5_000));
        let whole = dump(3);
        let words = whole.windows(TRAILER.len()).position(|window| window == TRAILER).unwrap() + TRAILER.len();
        for length in 0..words {
            assert!(read(whole[..length].to_vec()).await.is_err(), "{length} of {words} bytes");
        }
        let said_early = [b"-- PostgreSQL database dump complete\n".to_vec(), vec![b'x'; 5_000]].concat();
        assert!(read(said_early).await.is_err(), "a row may hold these words");
    }

    proptest! {
        #[test]
        fn a_version_is_counted_as_postgres_does(major in 9_u32..30, minor in 0_u32..40) {
            prop_assert_eq!(version(&format!("POSTGRES_{major}_{minor}")), major * 10_000 + minor);
        }
    }
}
