//! `PagerDuty` Events v2: one incident for each asset and kind of finding, which resolves by itself.
//!
//! The dedup key is derived from vault, asset and kind, so that the same trouble never opens two incidents, however often it
//! is told. A digest wakes nobody: it is not sent here.

use super::{
    address, letter,
    wire::{Answer, Wire, headers, refusal},
};
use crate::{
    clock::Clock,
    config::SecretRef,
    domain::{
        finding::Severity,
        tell::{Alert, Message, What},
    },
    error::Result,
    ports::{Notifier, Secret, Secrets},
    redact,
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use url::Url;

/// Where the public service takes events.
const PUBLIC: &str = "https://events.pagerduty.com/v2/enqueue";
/// The most characters of a summary.
const SUMMARY: usize = 1_024;
/// The most events of one delivery: the service takes a few hundred a minute of one integration.
const AT_ONCE: usize = 50;
/// How many are under way at once.
const TOGETHER: usize = 4;

/// One integration of a service.
#[derive(Debug)]
pub struct Pagerduty {
    channel: String,
    routing_key: SecretRef,
    url: Option<SecretRef>,
    secrets: Arc<dyn Secrets>,
    wire: Wire,
}

impl Pagerduty {
    /// An integration whose key is resolved at each delivery; `url` is where another than the public service takes events.
    pub fn new(channel: String, routing_key: SecretRef, url: Option<SecretRef>, secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { channel, routing_key, url, secrets, wire: Wire::new("PagerDuty", clock) }
    }

    /// Waits for an answer at most this long.
    #[must_use]
    pub fn waiting(mut self, timeout: Duration) -> Self {
        self.wire.timeout = timeout;
        self
    }

    async fn open(&self) -> Result<(Url, Secret)> {
        let url = match &self.url {
            Some(reference) => address::read(self.secrets.resolve(reference).await?.expose())?,
            None => address::read(PUBLIC)?,
        };
        Ok((url, self.secrets.resolve(&self.routing_key).await?))
    }
}

#[async_trait]
impl Notifier for Pagerduty {
    fn channel(&self) -> &str {
        &self.channel
    }

    fn reads_digests(&self) -> bool {
        false
    }

    fn at_once(&self) -> usize {
        AT_ONCE
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let (url, key) = self.open().await?;
        let (url, key) = (&url, &key);
        let sent = message.alerts.iter().map(|alert| async move {
            let body = event(message, alert, key).to_string().into_bytes();
            self.wire.send(Method::POST, url, &body, || headers(&[]), judge).await.map(|_| ())
        });
        let sent: Vec<_> = sent.collect();
        stream::iter(sent).buffer_unordered(TOGETHER).try_collect().await
    }

    async fn reach(&self) -> Result<String> {
        let (url, _) = self.open().await?;
        address::resolve(&url).await?;
        Ok("yes, its host is found and there is a routing key".to_owned())
    }
}

/// `PagerDuty` says 202, or what is wrong with the event.
fn judge(answer: &Answer) -> Result<()> {
    match answer.status {
        202 => Ok(()),
        400 => {
            let said: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let why = said["errors"][0].as_str().or(said["message"].as_str()).unwrap_or_default();
            let error = refusal(answer, "");
            let hint = "is the routing key that of an Events API v2 integration?";
            Err(crate::error::Error::new(error.kind(), format!("{error}: {}", redact::clip(why, 200))).hint(hint))
        }
        429 => Err(refusal(answer, "too many events: it is tried again")),
        _ => Err(refusal(answer, "look at the integration in PagerDuty")),
    }
}

/// One event.
fn event(message: &Message, alert: &Alert, key: &Secret) -> Value {
    let finding = &alert.finding;
    let vault = hex::encode(&Sha256::digest(&message.vault)[..6]);
    let about = finding.asset.as_ref().map_or("-", |asset| asset.as_str());
    let subject = if alert.what == What::Trial { "trial" } else { finding.kind.slug() };
    let dedup = format!("lastgood/{vault}/{about}/{subject}");
    if alert.what.is_over() {
        return json!({ "routing_key": key.expose(), "event_action": "resolve", "dedup_key": dedup });
    }
    let respond = alert.respond_within.map(|span| span.to_string());
    let within = respond.as_ref().map(|span| format!(" (respond within {span})")).unwrap_or_default();
    let sentence = redact::clip(&redact::text(&finding.to_string()), SUMMARY - within.len() - 1);
    let severity = match finding.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Note => "info",
    };
    let links: Vec<_> = [&finding.runbook].into_iter().filter(|runbook| runbook.starts_with("http")).collect();
    let links: Vec<_> = links.into_iter().map(|href| json!({ "href": href, "text": "What it means, and what to do" })).collect();
    json!({
        "routing_key": key.expose(),
        "event_action": "trigger",
        "dedup_key": dedup,
        "client": "Lastgood",
        "payload": {
            "summary": format!("{sentence}{within}"),
            "source": redact::clip(&message.vault, 250),
            "severity": severity,
            "timestamp": alert.since.unwrap_or(message.sent_at),
            "component": about,
            "group": "backups",
            "class": finding.kind.slug(),
            "custom_details": {
                "what": letter::line(alert),
                "since": alert.since.map(letter::moment),
                "respond_within": respond,
                "next": finding.command,
                "runbook": finding.runbook,
                "told_by": message.function,
            },
        },
        "links": links,
    })
}
