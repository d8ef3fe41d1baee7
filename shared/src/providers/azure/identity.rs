//! Tokens of an identity of Entra's: a workload's, an application's with its secret, or that of the machine we run on.

use super::access::variable;
use crate::{
    error::{Error, Kind, Result, denied, retry},
    ports::Secret,
};
use serde::Deserialize;
use std::time::Duration;
use tokio::{sync::Mutex, time::Instant};

const SCOPE: &str = "https://storage.azure.com/.default";
const RESOURCE: &str = "https://storage.azure.com/";
/// What answers at Azure's machines alone.
const MACHINE: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest token, and the longest answer with one, that is believed.
const LONGEST: usize = 64 << 10;
const MOST: usize = 1 << 20;
/// A token is renewed this long before it expires.
const EARLY: u64 = 300;

/// Whoever the environment says. It keeps its token until shortly before it expires.
#[derive(Debug, Default)]
pub(super) struct Identity(Mutex<Option<(Secret, Instant)>>);

#[derive(Deserialize)]
struct Reply {
    access_token: String,
    /// Seconds; some of Azure's machines write it as text.
    expires_in: serde_json::Value,
}

impl Identity {
    pub(super) async fn token(&self, client: &reqwest::Client) -> Result<Secret> {
        let mut kept = self.0.lock().await;
        if let Some((token, until)) = &*kept
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let reply = ask(request(client, &variable).await?).await?;
        let token = usable(reply.access_token)?;
        let seconds = reply.expires_in.as_u64().or_else(|| reply.expires_in.as_str()?.parse().ok()).unwrap_or(EARLY);
        *kept = Some((token.clone(), Instant::now() + Duration::from_secs(seconds.saturating_sub(EARLY))));
        Ok(token)
    }

    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

/// A token that can stand in a header and was not made up to fill memory.
fn usable(token: String) -> Result<Secret> {
    if token.is_empty() || token.len() > LONGEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(retry("the answer with the token is not understood"));
    }
    Ok(Secret::new(token))
}

/// Where a variable's value comes from.
type Variables = dyn Fn(&str) -> Option<String> + Sync;

async fn request(client: &reqwest::Client, variable: &Variables) -> Result<reqwest::RequestBuilder> {
    let client_id = variable("AZURE_CLIENT_ID");
    if let (Some(tenant), Some(id)) = (variable("AZURE_TENANT_ID"), &client_id) {
        let authority = variable("AZURE_AUTHORITY_HOST").unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
        let address = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
        let mut form = vec![("grant_type", "client_credentials".to_owned()), ("client_id", id.clone()), ("scope", SCOPE.to_owned())];
        if let Some(file) = variable("AZURE_FEDERATED_TOKEN_FILE") {
            let assertion =
                tokio::fs::read_to_string(&file).await.map_err(|error| Error::from(error).during(format_args!("reading {file}")))?;
            form.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()));
            form.push(("client_assertion", assertion.trim().to_owned()));
        } else if let Some(secret) = variable("AZURE_CLIENT_SECRET") {
            form.push(("client_secret", Secret::new(secret).expose().to_owned()));
        } else {
            return Err(nobody());
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        return Ok(client.post(address).header("content-type", "application/x-www-form-urlencoded").body(body));
    }
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("resource", RESOURCE);
    if let Some(id) = &client_id {
        query.append_pair("client_id", id);
    }
    if let (Some(address), Some(header)) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER")) {
        let query = query.append_pair("api-version", "2019-08-01").finish();
        return Ok(client.get(format!("{address}?{query}")).header("x-identity-header", header));
    }
    let query = query.append_pair("api-version", "2018-02-01").finish();
    Ok(client.get(format!("{MACHINE}?{query}")).header("metadata", "true"))
}

fn nobody() -> Error {
    denied("no credentials for Azure were found").hint(
        "set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or run it under a \
         managed identity",
    )
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Reply> {
    let answered = match request.timeout(PATIENCE).send().await {
        Ok(answered) => answered,
        Err(error) if error.is_connect() || error.is_timeout() => return Err(nobody().because(error.without_url())),
        Err(error) => return Err(retry("no token was got from Azure").because(error.without_url())),
    };
    let status = answered.status();
    if !status.is_success() {
        let kind = if status.is_server_error() || status.as_u16() == 429 { Kind::Retry } else { Kind::Denied };
        let error = Error::new(kind, format!("no token was got from Azure: HTTP {status}"));
        return Err(error.hint("check the identity, application or secret that this runs with"));
    }
    // What it says is never repeated: it may be a token.
    let strange = || retry("the answer with the token is not understood");
    let mut answered = answered;
    let mut body = Vec::new();
    while let Some(chunk) = answered.chunk().await.map_err(|error| strange().because(error.without_url()))? {
        if body.len() + chunk.len() > MOST {
            return Err(strange());
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|_| strange())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Bytes as Body, http::StatusCode, http::Uri, http::header::LOCATION, response::IntoResponse};
    use std::sync::{Arc, Mutex};

    /// A double of Entra and of a machine's identity, whose answers a test chooses. Returns its address and what it was asked.
    async fn entra(status: u16, answer: Vec<u8>) -> (String, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let router = Router::new().fallback(move |uri: Uri, headers: axum::http::HeaderMap, body: Body| {
            let header = headers.get("x-identity-header").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
            seen.lock().unwrap().push(format!("{uri} {header} {}", String::from_utf8_lossy(&body)));
            let answer = answer.clone();
            async move { (StatusCode::from_u16(status).unwrap(), [(LOCATION, "http://127.0.0.1:1/stolen")], answer).into_response() }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, asked)
    }

    async fn token(variables: &[(&str, String)]) -> Result<Secret> {
        crate::providers::tls::settle();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let variables: Vec<(String, String)> = variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let look = move |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        usable(ask(request(&client, &look).await?).await?.access_token)
    }

    fn application(address: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_TENANT_ID", "tenant".into()),
            ("AZURE_CLIENT_ID", "app".into()),
            ("AZURE_CLIENT_SECRET", "very-secret&x=1".into()),
            ("AZURE_AUTHORITY_HOST", address.to_owned()),
        ]
    }

    #[tokio::test]
    async fn applications_workloads_and_machines_get_their_tokens() {
        let good = br#"{"token_type":"Bearer","expires_in":"3599","access_token":"ey.to.ken"}"#.to_vec();
        let (address, asked) = entra(200, good).await;
        assert_eq!(token(&application(&address)).await.unwrap().expose(), "ey.to.ken");
        let said = asked.lock().unwrap().pop().unwrap();
        assert!(said.starts_with("/tenant/oauth2/v2.0/token ") && said.contains("client_secret=very-secret%26x%3D1"), "{said}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "an.assertion\n").unwrap();
        let mut workload = application(&address);
        workload.push(("AZURE_FEDERATED_TOKEN_FILE", file.path().display().to_string()));
        token(&workload).await.unwrap();
        let said = asked.lock().unwrap().pop().unwrap();
        assert!(said.contains("client_assertion=an.assertion") && !said.contains("very-secret"), "{said}");
        let machine = [("IDENTITY_ENDPOINT", format!("{address}/msi")), ("IDENTITY_HEADER", "knock".to_owned())];
        token(&machine).await.unwrap();
        let said = asked.lock().unwrap().pop().unwrap();
        assert!(said.starts_with("/msi?resource=https%3A%2F%2Fstorage.azure.com%2F") && said.contains(" knock "), "{said}");
    }

    #[tokio::test]
    async fn hostile_answers_are_errors_that_repeat_nothing() {
        let long = format!(r#"{{"access_token":"{}","expires_in":1}}"#, "x".repeat(2 << 20));
        for (status, answer, kind) in [
            (200, "not json but TOKEN-TEXT".to_owned(), Kind::Retry),
            (200, r#"{"access_token":"TOKEN-TEXT\r\nx-ms-copy-source: y","expires_in":1}"#.to_owned(), Kind::Retry),
            (200, r#"{"access_token":"","expires_in":1}"#.to_owned(), Kind::Retry),
            (200, long, Kind::Retry),
            (302, "TOKEN-TEXT".to_owned(), Kind::Denied),
            (400, r#"{"error":"invalid_client","error_description":"TOKEN-TEXT"}"#.to_owned(), Kind::Denied),
            (429, String::new(), Kind::Retry),
            (503, String::new(), Kind::Retry),
        ] {
            let (address, asked) = entra(status, answer.clone().into_bytes()).await;
            let error = token(&application(&address)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{status}: {error:?}");
            assert!(!error.full().contains("TOKEN-TEXT") && !error.full().contains("very-secret"), "{error:?}");
            assert_eq!(asked.lock().unwrap().len(), 1, "nobody follows a redirect");
        }
        let error = token(&application(&address_of_nobody().await)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{error:?}");
    }

    async fn address_of_nobody() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }
}
