//! Making a replica ready for questions: no backups, a new password, and a server that proves its name and lets us in.

use super::{body::Body, error::is_busy, look::Region, replicas::RdsReplicas};
use crate::{
    domain::drill::ReplicaName,
    error::{Result, failed, retry},
    ports::Secret,
    providers::{
        managed::{Gate, Pauses, admitted},
        postgres::{
            PgUrl,
            scratch::fresh_password,
            url::{Host, Password, Session, SslMode},
        },
    },
};

/// A new password and new settings are in force within this many looks.
const LOOKS: u32 = 60;

impl RdsReplicas {
    /// Switches backups off, sets a new password, and waits until it opens the server.
    pub(super) async fn renew(&self, region: &Region, name: &ReplicaName) -> Result<(Body, Secret)> {
        let password = Secret::new(fresh_password()?);
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            let body = self.up(region, name, None).await?;
            // A cluster always keeps backups, for a day at least; they go with it.
            let retention = i32::from(matches!(body, Body::Cluster(..)));
            if order(region, &body, &password, Some(retention)).await? {
                let body = self.in_force(region, name).await?;
                self.answers(&body, name, &password).await?;
                return Ok((body, password));
            }
            pauses.wait().await;
        }
        Err(retry(format!("replica {name} takes no new settings")))
    }

    /// Waits until what was ordered is in force.
    async fn in_force(&self, region: &Region, name: &ReplicaName) -> Result<Body> {
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            pauses.wait().await;
            let body = self.up(region, name, None).await?;
            if !body.has_pending_changes() {
                return Ok(body);
            }
        }
        Err(retry(format!("the settings of replica {name} do not come into force")))
    }

    /// Makes sure that the server lets us in: it has a new password.
    pub(super) async fn answers(&self, body: &Body, name: &ReplicaName, password: &Secret) -> Result<()> {
        let gate = Gate {
            login: "check `database` and `ca` of `drill.into.rds`",
            network: "check that the drill's security groups let this function in, and that it runs in that network",
        };
        admitted(&self.url_of(body, password)?, name, &*self.clock, &gate).await
    }

    /// Where a replica is asked: encrypted, by a server that proves its name, reading only.
    pub(super) fn url_of(&self, body: &Body, password: &Secret) -> Result<PgUrl> {
        let endpoint = body.endpoint().ok_or_else(|| retry("the replica has no address yet"))?;
        let user = body.master_user().ok_or_else(|| failed("RDS does not say who the replica's master user is"))?;
        Ok(PgUrl {
            hosts: vec![(Host::Tcp(endpoint.0), endpoint.1)],
            user: user.to_owned(),
            password: Some(Password::Known(password.clone())),
            database: self.drill.database.clone().unwrap_or_else(|| "postgres".to_owned()),
            ssl_mode: SslMode::VerifyFull,
            ssl_root: self.drill.ca.clone(),
            session: Session::Any,
            options: Some("-c default_transaction_read_only=on".to_owned()),
        })
    }
}

/// Orders a master password and, where one is given, how many days backups are kept: a restore can be given neither. Returns
/// false where RDS is busy with it just now.
pub(super) async fn order(region: &Region, body: &Body, password: &Secret, retention: Option<i32>) -> Result<bool> {
    let (client, id) = (&region.client, body.id());
    match body {
        Body::Instance(_) => {
            let call = client.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
            match call.master_user_password(password.expose()).set_backup_retention_period(retention).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_busy(&error) => Ok(false),
                Err(error) => Err(region.told("rds:ModifyDBInstance", id, &error)),
            }
        }
        Body::Cluster(..) => {
            let call = client.modify_db_cluster().db_cluster_identifier(id).apply_immediately(true);
            match call.master_user_password(password.expose()).set_backup_retention_period(retention).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_busy(&error) => Ok(false),
                Err(error) => Err(region.told("rds:ModifyDBCluster", id, &error)),
            }
        }
    }
}
