//! Calls to services of Google's by their JSON interfaces: who we are, time limits, retries, and what a refusal means.
//!
//! A passing fault (no answer, 408, 429, 5xx, or a 403 that only says "slower") is tried again, with pauses that grow, by chance
//! and as the service asks; a token that was refused is renewed once. An error inside a success is an error. Every write
//! carries a condition, so that sending it twice does nothing twice.

use super::{
    access::Google,
    refused::{Refused, answered as refusal, inside},
};
use crate::providers::web::{Patience, whole};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, StatusCode, header::HeaderMap};
use std::sync::Arc;

const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A service of Google's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Cloud Storage.
    Storage,
    /// Cloud Monitoring.
    Monitoring,
    /// Compute Engine, as far as it keeps disks and their snapshots.
    Compute,
    /// Memorystore for Redis.
    Redis,
    /// Cloud KMS.
    Kms,
    /// Secret Manager.
    Secrets,
    /// Pub/Sub.
    Pubsub,
    /// Cloud SQL.
    Sql,
}

impl Service {
    /// Where Google has it.
    pub(super) const fn host(self) -> &'static str {
        match self {
            Self::Storage => "storage.googleapis.com",
            Self::Monitoring => "monitoring.googleapis.com",
            Self::Compute => "compute.googleapis.com",
            Self::Redis => "redis.googleapis.com",
            Self::Kms => "cloudkms.googleapis.com",
            Self::Secrets => "secretmanager.googleapis.com",
            Self::Pubsub => "pubsub.googleapis.com",
            Self::Sql => "sqladmin.googleapis.com",
        }
    }

    /// The variable that every tool looks for the address of its emulator in, where it has one.
    pub(super) const fn emulator(self) -> Option<&'static str> {
        match self {
            Self::Storage => Some("STORAGE_EMULATOR_HOST"),
            Self::Pubsub => Some("PUBSUB_EMULATOR_HOST"),
            Self::Monitoring | Self::Kms | Self::Secrets | Self::Sql | Self::Compute | Self::Redis => None,
        }
    }

    /// The variable in which gcloud looks for another address of it, such as a private endpoint's.
    pub(super) const fn elsewhere(self) -> Option<&'static str> {
        match self {
            Self::Kms => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"),
            Self::Secrets => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"),
            Self::Pubsub => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB"),
            Self::Sql => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_SQLADMIN"),
            Self::Compute => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE"),
            Self::Redis => Some("CLOUDSDK_API_ENDPOINT_OVERRIDES_REDIS"),
            Self::Storage | Self::Monitoring => None,
        }
    }
}

/// The way to one service.
#[derive(Debug, Clone)]
pub(super) struct Call {
    service: Service,
    google: Arc<Google>,
}

/// What is asked. Without a body of its own it has none.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// The path, escaped (see [`escaped`]), or a whole address that the service itself gave.
    pub(super) path: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
}

impl Ask {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), query: Vec::new(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(super) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json; charset=UTF-8").body(body.to_string().into())
    }

    pub(super) fn body(mut self, body: Bytes) -> Self {
        self.body = body;
        self
    }
}

/// What was answered, read whole.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Reply {
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refused> {
        serde_json::from_slice(&self.body).map_err(|error| Refused::Strange(error.to_string()))
    }
}

impl Call {
    pub(super) fn new(google: Arc<Google>, service: Service) -> Self {
        Self { service, google }
    }

    /// Whether an address that an answer names is one of the service's: only there may the token go.
    pub(super) fn is_ours(&self, address: &str) -> bool {
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        let (there, here) = (origin(address), origin(&self.google.address(self.service)));
        there.is_some() && there == here
    }

    /// Gets another token for the next request: the last one was refused.
    pub(super) async fn renew(&self) {
        self.google.forget().await;
    }

    /// Asks, again and again while it may help, and reads the answer whole.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Reply, Refused> {
        let mut patience = Patience::default();
        loop {
            match self.once(ask).await {
                Ok(reply) => return Ok(reply),
                Err(refused) => patience.wait(refused, async || self.renew().await).await?,
            }
        }
    }

    /// Asks as [`Call::ask`] does, for what may bear an `error` of its own: an operation tells in it how it ended.
    pub(super) async fn ask_operation(&self, ask: &Ask) -> Result<Reply, Refused> {
        let mut patience = Patience::default();
        loop {
            match self.read(ask).await {
                Ok(reply) => return Ok(reply),
                Err(refused) => patience.wait(refused, async || self.renew().await).await?,
            }
        }
    }

    /// Asks as [`Call::ask`] does and leaves the body of a success to the caller.
    pub(super) async fn open(&self, ask: &Ask) -> Result<reqwest::Response, Refused> {
        let mut patience = Patience::default();
        loop {
            match self.send(ask).await {
                Ok(answered) => return Ok(answered),
                Err(refused) => patience.wait(refused, async || self.renew().await).await?,
            }
        }
    }

    /// Asks once and reads the answer whole. For what must be looked at before it is sent again.
    pub(super) async fn once(&self, ask: &Ask) -> Result<Reply, Refused> {
        let reply = self.read(ask).await?;
        match inside(&reply.body) {
            Some(refused) => Err(refused),
            None => Ok(reply),
        }
    }

    /// Asks for what may bear an `error` of its own and must not be done twice: it is sent again only where the service says that
    /// it did nothing.
    pub(super) async fn read_once(&self, ask: &Ask) -> Result<Reply, Refused> {
        let mut patience = Patience::default();
        loop {
            match self.read(ask).await {
                Err(refused) if matches!(refused.status(), 401 | 403 | 429 | 503) => {
                    patience.wait(refused, async || self.renew().await).await?;
                }
                other => return other,
            }
        }
    }

    async fn read(&self, ask: &Ask) -> Result<Reply, Refused> {
        let answered = self.send(ask).await?;
        let (status, headers) = (answered.status(), answered.headers().clone());
        Ok(Reply { status, headers, body: whole(answered).await? })
    }

    async fn send(&self, ask: &Ask) -> Result<reqwest::Response, Refused> {
        let client = self.google.client().await.map_err(Refused::Nobody)?;
        let address =
            if ask.path.contains("://") { ask.path.clone() } else { format!("{}{}", self.google.address(self.service), ask.path) };
        let mut request =
            client.request(ask.method.clone(), with_query(address, &ask.query)).headers(self.google.identity(self.service).await?);
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        if !matches!(ask.method, Method::GET | Method::HEAD) {
            // Google wants a length even where there is no body.
            request = request.header("content-length", ask.body.len()).body(ask.body.clone());
        }
        let answered = request.send().await.map_err(Refused::silent)?;
        // 308 is how a resumable upload says that it goes on.
        if answered.status().is_success() || answered.status() == StatusCode::PERMANENT_REDIRECT {
            return Ok(answered);
        }
        let (status, headers) = (answered.status(), answered.headers().clone());
        Err(refusal(status, &headers, &whole(answered).await.unwrap_or_default()))
    }
}

fn with_query(mut address: String, query: &[(&'static str, String)]) -> String {
    for (name, value) in query {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        address.push_str(&escaped(value));
    }
    address
}

/// One segment of a path, or one value of a query.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::gcp::{Access, Account};

    #[test]
    fn names_and_values_cannot_leave_their_place_in_an_address() {
        assert_eq!(escaped("a/b?c=d&e#f ü"), "a%2Fb%3Fc%3Dd%26e%23f%20%C3%BC");
        assert_eq!(with_query("http://x/o".into(), &[("a", "1&b=2".into()), ("c", String::new())]), "http://x/o?a=1%26b%3D2&c=");
    }

    #[test]
    fn the_token_goes_nowhere_else() {
        let access = Access { endpoint: Some("https://storage.example:8443".into()), account: Account::Nobody };
        let call = Call::new(Arc::new(Google::new(access)), Service::Storage);
        assert!(call.is_ours("https://storage.example:8443/upload?upload_id=1"));
        for elsewhere in ["http://storage.example:8443/x", "https://storage.example/x", "https://evil.example:8443/", "/upload", ""] {
            assert!(!call.is_ours(elsewhere), "{elsewhere}");
        }
    }
}
