//! A JSON POST to a URL, signed with HMAC-SHA256 when a key is given.
//!
//! It goes to addresses that were looked at first, follows no redirect, waits ten seconds, tries three times where trying
//! again can help, and calls anything but a 2xx a failure. Its errors never name the URL.

use super::address;
use crate::{
    clock::{Clock, Timestamp},
    config::SecretRef,
    domain::finding::Finding,
    error::{Error, Kind, Result, failed, retry},
    ports::{Notifier, Secret, Secrets},
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// The header with the signature: `t=<unix seconds>,v1=<hex>`, an HMAC-SHA256 over `<unix seconds>.<body>`.
pub const SIGNATURE: &str = "Lastgood-Signature";
/// The header that is the same for every attempt at one delivery.
const DELIVERY: &str = "Lastgood-Delivery";
const TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;

/// One webhook.
#[derive(Debug)]
pub struct Webhook {
    channel: String,
    url: SecretRef,
    signing_key: Option<SecretRef>,
    secrets: Arc<dyn Secrets>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
}

/// What is posted. **Contract**: fields are added, never changed.
#[derive(Debug, Serialize)]
struct Message<'a> {
    version: u32,
    source: &'a str,
    function: &'a str,
    findings: &'a [Finding],
    sent_at: Timestamp,
}

impl Webhook {
    /// A webhook whose URL and key are resolved at each delivery.
    pub fn new(channel: String, url: SecretRef, signing_key: Option<SecretRef>, secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { channel, url, signing_key, secrets, clock, timeout: TIMEOUT }
    }

    /// Waits for an answer at most this long.
    #[must_use]
    pub fn waiting(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn attempt(&self, client: &reqwest::Client, url: &url::Url, body: &[u8], key: Option<&Secret>) -> Result<()> {
        let mut request = client.post(url.clone()).header("content-type", "application/json").header(DELIVERY, delivery(body));
        if let Some(key) = key {
            request = request.header(SIGNATURE, sign(key, self.clock.now().as_second(), body)?);
        }
        let answer = request.body(body.to_vec()).send().await.map_err(|error| {
            let kind = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
            retry(format!("the webhook {kind}")).because(error.without_url())
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let kind = if passing { Kind::Retry } else { Kind::Failed };
        let hint = if status.is_redirection() { "redirects are not followed: name the final URL" } else { "look at the receiver's log" };
        Err(Error::new(kind, format!("the webhook answered {status}")).hint(hint))
    }
}

#[async_trait]
impl Notifier for Webhook {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, function: &str, findings: &[Finding]) -> Result<()> {
        let url = address::read(self.secrets.resolve(&self.url).await?.expose())?;
        let key = match &self.signing_key {
            Some(reference) => Some(self.secrets.resolve(reference).await?),
            None => None,
        };
        let message = Message { version: 1, source: "lastgood", function, findings, sent_at: self.clock.now() };
        let body = serde_json::to_vec(&message).map_err(|error| failed("writing the message").because(error))?;
        let mut attempt = 1;
        loop {
            // Looked up anew each time, and pinned: what was judged is where the request goes.
            let delivered = match address::resolve(&url).await {
                Ok(addresses) => self.attempt(&client(&url, &addresses, self.timeout)?, &url, &body, key.as_ref()).await,
                Err(error) => Err(error),
            };
            match delivered {
                Err(error) if error.kind() == Kind::Retry && attempt < ATTEMPTS => {
                    self.clock.sleep(pause(&body, attempt)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }
}

fn client(url: &url::Url, addresses: &[std::net::SocketAddr], timeout: Duration) -> Result<reqwest::Client> {
    crate::providers::tls::settle();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(concat!("lastgood/", env!("CARGO_PKG_VERSION")))
        .resolve_to_addrs(url.host_str().unwrap_or_default(), addresses);
    builder.build().map_err(|error| failed("opening the webhook").because(error.without_url()))
}

fn sign(key: &Secret, second: i64, body: &[u8]) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()).map_err(|error| failed("signing the message").because(error))?;
    mac.update(format!("{second}.").as_bytes());
    mac.update(body);
    Ok(format!("t={second},v1={}", hex::encode(mac.finalize().into_bytes())))
}

fn delivery(body: &[u8]) -> String {
    hex::encode(&Sha256::digest(body)[..16])
}

/// A growing pause, spread by what is sent, so that many senders do not come back in step.
fn pause(body: &[u8], attempt: u32) -> Duration {
    let digest = Sha256::digest(body);
    let spread = u64::from(digest[attempt as usize % 32]) * 4;
    Duration::from_millis(500 * u64::from(attempt * attempt) + spread)
}
