//! What only RDS has, against an RDS that is slow, strict and moody: quotas, copies to another region and the keys that they take,
//! settings that a restore does not bring. What every cloud has is told in `managed`.

use cross_region_copy::{CopyReport, CrossRegionCopy};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Copy, Key},
    clock::{Clock, after},
    domain::{drill::Verdict, finding::FindingKind},
    env::Env,
    error::Kind,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::aws::estate::{Estate, FAR, HOME, PRODUCTION};
use restore_drill::{DrillReport, RestoreDrill};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

const TONIGHT: &str = "lastgood-orders-rds-20261120t030000z";

async fn snapshot(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

async fn copy(env: &Env) -> CopyReport {
    CrossRegionCopy::default().run(env).await.unwrap()
}

async fn drill(env: &Env) -> DrillReport {
    RestoreDrill { asset: Some("orders-rds".parse().unwrap()), now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

fn failed<T: std::fmt::Debug>(outcome: &Outcome<T>) -> (Kind, &str, &str) {
    match outcome {
        Outcome::Failed { kind, reason, hint } => (*kind, reason, hint.as_deref().unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn done<T: std::fmt::Debug>(outcome: &Outcome<T>) -> &T {
    match outcome {
        Outcome::Done(done) => done,
        other => panic!("{other:?}"),
    }
}

/// A night that nobody disturbs.
async fn quiet_night(estate: &Estate) {
    done(&snapshot(&estate.env).await.entries[0].outcome);
    assert_eq!(done(&copy(&estate.env).await.entries[0].outcome).problems, []);
}

async fn proofs(estate: &Estate) -> usize {
    estate.env.vault.all::<Copy>(&Key::copies(&estate.asset())).await.unwrap().good.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_a_strangers_snapshot_where_the_copy_should_go_is_refused_and_untouched() {
    let Some(estate) = Estate::build("rds_aws::r04").await else { return };
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
async fn r06_one_quota_is_waited_for_and_the_other_needs_a_person_and_nothing_is_deleted() {
    let Some(estate) = Estate::build("rds_aws::r06").await else { return };
    let faults = estate.aws.faults();
    // All snapshots that the region may have are there.
    faults.rules(|rules| rules.manual_snapshots = 0);
    let report = snapshot(&estate.env).await;
    let (kind, reason, hint) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::NoSpace, "{reason}");
    assert!(reason.contains("manual snapshots") && hint.contains("nothing is deleted"), "{reason} {hint}");
    assert_eq!(estate.aws.calls("DeleteDBSnapshot"), 0);
    faults.rules(|rules| rules.manual_snapshots = 100);
    done(&snapshot(&estate.env).await.entries[0].outcome);

    // More copies than may be under way at once: waited for, then made.
    faults.rules(|rules| rules.copies_at_once = 0);
    let report = copy(&estate.env).await;
    let (kind, reason, _) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::Retry, "{reason}");
    faults.rules(|rules| rules.copies_at_once = 5);
    assert_eq!(done(&copy(&estate.env).await.entries[0].outcome).places[0].copied.len(), 1);
    assert_eq!(estate.aws.calls("DeleteDBSnapshot"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_a_key_that_cannot_be_used_is_named_and_the_source_is_untouched() {
    let Some(estate) = Estate::build("rds_aws::r40").await else { return };
    done(&snapshot(&estate.env).await.entries[0].outcome);
    estate.aws.faults().refuse_key("alias/dr");
    let report = copy(&estate.env).await;
    let (kind, reason, hint) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::Denied, "{reason}");
    assert!(reason.contains("alias/dr") && hint.contains("key"), "{reason} {hint}");
    assert_eq!((estate.snapshots(HOME).await, estate.snapshots(FAR).await), (vec![TONIGHT.to_owned()], Vec::new()));
    // Red once the far place is older than the policy allows.
    estate.clock.set(after(estate.clock.now(), Duration::from_hours(27)));
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::CopyMissing), "{:#?}", status.findings());
    estate.aws.faults().accept_keys();
    assert_eq!(done(&copy(&estate.env).await.entries[0].outcome).places[0].copied.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_replica_is_private_and_fenced_and_its_settings_are_compared() {
    let Some(estate) = Estate::build("rds_aws::r48").await else { return };
    quiet_night(&estate).await;
    drill(&estate.env).await;
    let [restore] = &estate.aws.faults().calls_of("RestoreDBInstanceFromDBSnapshot")[..] else { panic!("one restore") };
    assert_eq!(restore.get("PubliclyAccessible"), "false");
    assert_ne!(restore.get("DeletionProtection"), "true");
    assert_eq!(restore.get("DBSubnetGroupName"), estate.network.subnet_group);
    assert!(restore.params.iter().any(|(name, value)| name.starts_with("VpcSecurityGroupIds") && *value == estate.network.security_group));
    let evidence = estate.evidence().await.remove(0);
    assert_eq!(evidence.verdict, Verdict::Proven, "{evidence:#?}");
    let settings: Vec<_> =
        evidence.checks.iter().filter(|check| !check.name.contains("select") && !check.name.contains("orders")).collect();
    assert!(!settings.is_empty(), "{:#?}", evidence.checks);
    // What a restore elsewhere cannot bring back is told, never passed over.
    let far = aws_sdk_rds::Client::new(&estate.aws.sdk(FAR));
    far.delete_db_parameter_group().db_parameter_group_name("orders-prod-parameters").send().await.unwrap();
    let from = Some(format!("aws://{FAR}").parse().unwrap());
    let elsewhere = RestoreDrill { asset: Some(estate.asset()), from, now: true, ..RestoreDrill::default() };
    estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
    elsewhere.run(&estate.env).await.unwrap();
    let drifted = estate.evidence().await.remove(0);
    assert_ne!(drifted.verdict, Verdict::Proven);
    assert!(drifted.reason.as_deref().unwrap().contains("expected orders-prod-parameters, found default.postgres15"), "{drifted:?}");
    // The master's password is not production's any more.
    assert_eq!(
        estate.aws.faults().calls_of("ModifyDBInstance").iter().filter(|call| !call.get("MasterUserPassword").is_empty()).count(),
        2
    );
}
