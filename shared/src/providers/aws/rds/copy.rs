//! Copying a snapshot to another region or account, under the key that the policy names there.

use super::{Shape, error::is_taken, look::Region, presign::presigned, seen, settings, tags};
use crate::{
    clock::Timestamp,
    domain::held::{Held, Label},
    error::{Result, invalid, not_found, unsupported},
};
use aws_sdk_rds::types::Tag;

/// One copy: of what, from where, to where, under which key.
#[derive(Debug)]
pub(super) struct Copy<'a> {
    pub(super) here: &'a Region,
    pub(super) from: &'a Region,
    pub(super) key: Option<&'a str>,
    pub(super) label: &'a Label,
    pub(super) of: &'a Held,
    pub(super) now: Timestamp,
}

/// What is carried over from the original.
struct Original {
    option_group: Option<String>,
    tags: Vec<Tag>,
}

impl Copy<'_> {
    /// Begins it. Returns false where the name is taken already.
    pub(super) async fn begin(&self) -> Result<bool> {
        self.check()?;
        let original = self.original().await?;
        if !self.here.place.prefix().is_empty() {
            self.share().await?;
        }
        match Shape::of(&self.of.reference) {
            Shape::Instance => self.of_instance(original).await,
            Shape::Cluster => self.of_cluster(original).await,
        }
    }

    /// Refuses what RDS would refuse later, or half-way.
    fn check(&self) -> Result<()> {
        let Self { here, key, of, .. } = self;
        if here.place == of.place {
            return Err(invalid(format!("{} is held at {} already", of.name, of.place)));
        }
        match key {
            None if of.encrypted => Err(invalid(format!("{} is encrypted, and a copy of it at {} needs a key there", of.name, here.place))
                .hint(format!("name a key of {} as `kms_key` of this entry under `copies`", here.name()))),
            Some(key) if key.starts_with("arn:") && key.split(':').nth(3) != Some(here.name()) => {
                Err(invalid(format!("{key} is not a key of {}", here.name())).hint("a copy is encrypted with a key of the region it is in"))
            }
            Some(_) if !of.encrypted && Shape::of(&of.reference) == Shape::Cluster => {
                Err(unsupported(format!("{} is not encrypted, and RDS cannot encrypt a cluster's snapshot while it copies it", of.name))
                    .hint("encrypt the cluster, or leave `kms_key` out"))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn original(&self) -> Result<Original> {
        let gone = || not_found(format!("snapshot {} is gone from {}", self.of.name, self.of.place));
        Ok(match Shape::of(&self.of.reference) {
            Shape::Instance => {
                let original = self.from.snapshot(&self.of.name).await?.ok_or_else(gone)?;
                let option_group = original.option_group_name().filter(|group| !settings::is_default(group) && !group.is_empty());
                Original {
                    tags: tags::of_copy(self.label, seen::moment_of_instance(&original), original.tag_list()),
                    option_group: option_group.map(str::to_owned),
                }
            }
            Shape::Cluster => {
                let original = self.from.cluster_snapshot(&self.of.name).await?.ok_or_else(gone)?;
                Original { tags: tags::of_copy(self.label, seen::moment_of_cluster(&original), original.tag_list()), option_group: None }
            }
        })
    }

    /// Lets the account of this place read the original. Doing it again changes nothing.
    async fn share(&self) -> Result<()> {
        let (account, name) = (self.here.place.prefix(), &self.of.name.0);
        match Shape::of(&self.of.reference) {
            Shape::Instance => {
                let call = self.from.client.modify_db_snapshot_attribute().db_snapshot_identifier(name).attribute_name("restore");
                let shared = call.values_to_add(account).send().await;
                shared.map_err(|error| self.from.told("rds:ModifyDBSnapshotAttribute", name, &error))?;
            }
            Shape::Cluster => {
                let call = self.from.client.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(name);
                let shared = call.attribute_name("restore").values_to_add(account).send().await;
                shared.map_err(|error| self.from.told("rds:ModifyDBClusterSnapshotAttribute", name, &error))?;
            }
        }
        Ok(())
    }

    /// The permission for the source region; needed for what is encrypted and comes out of another region.
    async fn permission(&self, action: &str, source: &str, target: &str) -> Result<Option<String>> {
        if !self.of.encrypted || self.from.name() == self.here.name() {
            return Ok(None);
        }
        let mut parameters = vec![("Action", action), (source, self.of.reference.as_str()), (target, self.label.name.0.as_str())];
        parameters.extend(self.key.map(|key| ("KmsKeyId", key)));
        presigned(self.from.name(), self.here, &parameters, self.now).await.map(Some)
    }

    fn told<E>(&self, action: &str, error: &aws_sdk_rds::error::SdkError<E, aws_sdk_rds::config::http::HttpResponse>) -> crate::error::Error
    where
        E: aws_sdk_rds::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let under = self.key.map(|key| format!(" under key {key}")).unwrap_or_default();
        self.here.told(action, &format!("{}{under}", self.of.reference), error)
    }

    async fn of_instance(&self, original: Original) -> Result<bool> {
        let url = self.permission("CopyDBSnapshot", "SourceDBSnapshotIdentifier", "TargetDBSnapshotIdentifier").await?;
        let call = self.here.client.copy_db_snapshot().source_db_snapshot_identifier(&self.of.reference);
        let call = call.target_db_snapshot_identifier(&self.label.name.0).set_kms_key_id(self.key.map(str::to_owned));
        let call = call.set_tags(Some(original.tags)).copy_tags(false).set_option_group_name(original.option_group);
        match call.set_pre_signed_url(url).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(self.told("rds:CopyDBSnapshot", &error)),
        }
    }

    async fn of_cluster(&self, original: Original) -> Result<bool> {
        let url =
            self.permission("CopyDBClusterSnapshot", "SourceDBClusterSnapshotIdentifier", "TargetDBClusterSnapshotIdentifier").await?;
        let call = self.here.client.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(&self.of.reference);
        let call = call.target_db_cluster_snapshot_identifier(&self.label.name.0).set_kms_key_id(self.key.map(str::to_owned));
        match call.set_tags(Some(original.tags)).copy_tags(false).set_pre_signed_url(url).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(self.told("rds:CopyDBClusterSnapshot", &error)),
        }
    }
}
