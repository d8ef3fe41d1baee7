//! The real adapters against a Compute Engine that is slow, strict and moody: operations that are accepted and end badly, lost
//! replies, throttling, full quotas, missing rights, keys that cannot be used, strangers.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::When,
    domain::{drill::Verdict, freshness::State},
    env::Env,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::gcp::{
    Ending, Lost,
    yard::{DISK, DRILLS, KEY, PROJECT, Yard, ZONE, name},
};
use restore_drill::{DrillReport, RestoreDrill};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

const FIRST: &str = "lastgood-data-volume-20261120t040000z";

async fn snapshot(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

async fn drill(env: &Env) -> DrillReport {
    RestoreDrill { asset: Some(name(DISK)), now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

/// What went wrong, in one text.
fn said(outcome: &Outcome<impl std::fmt::Debug>) -> String {
    format!("{outcome:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_five_at_once_take_one_snapshot() {
    let yard = Yard::build().await;
    let envs: Vec<_> = (0..5).map(|number| yard.another(&format!("holder-{number}"))).collect();
    futures::future::join_all(envs.iter().map(snapshot)).await;
    assert_eq!((yard.backups().await.len(), yard.snapshots().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_whichever_half_of_an_order_is_lost_nothing_is_done_twice() {
    for (action, half) in [
        ("compute.disks.createSnapshot", Lost::Request),
        ("compute.disks.createSnapshot", Lost::Reply),
        ("compute.disks.insert", Lost::Request),
        ("compute.disks.insert", Lost::Reply),
        ("compute.disks.delete", Lost::Reply),
    ] {
        let yard = Yard::build().await;
        yard.gcp.faults().lose(action, 1, half);
        for (round, at) in ["2026-11-20T04:00:00Z", "2026-11-20T04:15:00Z"].iter().enumerate() {
            yard.set(at);
            snapshot(&yard.another(&format!("round-{round}"))).await;
        }
        assert_eq!((yard.backups().await.len(), yard.snapshots()), (1, vec![FIRST.to_owned()]), "{action} {half:?}");
        let report = drill(&yard.env).await;
        assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{action} {half:?}: {report:?}");
        assert!(yard.compute.disks(DRILLS).is_empty(), "{action} {half:?}");
        assert_eq!(yard.compute.disks(PROJECT).len(), 1, "{action} {half:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_a_snapshot_that_fails_after_it_was_accepted_is_removed_and_taken_anew_under_its_name() {
    for ending in [Ending::Failed, Ending::Error] {
        let yard = Yard::build().await;
        yard.gcp.faults().ends("disks.createSnapshot", ending);
        let report = snapshot(&yard.env).await;
        assert!(!matches!(report.entries[0].outcome, Outcome::Done(_)), "{ending:?}: {report:?}");
        assert!(yard.backups().await.is_empty(), "{ending:?}");
        yard.set("2026-11-20T04:20:00Z");
        let report = snapshot(&yard.another("second")).await;
        assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{ending:?}: {report:?}");
        assert_eq!((yard.backups().await.len(), yard.snapshots()), (1, vec![FIRST.to_owned()]), "{ending:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_what_does_not_fit_into_this_invocation_the_next_one_takes() {
    let yard = Yard::build().await;
    yard.gcp.faults().rules(|rules| rules.looks = 12);
    snapshot(&yard.hurried(Duration::from_secs(90))).await;
    assert!(yard.backups().await.is_empty());
    for minute in [15, 30, 45, 59] {
        yard.set(&format!("2026-11-20T04:{minute}:00Z"));
        snapshot(&yard.another(&format!("at-{minute}"))).await;
    }
    assert_eq!((yard.backups().await.len(), yard.gcp.calls("compute.disks.createSnapshot")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_what_bears_our_name_and_is_not_ours_is_refused_and_left_alone() {
    let yard = Yard::build().await;
    yard.compute.strangers_snapshot(PROJECT, FIRST);
    let report = snapshot(&yard.env).await;
    assert!(said(&report.entries[0].outcome).contains("not of this run"), "{report:?}");
    assert!(yard.backups().await.is_empty());
    assert_eq!((yard.gcp.calls("compute.snapshots.delete"), yard.snapshots().len()), (0, 1));

    let yard = Yard::build().await;
    snapshot(&yard.env).await;
    yard.set("2026-11-20T06:00:00Z");
    yard.compute.strangers_disk(DRILLS, ZONE, "lastgood-drill-data-volume-20261120t060000z");
    drill(&yard.env).await;
    let evidence = yard.evidence().await.remove(0);
    assert!(evidence.reason.as_deref().unwrap_or_default().contains("is not of this drill"), "{evidence:#?}");
    assert_eq!((evidence.verdict, yard.gcp.calls("compute.disks.delete")), (Verdict::CouldNotVerify, 0));
    assert_eq!(yard.compute.disks(DRILLS)[0].1, "a stranger's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r06_a_full_quota_is_told_and_nothing_is_deleted_to_make_room() {
    let yard = Yard::build().await;
    yard.compute.most_snapshots(0);
    let report = snapshot(&yard.env).await;
    assert!(said(&report.entries[0].outcome).contains("the quota of snapshots is full"), "{report:?}");
    assert_eq!(yard.gcp.calls("compute.snapshots.delete"), 0);
    yard.compute.most_snapshots(10);
    yard.set("2026-11-20T04:30:00Z");
    snapshot(&yard.another("second")).await;
    assert_eq!(yard.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_snapshots_of_one_disk_pass_by_themselves() {
    let yard = Yard::build().await;
    for minute in 0..6 {
        yard.set(&format!("2026-11-20T03:{:02}:00Z", 10 + minute));
        let asked = SnapshotTrigger { asset: Some(name(DISK)), when: When::Now };
        asked.run(&yard.another(&format!("by-hand-{minute}"))).await.unwrap();
    }
    yard.set("2026-11-20T04:00:00Z");
    let report = snapshot(&yard.env).await;
    assert!(said(&report.entries[0].outcome).contains("too many snapshots of it are being made"), "{report:?}");
    yard.set("2026-11-20T04:30:00Z");
    let report = snapshot(&yard.another("later")).await;
    assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    assert!(yard.snapshots().contains(&FIRST.to_owned()), "{:?}", yard.snapshots());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_that_is_missing_is_named_and_nothing_is_half_done() {
    let yard = Yard::build().await;
    yard.compute.machine(PROJECT, ZONE, "web-1", &[("data-1", false)]);
    let faults = yard.gcp.faults();
    for (round, right) in ["compute.disks.get", "compute.disks.createSnapshot", "compute.snapshots.get"].iter().enumerate() {
        yard.set(&format!("2026-11-20T05:{:02}:00Z", round * 15));
        faults.deny(right);
        let told = format!("{:?}", snapshot(&yard.another(&format!("denied-{round}"))).await);
        faults.allow_all();
        assert!(told.contains(right), "without {right}: {told}");
        assert!(yard.backups().await.is_empty(), "{right}");
    }
    yard.set("2026-11-20T06:30:00Z");
    snapshot(&yard.another("with every right")).await;
    assert_eq!(yard.backups().await.len(), 1);
    for (round, right) in ["compute.disks.create", "compute.disks.list"].iter().enumerate() {
        yard.set(&format!("2026-11-20T07:{:02}:00Z", round * 15));
        faults.deny(right);
        let report = drill(&yard.another(&format!("drill-{round}"))).await;
        faults.allow_all();
        let told = format!("{report:?} {:?}", yard.evidence().await.first());
        assert!(told.contains(right), "without {right}: {told}");
    }
    for right in ["compute.snapshots.list", "compute.instances.get", "compute.projects.get"] {
        faults.deny(right);
        let told = format!("{:?}", FreshnessChecker::default().run(&yard.env).await.unwrap());
        faults.allow_all();
        assert!(told.contains(right), "without {right}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_throttled_broken_and_paged_it_comes_to_the_same() {
    let yard = Yard::build().await;
    for number in 0..7 {
        yard.compute.strangers_snapshot(PROJECT, &format!("somebody-elses-{number}"));
    }
    yard.gcp.faults().throttle_every(5);
    yard.gcp.faults().break_every(7);
    for quarter in 0..6 {
        yard.set(&format!("2026-11-20T{:02}:{:02}:00Z", 4 + quarter / 4, quarter % 4 * 15));
        snapshot(&yard.another(&format!("at-{quarter}"))).await;
    }
    drill(&yard.env).await;
    yard.gcp.faults().throttle_every(0);
    yard.gcp.faults().break_every(0);
    assert_eq!(yard.backups().await.len(), 1);
    assert_eq!(yard.snapshots().len(), 8);
    drill(&yard.another("after")).await;
    assert!(yard.compute.disks(DRILLS).is_empty());
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    assert!(status.assets[0].newest.is_some(), "{:?}", status.findings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_a_key_that_cannot_be_used_is_told_and_condemns_no_backup() {
    let yard = Yard::build().await;
    snapshot(&yard.env).await;
    yard.gcp.faults().refuse_key(KEY);
    drill(&yard.env).await;
    let evidence = yard.evidence().await.remove(0);
    assert_eq!(evidence.verdict, Verdict::CouldNotVerify, "{evidence:#?}");
    assert!(evidence.reason.as_deref().unwrap_or_default().contains("the Cloud KMS key cannot be used"), "{evidence:#?}");
    assert!(yard.compute.disks(DRILLS).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_disk_that_google_could_not_make_condemns_the_backup_and_a_full_zone_does_not() {
    for (ending, verdict) in [(Ending::Failed, Verdict::Failed), (Ending::Error, Verdict::CouldNotVerify)] {
        let yard = Yard::build().await;
        snapshot(&yard.env).await;
        yard.gcp.faults().ends("disks.insert", ending);
        drill(&yard.env).await;
        assert_eq!(yard.evidence().await[0].verdict, verdict, "{ending:?}: {:?}", yard.evidence().await[0].reason);
        assert!(yard.compute.disks(DRILLS).is_empty(), "I3: nothing is left");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_a_replica_that_somebody_attached_is_never_removed() {
    let yard = Yard::build().await;
    snapshot(&yard.env).await;
    // Killed once the disk was ordered: a look for leftovers, two for the replica, and the order.
    let mut left = Vec::new();
    for calls in 3..9 {
        yard.set(&format!("2026-11-20T05:0{calls}:00Z"));
        let _ = yard.gcp.faults().killed_after(calls, drill(&yard.another(&format!("killed-{calls}")))).await;
        left = yard.compute.disks(DRILLS);
        if !left.is_empty() {
            break;
        }
    }
    assert_eq!(left.len(), 1, "{left:?}");
    let disk = left[0].0.rsplit('/').next().unwrap().to_owned();
    yard.compute.machine(DRILLS, ZONE, "curious", &[(&disk, false)]);
    let before = yard.gcp.calls("compute.disks.delete");
    yard.set("2026-11-22T12:00:00Z");
    let report = RestoreDrill { asset: Some(name(DISK)), ..RestoreDrill::default() }.run(&yard.another("second")).await.unwrap();
    assert!(said(&report.entries[0].outcome).contains("is attached"), "{report:?}");
    assert_eq!((yard.compute.disks(DRILLS).len(), yard.gcp.calls("compute.disks.delete")), (1, before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r27_a_removal_that_fails_late_is_tried_again_and_a_killed_drill_is_ended_by_the_next_one() {
    let yard = Yard::build().await;
    snapshot(&yard.env).await;
    yard.gcp.faults().ends("disks.delete", Ending::Error);
    drill(&yard.env).await;
    yard.set("2026-11-20T04:30:00Z");
    RestoreDrill { asset: Some(name(DISK)), ..RestoreDrill::default() }.run(&yard.another("second")).await.unwrap();
    assert!(yard.compute.disks(DRILLS).is_empty(), "{:?}", yard.compute.disks(DRILLS));
    for step in 1..=9 {
        let yard = Yard::build().await;
        snapshot(&yard.env).await;
        let _ = yard.gcp.faults().killed_after(step, drill(&yard.env)).await;
        yard.set("2026-11-20T06:30:00Z");
        for holder in ["second", "third"] {
            RestoreDrill { asset: Some(name(DISK)), ..RestoreDrill::default() }.run(&yard.another(holder)).await.unwrap();
        }
        assert!(yard.compute.disks(DRILLS).is_empty(), "killed after {step}: {:?}", yard.compute.disks(DRILLS));
        assert!(!yard.evidence().await.is_empty(), "killed after {step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_somebody_removed_is_no_backup_any_more() {
    let yard = Yard::build().await;
    snapshot(&yard.env).await;
    yard.set("2026-11-20T05:00:00Z");
    yard.compute.lose(PROJECT, FIRST);
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    assert_ne!(status.assets[0].state, State::Good);
    assert!(status.findings().iter().any(|finding| finding.sentence.contains("is gone from gcp://acme-prod")), "{:?}", status.findings());
}
