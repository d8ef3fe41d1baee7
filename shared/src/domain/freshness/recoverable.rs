//! What could be had back if the asset were lost now: to when, how fast, from where, and how that is known.
//!
//! Promises: it names only what is seen to be there, at the vault or at a place with a proof; what was never measured is said
//! to be so, and is no number; what could not be looked at is not known, which is not the same as nothing.

use super::{Candidate, Case, CopySeen, Objects, Reading, Seen, age, old, proof, size};
use crate::{
    clock::{Timestamp, since},
    config::Asset,
    domain::{backup::Form, drill::Verdict, place::Place, span::human},
    id::BackupId,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What could be had back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recoverable {
    /// All of it in one plain sentence.
    pub sentence: String,
    /// The moment whose data could be had back; none when none could, or nothing is known.
    pub restorable_to: Option<Timestamp>,
    /// Where it would be read from.
    pub from: Option<Place>,
    /// The backup that would be restored; none where it is a moment of the provider's own continuous backups.
    pub backup: Option<BackupId>,
    /// How long a restore of that kind was measured to take, in seconds; none where none ever was.
    pub within_seconds: Option<u64>,
    /// How much data would be lost, in seconds of time.
    pub loss_seconds: Option<u64>,
    /// When a restore was last proven.
    pub proven_at: Option<Timestamp>,
}

/// Whether it is asked of the present or of a moment that is past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tense {
    /// Of the present.
    Now,
    /// Of the past.
    Then,
}

/// Says what could be had back of an asset, whose vault is `vault`.
pub fn recoverable(asset: &Asset, seen: &Seen, vault: &Place, now: Timestamp, tense: Tense) -> Recoverable {
    let case = Case::new(asset, seen, now);
    let proven = proof::proven(&case);
    let Some(best) = best(&case, vault) else {
        let sentence = nothing(&case, tense);
        return Recoverable { proven_at: proven.map(|drill| drill.finished_at), sentence, ..unknown_because("") };
    };
    let loss = since(now, best.to);
    let took = measured(&case, best.what);
    let within = match took {
        Some(took) => format!("within {} (measured)", lasting(took)),
        None => "(how long that takes was never measured)".to_owned(),
    };
    let last = match proven {
        Some(drill) => format!("last proven {} ago", old(since(now, drill.finished_at))),
        None => "never proven".to_owned(),
    };
    let failed = newest_drill_failed(&case);
    let sentence = format!(
        "restorable to {} {within}, data loss if lost {}: {}, {last}{}, from {}{}",
        moment(best.to),
        match tense {
            Tense::Now => "now",
            Tense::Then => "then",
        },
        old(loss),
        if failed { " (the last drill failed)" } else { "" },
        best.from,
        match (best.what, best.sure) {
            (What::Moment, _) => " (its provider's continuous backups)",
            (What::Backup(..), true) => "",
            (What::Backup(..), false) => " as recorded: that could not be looked at",
        }
    );
    Recoverable {
        sentence,
        restorable_to: Some(best.to),
        from: Some(best.from),
        backup: match best.what {
            What::Backup(id, _) => Some(id),
            What::Moment => None,
        },
        within_seconds: took.map(|took| took.as_secs()),
        loss_seconds: Some(loss.as_secs()),
        proven_at: proven.map(|drill| drill.finished_at),
    }
}

/// What is said of an asset that could not be looked at.
pub fn unknown_because(why: &str) -> Recoverable {
    Recoverable {
        sentence: format!("what could be restored is not known: {why}"),
        restorable_to: None,
        from: None,
        backup: None,
        within_seconds: None,
        loss_seconds: None,
        proven_at: None,
    }
}

#[derive(Debug, Clone, Copy)]
enum What {
    Backup(BackupId, Form),
    Moment,
}

struct Best {
    to: Timestamp,
    from: Place,
    what: What,
    sure: bool,
}

/// The newest data that could be had back, and from where.
fn best(case: &Case<'_>, vault: &Place) -> Option<Best> {
    let of_ours = (0..case.backups.len()).find_map(|index| {
        let backup = case.backups[index];
        let (from, sure) = whereabouts(backup, vault).filter(|_| is_trusted(case, index))?;
        let what = What::Backup(backup.manifest.id, backup.manifest.form());
        Some(Best { to: backup.manifest.data_time, from, what, sure })
    });
    let moment = case.seen.posture.as_ref().filter(|posture| posture.retention_days != Some(0)).and_then(|posture| {
        let (to, home) = (posture.restorable_to.filter(|to| *to <= case.now)?, case.asset.source.home()?);
        Some(Best { to, from: home.clone(), what: What::Moment, sure: true })
    });
    match (of_ours, moment) {
        (Some(ours), Some(moment)) => Some(if moment.to > ours.to { moment } else { ours }),
        (ours, moment) => ours.or(moment),
    }
}

/// Whether nothing in a backup itself speaks against it.
fn is_trusted(case: &Case<'_>, index: usize) -> bool {
    let id = case.backups[index].manifest.id;
    let proven = case.seen.drills.iter().any(|drill| drill.backup == id && drill.verdict == Verdict::Proven);
    !age::is_of_the_future(&case.backups[index].manifest, case.now) && (proven || size::suspicion(&case.backups, index).is_none())
}

/// Where a backup is seen to be whole: at home before elsewhere; and whether that is sure.
fn whereabouts(backup: &Candidate, vault: &Place) -> Option<(Place, bool)> {
    let home = || backup.manifest.held.as_ref().map_or(vault, |held| &held.place).clone();
    let contradicted = matches!(&backup.reading, Some(Reading { contradiction: Some(_), .. }));
    let elsewhere = backup.copies.iter().find(|(_, seen)| **seen == CopySeen::Proven).map(|(place, _)| (place.clone(), true));
    match &backup.objects {
        Objects::Whole if !contradicted => Some((home(), true)),
        Objects::Unknown if !contradicted => elsewhere.or_else(|| Some((home(), false))),
        Objects::Whole | Objects::Damaged(_) | Objects::Unknown => elsewhere,
    }
}

/// How long the last proven restore of that kind took.
fn measured(case: &Case<'_>, what: What) -> Option<Duration> {
    let alike = case.seen.drills.iter().filter(|drill| match what {
        What::Backup(_, form) => drill.moment.is_none() && drill.form == form,
        What::Moment => drill.moment.is_some(),
    });
    alike.filter(|drill| drill.verdict == Verdict::Proven).max_by_key(|drill| drill.finished_at)?.took
}

fn newest_drill_failed(case: &Case<'_>) -> bool {
    case.seen.drills.iter().max_by_key(|drill| drill.finished_at).is_some_and(|drill| drill.verdict == Verdict::Failed)
}

fn nothing(case: &Case<'_>, tense: Tense) -> String {
    let (can, is) = match tense {
        Tense::Now => ("can be", "is"),
        Tense::Then => ("could have been", "was"),
    };
    match case.backups.len() {
        _ if !case.seen.unreadable.is_empty() => "nothing is known to be restorable: records exist but cannot be read".to_owned(),
        0 => format!("nothing {can} restored: there {is} no backup"),
        1 => format!("nothing {can} restored: the one backup that there {is} does not count"),
        count => format!("nothing {can} restored: none of {count} backups counts"),
    }
}

fn lasting(took: Duration) -> String {
    if took < Duration::from_secs(1) { "a second".to_owned() } else { human(took) }
}

fn moment(at: Timestamp) -> String {
    at.to_zoned(crate::clock::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
