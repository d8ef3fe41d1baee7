//! Replicas: how they are ordered, what is refused, in which order they go.

use super::double::{Double, Hasty, asset, place, tagged, tags, vault};
use crate::{
    config::DrillTarget,
    domain::{
        backup::{Expectations, Manifest, Method, Origin, Tier},
        drill::{ReplicaName, Sighting},
        held::{Held, SnapshotName},
    },
    error::Kind,
    id::Slot,
    ports::Replicas,
    providers::{
        aws::{Aws, rds::RdsReplicas},
        postgres::Tools,
    },
};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

const NAME: &str = "lastgood-drill-orders-20261120t060000z";
const EXPIRES: &str = "2026-11-20T14:00:00Z";

fn name() -> ReplicaName {
    ReplicaName(NAME.into())
}

fn replicas(rds: &Double) -> RdsReplicas {
    through(rds.aws())
}

fn through(aws: Arc<Aws>) -> RdsReplicas {
    let asset = asset();
    let Some(DrillTarget::Rds(drill)) = asset.policy.drill.as_ref().map(|policy| policy.into.clone()) else { panic!("an rds drill") };
    RdsReplicas::new(aws, &asset, drill, Arc::new(Hasty), Tools::of_this_machine()).unwrap()
}

fn backup(at: &str, kind: &str, engine: &str) -> Manifest {
    let moment = "2026-11-20T03:00:00Z".parse().unwrap();
    let settings = json!({
        "engine": "postgres", "class": "db.r6g.large", "parameter_group": "orders-pg15", "cluster_parameter_group": "orders-cluster",
        "storage_type": "gp3", "iops": 3000, "iam_authentication": true
    });
    Manifest {
        id: "01KAFYF000B5M1Y0Z9P4T1D3QK".parse().unwrap(),
        asset: "orders".parse().unwrap(),
        method: Method::ProviderSnapshot,
        tier: Tier::Daily,
        slot: Slot(moment),
        data_time: moment,
        started_at: moment,
        finished_at: moment,
        source: Origin { system_identifier: Some("db-ORDERS".into()), ..Origin::default() },
        artifacts: Vec::new(),
        held: Some(Held {
            place: place(at),
            name: SnapshotName("lastgood-orders-20261120t030000z".into()),
            reference: format!("arn:aws:rds:eu-west-1:111122223333:{kind}:lastgood-orders-20261120t030000z"),
            engine: engine.into(),
            bytes: 20 << 30,
            encrypted: true,
            key: None,
            members: Vec::new(),
            settings: serde_json::from_value(settings).unwrap(),
        }),
        expectations: Expectations::default(),
        tools: BTreeMap::new(),
    }
}

fn of_instance() -> Manifest {
    backup("aws://eu-west-1", "snapshot", "postgres 15.18")
}

fn our_tags(more: &[(&str, &str)]) -> String {
    tags(&[&[("lastgood:replica", NAME), ("lastgood:asset", "orders"), ("lastgood:expires", EXPIRES)], more].concat())
}

fn instance(id: &str, status: &str, more: &str) -> String {
    format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceStatus>{status}</DBInstanceStatus>
         <DBInstanceArn>arn:aws:rds:eu-west-1:111122223333:db:{id}</DBInstanceArn>{more}</DBInstance></DBInstances>"
    )
}

fn cluster(status: &str, members: &[&str], more: &str) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|id| format!("<DBClusterMember><DBInstanceIdentifier>{id}</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter></DBClusterMember>"))
        .collect();
    format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>{NAME}</DBClusterIdentifier><Status>{status}</Status><Engine>aurora-postgresql</Engine>
         <DBClusterMembers>{}</DBClusterMembers>{more}</DBCluster></DBClusters>",
        members.concat()
    )
}

#[tokio::test]
async fn a_replica_is_ordered_into_the_drill_network_without_address_backups_or_protection() {
    let rds = Double::start().await;
    rds.answers("DescribeDBParameterGroups", "<DBParameterGroups><DBParameterGroup><DBParameterGroupName>orders-pg15</DBParameterGroupName></DBParameterGroup></DBParameterGroups>");
    rds.answers("RestoreDBInstanceFromDBSnapshot", "");
    replicas(&rds).begin_replica(&name(), &of_instance(), EXPIRES.parse().unwrap()).await.unwrap();
    let request = &rds.asked("RestoreDBInstanceFromDBSnapshot")[0];
    for (parameter, value) in [
        ("DBInstanceIdentifier", NAME),
        ("DBSnapshotIdentifier", "lastgood-orders-20261120t030000z"),
        ("DBInstanceClass", "db.t4g.medium"),
        ("DBSubnetGroupName", "drill"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-drill"),
        ("PubliclyAccessible", "false"),
        ("DeletionProtection", "false"),
        ("CopyTagsToSnapshot", "false"),
        ("MultiAZ", "false"),
        ("AutoMinorVersionUpgrade", "false"),
        ("BackupRetentionPeriod", "0"),
        ("DBParameterGroupName", "orders-pg15"),
        ("StorageType", "gp3"),
        ("EnableIAMDatabaseAuthentication", "true"),
    ] {
        assert_eq!(request.get(parameter).map(String::as_str), Some(value), "{parameter}");
    }
    assert_eq!(request.get("Iops"), None);
    let tags = tagged(request);
    assert_eq!(
        (tags["lastgood:replica"].as_str(), tags["lastgood:asset"].as_str(), tags["lastgood:expires"].as_str()),
        (NAME, "orders", EXPIRES)
    );
}

#[tokio::test]
async fn a_far_copy_is_restored_in_its_own_region_and_only_where_a_drill_network_is_known() {
    let rds = Double::start().await;
    rds.answers("RestoreDBInstanceFromDBSnapshot", "");
    let far = backup("aws://us-east-1", "snapshot", "postgres 15.18");
    replicas(&rds).begin_replica(&name(), &far, EXPIRES.parse().unwrap()).await.unwrap();
    let request = &rds.asked("RestoreDBInstanceFromDBSnapshot")[0];
    assert_eq!((request["DBSubnetGroupName"].as_str(), request.get("DBParameterGroupName")), ("drill-us", None), "that group is not there");
    let farther = backup("aws://eu-central-1", "snapshot", "postgres 15.18");
    let error = replicas(&rds).begin_replica(&name(), &farther, EXPIRES.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.advice().unwrap().contains("eu-central-1"));
}

#[tokio::test]
async fn r04_a_strangers_instance_of_our_name_is_a_conflict_and_is_never_removed() {
    for tags in [String::new(), tags(&[("lastgood:replica", "another"), ("lastgood:expires", EXPIRES)])] {
        let rds = Double::start().await;
        let strange = instance(NAME, "available", &tags);
        rds.answers("DescribeDBInstances", &strange).answers("DescribeDBInstances", &strange);
        let error = replicas(&rds).begin_replica(&name(), &of_instance(), EXPIRES.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert_eq!(replicas(&rds).begin_teardown(&name()).await.unwrap_err().kind(), Kind::Conflict);
        assert_eq!(rds.changes(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn r26_the_source_itself_is_refused_whatever_its_name_and_tags() {
    let rds = Double::start().await;
    let source = format!("<DbiResourceId>db-ORDERS</DbiResourceId>{}", our_tags(&[]));
    rds.answers("DescribeDBInstances", &instance(NAME, "available", &source));
    let error = replicas(&rds).begin_replica(&name(), &of_instance(), EXPIRES.parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(rds.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn r48_a_replica_that_came_up_open_is_refused_before_it_is_asked_or_changed() {
    let vault = vault();
    for open in [
        "<PubliclyAccessible>true</PubliclyAccessible>",
        "<VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-default</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>",
    ] {
        let rds = Double::start().await;
        rds.answers("DescribeDBInstances", &instance(NAME, "creating", &format!("{open}{}", our_tags(&[]))));
        let error = replicas(&rds).restore(&name(), &of_instance(), &vault).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{}", error.full());
        assert_eq!(rds.changes(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_rds_gives_up_condemns_the_backup_only_where_the_restore_itself_failed() {
    let vault = vault();
    for (status, kind) in [("incompatible-restore", Kind::Failed), ("incompatible-network", Kind::Invalid)] {
        let rds = Double::start().await;
        rds.answers("DescribeDBInstances", &instance(NAME, status, &our_tags(&[])));
        let error = replicas(&rds).restore(&name(), &of_instance(), &vault).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.full());
        assert!(error.full().contains(status));
    }
}

#[tokio::test]
async fn r27_protection_is_lifted_from_what_is_ours_and_its_backups_go_with_it() {
    let rds = Double::start().await;
    let protected = format!("<DeletionProtection>true</DeletionProtection>{}", our_tags(&[]));
    rds.answers("DescribeDBInstances", &instance(NAME, "available", &protected))
        .answers("ModifyDBInstance", "")
        .answers("DeleteDBInstance", "");
    replicas(&rds).begin_teardown(&name()).await.unwrap();
    assert_eq!(rds.changes(), ["ModifyDBInstance", "DeleteDBInstance"]);
    assert_eq!(rds.asked("ModifyDBInstance")[0]["DeletionProtection"], "false");
    let request = &rds.asked("DeleteDBInstance")[0];
    assert_eq!((request["SkipFinalSnapshot"].as_str(), request["DeleteAutomatedBackups"].as_str()), ("true", "true"));
}

#[tokio::test]
async fn r27_a_clusters_instances_go_before_it_and_what_is_busy_or_gone_is_no_failure() {
    let rds = Double::start().await;
    let member = format!("{NAME}-1");
    let ours = format!("<DBClusterIdentifier>{NAME}</DBClusterIdentifier>{}", our_tags(&[]));
    rds.refuses("DescribeDBInstances", "DBInstanceNotFound", "");
    rds.answers("DescribeDBClusters", &cluster("available", &[&member], &our_tags(&[])));
    rds.answers("DescribeDBInstances", &instance(&member, "available", &ours));
    rds.answers("DeleteDBInstance", "").refuses("DeleteDBCluster", "InvalidDBClusterStateFault", "it still contains instances");
    replicas(&rds).begin_teardown(&name()).await.unwrap();
    assert_eq!(rds.changes(), ["DeleteDBInstance", "DeleteDBCluster"]);
    assert_eq!(rds.asked("DeleteDBInstance")[0].get("DeleteAutomatedBackups"), None);
    replicas(&rds).begin_teardown(&name()).await.unwrap();
    assert_eq!(rds.changes().len(), 2, "what is gone needs no removal");
}

#[tokio::test]
async fn r26_a_replica_that_became_production_is_neither_swept_nor_removed_even_by_a_members_name() {
    let rds = Double::start().await;
    let member = format!("{NAME}-1");
    let ours = format!("<DBClusterIdentifier>{NAME}</DBClusterIdentifier>{}", our_tags(&[]));
    let replicas = replicas(&rds).sparing([member.as_str()]);
    rds.refuses("DescribeDBInstances", "DBInstanceNotFound", "");
    rds.answers("DescribeDBClusters", &cluster("available", &[&member], &our_tags(&[])));
    rds.answers("DescribeDBInstances", &instance(&member, "available", &ours));
    assert_eq!(replicas.begin_teardown(&name()).await.unwrap_err().kind(), Kind::Refused);
    // Listed first as an instance, then with its cluster.
    rds.answers("DescribeDBInstances", &instance(&member, "available", &ours));
    rds.answers("DescribeDBClusters", &cluster("available", &[&member], &our_tags(&[])));
    rds.answers("DescribeDBInstances", &instance(&member, "available", &ours));
    for _ in 0..2 {
        rds.answers("DescribeDBInstances", "<DBInstances/>").answers("DescribeDBClusters", "<DBClusters/>");
    }
    assert_eq!(replicas.replicas().await.unwrap(), []);
    assert_eq!(rds.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_strangers_instance_in_our_cluster_stops_the_removal() {
    let rds = Double::start().await;
    rds.refuses("DescribeDBInstances", "DBInstanceNotFound", "");
    rds.answers("DescribeDBClusters", &cluster("available", &["theirs"], &our_tags(&[])));
    rds.answers("DescribeDBInstances", &instance("theirs", "available", ""));
    assert_eq!(replicas(&rds).begin_teardown(&name()).await.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(rds.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn aurora_is_restored_as_a_cluster_and_gets_its_instance_once_its_storage_is_there() {
    let rds = Double::start().await;
    let aurora = backup("aws://eu-west-1", "cluster-snapshot", "aurora-postgresql 16.4");
    rds.answers("RestoreDBClusterFromSnapshot", "");
    let replicas = replicas(&rds);
    replicas.begin_replica(&name(), &aurora, EXPIRES.parse().unwrap()).await.unwrap();
    let request = &rds.asked("RestoreDBClusterFromSnapshot")[0];
    assert_eq!((request["Engine"].as_str(), request["EngineVersion"].as_str()), ("aurora-postgresql", "16.4"));
    assert_eq!((request["DBSubnetGroupName"].as_str(), request["DeletionProtection"].as_str()), ("drill", "false"));
    // First the storage is made, then it lacks an instance, then the one that was ordered fails.
    let vault = vault();
    let member = format!("{NAME}-1");
    for (status, members) in [("creating", vec![]), ("available", vec![]), ("available", vec![member.as_str()])] {
        rds.refuses("DescribeDBInstances", "DBInstanceNotFound", "");
        rds.answers("DescribeDBClusters", &cluster(status, &members, &our_tags(&[])));
    }
    rds.answers("CreateDBInstance", "").answers("DescribeDBInstances", &instance(&member, "incompatible-network", &our_tags(&[])));
    let error = replicas.restore(&name(), &aurora, &vault).await.unwrap_err();
    assert!(error.full().contains("incompatible-network"), "{}", error.full());
    let request = &rds.asked("CreateDBInstance")[0];
    assert_eq!((request["DBInstanceIdentifier"].as_str(), request["DBClusterIdentifier"].as_str()), (member.as_str(), NAME));
    assert_eq!((request["PubliclyAccessible"].as_str(), request["DBInstanceClass"].as_str()), ("false", "db.t4g.medium"));
    assert_eq!(tagged(request)["lastgood:replica"], NAME);
}

#[tokio::test]
async fn a_replica_is_nowhere_only_if_every_region_says_so() {
    let rds = Double::start().await;
    assert_eq!(replicas(&rds).replica(&name()).await.unwrap(), None);
    let asked = rds.asked("DescribeDBInstances").len();
    assert_eq!(asked, 3, "its own region and those of its copies");
    rds.refuses("DescribeDBInstances", "AccessDenied", "no");
    assert_eq!(replicas(&rds).replica(&name()).await.unwrap_err().kind(), Kind::Denied);
    rds.refuses("DescribeDBInstances", "DBInstanceNotFound", "")
        .answers("DescribeDBInstances", &instance(NAME, "available", &our_tags(&[("lastgood:ready", "true")])));
    let seen = replicas(&rds).replica(&name()).await.unwrap().unwrap();
    assert_eq!((seen.name, seen.sighting), (name(), Sighting::Restored));
}

#[tokio::test]
async fn leftovers_are_told_by_their_tags_in_every_region() {
    let rds = Double::start().await;
    let listed = |inner: &str| format!("<DBInstances>{inner}</DBInstances>");
    let one = instance(NAME, "available", &our_tags(&[])).replace("<DBInstances>", "").replace("</DBInstances>", "");
    let theirs = one.replace("lastgood:replica", "other:replica").replace(NAME, "orders-prod");
    rds.answers("DescribeDBInstances", &listed(&theirs)).answers("DescribeDBInstances", &listed(&format!("{theirs}{one}")));
    rds.answers("DescribeDBInstances", &listed(""));
    for _ in 0..3 {
        rds.answers("DescribeDBClusters", "<DBClusters/>");
    }
    let seen = replicas(&rds).replicas().await.unwrap();
    assert_eq!(seen.iter().map(|replica| replica.name.0.as_str()).collect::<Vec<_>>(), [NAME]);
    assert_eq!(seen[0].expires, EXPIRES.parse().unwrap());
}

#[tokio::test]
async fn one_look_serves_every_asset_and_what_is_removed_is_not_shown_again() {
    let rds = Double::start().await;
    let aws = rds.aws();
    let seen = instance(NAME, "available", &our_tags(&[]));
    rds.answers("DescribeDBInstances", &seen);
    for _ in 0..2 {
        rds.answers("DescribeDBInstances", "<DBInstances/>");
    }
    for _ in 0..3 {
        rds.answers("DescribeDBClusters", "<DBClusters/>");
    }
    for _ in 0..5 {
        assert_eq!(through(aws.clone()).replicas().await.unwrap().len(), 1);
    }
    assert_eq!(rds.asked("DescribeDBInstances").len(), 3, "once for each region");
    rds.answers("DescribeDBInstances", &seen).answers("DeleteDBInstance", "");
    through(aws.clone()).begin_teardown(&name()).await.unwrap();
    assert_eq!(through(aws).replicas().await.unwrap(), []);
}
