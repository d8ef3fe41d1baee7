//! The last run failed, or a schedule that ran has fallen silent.

use super::{Case, Seen, grace, old};
use crate::{
    clock::{Timestamp, after, before, since},
    domain::{
        backup::Form,
        due::Schedule,
        finding::{Finding, FindingKind, Severity},
        run::{Run, RunState},
    },
};

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if case.asset.has_left() {
        return Vec::new();
    }
    let policy = &case.asset.policy;
    let export = policy.export.as_ref().map(|export| (Form::Export, "export", &export.schedule));
    let snapshot = policy.snapshot.as_ref().map(|snapshot| (Form::Snapshot, "snapshot", &snapshot.schedule));
    export
        .into_iter()
        .chain(snapshot)
        .flat_map(|(form, verb, schedule)| [failed(case, form, verb), silent(case, form, verb, schedule)])
        .flatten()
        .collect()
}

/// Returns how many of the newest runs of a form failed in a row, with the newest of them; none when the last one that ended
/// went well, or a backup has succeeded since.
pub fn failed_in_a_row(seen: &Seen, form: Form) -> Option<(usize, &Run)> {
    let ended = |run: &&Run| matches!(run.state, RunState::Failed { .. } | RunState::Done { .. });
    let failed = |run: &&Run| matches!(run.state, RunState::Failed { .. });
    let runs = seen.runs.get(&form)?;
    let newest = runs.iter().find(ended).filter(failed)?;
    let RunState::Failed { at, .. } = newest.state else { return None };
    let succeeded = seen.backups.iter().any(|backup| backup.manifest.form() == form && backup.manifest.finished_at > at);
    (!succeeded).then(|| (runs.iter().filter(ended).take_while(failed).count(), newest))
}

fn failed(case: &Case<'_>, form: Form, verb: &str) -> Option<Finding> {
    let (in_a_row, newest) = failed_in_a_row(case.seen, form)?;
    let RunState::Failed { reason, at } = &newest.state else { return None };
    let count = if in_a_row > 1 { format!("the last {in_a_row} {verb}s failed, the newest") } else { format!("the last {verb} failed") };
    let sentence = format!("{count} {} ago: {}", old(since(case.now, *at)), crate::redact::clip(reason, 300));
    Some(case.finding(FindingKind::BackupFailed, Severity::Warning, sentence, verb))
}

/// Only a schedule that ran can fall silent: a vault that is used by hand is judged by its backups alone.
fn silent(case: &Case<'_>, form: Form, verb: &str, schedule: &Schedule) -> Option<Finding> {
    case.seen.scheduled.get(&form)?;
    let made = case.backups.iter().filter(|backup| backup.manifest.form() == form).map(|backup| backup.manifest.slot.0);
    let newest = case.seen.runs.get(&form).into_iter().flatten().map(|run| run.slot.0).chain(made).max()?;
    let missed = missed(schedule, newest, case.now);
    let first = missed.first()?;
    let times = if missed.len() == 1 { "once".to_owned() } else { format!("{} times", missed.len()) };
    let sentence = format!("the {verb} schedule {schedule:?} has been silent {times}, first at {first}", schedule = schedule.to_string());
    Some(case.finding(FindingKind::ScheduleSilent, Severity::Warning, sentence, verb))
}

/// The moments of a schedule after `newest` that passed, with their grace, without a run; a hundred at most.
fn missed(schedule: &Schedule, newest: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let until = before(now, grace(schedule.interval(now)));
    std::iter::successors(schedule.next(newest), |at| schedule.next(after(*at, std::time::Duration::ZERO)))
        .take_while(|at| *at <= until)
        .take(100)
        .collect()
}
