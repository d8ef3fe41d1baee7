//! What an owner asks of the write-ahead log of a self-managed Postgres. pgBackRest or WAL-G archive it; we look.

use crate::{
    domain::span::Span,
    error::{Error, invalid},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// How soon write-ahead log is archived, and where it must be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WalPolicy {
    /// How long WAL may be on the server alone; 15m when not given.
    #[serde(default = "soon")]
    pub archive_within: Span,
    /// How old the newest base backup in the repository may be; 8d when not given.
    #[serde(default = "a_week")]
    pub base_within: Span,
    /// The repository that it must be found in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<WalRepository>,
}

fn soon() -> Span {
    Span::minutes(15)
}

fn a_week() -> Span {
    Span::hours(8 * 24)
}

/// A repository of WAL. Its own program is asked, with its own config: no secret of it passes through here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WalRepository {
    /// One of pgBackRest.
    Pgbackrest(PgBackRest),
    /// One of WAL-G.
    Walg(WalG),
}

/// A repository of pgBackRest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PgBackRest {
    /// The stanza.
    pub stanza: Name,
    /// Its config, where that is not `/etc/pgbackrest/pgbackrest.conf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<AbsolutePath>,
    /// Which of its repositories, by its number; all when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<u8>,
}

/// A repository of WAL-G.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WalG {
    /// Its config file: where the repository is, and with which credentials.
    pub config: AbsolutePath,
}

/// The name of a stanza: letters, digits, `_`, `-` and dots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"))]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits = (1..=100).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with(['-', '.']);
        if fits {
            Ok(Self(text))
        } else {
            Err(sentence(&invalid("not the name of a stanza").hint("write it as in pgbackrest.conf: letters, digits, _ and -")))
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// A path from the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("pattern" = "^/"))]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &std::path::Path {
        &self.0
    }
}

impl TryFrom<String> for AbsolutePath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(Self(PathBuf::from(text)));
        }
        Err(sentence(
            &invalid("not a path from the root")
                .hint("write it with a slash at its beginning: its program is started in no folder of yours"),
        ))
    }
}

fn sentence(error: &Error) -> String {
    error.sentence()
}
