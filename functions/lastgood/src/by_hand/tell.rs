//! What the functions did, as tables.

use crate::{
    output::table::{Tone, bytes, moment, table, text, toned},
    status::told_with,
};
use comfy_table::Cell;
use cross_region_copy::CopyReport;
use lastgood_core::{
    backup::{BackupReport, Taken},
    domain::{backup::Method, drill::Verdict, finding::Finding, place::Scheme, span::human},
    env::Env,
    function::{Entry, Findings, Outcome},
};
use restore_drill::{DrillReport, Drilled};
use snapshot_trigger::SnapshotReport;
use std::time::Duration;

/// How something that failed is called.
type Failed = (&'static str, Tone);
const FAILED: Failed = ("FAILED", Tone::Bad);
/// A drill that never came to judge its backup says nothing about it.
const COULD_NOT_VERIFY: Failed = ("could not verify", Tone::Warning);

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
        (&report.entries, FAILED),
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
            listing.add_row([vec![asset.as_str().into()], other(outcome, FAILED)].concat());
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
    let said = if lines == 0 { "no asset asks for copies".to_owned() } else { text(&listing) };
    with_findings(with_remarks(said, &report.entries), &report.entries, report)
}

/// What drills proved.
pub fn drills(env: &Env, report: &DrillReport) -> String {
    let row = |drilled: &Drilled| -> Vec<Cell> {
        let took = drilled.restore_seconds.map_or_else(|| "–".to_owned(), |seconds| human(Duration::from_secs_f64(seconds)));
        vec![
            match drilled.verdict {
                Verdict::Proven => toned("proven", Tone::Good),
                Verdict::CouldNotVerify => toned(COULD_NOT_VERIFY.0, COULD_NOT_VERIFY.1),
                Verdict::Failed => toned(FAILED.0, FAILED.1),
            },
            match (drilled.method, drilled.data_time) {
                (Some(Method::PointInTime), Some(at)) => moment(at).into(),
                _ => drilled.backup.map(|backup| backup.to_string()).unwrap_or_default().into(),
            },
            drilled.from.as_ref().map(ToString::to_string).unwrap_or_default().into(),
            took.into(),
            format!("{}/{}", drilled.passed, drilled.checks).into(),
        ]
    };
    let mut said = rows(
        &["ASSET", "", "BACKUP", "FROM", "RESTORED IN", "CHECKS"],
        (&report.entries, COULD_NOT_VERIFY),
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
        Scheme::S3 | Scheme::Gs | Scheme::Az | Scheme::Aws | Scheme::Gcp => format!("{place}/{key}"),
    }
}

fn rows<D>(
    columns: &[&str],
    (entries, failed): (&[Entry<D>], Failed),
    row: impl Fn(&D) -> Vec<Cell>,
    report: &impl Findings,
    nothing: &str,
) -> String {
    let mut listing = table(columns);
    for Entry { asset, outcome } in entries {
        let cells = match outcome {
            Outcome::Done(done) => row(done),
            Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } | Outcome::Failed { .. } => {
                other(outcome, failed)
            }
        };
        listing.add_row([vec![asset.as_str().into()], cells].concat());
    }
    let idle = entries.iter().all(|entry| matches!(entry.outcome, Outcome::NotDue { .. }));
    let mut said = if entries.is_empty() { nothing.to_owned() } else { text(&listing) };
    if idle && !entries.is_empty() {
        said.push_str(&format!("\n\n{nothing}"));
    }
    with_findings(with_remarks(said, entries), entries, report)
}

/// What is in place of the columns of something done. What takes more than a word is told below the table.
fn other<D>(outcome: &Outcome<D>, failed: Failed) -> Vec<Cell> {
    match outcome {
        Outcome::Done(_) => vec![toned("done", Tone::Good)],
        Outcome::NotDue { next } => {
            let next = next.map_or_else(|| "never".to_owned(), |next| format!("next {}", moment(next)));
            vec![toned("not due", Tone::Dim), next.into()]
        }
        Outcome::AlreadyRunning { .. } => vec![toned("already running", Tone::Warning)],
        Outcome::Waiting { .. } => vec![toned("waiting", Tone::Warning)],
        Outcome::Failed { .. } => vec![toned(failed.0, failed.1)],
    }
}

/// Says below the table why something is not done yet; why something failed is told by its finding.
fn with_remarks<D>(mut said: String, entries: &[Entry<D>]) -> String {
    let remarks = entries.iter().filter_map(|Entry { asset, outcome }| match outcome {
        Outcome::AlreadyRunning { until } => {
            Some(format!("{asset}: another invocation holds it until {} at least; run it again then", moment(*until)))
        }
        Outcome::Waiting { reason } => Some(format!("{asset}: {reason}; the next run carries on")),
        Outcome::Done(_) | Outcome::NotDue { .. } | Outcome::Failed { .. } => None,
    });
    for remark in remarks {
        said.push_str(&format!("\n\n{remark}"));
    }
    said
}

fn with_findings<D>(mut said: String, entries: &[Entry<D>], report: &impl Findings) -> String {
    for finding in report.findings() {
        said.push_str("\n\n");
        said.push_str(&told_with(&finding, hint(entries, &finding)));
    }
    said
}

/// What the failure behind a finding advises.
fn hint<'a, D>(entries: &'a [Entry<D>], finding: &Finding) -> Option<&'a str> {
    let entry = entries.iter().find(|entry| Some(&entry.asset) == finding.asset.as_ref())?;
    match &entry.outcome {
        Outcome::Failed { hint, .. } => hint.as_deref(),
        Outcome::Done(_) | Outcome::NotDue { .. } | Outcome::AlreadyRunning { .. } | Outcome::Waiting { .. } => None,
    }
}
