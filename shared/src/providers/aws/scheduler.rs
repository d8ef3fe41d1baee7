//! The schedules of `EventBridge` Scheduler that wake the functions: whether they are there, and on. They are looked at, and never
//! changed.
//!
//! Which group they are in is the deployment's matter: `infra/aws` says it to the checker as `LASTGOOD_SCHEDULES`. Where nobody
//! says it, nobody is asked.

use super::{
    call::{Call, Service, escaped},
    error::{Asked, code},
    shared::{Access, load},
};
use crate::{
    domain::freshness::ScheduleSeen,
    error::{Result, failed, invalid},
    ports::Schedules,
};
use async_trait::async_trait;
use serde::Deserialize;
use sha1::{Digest, Sha1};
use std::time::Duration;
use tokio::sync::OnceCell;

/// A reply takes no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// What names the group.
const VARIABLE: &str = "LASTGOOD_SCHEDULES";
/// A name of a schedule has 64 characters at most; `infra/aws` cuts an asset's beyond these, and adds a digest of it.
const LONGEST: usize = 50;

/// The schedules of one group.
#[derive(Debug)]
pub struct Scheduler {
    group: String,
    region: Option<String>,
    access: Access,
    call: OnceCell<Call>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Schedule {
    state: String,
}

impl Scheduler {
    /// The schedules of this group in the region of the environment, reached at the first question.
    pub fn new(group: String, access: Access) -> Self {
        Self { group, region: None, access, call: OnceCell::new() }
    }

    /// The same in another region.
    pub fn in_region(group: String, access: Access, region: &str) -> Self {
        Self { region: Some(region.to_owned()), ..Self::new(group, access) }
    }

    /// The schedules that wake what this process is a part of; none where the deployment does not say which these are.
    #[expect(clippy::disallowed_methods, reason = "which schedules wake this is the deployment's matter, not the configuration's")]
    pub fn of_this_deployment(access: &Access) -> Option<Self> {
        let group = std::env::var(VARIABLE).ok().filter(|group| !group.is_empty())?;
        Some(Self::new(group, access.clone()))
    }

    async fn open(&self) -> Result<Call> {
        let loaded = load(&self.access, self.region.as_deref(), PATIENCE).await;
        if loaded.region().is_none() {
            return Err(invalid("the region of the schedules is not known").hint("set AWS_REGION"));
        }
        Ok(Call::new(&loaded, Service::Scheduler))
    }
}

#[async_trait]
impl Schedules for Scheduler {
    async fn schedule(&self, name: &str) -> Result<ScheduleSeen> {
        let call = self.call.get_or_try_init(|| self.open()).await?;
        let name = named(name);
        let path = format!("/schedules/{}?groupName={}", escaped(&name), escaped(&self.group));
        match call.rest("GET", &path, None).await {
            Ok(reply) => {
                let read: Schedule = serde_json::from_slice(&reply.body)
                    .map_err(|error| failed(format!("reading what EventBridge Scheduler says of {name}")).because(error))?;
                match read.state.as_str() {
                    "ENABLED" => Ok(ScheduleSeen::On),
                    "DISABLED" => Ok(ScheduleSeen::Off),
                    other => Err(failed(format!("the schedule {name} is {:?}, which nobody knows", crate::redact::clip(other, 20)))),
                }
            }
            Err(error) if code(&error) == "ResourceNotFoundException" => Ok(ScheduleSeen::Absent),
            Err(error) => {
                let of = format!("{}/{name}", self.group);
                Err(Asked { action: "scheduler:GetSchedule", of: &of }.refused_by(|_| None, &error))
            }
        }
    }
}

/// A schedule's name as `infra/aws` makes it: what stands behind the first dot is an asset's name, which may be too long.
fn named(name: &str) -> String {
    match name.split_once('.') {
        Some((what, asset)) if what != "fleet" && asset.len() > LONGEST => {
            let digest = hex::encode(Sha1::digest(asset.as_bytes()));
            format!("{what}.{}-{}", &asset[..42], &digest[..7])
        }
        Some(_) | None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_as_terraform_cuts_them() {
        assert_eq!(named("export.orders-db"), "export.orders-db");
        assert_eq!(named("snapshot-trigger"), "snapshot-trigger");
        // substr(sha1("a" × 60), 0, 7)
        let long = named(&format!("export.{}", "a".repeat(60)));
        assert_eq!(long, format!("export.{}-{}", "a".repeat(42), &hex::encode(Sha1::digest("a".repeat(60)))[..7]));
        assert!(long.len() <= 64);
    }
}
