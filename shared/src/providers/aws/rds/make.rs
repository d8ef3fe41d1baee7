//! What RDS is told to make, of a snapshot or of a moment of its own continuous backups: an instance, a cluster, an instance
//! of a cluster. Never with a public address.

use super::{
    Shape,
    error::{is_busy, is_taken},
    look::Region,
    settings::{Settings, is_default, number, text},
};
use crate::{
    domain::backup::{Manifest, Method},
    error::{Result, unsupported},
};
use aws_sdk_rds::{
    primitives::DateTime,
    types::{ServerlessV2ScalingConfiguration, Tag},
};
use serde_json::Value;

/// What it is made of.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A snapshot, by its name.
    Snapshot(String),
    /// A source as it was at a moment.
    Moment { source: String, at: DateTime },
}

impl Origin {
    /// What a backup is, for RDS.
    pub(super) fn of(backup: &Manifest) -> Result<Self> {
        let held = super::restore::held(backup)?;
        match backup.method {
            Method::ProviderSnapshot => Ok(Self::Snapshot(held.name.0.clone())),
            Method::PointInTime => Ok(Self::Moment { source: held.name.0.clone(), at: DateTime::from_secs(backup.data_time.as_second()) }),
            Method::PgDumpCustom
            | Method::PgDumpPlain
            | Method::PgDumpDirectory
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl => Err(unsupported("RDS restores only what it holds itself")),
        }
    }

    /// What the error of a restore is about.
    fn said(&self, id: &str) -> String {
        match self {
            Self::Snapshot(name) => format!("{name} as {id}"),
            Self::Moment { source, at } => format!("{source} at {} as {id}", super::seen::moment(Some(at)).unwrap_or_default()),
        }
    }
}

/// An instance or a cluster to be made. What is none is left to RDS.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    pub id: String,
    pub class: Option<String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub parameter_group: Option<String>,
    pub protected: Option<bool>,
    pub multi_az: Option<bool>,
    pub ca: Option<String>,
    pub port: Option<i32>,
    pub storage_type: Option<String>,
    pub iops: Option<i32>,
    pub iam: Option<bool>,
    pub minor_upgrades: Option<bool>,
    pub copies_tags: Option<bool>,
    pub logs: Option<Vec<String>>,
    pub retention: Option<i32>,
    pub scaling: Option<ServerlessV2ScalingConfiguration>,
    pub tags: Vec<Tag>,
}

/// The builders of the two calls that make an instance are of two types with the same setters.
macro_rules! instance {
    ($call:expr, $order:expr) => {
        $call
            .set_db_instance_class($order.class)
            .set_db_subnet_group_name($order.subnet_group)
            .set_vpc_security_group_ids(Some($order.security_groups))
            .set_db_parameter_group_name($order.parameter_group)
            .publicly_accessible(false)
            .set_deletion_protection($order.protected)
            .set_multi_az($order.multi_az)
            .set_ca_certificate_identifier($order.ca)
            .set_port($order.port)
            .set_storage_type($order.storage_type)
            .set_iops($order.iops)
            .set_enable_iam_database_authentication($order.iam)
            .set_auto_minor_version_upgrade($order.minor_upgrades)
            .set_copy_tags_to_snapshot($order.copies_tags)
            .set_enable_cloudwatch_logs_exports($order.logs)
            .set_backup_retention_period($order.retention)
            .set_tags(Some($order.tags))
    };
}

/// Likewise those of the two that make a cluster. Only a cluster with a class of its own has an address of its own.
macro_rules! cluster {
    ($call:expr, $order:expr) => {
        $call
            .set_publicly_accessible($order.class.is_some().then_some(false))
            .set_db_cluster_instance_class($order.class)
            .set_db_subnet_group_name($order.subnet_group)
            .set_vpc_security_group_ids(Some($order.security_groups))
            .set_db_cluster_parameter_group_name($order.parameter_group)
            .set_deletion_protection($order.protected)
            .set_port($order.port)
            .set_storage_type($order.storage_type)
            .set_iops($order.iops)
            .set_enable_iam_database_authentication($order.iam)
            .set_copy_tags_to_snapshot($order.copies_tags)
            .set_enable_cloudwatch_logs_exports($order.logs)
            .set_backup_retention_period($order.retention)
            .set_serverless_v2_scaling_configuration($order.scaling)
            .set_tags(Some($order.tags))
    };
}

/// Begins an instance. Returns false where the name is taken.
pub(super) async fn instance(region: &Region, of: &Origin, order: Order) -> Result<bool> {
    let id = order.id.clone();
    match of {
        Origin::Snapshot(name) => {
            let call = region.client.restore_db_instance_from_db_snapshot().db_instance_identifier(&id).db_snapshot_identifier(name);
            match instance!(call, order).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(region.told("rds:RestoreDBInstanceFromDBSnapshot", &of.said(&id), &error)),
            }
        }
        Origin::Moment { source, at } => {
            let call = region.client.restore_db_instance_to_point_in_time().target_db_instance_identifier(&id);
            let call = call.source_db_instance_identifier(source).restore_time(*at);
            match instance!(call, order).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(region.told("rds:RestoreDBInstanceToPointInTime", &of.said(&id), &error)),
            }
        }
    }
}

/// Begins a cluster, of Aurora without its instances. Returns false where the name is taken.
pub(super) async fn cluster(region: &Region, of: &Origin, engine: &str, order: Order) -> Result<bool> {
    let id = order.id.clone();
    match of {
        Origin::Snapshot(name) => {
            let (engine, version) = engine.split_once(' ').unwrap_or((engine, ""));
            let call = region.client.restore_db_cluster_from_snapshot().db_cluster_identifier(&id).snapshot_identifier(name);
            let call = call.engine(engine).set_engine_version(Some(version.to_owned()).filter(|version| !version.is_empty()));
            match cluster!(call, order).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(region.told("rds:RestoreDBClusterFromSnapshot", &of.said(&id), &error)),
            }
        }
        Origin::Moment { source, at } => {
            // A full copy: one that shares its blocks with the source would not show that they can be restored.
            let call = region.client.restore_db_cluster_to_point_in_time().db_cluster_identifier(&id).restore_type("full-copy");
            let call = call.source_db_cluster_identifier(source).restore_to_time(*at);
            match cluster!(call, order).send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(region.told("rds:RestoreDBClusterToPointInTime", &of.said(&id), &error)),
            }
        }
    }
}

/// An instance of an Aurora cluster.
#[derive(Debug, Clone)]
pub(super) struct Member<'a> {
    pub id: &'a str,
    pub cluster: &'a str,
    pub engine: &'a str,
    pub class: String,
    pub parameter_group: Option<String>,
    pub minor_upgrades: Option<bool>,
    pub ca: Option<String>,
    pub tags: Vec<Tag>,
}

/// Gives an Aurora cluster an instance, unless it has it already. Returns false where the name is another's.
pub(super) async fn member(region: &Region, member: Member<'_>) -> Result<bool> {
    let Member { id, cluster, engine, class, parameter_group, minor_upgrades, ca, tags } = member;
    let call = region.client.create_db_instance().db_instance_identifier(id).db_cluster_identifier(cluster);
    let call = call.engine(engine.split(' ').next().unwrap_or_default()).db_instance_class(class).publicly_accessible(false);
    let call =
        call.set_auto_minor_version_upgrade(minor_upgrades).set_ca_certificate_identifier(ca).set_db_parameter_group_name(parameter_group);
    match call.set_tags(Some(tags)).send().await {
        Ok(_) => Ok(true),
        Err(error) if is_busy(&error) => Ok(true),
        Err(error) if is_taken(&error) => Ok(region.instance(id).await?.is_none_or(|taken| taken.db_cluster_identifier() == Some(cluster))),
        Err(error) => Err(region.told("rds:CreateDBInstance", id, &error)),
    }
}

/// The parameter group of the source, where there is one of its name here. What is missing is told by the comparison.
pub(super) async fn parameter_group(region: &Region, settings: &Settings, shape: Shape) -> Result<Option<String>> {
    let name = match shape {
        Shape::Instance => "parameter_group",
        Shape::Cluster => "cluster_parameter_group",
    };
    match text(settings, name).filter(|group| !is_default(group)) {
        Some(group) if region.has_parameter_group(group, shape).await? => Ok(Some(group.to_owned())),
        Some(_) | None => Ok(None),
    }
}

/// Only storage of provisioned IOPS must be told how many; other kinds refuse the number below certain sizes.
pub(super) fn iops(settings: &Settings) -> Option<i32> {
    number(settings, "iops").filter(|_| text(settings, "storage_type").is_some_and(|kind| kind.starts_with("io")))
}

pub(super) fn flag(settings: &Settings, name: &str) -> Option<bool> {
    settings.get(name).and_then(Value::as_bool)
}

pub(super) fn owned(settings: &Settings, name: &str) -> Option<String> {
    text(settings, name).map(str::to_owned)
}

pub(super) fn scaling(settings: &Settings) -> Option<ServerlessV2ScalingConfiguration> {
    let bounds = settings.get("scaling")?.as_array()?;
    let bound = |index: usize| bounds.get(index).and_then(Value::as_f64);
    Some(ServerlessV2ScalingConfiguration::builder().set_min_capacity(bound(0)).set_max_capacity(bound(1)).build())
}
