//! The instance or cluster that an asset is: found out by looking, never configured.

use super::{look::Region, settings, status};
use crate::{
    error::{Result, not_found},
    ports::SourceSeen,
};
use aws_sdk_rds::types::{DbCluster, DbInstance, Endpoint};

/// What an identifier names.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// An instance of its own.
    Instance(Box<DbInstance>),
    /// A cluster, and the member that writes.
    Cluster(Box<DbCluster>, Option<Box<DbInstance>>),
}

impl Source {
    /// Looks what an identifier names: an instance, the cluster that an instance is a member of, or a cluster itself.
    pub(super) async fn find(region: &Region, id: &str) -> Result<Self> {
        let instance = region.instance(id).await?;
        let cluster = match &instance {
            Some(instance) => match instance.db_cluster_identifier().filter(|cluster| !cluster.is_empty()) {
                Some(cluster) => region.cluster(cluster).await?,
                None => return Ok(Self::Instance(Box::new(instance.clone()))),
            },
            None => region.cluster(id).await?,
        };
        let cluster = cluster.ok_or_else(|| {
            not_found(format!("there is no instance or cluster {id} at {}", region.place))
                .hint("check `instance` and `region` of this asset; snapshots that were taken stay where they are")
        })?;
        let writer = region.writer(&cluster).await?.map(Box::new);
        Ok(Self::Cluster(Box::new(cluster), writer))
    }

    /// What is seen of it.
    pub(super) fn seen(&self) -> SourceSeen {
        let address = |host: Option<&str>, port: Option<i32>| match (host, port) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => String::new(),
        };
        match self {
            Self::Instance(instance) => {
                let endpoint = instance.endpoint();
                SourceSeen {
                    readiness: status::readiness(instance.db_instance_status().unwrap_or_default()),
                    address: address(endpoint.and_then(|at| at.address()), endpoint.and_then(Endpoint::port)),
                    identity: instance.dbi_resource_id().unwrap_or_default().to_owned(),
                    settings: settings::of_instance(instance),
                }
            }
            Self::Cluster(cluster, writer) => SourceSeen {
                readiness: status::readiness(cluster.status().unwrap_or_default()),
                address: address(cluster.endpoint(), cluster.port()),
                identity: cluster.db_cluster_resource_id().unwrap_or_default().to_owned(),
                settings: settings::of_cluster(cluster, writer.as_deref()),
            },
        }
    }
}
