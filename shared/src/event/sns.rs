//! SNS: a record that Lambda gets, or the body that an HTTP subscription gets. The message is an event of its own.

use super::{Envelope, Event, fields, refuse};
use crate::{
    clock::Timestamp,
    error::{Result, invalid},
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What we read of it. Its URLs (to confirm, to unsubscribe, of the certificate) are never fetched.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification {
    #[serde(rename = "Type")]
    kind: String,
    topic_arn: String,
    message: String,
    timestamp: Option<Timestamp>,
}

/// Opens the body of an HTTP subscription.
pub fn open(body: Map<String, Value>, nesting: usize) -> Result<Event> {
    read(&fields(Value::Object(body))?, nesting)
}

/// Opens one record of what Lambda gets.
pub fn record(record: &Value, nesting: usize) -> Result<Event> {
    let inner = record.get("Sns").cloned().ok_or_else(|| refuse("its SNS record holds no message"))?;
    read(&fields(inner)?, nesting)
}

fn read(notification: &Notification, nesting: usize) -> Result<Event> {
    if notification.kind != "Notification" {
        let why = format!("the SNS message is a {}, not a notification", crate::redact::clip(&notification.kind, 40));
        return Err(invalid(why).hint("confirm the subscription yourself, with `aws sns confirm-subscription`: no URL is fetched for it"));
    }
    let inner = super::parse(notification.message.as_bytes(), nesting)?;
    let mut parts = notification.topic_arn.split(':').skip(3).map(str::to_owned);
    let (region, account) = (parts.next(), parts.next());
    Ok(inner.within(Envelope::Sns, notification.timestamp, account, region))
}
