//! The policy's own questions to a replica. Answers are compared, never kept: evidence holds no row of data.

use lastgood_core::{
    clock::Timestamp,
    config::{Check, Expect, Filesystem},
    domain::{
        backup::{Expectations, Manifest},
        compare::CheckResult,
        drill::ReplicaName,
        span::{Span, human},
    },
    error::{Error, Kind},
    ports::Replicas,
    providers::probe,
};
use std::time::Duration;

/// Asks every question but those about migrations.
pub async fn run(replicas: &dyn Replicas, name: &ReplicaName, checks: &[Check], backup: &Manifest) -> Vec<CheckResult> {
    let mut found = Vec::new();
    for check in checks {
        found.extend(match check {
            Check::Sql { sql, expect } => Some(compared(replicas, name, format!("sql: {}", clip(sql)), sql, expect).await),
            Check::Rows { table, rows } => {
                let sql = format!("select count(*) from {}", quoted(table));
                Some(compared(replicas, name, format!("number of rows of {table}"), &sql, rows).await)
            }
            Check::Newest { table, newest, within } => Some(newest_row(replicas, name, table, newest, *within, backup.data_time).await),
            Check::Migration { .. } => None,
            Check::Http { http, expect } => Some(http_answer(http, expect).await),
            Check::Amcheck { .. } => Some(match replicas.amcheck(name).await {
                Ok(0) => CheckResult::passed("amcheck", "no damage", "no damage"),
                Ok(damaged) => CheckResult::failed("amcheck", "no damage", format!("{damaged} damaged indexes or tables")),
                Err(error) => unanswered("amcheck".to_owned(), "no damage", &error),
            }),
            Check::Filesystem { filesystem } => Some(filesystems(replicas, name, filesystem.as_slice()).await),
        });
    }
    found
}

/// Looks for the superblock of a file system on every volume. That one is there says that the volume can be read and bears what
/// it should, and nothing of the files in it: the words of the evidence say no more.
async fn filesystems(replicas: &dyn Replicas, name: &ReplicaName, wanted: &[Filesystem]) -> CheckResult {
    let kinds = wanted.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" or ");
    let (what, expected) = ("file system".to_owned(), format!("the superblock of {kinds} on every volume"));
    let found = match replicas.filesystems(name).await {
        Ok(found) => found,
        Err(error) if error.kind() == Kind::Denied => return CheckResult::could_not_verify(what, expected, error.full()),
        Err(error) => return unanswered(what, &expected, &error),
    };
    let each = found.iter().map(|(volume, bears)| {
        let bears = if bears.is_empty() { "nothing that is known".to_owned() } else { bears.join(", ") };
        format!("{volume}: {bears}")
    });
    let said = each.collect::<Vec<_>>().join("; ");
    let good = |bears: &Vec<String>| bears.iter().any(|kind| wanted.iter().any(|wanted| wanted.as_str() == kind));
    if !found.is_empty() && found.values().all(good) {
        return CheckResult::passed(what, expected, format!("{said} (no file was opened)"));
    }
    CheckResult::failed(what, expected, said)
}

/// Compares the migration heads that the policy asks about, from what was recorded and what was measured.
pub fn migrations(checks: &[Check], expected: &Expectations, found: &Expectations) -> Vec<CheckResult> {
    let head = |of: &Expectations, table: &str| {
        let bare = table.strip_prefix("public.").unwrap_or(table);
        [table, bare, &format!("public.{bare}")].into_iter().find_map(|name| of.migrations.get(name).cloned())
    };
    let asked = checks.iter().filter_map(|check| match check {
        Check::Migration { migration, .. } => Some(migration),
        Check::Sql { .. }
        | Check::Rows { .. }
        | Check::Newest { .. }
        | Check::Http { .. }
        | Check::Amcheck { .. }
        | Check::Filesystem { .. } => None,
    });
    asked
        .map(|table| {
            let name = format!("migration of {table} equals the source's");
            match (head(expected, table), head(found, table)) {
                (Some(expected), Some(found)) => CheckResult::same(name, expected, found),
                (Some(expected), None) => CheckResult::failed(name, expected, "missing"),
                (None, _) => CheckResult::could_not_verify(name, "the source's head", "it was not recorded with the backup"),
            }
        })
        .collect()
}

async fn compared(replicas: &dyn Replicas, name: &ReplicaName, what: String, sql: &str, expect: &Expect) -> CheckResult {
    let rows = match replicas.ask(name, sql).await {
        Ok(rows) => rows,
        Err(error) => return unanswered(what, &expect.to_string(), &error),
    };
    let wanted = expect.to_string();
    match rows.rows.as_slice() {
        [row] if row.len() == 1 => match &row[0] {
            None => CheckResult::failed(what, wanted, "NULL"),
            Some(answer) if expect.holds(answer) => CheckResult::passed(what, wanted, shown(answer)),
            Some(answer) => CheckResult::failed(what, wanted, shown(answer)),
        },
        [] => CheckResult::failed(what, wanted, "no row"),
        _ => CheckResult::failed(what, wanted, "more than one answer: ask for one row with one column"),
    }
}

/// A number is shown; a text may be somebody's data and is not.
fn shown(answer: &str) -> String {
    let answer = answer.trim();
    if answer.parse::<f64>().is_ok() || matches!(answer, "t" | "f") { answer.to_owned() } else { "a text (not kept)".to_owned() }
}

async fn newest_row(
    replicas: &dyn Replicas,
    name: &ReplicaName,
    table: &str,
    column: &str,
    within: Span,
    data_time: Timestamp,
) -> CheckResult {
    let what = format!("newest {column} of {table}");
    let wanted = format!("at most {within} before the backup's data time");
    let sql = format!(
        "select ceil(extract(epoch from timestamptz '{data_time}' - max({})::timestamptz))::bigint from {}",
        ident(column),
        quoted(table)
    );
    match replicas.ask(name, &sql).await {
        Err(error) => unanswered(what, &wanted, &error),
        Ok(rows) => match rows.rows.first().and_then(|row| row.first()).and_then(Option::as_deref).map(str::parse::<i64>) {
            Some(Ok(age)) => {
                let age = Duration::from_secs(u64::try_from(age).unwrap_or_default());
                let found = format!("{} before", human(age));
                if age <= within.duration() { CheckResult::passed(what, wanted, found) } else { CheckResult::failed(what, wanted, found) }
            }
            Some(Err(_)) => CheckResult::failed(what, wanted, "no moment"),
            None => CheckResult::failed(what, wanted, "no row"),
        },
    }
}

async fn http_answer(url: &str, expect: &str) -> CheckResult {
    let (what, wanted) = (format!("GET {}", probe::shown(url)), format!("200 and {:?} in the body", clip(expect)));
    match probe::get(url).await {
        Ok(answer) if answer.status == 200 && answer.body.contains(expect) => CheckResult::passed(what, wanted, "200 and the text"),
        Ok(answer) if answer.status == 200 => CheckResult::failed(what, wanted, "200 without the text"),
        Ok(answer) => CheckResult::failed(what, wanted, answer.status.to_string()),
        Err(error) => unanswered(what, &wanted, &error),
    }
}

/// A question that the replica cannot answer is a failure: too slow, or about something that is not there. Only where the
/// way to it is broken is the answer open.
fn unanswered(what: String, wanted: &str, error: &Error) -> CheckResult {
    let said = error.full();
    match error.kind() {
        Kind::Retry if said.contains("57014") => CheckResult::failed(what, wanted, "no answer within the time limit"),
        Kind::Retry | Kind::Unsupported | Kind::Refused | Kind::OutOfTime | Kind::Busy | Kind::NoSpace => {
            CheckResult::could_not_verify(what, wanted, said)
        }
        Kind::Invalid | Kind::NotFound | Kind::Conflict | Kind::Denied | Kind::Corrupt | Kind::Failed => {
            CheckResult::failed(what, wanted, said)
        }
    }
}

fn clip(text: &str) -> String {
    lastgood_core::redact::clip(&text.split_whitespace().collect::<Vec<_>>().join(" "), 100)
}

/// Quotes `schema.table` or `table`.
fn quoted(table: &str) -> String {
    table.split('.').map(ident).collect::<Vec<_>>().join(".")
}

fn ident(name: &str) -> String {
    format!("\"{}\"", name.trim_matches('"').replace('"', "\"\""))
}
