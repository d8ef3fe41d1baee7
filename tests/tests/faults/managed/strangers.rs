//! What is not ours, under a name or in the looks of ours: refused where it is in the way, and never touched.

use super::{A_WHILE, drill, failed, quiet_night, snapshot};
use lastgood_core::{
    domain::drill::{ReplicaName, Verdict},
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::{managed::Managed, of_every_cloud};
use restore_drill::RestoreDrill;
use std::time::Duration;

of_every_cloud![
    r04_a_strangers_backup_under_our_name_is_refused_and_untouched,
    r26_production_is_never_touched_by_a_drill_whatever_its_name_and_marks,
    r26_a_strangers_instance_under_the_name_of_a_drill_is_refused_and_untouched,
    r27_a_replica_that_somebody_protected_is_removed_and_a_strangers_instance_never,
];

async fn r04_a_strangers_backup_under_our_name_is_refused_and_untouched<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    let label = estate.strange_label();
    let theirs = estate.strange_backup(&label).await;
    let begun = estate.calls(C::NIGHT[0]);
    let report = snapshot(estate.env()).await;
    let (kind, reason, _) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::Conflict, "{reason}");
    assert!(estate.backups().await.is_empty());
    assert_eq!(estate.strange_backup_now(&label).await, theirs, "nothing was touched");
    assert!(estate.calls(C::NIGHT[0]) <= begun + 1 && estate.held().await.len() == 1, "{:?}", estate.held().await);
}

async fn r26_production_is_never_touched_by_a_drill_whatever_its_name_and_marks<C: Managed>(story: &str) {
    let Some(first) = C::build(story).await else { return };
    let drilled = ReplicaName(format!("lastgood-drill-{}-20261101t060000z", first.asset()));
    let names = [first.production().to_owned(), drilled.0.clone()];
    drop(first);
    for name in names {
        let estate = C::build_around(story, &name).await.unwrap();
        estate.promote(&drilled).await;
        let production = estate.fingerprint().await;
        quiet_night(&estate).await;
        for _ in 0..2 {
            let _ = drill(estate.env()).await;
            estate.passes(Duration::from_hours(1));
        }
        assert!(!estate.meddled_with().contains(&name), "{name} in {:?}", estate.meddled_with());
        assert_eq!(estate.instances().await, [name.as_str()]);
        assert_eq!(estate.fingerprint().await, production, "I4");
        assert_eq!(estate.evidence().await[0].verdict, Verdict::Proven, "and it is proven all the same");
    }
}

async fn r26_a_strangers_instance_under_the_name_of_a_drill_is_refused_and_untouched<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    quiet_night(&estate).await;
    estate.at("2026-11-20T06:00:00Z");
    let theirs = estate.drill_now().0;
    estate.strange_instance(&theirs).await;
    let report = RestoreDrill::default().run(estate.env()).await.unwrap();
    let said = serde_json::to_string(&report).unwrap();
    assert!(said.contains("nothing was touched"), "{said}");
    assert!(estate.evidence().await.iter().all(|drill| drill.verdict != Verdict::Proven));
    assert_eq!(estate.instances().await, [theirs.as_str(), estate.production()]);
    assert_eq!(estate.meddled_with(), [""; 0]);
}

async fn r27_a_replica_that_somebody_protected_is_removed_and_a_strangers_instance_never<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    quiet_night(&estate).await;
    // A stranger's instance that looks like ours, and protected as theirs.
    let stranger = "lastgood-drill-of-somebody";
    estate.strange_instance(stranger).await;
    // The drill is put down as soon as its replica is begun; somebody protects that too.
    estate.slow(12);
    let report = drill(&estate.hurried(Duration::from_secs(30))).await;
    assert!(matches!(&report.entries[0].outcome, Outcome::Waiting { .. }), "{report:?}");
    let of_drill = format!("lastgood-drill-{}-", estate.asset());
    let ours = estate.instances().await.into_iter().find(|name| name.starts_with(&of_drill)).expect("a replica");
    estate.slow(2);
    estate.protect(&ours).await;
    for _ in 0..5 {
        RestoreDrill::default().run(&estate.another("later")).await.unwrap();
        estate.passes(A_WHILE);
    }
    assert_eq!(estate.instances().await, [stranger, estate.production()]);
    for name in [stranger, estate.production()] {
        assert!(estate.protected(name).await, "{name} keeps its protection");
    }
    for name in estate.meddled_with() {
        assert!(name.starts_with(&of_drill), "{name} was meddled with");
    }
}
