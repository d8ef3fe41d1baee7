//! `EventBridge`: a rule's schedule, Scheduler's default input, what a service tells, and events put there for us.

use super::{Envelope, Event, fields, plain, refuse};
use crate::{clock::Timestamp, error::Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What we read of it. `detail` is the provider's business when an AWS service sent it, and ours otherwise.
#[derive(Deserialize)]
struct Outer {
    #[serde(rename = "detail-type")]
    kind: String,
    source: String,
    time: Option<Timestamp>,
    account: Option<String>,
    region: Option<String>,
    detail: Option<Value>,
}

/// Opens an `EventBridge` event.
pub fn open(outer: Map<String, Value>) -> Result<Event> {
    let outer: Outer = fields(Value::Object(outer))?;
    let service = outer.source.starts_with("aws.");
    let inner = match outer.detail {
        _ if service => Event::wake(Envelope::EventBridge),
        None | Some(Value::Null) => Event::wake(Envelope::EventBridge),
        Some(Value::Object(detail)) => plain(detail)?,
        Some(_) => return Err(refuse("its detail is not a JSON object")),
    };
    // Scheduler's default input (`aws.scheduler`) has the same type as a rule's schedule (`aws.events`).
    let scheduled = inner.scheduled || (service && outer.kind == "Scheduled Event");
    Ok(Event { scheduled, ..inner.within(Envelope::EventBridge, outer.time, outer.account, outer.region) })
}
