//! The name of a Pub/Sub topic.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A topic of Google Pub/Sub: `projects/PROJECT/topics/TOPIC`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PubsubTopic(String);

impl PubsubTopic {
    /// The topic as Google writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PubsubTopic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || invalid("this is not the name of a Pub/Sub topic").hint("write projects/PROJECT/topics/TOPIC");
        let word = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':');
            (3..=255).contains(&text.len())
                && text.chars().all(plain)
                && !text.contains("..")
                && text.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        match text.split('/').collect::<Vec<_>>()[..] {
            ["projects", project, "topics", topic] if word(project) && word(topic) => Ok(Self(text.to_owned())),
            _ => Err(refuse()),
        }
    }
}

impl TryFrom<String> for PubsubTopic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<PubsubTopic> for String {
    fn from(topic: PubsubTopic) -> Self {
        topic.0
    }
}

impl fmt::Display for PubsubTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_project_and_a_name_and_nothing_else() {
        assert_eq!("projects/acme/topics/alerts".parse::<PubsubTopic>().unwrap().as_str(), "projects/acme/topics/alerts");
        for bad in ["", "alerts", "projects/acme/topics/", "projects/acme/topics/a/b", "projects/../topics/abc", "projects/a c/topics/abc"]
        {
            assert!(bad.parse::<PubsubTopic>().is_err(), "{bad}");
        }
    }
}
