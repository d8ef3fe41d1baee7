//! An export of an instance: written by Memorystore into a bucket under a name of its own, read from there to its last byte, and
//! removed, whatever became of it.

use super::api::{Api, Instance};
use crate::{
    clock::{Clock, Timestamp, since},
    domain::{
        backup::{Expectations, Method, Origin, Role},
        place::{Place, Scheme},
    },
    error::{During, Error, Result, failed, invalid, retry, unsupported},
    id::AssetName,
    ports::{Ask, Bucket, Dump, Exporter, Facts, Piece, Preflight},
    providers::{
        again::mark,
        gcp::Google,
        redis::{Rdb, watched},
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What an invocation that was killed left in the bucket is removed when it is so old: no export takes longer.
const LEFT: Duration = Duration::from_hours(12);

/// Exports of one instance.
pub struct Memorystore {
    asset: AssetName,
    api: Api,
    through: Arc<dyn Bucket>,
    clock: Arc<dyn Clock>,
}

/// Which instance.
#[derive(Debug, Clone, Copy)]
pub struct Which<'a> {
    /// Its project.
    pub project: &'a str,
    /// Its region.
    pub region: &'a str,
    /// Its name.
    pub instance: &'a str,
}

impl Memorystore {
    /// Will export an instance through a bucket of Cloud Storage. Asks nothing yet.
    pub fn new(google: Arc<Google>, asset: AssetName, which: Which<'_>, through: Arc<dyn Bucket>, clock: Arc<dyn Clock>) -> Result<Self> {
        if through.place().scheme() != Scheme::Gs {
            return Err(invalid(format!("Memorystore writes to Cloud Storage alone, not to {}", through.place())));
        }
        let api = Api::new(google, which.project, which.region, which.instance, clock.clone());
        Ok(Self { asset, api, through, clock })
    }

    fn folder(&self) -> String {
        format!("memorystore/{}/", self.asset)
    }

    /// Refuses to begin while something else goes on with it.
    async fn ready(&self) -> Result<Instance> {
        let instance = self.api.instance().await?;
        if instance.state != "READY" {
            return Err(retry(format!("{} is {}: nothing can be exported of it now", self.api.name, instance.state.to_ascii_lowercase()))
                .hint("the next wake-up tries again"));
        }
        if let Some(verb) = self.api.busy().await? {
            return Err(retry(format!("Memorystore is at work on {} ({verb}), and does one thing at a time", self.api.name))
                .hint("the next wake-up tries again"));
        }
        Ok(instance)
    }

    /// Removes what earlier exports left that nobody reads any more.
    async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        for left in self.through.list_all(&self.folder()).await? {
            if since(now, left.modified) > LEFT {
                self.through.delete(&left.key).await?;
                tracing::info!(asset = %self.asset, "{} was left by an earlier export and is removed", left.key);
            }
        }
        Ok(())
    }
}

/// The server and its version as we write it: of `REDIS_7_2`, `Redis 7.2`.
fn server(version: &str) -> String {
    let numbers = version.strip_prefix("REDIS_").unwrap_or(version);
    format!("Redis {}", numbers.replace(['_', 'X'], ".").trim_end_matches('.').replace("..", "."))
}

fn origin(api: &Api, instance: &Instance) -> Origin {
    Origin {
        server: server(&instance.redis_version),
        system_identifier: Some(api.name.clone()),
        address: format!("{}:{}", instance.host, instance.port),
        ..Origin::default()
    }
}

#[async_trait]
impl Exporter for Memorystore {
    async fn preflight(&self, _: &Ask) -> Result<Preflight> {
        let instance = self.ready().await?;
        let looked = self.through.list(&self.folder(), None).await;
        looked.during(format!("looking into {}, which Memorystore exports through", self.through.place()))?;
        Ok(Preflight { origin: origin(&self.api, &instance), expected_size: instance.memory_size_gb << 30 })
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        if ask.method != Method::RedisRdb {
            return Err(unsupported("Memorystore exports RDB files alone"));
        }
        let instance = self.ready().await?;
        self.sweep().await?;
        let began = self.clock.now();
        let object = Object { bucket: self.through.clone(), key: format!("{}{}.rdb", self.folder(), mark()), there: true };
        let operation = self.api.begin_export(&address(self.through.place(), &object.key)).await?;
        tracing::info!(asset = %self.asset, "{} is exported to {} by {}", self.api.name, object.key, operation.name);
        self.api.ended(operation, &instance.persistence_iam_identity).await?;
        let written = self.through.head(&object.key).await?;
        let written = written.ok_or_else(|| failed("Memorystore says that it exported, and there is nothing in the bucket"))?;
        Ok(Box::new(Export { origin: origin(&self.api, &instance), began, object, size: written.size, found: None }))
    }
}

fn address(place: &Place, key: &str) -> String {
    let slash = if place.prefix().is_empty() { "" } else { "/" };
    format!("gs://{}/{}{slash}{key}", place.bucket(), place.prefix())
}

/// What Memorystore wrote, gone with us.
struct Object {
    bucket: Arc<dyn Bucket>,
    key: String,
    there: bool,
}

impl Object {
    async fn remove(&mut self) -> Result<()> {
        self.bucket.delete(&self.key).await?;
        self.there = false;
        Ok(())
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        let (bucket, key) = (self.bucket.clone(), self.key.clone());
        // Whatever is killed before this is done, the next export sweeps away.
        if self.there
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { bucket.delete(&key).await });
        }
    }
}

struct Export {
    origin: Origin,
    began: Timestamp,
    object: Object,
    size: u64,
    found: Option<Arc<Mutex<Option<Rdb>>>>,
}

#[async_trait]
impl Dump for Export {
    async fn next(&mut self) -> Result<Option<Piece>> {
        if self.found.is_some() {
            return Ok(None);
        }
        let (bytes, found) = watched(self.object.bucket.read(&self.object.key, None).await?);
        self.found = Some(found);
        Ok(Some(Piece { role: Role::Data, ending: ".rdb".to_owned(), expected_size: Some(self.size), bytes }))
    }

    async fn finish(mut self: Box<Self>) -> Result<Facts> {
        let found = self.found.as_ref().and_then(|found| found.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let rdb = found.ok_or_else(|| failed("the export was ended before all of it was read"))?;
        self.object.remove().await.map_err(|error: Error| error.during("removing what Memorystore exported through the bucket"))?;
        if let Some(version) = &rdb.server {
            self.origin.server = format!("Redis {version}");
        }
        let sum = if rdb.summed { "checked" } else { "none: the instance writes no checksum" };
        let tools = BTreeMap::from([("rdb".to_owned(), rdb.version.to_string()), ("rdb-checksum".to_owned(), sum.to_owned())]);
        // What was written before the order is in it for certain; what the file says of itself may only be older.
        let data_time = rdb.moment.map_or(self.began, |moment| moment.min(self.began));
        let expectations = Expectations { keyspace: rdb.keyspace, ..Expectations::default() };
        Ok(Facts { origin: self.origin.clone(), data_time, expectations, tools })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_addresses_are_written_as_people_do() {
        assert_eq!(
            (server("REDIS_7_2"), server("REDIS_6_X"), server("REDIS_5_0")),
            ("Redis 7.2".into(), "Redis 6".into(), "Redis 5.0".into())
        );
        let place: Place = "gs://acme-exports/redis".parse().unwrap();
        assert_eq!(address(&place, "memorystore/cache/x.rdb"), "gs://acme-exports/redis/memorystore/cache/x.rdb");
        assert_eq!(address(&"gs://b".parse().unwrap(), "x"), "gs://b/x");
    }
}
