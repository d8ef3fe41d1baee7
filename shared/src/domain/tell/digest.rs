//! How everything stands, told at its hour whether anything is wrong or not: whoever hears nothing knows that the telling
//! itself is broken.

use super::{Ack, Alert, Case, Filter, Known, Topic, What, judge::alert};
use crate::{
    clock::Timestamp,
    config::Alerts,
    domain::{
        due::Schedule,
        freshness::{AssetStatus, State},
        span::human,
    },
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// The most lines about assets: beyond it the worst are told, and how many there are.
const LINES: usize = 100;

/// How everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// How many assets are as their policy asks.
    pub good: usize,
    /// How many there are.
    pub assets: usize,
    /// One line for each, those in trouble first.
    pub lines: Vec<String>,
    /// What stands, worst first.
    pub open: Vec<Alert>,
    /// What somebody knows of.
    pub acknowledged: Vec<Ack>,
}

/// Whether a channel is owed its digest: the newest hour of the schedule came after the last. The first check only begins
/// to count.
pub fn digest_due(known: &Known, schedule: Option<&Schedule>, now: Timestamp) -> bool {
    let (Some(last), Some(hour)) = (known.digest_at, schedule.and_then(|schedule| schedule.last(now))) else { return false };
    hour > last
}

impl Digest {
    /// What a channel that wants this is told: all of its assets, and what stands however mild.
    pub fn of(
        filter: &Filter,
        assets: &[AssetStatus],
        cases: &BTreeMap<Topic, Case>,
        acks: &[Ack],
        rules: &Alerts,
        now: Timestamp,
    ) -> Self {
        let mut seen: Vec<_> = assets.iter().filter(|asset| filter.concerns(Some(&asset.asset), asset.fleet.as_ref())).collect();
        seen.sort_by_key(|asset| std::cmp::Reverse(asset.state));
        let mut lines: Vec<_> = seen.iter().take(LINES).map(|asset| line(asset, now)).collect();
        if seen.len() > LINES {
            lines.push(format!("and {} more", seen.len() - LINES));
        }
        let concerned = cases.values().filter(|case| !case.quiet && filter.concerns(case.finding.asset.as_ref(), case.fleet.as_ref()));
        let mut open: Vec<_> = concerned.map(|case| alert(What::Still, case, rules)).collect();
        open.sort_by_key(|alert| std::cmp::Reverse(alert.finding.severity));
        Self {
            good: seen.iter().filter(|asset| asset.state == State::Good).count(),
            assets: seen.len(),
            lines,
            open,
            acknowledged: acks.iter().filter(|ack| filter.concerns(ack.asset.as_ref(), None)).cloned().collect(),
        }
    }

    /// The whole in one line.
    pub fn headline(&self) -> String {
        match self.assets {
            0 => "no asset is configured".to_owned(),
            1 if self.good == 1 => "the one asset is as its policy asks".to_owned(),
            all if all == self.good => format!("all {all} assets are as their policy asks"),
            all => format!("{} of {all} assets are as their policy asks", self.good),
        }
    }
}

fn line(asset: &AssetStatus, now: Timestamp) -> String {
    let newest = asset.newest.as_ref().map_or_else(
        || "no backup counts".to_owned(),
        |newest| format!("newest {} old of {}", human(Duration::from_secs(newest.age_seconds)), asset.rpo),
    );
    let copies = if asset.copies.asked == 0 { String::new() } else { format!(", copies {}/{}", asset.copies.proven, asset.copies.asked) };
    let proven = asset
        .proven
        .as_ref()
        .map_or_else(|| "never proven".to_owned(), |proven| format!("proven {} ago", human(crate::clock::since(now, proven.at))));
    format!("{} {}: {newest}{copies}, {proven}", asset.asset, asset.state.as_str())
}
