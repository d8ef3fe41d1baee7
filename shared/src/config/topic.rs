//! A topic of Amazon SNS: its ARN, which is no secret and may stand in the config, or a reference to where the ARN is.

use super::SecretRef;
use crate::error::{Error, invalid};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A topic, as the config names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Topic {
    /// By its ARN.
    Named(TopicArn),
    /// By a reference, because Terraform knows the ARN and the config does not: `env:LASTGOOD_TOPIC`.
    Referred(SecretRef),
}

/// The ARN of a standard topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicArn(String);

impl TopicArn {
    /// The topic's region: a topic is reached there and nowhere else.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The ARN as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicArn {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            invalid(format!("this is not the ARN of an SNS topic: {why}"))
                .hint("write arn:aws:sns:REGION:ACCOUNT:NAME, or a reference such as env:NAME")
        };
        let word = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        };
        let parts: Vec<&str> = text.trim().split(':').collect();
        let &["arn", partition, "sns", region, account, name] = parts.as_slice() else {
            return Err(refuse("it has not six parts, arn:…:sns:…"));
        };
        if !partition.starts_with("aws") || !word(partition, 20) || !word(region, 30) {
            return Err(refuse("its partition or region is none"));
        }
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(refuse("its account has not twelve digits"));
        }
        if name.ends_with(".fifo") {
            return Err(refuse("it is a FIFO topic, which people cannot subscribe to").hint("create a standard topic"));
        }
        if !word(name, 256) {
            return Err(refuse("its name has characters that no topic has"));
        }
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Display for TopicArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Topic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with("arn:") { text.parse().map(Self::Named) } else { text.parse().map(Self::Referred) }
    }
}

impl TryFrom<String> for Topic {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error: Error| error.sentence())
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        match topic {
            Topic::Named(arn) => arn.to_string(),
            Topic::Referred(reference) => reference.to_string(),
        }
    }
}

impl schemars::JsonSchema for Topic {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Topic".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "the ARN of a standard SNS topic, or a reference to where it is",
            "pattern": "^(arn:aws[a-z-]*:sns:[^:]+:[0-9]{12}:[A-Za-z0-9_-]+|env:.+|file:.+|secret:(aws|gcp):.+)$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_an_arn_or_a_reference() {
        let topic: Topic = "arn:aws:sns:eu-west-1:123456789012:alarms".parse().unwrap();
        let Topic::Named(arn) = topic else { panic!("named") };
        assert_eq!(arn.region(), "eu-west-1");
        assert!(matches!("env:LASTGOOD_TOPIC".parse().unwrap(), Topic::Referred(_)));
        assert!("arn:aws-us-gov:sns:us-gov-west-1:123456789012:a_b-c".parse::<Topic>().is_ok());
    }

    #[test]
    fn what_is_no_topic_is_refused() {
        for text in [
            "",
            "alarms",
            "https://example.com/hook",
            "arn:aws:sqs:eu-west-1:123456789012:alarms",
            "arn:aws:sns:eu-west-1:123456789012:alarms:21be56ed-a058-49f5-8c98-aedd2564c486",
            "arn:aws:sns:eu-west-1:1234:alarms",
            "arn:aws:sns::123456789012:alarms",
            "arn:aws:sns:eu-west-1:123456789012:alarms.fifo",
            "arn:aws:sns:eu-west-1:123456789012:al arms",
            "arn:evil:sns:eu-west-1:123456789012:alarms",
        ] {
            assert!(text.parse::<Topic>().is_err(), "{text:?}");
        }
    }
}
