//! Compares what was recorded of a source with what was measured in a restore of it.
//!
//! Results carry counts, versions, names and digests, never a row of data. What differs is a failure; what this machine
//! cannot judge is said to be so; nothing is passed because it was not looked at.

use super::{
    backup::{Expectations, Form, Keys, Locale, TableFacts},
    drill::Verdict,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What became of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// It is as it must be.
    Passed,
    /// It could not be judged here.
    CouldNotVerify,
    /// It is not as it must be.
    Failed,
}

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// What was checked: `rows of public.users`.
    pub name: String,
    /// What became of it.
    pub outcome: CheckOutcome,
    /// What must be so.
    pub expected: String,
    /// What was so.
    pub found: String,
}

impl CheckResult {
    /// A check that passed.
    pub fn passed(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: CheckOutcome::Passed, expected: expected.into(), found: found.into() }
    }

    /// A check that failed.
    pub fn failed(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: CheckOutcome::Failed, expected: expected.into(), found: found.into() }
    }

    /// A check that could not be judged.
    pub fn could_not_verify(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), outcome: CheckOutcome::CouldNotVerify, expected: expected.into(), found: found.into() }
    }

    /// A check that passes exactly when both are the same.
    pub fn same(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        let outcome = if expected == found { CheckOutcome::Passed } else { CheckOutcome::Failed };
        Self { name: name.into(), outcome, expected, found }
    }

    /// A difference that can be put right after a restore: it is told, and condemns no backup.
    pub fn told(name: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        match Self::same(name, expected, found) {
            Self { outcome: CheckOutcome::Failed, name, expected, found } => Self::could_not_verify(name, expected, found),
            same => same,
        }
    }

    /// A size that must not be smaller than it was; `unit` is GB or GiB.
    pub fn at_least(name: impl Into<String>, least: u64, has: u64, unit: &str) -> Self {
        let (expected, found) = (format!("at least {least} {unit}"), format!("{has} {unit}"));
        if has >= least { Self::passed(name, expected, found) } else { Self::failed(name, expected, found) }
    }
}

/// A setting as a check shows it: a text without its quotes, `none` where there is none.
pub fn shown(value: Option<&serde_json::Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Sums checks up: one failure fails, one unknown leaves it open, and no check at all proves nothing.
pub fn verdict(checks: &[CheckResult]) -> Verdict {
    match checks.iter().map(|check| check.outcome).max() {
        Some(CheckOutcome::Passed) => Verdict::Proven,
        Some(CheckOutcome::Failed) => Verdict::Failed,
        Some(CheckOutcome::CouldNotVerify) | None => Verdict::CouldNotVerify,
    }
}

/// Compares recorded expectations with measured facts.
pub fn compare(expected: &Expectations, found: &Expectations, form: Form) -> Vec<CheckResult> {
    let mut checks = Vec::new();
    if let Some(encoding) = &expected.encoding {
        checks.push(CheckResult::same("encoding", encoding, found.encoding.as_deref().unwrap_or("unknown")));
    }
    if let Some(locale) = &expected.locale {
        collation(&mut checks, locale, found.locale.as_ref(), form);
    }
    for (name, version) in &expected.extensions {
        let check = format!("extension {name}");
        checks.push(match found.extensions.get(name) {
            Some(other) if other == version => CheckResult::passed(check, version, other),
            Some(other) => CheckResult::could_not_verify(check, version, format!("{other}: this machine has another version")),
            None => CheckResult::failed(check, version, "missing"),
        });
    }
    for role in &expected.roles {
        let there = if found.roles.contains(role) { "present" } else { "missing" };
        checks.push(CheckResult::same(format!("role {role}"), "present", there));
    }
    for (table, head) in &expected.migrations {
        let at = found.migrations.get(table).map_or("missing", String::as_str);
        checks.push(CheckResult::same(format!("migration head in {table}"), head, at));
    }
    for (table, facts) in &expected.tables {
        rows(&mut checks, table, facts, found.tables.get(table));
    }
    keyspace(&mut checks, &expected.keyspace, &found.keyspace);
    secrets(&mut checks, &expected.secrets, &found.secrets);
    if expected.tables.is_empty() && expected.keyspace.is_empty() && expected.secrets.is_empty() {
        checks.extend(nothing_counted(expected, found, form));
    }
    for table in found.tables.keys().filter(|table| !expected.tables.is_empty() && !expected.tables.contains_key(*table)) {
        checks.push(CheckResult::failed(format!("table {table}"), "not recorded", "present"));
    }
    if expected.large_objects > 0 || found.large_objects > 0 {
        checks.push(CheckResult::same("large objects", expected.large_objects.to_string(), found.large_objects.to_string()));
    }
    if let Some(end) = expected.end_lsn.as_deref().filter(|_| form == Form::Snapshot) {
        checks.push(replayed(end, found.end_lsn.as_deref()));
    }
    checks
}

/// A logical dump of a database without tables proves little. A physical copy of a source that was written to meanwhile has
/// no certain counts either: it is judged by Postgres' own manifest, on the way in, and by how far its WAL reaches.
fn nothing_counted(expected: &Expectations, found: &Expectations, form: Form) -> Option<CheckResult> {
    match form {
        Form::Export if found.tables.is_empty() => Some(CheckResult::passed("tables", "no tables", "no tables")),
        Form::Snapshot if expected.end_lsn.is_some() => None,
        Form::Export | Form::Snapshot => {
            Some(CheckResult::could_not_verify("tables", "none recorded", format!("{} tables", found.tables.len())))
        }
    }
}

fn collation(checks: &mut Vec<CheckResult>, expected: &Locale, found: Option<&Locale>, form: Form) {
    let spell = |locale: &Locale| format!("{} / {} ({})", locale.collate, locale.ctype, locale.provider);
    let Some(found) = found else {
        checks.push(CheckResult::could_not_verify("locale", spell(expected), "unknown"));
        return;
    };
    if spell(expected) == spell(found) {
        checks.push(CheckResult::passed("locale", spell(expected), spell(found)));
    } else {
        let note = format!("{}: this machine lacks the source's locale, so text sorts differently here", spell(found));
        checks.push(CheckResult::could_not_verify("locale", spell(expected), note));
    }
    let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    let wanted = if expected.actual_version.is_some() { &expected.actual_version } else { &expected.recorded_version };
    // What the indexes were built with must be what reads them; a logical restore builds them anew.
    let (wanted, recorded, actual) = (version(wanted), version(&found.recorded_version), version(&found.actual_version));
    let sound = wanted == actual && recorded == actual;
    checks.push(match form {
        Form::Snapshot if !sound => CheckResult::could_not_verify(
            "collation version",
            &wanted,
            format!("{actual} here, {recorded} in the catalog: restorable with reindex"),
        ),
        Form::Export if wanted != actual => {
            CheckResult::passed("collation version", &wanted, format!("{actual}; every index was built anew"))
        }
        Form::Export | Form::Snapshot => CheckResult::passed("collation version", &wanted, &actual),
    });
}

/// Keys that were to expire may have, until a restore of them is loaded; every other must be there.
fn keyspace(checks: &mut Vec<CheckResult>, expected: &BTreeMap<u32, Keys>, found: &BTreeMap<u32, Keys>) {
    let databases: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    for database in databases {
        let of = |all: &BTreeMap<u32, Keys>| all.get(database).copied().unwrap_or_default();
        let (wanted, is) = (of(expected), of(found));
        let lasting = |keys: Keys| keys.keys.saturating_sub(keys.expiring);
        let (name, there) = (format!("keys of database {database}"), format!("{} lasting, {} expiring", lasting(is), is.expiring));
        let must = format!("{} lasting, at most {} expiring", lasting(wanted), wanted.expiring);
        checks.push(if lasting(wanted) == lasting(is) && is.expiring <= wanted.expiring {
            CheckResult::passed(name, must, there)
        } else {
            CheckResult::failed(name, must, there)
        });
    }
}

/// How many secrets that differ are named one by one.
const NAMED: usize = 20;

/// Every secret that was recorded must be there in the version that was recorded, and no other. Thousands that are as recorded are
/// one line; each that is not has one of its own.
fn secrets(checks: &mut Vec<CheckResult>, expected: &BTreeMap<String, Option<String>>, found: &BTreeMap<String, Option<String>>) {
    if expected.is_empty() && found.is_empty() {
        return;
    }
    let said = |version: &Option<String>| version.as_ref().map_or_else(|| "no value".to_owned(), |version| format!("version {version}"));
    let counted =
        |all: &BTreeMap<String, Option<String>>| format!("{}, {} of them with a value", all.len(), all.values().flatten().count());
    checks.push(CheckResult::same("secrets", counted(expected), counted(found)));
    let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    let wrong: Vec<_> = names.into_iter().filter(|name| expected.get(*name) != found.get(*name)).collect();
    if wrong.is_empty() {
        checks.push(CheckResult::passed("versions of secrets", "as recorded", "as recorded"));
    }
    for name in wrong.iter().take(NAMED) {
        let wanted = expected.get(*name).map_or_else(|| "not recorded".to_owned(), said);
        let is = found.get(*name).map_or_else(|| "missing".to_owned(), said);
        checks.push(CheckResult::failed(format!("secret {name}"), wanted, is));
    }
    if wrong.len() > NAMED {
        checks.push(CheckResult::failed("other secrets", "as recorded", format!("{} more differ", wrong.len() - NAMED)));
    }
}

fn rows(checks: &mut Vec<CheckResult>, table: &str, expected: &TableFacts, found: Option<&TableFacts>) {
    let name = format!("rows of {table}");
    let Some(found) = found else {
        checks.push(CheckResult::failed(name, expected.rows.to_string(), "the table is missing"));
        return;
    };
    let says = if found.rows == 0 && expected.rows > 0 { "0: the table is empty".to_owned() } else { found.rows.to_string() };
    checks.push(CheckResult::same(name, expected.rows.to_string(), says));
    if let Some(digest) = &expected.digest {
        let name = format!("digest of {table}");
        checks.push(match &found.digest {
            Some(other) => CheckResult::same(name, digest, other),
            None => CheckResult::could_not_verify(name, digest, "not measured"),
        });
    }
}

fn replayed(expected: &str, found: Option<&str>) -> CheckResult {
    let name = "WAL replayed to";
    match (lsn(expected), found.and_then(|found| Some((found, lsn(found)?)))) {
        (Some(end), Some((says, reached))) if reached >= end => CheckResult::passed(name, format!("at least {expected}"), says),
        (Some(_), Some((says, _))) => CheckResult::failed(name, format!("at least {expected}"), says),
        _ => CheckResult::could_not_verify(name, format!("at least {expected}"), found.unwrap_or("unknown")),
    }
}

/// Reads a WAL position, `16/B374D848`.
fn lsn(text: &str) -> Option<u64> {
    let (high, low) = text.split_once('/')?;
    Some(u64::from(u32::from_str_radix(high, 16).ok()?) << 32 | u64::from(u32::from_str_radix(low, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_may_expire_until_a_restore_and_no_other_may_be_missing() {
        let held = |keys, expiring| Expectations { keyspace: [(0, Keys { keys, expiring })].into(), ..Expectations::default() };
        let judged = |found: &Expectations| verdict(&compare(&held(10, 4), found, Form::Export));
        assert_eq!((judged(&held(10, 4)), judged(&held(7, 1)), judged(&held(6, 0))), (Verdict::Proven, Verdict::Proven, Verdict::Proven));
        assert_eq!((judged(&held(9, 4)), judged(&held(11, 5)), judged(&held(0, 0))), (Verdict::Failed, Verdict::Failed, Verdict::Failed));
        let mut more = held(10, 4);
        more.keyspace.insert(1, Keys { keys: 1, expiring: 0 });
        assert_eq!(judged(&more), Verdict::Failed, "a database that nobody recorded");
        assert_eq!(verdict(&compare(&held(0, 0), &held(0, 0), Form::Export)), Verdict::Proven, "an empty cache that is empty");
        assert_eq!(verdict(&compare(&held(3, 0), &Expectations::default(), Form::Export)), Verdict::Failed);
    }

    #[test]
    fn r44_every_secret_must_be_there_in_the_version_that_was_recorded() {
        let held = |secrets: &[(&str, Option<&str>)]| Expectations {
            secrets: secrets.iter().map(|(name, version)| ((*name).to_owned(), version.map(str::to_owned))).collect(),
            ..Expectations::default()
        };
        let recorded = held(&[("db", Some("7")), ("key", Some("1")), ("old", None)]);
        let judged = |found: &Expectations| {
            let checks = compare(&recorded, found, Form::Export);
            let wrong = checks.iter().filter(|check| check.outcome != CheckOutcome::Passed);
            (verdict(&checks), wrong.map(|check| format!("{}: {} → {}", check.name, check.expected, check.found)).collect::<Vec<_>>())
        };
        assert_eq!(judged(&recorded), (Verdict::Proven, Vec::new()));
        let (other, said) = judged(&held(&[("db", Some("8")), ("key", Some("1")), ("old", None)]));
        assert_eq!((other, said), (Verdict::Failed, vec!["secret db: version 7 → version 8".to_owned()]));
        let (less, said) = judged(&held(&[("db", Some("7")), ("old", Some("1")), ("new", Some("1"))]));
        assert_eq!(less, Verdict::Failed);
        assert!(said.contains(&"secret key: version 1 → missing".to_owned()), "{said:?}");
        assert!(said.contains(&"secret old: no value → version 1".to_owned()), "{said:?}");
        assert!(said.contains(&"secret new: not recorded → version 1".to_owned()), "{said:?}");
        assert_eq!(judged(&Expectations::default()).0, Verdict::Failed);
        let many: BTreeMap<_, _> = (0..3_000).map(|number| (format!("s{number}"), Some("1".to_owned()))).collect();
        let many = Expectations { secrets: many, ..Expectations::default() };
        assert_eq!(compare(&many, &many, Form::Export).len(), 2, "thousands that are as recorded fill no page");
        assert_eq!(compare(&many, &Expectations::default(), Form::Export).len(), 1 + NAMED + 1);
    }

    fn source() -> Expectations {
        let locale = Locale {
            collate: "en_US.UTF-8".into(),
            ctype: "en_US.UTF-8".into(),
            provider: "c".into(),
            recorded_version: Some("2.36".into()),
            actual_version: Some("2.36".into()),
        };
        Expectations {
            encoding: Some("UTF8".into()),
            locale: Some(locale),
            extensions: [("plpgsql".to_owned(), "1.0".to_owned())].into(),
            roles: vec!["app".to_owned()],
            migrations: [("public.alembic_version".to_owned(), "a1b2".to_owned())].into(),
            tables: [("public.users".to_owned(), TableFacts { rows: 10, digest: Some("d1".to_owned()) })].into(),
            large_objects: 2,
            end_lsn: Some("0/3000060".to_owned()),
            keyspace: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    fn wrong(found: &Expectations, form: Form) -> Vec<String> {
        compare(&source(), found, form)
            .into_iter()
            .filter(|check| check.outcome != CheckOutcome::Passed)
            .map(|check| format!("{}: {} → {} ({:?})", check.name, check.expected, check.found, check.outcome))
            .collect()
    }

    #[test]
    fn a_faithful_restore_passes_everything() {
        assert_eq!(wrong(&source(), Form::Export), Vec::<String>::new());
        assert_eq!(wrong(&source(), Form::Snapshot), Vec::<String>::new());
        assert_eq!(verdict(&compare(&source(), &source(), Form::Export)), Verdict::Proven);
    }

    #[test]
    fn every_difference_is_named() {
        let mut found = source();
        found.tables.insert("public.users".to_owned(), TableFacts { rows: 0, digest: Some("d0".to_owned()) });
        found.roles.clear();
        found.extensions.clear();
        found.migrations.insert("public.alembic_version".to_owned(), "0000".to_owned());
        found.large_objects = 1;
        assert_eq!(
            wrong(&found, Form::Export),
            [
                "extension plpgsql: 1.0 → missing (Failed)",
                "role app: present → missing (Failed)",
                "migration head in public.alembic_version: a1b2 → 0000 (Failed)",
                "rows of public.users: 10 → 0: the table is empty (Failed)",
                "digest of public.users: d1 → d0 (Failed)",
                "large objects: 2 → 1 (Failed)",
            ]
        );
    }

    #[test]
    fn r23_another_collation_version_is_restorable_with_reindex_and_not_green() {
        let mut found = source();
        found.locale.as_mut().unwrap().actual_version = Some("2.41".to_owned());
        let checks = compare(&source(), &found, Form::Snapshot);
        assert_eq!(verdict(&checks), Verdict::CouldNotVerify);
        let check = checks.iter().find(|check| check.name == "collation version").unwrap();
        assert_eq!(check.found, "2.41 here, 2.36 in the catalog: restorable with reindex");
        assert_eq!(verdict(&compare(&source(), &found, Form::Export)), Verdict::Proven, "a logical restore builds its indexes anew");
    }

    #[test]
    fn wal_that_ends_too_early_fails_and_nothing_recorded_is_not_proof() {
        let mut found = source();
        found.end_lsn = Some("0/3000000".to_owned());
        assert_eq!(wrong(&found, Form::Snapshot), ["WAL replayed to: at least 0/3000060 → 0/3000000 (Failed)"]);
        assert_eq!(verdict(&compare(&Expectations::default(), &source(), Form::Export)), Verdict::Failed, "large objects from nowhere");
        assert_eq!(verdict(&[]), Verdict::CouldNotVerify);
    }

    proptest! {
        #[test]
        fn any_other_row_count_fails(rows in any::<u64>()) {
            let mut found = source();
            found.tables.get_mut("public.users").unwrap().rows = rows;
            let expected = if rows == 10 { Verdict::Proven } else { Verdict::Failed };
            prop_assert_eq!(verdict(&compare(&source(), &found, Form::Export)), expected);
        }
    }
}
