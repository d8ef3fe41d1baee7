//! Whether the functions themselves are alive: a checker that is dead says nothing, so somebody else must.

use super::{grace, old};
use crate::{
    clock::{Timestamp, since},
    config::{Config, Policy},
    domain::{
        due::Schedule,
        finding::{Finding, FindingKind, Severity},
    },
};
use std::{collections::BTreeMap, time::Duration};

const CHECKER: &str = "freshness-checker";

/// When a schedule last woke a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The function.
    pub function: String,
    /// When a schedule last woke it; none if only hands ever did.
    pub scheduled_at: Option<Timestamp>,
}

/// Returns the functions that have fallen silent, or one note where none was ever woken by a schedule.
pub fn functions(config: &Config, beats: &[Beat], now: Timestamp) -> Vec<Finding> {
    let expected = intervals(config, now);
    if expected.is_empty() {
        return Vec::new();
    }
    let scheduled: Vec<_> = beats.iter().filter_map(|beat| Some((beat.function.as_str(), beat.scheduled_at?))).collect();
    if scheduled.is_empty() {
        let sentence = "no schedule has ever run in this vault: it is used by hand, and judged by its backups alone";
        return vec![Finding::new(FindingKind::HandOperated, Severity::Note, sentence, "lastgood status").linked(&config.runbook)];
    }
    let silent = |(function, last): &(&str, Timestamp)| {
        if *function == CHECKER {
            return checker(config, Some(*last), now);
        }
        let interval = *expected.get(*function)?;
        let age = since(now, *last);
        (age > interval * 2 + grace(interval)).then(|| {
            let sentence = format!("{function} was last woken by its schedule {} ago, it is due every {}", old(age), old(interval));
            Finding::new(FindingKind::HeartbeatMissing, Severity::Warning, sentence, "lastgood doctor").linked(&config.runbook)
        })
    };
    scheduled.iter().filter_map(silent).collect()
}

/// Returns that the checker is dead, by when a schedule last woke it: every other function asks this, for the dead say nothing.
/// None where no schedule ever woke it, which the note on a vault that is used by hand tells.
pub fn checker(config: &Config, scheduled_at: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let (last, every) = (scheduled_at?, checks(config)?);
    let age = since(now, last);
    // Said by the config, an interval is known; else nobody should be without an answer for longer than data may be lost.
    let limit = if config.check_every.is_some() { every * 2 } else { every } + grace(every);
    (age > limit).then(|| {
        let sentence =
            format!("{CHECKER} was last woken by its schedule {} ago, it is due every {}: nothing else is told", old(age), old(every));
        Finding::new(FindingKind::CheckerDead, Severity::Critical, sentence, "lastgood check").linked(&config.runbook)
    })
}

/// How often the checker is due.
fn checks(config: &Config) -> Option<Duration> {
    let strictest = || config.policies().map(|policy| policy.rpo.duration()).min();
    config.check_every.map(crate::domain::span::Span::duration).or_else(strictest)
}

/// How often each function is due: as often as the busiest of its schedules. The checker and the copies have none of their
/// own; they are due as often as the strictest rpo.
fn intervals(config: &Config, now: Timestamp) -> BTreeMap<&'static str, Duration> {
    let of = |schedule: fn(&Policy) -> Option<&Schedule>| {
        // A fleet's members share one.
        let schedules: BTreeMap<&str, &Schedule> = config.policies().filter_map(schedule).map(|one| (one.as_str(), one)).collect();
        schedules.into_values().map(|schedule| schedule.interval(now)).min()
    };
    let strictest = || config.policies().map(|policy| policy.rpo.duration()).min();
    let copies = config.policies().any(|policy| !policy.copies.is_empty());
    [
        ("export-to-bucket", of(|policy| policy.export.as_ref().map(|export| &export.schedule))),
        ("snapshot-trigger", of(|policy| policy.snapshot.as_ref().map(|snapshot| &snapshot.schedule))),
        ("restore-drill", of(|policy| policy.drill.as_ref().map(|drill| &drill.schedule))),
        ("cross-region-copy", copies.then(strictest).flatten()),
        (CHECKER, checks(config)),
    ]
    .into_iter()
    .filter_map(|(function, interval)| Some((function, interval?)))
    .collect()
}
