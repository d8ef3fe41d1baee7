//! Restoring for real: a new instance or cluster beside the source, set up as the source was.
//!
//! RDS brings back the data and little else. What was recorded of the source is asked for anew, what cannot be asked for at a
//! restore is changed afterwards, and what then still differs is told. Nothing that exists is ever changed or removed, but
//! what this very restore began.

mod begin;
mod change;

use super::{
    Shape,
    body::Body,
    difference::{label, said},
    look::Region,
    restore::{self, held},
    settings::text,
    status::Stage,
    tags,
};
use crate::{
    catalog::Vault,
    clock::Clock,
    domain::{
        backup::{Expectations, Form, Manifest, Method},
        compare::{CheckResult, shown},
    },
    env::Progress,
    error::{Result, failed, invalid, refused, retry},
    ports::{NewInstance, RestoreTarget},
    providers::{aws::Aws, managed::Pauses},
};
use async_trait::async_trait;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What differs in every restore: where it happens to run, what is not a setting, and a public address, which it never gets.
const PASSING: [&str; 3] = ["availability_zone", "database", "publicly_accessible"];

/// A new instance or cluster that an asset is restored into.
pub struct Beside {
    aws: Arc<Aws>,
    new: NewInstance,
    source: String,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
}

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside").field("new", &self.new).finish_non_exhaustive()
    }
}

impl Beside {
    /// Restores beside the instance or cluster `source`. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, mut new: NewInstance, source: &str, clock: Arc<dyn Clock>, progress: Arc<dyn Progress>) -> Self {
        // As RDS keeps it.
        new.name.make_ascii_lowercase();
        Self { aws, new, source: source.to_owned(), clock, progress }
    }

    async fn region(&self, backup: &Manifest) -> Result<Region> {
        Region::open(&self.aws, &held(backup)?.place).await
    }

    /// Looks what bears the name: nothing, or what an earlier attempt at this very restore began. Anything else is refused.
    async fn begun(&self, region: &Region, backup: &Manifest) -> Result<Option<Body>> {
        let name = &self.new.name;
        if name.eq_ignore_ascii_case(&self.source) {
            return Err(
                refused(format!("{name} is the source itself")).hint("name a new instance: the old one is kept until you let it go")
            );
        }
        let Some(found) = Body::of(region, name).await? else { return Ok(None) };
        restore::refuse_source(&found, backup)?;
        if tags::restored(found.tags()) != Some(backup.id) {
            return Err(refused(format!("{name} at {} exists and is not of this restore", region.place))
                .hint("name a new instance; nothing was touched"));
        }
        Ok(Some(found))
    }

    /// Waits until it is up, its instances with it. One that came up open to the internet is closed by nobody but a person.
    async fn up(&self, region: &Region, backup: &Manifest) -> Result<Body> {
        let mut pauses = Pauses::new(&*self.clock);
        loop {
            let found = self.begun(region, backup).await?;
            let found = found.ok_or_else(|| retry(format!("{} at {} is gone", self.new.name, region.place)))?;
            if found.is_public() {
                return Err(refused(format!("{} came up with a public address", self.new.name))
                    .hint("nothing was switched over: remove it, and mend the subnet group before the next try"));
            }
            match found.stage() {
                Stage::Up if self.is_whole(&found, backup)? => return Ok(found),
                Stage::Up => self.begin_members(region, &found, backup).await?,
                Stage::AtWork if found.lacks_instance() => self.begin_members(region, &found, backup).await?,
                Stage::AtWork => {}
                Stage::Leaving => return Err(retry(format!("{} is being removed", self.new.name))),
                Stage::Broken(_) => {
                    return Err(failed(format!("RDS gave up {}: {}", self.new.name, found.status()))
                        .hint("look at its events in RDS, remove it, and try another backup or network"));
                }
            }
            pauses.wait().await;
        }
    }
}

#[async_trait]
impl RestoreTarget for Beside {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("rds:{}", self.new.name)
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        let held = held(backup)?;
        if held.settings.is_empty() {
            return Err(invalid("the manifest does not say how the source was set up"));
        }
        let region = self.region(backup).await?;
        let begun = self.begun(&region, backup).await?;
        let (kind, members) = match Shape::of(&held.reference) {
            Shape::Instance => ("instance", Vec::new()),
            Shape::Cluster => ("cluster", self.members(backup)?),
        };
        if begun.is_none() {
            self.refuse_strange_members(&region, &members).await?;
        }
        let (subnet_group, security_groups) = self.network(&held.settings);
        let had = if backup.method == Method::PointInTime { "that the source has now" } else { "that the source had" };
        let mut steps = vec![
            match begun {
                Some(_) => format!("go on with {}, which this restore began before", self.new.name),
                None => format!("restore {} as a new {kind} {} at {}", restore::said(backup, held), self.new.name, region.place),
            },
            format!("in subnet group {}, security groups {}", subnet_group.as_deref().unwrap_or("default"), security_groups.join(", ")),
            format!("with the class, parameter groups, storage, zones, protection, logs and tags {had}"),
        ];
        if !members.is_empty() {
            let class = text(&held.settings, "class").unwrap_or_default();
            steps.push(format!("give it its instances, of class {class}: {}", members.join(", ")));
        }
        steps.push("wait until it is up, which takes minutes; then its own backups, windows and storage limit as the source's".to_owned());
        steps.push("compare every one of these settings with what it then has, and tell what differs".to_owned());
        Ok(steps)
    }

    async fn restore(&self, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.plan(backup).await?;
        let region = self.region(backup).await?;
        let gauge = self.progress.begin(&format!("restoring {} into {}", backup.id, self.new.name), None);
        if self.begun(&region, backup).await?.is_none() {
            self.begin(&region, backup).await?;
        }
        self.up(&region, backup).await?;
        self.change(&region, backup).await?;
        drop(gauge);
        Ok([("rds".to_owned(), held(backup)?.engine.clone())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    async fn set_up(&self, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let region = self.region(backup).await?;
        let found = self.up(&region, backup).await?.settings();
        let held = held(backup)?;
        let elsewhere = |name: &str| match name {
            "subnet_group" => self.new.subnet_group.is_some(),
            "security_groups" => !self.new.security_groups.is_empty(),
            _ => PASSING.contains(&name),
        };
        // A copy is encrypted under the key of its place, and so is what is restored from it.
        let expected = |name: &str, value: &Value| match (name, &held.key) {
            ("kms_key", Some(key)) => key.clone(),
            _ => shown(Some(value)),
        };
        let recorded = held.settings.iter().filter(|(name, _)| !elsewhere(name));
        Ok(recorded.map(|(name, value)| CheckResult::same(label(name), expected(name, value), said(&found, name))).collect())
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        vec![
            format!(
                "the master password is the one that was valid at {}: set a new one, or use your secret of that time",
                backup.data_time
            ),
            "ask it for your newest rows; blocks are fetched on first touch, so read the large tables once before you switch".to_owned(),
            format!("point the application at {} (a secret or a DNS name), then watch errors and replication", self.new.name),
            format!("keep {} until nobody needs to look at it any more", self.source),
        ]
    }
}
