//! What was seen and judged last.

use super::Record;
use crate::{
    clock::{Timestamp, since},
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::{AssetStatus, State},
        measure::{Gauge, Measures},
    },
    function::{Exit, Findings, exit_of},
    id::AssetName,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        // A vault that anybody reads, or that no key opens, fails every asset in it.
        let fatal = |finding: &Finding| {
            finding.severity == Severity::Critical && matches!(finding.kind, FindingKind::VaultUnsafe | FindingKind::KeyUnusable)
        };
        let besides = match findings.iter().map(|finding| finding.severity).max() {
            _ if findings.iter().any(fatal) => State::Failing,
            Some(Severity::Warning | Severity::Critical) => State::Warning,
            Some(Severity::Note) | None => State::Good,
        };
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

    fn measures(&self) -> Vec<Measures> {
        // A fleet is one thing to a monitor: a thousand members would be as many metrics, each with its price.
        let single = self.assets.iter().filter(|asset| asset.fleet.is_none()).map(|asset| measures(asset, self.checked_at));
        single.chain(self.fleets().map(|(fleet, members)| of_fleet(&fleet, &members, self))).collect()
    }
}

impl Status {
    /// The members of each fleet; a fleet that has only findings has none.
    fn fleets(&self) -> impl Iterator<Item = (AssetName, Vec<&AssetStatus>)> {
        let mut fleets: BTreeMap<AssetName, Vec<&AssetStatus>> = BTreeMap::new();
        let named = self.findings.iter().filter_map(|finding| finding.asset.clone());
        for fleet in named.filter(|name| self.assets.iter().all(|asset| asset.asset != *name)) {
            fleets.entry(fleet).or_default();
        }
        for asset in &self.assets {
            if let Some(fleet) = &asset.fleet {
                fleets.entry(fleet.clone()).or_default().push(asset);
            }
        }
        fleets.into_iter()
    }
}

/// A fleet in numbers: the worst of its members', and the sums of what is counted. Where a member is not known, neither is
/// the fleet. One that left has no age to be judged by.
fn of_fleet(fleet: &AssetName, members: &[&AssetStatus], status: &Status) -> Measures {
    let of = |severity| {
        let own = status.findings.iter().filter(|finding| finding.asset.as_ref() == Some(fleet));
        own.chain(members.iter().flat_map(|member| &member.findings)).filter(|finding| finding.severity == severity).count()
    };
    let kept: Vec<_> =
        members.iter().filter(|member| member.findings.iter().all(|finding| finding.kind != FindingKind::MemberLeft)).collect();
    let ages: Option<Vec<_>> = kept.iter().map(|member| member.newest.as_ref().map(|newest| newest.age_seconds)).collect();
    let oldest = ages.and_then(|ages| ages.into_iter().max());
    let whole = members.iter().all(|member| member.findings.iter().all(|finding| finding.kind != FindingKind::CouldNotObserve));
    let lacks = |member: &&&AssetStatus| member.copies.asked.saturating_sub(member.copies.proven);
    let proven: Option<Vec<_>> =
        kept.iter().map(|member| member.proven.as_ref().map(|proven| since(status.checked_at, proven.at).as_secs())).collect();
    Measures::of(fleet)
        .with(Gauge::BackupAge, oldest)
        .with(Gauge::RecoveryPointObjective, members.first().map(|member| member.rpo.duration().as_secs()))
        .with(Gauge::Backups, whole.then(|| members.iter().map(|member| member.backups).sum::<usize>()))
        .with(Gauge::StoredBytes, whole.then(|| members.iter().map(|member| member.stored_bytes).sum::<u64>()))
        .with(
            Gauge::CopiesMissing,
            (whole && kept.iter().any(|member| member.copies.asked > 0)).then(|| kept.iter().map(lacks).sum::<usize>()),
        )
        .with(Gauge::DrillAge, proven.and_then(|ages| ages.into_iter().max()))
        .with(Gauge::Restore, members.iter().filter_map(|member| member.rto.measured_seconds).max())
        .with(Gauge::CriticalFindings, Some(of(Severity::Critical)))
        .with(Gauge::Warnings, Some(of(Severity::Warning)))
}

/// What was seen of an asset, in numbers. Counts of a vault that could not be looked at in full are not known.
fn measures(asset: &AssetStatus, now: Timestamp) -> Measures {
    let newest = asset.newest.as_ref();
    let whole = asset.findings.iter().all(|finding| finding.kind != FindingKind::CouldNotObserve);
    let missing = newest.filter(|_| whole && asset.copies.asked > 0).map(|_| asset.copies.asked.saturating_sub(asset.copies.proven));
    let of = |severity| asset.findings.iter().filter(|finding| finding.severity == severity).count();
    Measures::of(&asset.asset)
        .with(Gauge::BackupAge, newest.map(|newest| newest.age_seconds))
        .with(Gauge::RecoveryPointObjective, Some(asset.rpo.duration().as_secs()))
        .with(Gauge::BackupLastSuccess, newest.map(|newest| newest.data_time.as_second()))
        .with(Gauge::Backups, whole.then_some(asset.backups))
        .with(Gauge::StoredBytes, whole.then_some(asset.stored_bytes))
        .with(Gauge::CopiesMissing, missing)
        .with(Gauge::DrillAge, asset.proven.as_ref().map(|proven| since(now, proven.at).as_secs()))
        .with(Gauge::DrillLastProven, asset.proven.as_ref().map(|proven| proven.at.as_second()))
        .with(Gauge::Restore, asset.rto.measured_seconds)
        .with(Gauge::RecoveryTimeObjective, Some(asset.rto.target.duration().as_secs()))
        .with(Gauge::CriticalFindings, Some(of(Severity::Critical)))
        .with(Gauge::Warnings, Some(of(Severity::Warning)))
}
