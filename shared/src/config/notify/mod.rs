//! Who is told, over which ways, and how often: `notify`, `alerts` and `heartbeat`.

mod google;
mod raw;
mod read;
mod rules;

pub use google::PubsubTopic;
pub use raw::{RawAlerts, RawChannel, RawHeartbeat};
pub use rules::{Alerts, Heartbeat, Remind, Respond};

use super::{SecretRef, Topic};
use crate::domain::tell::Filter;
use crate::id::AssetName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Somebody to tell.
#[derive(Debug, Clone, Serialize)]
pub struct Channel {
    /// What it is called in findings, and by what it is remembered what it was told.
    pub name: String,
    /// The least severity that it wants to hear of.
    #[serde(serialize_with = "word")]
    pub severity: crate::domain::finding::Severity,
    /// The only assets and fleets that it wants to hear of; all where there are none.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub assets: BTreeSet<AssetName>,
    /// How it is told.
    #[serde(flatten)]
    pub way: Way,
}

fn word<S: serde::Serializer>(severity: &crate::domain::finding::Severity, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(severity.as_str())
}

impl Channel {
    /// Which alerts it wants.
    pub fn filter(&self) -> Filter {
        Filter { least: self.severity, assets: self.assets.clone() }
    }
}

/// A way to tell somebody.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Way {
    /// A JSON POST to a URL, signed with HMAC-SHA256 when a key is given.
    Webhook {
        /// The URL.
        url: SecretRef,
        /// The signing key.
        signing_key: Option<SecretRef>,
    },
    /// A Slack incoming webhook.
    Slack {
        /// The webhook's URL.
        url: SecretRef,
    },
    /// `PagerDuty` Events v2.
    Pagerduty {
        /// The integration's routing key.
        routing_key: SecretRef,
        /// Where another than the public service takes events: the EU region, or a relay.
        url: Option<SecretRef>,
    },
    /// A topic of Amazon SNS.
    Sns {
        /// The topic.
        topic: Topic,
    },
    /// E-mail by a server of one's own choice.
    Smtp(Smtp),
    /// E-mail by Amazon SES.
    Ses(Ses),
    /// A topic of Google Pub/Sub.
    Pubsub {
        /// The topic.
        topic: PubsubTopic,
    },
}

/// E-mail by a server of one's own choice.
#[derive(Debug, Clone, Serialize)]
pub struct Smtp {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is encrypted.
    pub tls: MailTls,
    /// Who logs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// With what password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}

/// How the way to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// From the first byte (port 465).
    Tls,
    /// After STARTTLS, which the server must offer (port 587).
    Starttls,
    /// Not at all: to this machine only.
    None,
}

/// E-mail by Amazon SES.
#[derive(Debug, Clone, Serialize)]
pub struct Ses {
    /// The region; the environment's when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The sender, whose domain SES has verified.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
}
