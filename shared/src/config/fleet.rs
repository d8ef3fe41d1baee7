//! A fleet: one line of the config that protects whatever bears a tag.

use super::Policy;
use crate::{
    domain::{fleet::Roll, place::Place},
    error::{Error, invalid},
    id::AssetName,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// RDS instances and clusters that are kept alike because they bear the same tag. Each is an asset of its own, a member.
#[derive(Debug, Clone, Serialize)]
pub struct Fleet {
    /// Its name: that of a member is `<fleet>-<identifier>`.
    #[serde(skip)]
    pub name: AssetName,
    /// Whom it takes in.
    pub select: Select,
    /// The region that they are in.
    pub region: String,
    /// The same as a place.
    #[serde(skip)]
    pub place: Place,
    /// What its owner asks for, of each.
    #[serde(flatten)]
    pub policy: Policy,
    /// Who they are, as far as this invocation has looked.
    #[serde(skip)]
    pub roll: Roll,
}

/// The most characters of a fleet's name: what its members' snapshots are called begins with it.
pub const LONGEST: usize = 24;

/// Whom a fleet takes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// The tag that they bear: `backup=true`, or `backup` with whatever value.
    pub tag: Tag,
    /// Identifiers of former members whose leaving is known and meant: they are no finding any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<String>,
}

/// A tag: a key, and the value that it must have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag {
    /// The key.
    pub key: String,
    /// The value; any when none is given.
    pub value: Option<String>,
}

impl Tag {
    /// Whether it stands among these.
    pub fn is_among(&self, tags: &BTreeMap<String, String>) -> bool {
        tags.get(&self.key).is_some_and(|found| self.value.as_ref().is_none_or(|wanted| wanted == found))
    }
}

impl FromStr for Tag {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
        let allowed = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " _.:/=+-@".contains(c));
        let fits = (1..=128).contains(&key.chars().count()) && value.is_none_or(|value| value.chars().count() <= 256);
        if !fits || key.trim() != key || !allowed(key) || !value.is_none_or(allowed) {
            return Err(invalid(format!("{:?} is not a tag", crate::redact::clip(text, 60))).hint("write KEY=VALUE, such as backup=true"));
        }
        if key.starts_with("lastgood:") {
            return Err(invalid("tags that begin with lastgood: are ours").hint("select by a tag of your own, such as backup=true"));
        }
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned) })
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.to_string()
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

impl schemars::JsonSchema for Tag {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tag".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "a tag: KEY=VALUE, or KEY with whatever value",
            "pattern": "^[^=]{1,128}(=.{0,256})?$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_and_writes_and_matches_whole_values_only() {
        let tags = BTreeMap::from([("backup".to_owned(), "true".to_owned()), ("team".to_owned(), "a=b".to_owned())]);
        let among = |text: &str| {
            let tag: Tag = text.parse().unwrap();
            assert_eq!(tag.to_string(), text);
            tag.is_among(&tags)
        };
        assert!(among("backup=true") && among("backup") && among("team=a=b"));
        assert!(!among("backup=True") && !among("Backup=true") && !among("backup=") && !among("back=true"));
        for text in ["", "=true", " backup=true", "lastgood:asset=x", "a\nb=c", "a=<script>"] {
            assert!(text.parse::<Tag>().is_err(), "{text:?}");
        }
    }
}
