//! The last run failed, or a schedule that ran has fallen silent.

use super::{Case, grace, old};
use crate::{
    clock::{Timestamp, after, before, since},
    domain::{
        backup::Form,
        due::Schedule,
        finding::{Finding, FindingKind, Severity},
        run::RunState,
    },
};

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
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

fn failed(case: &Case<'_>, form: Form, verb: &str) -> Option<Finding> {
    let runs = case.seen.runs.get(&form)?;
    let ended = |state: &RunState| matches!(state, RunState::Failed { .. } | RunState::Done { .. });
    let in_a_row = runs.iter().filter(|run| ended(&run.state)).take_while(|run| matches!(run.state, RunState::Failed { .. })).count();
    let RunState::Failed { reason, at } = &runs.iter().find(|run| ended(&run.state))?.state else { return None };
    let newest = case.backups.iter().filter(|backup| backup.manifest.form() == form).map(|backup| backup.manifest.finished_at).max();
    if newest.is_some_and(|finished| finished > *at) {
        return None;
    }
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
