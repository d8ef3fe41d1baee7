//! What is not ours, under a name or in the looks of ours: refused where it is in the way, and never touched.

use crate::rds_aws::{TONIGHT, copy, drill, failed, proofs, quiet_night, snapshot};
use lastgood_core::{
    clock::{Clock, after},
    domain::drill::Verdict,
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::aws::estate::{Estate, FAR, HOME, PRODUCTION};
use restore_drill::RestoreDrill;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_strangers_snapshot_under_our_name_is_refused_and_untouched() {
    let Some(estate) = Estate::build("rds_strangers::r04").await else { return };
    let home = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    let theirs = home.create_db_snapshot().db_instance_identifier(PRODUCTION).db_snapshot_identifier(TONIGHT).send().await.unwrap();
    let theirs = theirs.db_snapshot.unwrap();
    for _ in 0..6 {
        home.describe_db_snapshots().send().await.unwrap();
        home.describe_db_instances().send().await.unwrap();
    }
    let report = snapshot(&estate.env).await;
    let (kind, reason, _) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::Conflict, "{reason}");
    assert!(estate.backups().await.is_empty());
    let still = home.describe_db_snapshots().db_snapshot_identifier(TONIGHT).send().await.unwrap().db_snapshots.unwrap().remove(0);
    assert_eq!((still.db_snapshot_arn(), still.tag_list()), (theirs.db_snapshot_arn(), theirs.tag_list()), "nothing was touched");
    assert_eq!(estate.aws.calls("DeleteDBSnapshot") + estate.aws.calls("AddTagsToResource"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_strangers_snapshot_where_the_copy_should_go_is_refused_and_untouched() {
    let Some(estate) = Estate::build("rds_strangers::r04 far").await else { return };
    let (home, far) = (aws_sdk_rds::Client::new(&estate.aws.sdk(HOME)), aws_sdk_rds::Client::new(&estate.aws.sdk(FAR)));
    let by_hand = home.create_db_snapshot().db_instance_identifier(PRODUCTION).db_snapshot_identifier("by-hand").send().await.unwrap();
    for _ in 0..6 {
        home.describe_db_snapshots().send().await.unwrap();
        home.describe_db_instances().send().await.unwrap();
    }
    let arn = by_hand.db_snapshot.unwrap().db_snapshot_arn.unwrap();
    let theirs = far.copy_db_snapshot().source_db_snapshot_identifier(arn).target_db_snapshot_identifier(TONIGHT);
    let theirs = theirs.kms_key_id("alias/dr").send().await.unwrap().db_snapshot.unwrap();
    snapshot(&estate.env).await;
    assert_eq!(estate.backups().await.len(), 1);
    let calls = estate.aws.calls("CopyDBSnapshot");

    let report = copy(&estate.env).await;
    let said = format!("{:?}", report.entries[0].outcome);
    assert!(said.contains("is not of this run") || said.contains("not ours"), "{said}");
    assert_eq!((proofs(&estate).await, estate.backups().await.len()), (0, 1), "nothing is proven by what is theirs");
    let still = far.describe_db_snapshots().db_snapshot_identifier(TONIGHT).send().await.unwrap().db_snapshots.unwrap().remove(0);
    assert_eq!((still.db_snapshot_arn(), still.tag_list()), (theirs.db_snapshot_arn(), theirs.tag_list()), "nothing was touched");
    assert_eq!(estate.aws.calls("DeleteDBSnapshot") + estate.aws.calls("AddTagsToResource"), 0);
    assert!(estate.aws.calls("CopyDBSnapshot") <= calls + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_a_strangers_instance_under_the_name_of_a_drill_is_refused_and_untouched() {
    let Some(estate) = Estate::build("rds_strangers::r26").await else { return };
    quiet_night(&estate).await;
    let theirs = "lastgood-drill-orders-rds-20261120t060000z";
    estate.aws.database(&estate.production, theirs, HOME).await;
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    let report = RestoreDrill::default().run(&estate.env).await.unwrap();
    let said = serde_json::to_string(&report).unwrap();
    assert!(said.contains("nothing was touched"), "{said}");
    assert!(estate.evidence().await.iter().all(|drill| drill.verdict != Verdict::Proven));
    assert_eq!(estate.instances(HOME).await, [theirs, PRODUCTION]);
    assert_eq!(estate.aws.calls("DeleteDBInstance") + estate.aws.calls("ModifyDBInstance"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r27_a_replica_that_somebody_protected_is_removed_and_a_strangers_instance_never() {
    let Some(estate) = Estate::build("rds_strangers::r27").await else { return };
    quiet_night(&estate).await;
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    // A stranger's instance that looks like ours, and protected as theirs.
    let stranger = rds.restore_db_instance_from_db_snapshot().db_instance_identifier("lastgood-drill-of-somebody");
    stranger.db_snapshot_identifier(TONIGHT).deletion_protection(true).send().await.unwrap();
    // The drill is put down as soon as its replica is begun; somebody protects that too.
    estate.aws.faults().rules(|rules| rules.looks = 12);
    let report = drill(&estate.hurried(Duration::from_secs(30))).await;
    assert!(matches!(&report.entries[0].outcome, Outcome::Waiting { .. }), "{report:?}");
    let ours = estate.instances(HOME).await.into_iter().find(|name| name.starts_with("lastgood-drill-orders")).expect("a replica");
    for _ in 0..15 {
        rds.describe_db_instances().db_instance_identifier(&ours).send().await.unwrap();
    }
    rds.modify_db_instance().db_instance_identifier(&ours).deletion_protection(true).send().await.unwrap();
    for _ in 0..4 {
        RestoreDrill::default().run(&estate.another("later")).await.unwrap();
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
    }
    assert_eq!(estate.instances(HOME).await, ["lastgood-drill-of-somebody", PRODUCTION]);
    for name in ["lastgood-drill-of-somebody", PRODUCTION] {
        let seen = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap().db_instances.unwrap().remove(0);
        assert_eq!(seen.deletion_protection(), Some(true), "{name} keeps its protection");
    }
    for call in estate.aws.faults().calls_of("ModifyDBInstance") {
        let of = call.get("DBInstanceIdentifier");
        assert!(of.starts_with("lastgood-drill-orders-rds-"), "{of} was modified");
    }
}
