//! A Pushgateway of Prometheus: for a checker that ends before anybody could scrape it.
//!
//! One group, `job="lastgood"`, is replaced as a whole, so that what is no longer there is no longer told.

use crate::{
    config::Pushgateway,
    error::{Error, Kind, Result, failed, refused, retry},
    ports::{Monitor, Numbers, Secrets},
    providers::notify::address,
};
use async_trait::async_trait;
use std::{sync::Arc, time::Duration};
use url::{Host, Url};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    settings: Pushgateway,
    secrets: Arc<dyn Secrets>,
}

impl Gateway {
    /// The gateway that these settings name. The password is resolved at each delivery.
    pub fn new(settings: Pushgateway, secrets: Arc<dyn Secrets>) -> Self {
        Self { settings, secrets }
    }

    fn group(&self) -> Result<Url> {
        let mut url = self.settings.url.url().clone();
        url.path_segments_mut().map_err(|()| failed("the URL has no path"))?.pop_if_empty().extend(["metrics", "job", "lastgood"]);
        Ok(url)
    }
}

#[async_trait]
impl Monitor for Gateway {
    fn name(&self) -> &'static str {
        "pushgateway"
    }

    async fn take(&self, numbers: &Numbers) -> Result<()> {
        let url = self.group()?;
        let addresses = address::resolve(&url).await.map_err(|error| error.during("the Pushgateway"))?;
        crate::providers::tls::settle();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .resolve_to_addrs(url.host_str().unwrap_or_default(), &addresses)
            .build()
            .map_err(|error| failed("opening the Pushgateway").because(error.without_url()))?;
        let mut request = client.put(url.clone()).header("content-type", "text/plain; version=0.0.4").body(numbers.text.clone());
        if let Some(password) = &self.settings.password {
            if url.scheme() != "https" && !is_here(&url) {
                return Err(refused("the Pushgateway's password would go over http").hint("give an https URL"));
            }
            let password = self.secrets.resolve(password).await?;
            request = request.basic_auth(self.settings.user.as_deref().unwrap_or_default(), Some(password.expose()));
        }
        let answer = request.send().await.map_err(|error| {
            let how = if error.is_timeout() { "did not answer in time" } else { "could not be reached" };
            retry(format!("the Pushgateway {how}")).because(error.without_url())
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let kind = if status.is_server_error() { Kind::Retry } else { Kind::Failed };
        Err(Error::new(kind, format!("the Pushgateway answered {status}")).hint("look at its log"))
    }
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
