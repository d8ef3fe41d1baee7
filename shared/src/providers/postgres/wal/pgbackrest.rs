//! A repository of pgBackRest: what `pgbackrest info` shows in it. Of several repositories the one with the least WAL counts.

use super::{place, read};
use crate::{clock::Timestamp, config::PgBackRest, domain::wal::RepositorySeen, error::Result, providers::postgres::child::Program};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `no valid backups`: that there is none is told by itself.
const NO_BACKUPS: u32 = 2;

#[derive(Debug, Deserialize)]
struct Stanza {
    #[serde(default)]
    archive: Vec<Archived>,
    #[serde(default)]
    backup: Vec<Backup>,
    #[serde(default)]
    repo: Vec<Repo>,
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Archived {
    database: Database,
    max: Option<String>,
}

/// Which database of a stanza's history, and which repository.
#[derive(Debug, Deserialize)]
struct Database {
    id: u64,
    #[serde(rename = "repo-key", default)]
    repo: u32,
}

#[derive(Debug, Deserialize)]
struct Backup {
    /// Whether pages did not match their checksums.
    #[serde(default)]
    error: Option<bool>,
    timestamp: Times,
}

#[derive(Debug, Deserialize)]
struct Times {
    stop: i64,
}

#[derive(Debug, Deserialize)]
struct Repo {
    key: u32,
    status: Status,
}

#[derive(Debug, Deserialize)]
struct Status {
    code: u32,
    message: String,
}

/// Asks pgBackRest.
pub(super) async fn seen(program: Program, of: &PgBackRest) -> Result<RepositorySeen> {
    let mut program = program.arg("info").arg("--output=json").arg(format!("--stanza={}", of.stanza.as_str()));
    program = program.args(["--log-level-console=off", "--log-level-stderr=error", "--log-level-file=off"]);
    if let Some(config) = &of.config {
        let mut argument = std::ffi::OsString::from("--config=");
        argument.push(config.as_path());
        program = program.arg(argument);
    }
    if let Some(repo) = of.repo {
        program = program.arg(format!("--repo={repo}"));
    }
    understood(of, &program.run().await?)
}

fn understood(of: &PgBackRest, printed: &str) -> Result<RepositorySeen> {
    let mut stanzas: Vec<Stanza> = read("pgbackrest info", printed)?;
    let name = match of.repo {
        Some(repo) => format!("pgBackRest, stanza {}, repository {repo}", of.stanza.as_str()),
        None => format!("pgBackRest, stanza {}", of.stanza.as_str()),
    };
    let Some(stanza) = stanzas.pop() else {
        return Ok(RepositorySeen { name, newest: None, base_at: None, wrong: Some("there is no such stanza in it".to_owned()) });
    };
    let sound = stanza.backup.iter().filter(|backup| backup.error != Some(true));
    Ok(RepositorySeen {
        newest: newest(&stanza),
        base_at: sound.map(|backup| backup.timestamp.stop).max().and_then(|stop| Timestamp::from_second(stop).ok()),
        wrong: wrong(&stanza),
        name,
    })
}

fn wrong(stanza: &Stanza) -> Option<String> {
    let bad = |status: &Status| status.code != 0 && status.code != NO_BACKUPS;
    let of_one = stanza.repo.iter().find(|repo| bad(&repo.status)).map(|repo| format!("repository {}: {}", repo.key, repo.status.message));
    of_one
        .or_else(|| (stanza.repo.is_empty() && bad(&stanza.status)).then(|| stanza.status.message.clone()))
        .map(|why| crate::redact::clip(&why, 200))
}

/// The newest segment of the database that is there now, not of one that was there before an upgrade.
fn newest(stanza: &Stanza) -> Option<String> {
    let now = stanza.archive.iter().map(|archived| archived.database.id).max()?;
    let mut newest: BTreeMap<u32, Option<&String>> = BTreeMap::new();
    for archived in stanza.archive.iter().filter(|archived| archived.database.id == now) {
        let known = newest.entry(archived.database.repo).or_default();
        *known = (*known).into_iter().chain(archived.max.as_ref()).max_by_key(|name| place(name));
    }
    let lacks = stanza.repo.iter().any(|repo| !newest.contains_key(&repo.key));
    let least: Option<Vec<&String>> = newest.into_values().collect();
    least.filter(|_| !lacks)?.into_iter().min_by_key(|name| place(name)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> PgBackRest {
        PgBackRest { stanza: "main".to_owned().try_into().unwrap(), config: None, repo: None }
    }

    const TWO: &str = r#"[{"archive":[
        {"database":{"id":1,"repo-key":1},"id":"14-1","max":"0000000100000009000000FF","min":"000000010000000000000001"},
        {"database":{"id":2,"repo-key":1},"id":"15-2","max":"000000020000000000000007","min":"000000010000000000000001"},
        {"database":{"id":2,"repo-key":2},"id":"15-2","max":"000000010000000000000005","min":"000000010000000000000001"}],
      "backup":[
        {"archive":{"start":"a","stop":"b"},"error":false,"label":"20261119-010101F","timestamp":{"start":1795050000,"stop":1795050061},"type":"full"},
        {"error":true,"label":"20261120-010101F","timestamp":{"start":1795150000,"stop":1795150061},"type":"full"}],
      "cipher":"none","db":[],"name":"main",
      "repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}},{"cipher":"none","key":2,"status":{"code":0,"message":"ok"}}],
      "status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]"#;

    #[test]
    fn of_two_repositories_the_one_that_lags_counts_and_of_the_history_the_database_of_now() {
        let seen = understood(&of(), TWO).unwrap();
        assert_eq!(seen.newest.as_deref(), Some("000000010000000000000005"));
        assert_eq!(seen.base_at.unwrap().as_second(), 1_795_050_061, "one with broken pages is none");
        assert_eq!((seen.wrong, seen.name.as_str()), (None, "pgBackRest, stanza main"));
        let without = TWO.replace(r#""max":"000000010000000000000005""#, r#""max":null"#);
        assert_eq!(understood(&of(), &without).unwrap().newest, None);
    }

    #[test]
    fn what_pgbackrest_says_is_wrong_is_repeated() {
        let missing = r#"[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"main",
            "repo":[{"cipher":"none","key":1,"status":{"code":1,"message":"missing stanza path"}}],
            "status":{"code":1,"lock":{"backup":{"held":false}},"message":"missing stanza path"}}]"#;
        assert_eq!(understood(&of(), missing).unwrap().wrong.as_deref(), Some("repository 1: missing stanza path"));
        assert!(understood(&of(), "[]").unwrap().wrong.unwrap().contains("no such stanza"));
        assert!(understood(&of(), "").is_err());
        let none = missing.replace("\"code\":1", "\"code\":2").replace("missing stanza path", "no valid backups");
        let seen = understood(&of(), &none).unwrap();
        assert_eq!((seen.wrong, seen.base_at), (None, None));
    }
}
