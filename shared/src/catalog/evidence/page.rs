//! The evidence as a page: static, without a single request, readable on a phone and on paper.
//!
//! The verdict comes first, then what was restored, how long it took, what was checked, and what to do if it is not proven.

use super::{Drilled, Evidence, Link};
use crate::domain::{
    attest::Shown,
    backup::{Form, Method},
    compare::{CheckOutcome, CheckResult},
    drill::Verdict,
    restore_test::RestoreTest,
    span::human,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::time::Duration;

const STYLE: &str = include_str!("page.css");
/// Passed checks beyond this many are folded away; what is not green is always in sight.
const UNFOLDED: usize = 12;

/// Returns the page of evidence that nobody signed.
pub fn page(evidence: &Evidence) -> String {
    signed_page(evidence, None)
}

/// Returns the page, with the link that signs it if there is one.
pub fn signed_page(evidence: &Evidence, link: Option<&Link>) -> String {
    let title = format!("{}: {}", evidence.asset, evidence.verdict);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · restore drill" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    p.kicker { "Restore drill of " strong { (evidence.asset) } }
                    h1 class=(tone(evidence.verdict)) { span.mark aria-hidden="true" { (mark(evidence.verdict)) } (headline(evidence.verdict)) }
                    p.lead { (lead(evidence)) }
                    (measures(evidence))
                    @if evidence.verdict != Verdict::Proven { (what_next(evidence)) }
                    (restored(evidence))
                    (checks(&evidence.checks))
                    (signature(evidence, link))
                    (footer(evidence))
                }
            }
        }
    }
    .into_string()
}

const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "good",
        Verdict::CouldNotVerify => "open",
        Verdict::Failed => "bad",
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "✓",
        Verdict::CouldNotVerify => "?",
        Verdict::Failed => "✕",
    }
}

const fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "Proven",
        Verdict::CouldNotVerify => "Could not verify",
        Verdict::Failed => "Failed",
    }
}

fn lead(evidence: &Evidence) -> String {
    let checks = evidence.checks.len();
    let moment = evidence.backup.as_ref().filter(|backup| backup.method == Method::PointInTime);
    match (evidence.verdict, &evidence.reason) {
        (Verdict::Proven, _) if evidence.restore_test.is_some() => {
            format!(
                "What AWS Backup restored was asked, and all {checks} checks passed. That proves its recovery point, and no backup of ours."
            )
        }
        (Verdict::Proven, _) if moment.is_some() => format!(
            "The database was brought back as it was at one moment, out of its provider's own continuous backups, and all {checks} checks \
             passed. That proves those, and no snapshot."
        ),
        (Verdict::CouldNotVerify, Some(reason)) if moment.is_some() => {
            format!("Whether this moment can be restored is not known: {reason}.")
        }
        (Verdict::Failed, Some(reason)) if moment.is_some() => format!("This moment did not come back as it must: {reason}."),
        (Verdict::Proven, _) => {
            format!("The backup was restored and all {checks} checks found what was recorded when it was taken.")
        }
        (Verdict::CouldNotVerify, Some(reason)) => format!("Whether this backup can be restored is not known: {reason}."),
        (Verdict::Failed, Some(reason)) => format!("This backup did not come back as it was: {reason}."),
        (Verdict::CouldNotVerify | Verdict::Failed, None) => "See the checks below.".to_owned(),
    }
}

fn measures(evidence: &Evidence) -> Markup {
    let objectives = &evidence.objectives;
    let took = evidence.restore_seconds.map(|seconds| human(Duration::from_secs_f64(seconds.max(0.0))));
    let met = |met: Option<bool>| match met {
        Some(true) => ("good", "met"),
        Some(false) => ("bad", "missed"),
        None => ("open", "not measured"),
    };
    let (restore_tone, restore) = met(objectives.rto_met);
    let (data_tone, data) = match objectives.rpo_met {
        None if evidence.restore_test.is_some() => ("open", "not judged: it is no backup of ours"),
        None => ("open", "not judged: a newer backup exists"),
        judged => met(judged),
    };
    let passed = evidence.count(CheckOutcome::Passed);
    html! {
        dl.measures {
            div { dt { "Restored and validated in" } dd { (took.as_deref().unwrap_or("—")) } dd class=(restore_tone) { "target " (objectives.rto) ", " (restore) } }
            div { dt { "Data of" } dd { (evidence.backup.as_ref().map_or_else(|| "—".to_owned(), |backup| moment(backup.data_time))) }
                dd class=(data_tone) { "at most " (objectives.rpo) " old, " (data) } }
            div { dt { "Checks passed" } dd { (passed) " of " (evidence.checks.len()) } dd { @if evidence.restore_test.is_some() { "the replica is AWS Backup's" } @else { "replica removed and seen gone" } } }
        }
    }
}

fn what_next(evidence: &Evidence) -> Markup {
    let asset = &evidence.asset;
    let of_moment = evidence.backup.as_ref().is_some_and(|backup| backup.method == Method::PointInTime);
    let steps: &[(&str, String)] = match evidence.verdict {
        Verdict::Failed if of_moment => &[
            ("See which snapshots are proven; keep them", format!("lastgood list {asset}")),
            ("Drill the newest of them", format!("lastgood drill {asset} --backup ID")),
        ],
        Verdict::Failed => &[
            ("See whether the stored bytes are what was recorded", format!("lastgood verify {asset}")),
            ("See which older backups are proven; keep them", format!("lastgood list {asset}")),
            ("Take a new backup and drill that one", format!("lastgood export {asset} && lastgood drill {asset}")),
        ],
        Verdict::CouldNotVerify | Verdict::Proven => &[
            ("See whether everything that a drill needs can be reached", "lastgood doctor".to_owned()),
            ("Drill again once the reason above is mended", format!("lastgood drill {asset}")),
        ],
    };
    html! {
        section.next {
            h2 { "What to do next" }
            ol { @for (what, command) in steps { li { (what) code { (command) } } } }
        }
    }
}

fn restored(evidence: &Evidence) -> Markup {
    html! {
        section {
            h2 { "What was restored" }
            @match (&evidence.backup, &evidence.restore_test) {
                (Some(backup), _) => (drilled(backup, evidence)),
                (None, Some(test)) => (tested(test, evidence)),
                (None, None) => p { "Nothing: there was no backup to restore." },
            }
        }
    }
}

fn drilled(backup: &Drilled, evidence: &Evidence) -> Markup {
    let form = match (backup.form, backup.method) {
        (Form::Snapshot, Method::PgBaseBackup) => "a physical copy of the whole server (pg_basebackup)",
        (_, Method::PgDumpCustom) => "a logical export (pg_dump, custom)",
        (_, Method::PgDumpPlain) => "a logical export (pg_dump, SQL)",
        (_, Method::PgDumpDirectory) => "a logical export (pg_dump, directory)",
        (_, Method::RedisRdb) => "an export of Redis (RDB)",
        (_, Method::SecretsJsonl) => "an export of secrets (JSON lines)",
        (_, Method::ProviderSnapshot) => "a snapshot that its provider holds",
        (_, Method::PointInTime) => "a moment of its provider's own continuous backups",
        (Form::Export, Method::PgBaseBackup) => "a physical copy",
    };
    html! {
        table.facts {
            tr { th { "Backup" } td { @if backup.method == Method::PointInTime { (moment(backup.data_time)) } @else { code { (backup.id) } } ", " (form) } }
            tr { th { "Read from" } td { code { (backup.from) } ", " (bytes(backup.stored_bytes)) } }
            tr { th { "Restored to" } td { (evidence.replica.kind) ", as " code { (evidence.replica.name) } } }
            tr { th { "Began" } td { (moment(evidence.started_at)) } }
            tr { th { "Replica seen gone" } td { (moment(evidence.replica.gone_at)) } }
        }
    }
}

/// What AWS Backup restored, and we only asked.
fn tested(test: &RestoreTest, evidence: &Evidence) -> Markup {
    let took = test.took().map(human);
    html! {
        p { "AWS Backup restored this, to be tested. Its verdict stands for that recovery point, and for no backup of ours." }
        table.facts {
            tr { th { "Recovery point" } td { code { (test.recovery_point) } ", of " (moment(test.data_time)) } }
            tr { th { "Restore job" } td { code { (test.job) } ", of " code { (test.plan) } @if let Some(took) = &took { ", took " (took) } } }
            tr { th { "Restored to" } td { code { (test.created) } ", which AWS Backup removes" } }
            tr { th { "Began" } td { (moment(evidence.started_at)) } }
            tr { th { "Ended" } td { (moment(evidence.finished_at)) } }
        }
    }
}

fn checks(all: &[CheckResult]) -> Markup {
    let (green, other): (Vec<_>, Vec<_>) = all.iter().partition(|check| check.outcome == CheckOutcome::Passed);
    html! {
        section {
            h2 { "Checks" }
            @if all.is_empty() { p { "None was reached." } }
            @if green.len() > UNFOLDED && !other.is_empty() || green.len() > 4 * UNFOLDED {
                @if !other.is_empty() { (table(&other)) }
                details { summary { (green.len()) " checks passed" } (table(&green)) }
            } @else if !all.is_empty() { (table(&[other, green].concat())) }
        }
    }
}

fn table(checks: &[&CheckResult]) -> Markup {
    html! {
        table.checks {
            thead { tr { th { "Check" } th { "Expected" } th { "Found" } } }
            tbody {
                @for check in checks {
                    @let (tone, mark) = match check.outcome {
                        CheckOutcome::Passed => ("good", "✓"),
                        CheckOutcome::CouldNotVerify => ("open", "?"),
                        CheckOutcome::Failed => ("bad", "✕"),
                    };
                    tr class=(tone) {
                        td { span.mark { (mark) } (check.name) }
                        td data-label="Expected" { (check.expected) }
                        td data-label="Found" { (check.found) }
                    }
                }
            }
        }
    }
}

fn signature(evidence: &Evidence, link: Option<&Link>) -> Markup {
    let Some(link) = link else {
        return html! {
            @if let Some(why) = &evidence.unsigned {
                section { h2 { "Signature" } p.open { "This evidence is not signed, although the config asks for it: " (why) "." } }
            }
        };
    };
    let said = &link.statement.predicate;
    let asset = &evidence.asset;
    html! {
        section {
            h2 { "Signature" }
            table.facts {
                tr { th { "Link" } td { (said.chain.number) " of this asset's chain, SHA-256 " code { (link.sha256) } } }
                tr { th { "Link before it" } td { @match &said.chain.previous { Some(previous) => (code(previous)), None => "none: the chain begins here" } } }
                tr { th { "Signed by key" } td { code { (link.key) } } }
            }
            p { "The signature is over the record beside this page. To check it: " code { "lastgood evidence verify " (asset) } }
            @if !said.controls.is_empty() {
                h2 { "Controls" }
                table.checks {
                    thead { tr { th { "What a drill can show" } th { "Controls" } th { "Shown here" } } }
                    tbody {
                        @for control in &said.controls {
                            @let tone = match control.shown { Shown::Met => "good", Shown::NotMet => "bad", Shown::Unknown => "open" };
                            tr class=(tone) {
                                td { (control.claim) }
                                td data-label="Controls" { (control.controls.join(", ")) }
                                td data-label="Shown here" { (control.shown) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn code(text: &str) -> Markup {
    html! { code { (text) } }
}

fn footer(evidence: &Evidence) -> Markup {
    html! {
        footer {
            p { "Drill " code { (evidence.drill) } ", finished " (moment(evidence.finished_at)) " after " (human(evidence.took())) "." }
            @if !evidence.tools.is_empty() {
                p { @for (index, (tool, version)) in evidence.tools.iter().enumerate() { @if index > 0 { " · " } (tool) " " (version) } }
            }
            p { "This page holds counts and digests only, no data. The record beside it (.json) says the same for programs." }
        }
    }
}

fn moment(at: crate::clock::Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn bytes(count: u64) -> String {
    let (mut whole, mut unit, units) = (count, "B", ["kB", "MB", "GB", "TB"]);
    let mut rest = 0;
    for next in units {
        if whole < 1000 {
            break;
        }
        rest = whole % 1000;
        (whole, unit) = (whole / 1000, next);
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{} {unit}", rest / 100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(bytes(17), "17 B");
        assert_eq!(bytes(1_536), "1.5 kB");
        assert_eq!(bytes(563_200_000), "563.2 MB");
    }
}
