//! What RDS is told to make of a snapshot: an instance, or a cluster and its one instance, in the drill network and fenced.

use super::{
    Shape,
    body::Body,
    error::{is_busy, is_taken},
    look::Region,
    names,
    replicas::{RdsReplicas, stranger},
    settings::{Settings, is_default, number, text},
    tags,
};
use crate::{
    config::DrillNetwork,
    domain::{drill::ReplicaName, held::Held},
    error::{Result, invalid},
};
use aws_sdk_rds::types::{ServerlessV2ScalingConfiguration, Tag};

impl RdsReplicas {
    pub(super) async fn begin_instance(
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
        match call.set_iops(iops).set_enable_iam_database_authentication(iam(settings)).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(region.told("rds:RestoreDBInstanceFromDBSnapshot", &format!("{} as {id}", held.name), &error)),
        }
    }

    pub(super) async fn begin_cluster(
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
            call = call.set_db_cluster_instance_class(class).set_iops(number(settings, "iops")).publicly_accessible(false);
        }
        let call = call.set_storage_type(text(settings, "storage_type").map(str::to_owned));
        match call.set_enable_iam_database_authentication(iam(settings)).send().await {
            Ok(_) => Ok(true),
            Err(error) if is_taken(&error) => Ok(false),
            Err(error) => Err(region.told("rds:RestoreDBClusterFromSnapshot", &format!("{} as {id}", held.name), &error)),
        }
    }

    /// Gives an Aurora cluster its one instance: a restore brings back its storage alone.
    pub(super) async fn begin_member(&self, region: &Region, name: &ReplicaName, body: &Body, held: &Held) -> Result<()> {
        let (cluster, settings) = (names::of_replica(name), &held.settings);
        let (member, engine) = (names::of_member(&cluster), held.engine.split(' ').next().unwrap_or_default());
        let class = self
            .class(settings)
            .ok_or_else(|| invalid(format!("no instance class is known for {cluster}")).hint("name one under `drill.into.rds.class`"))?;
        let group = self.parameter_group(region, settings, "parameter_group", Shape::Instance).await?;
        let call = region.client.create_db_instance().db_instance_identifier(&member).db_cluster_identifier(&cluster).engine(engine);
        let call = call.db_instance_class(class).publicly_accessible(false).auto_minor_version_upgrade(false);
        match call.set_db_parameter_group_name(group).set_tags(Some(tags::ours(body.tags()))).send().await {
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
}

fn iam(settings: &Settings) -> Option<bool> {
    settings.get("iam_authentication").and_then(serde_json::Value::as_bool)
}

fn scaling(settings: &Settings) -> Option<ServerlessV2ScalingConfiguration> {
    let bounds = settings.get("scaling")?.as_array()?;
    let bound = |index: usize| bounds.get(index).and_then(serde_json::Value::as_f64);
    Some(ServerlessV2ScalingConfiguration::builder().set_min_capacity(bound(0)).set_max_capacity(bound(1)).build())
}
