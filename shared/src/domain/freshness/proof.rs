//! What drills have shown: proven long enough ago to doubt it, failed, not verifiable, slower than promised.

use super::{Case, DrillSeen, allowed, grace, old};
use crate::{
    clock::since,
    config::{DrillPolicy, Policy},
    domain::{
        drill::Verdict,
        finding::{Finding, FindingKind, Severity},
    },
};
use std::time::Duration;

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let newest = newest(case);
    let drill = case.asset.policy.drill.as_ref();
    [
        drill.and_then(|drill| unproven(case, drill)),
        newest.and_then(|drill| ended_badly(case, drill)),
        newest.and_then(|drill| slow(case, drill)),
        newest.and_then(|drill| unsigned(case, drill)),
        drill.and_then(|drill| lint(case, drill)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn newest<'a>(case: &Case<'a>) -> Option<&'a DrillSeen> {
    case.seen.drills.iter().max_by_key(|drill| drill.finished_at)
}

/// The newest drill that proved something.
pub(super) fn proven<'a>(case: &Case<'a>) -> Option<&'a DrillSeen> {
    case.seen.drills.iter().filter(|drill| drill.verdict == Verdict::Proven).max_by_key(|drill| drill.finished_at)
}

fn unproven(case: &Case<'_>, drill: &DrillPolicy) -> Option<Finding> {
    let interval = drill.schedule.interval(case.now);
    let (since_when, what) = match proven(case) {
        Some(proven) => (proven.finished_at, "the last proven restore was"),
        None => {
            (case.backups.iter().map(|backup| backup.manifest.finished_at).min()?, "no restore was ever proven; the first backup was made")
        }
    };
    let age = since(case.now, since_when);
    (age > interval + grace(interval)).then(|| {
        let sentence = format!("{what} {} ago, drills are due every {}", old(age), old(interval));
        case.finding(FindingKind::Unproven, Severity::Warning, sentence, "drill")
    })
}

fn ended_badly(case: &Case<'_>, drill: &DrillSeen) -> Option<Finding> {
    let age = old(since(case.now, drill.finished_at));
    let why = drill.why.as_deref().map(|why| format!(": {}", crate::redact::clip(why, 300))).unwrap_or_default();
    let what = match drill.moment {
        Some(moment) => format!("the database as it was at {moment}"),
        None => format!("backup {}", drill.backup),
    };
    match drill.verdict {
        Verdict::Proven => None,
        Verdict::Failed => {
            let sentence = format!("the last drill, {age} ago, restored {what} and failed{why}");
            Some(case.finding(FindingKind::DrillFailed, Severity::Critical, sentence, "drill"))
        }
        Verdict::CouldNotVerify => {
            let sentence = format!("the last drill, {age} ago, could not verify {what}{why}");
            Some(case.finding(FindingKind::DrillCouldNotVerify, Severity::Warning, sentence, "drill"))
        }
    }
}

fn slow(case: &Case<'_>, drill: &DrillSeen) -> Option<Finding> {
    let rto = case.asset.policy.rto;
    let took = drill.took.filter(|took| *took > rto.duration())?;
    let sentence = format!("the last drill took {} until validated, policy allows {}", crate::domain::span::human(took), allowed(rto));
    Some(case.finding(FindingKind::RtoMissed, Severity::Warning, sentence, "drill"))
}

fn unsigned(case: &Case<'_>, drill: &DrillSeen) -> Option<Finding> {
    let why = crate::redact::clip(drill.unsigned.as_deref()?, 300);
    let sentence = format!("the evidence of the last drill is not signed: {why}");
    Some(case.finding(FindingKind::EvidenceUnsigned, Severity::Warning, sentence, "drill"))
}

/// A lint: it judges the policy, not the world.
fn lint(case: &Case<'_>, drill: &DrillPolicy) -> Option<Finding> {
    let interval = drill.schedule.interval(case.now);
    let shortest = shortest_retention(&case.asset.policy)?;
    (interval >= shortest).then(|| {
        let sentence =
            format!("drills are {} apart, but the shortest-lived backups are kept for {}: some go untested", old(interval), old(shortest));
        Finding::new(FindingKind::DrillIntervalTooLong, Severity::Note, sentence, "lastgood config show")
    })
}

fn shortest_retention(policy: &Policy) -> Option<Duration> {
    let day = Duration::from_hours(24);
    let tiers = [(policy.retention.daily, day), (policy.retention.weekly, day * 7), (policy.retention.monthly, day * 30)];
    tiers.into_iter().filter(|(count, _)| *count > 0).map(|(count, each)| each.saturating_mul(count)).min()
}
