//! A Pushgateway of Prometheus: for a checker that ends before anybody could scrape it.
//!
//! One group, `job="lastgood"`, is replaced as a whole, so that what is no longer there is no longer told.

use crate::{
    clock::Clock,
    config::Pushgateway,
    error::{Result, failed, refused},
    ports::{Monitor, Numbers, Secrets},
    providers::notify::wire::{Wire, any_success, headers},
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use std::sync::Arc;
use url::{Host, Url};

/// The gateway.
#[derive(Debug)]
pub struct Gateway {
    settings: Pushgateway,
    secrets: Arc<dyn Secrets>,
    wire: Wire,
}

impl Gateway {
    /// The gateway that these settings name. The password is resolved at each delivery.
    pub fn new(settings: Pushgateway, secrets: Arc<dyn Secrets>, clock: Arc<dyn Clock>) -> Self {
        Self { settings, secrets, wire: Wire::new("the Pushgateway", clock) }
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
        let mut said = vec![("content-type", "text/plain; version=0.0.4".to_owned())];
        if let Some(password) = &self.settings.password {
            if url.scheme() != "https" && !is_here(&url) {
                return Err(refused("the Pushgateway's password would go over http").hint("give an https URL"));
            }
            let password = self.secrets.resolve(password).await?;
            let login = format!("{}:{}", self.settings.user.as_deref().unwrap_or_default(), password.expose());
            said.push(("authorization", format!("Basic {}", STANDARD.encode(login))));
        }
        let sent = self.wire.send(Method::PUT, &url, numbers.text.as_bytes(), || headers(&said), any_success);
        sent.await.map(drop)
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
