//! What RDS shows in one region. "Not there" is told from "could not be asked", and a listing is complete or an error.

use super::error::{is_absent, told};
use crate::{
    domain::{held::SnapshotName, place::Place},
    error::{Error, Kind, Result, invalid},
    providers::aws::shared::{Aws, ROLE, every_page},
};
use aws_config::SdkConfig;
use aws_sdk_rds::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    primitives::DateTime,
    types::{DbCluster, DbClusterSnapshot, DbInstance, DbSnapshot},
};
use std::time::Duration;

/// RDS answers within seconds, or not at all.
const PATIENCE: Duration = Duration::from_mins(1);
/// The most that RDS puts on a page.
const PAGE: i32 = 100;
/// Snapshots that people and programs took: what RDS takes by itself is not ours.
const MANUAL: &str = "manual";

/// RDS in one region, of our own account or of another.
#[derive(Debug, Clone)]
pub(super) struct Region {
    pub(super) place: Place,
    pub(super) client: Client,
    pub(super) config: SdkConfig,
}

impl Region {
    /// Opens the region at `aws://region` or `aws://region/account`.
    pub(super) async fn open(aws: &Aws, place: &Place) -> Result<Self> {
        if place.scheme() != crate::domain::place::Scheme::Aws {
            return Err(invalid(format!("{place} is no region of Amazon's")));
        }
        let account = Some(place.prefix()).filter(|account| !account.is_empty());
        let config = match account {
            None => aws.in_region(place.bucket(), PATIENCE).await,
            Some(account) => aws.in_account(place.bucket(), account, PATIENCE).await?,
        };
        Ok(Self { place: place.clone(), client: Client::new(&config), config })
    }

    /// The region's own name: `eu-west-1`.
    pub(super) fn name(&self) -> &str {
        self.place.bucket()
    }

    /// Tells an error of RDS here as ours.
    pub(super) fn told<E>(&self, action: &str, of: &str, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = told(action, &format!("{of} at {}", self.place), error);
        match self.place.prefix() {
            account if !account.is_empty() && error.kind() == Kind::Denied && error.to_string().contains("credentials") => {
                error.hint(format!("account {account} needs the role {ROLE}, which must trust the role that this runs with"))
            }
            _ => error,
        }
    }

    /// Returns an instance, or none where there is none.
    pub(super) async fn instance(&self, id: &str) -> Result<Option<DbInstance>> {
        match self.client.describe_db_instances().db_instance_identifier(id).send().await {
            Ok(reply) => Ok(reply.db_instances.unwrap_or_default().into_iter().next()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.told("rds:DescribeDBInstances", id, &error)),
        }
    }

    /// Returns since when RDS's own backups of an instance reach, by its lasting name; none where there are none yet.
    pub(super) async fn backed_up_since(&self, identity: &str) -> Result<Option<DateTime>> {
        match self.client.describe_db_instance_automated_backups().dbi_resource_id(identity).send().await {
            Ok(reply) => {
                // Those that AWS Backup takes are restored by AWS Backup.
                let own = reply.db_instance_automated_backups().iter().filter(|kept| kept.aws_backup_recovery_point_arn().is_none());
                let of_it = own.filter(|kept| kept.dbi_resource_id() == Some(identity));
                Ok(of_it.filter_map(|kept| kept.restore_window()?.earliest_time().copied()).min())
            }
            Err(error) if super::error::code(&error) == "DBInstanceAutomatedBackupNotFound" => Ok(None),
            Err(error) => Err(self.told("rds:DescribeDBInstanceAutomatedBackups", identity, &error)),
        }
    }

    /// Returns a cluster, or none where there is none.
    pub(super) async fn cluster(&self, id: &str) -> Result<Option<DbCluster>> {
        match self.client.describe_db_clusters().db_cluster_identifier(id).send().await {
            Ok(reply) => Ok(reply.db_clusters.unwrap_or_default().into_iter().next()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.told("rds:DescribeDBClusters", id, &error)),
        }
    }

    /// Returns the instances that a cluster says are its members, the writer first.
    pub(super) async fn members(&self, cluster: &DbCluster) -> Result<Vec<DbInstance>> {
        let mut found = Vec::new();
        for id in writer_first(cluster) {
            found.extend(self.instance(id).await?);
        }
        Ok(found)
    }

    /// Returns the member of a cluster that writes.
    pub(super) async fn writer(&self, cluster: &DbCluster) -> Result<Option<DbInstance>> {
        match writer_first(cluster).first() {
            Some(id) => self.instance(id).await,
            None => Ok(None),
        }
    }

    /// Returns every instance here.
    pub(super) async fn instances(&self) -> Result<Vec<DbInstance>> {
        every_page("instances", |marker| async move {
            let reply = self.client.describe_db_instances().max_records(PAGE).set_marker(marker).send().await;
            let reply = reply.map_err(|error| self.told("rds:DescribeDBInstances", "instances", &error))?;
            Ok((reply.db_instances.unwrap_or_default(), reply.marker))
        })
        .await
    }

    /// Returns every cluster here.
    pub(super) async fn clusters(&self) -> Result<Vec<DbCluster>> {
        every_page("clusters", |marker| async move {
            let reply = self.client.describe_db_clusters().max_records(PAGE).set_marker(marker).send().await;
            let reply = reply.map_err(|error| self.told("rds:DescribeDBClusters", "clusters", &error))?;
            Ok((reply.db_clusters.unwrap_or_default(), reply.marker))
        })
        .await
    }

    /// Returns a snapshot of an instance, or none where there is none.
    pub(super) async fn snapshot(&self, name: &SnapshotName) -> Result<Option<DbSnapshot>> {
        match self.client.describe_db_snapshots().db_snapshot_identifier(&name.0).send().await {
            Ok(reply) => Ok(reply.db_snapshots.unwrap_or_default().into_iter().next()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.told("rds:DescribeDBSnapshots", &name.0, &error)),
        }
    }

    /// Returns a snapshot of a cluster, or none where there is none.
    pub(super) async fn cluster_snapshot(&self, name: &SnapshotName) -> Result<Option<DbClusterSnapshot>> {
        match self.client.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(&name.0).send().await {
            Ok(reply) => Ok(reply.db_cluster_snapshots.unwrap_or_default().into_iter().next()),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.told("rds:DescribeDBClusterSnapshots", &name.0, &error)),
        }
    }

    /// Returns every manual snapshot of one instance, or of all.
    pub(super) async fn snapshots(&self, of: Option<&str>) -> Result<Vec<DbSnapshot>> {
        self.snapshots_of(MANUAL, of).await
    }

    /// Returns every snapshot of a type, of one instance or of all.
    pub(super) async fn snapshots_of(&self, kind: &str, of: Option<&str>) -> Result<Vec<DbSnapshot>> {
        every_page("snapshots", |marker| async move {
            let call = self.client.describe_db_snapshots().snapshot_type(kind).set_db_instance_identifier(of.map(str::to_owned));
            let reply = call.max_records(PAGE).set_marker(marker).send().await;
            let reply = reply.map_err(|error| self.told("rds:DescribeDBSnapshots", of.unwrap_or("snapshots"), &error))?;
            Ok((reply.db_snapshots.unwrap_or_default(), reply.marker))
        })
        .await
    }

    /// Returns every manual snapshot of one cluster, or of all.
    pub(super) async fn cluster_snapshots(&self, of: Option<&str>) -> Result<Vec<DbClusterSnapshot>> {
        self.cluster_snapshots_of(MANUAL, of).await
    }

    /// Returns every snapshot of a type, of one cluster or of all.
    pub(super) async fn cluster_snapshots_of(&self, kind: &str, of: Option<&str>) -> Result<Vec<DbClusterSnapshot>> {
        every_page("cluster snapshots", |marker| async move {
            let call = self.client.describe_db_cluster_snapshots().snapshot_type(kind).set_db_cluster_identifier(of.map(str::to_owned));
            let reply = call.max_records(PAGE).set_marker(marker).send().await;
            let reply = reply.map_err(|error| self.told("rds:DescribeDBClusterSnapshots", of.unwrap_or("cluster snapshots"), &error))?;
            Ok((reply.db_cluster_snapshots.unwrap_or_default(), reply.marker))
        })
        .await
    }

    /// Whether there is a parameter group of this name here: for instances, or for clusters.
    pub(super) async fn has_parameter_group(&self, name: &str, shape: super::Shape) -> Result<bool> {
        match shape {
            super::Shape::Instance => match self.client.describe_db_parameter_groups().db_parameter_group_name(name).send().await {
                Ok(reply) => Ok(!reply.db_parameter_groups().is_empty()),
                Err(error) if super::error::code(&error) == "DBParameterGroupNotFound" => Ok(false),
                Err(error) => Err(self.told("rds:DescribeDBParameterGroups", name, &error)),
            },
            super::Shape::Cluster => {
                match self.client.describe_db_cluster_parameter_groups().db_cluster_parameter_group_name(name).send().await {
                    Ok(reply) => Ok(!reply.db_cluster_parameter_groups().is_empty()),
                    Err(error) if matches!(super::error::code(&error), "DBParameterGroupNotFound" | "DBClusterParameterGroupNotFound") => {
                        Ok(false)
                    }
                    Err(error) => Err(self.told("rds:DescribeDBClusterParameterGroups", name, &error)),
                }
            }
        }
    }
}

fn writer_first(cluster: &DbCluster) -> Vec<&str> {
    let mut members: Vec<_> = cluster.db_cluster_members().iter().collect();
    members.sort_by_key(|member| !member.is_cluster_writer().unwrap_or_default());
    members.into_iter().filter_map(|member| member.db_instance_identifier()).collect()
}
