//! `lastgood status`: one line per asset, and below it what somebody must know, worst first.

use crate::output::{
    Form, say, say_json,
    table::{Tone, bytes, table, text, toned},
};
use lastgood_core::{
    clock::{Timestamp, since},
    domain::{
        backup::Form as BackupForm,
        finding::{Finding, Severity},
        freshness::{AssetStatus, State},
        span::human,
    },
    env::Env,
    error::Result,
    function::Exit,
    id::AssetName,
};
use serde::Serialize;
use std::time::Duration;

/// Everything that `status --json` tells. Fields are only ever added.
#[derive(Debug, Serialize)]
pub struct Standing {
    /// When it was looked at.
    pub at: Timestamp,
    /// Every asset.
    pub assets: Vec<AssetStatus>,
    /// What concerns no single asset.
    pub findings: Vec<Finding>,
}

impl Standing {
    /// Looks at everything, or at one asset. Changes nothing.
    pub async fn of(env: &Env, asset: Option<&AssetName>) -> Result<Self> {
        let observed = freshness_checker::observe(env, asset).await?;
        Ok(Self { at: env.clock.now(), assets: observed.assets, findings: observed.findings })
    }

    /// Everything that somebody must know, worst first.
    pub fn all_findings(&self) -> Vec<&Finding> {
        let mut all: Vec<_> = self.assets.iter().flat_map(|asset| &asset.findings).chain(&self.findings).collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        all
    }

    /// How the command ends.
    pub fn exit(&self) -> Exit {
        let of_asset = |status: &AssetStatus| match status.state {
            State::Good | State::Warning => Exit::Good,
            State::Unknown => Exit::CouldNotVerify,
            State::Stale => Exit::Stale,
            State::Failing => Exit::Failed,
        };
        // A failure outweighs what is too old, and that outweighs what could not be looked at.
        let weight = |exit: &Exit| match exit {
            Exit::Good => 0,
            Exit::CouldNotVerify => 1,
            Exit::Stale => 2,
            Exit::Failed | Exit::Usage => 3,
        };
        self.assets.iter().map(of_asset).max_by_key(weight).unwrap_or(Exit::Good)
    }
}

/// Shows how everything stands.
pub async fn status(env: &Env, form: Form) -> Result<Exit> {
    let standing = Standing::of(env, None).await?;
    match form {
        Form::Programs => say_json(&standing)?,
        Form::People => say(&people(&standing))?,
    }
    Ok(standing.exit())
}

/// The table and what is below it.
pub fn people(standing: &Standing) -> String {
    let mut listing = table(&["ASSET", "NEWEST", "DATA AGE / RPO", "COPIES", "LAST PROVEN", "RTO", "KEPT", "STATE"]);
    for asset in &standing.assets {
        listing.add_row(vec![
            asset.asset.as_str().into(),
            match &asset.newest {
                Some(newest) => format!("{} {}", form_word(newest.form), newest.id).into(),
                None => toned("none", Tone::Bad),
            },
            match &asset.newest {
                Some(newest) => format!("{} / {}", human(Duration::from_secs(newest.age_seconds)), asset.rpo).into(),
                None => format!("– / {}", asset.rpo).into(),
            },
            if asset.copies.asked == 0 { "–".into() } else { format!("{}/{}", asset.copies.proven, asset.copies.asked).into() },
            match &asset.proven {
                Some(proven) => format!("{} ago", human(since(standing.at, proven.at))).into(),
                None => toned("never", Tone::Warning),
            },
            match asset.rto.measured_seconds {
                Some(seconds) => format!("{} / {}", human(Duration::from_secs(seconds)), asset.rto.target).into(),
                None => format!("– / {}", asset.rto.target).into(),
            },
            format!("{}, {}", asset.backups, bytes(asset.stored_bytes)).into(),
            state_cell(asset.state),
        ]);
    }
    let mut said = text(&listing);
    for finding in standing.all_findings() {
        said.push_str("\n\n");
        said.push_str(&told(finding));
    }
    said
}

/// One finding in three lines: what, what to type, where to read on.
pub fn told(finding: &Finding) -> String {
    let about = finding.asset.as_ref().map(|asset| format!("{asset}: ")).unwrap_or_default();
    format!("{:<8} {about}{}\n         → {}\n         {}", severity_word(finding.severity), finding.sentence, finding.command, finding.runbook)
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
