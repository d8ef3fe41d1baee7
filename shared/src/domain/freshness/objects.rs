//! Manifests against the listing: recorded but missing, present but unrecorded, corrupt, unreadable.

use super::{Candidate, Case, Objects, Reading, Stray, named};
use crate::{
    clock::{Timestamp, since},
    domain::finding::{Finding, FindingKind, Severity},
};
use std::{collections::BTreeSet, time::Duration};

/// How long an object may lie unrecorded: a run that is writing it notes it first, and its note may be read later.
const SETTLING: Duration = Duration::from_mins(15);

/// Returns the objects that nothing `named` (a key, or a folder that ends in a slash) explains and that have lain long enough for a run to have recorded them.
pub fn unrecorded(listed: Vec<Stray>, named: &BTreeSet<String>, now: Timestamp) -> Vec<Stray> {
    let folders: Vec<&String> = named.iter().filter(|name| name.ends_with('/')).collect();
    let explained = |key: &str| {
        named.contains(key)
            || key.strip_suffix(".sha256").is_some_and(|of| named.contains(of))
            || folders.iter().any(|folder| key.starts_with(folder.as_str()))
    };
    listed.into_iter().filter(|stray| !explained(&stray.key) && since(now, stray.modified) > SETTLING).collect()
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for backup in &case.backups {
        findings.extend(corrupt(case, backup));
        findings.extend(missing(case, backup));
    }
    findings.extend(
        case.seen.unreadable.iter().map(|(key, why)| {
            case.finding(FindingKind::RecordUnreadable, Severity::Warning, format!("{key} cannot be read: {why}"), "list")
        }),
    );
    findings.extend(strays(case));
    findings
}

/// The newest backup being bad costs what was promised; an older one being bad costs a way back.
fn severity(case: &Case<'_>, backup: &Candidate) -> Severity {
    if case.backups.first().is_some_and(|newest| newest.manifest.id == backup.manifest.id) { Severity::Critical } else { Severity::Warning }
}

fn corrupt(case: &Case<'_>, backup: &Candidate) -> Option<Finding> {
    let Some(Reading { contradiction: Some(why), at }) = &backup.reading else { return None };
    let at = at.round(jiff::Unit::Second).unwrap_or(*at);
    let sentence =
        format!("backup {} is corrupt: {why} (read at {at}); it is never restored and counts for nothing", named(&backup.manifest));
    Some(case.finding(FindingKind::BackupCorrupt, severity(case, backup), sentence, "verify"))
}

fn missing(case: &Case<'_>, backup: &Candidate) -> Option<Finding> {
    let Objects::Damaged(damage) = &backup.objects else { return None };
    let sentence = format!("backup {} is recorded, but {damage}", named(&backup.manifest));
    Some(case.finding(FindingKind::RecordedButMissing, severity(case, backup), sentence, "verify"))
}

fn strays(case: &Case<'_>) -> Option<Finding> {
    let first = case.seen.unrecorded.first()?;
    let bytes: u64 = case.seen.unrecorded.iter().map(|stray| stray.size).sum();
    let sentence = match case.seen.unrecorded.len() {
        1 => format!("{} ({bytes} bytes) lies in the vault and belongs to no backup", first.key),
        n => format!("{n} objects ({bytes} bytes) lie in the vault and belong to no backup, such as {}", first.key),
    };
    Some(case.finding(FindingKind::PresentButUnrecorded, Severity::Warning, sentence, "list"))
}
