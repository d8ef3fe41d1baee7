//! Bringing secrets back to a region. What is there gets a new version under a stage of ours, and AWSCURRENT stays where it is; what is
//! gone is made anew. What is to be deleted, or belongs to a service of Amazon's, cannot be written to: it is made beside, under
//! another name. The id of what is written is derived from backup and name, so twice is once.

use super::{
    CURRENT,
    set::{AwsSecretSet, version},
};
use crate::{
    error::{Result, conflict, corrupt, unsupported},
    id::BackupId,
    providers::{
        aws::error::code,
        secret_set::{Brought, Keeper, Line, Listed, Payload, Way, beside},
    },
};
use async_trait::async_trait;
use aws_sdk_secretsmanager::{primitives::Blob, types::Tag};
use sha2::{Digest, Sha256};

/// The stage of versions that were brought back.
const STAGE: &str = "LASTGOOD_RESTORED";
/// The tag that says which backup a secret was brought back from.
const MARK: &str = "lastgood:restored";
/// AWS caps a name at this.
const LONGEST: usize = 512;

/// The id that a version has which is brought back: the same each time, and of the length that AWS wants.
fn token(backup: BackupId, name: &str) -> String {
    hex::encode(Sha256::digest(format!("lastgood restore {backup} {name}")))
}

/// A name that an account may give.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "/_+=.@-".contains(c) { c } else { '-' }).collect()
}

fn text(payload: &Payload) -> (Option<String>, Option<Blob>) {
    match payload {
        Payload::Text(text) => (Some(text.as_str().to_owned()), None),
        Payload::Binary(bytes) => (None, Some(Blob::new(bytes.to_vec()))),
    }
}

impl AwsSecretSet {
    /// Adds a version that is not the current one.
    async fn added(&self, name: &str, payload: &Payload, token: &str) -> Result<()> {
        let (string, binary) = text(payload);
        let put = self.client().await.put_secret_value().secret_id(name).client_request_token(token).version_stages(STAGE);
        let put = put.set_secret_string(string).set_secret_binary(binary).send().await;
        put.map(drop).map_err(|error| Self::refused("secretsmanager:PutSecretValue", name, &error))
    }

    /// Makes a secret; that one of its name is there already is for the reader to judge.
    async fn made(&self, name: &str, line: &Line, payload: &Payload, token: &str, backup: BackupId) -> Result<()> {
        let (string, binary) = text(payload);
        let tags = line.labels.iter().filter(|(key, _)| !key.starts_with("aws:") && *key != MARK);
        let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags = tags.chain([Tag::builder().key(MARK).value(backup.to_string()).build()]).collect();
        // A key of another region cannot be used here; the account's own is.
        let here = |key: &&String| !key.starts_with("arn:") || key.split(':').nth(3) == Some(self.region.as_str());
        let create = self.client().await.create_secret().name(name).client_request_token(token).set_tags(Some(tags));
        let create = create.set_description(line.settings.description.clone());
        let create = create.set_kms_key_id(line.settings.kms_key.as_ref().filter(here).cloned());
        match create.set_secret_string(string).set_secret_binary(binary).send().await {
            Ok(_) => Ok(()),
            // Of an earlier try, it has this very version; of a stranger's, it has not.
            Err(error) if code(&error) == "ResourceExistsException" => Ok(()),
            Err(error) => Err(Self::refused("secretsmanager:CreateSecret", name, &error)),
        }
    }
}

#[async_trait]
impl Keeper for AwsSecretSet {
    fn way(&self, name: &str, there: Option<&Listed>, backup: BackupId) -> Way {
        match there {
            None if plain(name) == name => Way::Anew,
            Some(there) if there.labels.get(MARK) == Some(&backup.to_string()) && there.without.is_none() => Way::Anew,
            Some(there) if there.without.is_none() && there.settings.owner.is_none() => Way::Version,
            Some(_) | None => Way::Beside(beside(&plain(name), backup, LONGEST)),
        }
    }

    async fn bring_back(&self, line: &Line, way: &Way, backup: BackupId) -> Result<String> {
        let name = match way {
            Way::Beside(name) => name,
            Way::Anew | Way::Version => &line.name,
        };
        let payload = line.payload.as_ref().ok_or_else(|| unsupported(format!("secret {name} has no value to be brought back")))?;
        let token = token(backup, name);
        match way {
            Way::Version => self.added(name, payload, &token).await?,
            Way::Anew | Way::Beside(_) => self.made(name, line, payload, &token, backup).await?,
        }
        let again = self.client().await.get_secret_value().secret_id(name).version_id(&token).send().await;
        let again = again.map_err(|error| match code(&error) {
            "ResourceNotFoundException" if *way != Way::Version => {
                conflict(format!("secret {name} is there and was not brought back from this backup"))
                    .hint("nothing was changed: once more, and it comes back beside what is there")
            }
            _ => super::told(name, &error),
        })?;
        if version(name, again)?.payload == *payload {
            return Ok(token);
        }
        Err(corrupt(format!("version {token} of secret {name} does not read back as it was written")))
    }

    fn cut_over(&self, brought: &Brought) -> String {
        let (region, name, version) = (&self.region, &brought.name, &brought.version);
        match &brought.way {
            Way::Version => {
                let former = brought.former.as_ref().map(|former| format!(" --remove-from-version-id {former}")).unwrap_or_default();
                format!(
                    "aws secretsmanager update-secret-version-stage --region {region} --secret-id {name} --version-stage {CURRENT} --move-to-version-id {version}{former}"
                )
            }
            Way::Beside(beside) => format!("let it read {beside} (--region {region}): {name} cannot be written to now"),
            Way::Anew => format!("nothing: {name} is back as version {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::{aws::shared::Aws, secret_set::Without};
    use std::sync::Arc;

    #[test]
    fn r44_what_is_there_is_never_written_over_however_it_is_brought_back() {
        let keeper = AwsSecretSet::new(Arc::new(Aws::default()), "eu-west-1");
        let backup: BackupId = "01KAFH5B00A1B2C3D4E5F6G7H8".parse().unwrap();
        let mut there = Listed { name: "ops/db".to_owned(), ..Listed::default() };
        assert_eq!(keeper.way("ops/db", None, backup), Way::Anew);
        assert_eq!(keeper.way("ops/db", Some(&there), backup), Way::Version);
        there.labels.insert(MARK.to_owned(), backup.to_string());
        assert_eq!(keeper.way("ops/db", Some(&there), backup), Way::Anew, "an earlier try made it");
        there.labels.clear();
        there.without = Some(Without::ScheduledForDeletion);
        assert_eq!(keeper.way("ops/db", Some(&there), backup), Way::Beside("ops/db--restored-e5f6g7h8".to_owned()));
        there = Listed { name: "rds!db-1".to_owned(), ..Listed::default() };
        there.settings.owner = Some("rds".to_owned());
        for seen in [Some(&there), None] {
            assert_eq!(keeper.way("rds!db-1", seen, backup), Way::Beside("rds-db-1--restored-e5f6g7h8".to_owned()));
        }
        let (a, b) = (token(backup, "a"), token(backup, "b"));
        assert!(a != b && a == token(backup, "a") && (32..=64).contains(&a.len()));
    }
}
