//! Nights of a volume, of a machine's volumes and of a cache, with the real adapters against an emulated Amazon: snapshot, copy
//! far away, prove by volumes that are made and read, let the old ones go.

use cross_region_copy::CrossRegionCopy;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{compare::CheckOutcome, drill::Verdict, freshness::State},
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::aws::yard::{CACHE, FAR, HOME, MACHINE, VOLUME, Yard, name};
use restore::Restore;
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;

/// Drills an asset now, from a place if one is named, and returns the verdict with what was checked.
async fn drilled(yard: &Yard, asset: &str, from: Option<&str>) -> (Verdict, Vec<String>) {
    let from = from.map(|from| from.parse().unwrap());
    let drill = RestoreDrill { asset: Some(name(asset)), from, now: true, ..RestoreDrill::default() };
    let report = drill.run(&yard.env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    let evidence = yard.evidence(asset).await.remove(0);
    let wrong: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    assert!(evidence.verdict != Verdict::Proven || wrong.is_empty(), "{wrong:#?}");
    (evidence.verdict, evidence.checks.iter().map(|check| format!("{}: {}", check.name, check.found)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_is_snapshotted_copied_proven_from_both_places_and_pruned() {
    let Some(yard) = Yard::build("volumes::a_volume", &[VOLUME]).await else { return };
    let (env, volume) = (&yard.env, yard.volume.clone());
    let volumes = yard.aws.ec2().volumes(HOME).await;

    let report = SnapshotTrigger::default().run(env).await.unwrap();
    let Outcome::Done(taken) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(taken.data_time.to_string(), "2026-11-20T04:00:00Z");
    let held = yard.backups(VOLUME).await.remove(0).held.unwrap();
    assert_eq!((held.engine.as_str(), held.bytes, held.encrypted, held.members.len()), ("volume", 8 << 30, true, 1));
    assert_eq!(held.members[0].of, volume);
    let settings = &held.settings["volumes"][&volume];
    assert_eq!(
        (&settings["type"], &settings["iops"], &settings["tags"]["environment"]),
        (&"gp3".into(), &4000.into(), &"production".into())
    );

    let report = CrossRegionCopy::default().run(env).await.unwrap();
    let Outcome::Done(copied) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!((copied.places[0].copied.as_slice(), &copied.problems[..]), (&[taken.backup][..], &[][..]));
    assert_eq!((yard.aws.ec2().snapshots(HOME).await, yard.aws.ec2().snapshots(FAR).await), (1, 1));

    for (at, from) in [("2026-11-20T06:00:00Z", None), ("2026-11-21T01:00:00Z", Some("aws://us-east-1"))] {
        yard.set(at);
        let (verdict, found) = drilled(&yard, VOLUME, from).await;
        assert_eq!(verdict, Verdict::Proven, "{found:#?}");
        assert!(found.iter().any(|check| check == &format!("file system: {volume}: ext4 (no file was opened)")), "{found:#?}");
        assert!(found.iter().any(|check| check.starts_with(&format!("blocks of {volume}: ")) && !check.contains(": 0 ")), "{found:#?}");
        assert_eq!(yard.aws.ec2().volumes(HOME).await, volumes, "torn down, and nothing else touched");
        assert_eq!(yard.aws.ec2().volumes(FAR).await, [""; 0]);
    }
    assert_eq!((yard.aws.calls("AttachVolume"), yard.aws.calls("CreateVolume"), yard.aws.calls("DeleteVolume")), (0, 2, 2));
    let status = FreshnessChecker::default().run(env).await.unwrap();
    assert_eq!((status.assets[0].state, status.assets[0].copies.proven), (State::Good, 1), "{:#?}", status.findings());

    for day in ["2026-11-21", "2026-11-22", "2026-11-23"] {
        yard.set(&format!("{day}T04:00:00Z"));
        let report = SnapshotTrigger::default().run(env).await.unwrap();
        assert_eq!((report.exit(), report.findings()), (Exit::Good, Vec::new()), "{report:?}");
        CrossRegionCopy::default().run(env).await.unwrap();
    }
    // Two days are kept, and the newest that is proven; the one between is gone at both places.
    assert_eq!((yard.aws.ec2().snapshots(HOME).await, yard.aws.ec2().snapshots(FAR).await), (3, 3));
    assert_eq!(yard.backups(VOLUME).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_volumes_of_a_machine_are_one_backup_taken_at_one_moment() {
    let Some(yard) = Yard::build("volumes::all_volumes_of_a_machine", &[MACHINE]).await else { return };
    let env = &yard.env;
    let report = SnapshotTrigger::default().run(env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    assert_eq!((yard.aws.calls("CreateSnapshots"), yard.aws.calls("CreateSnapshot")), (1, 0), "one order for all of them");
    let held = yard.backups(MACHINE).await.remove(0).held.unwrap();
    assert_eq!(
        (held.engine.as_str(), held.members.iter().map(|member| member.of.clone()).collect::<Vec<_>>()),
        ("3 volumes", yard.set.clone())
    );
    assert_eq!(held.settings["volumes"].as_object().unwrap().len(), 3);

    // Of three copies two may be under way at once: the third is begun when there is room.
    yard.aws.faults().rules(|rules| rules.copies_at_once = 2);
    let mut tries = 0;
    while yard.aws.faults().calls("CopySnapshot") < 4 && tries < 4 {
        CrossRegionCopy::default().run(env).await.unwrap();
        tries += 1;
        yard.set(&format!("2026-11-20T05:{:02}:00Z", tries * 5));
    }
    CrossRegionCopy::default().run(env).await.unwrap();
    assert_eq!(yard.aws.ec2().snapshots(FAR).await, 3, "none was copied twice");
    let status = FreshnessChecker::default().run(env).await.unwrap();
    assert_eq!((status.assets[0].copies.proven, status.assets[0].copies.asked), (1, 1), "{:#?}", status.findings());

    yard.set("2026-11-20T06:00:00Z");
    let before = yard.aws.ec2().volumes(HOME).await;
    let (verdict, found) = drilled(&yard, MACHINE, Some("aws://us-east-1")).await;
    assert_eq!(verdict, Verdict::Proven, "{found:#?}");
    let line = found.iter().find(|check| check.starts_with("file system")).unwrap();
    assert_eq!((line.matches("xfs").count(), line.matches("ext4").count()), (2, 1), "one of them inside a partition: {line}");
    assert_eq!((yard.aws.ec2().volumes(HOME).await, yard.aws.ec2().volumes(FAR).await), (before, Vec::new()));
}

fn restore(into: &str, from: Option<&str>) -> Restore {
    let (into, from) = (into.parse().unwrap(), from.map(|from| from.parse().unwrap()));
    Restore {
        asset: name(VOLUME),
        backup: None,
        at: None,
        latest: true,
        into,
        from,
        apply: true,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_volume_is_restored_beside_the_old_one_set_up_as_it_was_and_attached_by_nobody() {
    let Some(yard) = Yard::build("volumes::r48_a_volume_is_restored", &[VOLUME]).await else { return };
    SnapshotTrigger::default().run(&yard.env).await.unwrap();
    CrossRegionCopy::default().run(&yard.env).await.unwrap();
    let before = yard.aws.ec2().volumes(HOME).await;
    let planned = Restore { apply: false, ..restore("ebs:eu-west-1b", None) }.run(&yard.env).await.unwrap();
    let Outcome::Done(planned) = &planned.entries[0].outcome else { panic!("{planned:?}") };
    assert!(planned.steps[0].contains("make a new volume"), "{planned:?}");
    assert_eq!(yard.aws.ec2().volumes(HOME).await, before, "a plan touches nothing");

    for again in [false, true] {
        let report = restore("ebs:eu-west-1b", None).run(&yard.env).await.unwrap();
        let Outcome::Done(done) = &report.entries[0].outcome else { panic!("{report:?}") };
        assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
        assert_eq!(done.steps[0].contains("go on with"), again, "{:?}", done.steps);
        let now = yard.aws.ec2().volumes(HOME).await;
        let new: Vec<_> = now.iter().filter(|id| !before.contains(id)).collect();
        assert_eq!(new.len(), 1, "again is harmless");
        assert!(done.next[0].contains(new[0].as_str()) && done.next[1].contains("attach-volume"), "{:?}", done.next);
    }
    assert_eq!(yard.aws.calls("AttachVolume"), 0);
    let error = restore("ebs:us-east-1a", None).run(&yard.env).await.unwrap_err();
    assert!(error.full().contains("is no zone of it"), "{}", error.full());
    let far = restore("ebs:us-east-1a", Some("aws://us-east-1")).run(&yard.env).await.unwrap();
    assert!(matches!(&far.entries[0].outcome, Outcome::Done(done) if done.verdict == Some(Verdict::Proven)), "{far:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_is_snapshotted_watched_and_pruned() {
    let Some(yard) = Yard::build("volumes::a_cache", &[CACHE]).await else { return };
    let env = &yard.env;
    for day in ["2026-11-20", "2026-11-21", "2026-11-22"] {
        yard.set(&format!("{day}T04:00:00Z"));
        let report = SnapshotTrigger::default().run(env).await.unwrap();
        let Outcome::Done(taken) = &report.entries[0].outcome else { panic!("{report:?}") };
        let at = taken.data_time.to_string();
        assert!(at.starts_with(&format!("{day}T04:00:0")) && at < format!("{day}T04:00:08Z"), "the earliest of its shards: {at}");
    }
    assert_eq!(yard.backups(CACHE).await.len(), 2, "two days are kept");
    let held = yard.backups(CACHE).await.remove(0).held.unwrap();
    assert_eq!((held.engine.as_str(), held.bytes, held.name.0.as_str()), ("redis 7.1", 10 << 20, "lastgood-cache-20261122t040000z"));
    let settings = &held.settings;
    assert_eq!((&settings["tls"], &settings["node_type"], &settings["nodes"]), (&true.into(), &"cache.r7g.large".into(), &2.into()));
    assert_eq!(yard.aws.caches().snapshots(HOME).await, ["lastgood-cache-20261121t040000z", "lastgood-cache-20261122t040000z"]);
    let status = FreshnessChecker::default().run(env).await.unwrap();
    let said: Vec<_> = status.assets[0].findings.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|finding| finding.contains("the provider's own backups are off")), "{said:?}");
    assert_eq!(status.assets[0].newest.as_ref().map(|newest| newest.id), Some(yard.backups(CACHE).await[0].id), "{said:?}");
}
