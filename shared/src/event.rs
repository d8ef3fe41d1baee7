//! What wakes a function: one request out of whichever envelope it came in.
//!
//! An event wakes us, it never instructs us: it may narrow (`asset`), it carries no URL, ARN, bucket or command. What a
//! provider defines in its envelope is ignored but for its time and its origin; in our part, the request, whatever is not
//! known is refused. Reading is bounded: in size, in depth, and so in time.

mod cloudevents;
mod eventbridge;
mod notice;
mod origin;
mod pubsub;
mod s3;
mod sns;

pub use notice::{Concern, Notice, Subject};
#[cfg(feature = "aws")]
pub(crate) use notice::{SOURCE, STATE_CHANGE};

use crate::{
    clock::{self, Timestamp},
    config::Config,
    error::{Result, invalid},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::time::Duration;

/// The most bytes of an event: what Lambda accepts asynchronously, and far more than any wake-up needs.
pub const LIMIT: usize = 1 << 20;
/// The deepest nesting of an event's JSON. Provider events stay below ten.
const DEPTH: usize = 32;
/// The longest word of a request.
const WORD: usize = 128;
/// How many envelopes may lie in one another: `CloudEvents` around Pub/Sub around a request, at most.
const NESTING: usize = 3;
/// An event that is older than this is dropped: the schedules that followed it did its work.
const STALE: Duration = Duration::from_hours(24);
/// An event may lie this far in the future, for clocks that differ.
const AHEAD: Duration = Duration::from_hours(1);

/// The type that a host notes when a schedule's own HTTP call carries the request.
pub const SCHEDULE: &str = "lastgood.schedule";

const HINT: &str = "an event wakes a function and may name an asset, {\"asset\": \"orders-db\"}; it carries no URL, ARN, bucket or command";

/// What an event says, out of its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// How it came.
    pub envelope: Envelope,
    /// Our part: the request. Empty means "whatever is due".
    pub request: Map<String, Value>,
    /// Whether a schedule sent it.
    pub scheduled: bool,
    /// When it was meant for, or when it happened.
    pub at: Option<Timestamp>,
    /// The cloud account it says it comes from.
    pub account: Option<String>,
    /// The region it says it comes from.
    pub region: Option<String>,
    /// What a service or an alarm says of something that it calls by its own name.
    pub notice: Option<Notice>,
}

/// The envelopes that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Envelope {
    /// The request itself: `EventBridge` Scheduler's input, Cloud Scheduler's body, a hand.
    Plain,
    /// An `EventBridge` event: a rule's schedule, or what a service tells.
    EventBridge,
    /// A message of an SNS topic, as Lambda or an HTTP subscription gets it.
    Sns,
    /// What a bucket tells about its objects.
    S3,
    /// A message that Pub/Sub pushes.
    PubSub,
    /// A `CloudEvents` event, structured.
    CloudEvents,
    /// An alert or a service's notice, as such.
    Notice,
}

impl Event {
    /// Reads an event. Nothing at all (an empty HTTP body) is an empty request.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        parse(bytes, NESTING)
    }

    /// Reads a request that our own part carries, into what the function asks for.
    pub fn request<F: DeserializeOwned>(&self) -> Result<F> {
        let request = Value::Object(self.request.clone());
        harmless(&request)?;
        serde_json::from_value(request).map_err(|error| refuse(&error.to_string()))
    }

    /// Returns what the event asks for: its request, or for a notice the asset that it concerns.
    pub fn ask<F: DeserializeOwned>(&self, config: &Config) -> Result<Asked<F>> {
        let Some(notice) = &self.notice else { return self.request().map(Asked::Run) };
        match notice.concern(config, self.region.as_deref()) {
            Concern::Asset(asset) => {
                tracing::info!(asset = %asset, "woken by {}", notice.what);
                let mut narrowed = self.clone();
                narrowed.request.insert("asset".to_owned(), asset.as_str().into());
                narrowed.request().map(Asked::Run)
            }
            Concern::Several => self.request().map(Asked::Run),
            Concern::Nothing(why) => {
                tracing::info!("nothing is done: {why}");
                Ok(Asked::Nothing(why))
            }
        }
    }

    /// Returns why the event is to be dropped, if it is too old; refuses one from the future.
    pub fn stale(&self, now: Timestamp) -> Result<Option<String>> {
        let Some(at) = self.at else { return Ok(None) };
        if at > clock::after(now, AHEAD) {
            return Err(invalid(format!("the event says it is of {at}, which lies in the future"))
                .hint("compare the clock of whoever sent it with ours"));
        }
        let age = clock::since(now, at);
        Ok((age > STALE).then(|| format!("the event is {} old: later wake-ups have done its work", crate::domain::span::human(age))))
    }

    fn of(envelope: Envelope, request: Map<String, Value>) -> Self {
        Self { envelope, request, scheduled: false, at: None, account: None, region: None, notice: None }
    }

    /// An event that only wakes.
    fn wake(envelope: Envelope) -> Self {
        Self::of(envelope, Map::new())
    }

    /// Puts an outer envelope around what was found inside. The inner time wins (it is when the work was meant for), and the
    /// outer origin (whoever delivered it vouches for that).
    fn within(mut self, envelope: Envelope, at: Option<Timestamp>, account: Option<String>, region: Option<String>) -> Self {
        self.envelope = envelope;
        self.at = self.at.or(at);
        self.account = account.or(self.account);
        self.region = region.or(self.region);
        self
    }
}

fn parse(bytes: &[u8], nesting: usize) -> Result<Event> {
    if bytes.len() > LIMIT {
        return Err(invalid(format!("the event is larger than {} KiB", LIMIT >> 10)).hint(HINT));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Event::wake(Envelope::Plain));
    }
    if depth(bytes) > DEPTH {
        return Err(invalid(format!("the event is nested deeper than {DEPTH} levels")).hint(HINT));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| refuse(&error.to_string()))?;
    let Value::Object(fields) = value else { return Err(refuse("it is not a JSON object")) };
    open(fields, nesting)
}

/// What an event asks for, once the config was asked what it is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked<F> {
    /// To run, for this.
    Run(F),
    /// Nothing: why.
    Nothing(String),
}

/// Puts an envelope around data whose type and time came beside it, in headers. None when the data is no JSON.
pub fn wrap(kind: &str, time: Option<&str>, data: &[u8]) -> Option<Vec<u8>> {
    let data: &serde_json::value::RawValue = serde_json::from_slice(data).ok()?;
    let mut outer = serde_json::json!({ "specversion": "1.0", "type": kind });
    if let (Some(time), Some(fields)) = (time, outer.as_object_mut()) {
        fields.insert("time".to_owned(), time.into());
    }
    let mut text = outer.to_string().into_bytes();
    text.pop();
    text.extend_from_slice(b",\"data\":");
    text.extend_from_slice(data.get().as_bytes());
    text.push(b'}');
    Some(text)
}

/// Opens the envelope, if there is one.
fn open(fields: Map<String, Value>, nesting: usize) -> Result<Event> {
    let Some(nesting) = nesting.checked_sub(1) else { return Err(refuse("too many envelopes lie in one another")) };
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    if text("specversion").is_some() {
        return cloudevents::open(fields, nesting);
    }
    if let Some(records) = fields.get("Records") {
        return records_of(records, nesting);
    }
    if text("TopicArn").is_some() && text("Type").is_some() {
        return sns::open(fields, nesting);
    }
    if fields.get("message").is_some_and(Value::is_object) && text("subscription").is_some() {
        return pubsub::open(fields, nesting);
    }
    if text("detail-type").is_some() && text("source").is_some() {
        return eventbridge::open(fields);
    }
    if let Some(event) = notice::open(&fields) {
        return Ok(event);
    }
    plain(fields)
}

/// Opens what Lambda gets from SNS or S3.
fn records_of(records: &Value, nesting: usize) -> Result<Event> {
    let records = records.as_array().filter(|records| !records.is_empty()).ok_or_else(|| refuse("its Records are no list"))?;
    let mut events = records.iter().map(|record| {
        let source = record.get("EventSource").or_else(|| record.get("eventSource")).and_then(Value::as_str);
        match source {
            Some("aws:sns") => sns::record(record, nesting),
            Some("aws:s3") => s3::record(record),
            _ => Err(refuse("its records are neither of SNS nor of S3")),
        }
    });
    let first = events.next().unwrap_or_else(|| Err(refuse("it has no records")))?;
    for other in events {
        let other = other?;
        if other.request != first.request || other.notice != first.notice {
            return Err(refuse("its records ask for different things"));
        }
    }
    Ok(first)
}

/// Reads our own part: the request, and what a scheduler adds to it.
fn plain(mut fields: Map<String, Value>) -> Result<Event> {
    let at = fields.remove("scheduled_at").map(|at| time(&at, "scheduled_at")).transpose()?;
    let scheduled = match fields.remove("scheduled") {
        None => at.is_some(),
        Some(Value::Bool(scheduled)) => scheduled || at.is_some(),
        Some(_) => return Err(refuse("`scheduled` is neither true nor false")),
    };
    Ok(Event { scheduled, at, ..Event::of(Envelope::Plain, fields) })
}

/// Reads one of the envelope's own structures; fields that we do not ask for are the provider's business.
fn fields<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(value).map_err(|error| refuse(&error.to_string()))
}

/// Reads a moment of an envelope: RFC 3339 with an offset.
fn time(value: &Value, name: &str) -> Result<Timestamp> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|_| {
        invalid(format!("the event's {name} {:?} is not a moment", crate::redact::clip(text, 40)))
            .hint("write RFC 3339 with an offset, such as 2026-11-20T02:00:00Z")
    })
}

/// Returns the deepest nesting of a JSON text, without building anything.
fn depth(bytes: &[u8]) -> usize {
    let (mut deepest, mut now) = (0, 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !quoted => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Refuses words that no name, id, time or number of ours consists of.
fn harmless(value: &Value) -> Result<()> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::Array(items) => items.iter().try_for_each(harmless),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| word(name).and_then(|()| harmless(value))),
        Value::String(text) => word(text),
    }
}

fn word(text: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+');
    if text.len() > WORD || text.starts_with('-') || text.starts_with("arn:") || !text.chars().all(allowed) {
        return Err(refuse(&format!("{:?} is no name, id or time", crate::redact::clip(&crate::redact::text(text), 40))));
    }
    Ok(())
}

/// Says why an event is not acceptable, in few words whatever it holds.
fn refuse(why: &str) -> crate::error::Error {
    invalid(format!("the event is refused: {}", crate::redact::clip(&crate::redact::text(&crate::redact::clip(why, 400)), 200))).hint(HINT)
}

#[cfg(test)]
mod tests;
