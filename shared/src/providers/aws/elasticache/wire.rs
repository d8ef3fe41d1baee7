//! What ElastiCache answers, as far as we read it.
#![expect(clippy::struct_field_names, reason = "they are the service's own names")]

use crate::{clock::Timestamp, providers::aws::marks};
use serde::Deserialize;

/// A page of replication groups.
#[derive(Debug, Deserialize)]
pub(super) struct Groups {
    #[serde(rename = "DescribeReplicationGroupsResult")]
    pub(super) result: GroupsPage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupsPage {
    #[serde(default)]
    pub(super) replication_groups: GroupList,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GroupList {
    #[serde(default)]
    pub(super) replication_group: Vec<Group>,
}

/// A replication group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Group {
    pub(super) replication_group_id: String,
    #[serde(default)]
    pub(super) status: String,
    pub(super) engine: Option<String>,
    pub(super) cache_node_type: Option<String>,
    pub(super) cluster_enabled: Option<bool>,
    pub(super) automatic_failover: Option<String>,
    #[serde(rename = "MultiAZ")]
    pub(super) multi_az: Option<String>,
    pub(super) snapshot_retention_limit: Option<u32>,
    pub(super) snapshot_window: Option<String>,
    pub(super) auth_token_enabled: Option<bool>,
    pub(super) transit_encryption_enabled: Option<bool>,
    pub(super) transit_encryption_mode: Option<String>,
    pub(super) at_rest_encryption_enabled: Option<bool>,
    pub(super) kms_key_id: Option<String>,
    pub(super) data_tiering: Option<String>,
    pub(super) network_type: Option<String>,
    pub(super) configuration_endpoint: Option<Endpoint>,
    #[serde(default)]
    pub(super) node_groups: NodeGroups,
    #[serde(default)]
    pub(super) member_clusters: MemberClusters,
    #[serde(default)]
    pub(super) user_group_ids: UserGroups,
    #[serde(rename = "ARN")]
    pub(super) arn: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeGroups {
    #[serde(default)]
    pub(super) node_group: Vec<NodeGroup>,
}

/// A shard.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeGroup {
    pub(super) node_group_id: Option<String>,
    pub(super) slots: Option<String>,
    pub(super) primary_endpoint: Option<Endpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct MemberClusters {
    #[serde(default)]
    pub(super) cluster_id: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct UserGroups {
    #[serde(default)]
    pub(super) member: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Endpoint {
    #[serde(default)]
    pub(super) address: String,
    pub(super) port: Option<u16>,
}

/// A page of cache clusters.
#[derive(Debug, Deserialize)]
pub(super) struct Clusters {
    #[serde(rename = "DescribeCacheClustersResult")]
    pub(super) result: ClustersPage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ClustersPage {
    #[serde(default)]
    pub(super) cache_clusters: ClusterList,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ClusterList {
    #[serde(default)]
    pub(super) cache_cluster: Vec<Cluster>,
}

/// A cache cluster: one on its own, or a node of a replication group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cluster {
    pub(super) cache_cluster_id: String,
    pub(super) replication_group_id: Option<String>,
    #[serde(default)]
    pub(super) cache_cluster_status: String,
    pub(super) engine: Option<String>,
    pub(super) engine_version: Option<String>,
    pub(super) cache_node_type: Option<String>,
    pub(super) num_cache_nodes: Option<u32>,
    pub(super) cache_subnet_group_name: Option<String>,
    pub(super) preferred_maintenance_window: Option<String>,
    pub(super) auto_minor_version_upgrade: Option<bool>,
    pub(super) snapshot_retention_limit: Option<u32>,
    pub(super) snapshot_window: Option<String>,
    pub(super) auth_token_enabled: Option<bool>,
    pub(super) transit_encryption_enabled: Option<bool>,
    pub(super) at_rest_encryption_enabled: Option<bool>,
    pub(super) cache_parameter_group: Option<ParameterGroup>,
    #[serde(default)]
    pub(super) security_groups: SecurityGroups,
    #[serde(rename = "ARN")]
    pub(super) arn: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ParameterGroup {
    pub(super) cache_parameter_group_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct SecurityGroups {
    #[serde(default)]
    pub(super) member: Vec<SecurityGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SecurityGroup {
    pub(super) security_group_id: Option<String>,
}

/// A page of snapshots.
#[derive(Debug, Deserialize)]
pub(super) struct Snapshots {
    #[serde(rename = "DescribeSnapshotsResult")]
    pub(super) result: SnapshotsPage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SnapshotsPage {
    #[serde(default)]
    pub(super) snapshots: SnapshotList,
    pub(super) marker: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SnapshotList {
    #[serde(default)]
    pub(super) snapshot: Vec<Snapshot>,
}

/// A snapshot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Snapshot {
    pub(super) snapshot_name: String,
    #[serde(default)]
    pub(super) snapshot_status: String,
    pub(super) engine: Option<String>,
    pub(super) engine_version: Option<String>,
    pub(super) kms_key_id: Option<String>,
    #[serde(rename = "ARN")]
    pub(super) arn: Option<String>,
    #[serde(default)]
    pub(super) node_snapshots: NodeSnapshots,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeSnapshots {
    #[serde(default)]
    pub(super) node_snapshot: Vec<NodeSnapshot>,
}

/// The part of one shard.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeSnapshot {
    pub(super) cache_size: Option<String>,
    pub(super) snapshot_create_time: Option<Timestamp>,
}

/// The tags of a thing.
#[derive(Debug, Deserialize)]
pub(super) struct Tagged {
    #[serde(rename = "ListTagsForResourceResult")]
    pub(super) result: TagPage,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagPage {
    #[serde(default)]
    tag_list: TagList,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagList {
    #[serde(default)]
    tag: Vec<Tag>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

impl TagPage {
    /// They.
    pub(super) fn tags(self) -> marks::Tags {
        self.tag_list.tag.into_iter().map(|tag| (tag.key, tag.value)).collect()
    }
}
