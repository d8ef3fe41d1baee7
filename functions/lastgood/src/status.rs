//! `lastgood status`: one line per asset, and below it what somebody must know, worst first. Of one asset alone also what could
//! be had back of it, in a sentence.

use crate::{
    command::Status as Ask,
    output::{
        Form, say, say_json,
        table::{Tone, age, ago, bytes, moment, table, text, toned},
    },
    past,
};
use freshness_checker::{Acks, Looked, look};
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

/// Shows how everything stands, now or at a moment that is past. Changes nothing and tells nobody.
pub async fn status(env: &Env, ask: &Ask, form: Form) -> Result<Exit> {
    if let Some(at) = ask.at {
        return past::status(env, ask.asset.as_ref(), at, form).await;
    }
    let Looked { status, acks, .. } = look(env, ask.asset.as_ref()).await?;
    match (form, &ask.asset) {
        (Form::Programs, _) => say_json(&Shown { status: &status, acknowledged: acks.holding(status.checked_at) })?,
        (Form::People, None) => say(&people_knowing(&status, &acks))?,
        (Form::People, Some(_)) => say(&in_full(&status, &acks))?,
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

/// The same with what could be had back of each asset, and when that will take too long.
pub fn in_full(status: &Status, acks: &Acks) -> String {
    let (mut said, findings) = (listing(status), findings(status, acks));
    for asset in &status.assets {
        let recoverable = asset.recoverable.as_ref().map(|found| found.sentence.as_str());
        let forecast = asset.forecast.as_ref().map(|forecast| forecast.sentence.as_str());
        for sentence in [recoverable, forecast].into_iter().flatten() {
            said.push_str(&format!("\n\n{}: {sentence}", asset.asset));
        }
    }
    said + &findings
}

/// The table and what is below it.
pub fn people(status: &Status) -> String {
    people_knowing(status, &Acks::default())
}

/// The same, with who knows of what.
pub fn people_knowing(status: &Status, acks: &Acks) -> String {
    listing(status) + &findings(status, acks)
}

fn listing(status: &Status) -> String {
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
    text(&listing)
}

/// Every finding, and who knows of it.
fn findings(status: &Status, acks: &Acks) -> String {
    let known = |finding: &Finding| {
        let ack = acks.of(finding, status.checked_at)?;
        Some(format!("\n         acknowledged by {} until {}: {}", ack.by, moment(ack.until), ack.why))
    };
    let said = |finding: &Finding| format!("\n\n{}{}", told(finding), known(finding).unwrap_or_default());
    status.findings().iter().map(said).collect::<Vec<_>>().concat()
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
