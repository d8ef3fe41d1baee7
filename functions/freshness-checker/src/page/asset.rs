//! One asset: a row of facts, what could be had back in a sentence, and folded below it how it got there.

use super::{
    Evidence,
    chart::{curve, days},
    maybe, words,
};
use crate::Looked;
use lastgood_core::{
    catalog::Key,
    clock::Timestamp,
    domain::{
        backup::Form,
        drill::Verdict,
        freshness::AssetStatus,
        history::{DAYS, Day, History, PastDrill, Point, Timeline, trend},
    },
};
use maud::{Markup, html};
use std::time::Duration;

/// What all assets are shown with.
pub struct Show<'a> {
    pub looked: &'a Looked,
    pub evidence: &'a Evidence,
    /// How many points a drawing has at most.
    pub points: i64,
    /// Of how many drills the evidence is linked.
    pub linked: usize,
}

impl Show<'_> {
    /// Shows one asset.
    pub fn asset(&self, status: &AssetStatus) -> Markup {
        let history = self.looked.histories.get(&status.asset);
        html! {
            tbody class=(status.state.as_str()) {
                (self.row(status, history))
                tr { td colspan="7" {
                    @if let Some(found) = &status.recoverable { p { (found.sentence) } }
                    @if let Some(history) = history { (self.more(status, history)) }
                } }
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.looked.status.checked_at
    }

    fn row(&self, status: &AssetStatus, history: Option<&History>) -> Markup {
        html! {
            tr {
                th scope="row" { (status.asset) small { (status.kind) } }
                td { (words::mark(status.state)) " " (status.state.as_str()) }
                td { @match &status.newest {
                    Some(newest) => { (words::age(newest.age_seconds)) small { "of " (status.rpo) ", " (words::form(newest.form)) } }
                    None => { "none" small { (status.rpo) " allowed" } }
                } }
                td { @if status.copies.asked == 0 { "–" } @else { (status.copies.proven) "/" (status.copies.asked) } }
                td { @match &status.proven { Some(proven) => (words::ago(self.now(), proven.at)), None => "never" } }
                td { @match status.rto.measured_seconds {
                    Some(seconds) => { (words::age(seconds)) small { "of " (status.rto.target) } }
                    None => { "–" small { (status.rto.target) " allowed" } }
                } }
                td { (maybe(history, |history| days(&history.timeline(self.now()), &spoken(&history.timeline(self.now()))))) }
            }
        }
    }

    fn more(&self, status: &AssetStatus, history: &History) -> Markup {
        let form = history.main_form();
        let of_form = || history.backups.iter().filter(|backup| Some(backup.form) == form);
        let points = |values: Vec<(Timestamp, f64)>| trend(self.now(), values.into_iter(), self.points);
        let size = points(of_form().map(|backup| (backup.data_time, exact(backup.bytes))).collect());
        let took = points(of_form().filter_map(|backup| Some((backup.data_time, backup.took?.as_secs_f64()))).collect());
        let proven = history.drills.iter().filter(|drill| drill.verdict == Verdict::Proven);
        let restores = points(proven.filter_map(|drill| Some((drill.at, drill.took?.as_secs_f64()))).collect());
        let target = status.rto.target.duration().as_secs_f64();
        let name = match form {
            Some(Form::Export) => "an export",
            Some(Form::Snapshot) | None => "a snapshot",
        };
        html! {
            details {
                summary { "Trends and evidence" span.hidden { " of " (status.asset) } }
                div.charts {
                    @if !size.is_empty() { (figure(&format!("Size of {name}"), &size, bytes, None)) }
                    @if !took.is_empty() { (figure(&format!("Time to take {name}"), &took, seconds, None)) }
                    (figure("Time to restore", &restores, seconds, Some(target)))
                }
                @if let Some(forecast) = &status.forecast { p { "Forecast: " (forecast.sentence) "." } }
                p {
                    "Kept: " (status.backups) (if status.backups == 1 { " backup, " } else { " backups, " }) (words::bytes(status.stored_bytes)) "."
                    @if let Some(due) = status.next_due { " Next due " (words::moment(due)) "." }
                }
                @if !history.drills.is_empty() {
                    p { "Evidence: " @for (index, drill) in history.drills.iter().rev().take(self.linked).enumerate() {
                        @if index > 0 { ", " } (self.link(status, drill))
                    } "." }
                }
            }
        }
    }

    fn link(&self, status: &AssetStatus, drill: &PastDrill) -> Markup {
        let key = Key::DrillPage(status.asset.clone(), drill.id);
        let said = format!("{} {}", words::day(drill.at), drill.verdict);
        match self.evidence {
            Evidence::Beside => html! { a href={ "../" (key) } { (said) } },
            Evidence::Folder(folder) => html! { a href={ "file://" (folder) "/" (key) } { (said) } },
            Evidence::Elsewhere => html! { (said) " (" code { (drill.id) } ")" },
        }
    }
}

/// A drawing with what it shows in words, so that nobody needs to see it.
fn figure(title: &str, points: &[Point], value: fn(f64) -> String, target: Option<f64>) -> Markup {
    let allowed = target.map(|target| format!(", {} allowed", value(target))).unwrap_or_default();
    html! {
        figure {
            @match points {
                [] => figcaption { (title) ": never measured" (allowed) },
                [only] => figcaption { (title) ": " (value(only.value)) (allowed) },
                [first, .., last] => {
                    figcaption { (title) ": " (value(first.value)) " → " (value(last.value)) " in " (first.days_ago - last.days_ago) "d" (allowed) }
                    (curve(points, target))
                }
            }
        }
    }
}

/// A timeline in words.
fn spoken(line: &Timeline) -> String {
    let count = |days: &[Day; DAYS], wanted| days.iter().filter(|day| **day == wanted).count();
    let (backups, copies, drills) = (&line.backups, &line.copies, &line.drills);
    let mut said = format!("Of {DAYS} days: backups {} good, {} bad", count(backups, Day::Good), count(backups, Day::Bad));
    if copies.iter().any(|day| *day != Day::Nothing) {
        said += &format!("; copies {} good, {} bad", count(copies, Day::Good), count(copies, Day::Bad));
    }
    let open = count(drills, Day::Open);
    said += &format!("; drills {} proven, {} failed", count(drills, Day::Good), count(drills, Day::Bad));
    if open > 0 { format!("{said}, {open} could not verify") } else { said }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing is not exact to the byte")]
const fn exact(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was a count of bytes")]
fn bytes(value: f64) -> String {
    words::bytes(value.max(0.0) as u64)
}

fn seconds(value: f64) -> String {
    words::age(Duration::try_from_secs_f64(value).unwrap_or_default().as_secs())
}
