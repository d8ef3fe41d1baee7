//! Calls to Blob Storage by its REST interface: who we are, time limits, retries, and what a refusal means.
//!
//! A passing fault (no answer, 408, 429, 5xx) is tried again, with pauses that grow, by chance and as the service asks; a token
//! that was refused is renewed once. Every write carries a condition or names its own blocks, so that sending it twice does
//! nothing twice.

use super::{
    access::{Azure, Proof},
    refused::{Refused, answered as refusal},
    sign,
};
use crate::{
    clock::{Clock, SystemClock},
    providers::web::{Patience, whole},
};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, header::HeaderMap};
use std::{collections::BTreeMap, sync::Arc};

const VERSION: &str = "2021-12-02";
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &ESCAPED.remove(b'/');

/// The way to one account.
#[derive(Debug, Clone)]
pub(super) struct Call {
    account: String,
    azure: Arc<Azure>,
}

/// What is asked. Header names are in lower case.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    headers: BTreeMap<&'static str, String>,
    body: Bytes,
}

impl Ask {
    /// Asks for a path (`container/name`, not escaped) in the account.
    pub(super) fn new(method: Method, path: &str) -> Self {
        let path = format!("/{}", utf8_percent_encode(path, PATH));
        Self { method, path, query: Vec::new(), headers: BTreeMap::new(), body: Bytes::new() }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// The body, with an MD5 that the service compares before it stores.
    pub(super) fn body(self, body: Bytes) -> Self {
        use base64::{Engine, engine::general_purpose::STANDARD};
        use md5::{Digest, Md5};
        let mut ask = self.header("content-md5", STANDARD.encode(Md5::digest(&body)));
        ask.body = body;
        ask
    }
}

/// What was answered, read whole.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A header's value.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

impl Call {
    pub(super) fn new(azure: Arc<Azure>, account: String) -> Self {
        Self { account, azure }
    }

    /// Asks, again and again while it may help, and reads the answer whole.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Reply, Refused> {
        let mut patience = Patience::default();
        loop {
            let answered = match self.send(ask).await {
                Ok(answered) => {
                    let headers = answered.headers().clone();
                    whole(answered).await.map(|body| Reply { headers, body })
                }
                Err(refused) => Err(refused),
            };
            match answered {
                Ok(reply) => return Ok(reply),
                Err(refused) => patience.wait(refused, async || self.azure.forget().await).await?,
            }
        }
    }

    /// Asks as [`Call::ask`] does and leaves the body of a success to the caller.
    pub(super) async fn open(&self, ask: &Ask) -> Result<reqwest::Response, Refused> {
        let mut patience = Patience::default();
        loop {
            match self.send(ask).await {
                Ok(answered) => return Ok(answered),
                Err(refused) => patience.wait(refused, async || self.azure.forget().await).await?,
            }
        }
    }

    async fn send(&self, ask: &Ask) -> Result<reqwest::Response, Refused> {
        let client = self.azure.client().await.map_err(Refused::Nobody)?;
        let mut headers = ask.headers.clone();
        headers.insert("x-ms-version", VERSION.to_owned());
        headers.insert("x-ms-date", SystemClock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let base = self.azure.address(&self.account);
        let mut address = format!("{base}{}", ask.path);
        for (name, value) in &ask.query {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(&format!("{name}={}", utf8_percent_encode(value, ESCAPED)));
        }
        match self.azure.proof(&self.account).await? {
            Proof::Key(key) => {
                let parsed = url::Url::parse(&address).map_err(|error| Refused::Strange(error.to_string()))?;
                let request = sign::Signed {
                    account: &self.account,
                    method: ask.method.as_str(),
                    path: parsed.path(),
                    query: &ask.query,
                    headers: &headers,
                    length: ask.body.len(),
                };
                let authorization = sign::authorization(&request, key.expose()).map_err(Refused::Nobody)?;
                headers.insert("authorization", authorization);
            }
            Proof::Sas(sas) => {
                address.push(if address.contains('?') { '&' } else { '?' });
                address.push_str(sas.expose());
            }
            Proof::Bearer(token) => {
                headers.insert("authorization", format!("Bearer {}", token.expose()));
            }
        }
        let mut request = client.request(ask.method.clone(), address);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if ask.method == Method::PUT {
            request = request.header("content-length", ask.body.len()).body(ask.body.clone());
        }
        let answered = request.send().await.map_err(Refused::silent)?;
        if answered.status().is_success() {
            return Ok(answered);
        }
        let (status, headers) = (answered.status(), answered.headers().clone());
        Err(refusal(status, &headers, &whole(answered).await.unwrap_or_default()))
    }
}
