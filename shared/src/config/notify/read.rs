//! From what is written to channels and rules: whatever could not work is refused with its line and the fix.

use super::{
    Alerts, Channel, Heartbeat, MailTls, Remind, Respond, Ses, Smtp, Way,
    raw::{OrOff, RawAlerts, RawChannel, RawChannelKind, RawHeartbeat, RawRemind, RawReminds, RawSeverity},
};
use crate::{
    config::read::Reader,
    domain::finding::{FindingKind, Severity},
    error::{Error, Result},
    id::AssetName,
};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

/// A key of a channel, and whether it is given.
type Given = (&'static str, bool);

impl Reader<'_> {
    /// Reads every channel; `known` are the names that exist.
    pub(in crate::config) fn channels(&self, raw: &[Spanned<RawChannel>], known: &BTreeSet<&AssetName>) -> Result<Vec<Channel>> {
        let mut channels: Vec<Channel> = Vec::new();
        for (number, at) in raw.iter().enumerate() {
            let path = format!("notify[{number}]");
            let way = self.way(&path, at)?;
            let kind = word(at.value.kind);
            let of_kind = raw[..number].iter().filter(|other| other.value.kind == at.value.kind).count();
            let name = match &at.value.name {
                Some(name) => name.clone(),
                None if of_kind == 0 => kind.to_owned(),
                None => format!("{kind}-{}", of_kind + 1),
            };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
            if name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
                return Err(self.wrong(
                    at,
                    &format!("{path}.name"),
                    "not a name of a channel",
                    "use up to 60 letters, digits, spaces, - _ .",
                ));
            }
            if channels.iter().any(|other| other.name == name) {
                let what = format!("two channels are called `{name}`");
                return Err(self.wrong(at, &format!("{path}.name"), &what, "give each a `name` of its own"));
            }
            if let Some(stranger) = at.value.assets.iter().find(|asset| !known.contains(asset)) {
                let hint = "name only assets and fleets of this config";
                return Err(self.wrong(at, &format!("{path}.assets"), &format!("no asset is named `{stranger}`"), hint));
            }
            let severity = at.value.severity.unwrap_or(RawSeverity::Warning).into();
            channels.push(Channel { name, severity, assets: at.value.assets.iter().cloned().collect(), way });
        }
        Ok(channels)
    }

    fn way(&self, path: &str, at: &Spanned<RawChannel>) -> Result<Way> {
        use RawChannelKind as K;
        let raw = &at.value;
        let (kind, takes): (_, &[&str]) = match raw.kind {
            K::Webhook => (raw.kind, &["url", "signing_key"]),
            K::Slack => (raw.kind, &["url"]),
            K::Pagerduty => (raw.kind, &["routing_key", "url"]),
            K::Sns | K::Pubsub => (raw.kind, &["topic"]),
            K::Smtp => (raw.kind, &["host", "port", "tls", "user", "password", "from", "to"]),
            K::Ses => (raw.kind, &["region", "from", "to"]),
        };
        if let Some((key, _)) = given(raw).iter().find(|(key, given)| *given && !takes.contains(key)) {
            let hint = format!("keys of {}: {}", word(kind), takes.join(", "));
            return Err(self.wrong(at, path, &format!("`{key}` is no key of a channel of kind {}", word(kind)), &hint));
        }
        let missing = |key: &str, hint: &str| self.wrong(at, path, &format!("missing key `{key}`"), hint);
        let reference = |key: &str| missing(key, &format!("add `{key}: env:NAME` or another reference"));
        let retold =
            |key: &str, error: Error| self.wrong(at, &format!("{path}.{key}"), &error.to_string(), error.advice().unwrap_or_default());
        Ok(match kind {
            K::Webhook => Way::Webhook { url: raw.url.clone().ok_or_else(|| reference("url"))?, signing_key: raw.signing_key.clone() },
            K::Slack => Way::Slack { url: raw.url.clone().ok_or_else(|| reference("url"))? },
            K::Pagerduty => {
                Way::Pagerduty { routing_key: raw.routing_key.clone().ok_or_else(|| reference("routing_key"))?, url: raw.url.clone() }
            }
            K::Sns => {
                let hint = "add `topic: arn:aws:sns:REGION:ACCOUNT:NAME` or `topic: env:NAME`";
                let topic = raw.topic.as_ref().ok_or_else(|| missing("topic", hint))?;
                Way::Sns { topic: topic.parse().map_err(|error| retold("topic", error))? }
            }
            K::Pubsub => {
                let topic = raw.topic.as_ref().ok_or_else(|| missing("topic", "add `topic: projects/PROJECT/topics/TOPIC`"))?;
                Way::Pubsub { topic: topic.parse().map_err(|error| retold("topic", error))? }
            }
            K::Smtp => Way::Smtp(self.smtp(path, at)?),
            K::Ses => {
                let (from, to) = self.letter(path, at)?;
                Way::Ses(Ses { region: raw.region.clone(), from, to })
            }
        })
    }

    fn smtp(&self, path: &str, at: &Spanned<RawChannel>) -> Result<Smtp> {
        let raw = &at.value;
        let wrong = |key: &str, what: &str, hint: &str| self.wrong(at, &format!("{path}.{key}"), what, hint);
        let host = raw.host.clone().ok_or_else(|| self.wrong(at, path, "missing key `host`", "add `host: smtp.example.com`"))?;
        if host.is_empty() || host.len() > 253 || host.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@')) {
            return Err(wrong("host", "not the name of a server", "write its name alone, such as smtp.example.com"));
        }
        let tls = raw.tls.unwrap_or(MailTls::Starttls);
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if tls == MailTls::None && !loopback {
            return Err(wrong("tls", "mail goes unencrypted to this machine only", "write `tls: starttls` or `tls: tls`"));
        }
        if raw.user.is_some() != raw.password.is_some() {
            return Err(self.wrong(at, path, "`user` and `password` belong together", "give both, or neither"));
        }
        let port = raw.port.unwrap_or(match tls {
            MailTls::Tls => 465,
            MailTls::Starttls => 587,
            MailTls::None => 25,
        });
        let (from, to) = self.letter(path, at)?;
        Ok(Smtp { host, port, tls, user: raw.user.clone(), password: raw.password.clone(), from, to })
    }

    /// The sender and the receivers of letters.
    fn letter(&self, path: &str, at: &Spanned<RawChannel>) -> Result<(String, Vec<String>)> {
        let wrong = |key: &str, what: &str, hint: &str| self.wrong(at, &format!("{path}.{key}"), what, hint);
        let from = at.value.from.clone().ok_or_else(|| self.wrong(at, path, "missing key `from`", "add `from: lastgood@example.com`"))?;
        if !is_address(&from) {
            return Err(wrong("from", "not an e-mail address", "write lastgood@example.com or `Lastgood <lastgood@example.com>`"));
        }
        let to = at.value.to.clone();
        if to.is_empty() || to.len() > 50 {
            return Err(wrong("to", "nobody, or more than 50, would get it", "add `to: [oncall@example.com]`, a list if there are many"));
        }
        if !to.iter().all(|to| is_address(to)) {
            return Err(wrong("to", "not an e-mail address", "write oncall@example.com"));
        }
        Ok((from, to))
    }

    /// Reads how often who is told.
    pub(in crate::config) fn alerts(&self, raw: Option<RawAlerts>) -> Result<Alerts> {
        let RawAlerts { remind, respond, digest } = raw.unwrap_or_default();
        let mut within = BTreeMap::new();
        let words = [Severity::Critical, Severity::Warning, Severity::Note].map(Severity::as_str);
        for (key, at) in respond {
            if !words.contains(&key.as_str()) && FindingKind::ALL.iter().all(|kind| kind.slug() != key) {
                let hint = "write critical, warning, note, or a kind of finding such as drill-failed";
                return Err(self.wrong(
                    &at,
                    "alerts.respond",
                    &format!("`{}` is no severity and no finding", crate::redact::clip(&key, 40)),
                    hint,
                ));
            }
            within.insert(key, at.value);
        }
        let default = Alerts::default();
        let of = |raw: Option<OrOff<_>>, default| raw.map_or(default, |OrOff(span)| span);
        let remind = match remind {
            None => default.remind,
            Some(RawRemind::All(OrOff(span))) => Remind { critical: span, warning: span, note: None },
            Some(RawRemind::Each(RawReminds { critical, warning, note })) => Remind {
                critical: of(critical, default.remind.critical),
                warning: of(warning, default.remind.warning),
                note: of(note, default.remind.note),
            },
        };
        Ok(Alerts { remind, respond: Respond(within), digest: digest.map_or(default.digest, |OrOff(schedule)| schedule) })
    }

    /// Reads the sign of life outside our account.
    pub(in crate::config) fn heartbeat(raw: Option<RawHeartbeat>) -> Option<Heartbeat> {
        raw.map(|RawHeartbeat { url, fail }| Heartbeat { url, fail })
    }
}

fn given(raw: &RawChannel) -> [Given; 11] {
    let RawChannel { url, signing_key, routing_key, topic, host, port, tls, user, password, region, from, to, .. } = raw;
    [
        ("url", url.is_some()),
        ("signing_key", signing_key.is_some()),
        ("routing_key", routing_key.is_some()),
        ("topic", topic.is_some()),
        ("host", host.is_some() || port.is_some()),
        ("tls", tls.is_some()),
        ("user", user.is_some()),
        ("password", password.is_some()),
        ("region", region.is_some()),
        ("from", from.is_some()),
        ("to", !to.is_empty()),
    ]
}

fn word(kind: RawChannelKind) -> &'static str {
    match kind {
        RawChannelKind::Webhook => "webhook",
        RawChannelKind::Slack => "slack",
        RawChannelKind::Pagerduty => "pagerduty",
        RawChannelKind::Sns => "sns",
        RawChannelKind::Smtp => "smtp",
        RawChannelKind::Ses => "ses",
        RawChannelKind::Pubsub => "pubsub",
    }
}

/// Whether this is an address, alone or as `Name <address>`. What a server makes of it is its own affair.
fn is_address(text: &str) -> bool {
    let bare = match text.split_once('<') {
        Some((_, rest)) => match rest.strip_suffix('>') {
            Some(bare) => bare,
            None => return false,
        },
        None => text,
    };
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '<' | '>' | ',' | ';' | '"'));
    text.len() <= 320
        && !text.chars().any(char::is_control)
        && matches!(bare.split('@').collect::<Vec<_>>()[..], [user, host] if plain(user) && plain(host))
}
