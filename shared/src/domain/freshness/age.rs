//! Stale and never succeeded. Freshness is data time; a backup that does not count keeps nothing fresh.

use super::{Candidate, Case, allowed, named, old};
use crate::{
    clock::{Timestamp, after, since},
    config::Source,
    domain::{
        backup::Manifest,
        finding::{Finding, FindingKind, Severity},
        retention::SKEW,
    },
};

/// Whether a backup claims data that cannot exist yet.
pub(super) fn is_of_the_future(manifest: &Manifest, now: Timestamp) -> bool {
    manifest.data_time > after(now, SKEW)
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    case.backups
        .iter()
        .find(|backup| is_of_the_future(&backup.manifest, case.now))
        .map(|backup| from_the_future(case, backup))
        .into_iter()
        .chain(stale(case))
        .collect()
}

fn stale(case: &Case<'_>) -> Option<Finding> {
    if case.asset.has_left() {
        // Nothing newer can come of it; what follows from that is told as such.
        return None;
    }
    let policy = &case.asset.policy;
    if policy.export.is_none() && policy.snapshot.is_none() && case.backups.is_empty() {
        return Some(unprotected(case));
    }
    let Some(good) = case.good().next() else {
        return Some(nothing_good(case));
    };
    let age = since(case.now, good.manifest.data_time);
    if age <= policy.rpo.duration() {
        return None;
    }
    let mut sentence = match case.newest() {
        Some((newest, Some(why))) => format!(
            "newest backup {} {why}; the newest that counts is {} old, policy allows {}",
            named(&newest.manifest),
            old(age),
            allowed(policy.rpo)
        ),
        _ => format!("newest backup is {} old, policy allows {}", old(age), allowed(policy.rpo)),
    };
    let finished = since(case.now, good.manifest.finished_at);
    if finished <= policy.rpo.duration() {
        sentence = format!("{sentence} (it finished {} ago, but its data is older)", old(finished));
    }
    Some(case.finding(FindingKind::BackupStale, Severity::Critical, sentence, case.renewal()))
}

/// An asset that nothing here backs up is never good: it is lost with its source, or held where it cannot be looked at.
fn unprotected(case: &Case<'_>) -> Finding {
    let source = &case.asset.source;
    match source {
        Source::Bucket { .. } if !case.asset.policy.copies.is_empty() => {
            let sentence = format!("this build cannot look at assets of kind {}", source.kind());
            Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood config show")
        }
        Source::Postgres { .. }
        | Source::Rds { .. }
        | Source::Cloudsql { .. }
        | Source::Bucket { .. }
        | Source::Redis { .. }
        | Source::Elasticache { .. }
        | Source::Secrets { .. }
        | Source::Memorystore { .. }
        | Source::Disk { .. }
        | Source::Volume { .. } => {
            let sentence = "nothing backs it up: it has no export and no snapshot in the config";
            Finding::new(FindingKind::NeverSucceeded, Severity::Critical, sentence, "lastgood config show")
        }
    }
}

fn nothing_good(case: &Case<'_>) -> Finding {
    let (kind, sentence) = match case.newest() {
        None if !case.seen.unreadable.is_empty() => {
            (FindingKind::BackupStale, "no backup can be counted: records exist but cannot be read".to_owned())
        }
        None => (FindingKind::NeverSucceeded, "there has never been a backup".to_owned()),
        Some((newest, why)) => (
            FindingKind::BackupStale,
            format!(
                "none of {} backups counts; the newest, {}, {}",
                case.backups.len(),
                named(&newest.manifest),
                why.unwrap_or("does not")
            ),
        ),
    };
    case.finding(kind, Severity::Critical, sentence, case.renewal())
}

fn from_the_future(case: &Case<'_>, backup: &Candidate) -> Finding {
    let manifest = &backup.manifest;
    case.finding(
        FindingKind::ClockImplausible,
        Severity::Critical,
        format!("backup {} claims data of {}, which lies in the future: a clock is or was wrong", named(manifest), manifest.data_time),
        "list",
    )
}
