//! Pub/Sub: the body of a push. Its data is an event of its own, its attributes are the publisher's business.

use super::{Envelope, Event, fields, notice, refuse};
use crate::{clock::Timestamp, error::Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Push {
    message: Message,
    subscription: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    #[serde(default)]
    data: String,
    publish_time: Option<Timestamp>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

/// Opens a push.
pub fn open(push: Map<String, Value>, nesting: usize) -> Result<Event> {
    let Push { message, subscription } = fields(Value::Object(push))?;
    // `projects/PROJECT/subscriptions/NAME`
    let project = subscription.split('/').nth(1).map(str::to_owned);
    // Cloud Storage tells of objects by attributes; the data is the object's description.
    let attribute = |name: &str| message.attributes.get(name).and_then(Value::as_str);
    let inner = if let (Some(what), Some(bucket)) = (attribute("eventType"), attribute("bucketId")) {
        notice::stored(bucket, what).event()
    } else {
        let data = STANDARD.decode(&message.data).map_err(|_| refuse("its data is not base64"))?;
        super::parse(&data, nesting)?
    };
    Ok(inner.within(Envelope::PubSub, message.publish_time, project, None))
}
