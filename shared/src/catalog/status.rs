//! What was seen and judged last, and which findings were told to whom.

use super::Record;
use crate::{
    clock::Timestamp,
    domain::{
        finding::{Finding, Severity},
        freshness::{AssetStatus, State},
    },
    function::{Exit, Findings, exit_of},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How everything stands: the report of the freshness checker and the contents of `status/status.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When it was looked at.
    pub checked_at: Timestamp,
    /// How it stands as a whole.
    pub overall: Overall,
    /// One entry per asset, by name.
    pub assets: Vec<AssetStatus>,
    /// What concerns no asset in particular, worst first.
    pub findings: Vec<Finding>,
}

/// How everything stands, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overall {
    /// The worst state of any asset.
    pub state: State,
    /// How many assets are good.
    pub good: usize,
    /// How many assets there are.
    pub assets: usize,
}

impl Status {
    /// Sums assets and findings up.
    pub fn of(checked_at: Timestamp, assets: Vec<AssetStatus>, findings: Vec<Finding>) -> Self {
        let worst = assets.iter().map(|asset| asset.state).max().unwrap_or(State::Good);
        let besides = if findings.iter().any(|finding| finding.severity > Severity::Note) { State::Warning } else { State::Good };
        let good = assets.iter().filter(|asset| asset.state == State::Good).count();
        let overall = Overall { state: worst.max(besides), good, assets: assets.len() };
        Self { checked_at, overall, assets, findings }
    }
}

impl Record for Status {
    const NAME: &'static str = "status";
}

impl Findings for Status {
    fn findings(&self) -> Vec<Finding> {
        let of_assets = self.assets.iter().flat_map(|asset| &asset.findings);
        let mut all: Vec<_> = self.findings.iter().chain(of_assets).cloned().collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        all
    }

    fn exit(&self) -> Exit {
        exit_of(&self.findings())
    }
}

/// Which findings each channel was told: the same one is told once, until it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Channel → what it knows.
    pub channels: BTreeMap<String, BTreeSet<String>>,
}

impl Record for Told {
    const NAME: &'static str = "told";
}

impl Told {
    /// What makes two findings the same news: its kind, its asset and how bad it is. Ages and counts in the sentence grow
    /// without being news.
    pub fn news(finding: &Finding) -> String {
        let asset = finding.asset.as_ref().map_or("", |asset| asset.as_str());
        let severity = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        format!("{asset}/{}/{severity}", finding.kind.slug())
    }
}
