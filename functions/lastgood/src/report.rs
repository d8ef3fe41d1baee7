//! `lastgood report`: how everything stands, as text, as JSON, or as one page that needs nothing else.

use crate::{
    output::{
        Form, remark, say, say_json,
        table::{age, ago, bytes, moment},
    },
    status::{form_word, people, severity_word},
};
use freshness_checker::observe_all;
use lastgood_core::{
    catalog::Status,
    domain::{
        finding::{Finding, Severity},
        freshness::AssetStatus,
    },
    env::Env,
    error::{During, Result},
    function::{Exit, Findings},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::path::Path;

/// Reports on everything.
pub async fn report(env: &Env, page: Option<&Path>, form: Form) -> Result<Exit> {
    let status = observe_all(env, None).await?;
    match (page, form) {
        (Some(path), _) => {
            std::fs::write(path, self::page(&status).into_string()).during(format_args!("writing {}", path.display()))?;
            remark(&format!("wrote {}", path.display()));
        }
        (None, Form::Programs) => say_json(&status)?,
        (None, Form::People) => {
            say(&format!("How everything stands at {}\n", moment(status.checked_at)))?;
            say(&people(&status))?;
        }
    }
    Ok(status.exit())
}

/// The page.
pub fn page(status: &Status) -> Markup {
    let findings = status.findings();
    let urgent = findings.iter().filter(|finding| finding.severity > Severity::Note).count();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Lastgood: " (headline(urgent)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (headline(urgent)) }
                    p { "Looked at " time datetime=(status.checked_at) { (moment(status.checked_at)) } "." }
                }
                main {
                    @if !findings.is_empty() {
                        section aria-labelledby="findings" {
                            h2 id="findings" { "Findings" }
                            ul.findings { @for finding in &findings { (finding_item(finding)) } }
                        }
                    }
                    section aria-labelledby="assets" {
                        h2 id="assets" { "Assets" }
                        @for asset in &status.assets { (asset_card(asset, status)) }
                    }
                }
            }
        }
    }
}

fn headline(urgent: usize) -> String {
    match urgent {
        0 => "Everything is restorable as its policy asks".to_owned(),
        1 => "1 finding needs somebody".to_owned(),
        n => format!("{n} findings need somebody"),
    }
}

fn finding_item(finding: &Finding) -> Markup {
    html! {
        li class=(severity_word(finding.severity).to_lowercase()) {
            strong { (severity_word(finding.severity).to_lowercase()) @if let Some(asset) = &finding.asset { ", " (asset.as_str()) } }
            p { (finding.sentence) }
            p { "Type " code { (finding.command) } " · " a href=(finding.runbook) { "what it means" } }
        }
    }
}

fn asset_card(asset: &AssetStatus, status: &Status) -> Markup {
    html! {
        article class=(asset.state.as_str()) {
            h3 { (asset.asset.as_str()) " " span.state { (asset.state.as_str()) } }
            dl {
                dt { "Newest that counts" }
                dd {
                    @match &asset.newest {
                        Some(newest) => {
                            (form_word(newest.form)) " of " time datetime=(newest.data_time) { (moment(newest.data_time)) }
                            ", " (age(newest.age_seconds)) " old; " (asset.rpo.to_string()) " is allowed"
                        }
                        None => "none",
                    }
                }
                dt { "Copies" }
                dd { (asset.copies.proven) " of " (asset.copies.asked) " proven" }
                dt { "Last proven by a restore" }
                dd {
                    @match &asset.proven {
                        Some(proven) => { (ago(status.checked_at, proven.at)) ", backup " code { (proven.backup.to_string()) } }
                        None => "never",
                    }
                }
                dt { "Time to restore" }
                dd {
                    @match asset.rto.measured_seconds {
                        Some(seconds) => { (age(seconds)) " measured" }
                        None => "not measured",
                    }
                    "; " (asset.rto.target.to_string()) " is allowed"
                }
                dt { "Kept" }
                dd { (asset.backups) " backups, " (bytes(asset.stored_bytes)) }
                @if let Some(next) = asset.next_due {
                    dt { "Next due" }
                    dd { time datetime=(next) { (moment(next)) } }
                }
            }
        }
    }
}

const STYLE: &str = "
:root { --ink: #1b1f24; --paper: #fff; --soft: #57606a; --line: #d0d7de; --good: #1a7f37; --warning: #7d4e00; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --soft: #9da7b1; --line: #30363d; --good: #3fb950; --warning: #e3b341; --bad: #ff7b72; } }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 56rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.2 } h2 { margin-top: 2.5rem; font-size: 1.1rem } h3 { margin: 0 0 .75rem; font-size: 1.05rem }
header p, dt { color: var(--soft) }
ul.findings { list-style: none; padding: 0 } ul.findings p { margin: .15rem 0 }
ul.findings li, article { border: 1px solid var(--line); border-left: .3rem solid var(--soft); border-radius: .4rem; padding: .75rem 1rem; margin: .75rem 0 }
li.warning, article.warning, article.unknown { border-left-color: var(--warning) } li.critical, article.stale, article.failing { border-left-color: var(--bad) }
article.good { border-left-color: var(--good) } .state { font-weight: 400; color: var(--soft) }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .25rem 1.25rem; margin: 0 } dd { margin: 0 }
code { overflow-wrap: anywhere } a { color: inherit }
@media (max-width: 34rem) { dl { grid-template-columns: 1fr; gap: 0 } dd { margin-bottom: .5rem } }
";
