//! Keys of KMS, in one region: how they stand, and whether they still open what they closed.
//!
//! Every byte that is closed or opened here bears an encryption context of our own. The right to use keys is given for that
//! context alone, so that nothing else of theirs can be opened with it.

use super::{
    call::{Call, CallError, Service},
    error::{Asked, code},
    shared::Aws,
};
use crate::{
    clock::Timestamp,
    domain::{place::Place, posture::KeySeen},
    error::{Result, failed},
    ports::Keys,
};
use async_trait::async_trait;
use aws_config::SdkConfig;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// KMS answers at once, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is closed and opened: nothing that anybody needs.
const TEXT: &[u8] = b"Lastgood sees whether this key still opens what it closed.";

/// The keys of one region, of our own account or of another.
#[derive(Debug)]
pub struct AwsKeys {
    place: Place,
    kms: Call,
}

impl AwsKeys {
    /// Opens the keys at `aws://region` or `aws://region/account`.
    pub async fn open(aws: &Aws, place: &Place) -> Result<Self> {
        let config = match place.prefix() {
            "" => aws.in_region(place.bucket(), PATIENCE).await,
            account => aws.in_account(place.bucket(), account, PATIENCE).await?,
        };
        Ok(Self { place: place.clone(), kms: Call::new(&config, Service::Kms) })
    }

    fn told(&self, action: &str, name: &str, error: &CallError) -> crate::error::Error {
        Asked { action, of: &format!("{name} at {}", self.place) }.refused_by(|_| None, error)
    }

    async fn ask<T: for<'a> Deserialize<'a>>(&self, action: &str, name: &str, body: &Value) -> Result<Result<T, String>> {
        let operation = action.split_once(':').map_or(action, |(_, operation)| operation);
        match self.kms.json(&format!("TrentService.{operation}"), body).await {
            Ok(reply) => {
                Ok(Ok(serde_json::from_slice(&reply).map_err(|error| failed(format!("reading what {action} answered")).because(error))?))
            }
            Err(error) => unusable(&error).map(Err).ok_or_else(|| self.told(action, name, &error)),
        }
    }
}

fn context() -> Value {
    json!({ "lastgood": "proof" })
}

/// What KMS says of a key that opens nothing, or not this.
fn unusable(error: &CallError) -> Option<String> {
    let why = match code(error) {
        "DisabledException" => "is disabled",
        "NotFoundException" => "is gone",
        "KMSInvalidStateException" => "is to be deleted, or its material is gone",
        "KeyUnavailableException" => "is out of its keeper's reach",
        "InvalidKeyUsageException" => "is of a kind that encrypts nothing",
        "IncorrectKeyException" | "InvalidCiphertextException" => "does not open what it closed",
        _ => return None,
    };
    Some(why.to_owned())
}

#[derive(Deserialize)]
struct Described {
    #[serde(rename = "KeyMetadata")]
    key: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    key_state: Option<String>,
    deletion_date: Option<f64>,
    key_manager: Option<String>,
}

impl Metadata {
    fn unusable(&self) -> Option<String> {
        match self.key_state.as_deref() {
            Some("Enabled") | None => None,
            Some("Disabled") => Some("is disabled".to_owned()),
            Some("PendingDeletion") => Some(match self.deletion_date.and_then(moment) {
                Some(at) => format!("is to be deleted on {at}"),
                None => "is to be deleted".to_owned(),
            }),
            Some(other) => Some(format!("is in state {other}")),
        }
    }
}

/// A moment of JSON 1.1: seconds since 1970, with a fraction.
#[expect(clippy::cast_possible_truncation, reason = "whole seconds are meant")]
fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_second(seconds as i64).ok()
}

#[async_trait]
impl Keys for AwsKeys {
    async fn key(&self, name: &str) -> Result<KeySeen> {
        let found = self.ask::<Described>("kms:DescribeKey", name, &json!({ "KeyId": name })).await?;
        Ok(KeySeen { name: name.to_owned(), unusable: found.map_or_else(Some, |found| found.key.unusable()) })
    }

    async fn close(&self, name: &str) -> Result<Option<Vec<u8>>> {
        #[derive(Deserialize)]
        struct Closed {
            #[serde(rename = "CiphertextBlob")]
            bytes: String,
        }
        let found = self.ask::<Described>("kms:DescribeKey", name, &json!({ "KeyId": name })).await?;
        if found.is_ok_and(|found| found.key.key_manager.as_deref() == Some("AWS")) {
            return Ok(None);
        }
        let body = json!({ "KeyId": name, "Plaintext": BASE64_STANDARD.encode(TEXT), "EncryptionContext": context() });
        let closed = self.ask::<Closed>("kms:Encrypt", name, &body).await?.map_err(|why| failed(format!("{name} {why}")))?;
        Ok(Some(BASE64_STANDARD.decode(closed.bytes).map_err(|error| failed("KMS answered no bytes").because(error))?))
    }

    async fn open(&self, name: &str, closed: &[u8]) -> Result<KeySeen> {
        #[derive(Deserialize)]
        struct Opened {
            #[serde(rename = "Plaintext")]
            bytes: String,
        }
        let body = json!({ "KeyId": name, "CiphertextBlob": BASE64_STANDARD.encode(closed), "EncryptionContext": context() });
        let opened = self.ask::<Opened>("kms:Decrypt", name, &body).await?;
        let unusable = match opened {
            Ok(opened) if BASE64_STANDARD.decode(&opened.bytes).is_ok_and(|bytes| bytes == TEXT) => None,
            Ok(_) => Some("does not open what it closed".to_owned()),
            Err(why) => Some(why),
        };
        Ok(KeySeen { name: name.to_owned(), unusable })
    }
}

/// Looks at one key with a configuration that is at hand.
pub(super) async fn look(config: &SdkConfig, place: &Place, name: &str) -> Result<KeySeen> {
    AwsKeys { place: place.clone(), kms: Call::new(config, Service::Kms) }.key(name).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Kind, ports::Secret, providers::aws::Access};
    use axum::{Router, extract::State, http::HeaderMap};
    use std::sync::{Arc, Mutex};

    type Answers = Arc<Mutex<Vec<(u16, String)>>>;

    /// The keys of a KMS that gives these answers in turn.
    async fn keys(answers: &[(u16, &str)]) -> AwsKeys {
        async fn answer(State(answers): State<Answers>, headers: HeaderMap) -> (axum::http::StatusCode, String) {
            assert!(headers["x-amz-target"].to_str().unwrap().starts_with("TrentService."));
            let (status, body) = answers.lock().unwrap().remove(0);
            (status.try_into().unwrap(), body)
        }
        let answers: Answers = Arc::new(Mutex::new(answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
        let router = Router::new().fallback(answer).with_state(answers);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let access = Access { endpoint, credentials: Some(("AKIDTEST".to_owned(), Secret::new("a-secret-for-tests-only"))) };
        AwsKeys::open(&Aws::new(access), &"aws://eu-west-1".parse().unwrap()).await.unwrap()
    }

    const ENABLED: &str = r#"{"KeyMetadata":{"KeyId":"k","KeyState":"Enabled","KeyManager":"CUSTOMER"}}"#;

    #[tokio::test]
    async fn a_key_that_only_its_service_may_use_is_not_tried() {
        let of_amazon = r#"{"KeyMetadata":{"KeyId":"k","KeyState":"Enabled","KeyManager":"AWS"}}"#;
        assert_eq!(keys(&[(200, of_amazon)]).await.close("alias/aws/rds").await.unwrap(), None);
        let closed = keys(&[(200, ENABLED), (200, r#"{"CiphertextBlob":"AQID"}"#)]).await.close("k").await.unwrap();
        assert_eq!(closed.as_deref(), Some(&[1, 2, 3][..]));
    }

    #[tokio::test]
    async fn every_state_in_which_a_key_opens_nothing_is_told() {
        for (answer, word) in [
            ((200, r#"{"KeyMetadata":{"KeyState":"Disabled"}}"#), "is disabled"),
            ((200, r#"{"KeyMetadata":{"KeyState":"PendingDeletion","DeletionDate":1.7958816E9}}"#), "is to be deleted on 2026-11-28"),
            ((200, r#"{"KeyMetadata":{"KeyState":"PendingImport"}}"#), "PendingImport"),
            ((400, r#"{"__type":"NotFoundException","message":"no"}"#), "is gone"),
        ] {
            let seen = keys(&[answer]).await.key("k").await.unwrap();
            assert!(seen.unusable.as_deref().is_some_and(|why| why.contains(word)), "{seen:?}");
        }
        assert_eq!(keys(&[(200, ENABLED)]).await.key("k").await.unwrap().unusable, None);
    }

    #[tokio::test]
    async fn what_does_not_come_back_as_it_was_is_told_and_a_right_that_is_missing_is_an_error() {
        let text = format!(r#"{{"Plaintext":"{}"}}"#, BASE64_STANDARD.encode(TEXT));
        assert_eq!(keys(&[(200, &text)]).await.open("k", b"x").await.unwrap().unusable, None);
        for (answer, word) in [
            ((200, r#"{"Plaintext":"AQID"}"#), "does not open what it closed"),
            ((400, r#"{"__type":"IncorrectKeyException"}"#), "does not open what it closed"),
            ((400, r#"{"__type":"InvalidCiphertextException"}"#), "does not open what it closed"),
            ((400, r#"{"__type":"DisabledException"}"#), "is disabled"),
            ((400, r#"{"__type":"KMSInvalidStateException"}"#), "to be deleted"),
        ] {
            let seen = keys(&[answer]).await.open("k", b"x").await.unwrap();
            assert!(seen.unusable.as_deref().is_some_and(|why| why.contains(word)), "{answer:?}: {seen:?}");
        }
        let error = keys(&[(400, r#"{"__type":"AccessDeniedException","message":"no"}"#)]).await.open("k", b"x").await.unwrap_err();
        assert_eq!(error.kind(), Kind::Denied);
        assert!(error.full().contains("kms:Decrypt"), "{}", error.full());
    }
}
