//! What an alert is about, and which of them a channel wants to hear.

use crate::{
    domain::finding::{Finding, FindingKind, Severity},
    error::{Error, invalid},
    id::AssetName,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// What makes two findings the same news: asset and kind, written `orders-db/backup-stale`. Ages and counts in a sentence
/// grow without being news; how bad it is is a state of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic {
    /// The asset; none where it is about none in particular.
    pub asset: Option<AssetName>,
    /// The kind.
    pub kind: FindingKind,
}

impl Topic {
    /// What a finding is about.
    pub fn of(finding: &Finding) -> Self {
        Self { asset: finding.asset.clone(), kind: finding.kind }
    }
}

impl FromStr for Topic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (asset, slug) = text.split_once('/').ok_or_else(|| invalid("what was told of is not written as asset/kind"))?;
        let asset = if asset.is_empty() { None } else { Some(asset.parse()?) };
        let kind = FindingKind::ALL.into_iter().find(|kind| kind.slug() == slug);
        Ok(Self { asset, kind: kind.ok_or_else(|| invalid("no finding is of this kind"))? })
    }
}

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.to_string()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.asset.as_ref().map_or("", AssetName::as_str), self.kind.slug())
    }
}

/// Which alerts a channel wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Nothing better than this.
    pub least: Severity,
    /// Only these assets and fleets; all where it is empty. What is about no asset concerns everybody.
    pub assets: BTreeSet<AssetName>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { least: Severity::Warning, assets: BTreeSet::new() }
    }
}

impl Filter {
    /// Whether the channel wants to hear of an asset; `fleet` is the one that it belongs to.
    pub fn concerns(&self, asset: Option<&AssetName>, fleet: Option<&AssetName>) -> bool {
        self.assets.is_empty() || asset.is_none() || [asset, fleet].into_iter().flatten().any(|name| self.assets.contains(name))
    }

    /// Whether the channel wants to hear of a finding.
    pub fn takes(&self, finding: &Finding, fleet: Option<&AssetName>) -> bool {
        finding.severity >= self.least && self.concerns(finding.asset.as_ref(), fleet)
    }
}
