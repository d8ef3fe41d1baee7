//! Restoring a snapshot for real: a new instance beside the source, set up as the source was.
//!
//! RDS brings back the data and little else. What was recorded of the source is asked for anew, what cannot be asked for at a
//! restore is changed afterwards, and what then still differs is told. Nothing that exists is ever changed or removed, but
//! the instance that this very restore began.

use super::{
    Shape,
    difference::{label, said, say},
    error::{is_busy, is_taken},
    look::Region,
    restore::held,
    settings::{self, Settings, number, text},
    status::{self, Stage},
    tags,
    wait::Pauses,
};
use crate::{
    catalog::Vault,
    clock::Clock,
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
    },
    env::Progress,
    error::{Result, failed, invalid, refused, retry, unsupported},
    ports::{NewInstance, RestoreTarget},
    providers::aws::Aws,
};
use async_trait::async_trait;
use aws_sdk_rds::types::DbInstance;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What differs in every restore: where it happens to run, what is not a setting, and a public address, which it never gets.
const PASSING: [&str; 4] = ["availability_zone", "database", "members", "publicly_accessible"];
/// New settings are in force within this many looks.
const LOOKS: u32 = 60;

/// A new instance that an asset is restored into.
pub struct RdsInstance {
    aws: Arc<Aws>,
    new: NewInstance,
    source: String,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
}

impl fmt::Debug for RdsInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RdsInstance").field("new", &self.new).finish_non_exhaustive()
    }
}

impl RdsInstance {
    /// Restores beside the instance `source`. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, new: NewInstance, source: &str, clock: Arc<dyn Clock>, progress: Arc<dyn Progress>) -> Self {
        Self { aws, new, source: source.to_owned(), clock, progress }
    }

    async fn region(&self, backup: &Manifest) -> Result<Region> {
        Region::open(&self.aws, &held(backup)?.place).await
    }

    /// Looks what bears the name: nothing, or what an earlier attempt at this very restore began. Anything else is refused.
    async fn begun(&self, region: &Region, backup: &Manifest) -> Result<Option<DbInstance>> {
        let name = &self.new.name;
        if name.eq_ignore_ascii_case(&self.source) {
            return Err(
                refused(format!("{name} is the source itself")).hint("name a new instance: the old one is kept until you let it go")
            );
        }
        let Some(found) = region.instance(name).await? else { return Ok(None) };
        if tags::restored(found.tag_list()) != Some(backup.id) {
            return Err(refused(format!("{name} at {} exists and is not of this restore", region.place))
                .hint("name a new instance; nothing was touched"));
        }
        Ok(Some(found))
    }

    async fn begin(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let held = held(backup)?;
        let (recorded, name) = (&held.settings, self.new.name.as_str());
        let group = match text(recorded, "parameter_group").filter(|group| !settings::is_default(group)) {
            Some(group) if region.has_parameter_group(group, Shape::Instance).await? => Some(group.to_owned()),
            Some(_) | None => None,
        };
        let (subnet_group, security_groups) = self.network(recorded);
        let flag = |name: &str| recorded.get(name).and_then(Value::as_bool);
        let owned = |name: &str| text(recorded, name).map(str::to_owned);
        let call = region.client.restore_db_instance_from_db_snapshot().db_instance_identifier(name).db_snapshot_identifier(&held.name.0);
        let call = call.set_db_instance_class(owned("class")).set_db_subnet_group_name(subnet_group);
        let call = call.set_vpc_security_group_ids(Some(security_groups)).set_db_parameter_group_name(group);
        let call = call.publicly_accessible(false).set_deletion_protection(flag("deletion_protection")).set_multi_az(flag("multi_az"));
        let call = call.set_port(number(recorded, "port")).set_storage_type(owned("storage_type"));
        let iops = number(recorded, "iops").filter(|_| text(recorded, "storage_type").is_some_and(|kind| kind.starts_with("io")));
        let call = call.set_iops(iops).set_enable_iam_database_authentication(flag("iam_authentication"));
        let call = call.set_auto_minor_version_upgrade(flag("auto_minor_version_upgrade"));
        let call = call.set_copy_tags_to_snapshot(flag("copy_tags_to_snapshot")).set_enable_cloudwatch_logs_exports(logs(recorded));
        match call.set_tags(Some(tags::of_restored(backup.id, recorded))).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_taken(&error) => self.begun(region, backup).await.map(|_| ()),
            Err(error) => Err(region.told("rds:RestoreDBInstanceFromDBSnapshot", &format!("{} as {name}", held.name), &error)),
        }
    }

    /// The network: what the operator names, else the source's.
    fn network(&self, recorded: &Settings) -> (Option<String>, Vec<String>) {
        let listed = recorded.get("security_groups").and_then(Value::as_array).into_iter().flatten();
        let groups = listed.filter_map(|group| group.as_str().map(str::to_owned)).collect();
        let subnet_group = self.new.subnet_group.clone().or_else(|| text(recorded, "subnet_group").map(str::to_owned));
        (subnet_group, if self.new.security_groups.is_empty() { groups } else { self.new.security_groups.clone() })
    }

    /// Waits until it is up. One that came up open to the internet although its source was not is closed by nobody but a person.
    async fn up(&self, region: &Region, backup: &Manifest) -> Result<DbInstance> {
        let mut pauses = Pauses::new(&*self.clock);
        loop {
            let found = self.begun(region, backup).await?;
            let found = found.ok_or_else(|| retry(format!("{} at {} is gone", self.new.name, region.place)))?;
            if found.publicly_accessible() == Some(true) {
                return Err(refused(format!("{} came up with a public address", self.new.name))
                    .hint("nothing was switched over: remove it, and mend the subnet group before the next try"));
            }
            match status::stage(found.db_instance_status().unwrap_or_default()) {
                Stage::Up => return Ok(found),
                Stage::AtWork => pauses.wait().await,
                Stage::Leaving => return Err(retry(format!("{} is being removed", self.new.name))),
                Stage::Broken(_) => {
                    return Err(failed(format!("RDS gave up {}: {}", self.new.name, found.db_instance_status().unwrap_or_default()))
                        .hint("look at its events in RDS, remove it, and try another backup or network"));
                }
            }
        }
    }

    /// Changes what a restore cannot be given, and waits until it is in force.
    async fn change(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let recorded = &held(backup)?.settings;
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            let owned = |name: &str| text(recorded, name).map(str::to_owned);
            let call = region.client.modify_db_instance().db_instance_identifier(&self.new.name).apply_immediately(true);
            let call = call.set_backup_retention_period(number(recorded, "backup_retention"));
            let call = call.set_preferred_backup_window(owned("backup_window"));
            let call = call.set_preferred_maintenance_window(owned("maintenance_window"));
            match call.set_max_allocated_storage(number(recorded, "max_allocated_storage")).send().await {
                Ok(_) => return self.in_force(region, backup).await,
                Err(error) if is_busy(&error) => pauses.wait().await,
                Err(error) => return Err(region.told("rds:ModifyDBInstance", &self.new.name, &error)),
            }
        }
        Err(retry(format!("{} takes no new settings", self.new.name)))
    }

    async fn in_force(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            pauses.wait().await;
            let found = self.up(region, backup).await?;
            if number(&held(backup)?.settings, "backup_retention").is_none_or(|days| found.backup_retention_period() == Some(days)) {
                return Ok(());
            }
        }
        Err(retry(format!("the settings of {} do not come into force", self.new.name)))
    }
}

fn logs(recorded: &Settings) -> Option<Vec<String>> {
    let logs = recorded.get("log_exports").and_then(Value::as_array)?;
    Some(logs.iter().filter_map(|log| log.as_str().map(str::to_owned)).collect())
}

#[async_trait]
impl RestoreTarget for RdsInstance {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("rds:{}", self.new.name)
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        let held = held(backup)?;
        if Shape::of_snapshot(&held.reference) == Shape::Cluster {
            return Err(unsupported("a cluster's snapshot cannot be restored for real by this build")
                .hint(format!("aws rds restore-db-cluster-from-snapshot --snapshot-identifier {} …", held.name)));
        }
        if held.settings.is_empty() {
            return Err(invalid("the manifest does not say how the source was set up"));
        }
        let region = self.region(backup).await?;
        let begun = self.begun(&region, backup).await?;
        let (subnet_group, security_groups) = self.network(&held.settings);
        let first = match begun {
            Some(_) => format!("go on with {}, which this restore began before", self.new.name),
            None => format!("restore snapshot {} as a new instance {} at {}", held.name, self.new.name, region.place),
        };
        Ok(vec![
            first,
            format!("in subnet group {}, security groups {}", subnet_group.as_deref().unwrap_or("default"), security_groups.join(", ")),
            "with the class, parameter group, storage, zones, protection, logs and tags that the source had".to_owned(),
            "wait until it is up, which takes minutes; then its own backups, windows and storage limit as the source's".to_owned(),
            "compare every recorded setting with what it then has, and tell what differs".to_owned(),
        ])
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
        let found = settings::of_instance(&self.up(&region, backup).await?);
        let held = held(backup)?;
        let elsewhere = |name: &str| match name {
            "subnet_group" => self.new.subnet_group.is_some(),
            "security_groups" => !self.new.security_groups.is_empty(),
            _ => PASSING.contains(&name),
        };
        // A copy is encrypted under the key of its place, and so is what is restored from it.
        let expected = |name: &str, value: &Value| match (name, &held.key) {
            ("kms_key", Some(key)) => key.clone(),
            _ => say(value),
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
