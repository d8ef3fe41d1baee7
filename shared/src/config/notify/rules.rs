//! How often who is told, and how soon somebody should respond.

use crate::{
    config::SecretRef,
    domain::{
        due::Schedule,
        finding::{Finding, Severity},
        span::Span,
    },
};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// How often who is told, and how soon somebody should respond.
#[derive(Debug, Clone, Serialize)]
pub struct Alerts {
    /// How often what stands is told again.
    pub remind: Remind,
    /// Within what time somebody should respond.
    #[serde(skip_serializing_if = "Respond::is_empty")]
    pub respond: Respond,
    /// When everybody is told how everything stands.
    #[serde(serialize_with = "or_off")]
    pub digest: Option<Schedule>,
}

impl Default for Alerts {
    fn default() -> Self {
        // Monday morning, when somebody is there to miss it.
        Self { remind: Remind::default(), respond: Respond::default(), digest: "0 8 * * 1".parse().ok() }
    }
}

/// How often what stands is told again; none where never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Remind {
    /// What is critical.
    #[serde(serialize_with = "or_off")]
    pub critical: Option<Span>,
    /// Warnings.
    #[serde(serialize_with = "or_off")]
    pub warning: Option<Span>,
    /// Notes.
    #[serde(serialize_with = "or_off")]
    pub note: Option<Span>,
}

impl Default for Remind {
    fn default() -> Self {
        Self { critical: Some(Span::hours(4)), warning: Some(Span::hours(24)), note: None }
    }
}

impl Remind {
    /// How often this is told again.
    pub const fn of(&self, severity: Severity) -> Option<Span> {
        match severity {
            Severity::Critical => self.critical,
            Severity::Warning => self.warning,
            Severity::Note => self.note,
        }
    }
}

/// Within what time somebody should respond: by kind of finding, else by severity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Respond(pub BTreeMap<String, Span>);

impl Respond {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Within what time somebody should respond to this.
    pub fn within(&self, finding: &Finding) -> Option<Span> {
        self.0.get(finding.kind.slug()).or_else(|| self.0.get(finding.severity.as_str())).copied()
    }
}

/// The sign of life outside our account.
#[derive(Debug, Clone, Serialize)]
pub struct Heartbeat {
    /// The URL that is asked for after each scheduled check that came to its end.
    pub url: SecretRef,
    /// Whether a check that found something critical asks for the URL + `/fail` instead.
    pub fail: bool,
}

fn or_off<T: ToString, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.serialize_str(&value.to_string()),
        None => to.serialize_str("off"),
    }
}
