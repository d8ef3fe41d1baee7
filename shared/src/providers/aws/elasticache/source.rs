//! The replication group or cache cluster that an asset is: found out by looking, never configured.

use super::{
    region::Region,
    wire::{Cluster, Endpoint, Group},
};
use crate::{
    error::{Result, not_found},
    ports::{Readiness, SourceSeen},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What an identifier names.
#[derive(Debug)]
pub(super) enum Cache {
    /// A replication group, and one of its nodes, which knows what the group does not say.
    Group(Box<Group>, Option<Box<Cluster>>),
    /// A cache cluster on its own.
    Cluster(Box<Cluster>),
}

impl Cache {
    /// Looks what an identifier names: a group, the group that a cluster is a node of, or a cluster on its own.
    pub(super) async fn find(region: &Region, id: &str) -> Result<Self> {
        let of_group = match region.group(id).await? {
            Some(group) => Some(group),
            None => match region.cluster(id).await? {
                None => None,
                Some(cluster) => match cluster.replication_group_id.as_deref().filter(|group| !group.is_empty()) {
                    Some(group) => region.group(group).await?,
                    None => return Ok(Self::Cluster(Box::new(cluster))),
                },
            },
        };
        let group = of_group.ok_or_else(|| {
            not_found(format!("there is no replication group or cache cluster {id} at {}", region.place))
                .hint("check `instance` and `region` of this asset; snapshots that were taken stay where they are")
        })?;
        let node = match group.member_clusters.cluster_id.first() {
            Some(node) => region.cluster(node).await?.map(Box::new),
            None => None,
        };
        Ok(Self::Group(Box::new(group), node))
    }

    /// The parameter that names it in an order for a snapshot.
    pub(super) fn named(&self) -> (&'static str, String) {
        match self {
            Self::Group(group, _) => ("ReplicationGroupId", group.replication_group_id.clone()),
            Self::Cluster(cluster) => ("CacheClusterId", cluster.cache_cluster_id.clone()),
        }
    }

    /// For how many days ElastiCache keeps snapshots of its own; 0 is: it takes none.
    pub(super) fn retention_days(&self) -> Option<u32> {
        match self {
            Self::Group(group, _) => group.snapshot_retention_limit,
            Self::Cluster(cluster) => cluster.snapshot_retention_limit,
        }
    }

    /// The key that it is encrypted with at rest, if it is one that is named.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::Group(group, _) => group.kms_key_id.as_deref().filter(|key| !key.is_empty()),
            Self::Cluster(_) => None,
        }
    }

    /// What is seen of it.
    pub(super) fn seen(&self) -> SourceSeen {
        let (status, identity, address) = match self {
            Self::Group(group, _) => {
                let first = group.node_groups.node_group.first().and_then(|shard| shard.primary_endpoint.as_ref());
                let address = group.configuration_endpoint.as_ref().or(first).map(address).unwrap_or_default();
                (&group.status, group.arn.as_deref().unwrap_or(&group.replication_group_id), address)
            }
            Self::Cluster(cluster) => {
                (&cluster.cache_cluster_status, cluster.arn.as_deref().unwrap_or(&cluster.cache_cluster_id), String::new())
            }
        };
        SourceSeen { readiness: readiness(status), address, identity: identity.to_owned(), settings: self.settings() }
    }

    fn settings(&self) -> BTreeMap<String, Value> {
        let (mut all, node) = match self {
            Self::Group(group, node) => (of_group(group), node.as_deref()),
            Self::Cluster(cluster) => (of_cluster(cluster), Some(cluster.as_ref())),
        };
        all.extend(node.into_iter().flat_map(of_node));
        let said = |value: &Value| match value {
            Value::Null => false,
            Value::Array(items) => !items.is_empty(),
            Value::String(text) => !text.is_empty(),
            Value::Object(_) | Value::Bool(_) | Value::Number(_) => true,
        };
        all.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn address(at: &Endpoint) -> String {
    at.port.map_or_else(|| at.address.clone(), |port| format!("{}:{port}", at.address))
}

fn of_group(group: &Group) -> Vec<(&'static str, Value)> {
    let shards: Vec<_> =
        group.node_groups.node_group.iter().map(|shard| json!({ "id": shard.node_group_id, "slots": shard.slots })).collect();
    vec![
        ("replication_group", json!(group.replication_group_id)),
        ("engine", json!(group.engine)),
        ("node_type", json!(group.cache_node_type)),
        ("cluster_mode", json!(group.cluster_enabled)),
        ("shards", json!(shards)),
        ("nodes", json!(group.member_clusters.cluster_id.len())),
        ("automatic_failover", json!(group.automatic_failover)),
        ("multi_az", json!(group.multi_az)),
        ("snapshot_retention", json!(group.snapshot_retention_limit)),
        ("snapshot_window", json!(group.snapshot_window)),
        ("auth_token", json!(group.auth_token_enabled)),
        ("user_groups", json!(group.user_group_ids.member)),
        ("tls", json!(group.transit_encryption_enabled)),
        ("tls_mode", json!(group.transit_encryption_mode)),
        ("encrypted", json!(group.at_rest_encryption_enabled)),
        ("kms_key", json!(group.kms_key_id)),
        ("data_tiering", json!(group.data_tiering)),
        ("network_type", json!(group.network_type)),
    ]
}

fn of_cluster(cluster: &Cluster) -> Vec<(&'static str, Value)> {
    vec![
        ("cache_cluster", json!(cluster.cache_cluster_id)),
        ("nodes", json!(cluster.num_cache_nodes)),
        ("snapshot_retention", json!(cluster.snapshot_retention_limit)),
        ("snapshot_window", json!(cluster.snapshot_window)),
        ("auth_token", json!(cluster.auth_token_enabled)),
        ("tls", json!(cluster.transit_encryption_enabled)),
        ("encrypted", json!(cluster.at_rest_encryption_enabled)),
    ]
}

/// What only a node says.
fn of_node(cluster: &Cluster) -> Vec<(&'static str, Value)> {
    let mut groups: Vec<_> = cluster.security_groups.member.iter().filter_map(|group| group.security_group_id.as_deref()).collect();
    groups.sort_unstable();
    vec![
        ("engine", json!(cluster.engine)),
        ("engine_version", json!(cluster.engine_version)),
        ("node_type", json!(cluster.cache_node_type)),
        ("parameter_group", json!(cluster.cache_parameter_group.as_ref().and_then(|group| group.cache_parameter_group_name.as_deref()))),
        ("subnet_group", json!(cluster.cache_subnet_group_name)),
        ("security_groups", json!(groups)),
        ("maintenance_window", json!(cluster.preferred_maintenance_window)),
        ("auto_minor_version_upgrade", json!(cluster.auto_minor_version_upgrade)),
    ]
}

/// Whether a snapshot can begin. AWS adds new states: what nobody here knows is taken for work that will end.
fn readiness(status: &str) -> Readiness {
    match status {
        "available" => Readiness::Ready,
        "" => Readiness::Busy("in no status yet".to_owned()),
        "create-failed" | "deleting" | "deleted" | "incompatible-network" | "restore-failed" => Readiness::Unfit(status.to_owned()),
        _ => Readiness::Busy(status.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::{Clusters, Groups};
    use super::*;

    #[test]
    fn what_a_snapshot_does_not_bring_back_is_kept() {
        let group = "<DescribeReplicationGroupsResponse><DescribeReplicationGroupsResult><ReplicationGroups><ReplicationGroup>\
            <ReplicationGroupId>shop</ReplicationGroupId><Status>snapshotting</Status><CacheNodeType>cache.r7g.large</CacheNodeType>\
            <ClusterEnabled>true</ClusterEnabled><NodeGroups><NodeGroup><NodeGroupId>0001</NodeGroupId><Slots>0-16383</Slots>\
            <PrimaryEndpoint><Address>shop.x</Address><Port>6379</Port></PrimaryEndpoint></NodeGroup></NodeGroups>\
            <MemberClusters><ClusterId>shop-001</ClusterId><ClusterId>shop-002</ClusterId></MemberClusters>\
            <UserGroupIds><member>app</member></UserGroupIds><SnapshotRetentionLimit>0</SnapshotRetentionLimit>\
            <TransitEncryptionEnabled>true</TransitEncryptionEnabled><AuthTokenEnabled>false</AuthTokenEnabled><ARN>arn:shop</ARN>\
            </ReplicationGroup></ReplicationGroups></DescribeReplicationGroupsResult></DescribeReplicationGroupsResponse>";
        let node = "<DescribeCacheClustersResponse><DescribeCacheClustersResult><CacheClusters><CacheCluster>\
            <CacheClusterId>shop-001</CacheClusterId><ReplicationGroupId>shop</ReplicationGroupId><Engine>valkey</Engine>\
            <EngineVersion>8.0.1</EngineVersion><CacheParameterGroup><CacheParameterGroupName>shop-valkey8</CacheParameterGroupName>\
            </CacheParameterGroup><SecurityGroups><member><SecurityGroupId>sg-2</SecurityGroupId></member><member>\
            <SecurityGroupId>sg-1</SecurityGroupId></member></SecurityGroups></CacheCluster></CacheClusters>\
            </DescribeCacheClustersResult></DescribeCacheClustersResponse>";
        let group: Groups = quick_xml::de::from_str(group).unwrap();
        let node: Clusters = quick_xml::de::from_str(node).unwrap();
        let group = group.result.replication_groups.replication_group.into_iter().next().unwrap();
        let node = node.result.cache_clusters.cache_cluster.into_iter().next().map(Box::new);
        let cache = Cache::Group(Box::new(group), node);
        let seen = cache.seen();
        assert_eq!(seen.readiness, Readiness::Busy("snapshotting".into()));
        assert_eq!((seen.address.as_str(), seen.identity.as_str(), cache.retention_days()), ("shop.x:6379", "arn:shop", Some(0)));
        assert_eq!(
            serde_json::to_value(&seen.settings).unwrap(),
            json!({
                "replication_group": "shop", "engine": "valkey", "engine_version": "8.0.1", "node_type": "cache.r7g.large", "cluster_mode": true,
                "shards": [{ "id": "0001", "slots": "0-16383" }], "nodes": 2, "snapshot_retention": 0, "auth_token": false,
                "user_groups": ["app"], "tls": true, "parameter_group": "shop-valkey8", "security_groups": ["sg-1", "sg-2"]
            })
        );
    }
}
