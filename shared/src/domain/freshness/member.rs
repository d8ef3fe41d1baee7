//! Whether an asset still belongs to the fleet that it was enrolled in. One that left is no longer backed up; what is kept of
//! it stays, is looked at like any other, and is never judged by its age.

use super::{Case, allowed, old};
use crate::{
    clock::since,
    config::{Config, Fleet},
    domain::{
        finding::{Finding, FindingKind, Severity},
        fleet::{Departure, Standing},
    },
};

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let Some(member) = &case.asset.member else { return Vec::new() };
    let Standing::Left { why, since: left_at, retired } = &member.standing else { return Vec::new() };
    let rpo = case.asset.policy.rpo;
    let newest = case.good().next().map(|backup| since(case.now, backup.manifest.data_time));
    // What runs on and is no longer backed up loses what its newest backup does not have.
    let exposed = newest.is_none_or(|age| age > rpo.duration());
    let id = case.asset.source.instance().unwrap_or_default();
    let (severity, what) = match why {
        Departure::Gone => (Severity::Warning, format!("{id} is not there any more")),
        Departure::Elsewhere(asset) => (Severity::Note, format!("{id} is kept as {asset} now")),
        Departure::ReadReplica => (Severity::Warning, format!("{id} is a read replica now, and what it follows is backed up")),
        Departure::Untagged => (Severity::Warning, format!("{id} does not bear the tag of fleet {} any more", member.fleet)),
        Departure::Ours => {
            (Severity::Warning, format!("{id} was restored by us: take its tag lastgood:restored off once it is in service"))
        }
    };
    let severity = match (retired, why) {
        (true, _) => Severity::Note,
        (false, Departure::Untagged | Departure::Ours) if exposed => Severity::Critical,
        (false, _) => severity,
    };
    let since_when = left_at.map(|at| format!(", since {} ago", old(since(case.now, at)))).unwrap_or_default();
    let kept = match (case.backups.len(), newest) {
        (0, _) => "no backup of it is kept".to_owned(),
        (1, Some(age)) => format!("its one backup, {} old, is kept", old(age)),
        (count, Some(age)) => format!("its {count} backups are kept, the newest {} old", old(age)),
        (count, None) => format!("its {count} backups are kept, and none of them counts"),
    };
    let over = if severity == Severity::Critical { format!("; policy allows {}", allowed(rpo)) } else { String::new() };
    vec![case.finding(FindingKind::MemberLeft, severity, format!("{what}{since_when}, and is no longer backed up: {kept}{over}"), "list")]
}

/// What is to be said of the fleets themselves: whom nobody could ask for, who cannot join, and who has nobody.
pub fn fleets<'a>(config: &Config, fleets: impl Iterator<Item = &'a Fleet>) -> Vec<Finding> {
    fleets.filter(|fleet| fleet.roll.looked).flat_map(|fleet| of_fleet(config, fleet)).collect()
}

fn of_fleet(config: &Config, fleet: &Fleet) -> Vec<Finding> {
    let roll = &fleet.roll;
    let tell = |kind, severity, sentence: String, command: &str| {
        Finding::new(kind, severity, sentence, command).about(&fleet.name).linked(&config.runbook)
    };
    let mut findings = Vec::new();
    if let Some(why) = &roll.unknown {
        let known = roll.members.len();
        let severity = if known == 0 { Severity::Critical } else { Severity::Warning };
        let sentence = format!("who belongs to the fleet could not be found out ({known} were known before): {why}");
        findings.push(tell(FindingKind::CouldNotObserve, severity, sentence, "lastgood doctor"));
    }
    for (id, why) in &roll.refused {
        let sentence = format!("{id} bears {} and is not backed up: {why}", fleet.select.tag);
        findings.push(tell(FindingKind::FleetShort, Severity::Critical, sentence, "lastgood config show"));
    }
    let selected = roll.members.values().any(|member| member.standing == Standing::Selected);
    if !selected && roll.unknown.is_none() && roll.refused.is_empty() {
        let sentence = format!("nothing in {} bears {}: the fleet protects nobody", fleet.region, fleet.select.tag);
        findings.push(tell(FindingKind::FleetShort, Severity::Critical, sentence, "lastgood config show"));
    }
    findings
}
