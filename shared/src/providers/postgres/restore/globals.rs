//! Roles before data: only those that are missing, never a password, never a right that could hurt.
//!
//! A dump of globals is read as statements of the few kinds that `pg_dumpall` writes; everything else in it is left out.
//! What this makes is tagged in a comment until the restore has ended well, so that a failed one takes it back.

use crate::{
    clock::Timestamp,
    error::{During, Result, conflict},
    providers::postgres::connect::{ident, literal, sql_error},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Client;

/// What a comment says of a role or a database that is ours until further notice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// What it was made for.
    pub lastgood: String,
    /// Until when; afterwards any invocation may remove it.
    pub expires: Timestamp,
    /// The asset.
    pub asset: String,
    /// Whether a restore into it has ended well.
    #[serde(default)]
    pub restored: bool,
}

impl Tag {
    /// Reads a comment; none if it is not a tag of ours.
    pub fn read(comment: &str) -> Option<Self> {
        serde_json::from_str(comment).ok()
    }

    /// The tag as a comment.
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// How much of a role's attributes is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// None: the role exists so that it can own things. For drills.
    OwnerOnly,
    /// All but those that stand above a database: superuser, replication, bypassing row security.
    AsRecorded,
}

/// The roles of a dump of globals.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Role → its attributes, as `pg_dumpall` writes them.
    attributes: BTreeMap<String, Vec<String>>,
    /// Role, and the role that it is a member of.
    memberships: Vec<(String, String)>,
}

impl Roles {
    /// Reads a dump of globals.
    pub fn read(sql: &str) -> Self {
        let mut roles = Self::default();
        for line in sql.lines() {
            let words = words(line);
            let word = |index: usize| words.get(index).map(String::as_str);
            match (word(0), word(1)) {
                (Some("CREATE"), Some("ROLE")) => {
                    if let Some(role) = word(2) {
                        roles.attributes.entry(role.to_owned()).or_default();
                    }
                }
                (Some("ALTER"), Some("ROLE")) if word(3) == Some("WITH") => {
                    if let Some(role) = word(2) {
                        roles.attributes.insert(role.to_owned(), attributes(&words[4..]));
                    }
                }
                (Some("GRANT"), Some(of)) if word(2) == Some("TO") => {
                    if let Some(member) = word(3) {
                        roles.memberships.push((member.to_owned(), of.to_owned()));
                    }
                }
                _ => {}
            }
        }
        roles
    }

    /// Roles of these names, without attributes.
    pub fn named(names: &[String]) -> Self {
        Self { attributes: names.iter().map(|name| (name.clone(), Vec::new())).collect(), memberships: Vec::new() }
    }

    /// Makes those that are missing, tagged, and returns their names.
    pub async fn make_missing(&self, client: &Client, rights: Rights, tag: &Tag) -> Result<Vec<String>> {
        let rows = client.query("select rolname from pg_roles", &[]).await.map_err(|error| sql_error(&error))?;
        let there: BTreeSet<String> = rows.into_iter().map(|row| row.get(0)).collect();
        let mut made = Vec::new();
        let missing = |role: &&String| !there.contains(*role) && !role.starts_with("pg_");
        for role in self.attributes.keys().filter(missing) {
            let recorded = match rights {
                Rights::OwnerOnly => "NOLOGIN".to_owned(),
                Rights::AsRecorded => self.attributes.get(role).map(|all| all.join(" ")).unwrap_or_default(),
            };
            let sql =
                format!("create role {name} {recorded}; comment on role {name} is {tag}", name = ident(role), tag = literal(&tag.text()));
            client.batch_execute(&sql).await.map_err(|error| sql_error(&error)).during(format!("making role {role}"))?;
            made.push(role.clone());
        }
        for (member, of) in self.memberships.iter().filter(|(member, _)| made.contains(member)) {
            let sql = format!("grant {} to {}", ident(of), ident(member));
            client.batch_execute(&sql).await.map_err(|error| sql_error(&error)).during(format!("making {member} a member of {of}"))?;
        }
        Ok(made)
    }
}

/// Drops the roles that carry this name's tag. One that has come to own something else is left, and named.
pub async fn drop_tagged(client: &Client, name: &str) -> Result<()> {
    let mut kept = Vec::new();
    for role in tagged(client, name).await? {
        if client.batch_execute(&format!("drop role if exists {}", ident(&role))).await.is_err() {
            kept.push(role);
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    Err(conflict(format!("roles that were made for {name} are in use elsewhere: {}", kept.join(", ")))
        .hint("look who uses them, then drop them by hand or remove their comment"))
}

/// Keeps the roles that carry this name's tag: they are the operator's from now on.
pub async fn keep_tagged(client: &Client, name: &str) -> Result<()> {
    for role in tagged(client, name).await? {
        client.batch_execute(&format!("comment on role {} is null", ident(&role))).await.map_err(|error| sql_error(&error))?;
    }
    Ok(())
}

async fn tagged(client: &Client, name: &str) -> Result<Vec<String>> {
    let sql = "select rolname, shobj_description(oid, 'pg_authid') from pg_roles where shobj_description(oid, 'pg_authid') like '{%'";
    let rows = client.query(sql, &[]).await.map_err(|error| sql_error(&error))?;
    let ours = |comment: &str| Tag::read(comment).is_some_and(|tag| tag.lastgood == name);
    Ok(rows.into_iter().filter(|row| ours(row.get(1))).map(|row| row.get(0)).collect())
}

fn attributes(words: &[String]) -> Vec<String> {
    const KNOWN: [&str; 8] = ["INHERIT", "NOINHERIT", "CREATEROLE", "NOCREATEROLE", "CREATEDB", "NOCREATEDB", "LOGIN", "NOLOGIN"];
    words.iter().filter(|word| KNOWN.contains(&word.as_str())).cloned().collect()
}

/// Splits a statement into words; a quoted identifier is one word, without its quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim().trim_end_matches(';');
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut word = String::new();
            let mut chars = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((at, c)) = chars.next() {
                if c != '"' {
                    word.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
                    chars.next();
                    word.push('"');
                } else {
                    end = at + 1;
                    break;
                }
            }
            words.push(word);
            rest = quoted[end..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            words.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_a_dump_of_globals_are_read_without_what_could_hurt() {
        let roles = Roles::read(
            "\\restrict abc\nSET default_transaction_read_only = off;\nCREATE ROLE app;\n\
             ALTER ROLE app WITH SUPERUSER INHERIT NOCREATEROLE NOCREATEDB LOGIN REPLICATION BYPASSRLS PASSWORD 'x';\n\
             CREATE ROLE \"Odd \"\"Role\";\nALTER ROLE \"Odd \"\"Role\" WITH NOLOGIN;\n\
             ALTER ROLE app SET search_path TO 'x';\nGRANT \"Odd \"\"Role\" TO app GRANTED BY postgres;\n\\! touch /tmp/evil\n",
        );
        let attributes: Vec<_> = roles.attributes.iter().map(|(role, all)| format!("{role}: {}", all.join(" "))).collect();
        assert_eq!(attributes, ["Odd \"Role: NOLOGIN", "app: INHERIT NOCREATEROLE NOCREATEDB LOGIN"]);
        assert_eq!(roles.memberships, [("app".to_owned(), "Odd \"Role".to_owned())]);
    }

    #[test]
    fn only_our_own_comments_are_tags() {
        let tag =
            Tag { lastgood: "x".into(), expires: "2026-11-20T06:00:00Z".parse().unwrap(), asset: "orders-db".into(), restored: false };
        assert_eq!(Tag::read(&tag.text()), Some(tag));
        assert_eq!(Tag::read("{\"a\": 1}"), None);
        assert_eq!(Tag::read("the shop's main database"), None);
    }
}
