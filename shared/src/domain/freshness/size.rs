//! Suspicious sizes: half or thrice what came before, or empty where there were rows. A job that says "success" and
//! stores twenty bytes is the oldest way to lose a database.

use super::{Candidate, Case, named};
use crate::domain::{
    backup::Manifest,
    finding::{Finding, FindingKind, Severity},
};

/// How many predecessors make the usual size.
const PREDECESSORS: usize = 7;
/// Below this many bytes of growth nothing is odd.
const NOISE: u64 = 1 << 20;
/// A table with at least this many rows that is suddenly empty is told by name.
const MANY_ROWS: u64 = 100;

/// Returns why a backup may not be counted as fresh, if its size or rows are odd: it shrank by half or lost every row.
pub(super) fn suspicion(backups: &[&Candidate], index: usize) -> Option<String> {
    let manifest = &backups[index].manifest;
    if !has_body(manifest) {
        return None;
    }
    let predecessors = predecessors(backups, index);
    let previous = predecessors.first()?;
    if rows(manifest) == Some(0) && rows(previous).is_some_and(|rows| rows > 0) {
        return Some("it has 0 rows, the one before had some".to_owned());
    }
    let (usual, size) = (median(&predecessors)?, plain_size(manifest));
    (size < usual / 2).then(|| format!("it holds {size} bytes, the ones before usually {usual}"))
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let forms = [crate::domain::backup::Form::Export, crate::domain::backup::Form::Snapshot];
    let newest_of = |form| case.backups.iter().position(|backup| backup.manifest.form() == form);
    forms.into_iter().filter_map(newest_of).filter_map(|index| odd(case, index)).collect()
}

fn odd(case: &Case<'_>, index: usize) -> Option<Finding> {
    let manifest = &case.backups[index].manifest;
    let tell = |severity, why: &str| {
        Some(case.finding(FindingKind::SizeAnomaly, severity, format!("backup {} is odd: {why}", named(manifest)), "drill"))
    };
    if let Some(why) = suspicion(&case.backups, index) {
        return tell(Severity::Critical, &why);
    }
    let predecessors = predecessors(&case.backups, index);
    let previous = predecessors.first()?;
    let (usual, size) = (median(&predecessors)?, plain_size(manifest));
    if size > usual.saturating_mul(3) && size - usual > NOISE {
        return tell(Severity::Warning, &format!("it holds {size} bytes, the ones before usually {usual}"));
    }
    let empty: Vec<_> = previous
        .expectations
        .tables
        .iter()
        .filter(|(name, was)| was.rows >= MANY_ROWS && manifest.expectations.tables.get(*name).is_some_and(|now| now.rows == 0))
        .map(|(name, was)| format!("{name} had {} rows", was.rows))
        .collect();
    let first = empty.first()?;
    let more = if empty.len() > 1 { format!(", and {} more tables", empty.len() - 1) } else { String::new() };
    tell(Severity::Warning, &format!("a table is empty that was not: {first}{more}"))
}

/// Whether a manifest says what the backup consists of. Of one that was let go nobody knows any more.
fn has_body(manifest: &Manifest) -> bool {
    manifest.held.is_some() || !manifest.artifacts.is_empty()
}

/// The backups of the same method before this one, newest first.
fn predecessors<'a>(backups: &[&'a Candidate], index: usize) -> Vec<&'a Manifest> {
    let method = backups[index].manifest.method;
    backups[index + 1..]
        .iter()
        .map(|backup| &backup.manifest)
        .filter(|one| one.method == method && has_body(one))
        .take(PREDECESSORS)
        .collect()
}

/// Bytes before compression and encryption, so that a change of either is not taken for a change of the data.
fn plain_size(manifest: &Manifest) -> u64 {
    manifest.artifacts.iter().map(|artifact| artifact.plain_size).sum()
}

/// All rows of all tables; none where no table was counted.
fn rows(manifest: &Manifest) -> Option<u64> {
    let tables = &manifest.expectations.tables;
    (!tables.is_empty()).then(|| tables.values().map(|table| table.rows).fold(0, u64::saturating_add))
}

fn median(manifests: &[&Manifest]) -> Option<u64> {
    let mut sizes: Vec<_> = manifests.iter().map(|manifest| plain_size(manifest)).collect();
    sizes.sort_unstable();
    sizes.get(sizes.len() / 2).copied()
}
