//! `EventBridge`: a rule's schedule, Scheduler's default input, what a service tells, and events put there for us.

use super::{Envelope, Event, fields, notice, plain, refuse};
use crate::{clock::Timestamp, error::Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What we read of it. `detail` is the provider's business when an AWS service sent it, a notice when it is of RDS, of a
/// restore of AWS Backup's, of an alarm or of a function of ours, and a request otherwise.
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

/// The type of an alarm that went off, or is over.
const ALARM: &str = "CloudWatch Alarm State Change";

/// Opens an `EventBridge` event.
pub fn open(outer: Map<String, Value>) -> Result<Event> {
    let outer: Outer = fields(Value::Object(outer))?;
    let service = outer.source.starts_with("aws.");
    let noticed = |notice| Event { notice: Some(notice), ..Event::wake(Envelope::EventBridge) };
    let detail = outer.detail.unwrap_or_default();
    let inner = match (outer.source.as_str(), outer.kind.as_str()) {
        ("aws.rds", _) => noticed(notice::rds_told(&detail)),
        ("aws.backup", notice::RESTORE_JOB) => noticed(notice::backup_restored(&detail)),
        ("aws.cloudwatch", ALARM) => noticed(notice::alarm_changed(&detail)),
        (notice::SOURCE, notice::STATE_CHANGE) => noticed(notice::ours_changed(&detail)),
        _ if service => Event::wake(Envelope::EventBridge),
        _ => match detail {
            Value::Null => Event::wake(Envelope::EventBridge),
            Value::Object(detail) => plain(detail)?,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(refuse("its detail is not a JSON object"));
            }
        },
    };
    // Scheduler's default input (`aws.scheduler`) has the same type as a rule's schedule (`aws.events`).
    let scheduled = inner.scheduled || (service && outer.kind == "Scheduled Event");
    Ok(Event { scheduled, ..inner.within(Envelope::EventBridge, outer.time, outer.account, outer.region) })
}
