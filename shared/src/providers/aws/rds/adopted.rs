//! A database that AWS Backup restored to be tested, taken for a replica: it is asked, and never removed.
//!
//! Before anything of it is touched it must bear the name that AWS Backup gives to what it tests, be what the job says that
//! it made, be the source of no asset, have no public address, and lie in the drill network. What does not is refused. All
//! that is changed is its master password, to one that only this invocation knows.

use super::{
    body::Body,
    look::Region,
    ready,
    replicas::RdsReplicas,
    status::{Cause, Stage},
};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    config::DrillNetwork,
    domain::{
        backup::{Expectations, Form, Manifest},
        drill::ReplicaName,
        place::Place,
        restore_test::{PREFIX, RestoreTest},
    },
    error::{Error, Result, failed, invalid, refused, retry},
    ports::{Replica, Replicas, Rows, Secret, Sighting},
    providers::{
        managed::Pauses,
        postgres::{PgUrl, ask, scratch::fresh_password},
    },
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Mutex;

/// A new password is in force within this many looks.
const LOOKS: u32 = 60;

/// What AWS Backup restored.
pub struct Adopted {
    replicas: Arc<RdsReplicas>,
    place: Place,
    created: String,
    name: ReplicaName,
    password: Mutex<Option<Secret>>,
    /// Whether we are done with it. That is all that removing it means.
    let_go: AtomicBool,
}

impl RdsReplicas {
    /// Takes what a test made for a replica. Asks nothing yet.
    pub fn adopting(self: Arc<Self>, place: &Place, test: &RestoreTest) -> Adopted {
        let (created, name) = (test.created.clone(), test.replica());
        Adopted { replicas: self, place: place.clone(), created, name, password: Mutex::default(), let_go: AtomicBool::new(false) }
    }
}

impl Adopted {
    fn id(&self) -> &str {
        &self.name.0
    }

    fn refuse(&self, what: impl AsRef<str>, hint: &str) -> Error {
        refused(format!("{} at {} {}, and was not touched", self.created, self.place, what.as_ref())).hint(hint.to_owned())
    }

    /// Looks at it, and refuses what is no test's or could be production.
    async fn look(&self) -> Result<(Region, Body)> {
        if !self.id().starts_with(PREFIX) || self.id().len() == PREFIX.len() {
            let hint = "look at the restore job by hand: a database of any other name is never asked";
            return Err(self.refuse(format!("does not bear a name that begins with {PREFIX}"), hint));
        }
        if self.replicas.spares([self.id()]) {
            return Err(self.refuse("is the source of an asset", "take it out of lastgood.yaml, or leave it alone"));
        }
        let (network, region) = (self.replicas.network(&self.place)?, self.replicas.region(&self.place).await?);
        let body = Body::of(&region, self.id()).await?;
        let body = body.ok_or_else(|| retry(format!("{} at {} is gone: AWS Backup removed it", self.id(), self.place)))?;
        if body.arn() != self.created {
            return Err(self.refuse(format!("is not what RDS shows under its name ({})", body.arn()), "look at the restore job by hand"));
        }
        if self.replicas.spares(body.ids()) {
            return Err(self.refuse("has a member that is the source of an asset", "look at it by hand before anything else"));
        }
        if let Some(source) = Body::of(&region, &self.replicas.source).await?
            && source.identity().is_some()
            && source.identity() == body.identity()
        {
            return Err(self.refuse("is the source itself", "look at it by hand before anything else"));
        }
        if let Some(strange) = strange(&body, &network) {
            let hint = "let the restore testing plan restore into `drill.into.rds`: override DBSubnetGroupName, VpcSecurityGroupIds and \
                        PubliclyAccessible in its restore metadata";
            return Err(self.refuse(strange, hint));
        }
        Ok((region, body))
    }

    /// Waits until it is up.
    async fn up(&self) -> Result<(Region, Body)> {
        let mut pauses = Pauses::new(&*self.replicas.clock);
        loop {
            let (region, body) = self.look().await?;
            match body.stage() {
                Stage::Up => return Ok((region, body)),
                Stage::AtWork if body.lacks_instance() => {
                    return Err(invalid(format!("{} at {} is a cluster without an instance: nobody can ask it", self.id(), self.place))
                        .hint("AWS Backup restores the storage of Aurora; drill its snapshots with a schedule instead"));
                }
                Stage::AtWork => pauses.wait().await,
                Stage::Leaving => return Err(retry(format!("{} at {} is being removed by AWS Backup", self.id(), self.place))),
                Stage::Broken(Cause::Restore) => {
                    return Err(failed(format!("RDS gave up the restore of {}: {}", self.id(), body.status())));
                }
                Stage::Broken(Cause::Surroundings) => return Err(retry(format!("RDS gave up {}: {}", self.id(), body.status()))),
            }
        }
    }

    /// Returns where it is asked: with the password that was set here, or a new one.
    async fn url(&self) -> Result<PgUrl> {
        let mut known = self.password.lock().await;
        if let Some(password) = &*known {
            let (_, body) = self.up().await?;
            return self.replicas.url_of(&body, password);
        }
        let password = Secret::new(fresh_password()?);
        let body = self.renew(&password).await?;
        let url = self.replicas.url_of(&body, &password)?;
        *known = Some(password);
        Ok(url)
    }

    /// Sets a new password and waits until it opens the server.
    async fn renew(&self, password: &Secret) -> Result<Body> {
        let mut pauses = Pauses::new(&*self.replicas.clock);
        let mut ordered = false;
        for _ in 0..LOOKS {
            let (region, body) = self.up().await?;
            if ordered && !body.has_pending_changes() {
                self.replicas.answers(&body, &self.name, password).await?;
                return Ok(body);
            }
            ordered = ordered || ready::order(&region, &body, password, None).await?;
            pauses.wait().await;
        }
        Err(retry(format!("{} takes no new password", self.id())))
    }
}

/// What keeps it from being the drill's: an address in the internet, or another network.
fn strange(body: &Body, network: &DrillNetwork) -> Option<String> {
    if body.is_public() {
        return Some("has a public address".to_owned());
    }
    let group = body.subnet_group().unwrap_or_default();
    if group != network.subnet_group {
        return Some(format!("is in subnet group {group}, which is not the drill's {}", network.subnet_group));
    }
    let (groups, ours) = (body.security_groups(), &network.security_groups);
    let others: Vec<_> = groups.iter().filter(|group| !ours.contains(group)).cloned().collect();
    match (groups.is_empty(), others.is_empty()) {
        (true, _) => Some("is in no security group that RDS shows".to_owned()),
        (false, false) => Some(format!("is in security groups that are not the drill's: {}", others.join(", "))),
        (false, true) => None,
    }
}

#[async_trait]
impl Replicas for Adopted {
    async fn begin_replica(&self, _: &ReplicaName, _: &Manifest, _: Timestamp) -> Result<()> {
        self.look().await.map(drop)
    }

    /// What AWS Backup removed meanwhile is not seen as gone, which would condemn the backup: whoever asks it is told.
    async fn replica(&self, _: &ReplicaName) -> Result<Option<Replica>> {
        if self.let_go.load(Ordering::Acquire) {
            return Ok(None);
        }
        let sighting = if self.password.lock().await.is_some() { Sighting::Restored } else { Sighting::UnderWay };
        Ok(Some(Replica { name: self.name.clone(), expires: Timestamp::MAX, sighting }))
    }

    async fn restore(&self, _: &ReplicaName, _: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.url().await?;
        Ok([("restored by".to_owned(), "AWS Backup".to_owned())].into())
    }

    async fn measure(&self, _: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations> {
        ask::measure(&self.url().await?, expected, form).await
    }

    async fn ask(&self, _: &ReplicaName, sql: &str) -> Result<Rows> {
        ask::ask(&self.url().await?, sql).await
    }

    async fn amcheck(&self, _: &ReplicaName) -> Result<usize> {
        let url = PgUrl { options: None, ..self.url().await? };
        ask::amcheck(&url, &self.replicas.tools).await
    }

    /// Lets it go. AWS Backup removes it, once its window for validation is over.
    async fn begin_teardown(&self, _: &ReplicaName) -> Result<()> {
        self.let_go.store(true, Ordering::Release);
        self.password.lock().await.take();
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        Ok(Vec::new())
    }
}
