//! What every client has in common: credentials, region, retries, timeouts, TLS.

use super::client::{Settings, https};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_s3::config::Credentials;
use std::time::Duration;

/// Reads what every AWS tool reads. Contacts nobody but, where a role is used, whoever hands out its credentials.
pub(super) async fn session(settings: &Settings) -> SdkConfig {
    let retries = RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(200));
    let timeouts = TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).operation_timeout(Duration::from_secs(30)).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(https()).retry_config(retries).timeout_config(timeouts);
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some((id, secret)) = &settings.credentials {
        loader = loader.credentials_provider(Credentials::new(id, secret.expose(), None, None, "settings"));
    }
    loader.load().await
}
