//! Moments of RDS's own continuous backups: how far they reach, how they are restored, what is refused.

use super::double::{Double, Hasty, asset, place, tagged, tags, vault};
use crate::{
    config::DrillTarget,
    domain::{backup::Manifest, continuous::Continuous, drill::ReplicaName},
    env::Quiet,
    error::Kind,
    ports::{Replicas, RestoreTarget, Snapshots},
    providers::{
        aws::rds::{Beside, RdsReplicas, RdsSnapshots},
        postgres::Tools,
    },
};
use std::sync::Arc;

const MOMENT: &str = "2026-11-20T10:10:00Z";
const REPLICA: &str = "lastgood-drill-orders-20261120t060000z";

fn instance(id: &str, more: &str) -> String {
    format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus>
         <DBInstanceArn>arn:aws:rds:eu-west-1:111122223333:db:{id}</DBInstanceArn><Engine>postgres</Engine><EngineVersion>15.18</EngineVersion>
         <DBInstanceClass>db.r6g.large</DBInstanceClass><AllocatedStorage>20</AllocatedStorage>{more}</DBInstance></DBInstances>"
    )
}

fn production(retention: u32) -> String {
    let of_it = format!(
        "<DbiResourceId>db-ORDERS</DbiResourceId><BackupRetentionPeriod>{retention}</BackupRetentionPeriod>
         <LatestRestorableTime>2026-11-20T11:55:00.7Z</LatestRestorableTime><StorageEncrypted>true</StorageEncrypted>
         <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-prod</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>"
    );
    instance("orders-prod", &of_it)
}

fn kept(of: &str, from: &str, more: &str) -> String {
    format!(
        "<DBInstanceAutomatedBackup><DbiResourceId>{of}</DbiResourceId><RestoreWindow><EarliestTime>{from}</EarliestTime>
         <LatestTime>2026-11-20T11:50:00Z</LatestTime></RestoreWindow>{more}</DBInstanceAutomatedBackup>"
    )
}

fn backups(inner: &str) -> String {
    format!("<DBInstanceAutomatedBackups>{inner}</DBInstanceAutomatedBackups>")
}

async fn continuous(rds: &Double) -> crate::error::Result<Option<Continuous>> {
    let snapshots = RdsSnapshots::open(rds.aws(), &asset(), &place("aws://eu-west-1"), Arc::new(Hasty)).await.unwrap();
    snapshots.continuous().await
}

/// An RDS that keeps `orders-prod` continuously, and its moment.
async fn of_instance() -> (Double, Manifest) {
    let rds = Double::start().await;
    rds.answers("DescribeDBInstances", &production(7));
    rds.answers("DescribeDBInstanceAutomatedBackups", &backups(&kept("db-ORDERS", "2026-11-13T02:00:05.3Z", "")));
    let moment = continuous(&rds).await.unwrap().unwrap().at(&"orders".parse().unwrap(), MOMENT.parse().unwrap());
    (rds, moment)
}

#[tokio::test]
async fn r21_how_far_the_backups_of_an_instance_reach_is_what_both_calls_say() {
    let rds = Double::start().await;
    // Neither what AWS Backup keeps nor another's is its own.
    let others = kept("db-OTHER", "2026-11-01T00:00:00Z", "")
        + &kept("db-ORDERS", "2026-11-02T00:00:00Z", "<AwsBackupRecoveryPointArn>arn:aws:backup:x</AwsBackupRecoveryPointArn>");
    rds.answers("DescribeDBInstances", &production(7));
    rds.answers("DescribeDBInstanceAutomatedBackups", &backups(&(kept("db-ORDERS", "2026-11-13T02:00:05.3Z", "") + &others)));
    let found = continuous(&rds).await.unwrap().unwrap();
    assert_eq!(found.window.to_string(), "from 2026-11-13T02:00:06Z to 2026-11-20T11:55:00Z");
    assert_eq!((found.held.name.0.as_str(), found.identity.as_str(), found.held.bytes), ("orders-prod", "db-ORDERS", 20 << 30));
    assert!(found.held.encrypted && found.held.settings.contains_key("security_groups"), "{found:?}");
    assert_eq!(rds.asked("DescribeDBInstanceAutomatedBackups")[0]["DbiResourceId"], "db-ORDERS");

    rds.answers("DescribeDBInstances", &production(0));
    assert_eq!(continuous(&rds).await.unwrap(), None, "it keeps none");
    rds.answers("DescribeDBInstances", &production(7));
    rds.refuses("DescribeDBInstanceAutomatedBackups", "DBInstanceAutomatedBackupNotFound", "none yet");
    assert_eq!(continuous(&rds).await.unwrap(), None, "the first one is not there yet");
    rds.answers("DescribeDBInstances", &production(7));
    rds.refuses("DescribeDBInstanceAutomatedBackups", "AccessDenied", "no");
    let denied = continuous(&rds).await.unwrap_err();
    assert!(denied.kind() == Kind::Denied && denied.advice().unwrap().contains("rds:DescribeDBInstanceAutomatedBackups"), "{denied:?}");
    assert_eq!(continuous(&rds).await.unwrap_err().kind(), Kind::NotFound, "the source is gone");
}

#[tokio::test]
async fn r21_a_cluster_says_itself_how_far_its_backups_reach() {
    let rds = Double::start().await;
    let cluster = |more: &str| {
        format!(
            "<DBClusters><DBCluster><DBClusterIdentifier>orders-prod</DBClusterIdentifier><Status>available</Status><Engine>aurora-postgresql</Engine>
             <DBClusterArn>arn:aws:rds:eu-west-1:111122223333:cluster:orders-prod</DBClusterArn>{more}</DBCluster></DBClusters>"
        )
    };
    let reach = "<EarliestRestorableTime>2026-11-13T02:00:00Z</EarliestRestorableTime><LatestRestorableTime>2026-11-20T11:55:00Z</LatestRestorableTime>";
    rds.answers("DescribeDBClusters", &cluster(reach));
    let found = continuous(&rds).await.unwrap().unwrap();
    assert_eq!(found.window.to_string(), "from 2026-11-13T02:00:00Z to 2026-11-20T11:55:00Z");
    rds.answers("DescribeDBClusters", &cluster(""));
    assert_eq!(continuous(&rds).await.unwrap(), None, "a new cluster has none to offer yet");
    assert!(rds.asked("DescribeDBInstanceAutomatedBackups").is_empty());
}

#[tokio::test]
async fn a_replica_of_a_moment_is_ordered_from_the_source_and_fenced() {
    let (rds, moment) = of_instance().await;
    let asset = asset();
    let Some(DrillTarget::Rds(drill)) = asset.policy.drill.as_ref().map(|policy| policy.into.clone()) else { panic!("an rds drill") };
    let replicas = RdsReplicas::new(rds.aws(), &asset, drill, Arc::new(Hasty), Tools::of_this_machine()).unwrap();
    rds.answers("RestoreDBInstanceToPointInTime", "<DBInstance/>");
    replicas.begin_replica(&ReplicaName(REPLICA.into()), &moment, "2026-11-20T14:00:00Z".parse().unwrap()).await.unwrap();
    let asked = &rds.asked("RestoreDBInstanceToPointInTime")[0];
    for (parameter, value) in [
        ("SourceDBInstanceIdentifier", "orders-prod"),
        ("TargetDBInstanceIdentifier", REPLICA),
        ("RestoreTime", MOMENT),
        ("PubliclyAccessible", "false"),
        ("DeletionProtection", "false"),
        ("BackupRetentionPeriod", "0"),
        ("MultiAZ", "false"),
        ("DBSubnetGroupName", "drill"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-drill"),
        ("DBInstanceClass", "db.t4g.medium"),
    ] {
        assert_eq!(asked.get(parameter).map(String::as_str), Some(value), "{parameter}");
    }
    assert_eq!(tagged(asked)["lastgood:replica"], REPLICA);
    assert!(!asked.contains_key("UseLatestRestorableTime"), "exactly that moment");
    // What RDS no longer keeps condemns nothing.
    rds.refuses("RestoreDBInstanceToPointInTime", "PointInTimeRestoreNotEnabled", "no");
    let error = replicas.begin_replica(&ReplicaName(REPLICA.into()), &moment, "2026-11-20T14:00:00Z".parse().unwrap()).await.unwrap_err();
    assert!(error.kind() == Kind::Invalid && error.advice().unwrap().contains("backup retention"), "{error:?}");
}

#[tokio::test]
async fn r26_beside_only_what_this_very_restore_began_is_gone_on_with() {
    let (rds, moment) = of_instance().await;
    let beside = |name: &str| Beside::new(rds.aws(), name.parse().unwrap(), "orders-prod", Arc::new(Hasty), Arc::new(Quiet));
    assert_eq!(beside("ORDERS-PROD").plan(&moment).await.unwrap_err().kind(), Kind::Refused, "the source, however it is written");
    let of = |id: &str| tags(&[("lastgood:restored", id)]);
    for (more, who) in [
        (String::new(), "a stranger's"),
        (of("01KAFYF000B5M1Y0Z9P4T1D3QK"), "of another backup or moment"),
        (of(&moment.id.to_string()) + "<DbiResourceId>db-ORDERS</DbiResourceId>", "the source under another name"),
    ] {
        rds.answers("DescribeDBInstances", &instance("orders-then", &more));
        assert_eq!(beside("orders-then").plan(&moment).await.unwrap_err().kind(), Kind::Refused, "{who}");
    }
    rds.answers("DescribeDBInstances", &instance("orders-then", &of(&moment.id.to_string())));
    assert!(beside("orders-then").plan(&moment).await.unwrap()[0].contains("go on with orders-then"));
    assert_eq!(rds.changes(), [""; 0]);
}

#[tokio::test]
async fn r48_what_came_up_open_to_the_internet_is_told_and_nothing_is_changed_with_it() {
    let (rds, moment) = of_instance().await;
    let open = tags(&[("lastgood:restored", &moment.id.to_string())]) + "<PubliclyAccessible>true</PubliclyAccessible>";
    rds.always_answers("DescribeDBInstances", &instance("orders-then", &open));
    let beside = Beside::new(rds.aws(), "orders-then".parse().unwrap(), "orders-prod", Arc::new(Hasty), Arc::new(Quiet));
    let error = beside.restore(&moment, &vault()).await.unwrap_err();
    assert!(error.kind() == Kind::Refused && error.full().contains("public address"), "{error:?}");
    assert_eq!(rds.changes(), [""; 0]);
}
