//! The roles, read out of the module's text: every right that the functions ask for is given to somebody, and the table in
//! docs/deploy-aws.md says what the module does.

use super::{module, root};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The files that statements stand in.
fn files() -> Vec<String> {
    let all = std::fs::read_dir(root().join("infra/aws")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    all.filter(|name| name.starts_with("permissions") || name == "fargate.tf").collect()
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    sid: String,
    effect: String,
    /// What it is about; `all but …` for a `NotAction`.
    actions: String,
}

/// Every statement, by the local value that it is part of.
fn groups() -> BTreeMap<String, Vec<Statement>> {
    let mut groups: BTreeMap<String, Vec<Statement>> = BTreeMap::new();
    for file in files() {
        let text = module(&file);
        let mut name = String::new();
        for part in text.split("Sid ").collect::<Vec<_>>().windows(2) {
            // The group is the last local value, or the last role of a list, that begins before the statement.
            for line in part[0].lines() {
                let begins = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_lowercase());
                let local = line.strip_prefix("  ").filter(begins);
                let role = line.strip_prefix("    ").filter(begins).filter(|rest| rest.contains("= concat("));
                if let Some((begun, _)) = local.or(role).and_then(|rest| rest.split_once('=')) {
                    begun.trim().clone_into(&mut name);
                }
            }
            groups.entry(name.clone()).or_default().extend(statement(part[1]));
        }
    }
    groups
}

/// Reads a statement from behind its `Sid`.
fn statement(text: &str) -> Option<Statement> {
    let sid = text.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.split('"').next()?;
    let sid = sid.split("${").next()?.to_owned() + if sid.contains("${") { "*" } else { "" };
    let effect = text.split_once("Effect")?.1.split('"').nth(1)?.to_owned();
    let (before, rest) = text.split_once("Action")?;
    let but = if before.ends_with("Not") { "all but " } else { "" };
    let list = rest.split_once('[')?.1.split_once(']')?.0;
    let mut actions: Vec<_> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    actions.sort();
    Some(Statement { sid, effect, actions: format!("{but}{}", actions.join(", ")) })
}

/// Every role, with the local values that it is made of.
pub fn roles() -> BTreeMap<String, BTreeSet<String>> {
    let text = module("permissions_by_role.tf");
    let block = text.split_once("permissions = {").unwrap().1.split_once("\n  }").unwrap().0;
    let mut roles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut role = String::new();
    for line in block.lines() {
        if let Some((name, _)) = line.strip_prefix("    ").and_then(|line| line.split_once(" = concat(")) {
            role = name.trim().to_owned();
        }
        if line.trim_start().starts_with('#') {
            continue;
        }
        for named in line.split("local.").skip(1) {
            let named: String = named.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            roles.entry(role.clone()).or_default().insert(named);
        }
    }
    roles
}

/// The table that docs/deploy-aws.md must hold: statement, effect, actions, roles.
fn table() -> Vec<[String; 4]> {
    let (groups, roles) = (groups(), roles());
    let mut rows = BTreeMap::new();
    for (group, statements) in groups {
        let own = group.clone();
        let with: BTreeSet<_> =
            roles.iter().filter(|(role, made_of)| made_of.contains(&own) || **role == own).map(|(role, _)| role.clone()).collect();
        let with = if group == "start_tasks" { ["export tasks' start".to_owned()].into() } else { with };
        for statement in statements {
            let row = rows.entry(statement.sid.clone()).or_insert_with(|| (statement.clone(), BTreeSet::new()));
            assert_eq!(row.0, statement, "one name, two meanings");
            row.1.extend(with.iter().cloned());
        }
    }
    let row = |(sid, (statement, roles)): (String, (Statement, BTreeSet<String>))| {
        assert!(!roles.is_empty(), "{sid} belongs to no role");
        [sid, statement.effect, statement.actions, roles.into_iter().collect::<Vec<_>>().join(", ")]
    };
    rows.into_iter().map(row).collect()
}

#[test]
fn the_iam_table_of_the_docs_is_what_the_module_says() {
    let docs = std::fs::read_to_string(root().join("docs/deploy-aws.md")).unwrap();
    let rows: Vec<[String; 4]> = docs
        .lines()
        .filter(|line| line.starts_with("| `") && (line.contains("| Allow |") || line.contains("| Deny |")))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
            cells.try_into().unwrap_or_else(|cells| panic!("not four cells: {cells:?}"))
        })
        .collect();
    let told = |rows: &[[String; 4]]| -> String {
        rows.iter().map(|[sid, effect, actions, roles]| format!("| `{sid}` | {effect} | {actions} | {roles} |\n")).collect()
    };
    let wanted = table();
    assert!(wanted.len() > 30, "the policies could not be read");
    assert!(rows == wanted, "docs/deploy-aws.md must hold this table:\n{}", told(&wanted));
}

/// The IAM actions that our code names when it is refused, outside of its tests.
fn asked() -> BTreeSet<String> {
    fn read(path: &Path, asked: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, asked);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                for word in code.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')) {
                    let service = [
                        "s3:",
                        "rds:",
                        "kms:",
                        "secretsmanager:",
                        "sns:",
                        "sts:",
                        "events:",
                        "servicequotas:",
                        "ec2:",
                        "ebs:",
                        "elasticache:",
                        "backup:",
                    ];
                    let named = service.iter().find_map(|service| word.strip_prefix(service));
                    if named.is_some_and(|named| named.starts_with(|c: char| c.is_ascii_uppercase()) && !named.contains(':')) {
                        asked.insert(word.to_owned());
                    }
                }
            }
        }
    }
    let mut asked = BTreeSet::new();
    read(&root().join("shared/src/providers"), &mut asked);
    asked
}

#[test]
fn r41_every_right_that_the_functions_ask_for_is_given_to_one_of_them() {
    let allowed: BTreeSet<String> = table()
        .into_iter()
        .filter(|[_, effect, ..]| effect == "Allow")
        .flat_map(|[_, _, actions, _]| actions.split(", ").map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let asked = asked();
    assert!(asked.contains("s3:PutObject"), "{asked:?}");
    let missing: Vec<_> = asked.difference(&allowed).collect();
    assert!(missing.is_empty(), "no role of infra/aws is allowed {missing:?}");
}
