//! A project of Google Cloud: its id, which is no secret.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The id of a project: 6 to 30 letters, digits and hyphens, behind the name of its domain where it has one (`example.com:acme`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProjectId(String);

impl ProjectId {
    /// The id as Google writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (domain, id) = text.split_once(':').map_or((None, text), |(domain, id)| (Some(domain), id));
        let word = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c));
        let fits = (6..=30).contains(&id.len())
            && word(id, "-")
            && id.starts_with(|c: char| c.is_ascii_lowercase())
            && !id.ends_with('-')
            && domain.is_none_or(|domain| (1..=100).contains(&domain.len()) && word(domain, "-."));
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(invalid("this is no id of a project of Google Cloud")
            .hint("write its id, such as acme-backups; neither its number nor its name"))
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for ProjectId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<ProjectId> for String {
    fn from(project: ProjectId) -> Self {
        project.0
    }
}

impl schemars::JsonSchema for ProjectId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ProjectId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "the id of a project of Google Cloud",
            "pattern": "^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_named_by_its_id() {
        for good in ["acme-prod", "example.com:acme-prod", "a12345"] {
            assert!(good.parse::<ProjectId>().is_ok(), "{good}");
        }
        for bad in ["", "acme", "123456789012", "Acme-Prod", "acme-", "acme prod", "../../projects/x", &"a".repeat(31)] {
            assert!(bad.parse::<ProjectId>().is_err(), "{bad}");
        }
    }
}
