//! Nights of a disk of Google's, with the real adapters against an emulated Compute Engine: snapshot, drill as far as Google lets
//! anybody, restore beside the old one, let the old snapshots go.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{compare::CheckOutcome, drill::Verdict, finding::FindingKind},
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::gcp::yard::{DISK, DRILLS, KEY, PROJECT, Yard, ZONE, name};
use restore::Restore;
use restore_drill::RestoreDrill;
use serde_json::json;
use snapshot_trigger::SnapshotTrigger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_is_snapshotted_drilled_and_its_snapshots_are_let_go() {
    let yard = Yard::with(", location: eu, guest_flush: true").await;
    let env = &yard.env;
    let report = SnapshotTrigger::default().run(env).await.unwrap();
    let Outcome::Done(taken) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(taken.data_time.to_string(), "2026-11-20T04:00:00Z");
    let manifest = yard.backups().await.remove(0);
    let held = manifest.held.unwrap();
    assert_eq!((held.engine.as_str(), held.bytes, held.encrypted, held.key.as_deref()), ("volume", 10 << 30, true, Some(KEY)));
    assert_eq!(held.name.0, "lastgood-data-volume-20261120t040000z");
    assert_eq!(manifest.source.system_identifier.as_deref(), Some("7000000000000000001"), "an id that passes to no other disk");
    let settings = &held.settings["volumes"]["data-1"];
    assert_eq!((&settings["type"], &settings["size"], &settings["labels"]), (&json!("pd-ssd"), &json!(10), &json!({ "team": "shop" })));
    assert_eq!(yard.compute.stored_at(PROJECT, &held.name.0).as_deref(), Some("eu"));
    let order = &yard.gcp.faults().calls_of("compute.disks.createSnapshot")[0];
    assert_eq!(order.query("guestFlush"), Some("true"));

    // What is written later is in no snapshot that was taken before.
    yard.compute.write(PROJECT, &format!("zones/{ZONE}"), "data-1", "tuesday");
    assert_eq!(yard.compute.snapshots(PROJECT), [("lastgood-data-volume-20261120t040000z".to_owned(), "monday".to_owned())]);

    yard.set("2026-11-20T06:00:00Z");
    let report = RestoreDrill::default().run(env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    let evidence = yard.evidence().await.remove(0);
    assert_eq!(evidence.verdict, Verdict::CouldNotVerify, "nobody read anything: {:#?}", evidence.checks);
    let unread: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    assert_eq!(unread.len(), 1, "{unread:#?}");
    assert!(unread[0].name == "blocks of data-1" && unread[0].found.contains("not read"), "{unread:#?}");
    let passed = |what: &str| evidence.checks.iter().any(|check| check.name == what && check.outcome == CheckOutcome::Passed);
    assert!(passed("size of data-1") && passed("origin of data-1") && passed("key of data-1") && passed("type of data-1"), "{evidence:#?}");
    assert_eq!((yard.gcp.calls("compute.disks.insert"), yard.gcp.calls("compute.disks.delete")), (1, 1));
    assert!(yard.compute.disks(DRILLS).is_empty(), "torn down");
    assert_eq!(yard.compute.disks(PROJECT), [(format!("zones/{ZONE}/data-1"), "tuesday".to_owned())], "I4: production is as it was");

    for day in ["2026-11-21", "2026-11-22", "2026-11-23"] {
        yard.set(&format!("{day}T04:00:00Z"));
        let report = SnapshotTrigger::default().run(env).await.unwrap();
        assert_eq!((report.exit(), report.findings()), (Exit::Good, Vec::new()), "{report:?}");
    }
    assert_eq!(yard.snapshots(), ["lastgood-data-volume-20261122t040000z", "lastgood-data-volume-20261123t040000z"], "two days are kept");
    assert_eq!(yard.backups().await.len(), 2);
}

fn restore(into: &str, apply: bool) -> Restore {
    Restore {
        asset: name(DISK),
        backup: None,
        at: None,
        latest: true,
        into: into.parse().unwrap(),
        from: None,
        apply,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_disk_is_restored_beside_the_old_one_set_up_as_it_was_and_attached_by_nobody() {
    let yard = Yard::build().await;
    SnapshotTrigger::default().run(&yard.env).await.unwrap();
    yard.compute.machine(PROJECT, ZONE, "web-1", &[("data-1", false)]);
    yard.compute.write(PROJECT, &format!("zones/{ZONE}"), "data-1", "overwritten by mistake");
    let planned = restore("disk:europe-west1-c", false).run(&yard.env).await.unwrap();
    let Outcome::Done(planned) = &planned.entries[0].outcome else { panic!("{planned:?}") };
    assert!(planned.steps[0].contains("make a new disk restored-"), "{planned:?}");
    assert_eq!(yard.compute.disks(PROJECT).len(), 1, "a plan touches nothing");
    for again in [false, true] {
        let report = restore("disk:europe-west1-c/data-2", true).run(&yard.env).await.unwrap();
        let Outcome::Done(done) = &report.entries[0].outcome else { panic!("{report:?}") };
        assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
        assert_eq!(done.steps[0].contains("go on with"), again, "{:?}", done.steps);
        let disks = yard.compute.disks(PROJECT);
        assert_eq!(disks.len(), 2, "again is harmless");
        assert_eq!(disks[1], ("zones/europe-west1-c/data-2".to_owned(), "monday".to_owned()), "it holds what was there when it was taken");
        assert!(done.next[0].contains("data-2 holds what data-1 held at 2026-11-20T04:00:00Z"), "{:?}", done.next);
        assert!(done.next[1].contains("attach-disk"), "{:?}", done.next);
    }
    let body = yard.compute.body(PROJECT, "zones/europe-west1-c", "data-2").unwrap();
    assert_eq!((&body["labels"]["team"], &body["diskEncryptionKey"]["kmsKeyName"]), (&json!("shop"), &json!(KEY)));
    assert!(body["type"].as_str().unwrap().ends_with("zones/europe-west1-c/diskTypes/pd-ssd"));
    let taken = restore(&format!("disk:{ZONE}/data-1"), true).run(&yard.env).await.unwrap_err();
    assert!(taken.full().contains("there is a disk data-1 in europe-west1-b already"), "{}", taken.full());
    assert_eq!(yard.compute.disks(PROJECT)[0].1, "overwritten by mistake", "the old one is left as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_endangers_a_disk_and_its_snapshots_is_told() {
    let yard = Yard::build().await;
    SnapshotTrigger::default().run(&yard.env).await.unwrap();
    yard.set("2026-11-20T05:00:00Z");
    let told = || async {
        let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
        let kinds = [FindingKind::PostureDrift, FindingKind::QuotaNear, FindingKind::CouldNotObserve];
        let of = status.findings().into_iter().filter(|finding| kinds.contains(&finding.kind));
        of.map(|finding| finding.sentence).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [""; 0]);
    yard.compute.machine(PROJECT, ZONE, "web-1", &[("data-1", true)]);
    yard.compute.scheduled(PROJECT, ZONE, "data-1", "nightly", "APPLY_RETENTION_POLICY");
    yard.compute.most_snapshots(1);
    let sentences = told().await.join("\n");
    for word in ["deleted together with machine web-1", "snapshot schedule nightly goes on deleting", "1 of 1 manual snapshots"] {
        assert!(sentences.contains(word), "{word}: {sentences}");
    }
    let yard = Yard::build().await;
    SnapshotTrigger::default().run(&yard.env).await.unwrap();
    yard.compute.machine(PROJECT, ZONE, "web-1", &[("data-1", false)]);
    yard.compute.scheduled(PROJECT, ZONE, "data-1", "nightly", "KEEP_AUTO_SNAPSHOTS");
    yard.set("2026-11-20T05:00:00Z");
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    assert!(!status.findings().iter().any(|finding| finding.kind == FindingKind::PostureDrift), "{:?}", status.findings());
}
