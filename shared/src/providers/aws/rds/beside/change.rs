//! What a restore cannot be given is changed once it is up: its own backups, its windows, its storage limit.

use super::Beside;
use crate::{
    domain::backup::Manifest,
    error::{Result, retry},
    providers::{
        aws::rds::{
            body::Body,
            error::is_busy,
            look::Region,
            make::owned,
            restore::held,
            settings::{Settings, number},
        },
        managed::Pauses,
    },
};

/// New settings are in force within this many looks.
const LOOKS: u32 = 60;

impl Beside {
    /// Changes it, and waits until it is in force.
    pub(super) async fn change(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let recorded = &held(backup)?.settings;
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            let body = self.up(region, backup).await?;
            if self.order(region, &body, recorded).await? {
                return self.in_force(region, backup).await;
            }
            pauses.wait().await;
        }
        Err(retry(format!("{} takes no new settings", self.new.name)))
    }

    /// Orders the changes. Returns false where RDS is busy with it just now.
    async fn order(&self, region: &Region, body: &Body, recorded: &Settings) -> Result<bool> {
        let name = &self.new.name;
        let (retention, limit) = (number(recorded, "backup_retention"), number(recorded, "max_allocated_storage"));
        let (backups, maintenance) = (owned(recorded, "backup_window"), owned(recorded, "maintenance_window"));
        match body {
            Body::Instance(_) => {
                let call = region.client.modify_db_instance().db_instance_identifier(name).apply_immediately(true);
                let call = call.set_backup_retention_period(retention).set_preferred_backup_window(backups);
                let call = call.set_preferred_maintenance_window(maintenance).set_max_allocated_storage(limit);
                match call.send().await {
                    Ok(_) => Ok(true),
                    Err(error) if is_busy(&error) => Ok(false),
                    Err(error) => Err(region.told("rds:ModifyDBInstance", name, &error)),
                }
            }
            Body::Cluster(..) => {
                let call = region.client.modify_db_cluster().db_cluster_identifier(name).apply_immediately(true);
                let call = call.set_backup_retention_period(retention).set_preferred_backup_window(backups);
                match call.set_preferred_maintenance_window(maintenance).send().await {
                    Ok(_) => Ok(true),
                    Err(error) if is_busy(&error) => Ok(false),
                    Err(error) => Err(region.told("rds:ModifyDBCluster", name, &error)),
                }
            }
        }
    }

    async fn in_force(&self, region: &Region, backup: &Manifest) -> Result<()> {
        let wanted = number(&held(backup)?.settings, "backup_retention");
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            pauses.wait().await;
            let has = number(&self.up(region, backup).await?.settings(), "backup_retention");
            if wanted.is_none() || has == wanted {
                return Ok(());
            }
        }
        Err(retry(format!("the settings of {} do not come into force", self.new.name)))
    }
}
