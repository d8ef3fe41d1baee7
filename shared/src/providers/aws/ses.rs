//! Amazon SES: letters, by its version 2 and without its SDK.
//!
//! A letter that SES does not take is an error. What becomes of it afterwards (bounces, spam) is to be seen at SES.

use super::{
    call::{Call, Service},
    error::{Answer, Asked, Meaning},
    shared::{Access, load},
};
use crate::{
    config::Ses as Settings,
    domain::tell::Message,
    error::{Kind, Result, invalid},
    ports::{Letter, Notifier},
    providers::notify::letter,
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A reply takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
const SEND: &str = "/v2/email/outbound-emails";

/// One sender at SES.
#[derive(Debug)]
pub struct Ses {
    channel: String,
    settings: Settings,
    access: Access,
    call: OnceCell<Call>,
}

impl Ses {
    /// A sender, reached at the first delivery.
    pub fn new(channel: String, settings: Settings, access: Access) -> Self {
        Self { channel, settings, access, call: OnceCell::new() }
    }

    async fn call(&self) -> Result<&Call> {
        let open = || async {
            let loaded = load(&self.access, self.settings.region.as_deref(), PATIENCE).await;
            if loaded.region().is_none() {
                return Err(invalid("the region of SES is not known").hint("add `region: eu-west-1` to the channel, or set AWS_REGION"));
            }
            Ok(Call::new(&loaded, Service::Ses))
        };
        self.call.get_or_try_init(open).await
    }

    async fn send(&self, letter: &Letter) -> Result<()> {
        let text = |data: &str| json!({ "Data": data, "Charset": "UTF-8" });
        let mut simple = json!({ "Subject": text(&letter.subject), "Body": { "Text": text(&letter.text), "Html": text(&letter.html) } });
        if let (Some((name, page)), Some(simple)) = (&letter.page, simple.as_object_mut()) {
            let beside = json!({
                "FileName": name, "ContentType": "text/html", "ContentDisposition": "ATTACHMENT", "RawContent": STANDARD.encode(page)
            });
            simple.insert("Attachments".to_owned(), Value::Array(vec![beside]));
        }
        let body = json!({
            "FromEmailAddress": self.settings.from,
            "Destination": { "ToAddresses": self.settings.to },
            "Content": { "Simple": simple },
        });
        let sent = self.call().await?.rest("POST", SEND, Some(&body)).await;
        sent.map(|_| ()).map_err(|error| Asked { action: "ses:SendEmail", of: self.domain() }.refused_by(table, &error))
    }

    /// The domain that letters come from: an address is nobody's business in an error.
    fn domain(&self) -> &str {
        self.settings.from.rsplit('@').next().unwrap_or_default().trim_end_matches('>')
    }
}

#[async_trait]
impl Notifier for Ses {
    fn channel(&self) -> &str {
        &self.channel
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        self.send(&letter::letter(message)).await
    }

    async fn reach(&self) -> Result<String> {
        self.call().await?;
        Ok("yes as far as its region goes; --tell sends a letter".to_owned())
    }

    async fn mail(&self, letter: &Letter) -> Option<Result<()>> {
        Some(self.send(letter).await)
    }
}

/// What SES says.
fn table(answer: Answer<'_>) -> Option<Meaning> {
    const VERIFY: Option<&str> = Some("verify the sender's domain in this region, and leave the sandbox or verify the receivers");
    const SUSPENDED: Option<&str> = Some("look at the reputation of the account in SES");
    Some(match answer.code {
        "MessageRejected" | "MailFromDomainNotVerifiedException" => (Kind::Failed, "the letter was refused", VERIFY),
        "AccountSuspendedException" | "SendingPausedException" => (Kind::Denied, "sending is paused", SUSPENDED),
        "LimitExceededException" => (Kind::Retry, "the quota of letters is used up", SUSPENDED),
        "BadRequestException" => (Kind::Invalid, "the letter was refused", VERIFY),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Error,
        providers::aws::{call::Refused, error::code},
    };
    use aws_sdk_s3::{config::http::HttpResponse, error::SdkError, primitives::SdkBody};

    #[test]
    fn every_refusal_says_what_to_do() {
        for (named, status, kind, hint) in [
            ("MessageRejected", 400, Kind::Failed, "verify the sender's domain"),
            ("MailFromDomainNotVerifiedException", 400, Kind::Failed, "verify the sender's domain"),
            ("SendingPausedException", 400, Kind::Denied, "reputation"),
            ("LimitExceededException", 400, Kind::Retry, "reputation"),
            ("AccessDeniedException", 403, Kind::Denied, "ses:SendEmail"),
            ("TooManyRequestsException", 429, Kind::Retry, ""),
        ] {
            let reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let error = SdkError::service_error(Refused::read(Some(named), b"{}"), reply);
            assert_eq!(code(&error), named);
            let error: Error = Asked { action: "ses:SendEmail", of: "example.com" }.refused_by(table, &error);
            assert_eq!(error.kind(), kind, "{named}");
            assert!(error.advice().unwrap_or_default().contains(hint), "{named}: {:?}", error.advice());
        }
    }
}
