//! What the functions did, as tables.

use crate::{
    output::table::{Tone, bytes, moment, table, text, toned},
    status::told,
};
use comfy_table::Cell;
use cross_region_copy::CopyReport;
use lastgood_core::{
    backup::{BackupReport, Taken},
    domain::{drill::Verdict, place::Scheme, span::human},
    env::Env,
    function::{Entry, Findings, Outcome},
};
use restore_drill::{DrillReport, Drilled};
use snapshot_trigger::SnapshotReport;
use std::time::Duration;

/// What an export or a snapshot took.
pub fn backups(report: &BackupReport) -> String {
    let row = |taken: &Taken| -> Vec<Cell> {
        vec![
            toned("done", Tone::Good),
            taken.backup.to_string().into(),
            format!("{} of {} in {}", bytes(taken.stored_bytes), bytes(taken.plain_bytes), human(taken.took())).into(),
            moment(taken.data_time).into(),
            taken.artifact.as_str().into(),
        ]
    };
    rows(
        &["ASSET", "", "BACKUP", "STORED", "DATA TIME", "ARTIFACT"],
        &report.entries,
        row,
        report,
        "nothing is due; name an asset to back it up now",
    )
}

/// What a snapshot took, and what retention let go after it.
pub fn snapshots(report: &SnapshotReport) -> String {
    let mut said = backups(&report.taken);
    for pruned in &report.pruned {
        said.push_str("\n\n");
        said.push_str(&crate::prune::people(pruned));
    }
    said
}

/// What was copied where.
pub fn copies(report: &CopyReport) -> String {
    let mut listing = table(&["ASSET", "", "PLACE", "COPIED NOW", "PROVEN BEFORE", "BYTES"]);
    let mut lines = 0;
    for Entry { asset, outcome } in &report.entries {
        let Outcome::Done(copied) = outcome else {
            listing.add_row([vec![asset.as_str().into()], other(outcome)].concat());
            lines += 1;
            continue;
        };
        for at in &copied.places {
            let word = if copied.problems.is_empty() { toned("done", Tone::Good) } else { toned("partly", Tone::Warning) };
            lines += 1;
            listing.add_row(vec![
                asset.as_str().into(),
                word,
                at.place.to_string().into(),
                at.copied.len().to_string().into(),
                at.already_proven.to_string().into(),
                bytes(at.bytes).into(),
            ]);
        }
    }
    with_findings(if lines == 0 { "no asset asks for copies".to_owned() } else { text(&listing) }, report)
}

/// What drills proved.
pub fn drills(env: &Env, report: &DrillReport) -> String {
    let row = |drilled: &Drilled| -> Vec<Cell> {
        let took = drilled.restore_seconds.map_or_else(|| "–".to_owned(), |seconds| human(Duration::from_secs_f64(seconds)));
        vec![
            match drilled.verdict {
                Verdict::Proven => toned("proven", Tone::Good),
                Verdict::CouldNotVerify => toned("could not verify", Tone::Warning),
                Verdict::Failed => toned("FAILED", Tone::Bad),
            },
            drilled.backup.map(|backup| backup.to_string()).unwrap_or_default().into(),
            drilled.from.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            took.into(),
            format!("{}/{}", drilled.passed, drilled.checks).into(),
        ]
    };
    let mut said = rows(
        &["ASSET", "", "BACKUP", "FROM", "RESTORED IN", "CHECKS"],
        &report.entries,
        row,
        report,
        "no drill is due; name an asset to drill it now",
    );
    for entry in &report.entries {
        if let Outcome::Done(drilled) = &entry.outcome {
            said.push_str(&format!("\n\nevidence: {}", page(env, &drilled.page)));
        }
    }
    said
}

/// Where a person opens an object of the vault.
pub fn page(env: &Env, key: &str) -> String {
    let place = env.vault.place();
    match place.scheme() {
        Scheme::File => format!("{}/{key}", place.bucket()),
        Scheme::S3 | Scheme::Gs | Scheme::Az => format!("{place}/{key}"),
    }
}

fn rows<D>(columns: &[&str], entries: &[Entry<D>], row: impl Fn(&D) -> Vec<Cell>, report: &impl Findings, nothing: &str) -> String {
    let mut listing = table(columns);
    for Entry { asset, outcome } in entries {
        let cells = match outcome {
            Outcome::Done(done) => row(done),
            Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } | Outcome::Failed { .. } => other(outcome),
        };
        listing.add_row([vec![asset.as_str().into()], cells].concat());
    }
    let idle = entries.iter().all(|entry| matches!(entry.outcome, Outcome::NotDue { .. }));
    let mut said = if entries.is_empty() { nothing.to_owned() } else { text(&listing) };
    if idle && !entries.is_empty() {
        said.push_str(&format!("\n\n{nothing}"));
    }
    with_findings(said, report)
}

fn other<D>(outcome: &Outcome<D>) -> Vec<Cell> {
    match outcome {
        Outcome::Done(_) => vec![toned("done", Tone::Good)],
        Outcome::NotDue { next } => {
            let next = next.map_or_else(|| "never".to_owned(), |next| format!("next at {}", moment(next)));
            vec![toned("not due", Tone::Dim), next.into()]
        }
        Outcome::AlreadyRunning { until } => {
            let until = format!("another invocation holds it until {}, unless it renews", moment(*until));
            vec![toned("already running", Tone::Warning), until.into()]
        }
        Outcome::Waiting { reason } => vec![toned("waiting", Tone::Warning), reason.as_str().into()],
        Outcome::Failed { reason, hint, .. } => {
            let hint = hint.as_ref().map(|hint| format!("\n→ {hint}")).unwrap_or_default();
            vec![toned("FAILED", Tone::Bad), format!("{reason}{hint}").into()]
        }
    }
}

fn with_findings(mut said: String, report: &impl Findings) -> String {
    for finding in report.findings() {
        said.push_str("\n\n");
        said.push_str(&told(&finding));
    }
    said
}
