//! What may be let go. Age alone never deletes: a backup goes only when newer ones stand for its day, week and month.
//!
//! Promises: the newest backup, the newest sound one and the newest proven one of each form stay, whatever the policy says;
//! nothing goes while the newest run failed, while a clock is implausible, or when the batch is larger than its cap. It
//! never looks at the calendar: a vault that gets no new backups loses none.

mod plan;
#[cfg(test)]
mod tests;
mod tiers;

pub use plan::{Judged, Plan};

use crate::{
    clock::{Timestamp, after, since},
    config::Retention,
    domain::backup::Form,
    id::{AssetName, BackupId},
};
use std::{collections::BTreeMap, time::Duration};

/// How far the clocks of this machine and of the store may lie apart before nothing is believed.
pub const CLOCK_TOLERANCE: Duration = Duration::from_hours(24);
/// How far in the future a data time may lie: two machines' clocks are never quite the same.
pub const SKEW: Duration = Duration::from_mins(10);
/// How long after its data time a backup may have been written for the two to be believed together.
const LONGEST_RUN: Duration = Duration::from_hours(48);
/// However few backups there are, this many may go at once.
const SMALLEST_CAP: usize = 3;

/// One backup, as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its id.
    pub id: BackupId,
    /// Its form: the tiers of exports and of snapshots are counted apart.
    pub form: Form,
    /// The moment whose data it says it holds.
    pub data_time: Timestamp,
    /// When the store says that its manifest was written: a moment that whoever forged the manifest could not choose.
    pub stored_at: Option<Timestamp>,
    /// Whether it may stand for anything.
    pub soundness: Soundness,
    /// Whether a drill restored it and proved it.
    pub proof: Proof,
}

/// Whether a backup may stand for its day, week or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Soundness {
    /// Every byte was read back, and nothing has contradicted that since.
    Sound,
    /// A later reading found other bytes, or its objects are gone.
    Unsound,
}

/// Whether a drill restored a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A drill's verdict on it was "proven".
    Proven,
    /// No drill has proven it.
    Unproven,
}

/// What a plan is made from, beside the backups.
#[derive(Debug, Clone)]
pub struct Question {
    /// The asset.
    pub asset: AssetName,
    /// What its owner asks to keep.
    pub policy: Retention,
    /// What the policy was when something was last let go; none when nothing ever was.
    pub previous: Option<Retention>,
    /// The present moment, by this machine.
    pub now: Timestamp,
    /// The present moment, by the store; none when it was not asked.
    pub store_now: Option<Timestamp>,
    /// How many of the newest runs failed in a row.
    pub failed_runs: usize,
    /// Backups that a copy, a drill or a restore is using, and which.
    pub in_use: BTreeMap<BackupId, String>,
    /// The hash of a plan that a person has read and typed: it lifts the cap for exactly that plan.
    pub approved: Option<String>,
}

/// Whether two clocks lie too far apart for either to be believed.
pub fn clocks_disagree(now: Timestamp, store_now: Timestamp) -> bool {
    since(store_now, now).max(since(now, store_now)) > CLOCK_TOLERANCE
}

/// The most backups that may go at once, out of `held`: a fifth, and three in any case.
pub fn cap(held: usize) -> usize {
    held.div_ceil(5).max(SMALLEST_CAP)
}

/// Decides which backups are kept and why, which may go, and whether that is refused.
pub fn plan(question: &Question, held: &[Held]) -> Plan {
    let mut reasons: BTreeMap<BackupId, Vec<String>> = BTreeMap::new();
    for form in [Form::Export, Form::Snapshot] {
        let held: Vec<&Held> = held.iter().filter(|backup| backup.form == form).collect();
        for (id, why) in floor(&held).into_iter().chain(tiers::stand(question.policy, &held)) {
            reasons.entry(id).or_default().push(why);
        }
    }
    for (id, user) in &question.in_use {
        reasons.entry(*id).or_default().push(format!("in use by {user}"));
    }

    let mut newest_first: Vec<&Held> = held.iter().collect();
    newest_first.sort_by_key(|backup| std::cmp::Reverse((written(backup), backup.id)));
    let (mut keep, mut prune) = (Vec::new(), Vec::new());
    for backup in newest_first {
        match reasons.remove(&backup.id) {
            Some(why) => keep.push(Judged { id: backup.id, why: why.join("; ") }),
            None => prune.push(Judged { id: backup.id, why: gone_because(backup) }),
        }
    }
    let hash = plan::hash(&question.asset, question.policy, &prune);
    let refused = refusal(question, held, prune.len(), &hash);
    Plan { asset: question.asset.clone(), policy: question.policy, keep, prune, refused, hash }
}

/// When a backup came to be, as far as it can be known: the store's word before the manifest's own.
fn written(backup: &Held) -> Timestamp {
    backup.stored_at.unwrap_or(backup.data_time)
}

/// Whether a backup's own time agrees with the store's. One that was backdated (by an attacker, or because the vault was
/// moved) is counted apart, so that it can never take the place of one whose times agree.
fn agrees(backup: &Held) -> bool {
    backup.stored_at.is_none_or(|stored| backup.data_time <= after(stored, SKEW) && since(stored, backup.data_time) <= LONGEST_RUN)
}

/// What stays whatever the policy says.
fn floor(held: &[&Held]) -> Vec<(BackupId, String)> {
    let sound = |backup: &&&Held| backup.soundness == Soundness::Sound;
    let proven = |backup: &&&Held| backup.soundness == Soundness::Sound && backup.proof == Proof::Proven;
    let latest = |found: Option<&&Held>, why: &str| found.map(|backup| (backup.id, why.to_owned()));
    if !held.iter().any(|backup| sound(&backup)) {
        return held.iter().map(|backup| (backup.id, "no backup of this form is sound".to_owned())).collect();
    }
    [
        latest(held.iter().max_by_key(|backup| (backup.data_time, backup.id)), "newest data"),
        latest(held.iter().max_by_key(|backup| (written(backup), backup.id)), "newest backup"),
        latest(held.iter().filter(sound).max_by_key(|backup| (written(backup), backup.id)), "newest verified"),
        latest(held.iter().filter(proven).max_by_key(|backup| (written(backup), backup.id)), "newest proven"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn gone_because(backup: &Held) -> String {
    match backup.soundness {
        Soundness::Sound => "newer backups stand for its day, week and month".to_owned(),
        Soundness::Unsound => "it is not sound, and sound ones stand for its time".to_owned(),
    }
}

fn refusal(question: &Question, held: &[Held], going: usize, hash: &str) -> Option<String> {
    let Question { policy, now, .. } = question;
    let approved = question.approved.as_deref() == Some(hash);
    if policy.daily == 0 && policy.weekly == 0 && policy.monthly == 0 {
        return Some("the policy keeps nothing: set daily, weekly or monthly to at least 1".to_owned());
    }
    if let Some(store) = question.store_now.filter(|store| clocks_disagree(*now, *store)) {
        return Some(format!("the clocks disagree by more than 24h: this machine says {now}, the store says {store}"));
    }
    if let Some(future) = held.iter().map(|backup| backup.data_time).max().filter(|newest| *newest > after(*now, SKEW)) {
        return Some(format!("a backup holds data of the future ({future}), so a clock is or was wrong"));
    }
    if let Some(future) = held.iter().filter_map(|backup| backup.stored_at).max().filter(|newest| *newest > after(*now, CLOCK_TOLERANCE)) {
        return Some(format!("the store says that a backup was written in the future ({future}), so a clock is wrong"));
    }
    if going == 0 {
        return question.approved.as_ref().filter(|_| !approved).map(|typed| not_this_plan(typed, hash));
    }
    if question.failed_runs > 0 {
        let runs =
            if question.failed_runs == 1 { "the newest run".to_owned() } else { format!("the newest {} runs", question.failed_runs) };
        return Some(format!("{runs} failed: nothing is let go before a new backup has succeeded"));
    }
    if let Some(typed) = question.approved.as_ref().filter(|_| !approved) {
        return Some(not_this_plan(typed, hash));
    }
    let shortened =
        question.previous.is_some_and(|was| policy.daily < was.daily || policy.weekly < was.weekly || policy.monthly < was.monthly);
    if shortened && !approved {
        return Some(format!("the policy was shortened since something was last let go: a person must approve plan {hash}"));
    }
    let cap = cap(held.len());
    (going > cap && !approved)
        .then(|| format!("{going} of {} backups would go, the cap is {cap}: a person must approve plan {hash}", held.len()))
}

fn not_this_plan(typed: &str, hash: &str) -> String {
    format!("plan {} was approved, but the plan is now {hash}: read it again", crate::redact::clip(typed, 20))
}
