//! Slack, by an incoming webhook: a line for notifications, and blocks for whoever opens the channel.
//!
//! Slack takes 50 blocks of 3,000 characters; what does not fit is counted, never dropped in silence.

use super::{
    address, letter,
    wire::{Answer, Wire, headers, refusal},
};
use crate::{
    clock::Clock,
    config::SecretRef,
    domain::tell::{Alert, Message},
    error::Result,
    ports::{Notifier, Secrets},
    redact,
};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The most blocks of alerts; Slack takes 50 in all.
const BLOCKS: usize = 45;
/// The most characters of a block's text.
const SECTION: usize = 3_000;
/// The most characters of the line that notifications show.
const LINE: usize = 1_000;

/// One channel of Slack.
#[derive(Debug)]
pub struct Slack {
    channel: String,
    url: SecretRef,
    secrets: Arc<dyn Secrets>,
    wire: Wire,
}

impl Slack {
    /// A channel whose URL is resolved at each delivery.
    pub fn new(channel: String, url: SecretRef, secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { channel, url, secrets, wire: Wire::new("Slack", clock) }
    }

    /// Waits for an answer at most this long.
    #[must_use]
    pub fn waiting(mut self, timeout: Duration) -> Self {
        self.wire.timeout = timeout;
        self
    }

    async fn open(&self) -> Result<url::Url> {
        let url = address::read(self.secrets.resolve(&self.url).await?.expose())?;
        // The path is the secret, wherever it would turn up alone.
        redact::remember(url.path());
        Ok(url)
    }
}

#[async_trait]
impl Notifier for Slack {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let url = self.open().await?;
        let body = body(message).to_string().into_bytes();
        self.wire.send(Method::POST, &url, &body, || headers(&[]), judge).await.map(|_| ())
    }

    async fn reach(&self) -> Result<String> {
        address::resolve(&self.open().await?).await?;
        Ok("yes, its host is found".to_owned())
    }
}

/// Slack says `200 ok`, or one word about what is wrong.
fn judge(answer: &Answer) -> Result<()> {
    let word = answer.body.trim();
    let word = if word.len() <= 60 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_') { word } else { "" };
    match (answer.status, word) {
        (200, _) => Ok(()),
        (status, "") => {
            Err(refusal(answer, if status == 429 { "too many messages: it is tried again" } else { "look at the app's settings in Slack" }))
        }
        (_, word) => {
            let hint = match word {
                "no_service" | "no_team" | "invalid_token" | "no_active_hooks" => {
                    "make a new incoming webhook, and put its URL where the config refers to"
                }
                "channel_is_archived" | "channel_not_found" => "point the webhook to a channel that exists",
                "action_prohibited" | "posting_to_general_channel_denied" => "an administrator of the workspace forbids it: ask them",
                _ => "look at the app's settings in Slack",
            };
            let error = refusal(answer, hint);
            Err(crate::error::Error::new(error.kind(), format!("{error}, {word}")).hint(hint))
        }
    }
}

/// What is posted.
fn body(message: &Message) -> Value {
    let mut blocks: Vec<Value> = Vec::new();
    if let Some(digest) = &message.digest {
        let lines: Vec<_> = digest.lines.iter().map(|line| format!("• {}", escape(line))).collect();
        blocks.push(section(&format!("*How everything stands: {}*", escape(&digest.headline()))));
        blocks.extend(pages(&lines).into_iter().take(4).map(|page| section(&page)));
        let open: Vec<_> = digest.open.iter().map(|alert| format!("• {}", escape(&letter::line(alert)))).collect();
        blocks.extend(pages(&open).into_iter().take(4).map(|page| section(&format!("*Open:*\n{page}"))));
        let known: Vec<_> = digest.acknowledged.iter().map(|ack| format!("• {}", escape(&letter::acknowledged(ack)))).collect();
        blocks.extend(pages(&known).into_iter().take(2).map(|page| section(&format!("*Acknowledged:*\n{page}"))));
    }
    let room = BLOCKS.saturating_sub(blocks.len());
    blocks.extend(message.alerts.iter().take(room).map(|alert| section(&entry(alert))));
    if message.alerts.len() > room {
        blocks.push(section(&format!("and {} more: `lastgood status` shows them all", message.alerts.len() - room)));
    }
    json!({ "text": escape(&redact::clip(&letter::headline(message), LINE)), "blocks": blocks })
}

fn entry(alert: &Alert) -> String {
    let finding = &alert.finding;
    let link = finding.runbook.starts_with("http").then(|| format!("\n<{}|what it means>", escape(&finding.runbook)));
    let link = link.unwrap_or_else(|| format!("\n{}", escape(&finding.runbook)));
    let next = format!("\nnext: `{}`", escape(&redact::clip(&finding.command, 300)));
    let when = letter::when(alert).map(|when| format!("\n{}", escape(&when))).unwrap_or_default();
    format!("{} {}{when}{next}{link}", sign(alert), escape(&redact::clip(&letter::line(alert), 1_500)))
}

fn sign(alert: &Alert) -> &'static str {
    use crate::domain::finding::Severity as S;
    match (alert.what.is_over(), alert.finding.severity) {
        (true, _) => ":large_green_circle:",
        (false, S::Critical) => ":red_circle:",
        (false, S::Warning) => ":large_yellow_circle:",
        (false, S::Note) => ":white_circle:",
    }
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": redact::text(&redact::clip(text, SECTION - 1)) } })
}

/// Lines, put together to what fits into a block.
fn pages(lines: &[String]) -> Vec<String> {
    let mut pages: Vec<String> = Vec::new();
    for line in lines {
        let line = redact::clip(line, 500);
        match pages.last_mut() {
            Some(page) if page.len() + line.len() < SECTION - 100 => {
                page.push('\n');
                page.push_str(&line);
            }
            _ => pages.push(line),
        }
    }
    pages
}

/// Slack reads three characters as its own.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
