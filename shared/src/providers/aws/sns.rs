//! Amazon SNS: one message for each delivery, for people to read, with attributes for subscriptions to filter by.
//!
//! A delivery that SNS does not take is an error. What subscribers do with it afterwards is theirs.

use super::{
    client::Settings,
    error::{Asked, code},
    shared::session,
};
use crate::{
    config::{Topic, TopicArn},
    domain::finding::{Finding, Severity},
    error::{During, Error, Result, denied, failed, invalid, retry},
    ports::{Notifier, Secrets},
    providers::notify::letter,
    redact,
};
use async_trait::async_trait;
use aws_config::Region;
use aws_sdk_sns::{Client, config::http::HttpResponse, error::SdkError, operation::publish::PublishError, types::MessageAttributeValue};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::OnceCell;

/// The most values of one attribute: a filter needs a few, and all attributes together count towards a message's size.
const VALUES: usize = 100;

/// One topic.
#[derive(Debug)]
pub struct Sns {
    channel: String,
    topic: Topic,
    secrets: Arc<dyn Secrets>,
    settings: Settings,
    client: OnceCell<(Client, TopicArn)>,
}

impl Sns {
    /// A topic, reached at the first delivery.
    pub fn new(channel: String, topic: Topic, secrets: Arc<dyn Secrets>, settings: Settings) -> Self {
        Self { channel, topic, secrets, settings, client: OnceCell::new() }
    }

    async fn open(&self) -> Result<(Client, TopicArn)> {
        let arn = match &self.topic {
            Topic::Named(arn) => arn.clone(),
            Topic::Referred(reference) => self.secrets.resolve(reference).await?.expose().parse::<TopicArn>().during(reference)?,
        };
        let config = aws_sdk_sns::config::Builder::from(&session(&self.settings).await).region(Region::new(arn.region().to_owned()));
        Ok((Client::from_conf(config.build()), arn))
    }
}

#[async_trait]
impl Notifier for Sns {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, function: &str, findings: &[Finding]) -> Result<()> {
        let (client, arn) = self.client.get_or_try_init(|| self.open()).await?;
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Note);
        let assets = findings.iter().filter_map(|finding| Some(finding.asset.as_ref()?.to_string())).collect();
        let kinds = findings.iter().map(|finding| finding.kind.slug().to_owned()).collect();
        let mut publish = client
            .publish()
            .topic_arn(arn.as_str())
            .subject(letter::subject(findings))
            .message(letter::text(function, findings))
            .message_attributes("severity", word(letter::word(worst))?)
            .message_attributes("function", word(function)?)
            .message_attributes("kind", words(kinds)?);
        if findings.iter().any(|finding| finding.asset.is_some()) {
            publish = publish.message_attributes("asset", words(assets)?);
        }
        publish.send().await.map(|_| ()).map_err(|error| told(arn, &error))
    }
}

fn word(text: &str) -> Result<MessageAttributeValue> {
    attribute("String", text.to_owned())
}

/// A list, of which a filter policy matches each member.
fn words(texts: BTreeSet<String>) -> Result<MessageAttributeValue> {
    let texts: Vec<_> = texts.into_iter().take(VALUES).collect();
    attribute("String.Array", serde_json::Value::from(texts).to_string())
}

fn attribute(kind: &str, value: String) -> Result<MessageAttributeValue> {
    let built = MessageAttributeValue::builder().data_type(kind).string_value(value).build();
    built.map_err(|error| failed("writing the message's attributes").because(error))
}

/// What the service says, as what to do next.
fn told(arn: &TopicArn, error: &SdkError<PublishError, HttpResponse>) -> Error {
    const ROLE: &str = "to the role that this runs with";
    let said = error.as_service_error().and_then(|service| service.meta().message()).unwrap_or_default();
    let told = match code(error) {
        "NotFound" | "NotFoundException" => {
            Error::new(crate::error::Kind::Failed, format!("there is no topic {arn}")).hint("create it, or mend `topic` in the config")
        }
        "AuthorizationError" | "AccessDenied" | "AccessDeniedException" => {
            denied(format!("sns:Publish to {arn}: not allowed")).hint(format!("allow sns:Publish on it {ROLE}"))
        }
        "KMSAccessDenied" | "KMSAccessDeniedException" => denied(format!("kms:GenerateDataKey for topic {arn}: not allowed"))
            .hint(format!("allow kms:GenerateDataKey and kms:Decrypt on its KMS key {ROLE}")),
        "KMSDisabled" | "KMSInvalidState" | "KMSNotFound" | "KMSOptInRequired" => {
            denied(format!("the KMS key of topic {arn} cannot be used")).hint("enable the key, or give the topic another")
        }
        "KMSThrottling" | "InternalError" | "Throttled" | "ThrottledException" => {
            retry(format!("sns:Publish to {arn}: the service is busy"))
        }
        "InvalidClientTokenId" | "InvalidSecurity" | "IncompleteSignature" | "MissingAuthenticationToken" => {
            denied(format!("sns:Publish to {arn}: the credentials were refused")).hint("check the account, role or key that this runs with")
        }
        "InvalidParameter" | "ParameterValueInvalid" | "InvalidParameterValue" | "ValidationError" => {
            invalid(format!("sns:Publish to {arn}: the message was refused"))
        }
        _ => return Asked { action: "sns:Publish", of: arn.as_str() }.refused_with(error),
    };
    if said.is_empty() { told } else { told.because(redact::clip(said, 300)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use aws_sdk_s3::primitives::SdkBody;
    use aws_sdk_sns::error::ErrorMetadata;

    #[test]
    fn every_refusal_says_what_to_do() {
        let arn: TopicArn = "arn:aws:sns:eu-west-1:123456789012:alarms".parse().unwrap();
        for (code, status, kind, hint) in [
            ("NotFound", 404, Kind::Failed, "mend `topic`"),
            ("AuthorizationError", 403, Kind::Denied, "sns:Publish"),
            ("KMSAccessDenied", 400, Kind::Denied, "kms:GenerateDataKey"),
            ("KMSDisabled", 400, Kind::Denied, "enable the key"),
            ("InvalidClientTokenId", 403, Kind::Denied, "account, role or key"),
            ("Throttled", 429, Kind::Retry, ""),
            ("InvalidParameter", 400, Kind::Invalid, ""),
            ("", 503, Kind::Retry, ""),
        ] {
            let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let meta = ErrorMetadata::builder().code(code).message("what SNS said").build();
            let error = told(&arn, &SdkError::service_error(PublishError::generic(meta), reply));
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.full().contains(arn.as_str()), "{}", error.full());
            assert!(error.advice().unwrap_or_default().contains(hint), "{code}: {:?}", error.advice());
        }
    }
}
