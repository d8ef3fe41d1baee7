//! S3: what a bucket tells about its objects. It only wakes: which objects matter is for the catalog to say.

use super::{Envelope, Event, fields};
use crate::{clock::Timestamp, error::Result};
use serde::Deserialize;
use serde_json::Value;

/// What we read of a record. Bucket and key are not ours to follow.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_time: Option<Timestamp>,
    aws_region: Option<String>,
}

/// Opens one record.
pub fn record(record: &Value) -> Result<Event> {
    let record: Record = fields(record.clone())?;
    Ok(Event::wake(Envelope::S3).within(Envelope::S3, record.event_time, None, record.aws_region))
}
