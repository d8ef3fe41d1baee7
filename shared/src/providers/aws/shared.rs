//! The way to AWS that all of its clients share: credentials, endpoint, retries, time limits, TLS. Lazy: nothing happens
//! before the first call.

use crate::{error::Result, ports::Secret};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, sts::AssumeRoleProvider, timeout::TimeoutConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::{collections::HashMap, time::Duration};
use tokio::sync::{Mutex, OnceCell};

/// Where AWS is reached, where that is not as the environment says.
///
/// What is none here is taken from where every AWS tool takes it: `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_RDS`, …) for a
/// service that is not at Amazon's own address, `AWS_PROFILE` and the shared config files, roles of Lambda, ECS and EC2.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The address of every service.
    pub endpoint: Option<String>,
    /// An access key and its secret.
    pub credentials: Option<(String, Secret)>,
}

/// A request is tried this often: about 13 s of waiting in all, so that a service in trouble is left alone soon.
const TRIES: u32 = 7;

/// AWS, as one invocation reaches it. Its clients share one set of credentials and one pool of connections.
#[derive(Debug, Default)]
pub struct Aws {
    access: Access,
    loaded: OnceCell<SdkConfig>,
    accounts: Mutex<HashMap<(String, String), SdkConfig>>,
    /// What drills left behind, as it was last seen.
    pub(super) leftovers: super::rds::Leftovers,
    /// What regions have, as they were last seen.
    pub(super) directory: super::rds::Directory,
    /// The restore tests of regions, as they were last seen.
    pub(super) restore_tests: super::backup::Looks,
}

impl Aws {
    /// Reaches nothing yet.
    pub fn new(access: Access) -> Self {
        Self { access, ..Self::default() }
    }

    /// How it is reached.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Returns what a client in this region is made from; a reply may take as long as `patience`.
    pub(super) async fn in_region(&self, region: &str, patience: Duration) -> SdkConfig {
        let loaded = self.loaded.get_or_init(|| load(&self.access, Some(region), patience)).await;
        loaded.to_builder().region(Region::new(region.to_owned())).timeout_config(patience_of(patience)).build()
    }

    /// The same in another account, as the role [`ROLE`] there, which must trust the one that this runs with.
    pub(super) async fn in_account(&self, region: &str, account: &str, patience: Duration) -> Result<SdkConfig> {
        let mut accounts = self.accounts.lock().await;
        let there = (region.to_owned(), account.to_owned());
        if let Some(config) = accounts.get(&there) {
            return Ok(config.clone());
        }
        let ours = self.in_region(region, patience).await;
        let role = AssumeRoleProvider::builder(role(region, account)?).session_name("lastgood").configure(&ours).build().await;
        let config = ours.to_builder().credentials_provider(SharedCredentialsProvider::new(role)).build();
        accounts.insert(there, config.clone());
        Ok(config)
    }
}

/// The role that other accounts keep for us.
pub(super) const ROLE: &str = "lastgood-copies";

fn role(region: &str, account: &str) -> Result<String> {
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(crate::error::invalid(format!("{account:?} is no account of AWS")).hint("write its 12 digits as `account`"));
    }
    let partition = match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Ok(format!("arn:{partition}:iam::{account}:role/{ROLE}"))
}

/// Reads the settings of the environment, and those that take precedence over them.
pub(super) async fn load(access: &Access, region: Option<&str>, patience: Duration) -> SdkConfig {
    let retries = RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(8));
    let loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https()).retry_config(retries);
    let mut loader = loader.timeout_config(patience_of(patience));
    if let Some(endpoint) = &access.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some((id, secret)) = &access.credentials {
        loader = loader.credentials_provider(Credentials::new(id, secret.expose(), None, None, "settings"));
    }
    loader.load().await
}

fn patience_of(patience: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(patience).build()
}

/// HTTP over TLS by ring: half the size of the SDK's own default, which is read at every cold start.
pub fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// How many pages a listing may have: at 100 items each more than any account holds.
const MOST_PAGES: usize = 1_000;

/// Reads every page of a listing. One that does not end, or that stands still, is an error: half a listing would say that
/// something is gone.
pub(super) async fn every_page<T, F>(what: &str, mut page: impl FnMut(Option<String>) -> F) -> Result<Vec<T>>
where
    F: Future<Output = Result<(Vec<T>, Option<String>)>>,
{
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let (items, next) = page(marker.clone()).await?;
        all.extend(items);
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(all),
            same if same == marker => return Err(crate::error::retry(format!("listing {what}: the same page came twice"))),
            next => marker = next,
        }
    }
    Err(crate::error::failed(format!("listing {what}: it does not end after {MOST_PAGES} pages")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    async fn paged(markers: &'static [Option<&'static str>]) -> Result<Vec<usize>> {
        let mut calls = 0..;
        every_page("things", |_| {
            let call = calls.next().unwrap();
            async move { Ok((vec![call], markers.get(call).copied().unwrap_or(Some("again")).map(str::to_owned))) }
        })
        .await
    }

    #[test]
    fn another_account_is_entered_by_the_role_that_it_keeps_for_us() {
        assert_eq!(role("eu-west-1", "111122223333").unwrap(), "arn:aws:iam::111122223333:role/lastgood-copies");
        assert_eq!(role("cn-north-1", "111122223333").unwrap(), "arn:aws-cn:iam::111122223333:role/lastgood-copies");
        for account in ["", "1111", "11112222333x", "../role/admin"] {
            assert_eq!(role("eu-west-1", account).unwrap_err().kind(), Kind::Invalid, "{account}");
        }
    }

    #[tokio::test]
    async fn every_page_is_read_and_a_listing_that_stands_still_is_never_taken_for_its_end() {
        assert_eq!(paged(&[Some("a"), Some("b"), None]).await.unwrap(), [0, 1, 2]);
        assert_eq!(paged(&[Some("a"), Some("")]).await.unwrap(), [0, 1]);
        assert_eq!(paged(&[Some("a"), Some("b"), Some("b")]).await.unwrap_err().kind(), Kind::Retry);
        let endless = every_page("things", |marker| async move {
            Ok((vec![()], Some(marker.map_or(0, |marker| marker.parse::<u32>().unwrap() + 1).to_string())))
        });
        assert_eq!(endless.await.unwrap_err().kind(), Kind::Failed);
    }
}
