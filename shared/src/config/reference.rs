//! References to secrets: `env:NAME`, `file:PATH`, `secret:aws:NAME[#field]`, `secret:gcp:NAME[#field]`.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf, str::FromStr};

/// Where a secret is to be found. The secret itself never stands in the config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretRef {
    /// An environment variable.
    Env(String),
    /// A file; its content without the final line break.
    File(PathBuf),
    /// AWS Secrets Manager: a name or ARN, and a field of its JSON.
    Aws {
        /// The secret's name or ARN.
        name: String,
        /// A top-level field of its JSON value.
        field: Option<String>,
    },
    /// Google Secret Manager: a name, and a field of its JSON.
    Gcp {
        /// `projects/P/secrets/S[/versions/V]`, or `S`.
        name: String,
        /// A top-level field of its JSON value.
        field: Option<String>,
    },
}

impl FromStr for SecretRef {
    type Err = Error;

    /// Reads a reference. What does not read as one may be the secret itself, so the error never repeats it.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || {
            invalid("a secret must be a reference, and this is not one")
                .hint("write env:NAME, file:PATH, secret:aws:NAME[#field] or secret:gcp:NAME[#field], and keep the value out of the config")
        };
        if text.chars().any(char::is_control) {
            return Err(refuse());
        }
        if let Some(name) = text.strip_prefix("env:") {
            let first_ok = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            let ok = first_ok && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            return if ok { Ok(Self::Env(name.to_owned())) } else { Err(refuse()) };
        }
        if let Some(path) = text.strip_prefix("file:") {
            return if path.is_empty() || path.starts_with("//") { Err(refuse()) } else { Ok(Self::File(path.into())) };
        }
        let stored = |rest: &str| {
            let (name, field) = rest.split_once('#').map_or((rest, None), |(name, field)| (name, Some(field)));
            let whole = !name.is_empty() && field.is_none_or(|field| !field.is_empty());
            whole.then(|| (name.to_owned(), field.map(str::to_owned))).ok_or_else(refuse)
        };
        if let Some(rest) = text.strip_prefix("secret:aws:") {
            return stored(rest).map(|(name, field)| Self::Aws { name, field });
        }
        match text.strip_prefix("secret:gcp:") {
            Some(rest) => stored(rest).map(|(name, field)| Self::Gcp { name, field }),
            None => Err(refuse()),
        }
    }
}

impl TryFrom<String> for SecretRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Aws { name, field: None } => write!(f, "secret:aws:{name}"),
            Self::Aws { name, field: Some(field) } => write!(f, "secret:aws:{name}#{field}"),
            Self::Gcp { name, field: None } => write!(f, "secret:gcp:{name}"),
            Self::Gcp { name, field: Some(field) } => write!(f, "secret:gcp:{name}#{field}"),
        }
    }
}

impl schemars::JsonSchema for SecretRef {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretRef".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "where a secret is to be found, never the secret itself",
            "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|secret:(aws|gcp):.+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_and_write() {
        for text in [
            "env:DATABASE_URL",
            "file:/run/secrets/db",
            "secret:aws:ops/slack#url",
            "secret:aws:x",
            "secret:gcp:y",
            "secret:gcp:projects/p/secrets/s#url",
        ] {
            assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_plaintext_secret_is_refused_and_never_repeated() {
        for text in [
            "postgres://u:hunter2@h/d",
            "hunter2",
            "env:",
            "env:A B",
            "file:",
            "file:///etc/x",
            "secret:aws:",
            "secret:gcp:#hunter2",
            "secret:azure:hunter2",
        ] {
            let error = text.parse::<SecretRef>().unwrap_err();
            assert!(!error.full().contains("hunter2"), "{text}");
        }
    }
}
