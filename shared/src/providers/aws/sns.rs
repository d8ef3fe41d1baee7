//! Amazon SNS: one message for each delivery, for people to read, with attributes for subscriptions to filter by.
//!
//! A delivery that SNS does not take is an error. What subscribers do with it afterwards is theirs.

use super::{
    error::{Answer, Asked, Meaning},
    shared::{Access, load},
};
use crate::{
    config::{Topic, TopicArn},
    domain::tell::Message,
    error::{During, Error, Kind, Result, failed},
    ports::{Notifier, Secrets},
    providers::notify::letter,
};
use async_trait::async_trait;
use aws_sdk_sns::{Client, config::http::HttpResponse, error::SdkError, operation::publish::PublishError, types::MessageAttributeValue};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::OnceCell;

/// A reply takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most values of one attribute: a filter needs a few, and all attributes together count towards a message's size.
const VALUES: usize = 100;

/// One topic.
#[derive(Debug)]
pub struct Sns {
    channel: String,
    topic: Topic,
    secrets: Arc<dyn Secrets>,
    access: Access,
    client: OnceCell<(Client, TopicArn)>,
}

impl Sns {
    /// A topic, reached at the first delivery.
    pub fn new(channel: String, topic: Topic, secrets: Arc<dyn Secrets>, access: Access) -> Self {
        Self { channel, topic, secrets, access, client: OnceCell::new() }
    }

    async fn open(&self) -> Result<(Client, TopicArn)> {
        let arn = match &self.topic {
            Topic::Named(arn) => arn.clone(),
            Topic::Referred(reference) => self.secrets.resolve(reference).await?.expose().parse::<TopicArn>().during(reference)?,
        };
        let loaded = load(&self.access, Some(arn.region()), PATIENCE).await;
        Ok((Client::new(&loaded), arn))
    }
}

#[async_trait]
impl Notifier for Sns {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        let (client, arn) = self.client.get_or_try_init(|| self.open()).await?;
        let findings = message.findings();
        let assets = findings.iter().filter_map(|finding| Some(finding.asset.as_ref()?.to_string())).collect();
        let kinds = findings.iter().map(|finding| finding.kind.slug().to_owned()).collect();
        let mut publish = client
            .publish()
            .topic_arn(arn.as_str())
            .subject(letter::subject(message))
            .message(letter::text(message))
            .message_attributes("severity", word(message.worst().as_str())?)
            .message_attributes("function", word(&message.function)?);
        if !findings.is_empty() {
            publish = publish.message_attributes("kind", words(kinds)?);
        }
        if findings.iter().any(|finding| finding.asset.is_some()) {
            publish = publish.message_attributes("asset", words(assets)?);
        }
        publish.send().await.map(|_| ()).map_err(|error| told(arn, &error))
    }

    async fn reach(&self) -> Result<String> {
        let (_, arn) = self.client.get_or_try_init(|| self.open()).await?;
        Ok(format!("yes as far as {arn} goes; --tell publishes a message"))
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

/// Tells an error of SNS as ours.
fn told(arn: &TopicArn, error: &SdkError<PublishError, HttpResponse>) -> Error {
    Asked { action: "sns:Publish", of: arn.as_str() }.refused_by(table, error)
}

/// What SNS says.
fn table(answer: Answer<'_>) -> Option<Meaning> {
    const TOPIC: Option<&str> = Some("create it, or mend `topic` in the config");
    const RIGHTS: Option<&str> = Some("allow kms:GenerateDataKey and kms:Decrypt on its KMS key to the role that this runs with");
    const KEY: Option<&str> = Some("enable the key, or give the topic another");
    Some(match answer.code {
        // Not `NotFound`: that a channel is missing is a failure of the delivery, not an answer.
        "NotFound" | "NotFoundException" => (Kind::Failed, "there is no such topic", TOPIC),
        "KMSAccessDenied" | "KMSAccessDeniedException" => (Kind::Denied, "the topic's KMS key may not be used", RIGHTS),
        "KMSDisabled" | "KMSInvalidState" | "KMSNotFound" | "KMSOptInRequired" => (Kind::Denied, "the topic's KMS key cannot be used", KEY),
        "KMSThrottling" | "KMSThrottlingException" | "Throttled" => (Kind::Retry, "the service is busy or out of reach", None),
        "InvalidSecurity" => (Kind::Denied, "the credentials were refused", Some("check the key that this runs with, and its secret")),
        "InvalidParameter" | "ParameterValueInvalid" | "InvalidParameterValue" | "ValidationError" => {
            (Kind::Invalid, "the message was refused", None)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
