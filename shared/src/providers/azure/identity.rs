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
        let reply = ask(request(client).await?).await?;
        let token = Secret::new(reply.access_token);
        let seconds = reply.expires_in.as_u64().or_else(|| reply.expires_in.as_str()?.parse().ok()).unwrap_or(EARLY);
        *kept = Some((token.clone(), Instant::now() + Duration::from_secs(seconds.saturating_sub(EARLY))));
        Ok(token)
    }

    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn request(client: &reqwest::Client) -> Result<reqwest::RequestBuilder> {
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
    answered.json().await.map_err(|error| retry("the answer with the token is not understood").because(error.without_url()))
}
