//! `CloudEvents` 1.0, structured. Providers' own types only wake (Pub/Sub's carry a message, an audit log and a bucket say what
//! they are about); the data of others is ours.

use super::{Envelope, Event, fields, notice, refuse};
use crate::{clock::Timestamp, error::Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Cloud Scheduler's, as Eventarc tells it, and as we note it when it calls us itself.
const SCHEDULERS: [&str; 2] = ["google.cloud.scheduler.job.v1.executed", super::SCHEDULE];
/// A Pub/Sub message, as Eventarc tells it.
const PUBSUB: &str = "google.cloud.pubsub.topic.v1.messagePublished";
/// An entry of an audit log, as Eventarc tells it.
const AUDIT: &str = "google.cloud.audit.log.v1.written";
/// What happens to objects of Cloud Storage, as Eventarc tells it.
const OBJECT: &str = "google.cloud.storage.object.v1.";
/// Types whose data a provider defines.
const PROVIDERS: [&str; 4] = ["google.", "com.google.", "com.amazonaws.", "Microsoft."];

#[derive(Deserialize)]
struct Outer {
    specversion: String,
    #[serde(rename = "type")]
    kind: String,
    time: Option<Timestamp>,
    data: Option<Value>,
    data_base64: Option<String>,
}

/// Opens a `CloudEvents` event.
pub fn open(outer: Map<String, Value>, nesting: usize) -> Result<Event> {
    let outer: Outer = fields(Value::Object(outer))?;
    if !outer.specversion.starts_with("1.") {
        return Err(refuse("its CloudEvents version is not 1.0"));
    }
    let inner = match (outer.data, outer.data_base64) {
        (Some(Value::Object(data)), None) if outer.kind == PUBSUB => super::pubsub::open(data, nesting)?,
        (Some(data @ Value::Object(_)), None) if outer.kind == AUDIT => notice::audited(&data).event(),
        (Some(Value::Object(data)), None) if outer.kind.starts_with(OBJECT) => {
            let bucket = data.get("bucket").and_then(Value::as_str).unwrap_or_default();
            notice::stored(bucket, &outer.kind[OBJECT.len() - "object.v1.".len()..]).event()
        }
        _ if PROVIDERS.iter().any(|prefix| outer.kind.starts_with(prefix)) => Event::wake(Envelope::CloudEvents),
        (None | Some(Value::Null), None) => Event::wake(Envelope::CloudEvents),
        (Some(Value::Object(data)), None) => super::open(data, nesting)?,
        (None, Some(data)) => super::parse(&STANDARD.decode(data).map_err(|_| refuse("its data is not base64"))?, nesting)?,
        _ => return Err(refuse("its data is not a JSON object")),
    };
    let scheduled = inner.scheduled || SCHEDULERS.contains(&outer.kind.as_str());
    Ok(Event { scheduled, ..inner.within(Envelope::CloudEvents, outer.time, None, None) })
}
