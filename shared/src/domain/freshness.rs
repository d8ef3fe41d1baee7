//! Whether an asset could be had back: pure rules over what was seen of vault and places, compared with its policy.
//!
//! Promises: fresh means data time of a backup that is there and was not contradicted; unknown is absent, never zero and
//! never good; every finding says how bad it is, one plain sentence, and what to type next.

mod age;
mod bucket;
mod copies;
mod duration;
mod function;
mod member;
mod objects;
mod posture;
mod proof;
mod recoverable;
mod runs;
mod schedules;
mod seen;
mod size;
mod status;
mod storage;
#[cfg(test)]
mod tests;
mod wal;

pub use bucket::vault;
pub use function::{Beat, checker, functions};
pub use member::fleets;
pub use objects::unrecorded;
pub use recoverable::{Recoverable, Tense, recoverable, unknown_because};
pub use runs::failed_in_a_row;
pub use schedules::{ScheduleSeen, Waking, schedules, wakings};
pub use seen::{Candidate, CopySeen, DrillSeen, Objects, Reading, Seen, Stray};
pub use status::{AssetStatus, CopyCount, Newest, Proven, Rto, State};
pub use storage::storage;

use crate::id::BackupId;
use crate::{
    clock::Timestamp,
    config::Asset,
    domain::{
        backup::{Form, Manifest},
        drill::Verdict,
        finding::{Finding, FindingKind, Severity},
        span::Span,
    },
};
use serde::Serialize;
use std::time::Duration;

/// Judges one asset: what an operator must know of it, worst first, and how it stands.
pub fn judge(asset: &Asset, seen: &Seen, now: Timestamp, runbook: &str) -> AssetStatus {
    let case = Case::new(asset, seen, now);
    let mut findings = Vec::new();
    for rule in [
        age::findings,
        runs::findings,
        copies::findings,
        objects::findings,
        proof::findings,
        size::findings,
        duration::findings,
        storage::findings,
        wal::findings,
        posture::findings,
        bucket::findings,
        member::findings,
        unknown,
        refused_prune,
    ] {
        findings.extend(rule(&case));
    }
    let mut findings: Vec<Finding> = findings.into_iter().map(|finding| finding.about(&asset.name).linked(runbook)).collect();
    findings.sort_by(|a, b| (b.severity, a.kind, &a.sentence).cmp(&(a.severity, b.kind, &b.sentence)));
    status::of(&case, findings)
}

/// One backup, and whether it may count as fresh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Its id.
    pub id: BackupId,
    /// Its form.
    pub form: Form,
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// At how many other places it is.
    pub copies: usize,
    /// Why it does not count; none where it does.
    pub why_not: Option<String>,
}

/// Says of each backup of an asset whether it counts, newest data first.
pub fn counted(asset: &Asset, seen: &Seen, now: Timestamp) -> Vec<Counted> {
    let case = Case::new(asset, seen, now);
    let all = case.backups.iter().zip(&case.verdicts);
    all.map(|(backup, verdict)| Counted {
        id: backup.manifest.id,
        form: backup.manifest.form(),
        data_time: backup.manifest.data_time,
        copies: backup.copies.values().filter(|seen| **seen == CopySeen::Proven).count(),
        why_not: verdict.as_ref().err().cloned(),
    })
    .collect()
}

/// One asset under judgement.
struct Case<'a> {
    asset: &'a Asset,
    seen: &'a Seen,
    now: Timestamp,
    /// The backups that retention has not let go, newest data first.
    backups: Vec<&'a Candidate>,
    /// Which of them may count as fresh, and if not, why.
    verdicts: Vec<Result<(), String>>,
}

impl<'a> Case<'a> {
    fn new(asset: &'a Asset, seen: &'a Seen, now: Timestamp) -> Self {
        let mut backups: Vec<_> = seen.backups.iter().collect();
        backups.sort_by_key(|backup| std::cmp::Reverse((backup.manifest.data_time, backup.manifest.id)));
        let verdicts = (0..backups.len()).map(|index| countable(&backups, index, seen, now)).collect();
        Self { asset, seen, now, backups, verdicts }
    }

    /// The backups that count, newest data first.
    fn good(&self) -> impl Iterator<Item = &'a Candidate> {
        self.backups.iter().zip(&self.verdicts).filter(|(_, verdict)| verdict.is_ok()).map(|(backup, _)| *backup)
    }

    /// The newest backup whatever its state, with the reason why it does not count.
    fn newest(&self) -> Option<(&'a Candidate, Option<&str>)> {
        let verdict = self.verdicts.first()?;
        Some((self.backups.first()?, verdict.as_ref().err().map(String::as_str)))
    }

    fn command(&self, verb: &str) -> String {
        format!("lastgood {verb} {}", self.asset.name)
    }

    fn finding(&self, kind: FindingKind, severity: Severity, sentence: impl Into<String>, verb: &str) -> Finding {
        Finding::new(kind, severity, sentence, self.command(verb))
    }

    /// The command that makes a new backup.
    fn renewal(&self) -> &'static str {
        if self.asset.policy.export.is_none() && self.asset.policy.snapshot.is_some() { "snapshot" } else { "export" }
    }
}

/// Whether a backup may count as fresh, or why not.
fn countable(backups: &[&Candidate], index: usize, seen: &Seen, now: Timestamp) -> Result<(), String> {
    let backup = backups[index];
    if age::is_of_the_future(&backup.manifest, now) {
        return Err("claims data of the future".to_owned());
    }
    if let Some(Reading { contradiction: Some(why), .. }) = &backup.reading {
        return Err(format!("is corrupt ({why})"));
    }
    if let Objects::Damaged(damage) = &backup.objects {
        return Err(format!("is not whole ({damage})"));
    }
    let proven = seen.drills.iter().any(|drill| drill.backup == backup.manifest.id && drill.verdict == Verdict::Proven);
    match size::suspicion(backups, index) {
        Some(why) if !proven => Err(format!("is suspicious ({why})")),
        _ => Ok(()),
    }
}

/// What could not be looked at is told, so that silence is never taken for health.
fn unknown(case: &Case<'_>) -> Vec<Finding> {
    let tell = |(what, why): &(String, String)| {
        Finding::new(FindingKind::CouldNotObserve, Severity::Warning, format!("{what} could not be looked at: {why}"), "lastgood doctor")
    };
    case.seen.blind.iter().map(tell).collect()
}

fn refused_prune(case: &Case<'_>) -> Vec<Finding> {
    let tell = |why: &String| {
        case.finding(FindingKind::PruneRefused, Severity::Warning, format!("the next prune will let nothing go: {why}"), "prune")
    };
    case.seen.prune_refused.iter().map(tell).collect()
}

/// Judges an asset of which nothing could be seen: unknown, which is never good.
pub fn unseen(asset: &Asset, why: &str, now: Timestamp, runbook: &str) -> AssetStatus {
    let seen = Seen::default();
    let case = Case::new(asset, &seen, now);
    let sentence = format!("the vault could not be looked at: {why}");
    let finding = Finding::new(FindingKind::CouldNotObserve, Severity::Critical, sentence, "lastgood doctor");
    status::of(&case, vec![finding.about(&asset.name).linked(runbook)])
}

/// The short name of a backup for sentences.
fn named(manifest: &Manifest) -> String {
    format!("{} ({})", manifest.id, manifest.slot)
}

/// An age as operators say it: `12m`, `26h`, `4d 2h`.
fn old(duration: Duration) -> String {
    let minutes = duration.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{}s", duration.as_secs()),
        (0, minutes) => format!("{minutes}m"),
        (hours @ 1..10, minutes @ 1..) => format!("{hours}h {minutes}m"),
        (hours @ ..72, _) => format!("{hours}h"),
        (hours, _) if hours % 24 == 0 => format!("{}d", hours / 24),
        (hours, _) => format!("{}d {}h", hours / 24, hours % 24),
    }
}

/// How long something may be late before it is called so: a quarter of its interval, between 15 minutes and 6 hours.
pub(crate) fn grace(interval: Duration) -> Duration {
    (interval / 4).clamp(Duration::from_mins(15), Duration::from_hours(6))
}

/// `24h`, as the policy says it.
fn allowed(span: Span) -> String {
    span.to_string()
}
