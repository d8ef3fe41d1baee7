//! `lastgood status`: one line per asset, and below it what somebody must know, worst first.

use crate::{
    ack::{self, holding},
    output::{
        Form, say, say_json,
        table::{Tone, age, ago, bytes, moment, table, text, toned},
    },
};
use freshness_checker::observe_all;
use lastgood_core::{
    catalog::Status,
    domain::{
        backup::Form as BackupForm,
        finding::{Finding, Severity},
        freshness::State,
        tell::Ack,
    },
    env::Env,
    error::Result,
    function::{Exit, Findings},
};
use serde::Serialize;

/// Shows how everything stands. Changes nothing and tells nobody.
pub async fn status(env: &Env, form: Form) -> Result<Exit> {
    let status = observe_all(env, None).await?;
    let acknowledged = holding(env).await;
    match form {
        Form::Programs => say_json(&Shown { status: &status, acknowledged })?,
        Form::People => say(&people_knowing(&status, &acknowledged))?,
    }
    Ok(status.exit())
}

/// How everything stands, and which findings somebody knows of.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    acknowledged: Vec<Ack>,
}

/// The table and what is below it.
pub fn people(status: &Status) -> String {
    people_knowing(status, &[])
}

/// The same, saying of each finding who knows of it.
fn people_knowing(status: &Status, acks: &[Ack]) -> String {
    let mut listing = table(&["ASSET", "NEWEST", "DATA AGE / RPO", "COPIES", "LAST PROVEN", "RTO", "KEPT", "STATE"]);
    for asset in &status.assets {
        listing.add_row(vec![
            asset.asset.as_str().into(),
            match &asset.newest {
                Some(newest) => format!("{} {}", form_word(newest.form), newest.id).into(),
                None => toned("none", Tone::Bad),
            },
            match &asset.newest {
                Some(newest) => format!("{} / {}", age(newest.age_seconds), asset.rpo).into(),
                None => format!("– / {}", asset.rpo).into(),
            },
            if asset.copies.asked == 0 { "–".into() } else { format!("{}/{}", asset.copies.proven, asset.copies.asked).into() },
            match &asset.proven {
                Some(proven) => ago(status.checked_at, proven.at).into(),
                None => toned("never", Tone::Warning),
            },
            match asset.rto.measured_seconds {
                Some(0) => format!("<1s / {}", asset.rto.target).into(),
                Some(seconds) => format!("{} / {}", age(seconds), asset.rto.target).into(),
                None => format!("– / {}", asset.rto.target).into(),
            },
            format!("{}, {}", asset.backups, bytes(asset.stored_bytes)).into(),
            state_cell(asset.state),
        ]);
    }
    let mut said = text(&listing);
    for finding in status.findings() {
        said.push_str("\n\n");
        said.push_str(&told(&finding));
        if let Some(ack) = ack::of(acks, &finding) {
            said.push_str(&format!("\n         acknowledged by {} until {}: {}", ack.by, moment(ack.until), ack.why));
        }
    }
    said
}

/// One finding in three lines: what, what to type, where to read on.
pub fn told(finding: &Finding) -> String {
    told_with(finding, None)
}

/// The same, with what the failure behind it advises before what to type.
pub fn told_with(finding: &Finding, hint: Option<&str>) -> String {
    let about = finding.asset.as_ref().map(|asset| format!("{asset}: ")).unwrap_or_default();
    let hint = hint.map(|hint| format!("\n         → {hint}")).unwrap_or_default();
    format!(
        "{:<8} {about}{}{hint}\n         → {}\n         {}",
        severity_word(finding.severity),
        finding.sentence,
        finding.command,
        finding.runbook
    )
}

/// A severity as it is written.
pub const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Critical => "CRITICAL",
    }
}

/// A form as it is written.
pub const fn form_word(form: BackupForm) -> &'static str {
    match form {
        BackupForm::Export => "export",
        BackupForm::Snapshot => "snapshot",
    }
}

fn state_cell(state: State) -> comfy_table::Cell {
    let tone = match state {
        State::Good => Tone::Good,
        State::Warning | State::Unknown => Tone::Warning,
        State::Stale | State::Failing => Tone::Bad,
    };
    toned(state.as_str(), tone)
}
