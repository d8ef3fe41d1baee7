//! Who is told: adapters for the channels that the config names.
//!
//! A channel that cannot be opened is not left out in silence: it is a notifier that refuses every delivery and says why,
//! so that the checker's report names it.

pub(super) mod address;
pub(super) mod body;
pub mod letter;
mod pagerduty;
mod ping;
mod slack;
#[cfg(feature = "smtp")]
mod smtp;
mod webhook;
pub(super) mod wire;

pub use pagerduty::Pagerduty;
pub use ping::{Vital, ping, reach};
pub use slack::Slack;
#[cfg(feature = "smtp")]
pub use smtp::Smtp;
pub use webhook::{SIGNATURE, Webhook};

use crate::{
    clock::Clock,
    config::{Channel, Config, Way},
    domain::tell::{Filter, Message},
    error::{Result, unsupported},
    ports::{Letter, Notifier, Secrets},
};
use async_trait::async_trait;
use std::sync::Arc;

/// Returns a notifier for every channel of the config, in its order. Touches nothing before the first delivery.
pub fn notifiers(config: &Config, secrets: &Arc<dyn Secrets>, clock: &Arc<dyn Clock>) -> Vec<Arc<dyn Notifier>> {
    #[cfg(feature = "gcp")]
    let google: Arc<crate::providers::gcp::Google> = Arc::default();
    let open = |channel: &Channel| -> Arc<dyn Notifier> {
        let (name, secrets, clock) = (channel.name.clone(), secrets.clone(), clock.clone());
        let way: Arc<dyn Notifier> = match &channel.way {
            Way::Webhook { url, signing_key } => Arc::new(Webhook::new(name, url.clone(), signing_key.clone(), secrets, clock)),
            Way::Slack { url } => Arc::new(Slack::new(name, url.clone(), secrets, clock)),
            Way::Pagerduty { routing_key, url } => Arc::new(Pagerduty::new(name, routing_key.clone(), url.clone(), secrets, clock)),
            #[cfg(feature = "gcp")]
            Way::Pubsub { topic } => Arc::new(crate::providers::gcp::Pubsub::new(name, topic.clone(), google.clone())),
            #[cfg(not(feature = "gcp"))]
            Way::Pubsub { .. } => Arc::new(Unopened(name, "gcp")),
            #[cfg(feature = "smtp")]
            Way::Smtp(settings) => Arc::new(Smtp::new(name, settings.clone(), secrets)),
            #[cfg(not(feature = "smtp"))]
            Way::Smtp(_) => Arc::new(Unopened(name, "smtp")),
            #[cfg(feature = "aws")]
            Way::Sns { topic } => {
                Arc::new(crate::providers::aws::Sns::new(name, topic.clone(), secrets, crate::providers::aws::Access::default()))
            }
            #[cfg(feature = "aws")]
            Way::Ses(settings) => {
                Arc::new(crate::providers::aws::Ses::new(name, settings.clone(), crate::providers::aws::Access::default()))
            }
            #[cfg(not(feature = "aws"))]
            Way::Sns { .. } | Way::Ses(_) => Arc::new(Unopened(name, "aws")),
        };
        Arc::new(Tuned { way, filter: channel.filter() })
    };
    config.notify.iter().map(open).collect()
}

/// A channel that wants to hear only some things.
#[derive(Debug)]
struct Tuned {
    way: Arc<dyn Notifier>,
    filter: Filter,
}

#[async_trait]
impl Notifier for Tuned {
    fn channel(&self) -> &str {
        self.way.channel()
    }

    fn filter(&self) -> Filter {
        self.filter.clone()
    }

    fn reads_digests(&self) -> bool {
        self.way.reads_digests()
    }

    fn at_once(&self) -> usize {
        self.way.at_once()
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        self.way.notify(message).await
    }

    async fn reach(&self) -> Result<String> {
        self.way.reach().await
    }

    async fn mail(&self, letter: &Letter) -> Option<Result<()>> {
        self.way.mail(letter).await
    }
}

/// A channel that this build has no adapter for, and the feature that brings it.
#[derive(Debug)]
#[cfg_attr(all(feature = "aws", feature = "gcp", feature = "smtp"), expect(dead_code, reason = "this build opens every channel"))]
struct Unopened(String, &'static str);

#[async_trait]
impl Notifier for Unopened {
    fn channel(&self) -> &str {
        &self.0
    }

    async fn notify(&self, _: &Message) -> Result<()> {
        self.reach().await.map(|_| ())
    }

    async fn reach(&self) -> Result<String> {
        Err(unsupported("this build cannot open this channel").hint(format!("use one that has the feature `{}`", self.1)))
    }
}
