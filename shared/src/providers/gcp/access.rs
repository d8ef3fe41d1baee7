//! Who we are to Google, and where its services are reached.

use super::{call::Service, refused::Refused};
use crate::{
    error::{Error, Kind, Result, invalid},
    ports::Secret,
    providers::web::Client,
    redact::clip,
};
use google_cloud_auth::credentials::{self, AccessTokenCredentials, CacheableResource, CredentialsProvider};
use reqwest::header::HeaderMap;
use tokio::sync::{Mutex, OnceCell};

/// Where Google is reached, where that is not as the environment says.
///
/// What is none here is taken from where every tool of Google's takes it: `GOOGLE_APPLICATION_CREDENTIALS` (the key of a
/// service account, or a workload identity federation's file), what `gcloud auth application-default login` left, the
/// service account of Cloud Run, GKE and Compute Engine; `GOOGLE_CLOUD_QUOTA_PROJECT` for who pays; `STORAGE_EMULATOR_HOST` and
/// `PUBSUB_EMULATOR_HOST` for a double, which is called by nobody in particular; `CLOUDSDK_API_ENDPOINT_OVERRIDES_…` for a
/// service at another address (a private endpoint), which is called as whoever we are.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The address of every service.
    pub endpoint: Option<String>,
    /// Who we are.
    pub account: Account,
}

/// Who we are to Google.
#[derive(Debug, Clone, Default)]
pub enum Account {
    /// Whoever the environment says.
    #[default]
    Environment,
    /// Nobody in particular.
    Nobody,
    /// Whoever this credentials file (its JSON text) says.
    File(Secret),
}

/// What a credential may be used for; what it really may, IAM decides.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Google, as one invocation reaches it: one pool of connections and one token for all services.
#[derive(Debug, Default)]
pub struct Google {
    access: Access,
    client: Client,
    credentials: Mutex<Option<AccessTokenCredentials>>,
    pub(super) project: OnceCell<String>,
}

impl Google {
    /// Reaches nothing yet.
    pub fn new(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    /// Who we are.
    pub(super) fn account(&self) -> &Account {
        &self.access.account
    }

    /// The address of a service, without a slash at its end.
    pub(super) fn address(&self, service: Service) -> String {
        let address = match (&self.access.endpoint, self.emulator(service)) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(emulator)) if emulator.contains("://") => emulator,
            (None, Some(emulator)) => format!("http://{emulator}"),
            (None, None) => match self.elsewhere(service) {
                Some(address) => address,
                None => return format!("https://{}", service.host()),
            },
        };
        address.trim_end_matches('/').to_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "every tool of Google's looks for its emulator there")]
    fn emulator(&self, service: Service) -> Option<String> {
        let name = service.emulator().filter(|_| matches!(self.access.account, Account::Environment))?;
        std::env::var(name).ok().filter(|address| !address.is_empty())
    }

    #[expect(clippy::disallowed_methods, reason = "gcloud looks there for a service that is reached at another address")]
    fn elsewhere(&self, service: Service) -> Option<String> {
        let name = service.elsewhere().filter(|_| matches!(self.access.account, Account::Environment))?;
        // A token goes over TLS, or does not leave this machine.
        let safe = |address: &String| address.starts_with("https://") || address.starts_with("http://127.0.0.1:");
        std::env::var(name).ok().filter(safe)
    }

    /// The one client.
    pub(super) async fn client(&self) -> Result<reqwest::Client> {
        self.client.get("Google", self.access.endpoint.is_some()).await
    }

    /// The headers that say who we are and who pays. A token is renewed before it expires.
    pub(super) async fn identity(&self, service: Service) -> Result<HeaderMap, Refused> {
        if matches!(self.access.account, Account::Nobody) || self.emulator(service).is_some() {
            return Ok(HeaderMap::new());
        }
        let mut credentials = self.credentials.lock().await;
        let ours = match &*credentials {
            Some(ours) => ours.clone(),
            None => credentials.insert(self.open().map_err(Refused::Nobody)?).clone(),
        };
        drop(credentials);
        match ours.headers(axum::http::Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => Ok(data),
            Ok(CacheableResource::NotModified) => Ok(HeaderMap::new()),
            Err(error) => {
                // What has once failed for good would fail for ever.
                self.forget().await;
                let kind = if error.is_transient() { Kind::Retry } else { Kind::Denied };
                let error = Error::new(kind, "no token was got from Google").because(clip(&innermost(&error), 300));
                Err(Refused::Nobody(error.hint(
                    "run it under a service account, set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
                )))
            }
        }
    }

    /// Forgets the token: it was refused, though it looked good.
    pub(super) async fn forget(&self) {
        *self.credentials.lock().await = None;
    }

    fn open(&self) -> Result<AccessTokenCredentials> {
        crate::providers::tls::settle();
        let built = match &self.access.account {
            Account::Environment | Account::Nobody => credentials::Builder::default().with_scopes([SCOPE]).build_access_token_credentials(),
            Account::File(text) => {
                let file = serde_json::from_str::<serde_json::Value>(text.expose())
                    .map_err(|_| invalid("Google's credentials file is not JSON").hint("take the file as Google gave it"))?;
                match file["type"].as_str() {
                    Some("authorized_user") => credentials::user_account::Builder::new(file).build_access_token_credentials(),
                    Some("service_account") => credentials::service_account::Builder::new(file)
                        .with_access_specifier(credentials::service_account::AccessSpecifier::from_scopes([SCOPE]))
                        .build_access_token_credentials(),
                    Some("external_account") => {
                        credentials::external_account::Builder::new(file).with_scopes([SCOPE]).build_access_token_credentials()
                    }
                    _ => return Err(invalid("Google's credentials file is of a type that this build does not know")),
                }
            }
        };
        built.map_err(|error| {
            Error::new(Kind::Denied, "no credentials for Google were found").because(error).hint(
                "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, run `gcloud auth application-default login`, or run it \
                 under a service account",
            )
        })
    }
}

/// What is at the bottom of an error: the crate that asks for tokens says the same advice at every step of the way there.
fn innermost(error: &dyn std::error::Error) -> String {
    let steps = std::iter::successors(Some(error), |error| error.source());
    steps.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_reached_at_googles_address_or_where_a_test_says() {
        let google = Google::default();
        assert_eq!(google.address(Service::Storage), "https://storage.googleapis.com");
        let double = Google::new(Access { endpoint: Some("http://127.0.0.1:1/".into()), account: Account::Nobody });
        assert_eq!(double.address(Service::Storage), "http://127.0.0.1:1");
    }

    #[test]
    fn a_credentials_file_that_is_none_is_refused_without_showing_it() {
        for text in ["{", "{}", r#"{"type":"gdch","private_key":"very-private"}"#] {
            let google = Google::new(Access { endpoint: None, account: Account::File(Secret::new(text)) });
            let error = google.open().unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid);
            assert!(!error.full().contains("very-private"));
        }
    }
}
