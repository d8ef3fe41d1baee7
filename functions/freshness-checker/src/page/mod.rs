//! The status page: what somebody on call must know first, then every asset in one row with what became of it.
//!
//! Promises: one file that asks the network for nothing (its own policy forbids it) and runs no script; it reads the same
//! from a folder, a bucket or a phone, in light and dark, with a keyboard and with a screen reader; whatever a record says
//! is shown as text. It stays small: 500 assets with a year of backups are less than a megabyte. That is why its drawings
//! are a few paths written here, a run of days in ten bytes, and no chart crate's: theirs have an element for each point.

mod asset;
mod chart;
mod findings;
mod groups;
mod words;

use crate::Looked;
use base64::{Engine, prelude::BASE64_STANDARD};
use lastgood_core::{
    domain::{finding::Severity, freshness::State},
    function::Findings,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use words::moment;

const STYLE: &str = include_str!("page.css");

/// Where the evidence of drills lies, as seen from the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// In the vault that the page lies in itself.
    Beside,
    /// In a vault that is this folder.
    Folder(String),
    /// Where no link leads from a page that lies elsewhere: it is named, not linked.
    Elsewhere,
}

/// Returns the page of what one look saw.
pub fn page(looked: &Looked, evidence: &Evidence) -> String {
    let status = &looked.status;
    let findings = status.findings();
    let urgent = findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    let known =
        findings.iter().filter(|finding| finding.severity > Severity::Note && looked.acks.of(finding, status.checked_at).is_some()).count();
    let worst = if urgent == 0 { State::Good } else { status.overall.state };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (headline(urgent)) " · Lastgood" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#assets" { "Skip to the assets" }
                header {
                    p.kicker { "Lastgood" }
                    h1 class=(worst.as_str()) { span aria-hidden="true" { (words::mark(worst)) " " } (headline(urgent)) }
                    p.lead {
                        strong { (status.overall.good) " of " (status.overall.assets) } " assets are good. Looked at "
                        time datetime=(status.checked_at) { (moment(status.checked_at)) } "."
                        @if known > 0 { " Somebody knows of " (known) " of the findings." }
                    }
                }
                main {
                    (findings::section(&findings, |finding| looked.acks.of(finding, status.checked_at)))
                    (groups::section(looked, evidence))
                }
                footer { p { "Ages are as of the look above. The data behind this page lie beside it in " code { "status.json" } "." } }
            }
        }
    }
    .into_string()
}

/// Nothing is fetched, nothing is run, and no style but this page's own is applied.
fn policy() -> String {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'")
}

/// The whole in one line.
pub fn headline(urgent: usize) -> String {
    match urgent {
        0 => "Everything is restorable as its policy asks".to_owned(),
        1 => "1 finding needs somebody".to_owned(),
        n => format!("{n} findings need somebody"),
    }
}

/// Something that is shown, or nothing.
fn maybe<T>(value: Option<T>, show: impl FnOnce(T) -> Markup) -> Markup {
    value.map_or_else(Markup::default, show)
}
