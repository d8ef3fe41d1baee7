//! All secrets of an account in one region as a set that is exported.
//!
//! The version that bears AWSCURRENT counts; its value comes with its id in one answer, so no rotation comes between them. What is to
//! be deleted is listed too, and told as such: it is still there, and nobody may read it.

use super::{CURRENT, PATIENCE, table, told};
use crate::{
    clock::Timestamp,
    error::{Error, Result, unsupported},
    providers::{
        aws::{
            error::{Asked, code},
            shared::{Aws, every_page},
        },
        secret_set::{Current, Listed, Payload, Settings, Store, Version, Without},
    },
};
use async_trait::async_trait;
use aws_sdk_secretsmanager::{
    Client, config::http::HttpResponse, error::SdkError, operation::get_secret_value::GetSecretValueOutput, types::SecretListEntry,
};
use std::sync::Arc;
use tokio::sync::OnceCell;
use zeroize::Zeroizing;

/// The secrets of one region.
#[derive(Debug)]
pub struct AwsSecretSet {
    aws: Arc<Aws>,
    pub(super) region: String,
    client: OnceCell<Client>,
}

impl AwsSecretSet {
    /// The secrets of a region, in the account that this runs in. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, region: &str) -> Self {
        Self { aws, region: region.to_owned(), client: OnceCell::new() }
    }

    pub(super) async fn client(&self) -> &Client {
        let made = self.client.get_or_init(|| async { Client::new(&self.aws.in_region(&self.region, PATIENCE).await) });
        made.await
    }

    /// Tells a refusal as ours: the action, and of which secret.
    pub(super) fn refused<E>(action: &str, name: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: aws_sdk_secretsmanager::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        Asked { action, of: &format!("secret {name}") }.refused_by(table, error)
    }
}

/// A moment as ours, where it is one.
fn moment(at: Option<&aws_sdk_secretsmanager::primitives::DateTime>) -> Option<Timestamp> {
    at.and_then(|at| Timestamp::from_second(at.secs()).ok())
}

fn listed(entry: SecretListEntry, region: &str) -> Option<Listed> {
    // A replica is written to where it comes from, and nowhere else.
    let copied = entry.primary_region().filter(|primary| *primary != region).map(|primary| format!("a replica of {primary}"));
    let tags = entry.tags().iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())));
    let stages = entry.secret_versions_to_stages();
    let current = stages.and_then(|stages| stages.iter().find(|(_, stages)| stages.iter().any(|stage| stage == CURRENT)));
    let settings = Settings {
        description: entry.description().filter(|text| !text.is_empty()).map(str::to_owned),
        kms_key: entry.kms_key_id().map(str::to_owned),
        owner: entry.owning_service().map(str::to_owned).or(copied),
        ..Settings::default()
    };
    Some(Listed {
        created: moment(entry.created_date()),
        labels: tags.collect(),
        settings,
        without: entry.deleted_date().map(|_| Without::ScheduledForDeletion),
        version: current.map(|(id, _)| id.clone()),
        name: entry.name?,
    })
}

/// The version of an answer, whole: its id and its value.
pub(super) fn version(name: &str, answer: GetSecretValueOutput) -> Result<Version> {
    let strange = |why: &str| unsupported(format!("secretsmanager:GetSecretValue on secret {name}: {why}"));
    let made = moment(answer.created_date());
    let id = answer.version_id.filter(|id| !id.is_empty()).ok_or_else(|| strange("the answer names no version"))?;
    let payload = match (answer.secret_string, answer.secret_binary) {
        (Some(text), None) => Payload::Text(Zeroizing::new(text)),
        (None, Some(bytes)) => Payload::Binary(Zeroizing::new(bytes.into_inner())),
        (Some(_), Some(_)) | (None, None) => return Err(strange("the answer holds no value, or two")),
    };
    Ok(Version { id, made, payload })
}

#[async_trait]
impl Store for AwsSecretSet {
    fn service(&self) -> &'static str {
        "AWS Secrets Manager"
    }

    fn place(&self) -> String {
        self.region.clone()
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        let client = self.client().await;
        let what = format!("the secrets of {}", self.region);
        let asked = Asked { action: "secretsmanager:ListSecrets", of: &what };
        let entries = every_page(&what, |token| async {
            let page = client.list_secrets().include_planned_deletion(true).max_results(100).set_next_token(token).send().await;
            let page = page.map_err(|error| asked.refused_by(table, &error))?;
            Ok((page.secret_list.unwrap_or_default(), page.next_token))
        });
        let listed = entries.await?.into_iter().map(|entry| listed(entry, &self.region)).collect::<Option<Vec<_>>>();
        listed.ok_or_else(|| unsupported(format!("secretsmanager:ListSecrets on {what}: a secret has no name")))
    }

    async fn current(&self, name: &str) -> Result<Current> {
        let asked = self.client().await.get_secret_value().secret_id(name).version_stage(CURRENT).send().await;
        let error = match asked {
            Ok(answer) => return version(name, answer).map(Current::Version),
            Err(error) => error,
        };
        let words = error.as_service_error().and_then(|error| error.meta().message()).unwrap_or_default();
        match code(&error) {
            // It was listed a moment ago: either nothing in it is current, or it is gone.
            "ResourceNotFoundException" => Ok(Current::Without(Without::NoVersion)),
            "InvalidRequestException" if words.contains("delet") => Ok(Current::Without(Without::ScheduledForDeletion)),
            _ => Err(told(name, &error)),
        }
    }
}
