//! How an instance or cluster is set up, as a restore would have to bring it back: RDS itself brings back little of it.

use aws_sdk_rds::types::{DbCluster, DbInstance, Endpoint, Tag};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Settings by name; what RDS does not say is left out.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings of an instance.
pub(super) fn of_instance(instance: &DbInstance) -> Settings {
    kept([
        ("engine", json!(instance.engine())),
        ("engine_version", json!(instance.engine_version())),
        ("class", json!(instance.db_instance_class())),
        ("parameter_group", json!(instance.db_parameter_groups().first().and_then(|group| group.db_parameter_group_name()))),
        ("option_group", json!(instance.option_group_memberships().first().and_then(|group| group.option_group_name()))),
        ("security_groups", json!(security_groups_of_instance(instance))),
        ("subnet_group", json!(instance.db_subnet_group().and_then(|group| group.db_subnet_group_name()))),
        ("availability_zone", json!(instance.availability_zone())),
        ("storage_type", json!(instance.storage_type())),
        ("allocated_storage", json!(instance.allocated_storage())),
        ("max_allocated_storage", json!(instance.max_allocated_storage())),
        ("iops", json!(instance.iops())),
        ("storage_throughput", json!(instance.storage_throughput())),
        ("encrypted", json!(instance.storage_encrypted())),
        ("kms_key", json!(instance.kms_key_id())),
        ("multi_az", json!(instance.multi_az())),
        ("publicly_accessible", json!(instance.publicly_accessible())),
        ("deletion_protection", json!(instance.deletion_protection())),
        ("iam_authentication", json!(instance.iam_database_authentication_enabled())),
        ("backup_retention", json!(instance.backup_retention_period())),
        ("backup_window", json!(instance.preferred_backup_window())),
        ("maintenance_window", json!(instance.preferred_maintenance_window())),
        ("auto_minor_version_upgrade", json!(instance.auto_minor_version_upgrade())),
        ("copy_tags_to_snapshot", json!(instance.copy_tags_to_snapshot())),
        ("ca", json!(instance.ca_certificate_identifier())),
        ("master_user", json!(instance.master_username())),
        ("database", json!(instance.db_name())),
        ("port", json!(instance.endpoint().and_then(Endpoint::port).or(instance.db_instance_port()))),
        ("network_type", json!(instance.network_type())),
        ("log_exports", json!(instance.enabled_cloudwatch_logs_exports())),
        ("monitoring_interval", json!(instance.monitoring_interval())),
        ("performance_insights", json!(instance.performance_insights_enabled())),
        ("license_model", json!(instance.license_model())),
        ("tags", tags(instance.tag_list())),
    ])
}

/// The settings of a cluster, with those of its writer that its other instances share.
pub(super) fn of_cluster(cluster: &DbCluster, writer: Option<&DbInstance>) -> Settings {
    let scaling = cluster.serverless_v2_scaling_configuration().map(|scaling| json!([scaling.min_capacity(), scaling.max_capacity()]));
    let class = cluster.db_cluster_instance_class().or_else(|| writer.and_then(|writer| writer.db_instance_class()));
    kept([
        ("engine", json!(cluster.engine())),
        ("engine_version", json!(cluster.engine_version())),
        ("engine_mode", json!(cluster.engine_mode())),
        ("class", json!(class)),
        ("cluster_class", json!(cluster.db_cluster_instance_class())),
        ("scaling", json!(scaling)),
        ("members", json!(cluster.db_cluster_members().len())),
        ("cluster_parameter_group", json!(cluster.db_cluster_parameter_group())),
        (
            "parameter_group",
            json!(writer.and_then(|writer| writer.db_parameter_groups().first()).and_then(|group| group.db_parameter_group_name())),
        ),
        ("security_groups", json!(security_groups_of_cluster(cluster))),
        ("subnet_group", json!(cluster.db_subnet_group())),
        ("storage_type", json!(cluster.storage_type())),
        ("allocated_storage", json!(cluster.allocated_storage())),
        ("iops", json!(cluster.iops())),
        ("encrypted", json!(cluster.storage_encrypted())),
        ("kms_key", json!(cluster.kms_key_id())),
        ("multi_az", json!(cluster.multi_az())),
        ("publicly_accessible", json!(cluster.publicly_accessible().or_else(|| writer.and_then(DbInstance::publicly_accessible)))),
        ("deletion_protection", json!(cluster.deletion_protection())),
        ("iam_authentication", json!(cluster.iam_database_authentication_enabled())),
        ("backup_retention", json!(cluster.backup_retention_period())),
        ("backup_window", json!(cluster.preferred_backup_window())),
        ("maintenance_window", json!(cluster.preferred_maintenance_window())),
        ("copy_tags_to_snapshot", json!(cluster.copy_tags_to_snapshot())),
        ("ca", json!(writer.and_then(|writer| writer.ca_certificate_identifier()))),
        ("master_user", json!(cluster.master_username())),
        ("database", json!(cluster.database_name())),
        ("port", json!(cluster.port())),
        ("network_type", json!(cluster.network_type())),
        ("log_exports", json!(cluster.enabled_cloudwatch_logs_exports())),
        ("monitoring_interval", json!(writer.and_then(DbInstance::monitoring_interval))),
        ("performance_insights", json!(cluster.performance_insights_enabled())),
        ("tags", tags(cluster.tag_list())),
    ])
}

/// The security groups of an instance.
pub(super) fn security_groups_of_instance(instance: &DbInstance) -> Vec<String> {
    ids(instance.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id()))
}

/// The security groups of a cluster.
pub(super) fn security_groups_of_cluster(cluster: &DbCluster) -> Vec<String> {
    ids(cluster.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id()))
}

fn ids<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut ids: Vec<_> = ids.map(str::to_owned).collect();
    ids.sort();
    ids
}

fn tags(tags: &[Tag]) -> Value {
    let said = super::tags::peoples(tags).filter_map(|tag| Some((tag.key()?.to_owned(), json!(tag.value().unwrap_or_default()))));
    Value::Object(said.collect())
}

fn kept<const N: usize>(all: [(&str, Value); N]) -> Settings {
    let said = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(items) => !items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    all.into_iter().filter(|(_, value)| said(value)).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A setting that is a text.
pub(super) fn text<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
    settings.get(name).and_then(Value::as_str)
}

/// A setting that is a whole number.
pub(super) fn number(settings: &Settings, name: &str) -> Option<i32> {
    settings.get(name).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok())
}

/// Whether a parameter or option group is the default that RDS makes by itself.
pub(super) fn is_default(group: &str) -> bool {
    group.starts_with("default.") || group.starts_with("default:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_rds::types::{DbClusterMember, DbParameterGroupStatus, VpcSecurityGroupMembership};

    #[test]
    fn what_a_restore_does_not_bring_back_is_kept() {
        let group = |id: &str| VpcSecurityGroupMembership::builder().vpc_security_group_id(id).build();
        let tag = |key: &str| Tag::builder().key(key).value("v").build();
        let instance = DbInstance::builder()
            .engine("postgres")
            .engine_version("15.18")
            .db_parameter_groups(DbParameterGroupStatus::builder().db_parameter_group_name("orders-pg15").build())
            .vpc_security_groups(group("sg-2"))
            .vpc_security_groups(group("sg-1"))
            .deletion_protection(true)
            .endpoint(Endpoint::builder().address("h").port(5433).build())
            .tag_list(tag("team"))
            .tag_list(tag("aws:cloudformation:stack-id"))
            .build();
        let kept = serde_json::to_value(of_instance(&instance)).unwrap();
        assert_eq!(
            kept,
            json!({
                "engine": "postgres", "engine_version": "15.18", "parameter_group": "orders-pg15",
                "security_groups": ["sg-1", "sg-2"], "deletion_protection": true, "port": 5433, "tags": { "team": "v" }
            })
        );
    }

    #[test]
    fn a_cluster_is_kept_with_what_its_writer_is() {
        let cluster = DbCluster::builder()
            .engine("aurora-postgresql")
            .db_cluster_parameter_group("orders-cluster")
            .db_cluster_members(DbClusterMember::builder().db_instance_identifier("a").build())
            .build();
        let writer = DbInstance::builder().db_instance_class("db.r6g.large").build();
        let kept = of_cluster(&cluster, Some(&writer));
        assert_eq!((text(&kept, "class"), number(&kept, "members")), (Some("db.r6g.large"), Some(1)));
        assert_eq!(text(&kept, "cluster_parameter_group"), Some("orders-cluster"));
        assert!(is_default("default.postgres15") && is_default("default:postgres-15") && !is_default("orders-cluster"));
    }
}
