//! What a channel is owed: pure, from what is seen, what it knows and what the owner asked for.

use super::{Alert, Filter, Known, Topic, What};
use crate::{
    clock::{Timestamp, after, since},
    config::Alerts,
    domain::{
        finding::{Finding, FindingKind, Severity},
        span::human,
    },
    id::AssetName,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

/// One finding, with what there is to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The finding as it is now.
    pub finding: Finding,
    /// The fleet that its asset belongs to.
    pub fleet: Option<AssetName>,
    /// Since when it stands.
    pub since: Timestamp,
    /// Somebody acknowledged it, and that holds.
    pub quiet: bool,
}

/// One round of telling.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// What stands.
    pub cases: &'a BTreeMap<Topic, Case>,
    /// Whether it was looked for: what was not is not over.
    pub looked: &'a (dyn Fn(&Topic) -> bool + Sync),
    /// Since when what no longer stands stood.
    pub stood: &'a BTreeMap<Topic, Timestamp>,
    /// What the owner asked for.
    pub rules: &'a Alerts,
    /// The base of links.
    pub runbook: &'a str,
    /// The present moment.
    pub now: Timestamp,
}

impl std::fmt::Debug for Round<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Round").field("cases", self.cases).field("now", &self.now).finish_non_exhaustive()
    }
}

/// Returns what stands, by what it is about. What is the same news is told in one sentence, so that none of it is lost.
pub fn cases(
    findings: &[Finding],
    fleet: impl Fn(&AssetName) -> Option<AssetName>,
    stood: &BTreeMap<Topic, Timestamp>,
    quiet: impl Fn(&Finding) -> bool,
    now: Timestamp,
) -> BTreeMap<Topic, Case> {
    let mut cases: BTreeMap<Topic, Case> = BTreeMap::new();
    for finding in findings {
        let topic = Topic::of(finding);
        match cases.entry(topic) {
            Entry::Vacant(free) => {
                let since = stood.get(free.key()).copied().unwrap_or(now);
                let fleet = finding.asset.as_ref().and_then(&fleet);
                free.insert(Case { finding: finding.clone(), fleet, since, quiet: false });
            }
            Entry::Occupied(mut taken) => {
                let merged = &mut taken.get_mut().finding;
                // The worst of them says what to type.
                let (worse, other) = if finding.severity > merged.severity { (finding, &*merged) } else { (&*merged, finding) };
                let sentence = format!("{}; {}", worse.sentence, other.sentence);
                *merged = Finding { sentence, ..worse.clone() };
            }
        }
    }
    for case in cases.values_mut() {
        case.quiet = quiet(&case.finding);
    }
    cases
}

/// Returns what a channel must be told, worst first.
pub fn owed(filter: &Filter, known: &Known, round: &Round<'_>) -> Vec<(Topic, Alert)> {
    let mut owed: Vec<(Topic, Alert)> = Vec::new();
    for (topic, case) in round.cases {
        if let Some(what) = of_standing(filter, known, topic, case, round) {
            owed.push((topic.clone(), alert(what, case, round.rules)));
        }
    }
    for topic in known.topics.keys().filter(|topic| !round.cases.contains_key(topic) && (round.looked)(topic)) {
        owed.push((topic.clone(), over(topic, round)));
    }
    owed.sort_by_key(|(_, alert)| (std::cmp::Reverse(alert.finding.severity), alert.what.is_over()));
    owed
}

/// What is to be said of something that stands.
fn of_standing(filter: &Filter, known: &Known, topic: &Topic, case: &Case, round: &Round<'_>) -> Option<What> {
    let (severity, takes) = (case.finding.severity, filter.takes(&case.finding, case.fleet.as_ref()));
    let Some(knows) = known.topics.get(topic) else { return (takes && !case.quiet).then_some(What::New) };
    let was = knows.severity;
    if severity < was && !takes && !knows.instead {
        return Some(What::Eased { was });
    }
    if !takes || case.quiet {
        return None;
    }
    match severity.cmp(&was) {
        std::cmp::Ordering::Greater => Some(What::Worse { was }),
        std::cmp::Ordering::Less => Some(What::Better { was }),
        std::cmp::Ordering::Equal => {
            let interval = round.rules.remind.of(severity)?.duration();
            // What was told at an hour is told again at that hour: a check that comes a little early counts.
            let slack = Duration::from_mins(5).min(interval / 10);
            let due = after(knows.told_at?, interval.saturating_sub(slack)) <= round.now;
            (due && !knows.instead).then_some(What::Still)
        }
    }
}

/// A finding as it is told.
pub(super) fn alert(what: What, case: &Case, rules: &Alerts) -> Alert {
    let respond_within = if what.is_over() { None } else { rules.respond.within(&case.finding) };
    Alert { what, finding: case.finding.clone(), since: Some(case.since), respond_within }
}

/// The good news that something is over, and how long it lasted.
fn over(topic: &Topic, round: &Round<'_>) -> Alert {
    let began = round.stood.get(topic).copied();
    let lasted = began.map(|began| since(round.now, began));
    let after = lasted.filter(|lasted| !lasted.is_zero()).map(|lasted| format!(" after {}", human(lasted))).unwrap_or_default();
    let sentence = format!("{} is over{after}", topic.kind.slug());
    let finding = Finding::new(topic.kind, Severity::Note, sentence, "lastgood status").linked(round.runbook);
    let finding = Finding { asset: topic.asset.clone(), ..finding };
    Alert { what: What::Over { lasted_seconds: lasted.map(|lasted| lasted.as_secs()) }, finding, since: began, respond_within: None }
}

/// What a channel that refused is told first once it takes deliveries again; it is also how that is found out.
pub fn notice(known: &Known, runbook: &str) -> Option<Alert> {
    let refused = known.refused.as_ref()?;
    let sentence = format!("nothing could be told here since {}: {}; now it arrives", refused.since, refused.why);
    let finding = Finding::new(FindingKind::NotDelivered, Severity::Note, sentence, "lastgood status").linked(runbook);
    Some(Alert { what: What::Trial, finding, since: Some(refused.since), respond_within: None })
}
