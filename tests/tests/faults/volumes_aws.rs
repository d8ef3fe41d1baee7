//! The real adapters against an EBS and an ElastiCache that are slow, strict and moody: sets that are not whole, copies that fail
//! after they were accepted, lost replies, throttling, missing rights, keys that cannot be used, strangers.

use cross_region_copy::{CopyReport, CrossRegionCopy};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{drill::Verdict, finding::FindingKind},
    env::Env,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::aws::{
    Lost, SetFault,
    yard::{CACHE, FAR, HOME, MACHINE, VOLUME, Yard, name},
};
use restore_drill::{DrillReport, RestoreDrill};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

async fn snapshot(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

async fn copy(env: &Env) -> CopyReport {
    CrossRegionCopy::default().run(env).await.unwrap()
}

async fn drill(env: &Env, asset: &str) -> DrillReport {
    RestoreDrill { asset: Some(name(asset)), now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

/// What went wrong, in one text.
fn said(outcome: &Outcome<impl std::fmt::Debug>) -> String {
    format!("{outcome:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r47_a_set_that_lacks_one_or_is_not_of_one_moment_is_rejected_as_a_unit() {
    for fault in [SetFault::Short, SetFault::Apart] {
        let Some(yard) = Yard::build("volumes_aws::r47_a_set", &[MACHINE]).await else { return };
        yard.aws.faults().break_set(fault);
        let report = snapshot(&yard.env).await;
        let first = said(&report.entries[0].outcome);
        let why = if fault == SetFault::Short { "only 2 of its 3 volumes" } else { "not of one moment" };
        assert!(first.contains(why), "{fault:?}: {first}");
        assert!(yard.backups(MACHINE).await.is_empty(), "a part of a set is no backup");
        assert_eq!(yard.aws.ec2().snapshots(HOME).await, 0, "what was there of it is gone as a unit");
        let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
        assert!(!status.findings().is_empty(), "and somebody is told");
        // The next wake-up takes a whole one.
        let report = snapshot(&yard.another("second")).await;
        assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        assert_eq!(yard.backups(MACHINE).await[0].held.as_ref().unwrap().members.len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r47_a_copy_that_ends_in_error_after_it_was_accepted_alerts_and_is_begun_again() {
    let Some(yard) = Yard::build("volumes_aws::r47_a_copy_that_ends_in_error", &[MACHINE]).await else { return };
    snapshot(&yard.env).await;
    yard.aws.faults().refuse_key("alias/dr");
    let report = copy(&yard.env).await;
    let told = said(&report.entries[0].outcome);
    assert!(told.contains("Given key ID is not accessible"), "{told}");
    assert!(!report.findings().is_empty(), "a failed copy alerts");
    assert_eq!(yard.aws.ec2().snapshots(FAR).await, 0, "nothing of it is left behind");
    yard.set("2026-11-20T20:00:00Z");
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::CopyMissing), "{:?}", status.findings());
    yard.aws.faults().accept_keys();
    let report = copy(&yard.another("second")).await;
    assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    assert_eq!(yard.aws.ec2().snapshots(FAR).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r47_a_part_that_vanishes_later_takes_the_whole_backup_along() {
    let Some(yard) = Yard::build("volumes_aws::r47_a_part_that_vanishes", &[MACHINE]).await else { return };
    snapshot(&yard.env).await;
    let gone = yard.backups(MACHINE).await[0].held.clone().unwrap().members[1].reference.clone();
    yard.aws.ec2().lose(HOME, &gone).await;
    yard.set("2026-11-20T05:00:00Z");
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    assert!(status.findings().iter().any(|finding| finding.sentence.contains("only 2 of its 3 volumes")), "{:?}", status.findings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_a_snapshot_that_fails_late_is_removed_and_taken_anew() {
    for asset in [VOLUME, CACHE] {
        let Some(yard) = Yard::build("volumes_aws::r08_a_snapshot", &[asset]).await else { return };
        yard.aws.faults().fail_late(1);
        let report = snapshot(&yard.env).await;
        assert!(!matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        assert!(yard.backups(asset).await.is_empty());
        yard.set("2026-11-20T04:20:00Z");
        let report = snapshot(&yard.another("second")).await;
        assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        assert_eq!(yard.backups(asset).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_five_at_once_take_one_snapshot() {
    let Some(yard) = Yard::build("volumes_aws::r01_five_at_once", &[VOLUME, MACHINE, CACHE]).await else { return };
    let envs: Vec<_> = (0..5).map(|number| yard.another(&format!("holder-{number}"))).collect();
    futures::future::join_all(envs.iter().map(snapshot)).await;
    for asset in [VOLUME, MACHINE, CACHE] {
        assert_eq!(yard.backups(asset).await.len(), 1, "{asset}");
    }
    assert_eq!((yard.aws.ec2().snapshots(HOME).await, yard.aws.caches().snapshots(HOME).await.len()), (4, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_whichever_half_of_an_order_is_lost_nothing_is_done_twice() {
    for (action, half) in [
        ("CreateSnapshot", Lost::Request),
        ("CreateSnapshot", Lost::Reply),
        ("CopySnapshot", Lost::Request),
        ("CopySnapshot", Lost::Reply),
        ("CreateVolume", Lost::Request),
        ("CreateVolume", Lost::Reply),
        ("DeleteVolume", Lost::Reply),
    ] {
        let Some(yard) = Yard::build("volumes_aws::r03_whichever_half", &[VOLUME]).await else { return };
        let before = yard.aws.ec2().volumes(HOME).await;
        yard.aws.faults().lose(action, 1, half);
        for (round, at) in ["2026-11-20T04:00:00Z", "2026-11-20T04:15:00Z", "2026-11-20T04:30:00Z"].iter().enumerate() {
            yard.set(at);
            let env = yard.another(&format!("round-{round}"));
            snapshot(&env).await;
            copy(&env).await;
        }
        assert_eq!(yard.backups(VOLUME).await.len(), 1, "{action} {half:?}");
        assert_eq!((yard.aws.ec2().snapshots(HOME).await, yard.aws.ec2().snapshots(FAR).await), (1, 1), "{action} {half:?}");
        let report = drill(&yard.env, VOLUME).await;
        assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{action} {half:?}: {report:?}");
        assert_eq!(yard.evidence(VOLUME).await[0].verdict, Verdict::Proven, "{action} {half:?}");
        assert_eq!(yard.aws.ec2().volumes(HOME).await, before, "{action} {half:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_what_bears_our_name_and_is_not_ours_is_refused_and_left_alone() {
    let Some(yard) = Yard::build("volumes_aws::r04_what_bears_our_name", &[VOLUME, CACHE]).await else { return };
    yard.aws.ec2().strangers(HOME, &yard.volume, "lastgood-data-volume-20261120t040000z").await;
    yard.aws.caches().strangers(HOME, "shop", "lastgood-cache-20261120t040000z").await;
    let report = snapshot(&yard.env).await;
    for entry in &report.entries {
        assert!(said(&entry.outcome).contains("not of this run"), "{entry:?}");
    }
    assert!(yard.backups(VOLUME).await.is_empty() && yard.backups(CACHE).await.is_empty());
    assert_eq!((yard.aws.calls("CreateSnapshots"), yard.aws.calls("DeleteSnapshot")), (0, 0));
    assert_eq!(yard.aws.caches().snapshots(HOME).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r06_a_full_quota_is_told_and_nothing_is_deleted_to_make_room() {
    let Some(yard) = Yard::build("volumes_aws::r06_a_full_quota", &[VOLUME, CACHE]).await else { return };
    yard.aws.faults().rules(|rules| rules.manual_snapshots = 0);
    let report = snapshot(&yard.env).await;
    for entry in &report.entries {
        assert!(said(&entry.outcome).contains("the quota of snapshots is full"), "{entry:?}");
    }
    assert_eq!(yard.aws.calls("DeleteSnapshot"), 0);
    // The cap of a day passes by itself: the run stays open, and a later wake-up takes it.
    yard.aws.faults().rules(|rules| (rules.manual_snapshots, rules.snapshots_a_day) = (100, 0));
    yard.set("2026-11-21T04:00:00Z");
    let told = said(&snapshot(&yard.another("second")).await.entries[0].outcome);
    assert!(told.contains("as many snapshots as a day allows"), "{told}");
    yard.aws.faults().rules(|rules| rules.snapshots_a_day = 20);
    yard.set("2026-11-21T04:30:00Z");
    snapshot(&yard.another("third")).await;
    assert_eq!((yard.backups(VOLUME).await.len(), yard.backups(CACHE).await.len()), (1, 1));
}

/// What each function is denied in turn, and so must name.
const OF_VOLUMES: &[(&str, &str)] = &[
    ("ec2:DescribeVolumes", "snapshot"),
    ("ec2:DescribeSnapshots", "snapshot"),
    ("ec2:CreateSnapshot", "snapshot"),
    ("ec2:CreateTags", "snapshot"),
    ("ec2:DescribeSnapshots", "copy"),
    ("ec2:CopySnapshot", "copy"),
    ("ec2:CreateVolume", "drill"),
    ("ebs:ListSnapshotBlocks", "drill"),
    ("ebs:GetSnapshotBlock", "drill"),
    ("kms:DescribeKey", "check"),
];
const OF_CACHES: &[(&str, &str)] = &[
    ("elasticache:DescribeReplicationGroups", "snapshot"),
    ("elasticache:DescribeCacheClusters", "snapshot"),
    ("elasticache:DescribeSnapshots", "snapshot"),
    ("elasticache:CreateSnapshot", "snapshot"),
    ("elasticache:AddTagsToResource", "snapshot"),
    ("elasticache:ListTagsForResource", "snapshot"),
];

/// Runs a function and returns everything that it says.
async fn told(yard: &Yard, function: &str, holder: &str) -> String {
    let env = yard.another(holder);
    match function {
        "snapshot" => format!("{:?}", snapshot(&env).await),
        "copy" => format!("{:?}", copy(&env).await),
        "drill" => format!("{:?} {:?}", drill(&env, VOLUME).await, yard.evidence(VOLUME).await.first()),
        _ => format!("{:?}", FreshnessChecker::default().run(&env).await.unwrap()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_that_is_missing_is_named_and_nothing_is_half_done() {
    for (asset, rights) in [(VOLUME, OF_VOLUMES), (CACHE, OF_CACHES)] {
        let Some(yard) = Yard::build("volumes_aws::r41_a_right", &[asset]).await else { return };
        let faults = yard.aws.faults();
        for (round, (right, function)) in rights.iter().enumerate() {
            // A drill of its own for each, half an hour after the one before.
            yard.set(&format!("2026-11-20T{:02}:{:02}:00Z", 5 + round / 2, round % 2 * 30));
            if *function != "snapshot" {
                told(&yard, "snapshot", &format!("before-{round}")).await;
            }
            faults.deny(right);
            let said = told(&yard, function, &format!("denied-{round}")).await;
            faults.allow_all();
            assert!(said.contains(right), "{function} without {right}: {said}");
            match *function {
                "snapshot" => assert!(yard.backups(asset).await.is_empty(), "{right}"),
                "copy" => assert_eq!(yard.aws.ec2().snapshots(FAR).await, 0, "{right}"),
                _ => {}
            }
        }
        yard.set("2026-11-20T13:00:00Z");
        told(&yard, "snapshot", "with every right").await;
        assert_eq!(yard.backups(asset).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_throttled_broken_and_paged_it_comes_to_the_same() {
    let Some(yard) = Yard::build("volumes_aws::r37_throttled", &[VOLUME, MACHINE, CACHE]).await else { return };
    yard.aws.faults().rules(|rules| rules.page = 20);
    yard.aws.faults().throttle_every(7);
    yard.aws.faults().break_every(11);
    // What is ordered once is not ordered again by the same invocation: it takes a few of them.
    for quarter in 0..8 {
        yard.set(&format!("2026-11-20T{:02}:{:02}:00Z", 4 + quarter / 4, quarter % 4 * 15));
        let env = yard.another(&format!("at-{quarter}"));
        snapshot(&env).await;
        copy(&env).await;
    }
    yard.aws.faults().throttle_every(0);
    yard.aws.faults().break_every(0);
    for asset in [VOLUME, MACHINE, CACHE] {
        assert_eq!(yard.backups(asset).await.len(), 1, "{asset}");
    }
    assert_eq!((yard.aws.ec2().snapshots(HOME).await, yard.aws.ec2().snapshots(FAR).await), (4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_block_that_is_not_what_ebs_sums_condemns_the_backup_and_a_silent_key_does_not() {
    let Some(yard) = Yard::build("volumes_aws::r25_a_block", &[VOLUME]).await else { return };
    snapshot(&yard.env).await;
    let before = yard.aws.ec2().volumes(HOME).await;
    yard.aws.faults().damage_blocks(true);
    drill(&yard.env, VOLUME).await;
    let evidence = yard.evidence(VOLUME).await.remove(0);
    assert_eq!(evidence.verdict, Verdict::Failed, "{evidence:#?}");
    assert!(evidence.reason.unwrap().contains("is not what EBS says it is"));
    yard.aws.faults().damage_blocks(false);
    yard.set("2026-11-20T07:00:00Z");
    yard.aws.faults().deny("ebs:GetSnapshotBlock");
    drill(&yard.env, VOLUME).await;
    assert_eq!(yard.evidence(VOLUME).await[0].verdict, Verdict::CouldNotVerify);
    assert_eq!(yard.aws.ec2().volumes(HOME).await, before, "I3: nothing is left in either case");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_a_key_that_cannot_be_used_is_told_and_condemns_no_backup() {
    let Some(yard) = Yard::build("volumes_aws::r40_a_key", &[VOLUME]).await else { return };
    snapshot(&yard.env).await;
    let before = yard.aws.ec2().volumes(HOME).await;
    let key = yard.backups(VOLUME).await[0].held.as_ref().unwrap().key.clone().unwrap();
    let kms = aws_sdk_kms::Client::new(&yard.aws.sdk(HOME));
    kms.disable_key().key_id(&key).send().await.unwrap();
    yard.aws.faults().refuse_key(&key);
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    let told = status.findings().iter().any(|finding| finding.kind == FindingKind::KeyUnusable && finding.sentence.contains(&key));
    assert!(told, "{:?}", status.findings());
    drill(&yard.env, VOLUME).await;
    assert_eq!(yard.evidence(VOLUME).await[0].verdict, Verdict::CouldNotVerify, "EC2 takes the order, and no volume comes of it");
    assert_eq!(yard.aws.ec2().volumes(HOME).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_a_replica_that_somebody_attached_is_never_removed() {
    let Some(yard) = Yard::build("volumes_aws::r26_a_replica", &[VOLUME]).await else { return };
    snapshot(&yard.env).await;
    let before = yard.aws.ec2().volumes(HOME).await;
    // Killed once the volume was made, which takes two looks for leftovers, two for the replica, one before the order, and it.
    let killed = yard.aws.faults().killed_after(6, drill(&yard.env, VOLUME)).await;
    assert!(killed.is_none());
    let left: Vec<_> = yard.aws.ec2().volumes(HOME).await.into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    yard.aws.ec2().attach(HOME, &left[0], &yard.machine).await;
    yard.set("2026-11-22T12:00:00Z");
    let report = RestoreDrill { asset: Some(name(VOLUME)), ..RestoreDrill::default() }.run(&yard.another("second")).await.unwrap();
    assert!(said(&report.entries[0].outcome).contains("is attached"), "{report:?}");
    assert!(yard.aws.ec2().volumes(HOME).await.contains(&left[0]) && yard.aws.calls("DeleteVolume") == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r27_a_drill_that_was_killed_anywhere_is_ended_by_the_next_one() {
    for step in 1..=9 {
        let Some(yard) = Yard::build("volumes_aws::r27_a_drill", &[MACHINE]).await else { return };
        snapshot(&yard.env).await;
        let before = yard.aws.ec2().volumes(HOME).await;
        let _ = yard.aws.faults().killed_after(step, drill(&yard.env, MACHINE)).await;
        yard.set("2026-11-20T06:30:00Z");
        for holder in ["second", "third"] {
            RestoreDrill { asset: Some(name(MACHINE)), ..RestoreDrill::default() }.run(&yard.another(holder)).await.unwrap();
        }
        let evidence = yard.evidence(MACHINE).await;
        assert!(evidence.iter().any(|evidence| evidence.verdict == Verdict::Proven), "killed after {step}: {evidence:#?}");
        assert_eq!(yard.aws.ec2().volumes(HOME).await, before, "killed after {step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_looks_for_nothing_or_finds_something_else_proves_nothing() {
    let Some(yard) = Yard::build("volumes_aws::a_drill_that_looks", &[VOLUME]).await else { return };
    snapshot(&yard.env).await;
    let with = |checks: &str| {
        let mut config = (*yard.env.config).clone();
        let policy = config.assets.get_mut(&name(VOLUME)).unwrap().policy.drill.as_mut().unwrap();
        policy.checks.retain(|_| !checks.is_empty());
        for check in &mut policy.checks {
            *check = lastgood_core::config::Check::Filesystem { filesystem: serde_json::from_str(checks).unwrap() };
        }
        Env { config: config.into(), ..yard.env.clone() }
    };
    for (at, checks, verdict) in
        [("06", "", Verdict::CouldNotVerify), ("07", "\"xfs\"", Verdict::Failed), ("08", "\"ext4\"", Verdict::Proven)]
    {
        yard.set(&format!("2026-11-20T{at}:00:00Z"));
        drill(&with(checks), VOLUME).await;
        assert_eq!(yard.evidence(VOLUME).await[0].verdict, verdict, "{checks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_of_which_there_are_no_snapshots_says_so() {
    let Some(yard) = Yard::build("volumes_aws::a_cache_of_which", &[CACHE]).await else { return };
    yard.aws.caches().plain(HOME, "sessions").await;
    let mut config = (*yard.env.config).clone();
    if let lastgood_core::config::Source::Elasticache { instance, .. } = &mut config.assets.get_mut(&name(CACHE)).unwrap().source {
        "sessions".clone_into(instance);
    }
    let report = snapshot(&Env { config: config.into(), ..yard.env.clone() }).await;
    assert!(said(&report.entries[0].outcome).contains("takes no snapshot of such a cache"), "{report:?}");
    assert!(matches!(&report.entries[0].outcome, Outcome::Failed { .. }), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_a_cache_that_is_busy_is_waited_for_and_what_does_not_fit_into_this_invocation_the_next_one_takes() {
    let Some(yard) = Yard::build("volumes_aws::r05_a_cache", &[CACHE]).await else { return };
    yard.aws.faults().rules(|rules| rules.looks = 40);
    snapshot(&yard.hurried(Duration::from_secs(90))).await;
    assert!(yard.backups(CACHE).await.is_empty());
    for minute in [15, 30, 45, 59] {
        yard.set(&format!("2026-11-20T04:{minute}:00Z"));
        snapshot(&yard.another(&format!("at-{minute}"))).await;
    }
    assert_eq!((yard.backups(CACHE).await.len(), yard.aws.calls("CreateSnapshot")), (1, 1));
}
