//! Whether every backup is where else the policy wants it, and whether what lies there is still fresh.

use super::{Candidate, Case, CopySeen, allowed, grace, named, old};
use crate::{
    clock::since,
    domain::{
        finding::{Finding, FindingKind, Severity},
        place::Place,
    },
};

/// The places that the policy names, as far as they can be looked at.
pub(super) fn places(case: &Case<'_>) -> Vec<Place> {
    case.asset.policy.copies.iter().map(|copies| copies.place().clone()).collect()
}

/// Whether a backup is seen to be at a place.
pub(super) fn is_at(backup: &Candidate, place: &Place) -> bool {
    backup.copies.get(place) == Some(&CopySeen::Proven)
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    places(case).iter().filter_map(|place| at(case, place)).collect()
}

fn at(case: &Case<'_>, place: &Place) -> Option<Finding> {
    let rpo = case.asset.policy.rpo;
    // What was there and is gone is not on its way.
    let gone = |backup: &Candidate| matches!(backup.copies.get(place), Some(CopySeen::Damaged(_)));
    let late = |backup: &&Candidate| gone(backup) || since(case.now, backup.manifest.finished_at) > grace(rpo.duration());
    let unknown = |backup: &&Candidate| backup.copies.get(place) == Some(&CopySeen::Unknown);
    let missing: Vec<&Candidate> =
        case.good().filter(|b| b.manifest.belongs_at(place) && !is_at(b, place) && !unknown(b)).filter(late).collect();
    let first = missing.first()?;
    let newest_there = case.good().find(|backup| is_at(backup, place) || unknown(backup));
    let age = newest_there.map(|backup| since(case.now, backup.manifest.data_time));
    let severity = if age.is_none_or(|age| age > rpo.duration()) { Severity::Critical } else { Severity::Warning };
    let why = match first.copies.get(place) {
        Some(CopySeen::Damaged(damage)) => format!(" any more ({damage})"),
        Some(CopySeen::Absent | CopySeen::Proven | CopySeen::Unknown) | None => String::new(),
    };
    // As long as the place is fresh, what is missing there is only late.
    let late = severity == Severity::Warning && why.is_empty();
    let (not, made) = if late {
        ("not yet", format!(", {} after it was made", old(since(case.now, first.manifest.finished_at))))
    } else {
        ("not", String::new())
    };
    let others = if missing.len() > 1 { format!(" and {} more", missing.len() - 1) } else { String::new() };
    let there = match age {
        None => "no backup is there".to_owned(),
        Some(age) => format!("the newest there is {} old, policy allows {}", old(age), allowed(rpo)),
    };
    let sentence = format!("backup {}{others} is {not} at {place}{why}{made}; {there}", named(&first.manifest));
    Some(case.finding(FindingKind::CopyMissing, severity, sentence, "copy"))
}
