//! Our own events on a bus of `EventBridge`: `Lastgood Backup State Change`, one for each change.
//!
//! The service answers 200 for events that it did not take: each answer is looked through, and what was refused for now is
//! sent again.

use super::{
    call::{Call, Service},
    error::{Answer, Asked, Meaning},
    pause,
    shared::{Access, load},
};
use crate::{
    config::EventBus,
    domain::change::Change,
    error::{Error, Kind, Result, failed, invalid},
    event::{SOURCE, STATE_CHANGE},
    ports::Announcer,
};
use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A reply takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most events of one request.
const AT_ONCE: usize = 10;
/// What is refused for now is sent this often.
const TRIES: u32 = 3;
/// The version of what the events say.
const VERSION: u32 = 1;

/// A bus.
#[derive(Debug)]
pub struct Events {
    bus: EventBus,
    access: Access,
    call: OnceCell<Call>,
}

impl Events {
    /// A bus, reached at the first event.
    pub fn new(bus: EventBus, access: Access) -> Self {
        Self { bus, access, call: OnceCell::new() }
    }

    async fn open(&self) -> Result<Call> {
        let loaded = load(&self.access, self.bus.region(), PATIENCE).await;
        if loaded.region().is_none() {
            return Err(
                invalid(format!("the region of the bus {} is not known", self.bus)).hint("set AWS_REGION, or write the bus as its ARN")
            );
        }
        Ok(Call::new(&loaded, Service::EventBridge))
    }

    /// Sends a few events, and those again that were refused for now.
    async fn put(&self, call: &Call, mut entries: Vec<Value>) -> Result<()> {
        let mut tries = 1;
        loop {
            let sent = call.json("AWSEvents.PutEvents", &json!({ "Entries": entries })).await;
            let reply = sent.map_err(|error| Asked { action: "events:PutEvents", of: self.bus.as_str() }.refused_by(table, &error))?;
            let reply: Reply =
                serde_json::from_slice(&reply).map_err(|error| failed("reading what EventBridge answered").because(error))?;
            if reply.entries.len() != entries.len() {
                return Err(failed(format!("EventBridge answered for {} of {} events", reply.entries.len(), entries.len())));
            }
            let mut refused = entries.into_iter().zip(reply.entries).filter(|(_, taken)| taken.event_id.is_none());
            let Some((first, why)) = refused.next() else {
                return if reply.failed == 0 { Ok(()) } else { Err(failed("EventBridge says that it took not all events, and not which")) };
            };
            let again = why.is_passing() && tries < TRIES;
            let error = why.told(&self.bus);
            entries = std::iter::once(first).chain(refused.map(|(entry, _)| entry)).collect();
            if !again {
                return Err(error);
            }
            pause(tries).await;
            tries += 1;
        }
    }
}

#[async_trait]
impl Announcer for Events {
    async fn announce(&self, function: &str, changes: &[Change]) -> Result<()> {
        let call = self.call.get_or_try_init(|| self.open()).await?;
        let entry = |change: &Change| {
            let mut detail = json!({ "version": VERSION, "function": function });
            if let (Some(fields), Ok(Value::Object(change))) = (detail.as_object_mut(), serde_json::to_value(change)) {
                fields.extend(change);
            }
            json!({ "Source": SOURCE, "DetailType": STATE_CHANGE, "Detail": detail.to_string(), "EventBusName": self.bus.as_str() })
        };
        let mut first = None;
        for some in changes.chunks(AT_ONCE) {
            if let Err(error) = self.put(call, some.iter().map(entry).collect()).await {
                first.get_or_insert(error);
            }
        }
        first.map_or(Ok(()), Err)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    #[serde(rename = "FailedEntryCount", default)]
    failed: u64,
    #[serde(default)]
    entries: Vec<Taken>,
}

/// What became of one event.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Taken {
    event_id: Option<String>,
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    error_message: String,
}

impl Taken {
    fn is_passing(&self) -> bool {
        matches!(self.error_code.as_str(), "InternalFailure" | "InternalException" | "ThrottlingException")
    }

    fn told(&self, bus: &EventBus) -> Error {
        let kind = match self.error_code.as_str() {
            _ if self.is_passing() => Kind::Retry,
            "NotAuthorizedForDetailTypeException" | "NotAuthorizedForSourceException" | "AccessDeniedException" => Kind::Denied,
            _ => Kind::Failed,
        };
        let said = crate::redact::clip(&format!("{}: {}", self.error_code, self.error_message), 300);
        let error = Error::new(kind, format!("events:PutEvents on {bus}: an event was not taken")).because(said);
        if kind == Kind::Denied { error.hint("allow events:PutEvents on that bus to the role that this runs with") } else { error }
    }
}

/// What `EventBridge` says.
fn table(answer: Answer<'_>) -> Option<Meaning> {
    const BUS: Option<&str> = Some("create the bus, or mend `events.bus` in the config");
    match answer.code {
        "ResourceNotFoundException" => Some((Kind::Failed, "there is no such bus", BUS)),
        _ => None,
    }
}
