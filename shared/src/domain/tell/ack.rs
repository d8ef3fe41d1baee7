//! An acknowledgement: somebody knows, and says until when nobody needs to be reminded.

use super::Topic;
use crate::{
    clock::Timestamp,
    domain::finding::{Finding, FindingKind, Severity},
    id::AssetName,
};
use serde::{Deserialize, Serialize};

/// That somebody knows of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The asset; none where the finding is about none in particular.
    pub asset: Option<AssetName>,
    /// The kind of finding.
    pub kind: FindingKind,
    /// How bad it was when it was acknowledged: if it gets worse, this ends.
    pub severity: Severity,
    /// Who knows.
    pub by: String,
    /// What is being done, or why nothing is.
    pub why: String,
    /// Since when.
    pub at: Timestamp,
    /// Until when, at most.
    pub until: Timestamp,
    /// That it ended before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// The end of an acknowledgement before its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

impl Ack {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        Topic { asset: self.asset.clone(), kind: self.kind }
    }

    /// Whether it stands.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.ended.is_none() && now < self.until
    }

    /// Whether it makes a finding quiet.
    pub fn quiets(&self, finding: &Finding, now: Timestamp) -> bool {
        self.holds(now) && self.topic() == Topic::of(finding) && finding.severity <= self.severity
    }

    /// Returns why it ends, given the finding as it stands: none where it is over.
    pub fn ends(&self, finding: Option<&Finding>, now: Timestamp) -> Option<&'static str> {
        match finding {
            _ if !self.holds(now) => None,
            None => Some("what it was about is over"),
            Some(finding) if finding.severity > self.severity => Some("it got worse"),
            Some(_) => None,
        }
    }
}
