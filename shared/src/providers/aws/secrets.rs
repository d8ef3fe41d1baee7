//! AWS Secrets Manager: `secret:aws:NAME[#field]`.
//!
//! A value is asked for once in an invocation and kept no longer than that, so that a rotation counts from the next one on.
//! Always the current version is asked for, never a staged one. A name is looked for in the region of the environment, an
//! ARN in its own.

mod back;
mod set;

pub use set::AwsSecretSet;

use super::{
    error::{Answer, Asked, Meaning},
    shared::{Access, load},
};
use crate::{
    error::{Error, Kind, Result, invalid, unsupported},
    ports::Secret,
    providers::secrets::value::Store,
    redact,
};
use aws_config::{Region, SdkConfig};
use aws_sdk_secretsmanager::{Client, config::http::HttpResponse, error::SdkError, operation::get_secret_value::GetSecretValueError};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

const STORE: Store = Store { scheme: "secret:aws:", give: GIVE };
const GIVE: &str = "give it a value with `aws secretsmanager put-secret-value`";

/// A reply takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The only version that counts. It is named on purpose: what comes without a name is not the same everywhere.
const CURRENT: &str = "AWSCURRENT";

/// The secrets of Secrets Manager, each asked for once.
#[derive(Debug, Default)]
pub struct AwsSecrets {
    access: Access,
    region: Option<String>,
    loaded: OnceCell<SdkConfig>,
    values: Mutex<HashMap<String, Arc<OnceCell<Secret>>>>,
}

impl AwsSecrets {
    /// Secrets that are reached in another way than the environment says, or in another region.
    pub fn new(access: Access, region: Option<String>) -> Self {
        Self { access, region, ..Self::default() }
    }

    /// Returns the current value of a secret, or one field of its JSON.
    pub async fn value(&self, name: &str, field: Option<&str>) -> Result<Secret> {
        let cell = self.values.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_owned()).or_default().clone();
        let whole = cell.get_or_try_init(|| self.ask(name)).await?;
        STORE.part(whole, name, field)
    }

    async fn ask(&self, name: &str) -> Result<Secret> {
        let client = self.client(name).await?;
        let answer = client.get_secret_value().secret_id(name).version_stage(CURRENT).send().await;
        let answer = answer.map_err(|error| told(name, &error))?;
        let Some(text) = answer.secret_string() else {
            return Err(unsupported(format!("secret {name} is binary"))
                .hint(format!("store it as text: aws secretsmanager put-secret-value --secret-id {name} --secret-string file://…")));
        };
        STORE.take(name, text)
    }

    async fn client(&self, name: &str) -> Result<Client> {
        let loaded = self.loaded.get_or_init(|| load(&self.access, self.region.as_deref(), PATIENCE)).await;
        let mut config = aws_sdk_secretsmanager::config::Builder::from(loaded);
        match region_of(name)? {
            Some(region) => config = config.region(Region::new(region.to_owned())),
            None if loaded.region().is_none() => {
                return Err(invalid(format!("no region is set in which to look for secret {name}"))
                    .hint("set AWS_REGION, or name the secret by its ARN, which says its region"));
            }
            None => {}
        }
        Ok(Client::from_conf(config.build()))
    }
}

/// The region of an ARN; none of a name.
fn region_of(name: &str) -> Result<Option<&str>> {
    if !name.starts_with("arn:") {
        return Ok(None);
    }
    match name.split(':').collect::<Vec<_>>().as_slice() {
        ["arn", _, "secretsmanager", region, _, "secret", _] if !region.is_empty() => Ok(Some(region)),
        _ => Err(invalid(format!("{} is not the ARN of a secret", redact::clip(&redact::text(name), 120)))
            .hint("write secret:aws:arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-XXXXXX")),
    }
}

/// Tells an error of Secrets Manager as ours.
fn told(name: &str, error: &SdkError<GetSecretValueError, HttpResponse>) -> Error {
    Asked { action: "secretsmanager:GetSecretValue", of: &format!("secret {name}") }.refused_by(table, error)
}

/// What Secrets Manager says. Every refusal has status 400, so the code decides, and where that is shared the words.
fn table(answer: Answer<'_>) -> Option<Meaning> {
    const ELSEWHERE: Option<&str> = Some("create it, or mend its name in the config; a secret of another region is named by its ARN");
    const DELETED: Option<&str> = Some("bring it back with `aws secretsmanager restore-secret`");
    const KEY: Option<&str> = Some("check that its KMS key is enabled, and allow kms:Decrypt on it to the role that this runs with");
    let says = |word: &str| answer.message.contains(word);
    Some(match answer.code {
        "ResourceNotFoundException" if says(CURRENT) => (Kind::NotFound, "it has no current value", Some(GIVE)),
        "ResourceNotFoundException" => (Kind::NotFound, "there is no such secret in this account and region", ELSEWHERE),
        "InvalidRequestException" if says("delet") => (Kind::NotFound, "it is scheduled for deletion", DELETED),
        "InvalidRequestException" => (Kind::Failed, "refused", None),
        "AccessDeniedException" | "AccessDenied" if says("KMS") || says("kms:") => (Kind::Denied, "its KMS key may not be used", KEY),
        "DecryptionFailure" => (Kind::Denied, "it cannot be decrypted", KEY),
        "InvalidSignatureException" => {
            (Kind::Denied, "the credentials were refused", Some("check the key that this runs with, and its secret"))
        }
        "InternalServiceError" | "InternalServiceErrorException" => (Kind::Retry, "the service is busy or out of reach", None),
        "InvalidParameterException" | "ValidationException" => {
            (Kind::Invalid, "the service takes no such name", Some("mend its name in the config"))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
