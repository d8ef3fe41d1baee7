//! Making a replica ready for questions: no backups, a new password, and a server that proves its name and lets us in.

use super::{body::Body, error::is_busy, look::Region, replicas::RdsReplicas, wait::Pauses};
use crate::{
    domain::drill::ReplicaName,
    error::{Kind, Result, failed, invalid, retry},
    ports::Secret,
    providers::postgres::{
        self, PgUrl,
        scratch::fresh_password,
        url::{Host, Password, Session, SslMode},
    },
};

/// How often a server that is up is tried before its network is taken to be closed: about five minutes.
const TRIES: u32 = 16;
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

    /// Makes sure that the server lets us in: a new password may take a moment after RDS says that it is set.
    pub(super) async fn answers(&self, body: &Body, name: &ReplicaName, password: &Secret) -> Result<()> {
        let url = self.url_of(body, password)?;
        let mut pauses = Pauses::new(&*self.clock);
        let mut last = retry("it was not tried");
        for _ in 0..TRIES {
            match postgres::connect(&url).await {
                Ok(_) => return Ok(()),
                Err(error) if matches!(error.kind(), Kind::Retry | Kind::Denied) => last = error,
                // Neither a certificate nor a missing database says anything about the backup.
                Err(error) => {
                    let hint = error.advice().unwrap_or("check `database` and `ca` of `drill.into.rds`").to_owned();
                    return Err(invalid(format!("replica {name} does not let us in")).because(error.full()).hint(hint));
                }
            }
            pauses.wait().await;
        }
        Err(last
            .during(format!("replica {name} is up, but does not let us in"))
            .hint("check that the drill's security groups let this function in, and that it runs in that network"))
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
