//! A bus of Amazon `EventBridge`: its name in this account and region, or its ARN.

use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Where our own events go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OwnEvents {
    /// The bus that they are put on.
    pub bus: EventBus,
}

/// A bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventBus(String);

impl EventBus {
    /// The bus as AWS takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its region; none where it is the one that a function runs in.
    pub fn region(&self) -> Option<&str> {
        self.0.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2))
    }
}

impl FromStr for EventBus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let named = |name: &str| {
            (1..=256).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/'))
        };
        let fits = match text.split(':').collect::<Vec<_>>()[..] {
            [name] => named(name),
            ["arn", partition, "events", region, account, bus] => {
                partition.starts_with("aws")
                    && named(region)
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && bus.strip_prefix("event-bus/").is_some_and(named)
            }
            _ => false,
        };
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(invalid("this is no bus of EventBridge").hint("write `default`, a bus' name, or arn:aws:events:REGION:ACCOUNT:event-bus/NAME"))
    }
}

impl fmt::Display for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for EventBus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<EventBus> for String {
    fn from(bus: EventBus) -> Self {
        bus.0
    }
}

impl schemars::JsonSchema for EventBus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EventBus".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "the name of a bus of EventBridge, or its ARN",
            "pattern": "^(arn:aws[a-z-]*:events:[^:]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_is_a_name_or_an_arn() {
        assert_eq!("default".parse::<EventBus>().unwrap().region(), None);
        let bus: EventBus = "arn:aws:events:eu-west-1:123456789012:event-bus/backups".parse().unwrap();
        assert_eq!(bus.region(), Some("eu-west-1"));
        for text in ["", "a b", "arn:aws:sns:eu-west-1:123456789012:x", "arn:aws:events:eu-west-1:12:event-bus/x", "https://example.com"] {
            assert!(text.parse::<EventBus>().is_err(), "{text:?}");
        }
    }
}
