//! What is remembered of what was told: without it, everything is told again.

use super::{Alert, Topic};
use crate::{clock::Timestamp, domain::finding::Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What every channel knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Since when each finding stands, told or not.
    #[serde(default)]
    pub since: BTreeMap<Topic, Timestamp>,
    /// Channel → what it knows.
    pub channels: BTreeMap<String, Known>,
    /// Why the sign of life outside our account was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Refused>,
}

/// What one channel knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Known {
    /// What it was told of and is not over.
    pub topics: BTreeMap<Topic, Knows>,
    /// When it was told how everything stands; none before the first check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest_at: Option<Timestamp>,
    /// Why it takes nothing at present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// What a channel was told of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knows {
    /// How bad it was.
    pub severity: Severity,
    /// When it was told last; none where that was not noted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// It was told in place of another channel, which refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub instead: bool,
}

/// A delivery that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Since when none was.
    pub since: Timestamp,
    /// Why, redacted.
    pub why: String,
}

/// What is stored: the first version knew `asset/kind/severity` and nothing else.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    First(BTreeSet<String>),
    Second { topics: BTreeMap<Topic, Knows>, digest_at: Option<Timestamp>, refused: Option<Refused> },
}

impl From<Stored> for Known {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Second { topics, digest_at, refused } => Self { topics, digest_at, refused },
            Stored::First(news) => {
                let mut known = Self::default();
                for (topic, severity) in news.iter().filter_map(|news| first(news)) {
                    let knows = known.topics.entry(topic).or_insert(Knows { severity, told_at: None, instead: false });
                    knows.severity = knows.severity.max(severity);
                }
                known
            }
        }
    }
}

fn first(news: &str) -> Option<(Topic, Severity)> {
    let (topic, severity) = news.rsplit_once('/')?;
    let severity = [Severity::Note, Severity::Warning, Severity::Critical].into_iter().find(|known| known.as_str() == severity)?;
    Some((topic.parse().ok()?, severity))
}

impl Known {
    /// Notes what the channel took: what is over is forgotten. `instead` says that it was told in place of another.
    pub fn took(&mut self, alerts: &[(Topic, Alert)], now: Timestamp, instead: Instead) {
        self.refused = None;
        for (topic, alert) in alerts {
            if alert.what.is_over() {
                self.topics.remove(topic);
            } else {
                let instead = instead == Instead::OfAnother;
                self.topics.insert(topic.clone(), Knows { severity: alert.finding.severity, told_at: Some(now), instead });
            }
        }
    }

    /// Notes that the channel refused.
    pub fn refused(&mut self, why: &str, now: Timestamp) {
        let since = self.refused.as_ref().map_or(now, |refused| refused.since);
        self.refused = Some(Refused { since, why: why.to_owned() });
    }
}

/// For whom a channel was told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// For itself.
    OfNobody,
    /// In place of another that refused.
    OfAnother,
}
