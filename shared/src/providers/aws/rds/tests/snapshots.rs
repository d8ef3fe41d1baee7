//! Snapshots: taken, adopted, copied, listed, let go; and what strangers' are spared.

use super::double::{Double, Hasty, SIGNED, asset, place, tagged, tags};
use crate::{
    config::Copies,
    domain::held::{Held, Label, SnapshotName, SnapshotState},
    error::Kind,
    ports::{Readiness, Snapshots},
    providers::aws::rds::RdsSnapshots,
};
use std::sync::Arc;

const BACKUP: &str = "01KAFYF000B5M1Y0Z9P4T1D3QK";
const NAME: &str = "lastgood-orders-20261120t030000z";

fn label() -> Label {
    Label { name: SnapshotName(NAME.into()), asset: "orders".parse().unwrap(), backup: BACKUP.parse().unwrap() }
}

fn our_tags() -> String {
    tags(&[("lastgood:asset", "orders"), ("lastgood:backup", BACKUP), ("team", "shop")])
}

fn instances(inner: &str) -> String {
    format!("<DBInstances><DBInstance>{inner}</DBInstance></DBInstances>")
}

fn orders(more: &str) -> String {
    instances(&format!(
        "<DBInstanceIdentifier>orders-prod</DBInstanceIdentifier><DBInstanceStatus>available</DBInstanceStatus><Engine>postgres</Engine>
         <EngineVersion>15.18</EngineVersion><DbiResourceId>db-ORDERS</DbiResourceId><DBInstanceClass>db.r6g.large</DBInstanceClass>
         <Endpoint><Address>orders.x.eu-west-1.rds.amazonaws.com</Address><Port>5432</Port></Endpoint>{more}"
    ))
}

fn snapshot(name: &str, more: &str) -> String {
    format!(
        "<DBSnapshot><DBSnapshotIdentifier>{name}</DBSnapshotIdentifier><Engine>postgres</Engine><EngineVersion>15.18</EngineVersion>
         <DBSnapshotArn>arn:aws:rds:eu-west-1:111122223333:snapshot:{name}</DBSnapshotArn><AllocatedStorage>20</AllocatedStorage>
         <Status>available</Status><Encrypted>true</Encrypted><SnapshotCreateTime>2026-11-20T03:00:30Z</SnapshotCreateTime>{more}</DBSnapshot>"
    )
}

fn snapshots(inner: &str) -> String {
    format!("<DBSnapshots>{inner}</DBSnapshots>")
}

async fn at(rds: &Double, at: &str) -> RdsSnapshots {
    let mut asset = asset();
    asset.policy.copies.push(Copies::Region {
        region: "us-east-1".into(),
        kms_key: Some("alias/theirs".into()),
        account: Some("444455556666".into()),
        place: place("aws://us-east-1/444455556666"),
    });
    RdsSnapshots::open(rds.aws(), &asset, &place(at), Arc::new(Hasty)).await.unwrap()
}

fn original() -> Held {
    Held {
        place: place("aws://eu-west-1"),
        name: SnapshotName(NAME.into()),
        reference: format!("arn:aws:rds:eu-west-1:111122223333:snapshot:{NAME}"),
        engine: "postgres 15.18".into(),
        bytes: 20 << 30,
        encrypted: true,
        key: None,
        members: Vec::new(),
        settings: std::collections::BTreeMap::new(),
    }
}

#[tokio::test]
async fn a_snapshot_of_an_instance_bears_our_tags() {
    let rds = Double::start().await;
    rds.answers("DescribeDBInstances", &orders("")).answers("CreateDBSnapshot", "");
    at(&rds, "aws://eu-west-1").await.begin_snapshot(&label()).await.unwrap();
    let [request] = &rds.asked("CreateDBSnapshot")[..] else { panic!("one request") };
    assert_eq!((request["DBInstanceIdentifier"].as_str(), request["DBSnapshotIdentifier"].as_str()), ("orders-prod", NAME));
    let tags = tagged(request);
    assert_eq!((tags["lastgood:asset"].as_str(), tags["lastgood:backup"].as_str()), ("orders", BACKUP));
}

#[tokio::test]
async fn a_member_of_a_cluster_is_backed_up_with_its_cluster() {
    let rds = Double::start().await;
    let member = orders("<DBClusterIdentifier>orders-cluster</DBClusterIdentifier>");
    let cluster = "<DBClusters><DBCluster><DBClusterIdentifier>orders-cluster</DBClusterIdentifier><Status>backing-up</Status>
        <DbClusterResourceId>cluster-1</DbClusterResourceId><Endpoint>c.x</Endpoint><Port>5432</Port><Engine>aurora-postgresql</Engine>
        <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>orders-prod</DBInstanceIdentifier><IsClusterWriter>true</IsClusterWriter>
        </DBClusterMember></DBClusterMembers></DBCluster></DBClusters>";
    rds.answers("DescribeDBInstances", &member).answers("DescribeDBClusters", cluster).answers("DescribeDBInstances", &member);
    rds.answers("CreateDBClusterSnapshot", "");
    let here = at(&rds, "aws://eu-west-1").await;
    let seen = here.source().await.unwrap();
    assert_eq!((seen.identity.as_str(), seen.address.as_str()), ("cluster-1", "c.x:5432"));
    assert_eq!(seen.readiness, Readiness::Busy("backing-up".into()));
    assert_eq!(seen.settings["class"], "db.r6g.large");
    here.begin_snapshot(&label()).await.unwrap();
    assert_eq!(rds.asked("CreateDBClusterSnapshot")[0]["DBClusterIdentifier"], "orders-cluster");
    assert!(rds.asked("CreateDBSnapshot").is_empty());
}

#[tokio::test]
async fn r03_what_was_made_before_the_reply_was_lost_is_adopted_by_its_tags() {
    let rds = Double::start().await;
    rds.answers("DescribeDBInstances", &orders("")).refuses("CreateDBSnapshot", "DBSnapshotAlreadyExists", "it exists");
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags())));
    at(&rds, "aws://eu-west-1").await.begin_snapshot(&label()).await.unwrap();
}

#[tokio::test]
async fn r04_a_strangers_snapshot_of_our_name_is_a_conflict_and_stays() {
    for tags in [String::new(), tags(&[("lastgood:asset", "orders"), ("lastgood:backup", "01KAFYF000B5M1Y0Z9P4T1D3QM")])] {
        let rds = Double::start().await;
        rds.answers("DescribeDBInstances", &orders("")).refuses("CreateDBSnapshot", "DBSnapshotAlreadyExists", "it exists");
        rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &tags)));
        let error = at(&rds, "aws://eu-west-1").await.begin_snapshot(&label()).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict);
        assert_eq!(rds.changes(), ["CreateDBSnapshot"]);
    }
}

#[tokio::test]
async fn what_does_not_bear_our_tags_is_never_removed() {
    let rds = Double::start().await;
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot("hand-made", "")));
    let error = at(&rds, "aws://eu-west-1").await.begin_removal(&SnapshotName("hand-made".into())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert_eq!(rds.changes(), Vec::<String>::new());
    at(&rds, "aws://eu-west-1").await.begin_removal(&SnapshotName("gone".into())).await.unwrap();
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags()))).answers("DeleteDBSnapshot", "");
    at(&rds, "aws://eu-west-1").await.begin_removal(&SnapshotName(NAME.into())).await.unwrap();
    assert_eq!(rds.asked("DeleteDBSnapshot")[0]["DBSnapshotIdentifier"], NAME);
}

#[tokio::test]
async fn r37_every_page_is_read_and_strangers_are_left_out() {
    let rds = Double::start().await;
    rds.answers("DescribeDBInstances", &orders(""));
    let page = |numbers: std::ops::Range<u32>, marker: &str| {
        let items: String = numbers.map(|number| snapshot(&format!("lastgood-orders-{number}"), &our_tags())).collect();
        format!("{}<Marker>{marker}</Marker>", snapshots(&format!("{items}{}", snapshot("hand-made", ""))))
    };
    rds.answers("DescribeDBSnapshots", &page(0..100, "a")).answers("DescribeDBSnapshots", &page(100..200, "b"));
    rds.refuses("DescribeDBSnapshots", "Throttling", "Rate exceeded").answers("DescribeDBSnapshots", &page(200..205, ""));
    let seen = at(&rds, "aws://eu-west-1").await.snapshots().await.unwrap();
    assert_eq!(seen.len(), 205);
    let markers: Vec<_> = rds.asked("DescribeDBSnapshots").iter().map(|request| request.get("Marker").cloned()).collect();
    assert_eq!(markers, [None, Some("a".into()), Some("b".into()), Some("b".into())]);
    assert_eq!(rds.asked("DescribeDBSnapshots")[0]["DBInstanceIdentifier"], "orders-prod");
}

#[tokio::test]
async fn snapshots_are_found_by_their_tags_when_what_they_were_taken_of_is_gone() {
    // Those of its name are asked for first; what was taken under another name is found by its tags among all.
    for of_its_name in [&[snapshots(&snapshot(NAME, &our_tags()))][..], &[snapshots(""), snapshots(&snapshot(NAME, &our_tags()))]] {
        let rds = Double::start().await;
        for listing in of_its_name {
            rds.answers("DescribeDBSnapshots", listing).answers("DescribeDBClusterSnapshots", "<DBClusterSnapshots/>");
        }
        let seen = at(&rds, "aws://eu-west-1").await.snapshots().await.unwrap();
        assert_eq!(seen.iter().map(|seen| seen.name.0.as_str()).collect::<Vec<_>>(), [NAME]);
        let asked = rds.asked("DescribeDBSnapshots");
        let narrowed: Vec<_> = asked.iter().map(|request| request.get("DBInstanceIdentifier").map(String::as_str)).collect();
        assert_eq!(narrowed, &[Some("orders-prod"), None][..of_its_name.len()]);
    }
}

#[tokio::test]
async fn copies_are_listed_without_asking_the_region_that_may_be_lost() {
    let rds = Double::start().await;
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags())))
        .answers("DescribeDBClusterSnapshots", "<DBClusterSnapshots/>");
    let seen = at(&rds, "aws://us-east-1").await.snapshots().await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(rds.asked("DescribeDBInstances").is_empty());
    // None of that name: the asset may be a member of a cluster, which only its own region knows, and that says no.
    for action in ["DescribeDBSnapshots", "DescribeDBClusterSnapshots"] {
        rds.answers(action, "");
    }
    rds.refuses("DescribeDBInstances", "AccessDenied", "no").answers("DescribeDBSnapshots", "");
    rds.answers("DescribeDBClusterSnapshots", "");
    assert_eq!(at(&rds, "aws://us-east-1").await.snapshots().await.unwrap(), []);
    let last = rds.asked("DescribeDBSnapshots").pop().unwrap();
    assert_eq!(last.get("DBInstanceIdentifier"), None, "then by their tags");
}

#[tokio::test]
async fn a_copy_is_ordered_where_it_goes_under_that_places_key_and_with_permission_of_the_source_region() {
    let rds = Double::start().await;
    let moment = "<SnapshotDatabaseTime>2026-11-20T03:00:05Z</SnapshotDatabaseTime><OptionGroupName>default:postgres-15</OptionGroupName>";
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &format!("{}{moment}", our_tags())))).answers("CopyDBSnapshot", "");
    at(&rds, "aws://us-east-1").await.begin_copy(&label(), &original()).await.unwrap();
    let request = &rds.asked("CopyDBSnapshot")[0];
    assert_eq!(request["SourceDBSnapshotIdentifier"], original().reference);
    assert_eq!((request["TargetDBSnapshotIdentifier"].as_str(), request["KmsKeyId"].as_str()), (NAME, "alias/dr"));
    assert_eq!((request["CopyTags"].as_str(), request.get("OptionGroupName")), ("false", None));
    let url = &request["PreSignedUrl"];
    assert!(url.starts_with("https://rds.eu-west-1.amazonaws.com/?Action=CopyDBSnapshot&"), "{url}");
    assert!(url.contains("DestinationRegion=us-east-1") && url.contains("KmsKeyId=alias%2Fdr"), "{url}");
    let tags = tagged(request);
    assert_eq!((tags["team"].as_str(), tags["lastgood:data-time"].as_str()), ("shop", "2026-11-20T03:00:05Z"));
}

#[tokio::test]
async fn a_copy_for_another_account_is_shared_by_us_and_made_by_the_role_that_it_keeps_for_us() {
    let rds = Double::start().await;
    let role = "<Credentials><AccessKeyId>AKIDTHEIRS</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>";
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags()))).answers("ModifyDBSnapshotAttribute", "");
    rds.always_answers("AssumeRole", role).answers("CopyDBSnapshot", "");
    let there = at(&rds, "aws://us-east-1/444455556666").await;
    there.begin_copy(&label(), &original()).await.unwrap();
    let changes: Vec<_> = rds.changes().into_iter().filter(|action| action != "AssumeRole").collect();
    assert_eq!(changes, ["ModifyDBSnapshotAttribute", "CopyDBSnapshot"]);
    assert_eq!(rds.asked("AssumeRole")[0]["RoleArn"], "arn:aws:iam::444455556666:role/lastgood-copies");
    let shared = &rds.asked("ModifyDBSnapshotAttribute")[0];
    assert_eq!((shared["AttributeName"].as_str(), shared["ValuesToAdd.AttributeValue.1"].as_str()), ("restore", "444455556666"));
    let (ours, theirs) = (&shared[SIGNED], &rds.asked("CopyDBSnapshot")[0][SIGNED]);
    assert!(ours.starts_with("AKIDTEST/") && ours.contains("/eu-west-1/rds/"), "{ours}");
    assert!(theirs.starts_with("AKIDTHEIRS/") && theirs.contains("/us-east-1/rds/"), "{theirs}");
    assert_eq!(rds.asked("CopyDBSnapshot")[0]["KmsKeyId"], "alias/theirs");
    assert_eq!(there.snapshot(&SnapshotName(NAME.into())).await.unwrap(), None);
    assert!(rds.asked("DescribeDBSnapshots")[1][SIGNED].starts_with("AKIDTHEIRS/"), "what the other account holds is seen there");
}

#[tokio::test]
async fn r41_an_account_that_does_not_let_us_in_is_told_with_the_role_it_needs() {
    let rds = Double::start().await;
    rds.always_refuses("AssumeRole", "AccessDenied");
    let error = at(&rds, "aws://us-east-1/444455556666").await.snapshot(&SnapshotName(NAME.into())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.full());
    assert!(error.advice().unwrap().contains("lastgood-copies"), "{:?}", error.advice());
    assert!(error.full().contains("AccessDenied"), "{}", error.full());
}

#[tokio::test]
async fn r40_a_copy_without_a_key_is_refused_before_anything_is_asked_and_a_key_that_fails_is_named() {
    let rds = Double::start().await;
    let error = at(&rds, "aws://eu-central-1").await.begin_copy(&label(), &original()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.advice().unwrap().contains("kms_key"), "{:?}", error.advice());
    assert!(rds.asked("DescribeDBSnapshots").is_empty() && rds.changes().is_empty());
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags())));
    rds.refuses(
        "CopyDBSnapshot",
        "KMSKeyNotAccessibleFault",
        "The specified KMS key does not exist, is not enabled or you do not have permissions",
    );
    let error = at(&rds, "aws://us-east-1").await.begin_copy(&label(), &original()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.full().contains("alias/dr"), "{}", error.full());
}

#[tokio::test]
async fn a_look_at_what_is_not_there_is_none_and_one_that_could_not_be_made_is_an_error() {
    let rds = Double::start().await;
    let here = at(&rds, "aws://eu-west-1").await;
    assert_eq!(here.snapshot(&SnapshotName(NAME.into())).await.unwrap(), None);
    rds.refuses("DescribeDBSnapshots", "AccessDenied", "no");
    assert_eq!(here.snapshot(&SnapshotName(NAME.into())).await.unwrap_err().kind(), Kind::Denied);
    rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, "")));
    let seen = here.snapshot(&SnapshotName(NAME.into())).await.unwrap().unwrap();
    assert_eq!((seen.backup, seen.state), (None, SnapshotState::Available));
}

#[tokio::test]
async fn r41_each_right_that_snapshots_need_is_named_when_it_is_missing() {
    for missing in ["DescribeDBInstances", "CreateDBSnapshot", "DescribeDBSnapshots", "CopyDBSnapshot", "DeleteDBSnapshot"] {
        let rds = Double::start().await;
        rds.always_refuses(missing, "AccessDenied");
        let (home, away) = (at(&rds, "aws://eu-west-1").await, at(&rds, "aws://us-east-1").await);
        if missing != "DescribeDBInstances" {
            rds.answers("DescribeDBInstances", &orders(""));
        }
        if missing != "DescribeDBSnapshots" {
            rds.answers("DescribeDBSnapshots", &snapshots(&snapshot(NAME, &our_tags())));
        }
        let error = match missing {
            "DescribeDBInstances" | "CreateDBSnapshot" => home.begin_snapshot(&label()).await,
            "CopyDBSnapshot" => away.begin_copy(&label(), &original()).await,
            _ => home.begin_removal(&SnapshotName(NAME.into())).await,
        }
        .unwrap_err();
        assert_eq!(error.kind(), Kind::Denied, "{missing}");
        assert_eq!(error.advice(), Some(format!("allow rds:{missing} to the role that this runs with").as_str()));
    }
}
