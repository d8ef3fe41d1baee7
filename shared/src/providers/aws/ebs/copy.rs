//! Copying a snapshot to another region or account, under the key that the policy names there, part by part. What was begun
//! before is not begun again; what more copies at once than EBS allows keep waiting, a later invocation begins.

use super::{
    region::{Parameters, Region, tagged, with},
    set,
    wire::{Begun, Snapshot},
};
use crate::{
    clock::Timestamp,
    domain::held::{Held, Label, Member},
    error::{Kind, Result, invalid, not_found},
    providers::aws::{marks, presign::Permission},
};
use std::collections::BTreeSet;

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

impl Copy<'_> {
    /// Begins the copies of all parts but of those volumes.
    pub(super) async fn begin(&self, but: &BTreeSet<String>) -> Result<()> {
        self.check()?;
        for member in self.of.members.iter().filter(|member| !but.contains(&member.of)) {
            let original = self.original(member).await?;
            if !self.here.place.prefix().is_empty() {
                self.share(member).await?;
            }
            let id = self.begin_one(member, &original).await?;
            let Label { asset, backup, .. } = self.label;
            tracing::info!(%asset, %backup, "{} is being copied to {} as {id}", member.reference, self.here.place);
        }
        Ok(())
    }

    /// Refuses what EBS would refuse later, or half-way.
    fn check(&self) -> Result<()> {
        let Self { here, key, of, .. } = self;
        if here.place == of.place {
            return Err(invalid(format!("{} is held at {} already", of.name, of.place)));
        }
        if of.members.is_empty() {
            return Err(invalid(format!("the manifest of {} names no snapshots of volumes", of.name)));
        }
        match key {
            Some(key) if key.starts_with("arn:") && key.split(':').nth(3) != Some(here.name()) => {
                Err(invalid(format!("{key} is not a key of {}", here.name())).hint("a copy is encrypted with a key of the region it is in"))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn original(&self, member: &Member) -> Result<Snapshot> {
        let found = self.from.snapshots(&[("snapshot-id", &member.reference)]).await?.into_iter().next();
        found.ok_or_else(|| not_found(format!("snapshot {} of {} is gone from {}", member.reference, self.of.name, self.of.place)))
    }

    /// Lets the account of this place read the original. Doing it again changes nothing.
    async fn share(&self, member: &Member) -> Result<()> {
        const DEFAULT: &str = "a snapshot under the default key aws/ebs cannot be shared: encrypt the volume with a key of your own, and let \
                               the other account use that key";
        let id = &member.reference;
        let ask = vec![
            with("SnapshotId", id),
            with("Attribute", "createVolumePermission"),
            with("OperationType", "add"),
            with("UserId.1", self.here.place.prefix()),
        ];
        match self.from.ask("ec2:ModifySnapshotAttribute", &ask).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let code = crate::providers::aws::error::code(&error).to_owned();
                let error = self.from.told("ec2:ModifySnapshotAttribute", id, &error);
                let of_key = code == "OperationNotPermitted" || (member.encrypted && error.kind() == Kind::Invalid);
                Err(if of_key { error.hint(DEFAULT) } else { error })
            }
        }
    }

    async fn begin_one(&self, member: &Member, original: &Snapshot) -> Result<String> {
        let moment = set::moment(original).unwrap_or(self.now);
        let tags = marks::of_copy(self.label, self.of.members.len(), &member.of, moment, &original.tags());
        let mut ask = vec![
            with("SourceRegion", self.from.name()),
            with("SourceSnapshotId", &member.reference),
            with("Description", format!("Lastgood: copy of {} of {}", member.reference, member.of)),
        ];
        if member.encrypted || self.key.is_some() {
            ask.push(with("Encrypted", "true"));
        }
        ask.extend(self.key.map(|key| with("KmsKeyId", key)));
        ask.extend(tagged("snapshot", &tags));
        ask.extend(self.permission(member).await?);
        let under = self.key.map(|key| format!(" under key {key}")).unwrap_or_default();
        let begun: Begun = self.here.order("ec2:CopySnapshot", &format!("{}{under}", member.reference), &ask).await?;
        Ok(begun.snapshot_id.unwrap_or_default())
    }

    /// The permission for the source region; needed for what is encrypted and comes out of another region.
    async fn permission(&self, member: &Member) -> Result<Parameters> {
        let (source, destination) = (self.from.name(), self.here.name());
        if !member.encrypted || source == destination {
            return Ok(Vec::new());
        }
        let domain = if source.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        let endpoint = format!("https://ec2.{source}.{domain}");
        let permission = Permission { service: "ec2", version: "2016-11-15", endpoint: &endpoint, source, destination };
        let mut asked = vec![("Action", "CopySnapshot"), ("SourceRegion", source), ("SourceSnapshotId", member.reference.as_str())];
        asked.push(("Encrypted", "true"));
        asked.extend(self.key.map(|key| ("KmsKeyId", key)));
        let url = permission.presigned(&self.here.config, &asked, self.now).await?;
        Ok(vec![with("PresignedUrl", url)])
    }
}
