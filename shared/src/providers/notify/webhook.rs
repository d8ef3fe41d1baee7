//! A JSON POST to a URL, signed with HMAC-SHA256 when a key is given.
//!
//! Anything but a 2xx is a failure. The same delivery bears the same id however often it is tried.

use super::{
    address, body,
    wire::{Wire, any_success, headers},
};
use crate::{
    clock::Clock,
    config::SecretRef,
    domain::tell::Message,
    error::{Result, failed},
    ports::{Notifier, Secret, Secrets},
};
use async_trait::async_trait;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};

/// The header with the signature: `t=<unix seconds>,v1=<hex>`, an HMAC-SHA256 over `<unix seconds>.<body>`.
pub const SIGNATURE: &str = "lastgood-signature";
/// The header that is the same for every attempt at one delivery.
const DELIVERY: &str = "lastgood-delivery";

/// One webhook.
#[derive(Debug)]
pub struct Webhook {
    channel: String,
    url: SecretRef,
    signing_key: Option<SecretRef>,
    secrets: Arc<dyn Secrets>,
    wire: Wire,
}

impl Webhook {
    /// A webhook whose URL and key are resolved at each delivery.
    pub fn new(channel: String, url: SecretRef, signing_key: Option<SecretRef>, secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { channel, url, signing_key, secrets, wire: Wire::new("the webhook", clock) }
    }

    /// Waits for an answer at most this long.
    #[must_use]
    pub fn waiting(mut self, timeout: Duration) -> Self {
        self.wire.timeout = timeout;
        self
    }

    async fn open(&self) -> Result<(url::Url, Option<Secret>)> {
        let url = address::read(self.secrets.resolve(&self.url).await?.expose())?;
        Ok(match &self.signing_key {
            Some(reference) => (url, Some(self.secrets.resolve(reference).await?)),
            None => (url, None),
        })
    }
}

#[async_trait]
impl Notifier for Webhook {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let (url, key) = self.open().await?;
        let body = body::json(message)?;
        let made = || {
            let mut pairs = vec![(DELIVERY, delivery(&body))];
            if let Some(key) = &key {
                pairs.push((SIGNATURE, sign(key, self.wire.clock.now().as_second(), &body)?));
            }
            headers(&pairs)
        };
        self.wire.send(Method::POST, &url, &body, made, any_success).await.map(|_| ())
    }

    async fn reach(&self) -> Result<String> {
        let (url, key) = self.open().await?;
        address::resolve(&url).await?;
        Ok(format!("yes, its host is found{}", if key.is_some() { ", and messages are signed" } else { "; messages are not signed" }))
    }
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
