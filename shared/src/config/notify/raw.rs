//! `notify`, `alerts` and `heartbeat` as they are written.

use super::MailTls;
use crate::{
    config::SecretRef,
    domain::{due::Schedule, finding::Severity, span::Span},
    error::Error,
    id::AssetName,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Somebody to tell.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawChannel {
    /// What kind of channel.
    pub kind: RawChannelKind,
    /// What it is called; its kind when not given.
    pub name: Option<String>,
    /// The least severity that it wants to hear of; `warning` when not given.
    pub severity: Option<RawSeverity>,
    /// The only assets and fleets that it wants to hear of.
    #[serde(default)]
    pub assets: Vec<AssetName>,
    /// The URL of a webhook or of a Slack webhook; of `PagerDuty` where it is not the public one.
    pub url: Option<SecretRef>,
    /// The key that signs a webhook's body.
    pub signing_key: Option<SecretRef>,
    /// The routing key of a `PagerDuty` integration.
    pub routing_key: Option<SecretRef>,
    /// The ARN of an SNS topic, or a reference to it; `projects/P/topics/T` of Pub/Sub.
    pub topic: Option<String>,
    /// The mail server (smtp).
    pub host: Option<String>,
    /// Its port; 587, or 465 with `tls: tls`, or 25 with `tls: none`.
    pub port: Option<u16>,
    /// How the way there is encrypted; `starttls` when not given.
    pub tls: Option<MailTls>,
    /// Who logs in (smtp).
    pub user: Option<String>,
    /// With what password (smtp).
    pub password: Option<SecretRef>,
    /// The region (ses).
    pub region: Option<String>,
    /// The sender (smtp, ses): `Lastgood <lastgood@example.com>`.
    pub from: Option<String>,
    /// The receivers (smtp, ses).
    #[serde(default)]
    pub to: Vec<String>,
}

/// The kinds of channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawChannelKind {
    /// A signed JSON POST.
    Webhook,
    /// A Slack incoming webhook.
    Slack,
    /// `PagerDuty` Events v2.
    Pagerduty,
    /// A topic of Amazon SNS.
    Sns,
    /// E-mail by SMTP.
    Smtp,
    /// E-mail by Amazon SES.
    Ses,
    /// A topic of Google Pub/Sub.
    Pubsub,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RawSeverity {
    /// Worth knowing.
    Note,
    /// Redundancy or proof is thinner than the policy asks.
    Warning,
    /// More would be lost than the policy allows.
    Critical,
}

impl From<RawSeverity> for Severity {
    fn from(raw: RawSeverity) -> Self {
        match raw {
            RawSeverity::Note => Self::Note,
            RawSeverity::Warning => Self::Warning,
            RawSeverity::Critical => Self::Critical,
        }
    }
}

/// How often who is told, and how soon somebody should respond.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawAlerts {
    /// How often what stands is told again: an interval, `off`, or both by severity. `{ critical: 4h, warning: 24h, note: off }`
    /// when not given.
    pub remind: Option<RawRemind>,
    /// Within what time somebody should respond, by severity (`critical`, `warning`, `note`) or by kind of finding
    /// (`drill-failed`).
    #[schemars(with = "BTreeMap<String, Span>")]
    #[serde(default)]
    pub respond: BTreeMap<String, Spanned<Span>>,
    /// When everybody is told how everything stands, good or not: five cron fields in UTC, or `off`; Mondays at 08:00 when not
    /// given.
    pub digest: Option<OrOff<Schedule>>,
}

/// How often what stands is told again.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an interval such as 24h, or off, or { critical: 4h, warning: 24h, note: off }")]
pub enum RawRemind {
    /// The same for every severity.
    All(OrOff<Span>),
    /// By severity.
    Each(RawReminds),
}

/// How often what stands is told again, by severity.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawReminds {
    /// Of what is critical.
    pub critical: Option<OrOff<Span>>,
    /// Of warnings.
    pub warning: Option<OrOff<Span>>,
    /// Of notes.
    pub note: Option<OrOff<Span>>,
}

/// A value, or `off`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
#[serde(bound = "T: std::str::FromStr<Err = Error>")]
pub struct OrOff<T>(pub Option<T>);

impl<T: std::str::FromStr<Err = Error>> TryFrom<String> for OrOff<T> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "off" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))).map_err(|error: Error| error.sentence()) }
    }
}

impl<T: JsonSchema> JsonSchema for OrOff<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("{}OrOff", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [value, { "const": "off" }] })
    }
}

/// The sign of life outside our account.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawHeartbeat {
    /// The URL that is asked for after each scheduled check that came to its end.
    pub url: SecretRef,
    /// Whether a check that found something critical asks for the URL + `/fail` instead.
    #[serde(default)]
    pub fail: bool,
}
