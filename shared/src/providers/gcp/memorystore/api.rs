//! One instance of Memorystore, as its interface shows it, and what goes on with it.

use super::error::{ended, told};
use crate::{
    clock::{Clock, Timestamp, before},
    error::{Kind, Result, failed, not_found, retry},
    providers::gcp::{
        Google,
        call::{Ask, Call, Service, escaped},
    },
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// How often is looked whether an operation has ended.
const BETWEEN: Duration = Duration::from_secs(5);
/// By how much Google's clock and ours may differ.
const SKEW: Duration = Duration::from_mins(2);
/// Pages of one listing of operations.
const MOST_PAGES: usize = 100;

/// One instance.
#[derive(Debug, Clone)]
pub(super) struct Api {
    /// `projects/P/locations/R/instances/I`.
    pub(super) name: String,
    /// `projects/P/locations/R`.
    location: String,
    call: Call,
    clock: Arc<dyn Clock>,
}

/// An instance as Memorystore describes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) redis_version: String,
    #[serde(default)]
    pub(super) memory_size_gb: u64,
    #[serde(default)]
    pub(super) host: String,
    #[serde(default)]
    pub(super) port: u16,
    /// Who it is to Cloud Storage.
    #[serde(default)]
    pub(super) persistence_iam_identity: String,
}

/// Something that goes on with an instance.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) done: bool,
    pub(super) error: Option<Status>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) create_time: Option<Timestamp>,
    #[serde(default)]
    pub(super) target: String,
    #[serde(default)]
    pub(super) verb: String,
}

/// How an operation ended badly.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) code: i32,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    operations: Vec<Operation>,
    next_page_token: Option<String>,
}

impl Api {
    /// An instance. Asks nothing yet.
    pub(super) fn new(google: Arc<Google>, project: &str, region: &str, instance: &str, clock: Arc<dyn Clock>) -> Self {
        let location = format!("projects/{}/locations/{}", escaped(project), escaped(region));
        Self { name: format!("{location}/instances/{}", escaped(instance)), location, call: Call::new(google, Service::Redis), clock }
    }

    /// Looks at it.
    pub(super) async fn instance(&self) -> Result<Instance> {
        let found = self.call.ask(&Ask::get(format!("/v1/{}", self.name))).await.and_then(|reply| reply.json::<Instance>());
        found.map_err(|refused| told(refused, "redis.instances.get", &self.name)).map_err(|error| match error.kind() {
            Kind::NotFound => not_found(format!("there is no instance {}", self.name))
                .because(error)
                .hint("check `project`, `region` and `instance` of this asset"),
            _ => error,
        })
    }

    /// What goes on with it, and what went on lately.
    async fn operations(&self) -> Result<Vec<Operation>> {
        let (mut all, mut token) = (Vec::new(), None::<String>);
        for _ in 0..MOST_PAGES {
            let mut ask = Ask::get(format!("/v1/{}/operations", self.location)).query("pageSize", "500");
            if let Some(token) = &token {
                ask = ask.query("pageToken", token.clone());
            }
            let page = self.call.ask_operation(&ask).await.and_then(|reply| reply.json::<Page>());
            let page = page.map_err(|refused| told(refused, "redis.operations.list", &self.location))?;
            all.extend(page.operations.into_iter().filter(|operation| operation.metadata.target == self.name));
            match page.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                next if next == token => break,
                next => token = next,
            }
        }
        Err(retry(format!("the operations of {} do not end", self.location)))
    }

    /// What goes on with it now, in Memorystore's word; none where nothing does.
    pub(super) async fn busy(&self) -> Result<Option<String>> {
        Ok(self.operations().await?.into_iter().find(|operation| !operation.done).map(|operation| operation.metadata.verb))
    }

    /// Orders an export, once: where no answer comes, whether it began is looked up.
    pub(super) async fn begin_export(&self, uri: &str) -> Result<Operation> {
        let ordered_at = self.clock.now();
        let ask = Ask::new(Method::POST, format!("/v1/{}:export", self.name))
            .json(&json!({ "outputConfig": { "gcsDestination": { "uri": uri } } }));
        let asked = self.call.read_once(&ask).await.and_then(|reply| reply.json::<Operation>());
        let error = match asked {
            Ok(operation) => return Ok(operation),
            Err(refused) if !matches!(refused.status(), 0 | 500 | 502 | 504) => {
                return Err(told(refused, "redis.instances.export", &self.name));
            }
            Err(refused) => told(refused, "redis.instances.export", &self.name),
        };
        let since = before(ordered_at, SKEW);
        let ours = |operation: &Operation| {
            operation.metadata.verb == "export" && operation.metadata.create_time.is_some_and(|created| created >= since)
        };
        let begun = self.operations().await?.into_iter().filter(ours).max_by_key(|operation| operation.metadata.create_time);
        begun.ok_or(error)
    }

    /// Waits until an operation has ended well.
    pub(super) async fn ended(&self, mut operation: Operation, account: &str) -> Result<()> {
        let path = format!("/v1/{}", operation.name);
        loop {
            if let Some(status) = &operation.error {
                return Err(ended(status, account, &self.name));
            }
            if operation.done {
                return Ok(());
            }
            if !operation.name.starts_with("projects/") {
                return Err(failed("Memorystore named no operation of its own"));
            }
            self.clock.sleep(BETWEEN).await;
            let asked = self.call.ask_operation(&Ask::get(path.as_str())).await.and_then(|reply| reply.json::<Operation>());
            operation = asked.map_err(|refused| told(refused, "redis.operations.get", &self.name))?;
        }
    }
}
