//! The way to a URL: an HTTP request to addresses that were looked at first, without redirects, within a time, three times
//! where trying again can help. Its errors never name the URL.

use super::address;
use crate::{
    clock::Clock,
    error::{Error, Kind, Result, failed, retry},
};
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use url::Url;

/// How long an answer may take.
pub(in crate::providers) const TIMEOUT: Duration = Duration::from_secs(10);
const ATTEMPTS: u32 = 3;
/// A receiver that wants a longer pause gets it until the next check.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The most of an answer that is read.
const ANSWER: usize = 4 << 10;

/// How requests go out.
#[derive(Debug, Clone)]
pub(in crate::providers) struct Wire {
    /// The receiver, as errors call it: `the webhook`.
    pub(in crate::providers) whom: &'static str,
    pub(in crate::providers) clock: Arc<dyn Clock>,
    pub(in crate::providers) timeout: Duration,
}

/// What was answered.
#[derive(Debug)]
pub(in crate::providers) struct Answer {
    pub(in crate::providers) status: u16,
    pub(in crate::providers) body: String,
}

/// What an answer means: it was taken, or an error that says whether trying again can help.
pub(in crate::providers) type Judge = fn(&Answer) -> Result<()>;

impl Wire {
    pub(in crate::providers) fn new(whom: &'static str, clock: Arc<dyn Clock>) -> Self {
        Self { whom, clock, timeout: TIMEOUT }
    }

    /// Sends a request until it is taken or trying again cannot help. `headers` are made anew for each attempt.
    pub(in crate::providers) async fn send(
        &self,
        method: Method,
        url: &Url,
        body: &[u8],
        headers: impl Fn() -> Result<HeaderMap> + Send + Sync,
        judge: Judge,
    ) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(method.clone(), url, body, headers()?, judge).await {
                Ok(answer) => return Ok(answer),
                Err((error, asked)) if error.kind() == Kind::Retry && attempt < ATTEMPTS => match asked {
                    Some(longer) if longer > LONGEST_PAUSE => error,
                    Some(asked) => {
                        self.clock.sleep(asked.max(pause(body, attempt))).await;
                        attempt += 1;
                        continue;
                    }
                    None => {
                        self.clock.sleep(pause(body, attempt)).await;
                        attempt += 1;
                        continue;
                    }
                },
                Err((error, _)) => error,
            };
            return Err(error);
        }
    }

    async fn attempt(
        &self,
        method: Method,
        url: &Url,
        body: &[u8],
        headers: HeaderMap,
        judge: Judge,
    ) -> Result<Answer, (Error, Option<Duration>)> {
        let whom = self.whom;
        // Looked up anew each time, and pinned: what was judged is where the request goes.
        let addresses = address::resolve(url).await.map_err(|error| (error.during(whom), None))?;
        let client = client(url, &addresses, self.timeout).map_err(|error| (error, None))?;
        let named = headers.contains_key(CONTENT_TYPE);
        let mut request = client.request(method, url.clone()).headers(headers);
        if !body.is_empty() {
            request = request.body(body.to_vec());
            if !named {
                request = request.header(CONTENT_TYPE, "application/json");
            }
        }
        let mut answer = request.send().await.map_err(|error| {
            let kind = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
            (retry(format!("{whom} {kind}")).because(error.without_url()), None)
        })?;
        let status = answer.status().as_u16();
        let asked = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
        let mut said = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            said.extend_from_slice(&chunk);
            if said.len() >= ANSWER {
                said.truncate(ANSWER);
                break;
            }
        }
        let answer = Answer { status, body: String::from_utf8_lossy(&said).into_owned() };
        judge(&answer).map(|()| answer).map_err(|error| (error.during(whom), asked))
    }
}

/// Whether a status says that trying again can help.
pub(in crate::providers) fn passing(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}

/// What a refusal by status is, with a hint of the receiver's own.
pub(in crate::providers) fn refusal(answer: &Answer, hint: &str) -> Error {
    let kind = if passing(answer.status) { Kind::Retry } else { Kind::Failed };
    let hint = if (300..400).contains(&answer.status) { "redirects are not followed: name the final URL" } else { hint };
    let named = reqwest::StatusCode::from_u16(answer.status).map_or_else(|_| answer.status.to_string(), |status| status.to_string());
    Error::new(kind, format!("it answered {named}")).hint(hint)
}

/// Any 2xx is a delivery.
pub(in crate::providers) fn any_success(answer: &Answer) -> Result<()> {
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(refusal(answer, "look at the receiver's log")) }
}

fn client(url: &Url, addresses: &[std::net::SocketAddr], timeout: Duration) -> Result<reqwest::Client> {
    crate::providers::tls::settle();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(concat!("lastgood/", env!("CARGO_PKG_VERSION")))
        .resolve_to_addrs(url.host_str().unwrap_or_default(), addresses);
    builder.build().map_err(|error| failed("opening the connection").because(error.without_url()))
}

/// A growing pause, spread by what is sent, so that many senders do not come back in step.
fn pause(body: &[u8], attempt: u32) -> Duration {
    let digest = Sha256::digest(body);
    let spread = u64::from(digest[attempt as usize % 32]) * 4;
    Duration::from_millis(500 * u64::from(attempt * attempt) + spread)
}

/// Headers of constant names.
pub(in crate::providers) fn headers(pairs: &[(&'static str, String)]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        let mut value = reqwest::header::HeaderValue::from_str(value).map_err(|error| failed("writing a header").because(error))?;
        value.set_sensitive(true);
        map.insert(*name, value);
    }
    Ok(map)
}
