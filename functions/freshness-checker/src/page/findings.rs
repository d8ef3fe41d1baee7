//! What somebody must know, worst first, each with who knows of it already, what to type and where to read on.

use super::{maybe, words};
use lastgood_core::domain::{finding::Finding, tell::Ack};
use maud::{Markup, html};
use std::collections::BTreeMap;

/// As many are told one by one; of more, each row of an asset still shows its state.
const MOST: usize = 200;

/// Shows the findings. One that is acknowledged keeps its place and how bad it is: it is quiet, not gone.
pub fn section<'a>(findings: &[Finding], known: impl Fn(&Finding) -> Option<&'a Ack>) -> Markup {
    if findings.is_empty() {
        return Markup::default();
    }
    let (told, rest) = findings.split_at(findings.len().min(MOST));
    html! {
        section aria-labelledby="findings" {
            h2 id="findings" { "What somebody must know" }
            ul.findings { @for finding in told { (item(finding, known(finding))) } }
            @if !rest.is_empty() {
                p { (rest.len()) " more are not shown here (" (kinds(rest)) "). " code { "lastgood status" } " tells all of them." }
            }
        }
    }
}

fn item(finding: &Finding, ack: Option<&Ack>) -> Markup {
    html! {
        li class=(words::severity(finding.severity)) {
            p {
                strong { (words::severity(finding.severity)) }
                @match &finding.asset {
                    Some(asset) => { " " b { (asset) } ": " (finding.sentence) }
                    None => { " " (finding.sentence) }
                }
            }
            (maybe(ack, acknowledged))
            p.next { "Type " code { (finding.command) } " · " (runbook(finding)) }
        }
    }
}

fn acknowledged(ack: &Ack) -> Markup {
    html! {
        p.next { "acknowledged by " (ack.by) " until " time datetime=(ack.until) { (words::moment(ack.until)) } ": " (ack.why) }
    }
}

/// The link to the runbook; one that would run something is no link.
fn runbook(finding: &Finding) -> Markup {
    let (link, section) = (finding.runbook.as_str(), finding.kind.slug());
    let scheme = link.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https" | "file") | None => html! { a href=(link) { "Runbook: " (section) } },
        Some(_) => html! { "Runbook: " (section) },
    }
}

fn kinds(findings: &[Finding]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.kind.slug()).or_default() += 1;
    }
    counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", ")
}
