//! The real adapters against an RDS that is slow, strict and moody: kills, lost replies, throttling, missing rights, keys
//! that cannot be used, strangers. Real Postgres stands behind it, so that what is proven is proven by restored rows.

use cross_region_copy::{CopyReport, CrossRegionCopy};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Copy, Key},
    clock::{Clock, after, since},
    domain::{drill::Verdict, finding::FindingKind},
    env::Env,
    error::Kind,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::aws::{
    Lost,
    estate::{Estate, FAR, HOME, PRODUCTION},
};
use restore_drill::{DrillReport, RestoreDrill};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

pub const TONIGHT: &str = "lastgood-orders-rds-20261120t030000z";

pub async fn snapshot(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

pub async fn copy(env: &Env) -> CopyReport {
    CrossRegionCopy::default().run(env).await.unwrap()
}

pub async fn drill(env: &Env) -> DrillReport {
    RestoreDrill { asset: Some("orders-rds".parse().unwrap()), now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

pub fn failed<T: std::fmt::Debug>(outcome: &Outcome<T>) -> (Kind, &str, &str) {
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
pub async fn quiet_night(estate: &Estate) {
    done(&snapshot(&estate.env).await.entries[0].outcome);
    assert_eq!(done(&copy(&estate.env).await.entries[0].outcome).problems, []);
}

pub async fn proofs(estate: &Estate) -> usize {
    estate.env.vault.all::<Copy>(&Key::copies(&estate.asset())).await.unwrap().good.len()
}

/// Nothing runs but production.
async fn nothing_is_left(estate: &Estate, moment: &str) {
    assert_eq!(estate.instances(HOME).await, [PRODUCTION], "{moment}: I7");
    assert_eq!(estate.instances(FAR).await, [""; 0], "{moment}: I7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_five_deliveries_at_once_make_one_snapshot() {
    let Some(estate) = Estate::build("rds_aws::r01").await else { return };
    let deliveries = (0..5).map(|n| {
        let env = estate.another(&format!("delivery {n}"));
        async move { snapshot(&env).await.entries[0].outcome.clone() }
    });
    let outcomes = futures::future::join_all(deliveries).await;
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_) | Outcome::AlreadyRunning { .. })), "{outcomes:?}");
    assert_eq!((estate.aws.calls("CreateDBSnapshot"), estate.snapshots(HOME).await), (1, vec![TONIGHT.to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_work_whose_reply_was_lost_is_found_and_adopted() {
    let Some(estate) = Estate::build("rds_aws::r03").await else { return };
    for action in ["CreateDBSnapshot", "CopyDBSnapshot", "RestoreDBInstanceFromDBSnapshot", "DeleteDBInstance"] {
        estate.aws.faults().lose(action, 1, Lost::Reply);
    }
    // What a lost reply fails now, the next wake-up finds.
    for _ in 0..2 {
        snapshot(&estate.env).await;
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
    }
    assert_eq!(estate.snapshots(HOME).await, [TONIGHT]);
    for _ in 0..2 {
        copy(&estate.env).await;
    }
    assert_eq!((estate.snapshots(FAR).await, proofs(&estate).await), (vec![TONIGHT.to_owned()], 1));
    for _ in 0..2 {
        drill(&estate.env).await;
        if !estate.evidence().await.is_empty() {
            break;
        }
    }
    let evidence = estate.evidence().await;
    assert_eq!((evidence.len(), evidence[0].verdict), (1, Verdict::Proven), "{evidence:?}");
    nothing_is_left(&estate, "after lost replies").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_a_snapshot_waits_while_the_instance_is_backing_up_or_being_modified() {
    let Some(estate) = Estate::build("rds_aws::r05").await else { return };
    estate.aws.shows(HOME, PRODUCTION, &[["backing-up"; 12].as_slice(), &["modifying"; 30]].concat()).await;
    let before = estate.clock.now();
    let report = snapshot(&estate.hurried(Duration::from_mins(5))).await;
    let Outcome::Waiting { reason } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert!(reason.contains("backing-up") || reason.contains("modifying"), "{reason}");
    let taken = loop {
        let report = snapshot(&estate.hurried(Duration::from_mins(5))).await;
        match &report.entries[0].outcome {
            Outcome::Waiting { .. } => assert_eq!(estate.aws.calls("CreateDBSnapshot").min(1), estate.aws.calls("CreateDBSnapshot")),
            other => break done(other).clone(),
        }
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(1)));
    };
    assert_eq!(estate.aws.calls("CreateDBSnapshot"), 1, "it never asked while RDS was busy");
    assert!(since(taken.data_time, before) > Duration::from_mins(10), "{taken:?}");
    // No busy loop: twenty minutes of waiting are a few dozen looks.
    assert!(estate.aws.calls("DescribeDBInstances") < 70, "{}", estate.aws.calls("DescribeDBInstances"));
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
async fn r08_what_fails_late_is_told_removed_and_made_again() {
    let Some(estate) = Estate::build("rds_aws::r08").await else { return };
    estate.aws.faults().fail_late(1);
    let report = snapshot(&estate.env).await;
    let (_, reason, _) = failed(&report.entries[0].outcome);
    assert!(reason.contains("failed"), "{reason}");
    assert!(estate.backups().await.is_empty());
    let again = retried(&estate, async |env| snapshot(env).await.entries[0].outcome.clone()).await;
    assert_eq!((done(&again).data_time > "2026-11-20T03:00:00Z".parse().unwrap(), estate.backups().await.len()), (true, 1));

    estate.aws.faults().fail_late(1);
    let report = copy(&estate.env).await;
    failed(&report.entries[0].outcome);
    assert_eq!((proofs(&estate).await, estate.backups().await.len()), (0, 1), "nothing is proven, the original is untouched");
    let again = retried(&estate, async |env| copy(env).await.entries[0].outcome.clone()).await;
    assert_eq!(done(&again).places[0].copied.len(), 1);
    assert_eq!((proofs(&estate).await, estate.snapshots(FAR).await), (1, vec![TONIGHT.to_owned()]));
}

/// Wakes a function up a few times, minutes apart, until it is done.
async fn retried<T: std::fmt::Debug>(estate: &Estate, wake: impl AsyncFn(&Env) -> Outcome<T>) -> Outcome<T> {
    let mut outcome = wake(&estate.env).await;
    for _ in 0..3 {
        if matches!(outcome, Outcome::Done(_)) {
            break;
        }
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
        outcome = wake(&estate.env).await;
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_drill_killed_after_any_call_is_finished_and_leaves_nothing() {
    let Some(estate) = Estate::build("rds_aws::r25").await else { return };
    quiet_night(&estate).await;
    let production = estate.production_fingerprint().await;
    for k in 1.. {
        let ended = estate.aws.faults().killed_after(k, drill(&estate.another(&format!("killed {k}")))).await;
        let moment = format!("killed after call {k}");
        let drills = estate.evidence().await.len();
        // Longer than a lease: whoever died is known to be dead.
        for _ in 0..3 {
            estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
            RestoreDrill::default().run(&estate.another("janitor")).await.unwrap();
            if estate.instances(HOME).await == [PRODUCTION] {
                break;
            }
        }
        nothing_is_left(&estate, &moment).await;
        assert_eq!(estate.production_fingerprint().await, production, "{moment}: I4");
        if ended.is_some() {
            assert!(k > 8, "a drill makes more calls than {k}");
            assert_eq!(estate.evidence().await.len(), drills, "it had ended by itself");
            return;
        }
    }
}

/// A replica that somebody once kept and made production of: it bears our tags and the name of a drill, and its time is long
/// over.
async fn promoted(test: &str, name: &str) -> Option<Estate> {
    let estate = Estate::build_around(test, name).await?;
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    let seen = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap().db_instances.unwrap().remove(0);
    let tag = |key: &str, value: &str| aws_sdk_rds::types::Tag::builder().key(key).value(value).build();
    let tags = [
        tag("lastgood:replica", "lastgood-drill-orders-rds-20261101t060000z"),
        tag("lastgood:asset", "orders-rds"),
        tag("lastgood:expires", "2026-11-01T10:00:00Z"),
        tag("lastgood:ready", "true"),
    ];
    let call = rds.add_tags_to_resource().resource_name(seen.db_instance_arn().unwrap()).set_tags(Some(tags.to_vec()));
    call.send().await.unwrap();
    Some(estate)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_production_is_never_touched_by_a_drill_whatever_its_name_and_tags() {
    for name in [PRODUCTION, "lastgood-drill-orders-rds-20261101t060000z"] {
        let Some(estate) = promoted("rds_aws::r26", name).await else { return };
        let production = estate.production_fingerprint().await;
        quiet_night(&estate).await;
        for _ in 0..2 {
            let _ = drill(&estate.env).await;
            estate.clock.set(after(estate.clock.now(), Duration::from_hours(1)));
        }
        for action in ["DeleteDBInstance", "ModifyDBInstance"] {
            for call in estate.aws.faults().calls_of(action) {
                assert_ne!(call.get("DBInstanceIdentifier"), name, "{action}");
            }
        }
        assert_eq!(estate.instances(HOME).await, [name]);
        assert_eq!(estate.production_fingerprint().await, production, "I4");
        assert_eq!(estate.evidence().await[0].verdict, Verdict::Proven, "and it is proven all the same");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_throttled_and_in_small_pages_a_night_comes_to_the_same() {
    let Some(estate) = Estate::build("rds_aws::r37").await else { return };
    let home = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    for n in 0..5 {
        home.create_db_snapshot().db_instance_identifier(PRODUCTION).db_snapshot_identifier(format!("by-hand-{n}")).send().await.unwrap();
        for _ in 0..4 {
            home.describe_db_instances().send().await.unwrap();
        }
    }
    estate.aws.faults().rules(|rules| rules.page = 2);
    estate.aws.faults().throttle_every(3);
    quiet_night(&estate).await;
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    estate.aws.faults().throttle_every(0);
    assert_eq!((status.assets[0].backups, status.assets[0].copies.proven), (1, 1), "{:#?}", status.findings());
    assert!(status.assets[0].newest.is_some());
    assert_eq!(estate.snapshots(HOME).await.len(), 6, "those of others are no matter of ours");
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
async fn r41_a_role_that_lacks_one_permission_is_told_which() {
    let Some(estate) = Estate::build("rds_aws::r41").await else { return };
    let before = estate.aws.faults().permissions_used();
    quiet_night(&estate).await;
    drill(&estate.env).await;
    assert_eq!(estate.evidence().await[0].verdict, Verdict::Proven, "{:?}", estate.evidence().await[0]);
    FreshnessChecker::default().run(&estate.env).await.unwrap();
    let mut needed: Vec<_> = estate.aws.faults().permissions_used().difference(&before).cloned().collect();
    needed.extend(["rds:DescribeDBInstances", "rds:DescribeDBSnapshots", "rds:AddTagsToResource"].map(str::to_owned));
    needed.sort();
    needed.dedup();
    needed.retain(|permission| permission.starts_with("rds:"));
    assert!(needed.len() >= 9, "{needed:?}");
    let mut night = "2026-11-20T03:00:00Z".parse().unwrap();
    for permission in &needed {
        night = after(night, Duration::from_hours(24));
        estate.clock.set(night);
        let (backups, proven) = (estate.backups().await.len(), proofs(&estate).await);
        estate.aws.faults().deny(permission);
        let taken = snapshot(&estate.env).await;
        let copied = copy(&estate.env).await;
        let drilled = drill(&estate.hurried(Duration::from_mins(30))).await;
        let checked = FreshnessChecker::default().run(&estate.env).await.unwrap();
        let said = [
            serde_json::to_string(&taken).unwrap(),
            serde_json::to_string(&copied).unwrap(),
            serde_json::to_string(&drilled).unwrap(),
            serde_json::to_string(&checked).unwrap(),
        ];
        let evidence = serde_json::to_string(&estate.evidence().await.first()).unwrap();
        let told = said.iter().chain([&evidence]).any(|text| text.contains(permission.as_str()));
        assert!(told, "{permission}: {said:#?}");
        // No partial success: what is recorded is there.
        if estate.backups().await.len() > backups {
            done(&taken.entries[0].outcome);
        }
        if proofs(&estate).await > proven {
            assert!(!done(&copied.entries[0].outcome).places[0].copied.is_empty());
        }
        estate.aws.faults().allow_all();
        // Given back, all is made good, and what was left half-way is gone.
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
        let taken = snapshot(&estate.env).await;
        assert!(matches!(&taken.entries[0].outcome, Outcome::Done(_) | Outcome::NotDue { .. }), "{permission}: {taken:?}");
        done(&copy(&estate.env).await.entries[0].outcome);
        for _ in 0..3 {
            if estate.instances(HOME).await.len() > 1 {
                RestoreDrill::default().run(&estate.env).await.unwrap();
            }
        }
        nothing_is_left(&estate, permission).await;
    }
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
