//! What RDS is told to make for a restore for real: an instance, or a cluster and as many instances as its source had.

use super::Beside;
use crate::{
    domain::backup::Manifest,
    error::{Result, invalid, refused},
    providers::aws::rds::{
        Shape,
        body::Body,
        look::Region,
        make::{self, Member, Order, Origin, flag, owned},
        names,
        restore::held,
        settings::{Settings, number, text},
        tags,
    },
};
use serde_json::Value;

impl Beside {
    pub(super) async fn begin(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let held = held(backup)?;
        let (recorded, shape) = (&held.settings, Shape::of(&held.reference));
        let (subnet_group, security_groups) = self.network(recorded);
        let order = Order {
            id: self.new.name.clone(),
            subnet_group,
            security_groups,
            parameter_group: make::parameter_group(region, recorded, shape).await?,
            protected: flag(recorded, "deletion_protection"),
            port: number(recorded, "port"),
            storage_type: owned(recorded, "storage_type"),
            iam: flag(recorded, "iam_authentication"),
            copies_tags: flag(recorded, "copy_tags_to_snapshot"),
            logs: logs(recorded),
            tags: tags::of_restored(backup.id, recorded),
            ..Order::default()
        };
        let origin = Origin::of(backup)?;
        let begun = match shape {
            Shape::Instance => {
                let instance = Order {
                    class: owned(recorded, "class"),
                    multi_az: flag(recorded, "multi_az"),
                    ca: owned(recorded, "ca"),
                    minor_upgrades: flag(recorded, "auto_minor_version_upgrade"),
                    iops: make::iops(recorded),
                    ..order
                };
                make::instance(region, &origin, instance).await?
            }
            Shape::Cluster => {
                let class = owned(recorded, "cluster_class");
                let iops = class.as_ref().and_then(|_| number(recorded, "iops"));
                let retention = number(recorded, "backup_retention");
                let cluster = Order { class, iops, retention, scaling: make::scaling(recorded), ..order };
                make::cluster(region, &origin, &held.engine, cluster).await?
            }
        };
        // Whoever took the name meanwhile: this very restore, or a stranger, who is refused.
        if !begun {
            self.begun(region, backup).await?;
        }
        Ok(())
    }

    /// The network: what the operator names, else the source's.
    pub(super) fn network(&self, recorded: &Settings) -> (Option<String>, Vec<String>) {
        let listed = recorded.get("security_groups").and_then(Value::as_array).into_iter().flatten();
        let groups = listed.filter_map(|group| group.as_str().map(str::to_owned)).collect();
        let subnet_group = self.new.subnet_group.clone().or_else(|| text(recorded, "subnet_group").map(str::to_owned));
        (subnet_group, if self.new.security_groups.is_empty() { groups } else { self.new.security_groups.clone() })
    }

    /// The instances that a cluster is to have: as many as its source had, of Aurora. Those of a Multi-AZ cluster come with it.
    pub(super) fn members(&self, backup: &Manifest) -> Result<Vec<String>> {
        let held = held(backup)?;
        if Shape::of(&held.reference) == Shape::Instance || !held.engine.starts_with("aurora") {
            return Ok(Vec::new());
        }
        let count = number(&held.settings, "members").unwrap_or(1).max(1);
        let members: Vec<_> = (1..=count).map(|number| names::of_numbered_member(&self.new.name, number)).collect();
        if members.iter().any(|name| name.len() > names::MOST) {
            return Err(invalid(format!("{} leaves no room for the names of its instances", self.new.name))
                .hint("name it with 60 characters at most"));
        }
        Ok(members)
    }

    /// Refuses before anything is begun what would stand in the way afterwards.
    pub(super) async fn refuse_strange_members(&self, region: &Region, members: &[String]) -> Result<()> {
        for name in members {
            if region.instance(name).await?.is_some() {
                return Err(refused(format!("{name} at {} exists and is not of this restore", region.place))
                    .hint("name a new cluster: its instances are called after it; nothing was touched"));
            }
        }
        Ok(())
    }

    /// Whether a cluster has all of its instances.
    pub(super) fn is_whole(&self, body: &Body, backup: &Manifest) -> Result<bool> {
        let has: Vec<_> = body.ids().collect();
        Ok(self.members(backup)?.iter().all(|member| has.contains(&member.as_str())))
    }

    /// Gives an Aurora cluster the instances that it lacks: a restore brings back its storage alone.
    pub(super) async fn begin_members(&self, region: &Region, body: &Body, backup: &Manifest) -> Result<()> {
        let held = held(backup)?;
        let has: Vec<_> = body.ids().collect();
        let class = owned(&held.settings, "class").ok_or_else(|| invalid("the manifest does not say of which class its instances were"))?;
        let parameter_group = make::parameter_group(region, &held.settings, Shape::Instance).await?;
        for id in self.members(backup)?.iter().filter(|member| !has.contains(&member.as_str())) {
            let member = Member {
                id,
                cluster: &self.new.name,
                engine: &held.engine,
                class: class.clone(),
                parameter_group: parameter_group.clone(),
                minor_upgrades: flag(&held.settings, "auto_minor_version_upgrade"),
                ca: owned(&held.settings, "ca"),
                tags: tags::of_restored(backup.id, &held.settings),
            };
            if !make::member(region, member).await? {
                return Err(refused(format!("{id} at {} exists and is not of this restore", region.place))
                    .hint("move it away, or remove the new cluster and restore under another name"));
            }
        }
        Ok(())
    }
}

fn logs(recorded: &Settings) -> Option<Vec<String>> {
    let logs = recorded.get("log_exports").and_then(Value::as_array)?;
    Some(logs.iter().filter_map(|log| log.as_str().map(str::to_owned)).collect())
}
