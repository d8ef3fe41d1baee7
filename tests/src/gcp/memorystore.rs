//! Memorystore for Redis: one thing at a time with an instance, operations that end late and sometimes badly, and the very RDB file
//! that a test gave it.

use super::{Asked, Call, Ending, Faults, Part, Refusal};
use crate::gcs::GcsServer;
use async_trait::async_trait;
use lastgood_core::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Memorystore, as far as it exports.
pub struct Memorystore {
    clock: Arc<dyn Clock>,
    faults: Faults,
    storage: Arc<GcsServer>,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    /// What an instance holds, by its whole name.
    instances: BTreeMap<String, (Value, Vec<u8>)>,
    operations: BTreeMap<String, Operation>,
    number: u64,
}

struct Operation {
    target: String,
    verb: &'static str,
    created: Timestamp,
    looks: usize,
    /// What it does at its end: the object, its bytes, and with which error it ends.
    writes: Option<(String, Vec<u8>)>,
    error: Option<(i32, String)>,
}

fn missing(name: &str) -> Refusal {
    Refusal::new(404, "notFound", format!("Resource '{name}' was not found"))
}

impl Memorystore {
    /// Nothing is there yet.
    pub fn new(clock: Arc<dyn Clock>, faults: &Faults, storage: &Arc<GcsServer>) -> Arc<Self> {
        Arc::new(Self { clock, faults: faults.clone(), storage: storage.clone(), world: Mutex::default() })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an instance there that holds this, as an RDB file.
    pub fn found(&self, project: &str, region: &str, name: &str, rdb: Vec<u8>) {
        let whole = format!("projects/{project}/locations/{region}/instances/{name}");
        let body = json!({
            "name": whole, "state": "READY", "redisVersion": "REDIS_7_0", "memorySizeGb": 1, "tier": "STANDARD_HA", "host": "10.0.0.3",
            "port": 6379, "persistenceIamIdentity": "serviceAccount:redis-1@prod.iam.gserviceaccount.com",
        });
        self.world().instances.insert(whole, (body, rdb));
    }

    /// What an instance holds from now on.
    pub fn holds(&self, name: &str, rdb: Vec<u8>) {
        let mut world = self.world();
        let instance = world.instances.iter_mut().find(|(whole, _)| whole.ends_with(&format!("/{name}"))).expect("an instance");
        instance.1.1 = rdb;
    }

    /// Lets an instance be in a state.
    pub fn state(&self, name: &str, state: &str) {
        let mut world = self.world();
        let instance = world.instances.iter_mut().find(|(whole, _)| whole.ends_with(&format!("/{name}"))).expect("an instance");
        instance.1.0["state"] = state.into();
    }

    /// Lets Memorystore begin something by itself with an instance.
    pub fn begins_by_itself(&self, name: &str) {
        let mut world = self.world();
        let target = world.instances.keys().find(|whole| whole.ends_with(&format!("/{name}"))).expect("an instance").clone();
        let looks = self.faults.rules_now().looks + 1;
        let created = self.clock.now();
        self.begin(&mut world, Operation { target, verb: "update", created, looks, writes: None, error: None });
    }

    fn begin(&self, world: &mut World, operation: Operation) -> Value {
        world.number += 1;
        let location = operation.target.split("/instances/").next().expect("a location");
        let name = format!("{location}/operations/operation-{}", world.number);
        let said = Self::said(&name, &operation, false);
        world.operations.insert(name, operation);
        said
    }

    fn said(name: &str, operation: &Operation, done: bool) -> Value {
        let Operation { target, verb, created, error, .. } = operation;
        let mut said = json!({
            "name": name, "done": done,
            "metadata": { "@type": "type.googleapis.com/google.cloud.redis.v1.OperationMetadata", "createTime": created.to_string(),
                          "target": target, "verb": verb, "apiVersion": "v1" },
        });
        if let Some((code, message)) = error.as_ref().filter(|_| done) {
            said["error"] = json!({ "code": code, "message": message });
        }
        said
    }

    /// Somebody looks at an operation; at the last look it takes effect.
    fn look(&self, world: &mut World, name: &str) -> Result<Value, Refusal> {
        let operation = world.operations.get_mut(name).ok_or_else(|| missing(name))?;
        operation.looks = operation.looks.saturating_sub(1);
        if operation.looks == 0
            && let Some((uri, bytes)) = operation.writes.take()
        {
            let (bucket, object) = uri.strip_prefix("gs://").and_then(|uri| uri.split_once('/')).expect("it was checked");
            if let Err(reason) = self.storage.write(bucket, object, bytes) {
                operation.error = Some((9, format!("The object in the bucket could not be written: {reason}")));
            }
        }
        Ok(Self::said(name, operation, operation.looks == 0))
    }

    fn export(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        let target = call.names[1].clone();
        let (body, rdb) = world.instances.get(&target).cloned().ok_or_else(|| missing(&target))?;
        let uri = call.body["outputConfig"]["gcsDestination"]["uri"].as_str().unwrap_or_default().to_owned();
        let Some((bucket, object)) = uri.strip_prefix("gs://").and_then(|uri| uri.split_once('/')) else {
            return Err(Refusal::new(400, "INVALID_ARGUMENT", "Invalid GCS uri"));
        };
        if !object.ends_with(".rdb") || call.body.as_object().is_none_or(|body| body.len() != 1) {
            return Err(Refusal::new(400, "INVALID_ARGUMENT", "The object must end in .rdb"));
        }
        let busy = world.operations.values().any(|operation| operation.target == target && operation.looks > 0);
        if busy || body["state"] != "READY" {
            return Err(Refusal::new(409, "ABORTED", "The resource is being used by another operation"));
        }
        let (mut bytes, mut error, mut looks) = (Some(rdb), None, self.faults.rules_now().looks.max(1));
        if self.faults.bars(bucket) {
            let who = body["persistenceIamIdentity"].as_str().unwrap_or_default().trim_start_matches("serviceAccount:");
            (bytes, error) = (None, Some((7, format!("{who} does not have storage.objects.create access to the bucket."))));
        } else if !self.storage.has(bucket) {
            (bytes, error) = (None, Some((5, "The specified bucket does not exist.".to_owned())));
        }
        let half = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|all| all[..all.len() / 2].to_vec());
        match self.faults.takes_an_ending("redis.export") {
            Some(Ending::Error | Ending::Failed | Ending::Skipped) => {
                (bytes, error) = (None, Some((13, "an internal error has occurred".to_owned())))
            }
            Some(Ending::Truncated) => (bytes, error) = (half(&bytes), Some((13, "an internal error has occurred".to_owned()))),
            Some(Ending::SilentlyTruncated) => bytes = half(&bytes),
            Some(Ending::Never | Ending::Stuck) => looks = 100_000,
            None => {}
        }
        let writes = bytes.map(|bytes| (uri, bytes));
        let created = self.clock.now();
        Ok(self.begin(&mut world, Operation { target, verb: "export", created, looks, writes, error }))
    }
}

#[async_trait]
impl Part for Memorystore {
    fn call(&self, asked: &Asked) -> Option<Result<Call, Refusal>> {
        let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
        let ["v1", "projects", project, "locations", region, rest @ ..] = &path[..] else { return None };
        let location = format!("projects/{project}/locations/{region}");
        let (api, permission, name) = match (asked.method.as_str(), rest) {
            ("GET", ["instances", name]) => ("redis.instances.get", "redis.instances.get", format!("{location}/instances/{name}")),
            ("POST", ["instances", name]) => {
                let name = name.strip_suffix(":export")?;
                ("redis.instances.export", "redis.instances.export", format!("{location}/instances/{name}"))
            }
            ("GET", ["operations"]) => ("redis.operations.list", "redis.operations.list", location),
            ("GET", ["operations", name]) => ("redis.operations.get", "redis.operations.get", format!("{location}/operations/{name}")),
            _ => return None,
        };
        let names = vec![(*project).to_owned(), name];
        Some(asked.json().map(|body| Call { api, permission, names, query: asked.query.clone(), body }))
    }

    async fn answer(&self, call: &Call) -> Result<Value, Refusal> {
        match call.api {
            "redis.instances.get" => {
                let world = self.world();
                world.instances.get(&call.names[1]).map(|(body, _)| body.clone()).ok_or_else(|| missing(&call.names[1]))
            }
            "redis.instances.export" => self.export(call),
            "redis.operations.list" => {
                let mut world = self.world();
                let here: Vec<_> = world.operations.keys().filter(|name| name.starts_with(&call.names[1])).cloned().collect();
                let most = self.faults.rules_now().page.max(1);
                let start: usize = call.query("pageToken").and_then(|token| token.parse().ok()).unwrap_or_default();
                let all: Result<Vec<_>, _> = here.iter().skip(start).take(most).map(|name| self.look(&mut world, name)).collect();
                let mut page = json!({ "operations": all? });
                if start + most < here.len() {
                    page["nextPageToken"] = (start + most).to_string().into();
                }
                Ok(page)
            }
            _ => self.look(&mut self.world(), &call.names[1]),
        }
    }
}
