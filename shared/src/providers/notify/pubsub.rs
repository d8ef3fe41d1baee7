//! Google Pub/Sub: one message for each delivery, the same JSON that webhooks get, with attributes for subscriptions to
//! filter by.
//!
//! The token is that of the service account which Cloud Run gives its code: the only identity there. Elsewhere there is none,
//! and that is said.

use super::{
    address, body,
    wire::{Answer, Wire, any_success, headers, refusal},
};
use crate::{
    clock::Clock,
    config::PubsubTopic,
    domain::tell::Message,
    error::{Error, Kind, Result, failed, invalid},
    ports::{Notifier, Secret},
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use url::Url;

const PUBLIC: &str = "https://pubsub.googleapis.com";
/// What answers at Google's machines alone; no name that a config could give leads there.
const METADATA: &str = "http://169.254.169.254";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// One topic.
#[derive(Debug)]
pub struct Pubsub {
    channel: String,
    topic: PubsubTopic,
    wire: Wire,
    service: String,
    metadata: String,
}

#[derive(Deserialize)]
struct Token {
    access_token: String,
}

impl Pubsub {
    /// A topic, reached at the first delivery.
    pub fn new(channel: String, topic: PubsubTopic, clock: Arc<dyn Clock>) -> Self {
        let wire = Wire::new("Pub/Sub", clock);
        Self { channel, topic, wire, service: PUBLIC.to_owned(), metadata: METADATA.to_owned() }
    }

    /// Reaches the service and the metadata server elsewhere: at doubles of them.
    #[must_use]
    pub fn at(mut self, service: &str, metadata: &str) -> Self {
        (self.service, self.metadata) = (service.to_owned(), metadata.to_owned());
        self
    }

    /// The token of the account that this runs with.
    async fn token(&self) -> Result<Secret> {
        let nobody = || {
            Error::new(Kind::Denied, "no service account of Google's is at hand")
                .hint("run it on Cloud Run or another machine of Google's with a service account that may publish")
        };
        crate::providers::tls::settle();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(3));
        let client = client.build().map_err(|error| failed("opening the connection").because(error.without_url()))?;
        let asked = client.get(format!("{}{TOKEN}", self.metadata)).header("metadata-flavor", "Google").send().await;
        let answer = asked.map_err(|error| nobody().because(error.without_url()))?;
        if !answer.status().is_success() || answer.headers().get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
            return Err(nobody());
        }
        let token: Token = answer.json().await.map_err(|error| nobody().because(error.without_url()))?;
        Ok(Secret::new(token.access_token))
    }

    fn url(&self) -> Result<Url> {
        let url = format!("{}/v1/{}:publish", self.service, self.topic);
        address::read(&url).map_err(|_| invalid("the topic's name makes no URL").hint("write projects/PROJECT/topics/TOPIC"))
    }
}

#[async_trait]
impl Notifier for Pubsub {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let (url, token) = (self.url()?, self.token().await?);
        let assets: std::collections::BTreeSet<_> = message.alerts.iter().filter_map(|alert| alert.finding.asset.as_ref()).collect();
        let mut attributes = json!({ "severity": message.worst().as_str(), "function": message.function });
        if let (&[asset], Some(attributes)) = (&assets.into_iter().collect::<Vec<_>>()[..], attributes.as_object_mut()) {
            attributes.insert("asset".to_owned(), asset.as_str().into());
        }
        let body = json!({ "messages": [{ "data": STANDARD.encode(body::json(message)?), "attributes": attributes }] });
        let made = || headers(&[("authorization", format!("Bearer {}", token.expose()))]);
        let answer = self.wire.send(Method::POST, &url, body.to_string().as_bytes(), made, judge).await?;
        let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        match said["messageIds"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err(failed("Pub/Sub took the message and gave it no id")),
        }
    }

    async fn reach(&self) -> Result<String> {
        address::resolve(&self.url()?).await?;
        self.token().await?;
        Ok("yes, its host is found and there is a service account".to_owned())
    }
}

fn judge(answer: &Answer) -> Result<()> {
    match answer.status {
        403 | 401 => {
            let error = refusal(answer, "");
            Err(Error::new(Kind::Denied, error.to_string())
                .hint("allow pubsub.topics.publish on the topic to the service account that this runs with"))
        }
        404 => Err(refusal(answer, "create the topic, or mend `topic` in the config")),
        _ => any_success(answer),
    }
}
