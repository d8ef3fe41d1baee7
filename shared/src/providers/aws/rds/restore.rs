//! Restoring a snapshot into the drill network, waiting for it, and making it ready for questions. Every step may be the last
//! of one invocation and the first of the next.

use super::{
    Shape,
    body::Body,
    error::{is_busy, is_taken},
    look::Region,
    names,
    replicas::{RdsReplicas, stranger},
    settings::{Settings, is_default, number, text},
    status::{Cause, Stage},
    tags,
};
use crate::{
    clock::{Clock, Timestamp},
    config::DrillNetwork,
    domain::{backup::Manifest, drill::ReplicaName, held::Held},
    error::{Error, Kind, Result, failed, invalid, not_found, refused, retry, unsupported},
    ports::Secret,
    providers::postgres::{
        self, PgUrl,
        scratch::fresh_password,
        url::{Host, Session, SslMode},
    },
};
use aws_sdk_rds::types::{ServerlessV2ScalingConfiguration, Tag};
use std::{collections::BTreeMap, time::Duration};

/// The first look follows soon, later ones at most this far apart: RDS works for minutes, and counts calls.
const SOON: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(30);
/// How often a server that is up is tried before its network is taken to be closed: about five minutes.
const TRIES: u32 = 16;
/// A new password and new settings are in force within this many looks.
const LOOKS: u32 = 60;

/// Pauses that grow.
struct Pauses<'a>(&'a dyn Clock, Duration);

impl<'a> Pauses<'a> {
    fn new(clock: &'a dyn Clock) -> Self {
        Self(clock, SOON)
    }

    async fn wait(&mut self) {
        self.0.sleep(self.1).await;
        self.1 = (self.1 * 3 / 2).min(MOST);
    }
}

impl RdsReplicas {
    /// Begins a replica, or adopts the one of this name that is ours.
    pub(super) async fn begin(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let held = held(backup)?;
        let network = self.network(&held.place)?;
        let region = self.region(&held.place).await?;
        if names::of_replica(name).eq_ignore_ascii_case(&self.source) {
            return Err(refused(format!("replica {name} would bear the name of its source")).hint("rename the asset"));
        }
        self.remember_place(name, &held.place).await;
        let mut pauses = Pauses::new(&*self.clock);
        while let Some(body) = Body::find(&region, name).await? {
            refuse_source(&body, backup)?;
            if !body.is_ours(name) {
                return Err(stranger(name, &region));
            }
            if body.stage() != Stage::Leaving {
                return Ok(());
            }
            // An earlier one is still on its way out.
            pauses.wait().await;
        }
        let ours = tags::of_replica(name, &self.asset, expires);
        let begun = match Shape::of_snapshot(&held.reference) {
            Shape::Instance => self.begin_instance(&region, name, held, &network, ours).await?,
            Shape::Cluster => self.begin_cluster(&region, name, held, &network, ours).await?,
        };
        if begun {
            tracing::info!(asset = %self.asset, backup = %backup.id, replica = %name, "restoring snapshot {} at {}", held.name, region.place);
            return Ok(());
        }
        match Body::find(&region, name).await? {
            Some(body) if body.is_ours(name) => refuse_source(&body, backup),
            Some(_) => Err(stranger(name, &region)),
            None => Err(retry(format!("replica {name} was there and is gone"))),
        }
    }

    /// Waits until the replica is up, gives it its drill's settings and a new password, and notes with it that it is ready.
    pub(super) async fn finish(&self, name: &ReplicaName, backup: &Manifest) -> Result<BTreeMap<String, String>> {
        let held = held(backup)?;
        let region = self.region(&held.place).await?;
        self.up(&region, name, Some(backup)).await?;
        let mut passwords = self.passwords.lock().await;
        let (body, password) = self.renew(&region, name).await?;
        passwords.insert(name.clone(), password);
        let tagged = region.client.add_tags_to_resource().resource_name(body.arn()).tags(tags::ready()).send().await;
        tagged.map_err(|error| region.told("rds:AddTagsToResource", &names::of_replica(name), &error))?;
        Ok([("rds".to_owned(), held.engine.clone())].into())
    }

    /// Returns a replica that is up with the password that opens it: the one that was set here, or a new one.
    pub(super) async fn opened(&self, region: &Region, name: &ReplicaName, body: Body) -> Result<(Body, Secret)> {
        let mut passwords = self.passwords.lock().await;
        if let Some(password) = passwords.get(name) {
            return Ok((body, password.clone()));
        }
        let (body, password) = self.renew(region, name).await?;
        passwords.insert(name.clone(), password.clone());
        Ok((body, password))
    }

    async fn begin_instance(
        &self,
        region: &Region,
        name: &ReplicaName,
        held: &Held,
        network: &DrillNetwork,
        ours: Vec<Tag>,
    ) -> Result<bool> {
        let (settings, id) = (&held.settings, names::of_replica(name));
        let group = self.parameter_group(region, settings, "parameter_group", Shape::Instance).await?;
        let storage = text(settings, "storage_type");
        let call = region.client.restore_db_instance_from_db_snapshot().db_instance_identifier(&id).db_snapshot_identifier(&held.name.0);
        let call = call.set_db_instance_class(self.class(settings)).db_subnet_group_name(&network.subnet_group);
        let call = call.set_vpc_security_group_ids(Some(network.security_groups.clone())).set_db_parameter_group_name(group);
        let call = call.publicly_accessible(false).deletion_protection(false).copy_tags_to_snapshot(false).multi_az(false);
        let call = call.auto_minor_version_upgrade(false).backup_retention_period(0).set_tags(Some(ours));
        let call = call.set_storage_type(storage.map(str::to_owned));
        // Only storage of provisioned IOPS must be told how many; other kinds refuse the number below certain sizes.
        let iops = number(settings, "iops").filter(|_| storage.is_some_and(|kind| kind.starts_with("io")));
        let iam = settings.get("iam_authentication").and_then(serde_json::Value::as_bool);
        match call.set_iops(iops).set_enable_iam_database_authentication(iam).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(region.told("rds:RestoreDBInstanceFromDBSnapshot", &format!("{} as {id}", held.name), &error)),
        }
    }

    async fn begin_cluster(
        &self,
        region: &Region,
        name: &ReplicaName,
        held: &Held,
        network: &DrillNetwork,
        ours: Vec<Tag>,
    ) -> Result<bool> {
        let (settings, id) = (&held.settings, names::of_replica(name));
        let (engine, version) = held.engine.split_once(' ').unwrap_or((&held.engine, ""));
        let group = self.parameter_group(region, settings, "cluster_parameter_group", Shape::Cluster).await?;
        let call = region.client.restore_db_cluster_from_snapshot().db_cluster_identifier(&id).snapshot_identifier(&held.name.0);
        let call = call.engine(engine).set_engine_version(Some(version.to_owned()).filter(|version| !version.is_empty()));
        let call = call.db_subnet_group_name(&network.subnet_group).set_vpc_security_group_ids(Some(network.security_groups.clone()));
        let call = call.deletion_protection(false).copy_tags_to_snapshot(false).set_tags(Some(ours)).backup_retention_period(1);
        let mut call = call.set_db_cluster_parameter_group_name(group).set_serverless_v2_scaling_configuration(scaling(settings));
        if text(settings, "cluster_class").is_some() {
            let class = self.drill.class.clone().or_else(|| text(settings, "cluster_class").map(str::to_owned));
            call = call.set_db_cluster_instance_class(class).set_storage_type(text(settings, "storage_type").map(str::to_owned));
            call = call.set_iops(number(settings, "iops")).publicly_accessible(false);
        }
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(region.told("rds:RestoreDBClusterFromSnapshot", &format!("{} as {id}", held.name), &error)),
        }
    }

    /// Gives an Aurora cluster its one instance: a restore brings back its storage alone.
    async fn begin_member(&self, region: &Region, name: &ReplicaName, body: &Body, held: &Held) -> Result<()> {
        let (cluster, settings) = (names::of_replica(name), &held.settings);
        let (member, engine) = (names::of_member(&cluster), held.engine.split(' ').next().unwrap_or_default());
        let class = self
            .class(settings)
            .ok_or_else(|| invalid(format!("no instance class is known for {cluster}")).hint("name one under `drill.into.rds.class`"))?;
        let group = self.parameter_group(region, settings, "parameter_group", Shape::Instance).await?;
        let call = region.client.create_db_instance().db_instance_identifier(&member).db_cluster_identifier(&cluster).engine(engine);
        let call = call.db_instance_class(class).publicly_accessible(false).auto_minor_version_upgrade(false);
        match call.set_db_parameter_group_name(group).set_tags(Some(body.tags().to_vec())).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_busy(&error) => Ok(()),
            Err(error) if is_taken(&error) => match region.instance(&member).await? {
                Some(taken) if taken.db_cluster_identifier() == Some(&cluster) => Ok(()),
                Some(_) => Err(stranger(name, region)),
                None => Ok(()),
            },
            Err(error) => Err(region.told("rds:CreateDBInstance", &member, &error)),
        }
    }

    fn class(&self, settings: &Settings) -> Option<String> {
        self.drill.class.clone().or_else(|| text(settings, "class").map(str::to_owned))
    }

    /// The parameter group of the source, where there is one of its name. What is missing is told by the comparison.
    async fn parameter_group(&self, region: &Region, settings: &Settings, name: &str, shape: Shape) -> Result<Option<String>> {
        match text(settings, name).filter(|group| !is_default(group)) {
            Some(group) if region.has_parameter_group(group, shape).await? => Ok(Some(group.to_owned())),
            Some(_) | None => Ok(None),
        }
    }

    /// Waits until the replica is up. What is given up by RDS, open to the internet or in another network is an error.
    async fn up(&self, region: &Region, name: &ReplicaName, backup: Option<&Manifest>) -> Result<Body> {
        let network = self.network(&region.place)?;
        let mut pauses = Pauses::new(&*self.clock);
        loop {
            let body = Body::find(region, name).await?.filter(|body| body.is_ours(name));
            let body = body.ok_or_else(|| retry(format!("replica {name} at {} is gone", region.place)))?;
            if let Some(backup) = backup {
                refuse_source(&body, backup)?;
            }
            refuse_exposed(&body, name, &network)?;
            match body.stage() {
                Stage::Up => return Ok(body),
                Stage::Leaving => return Err(retry(format!("replica {name} at {} is being removed", region.place))),
                Stage::Broken(cause) => return Err(broken(name, body.status(), cause)),
                Stage::AtWork => {
                    if body.lacks_instance() {
                        let backup = backup.ok_or_else(|| not_found(format!("replica {name} has lost its instance")))?;
                        self.begin_member(region, name, &body, held(backup)?).await?;
                    }
                    pauses.wait().await;
                }
            }
        }
    }

    /// Switches backups off, sets a new password, and waits until it opens the server.
    async fn renew(&self, region: &Region, name: &ReplicaName) -> Result<(Body, Secret)> {
        let password = Secret::new(fresh_password()?);
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..LOOKS {
            let body = self.up(region, name, None).await?;
            if self.order(region, &body, name, &password).await? {
                let body = self.in_force(region, name).await?;
                self.answers(&body, name, &password).await?;
                return Ok((body, password));
            }
            pauses.wait().await;
        }
        Err(retry(format!("replica {name} takes no new settings")))
    }

    /// Orders the settings that a restore cannot be given. Returns false where RDS is busy with it just now.
    async fn order(&self, region: &Region, body: &Body, name: &ReplicaName, password: &Secret) -> Result<bool> {
        let (client, id) = (&region.client, names::of_replica(name));
        match body {
            Body::Instance(_) => {
                let call = client.modify_db_instance().db_instance_identifier(&id).apply_immediately(true);
                match call.master_user_password(password.expose()).backup_retention_period(0).send().await {
                    Ok(_) => Ok(true),
                    Err(error) if is_busy(&error) => Ok(false),
                    Err(error) => Err(region.told("rds:ModifyDBInstance", &id, &error)),
                }
            }
            // A cluster always keeps backups, for a day at least; they go with it.
            Body::Cluster(..) => {
                let call = client.modify_db_cluster().db_cluster_identifier(&id).apply_immediately(true);
                match call.master_user_password(password.expose()).backup_retention_period(1).send().await {
                    Ok(_) => Ok(true),
                    Err(error) if is_busy(&error) => Ok(false),
                    Err(error) => Err(region.told("rds:ModifyDBCluster", &id, &error)),
                }
            }
        }
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
    async fn answers(&self, body: &Body, name: &ReplicaName, password: &Secret) -> Result<()> {
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
            password: Some(password.clone()),
            database: self.drill.database.clone().unwrap_or_else(|| "postgres".to_owned()),
            ssl_mode: SslMode::VerifyFull,
            ssl_root: self.drill.ca.clone(),
            session: Session::Any,
            options: Some("-c default_transaction_read_only=on".to_owned()),
        })
    }
}

fn held(backup: &Manifest) -> Result<&Held> {
    backup.held.as_ref().ok_or_else(|| {
        unsupported("only snapshots that RDS holds can be restored into an instance of RDS").hint("drill exports `into: scratch`")
    })
}

fn scaling(settings: &Settings) -> Option<ServerlessV2ScalingConfiguration> {
    let bounds = settings.get("scaling")?.as_array()?;
    let bound = |index: usize| bounds.get(index).and_then(serde_json::Value::as_f64);
    Some(ServerlessV2ScalingConfiguration::builder().set_min_capacity(bound(0)).set_max_capacity(bound(1)).build())
}

/// Refuses the source itself, whatever it is called and tagged.
fn refuse_source(body: &Body, backup: &Manifest) -> Result<()> {
    match (body.identity(), backup.source.system_identifier.as_deref()) {
        (Some(here), Some(source)) if here == source => Err(refused("what bears the replica's name is the source itself")
            .hint("somebody renamed or tagged production as a replica: undo that before anything else")),
        _ => Ok(()),
    }
}

/// Refuses a replica that came up with a public address, or in another network than the drill's.
fn refuse_exposed(body: &Body, name: &ReplicaName, network: &DrillNetwork) -> Result<()> {
    if body.is_public() {
        return Err(refused(format!("replica {name} came up with a public address")).hint("it is removed; nothing was asked of it"));
    }
    let strange: Vec<_> = body.security_groups().into_iter().filter(|group| !network.security_groups.contains(group)).collect();
    if !strange.is_empty() {
        return Err(refused(format!("replica {name} came up in security groups that are not the drill's: {}", strange.join(", ")))
            .hint("it is removed; nothing was asked of it"));
    }
    Ok(())
}

fn broken(name: &ReplicaName, status: &str, cause: Cause) -> Error {
    match cause {
        Cause::Restore => failed(format!("RDS gave up the restore of {name}: {status}")),
        Cause::Surroundings => invalid(format!("RDS gave up replica {name}: {status}"))
            .hint("check the drill's subnet group, parameter group, class and key; the backup is not to blame"),
    }
}
