//! Who is told: adapters for the channels that the config names.
//!
//! A channel that cannot be opened is not left out in silence: it is a notifier that refuses every delivery and says why,
//! so that the checker's report names it.

pub(super) mod address;
pub mod letter;
mod webhook;

pub use webhook::{SIGNATURE, Webhook};

use crate::{
    clock::Clock,
    config::{Channel, Config},
    domain::finding::Finding,
    error::{Result, unsupported},
    ports::{Notifier, Secrets},
};
use async_trait::async_trait;
use std::sync::Arc;

/// Returns a notifier for every channel of the config, in its order. Touches nothing before the first delivery.
pub fn notifiers(config: &Config, secrets: &Arc<dyn Secrets>, clock: &Arc<dyn Clock>) -> Vec<Arc<dyn Notifier>> {
    let open = |(index, channel): (usize, &Channel)| -> Arc<dyn Notifier> {
        let name = |kind: &str| format!("{kind} ({} of {})", index + 1, config.notify.len());
        match channel {
            Channel::Webhook { url, signing_key } => {
                Arc::new(Webhook::new(name("webhook"), url.clone(), signing_key.clone(), secrets.clone(), clock.clone()))
            }
            #[cfg(feature = "aws")]
            Channel::Sns { topic } => Arc::new(crate::providers::aws::Sns::new(
                name("sns"),
                topic.clone(),
                secrets.clone(),
                crate::providers::aws::Access::default(),
            )),
            #[cfg(not(feature = "aws"))]
            Channel::Sns { .. } => Arc::new(Unopened(name("sns"))),
            Channel::Slack { .. } => Arc::new(Unopened(name("slack"))),
            Channel::Pagerduty { .. } => Arc::new(Unopened(name("pagerduty"))),
        }
    };
    config.notify.iter().enumerate().map(open).collect()
}

/// A channel that this build has no adapter for.
#[derive(Debug)]
struct Unopened(String);

#[async_trait]
impl Notifier for Unopened {
    fn channel(&self) -> &str {
        &self.0
    }

    async fn notify(&self, _: &str, _: &[Finding]) -> Result<()> {
        Err(unsupported("this build cannot open this channel")
            .hint("use `kind: webhook` with a signing key, or `kind: sns` with a build that has the feature `aws`"))
    }
}
