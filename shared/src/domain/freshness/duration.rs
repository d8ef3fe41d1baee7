//! Backups that took, or take, too long: longer than the policy says, or, where it says nothing, far longer than they usually do.
//! One that takes ever longer ends by not being done before the next.

use super::{Case, named};
use crate::{
    clock::since,
    domain::{
        backup::{Form, Manifest},
        finding::{Finding, FindingKind, Severity},
        run::{Run, RunState},
        span::human,
    },
};
use std::time::Duration;

/// How many predecessors say how long it usually takes; fewer than the least of them say nothing.
const PREDECESSORS: usize = 7;
const LEAST: usize = 3;
/// Less than this beyond the usual is no news.
const NOISE: Duration = Duration::from_mins(10);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if case.asset.has_left() {
        return Vec::new();
    }
    let verb = |form| match form {
        Form::Export => "export",
        Form::Snapshot => "snapshot",
    };
    [Form::Export, Form::Snapshot]
        .into_iter()
        .flat_map(|form| [ended(case, form, verb(form)), under_way(case, form, verb(form))])
        .flatten()
        .collect()
}

/// How long is too long, and why that is so.
enum Limit {
    Policy(Duration),
    Usual { most: Duration, usual: Duration },
    Rpo(Duration),
}

impl Limit {
    const fn most(&self) -> Duration {
        match self {
            Self::Policy(most) | Self::Rpo(most) | Self::Usual { most, .. } => *most,
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Policy(most) => format!("policy allows {}", human(*most)),
            Self::Rpo(most) => format!("its rpo is {}", human(*most)),
            Self::Usual { usual, .. } => format!("it usually takes {}", human(*usual)),
        }
    }
}

/// What the policy says; where it says nothing, three times what the backups of the same method before usually took.
fn limit(case: &Case<'_>, before: &[&Manifest]) -> Option<Limit> {
    if let Some(most) = case.asset.policy.max_duration {
        return Some(Limit::Policy(most.duration()));
    }
    let mut took: Vec<_> = before.iter().take(PREDECESSORS).map(|manifest| took(manifest)).collect();
    took.sort_unstable();
    let usual = *took.get(took.len() / 2).filter(|_| took.len() >= LEAST)?;
    Some(Limit::Usual { most: (usual * 3).max(usual + NOISE), usual })
}

fn took(manifest: &Manifest) -> Duration {
    since(manifest.finished_at, manifest.started_at)
}

/// The backups of a form, newest first.
fn of<'a>(case: &Case<'a>, form: Form) -> Vec<&'a Manifest> {
    case.backups.iter().map(|backup| &backup.manifest).filter(|manifest| manifest.form() == form).collect()
}

fn ended(case: &Case<'_>, form: Form, verb: &str) -> Option<Finding> {
    let all = of(case, form);
    let newest = *all.first()?;
    let before: Vec<_> = all[1..].iter().copied().filter(|manifest| manifest.method == newest.method).collect();
    let limit = limit(case, &before)?;
    let took = took(newest);
    (took > limit.most()).then(|| {
        let sentence = format!("the newest {verb}, {}, took {}, {}", named(newest), human(took), limit.said());
        case.finding(FindingKind::DurationOverLimit, Severity::Warning, sentence, "list")
    })
}

/// One that is under way: since its slot, for whoever waits for it does not care how often it was taken up.
fn under_way(case: &Case<'_>, form: Form, verb: &str) -> Option<Finding> {
    let open = |run: &&Run| matches!(run.state, RunState::Working { .. } | RunState::Waiting { .. });
    let newest_made = of(case, form).first().map(|manifest| manifest.slot);
    let runs = case.seen.runs.get(&form)?;
    let run = runs.iter().filter(open).find(|run| newest_made.is_none_or(|made| run.slot > made))?;
    let limit = limit(case, &of(case, form)).unwrap_or_else(|| Limit::Rpo(case.asset.policy.rpo.duration()));
    let age = since(case.now, run.slot.0);
    (age > limit.most()).then(|| {
        let held = match &run.state {
            RunState::Waiting { reason } => format!(" and waits ({})", crate::redact::clip(reason, 200)),
            RunState::Working { .. } | RunState::Done { .. } | RunState::Failed { .. } => String::new(),
        };
        let sentence = format!("the {verb} of {} is under way for {}{held}, {}", run.slot, human(age), limit.said());
        case.finding(FindingKind::DurationOverLimit, Severity::Warning, sentence, "status")
    })
}
