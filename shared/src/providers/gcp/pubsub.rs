//! Google Pub/Sub: one message for each delivery, the same JSON that webhooks get, with attributes for subscriptions to
//! filter by.
//!
//! A delivery that Pub/Sub gave no id is an error. It is published as whoever this runs as, and more than once where an answer
//! was lost: subscribers know a delivery by what it says.

use super::{
    access::Google,
    call::{Ask, Call, Service},
    refused::Refused,
};
use crate::{
    config::PubsubTopic,
    domain::tell::Message,
    error::{Result, failed, out_of_time},
    ports::Notifier,
    providers::notify::body,
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const RIGHT: &str = "pubsub.topics.publish";
/// A delivery that is not taken by then goes to the next channel.
const PATIENCE: Duration = Duration::from_secs(30);

/// One topic.
#[derive(Debug)]
pub struct Pubsub {
    channel: String,
    topic: PubsubTopic,
    google: Arc<Google>,
}

impl Pubsub {
    /// A topic, reached at the first delivery.
    pub fn new(channel: String, topic: PubsubTopic, google: Arc<Google>) -> Self {
        Self { channel, topic, google }
    }

    async fn publish(&self, message: &Message) -> Result<()> {
        let assets: BTreeSet<_> = message.alerts.iter().filter_map(|alert| alert.finding.asset.as_ref()).collect();
        let mut attributes = json!({ "severity": message.worst().as_str(), "function": message.function });
        if let (&[asset], Some(attributes)) = (&assets.into_iter().collect::<Vec<_>>()[..], attributes.as_object_mut()) {
            attributes.insert("asset".to_owned(), asset.as_str().into());
        }
        let body = json!({ "messages": [{ "data": STANDARD.encode(body::json(message)?), "attributes": attributes }] });
        let ask = Ask::new(Method::POST, format!("/v1/{}:publish", self.topic)).json(&body);
        let call = Call::new(self.google.clone(), Service::Pubsub);
        let reply = call.ask(&ask).await.map_err(|refused| self.told(refused))?;
        let said: Value = reply.json().map_err(|refused| refused.told(RIGHT, self.topic.as_str()))?;
        match said["messageIds"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err(failed("Pub/Sub took the message and gave it no id")),
        }
    }

    fn told(&self, refused: Refused) -> crate::error::Error {
        let gone = refused.status() == 404;
        let error = refused.told(RIGHT, self.topic.as_str());
        if gone {
            failed(format!("there is no topic {}", self.topic)).hint("create the topic, or mend `topic` in the config")
        } else {
            error
        }
    }
}

#[async_trait]
impl Notifier for Pubsub {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let published = tokio::time::timeout(PATIENCE, self.publish(message)).await;
        published.unwrap_or_else(|_| Err(out_of_time("Pub/Sub did not answer in time")))
    }

    async fn reach(&self) -> Result<String> {
        let identity = tokio::time::timeout(PATIENCE, self.google.identity(Service::Pubsub)).await;
        let identity = identity.map_err(|_| out_of_time("Google gave no token in time"))?;
        identity.map_err(|refused| refused.told(RIGHT, self.topic.as_str()))?;
        Ok("yes, as far as can be told without a message: there is an account to publish with".to_owned())
    }
}
