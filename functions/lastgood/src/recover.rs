//! `lastgood restore`: the plan of a restore for real, and with `--apply` the deed.

use crate::{
    by_hand::done,
    output::{
        Form, say, say_json,
        table::{Tone, moment, sentences, table, toned},
    },
    status::told,
};
use lastgood_core::{
    catalog::Waker,
    domain::{backup::Method, compare::CheckOutcome, drill::Verdict, span::human},
    env::Env,
    error::{Kind, Result},
    function::{Exit, Findings},
    host::telemetry,
};
use restore::{Restore, RestoreReport, Restored};
use std::time::Duration;

/// Plans or does it.
pub async fn recover(env: &Env, ask: Restore, form: Form) -> Result<Exit> {
    let report = match done(env, ask, Waker::Hand, None).await {
        // There is no such backup: missing, as the contract of the exit codes has it.
        Err(error) if error.kind() == Kind::NotFound => {
            telemetry::tell(&error);
            return Ok(Exit::Stale);
        }
        done => done?,
    };
    match form {
        Form::Programs => say_json(&report)?,
        Form::People => say(&people(&report))?,
    }
    Ok(report.exit())
}

fn people(report: &RestoreReport) -> String {
    let Some(restored) = report.restored() else { return "nothing was restored".to_owned() };
    let doing = if restored.applied { "restored" } else { "would restore" };
    let what = match restored.method {
        Method::PointInTime => format!("it as it was at {}", moment(restored.data_time)),
        Method::PgDumpCustom
        | Method::PgDumpPlain
        | Method::PgDumpDirectory
        | Method::PgBaseBackup
        | Method::RedisRdb
        | Method::SecretsJsonl
        | Method::ProviderSnapshot => {
            format!("backup {} (data of {})", restored.backup, moment(restored.data_time))
        }
    };
    let mut said =
        format!("{doing} {what} from {}\n{} {}\n", restored.from, if restored.applied { "into" } else { "     into" }, restored.target);
    if let Some(why) = &restored.why {
        said.push_str(&format!("     {why}\n"));
    }
    if restored.applied {
        said.push_str(&outcome(restored));
    } else {
        for (number, step) in restored.steps.iter().enumerate() {
            said.push_str(&format!("\n{:>3}. {step}", number + 1));
        }
    }
    for finding in report.findings() {
        said.push_str(&format!("\n\n{}", told(&finding)));
    }
    if !restored.next.is_empty() {
        said.push_str("\n\nnext:");
        for step in &restored.next {
            said.push_str(&format!("\n  · {step}"));
        }
    }
    said
}

fn outcome(restored: &Restored) -> String {
    let mut said = match restored.seconds {
        Some(seconds) => format!("\ntook {}", human(Duration::from_secs_f64(seconds))),
        None => String::new(),
    };
    let passed = restored.checks.iter().filter(|check| check.outcome == CheckOutcome::Passed).count();
    match restored.verdict {
        Some(Verdict::Proven) => said.push_str(&format!("\nit is what was recorded with the backup: {passed} checks passed")),
        Some(Verdict::CouldNotVerify | Verdict::Failed) => {
            let mut listing = table(&["CHECK", "EXPECTED", "FOUND"]);
            for check in restored.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed) {
                listing.add_row(vec![check.name.as_str().into(), check.expected.as_str().into(), toned(&check.found, Tone::Bad)]);
            }
            said.push_str(&format!(
                "\nit differs from what was recorded with the backup; {passed} checks passed, these did not:\n{}",
                sentences(listing, 1)
            ));
        }
        None => said.push_str("\nnothing runs there yet that could be compared with what was recorded"),
    }
    said
}
