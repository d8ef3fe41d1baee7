//! Keeping what the provider takes by itself.

use super::{CONFIG, HOME, TONIGHT, backups, check, copied, copy, outcome, wake};
use lastgood_core::{
    error::Kind,
    function::Outcome,
    ports::Readiness,
    testing::{SideEffects, World},
};
use snapshot_trigger::SnapshotReport;

/// A world whose asset keeps what the provider takes by itself.
fn automated() -> World {
    World::new("2026-11-20T03:00:00Z", &CONFIG.replace("\"0 3 * * *\" }", "\"0 3 * * *\", from: automated }")).unwrap()
}

#[tokio::test]
async fn the_newest_automated_snapshot_is_kept_and_its_data_time_is_its_own() {
    let world = automated();
    let at = world.moment("20m ago");
    world.snapshots.takes_by_itself(&HOME.parse().unwrap(), at);
    // Nothing is asked of the source, so that it is busy does not matter.
    world.snapshots.set_readiness(Readiness::Busy("backing-up".to_owned()));
    let report = wake(&world.env()).await;
    let Outcome::Done(taken) = outcome(&report) else { panic!("{report:?}") };
    assert_eq!(taken.data_time, at, "its data is not of now");
    assert_eq!(world.snapshots.names(HOME), [TONIGHT], "under our name");
    assert_eq!(copied(&copy(&world.env()).await).problems, [], "and copied like any other");
    let status = check(&world).await;
    assert_eq!(status.assets[0].newest.as_ref().unwrap().data_time, at);
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::NotDue { .. }), "twice is harmless");
}

#[tokio::test]
async fn an_automated_snapshot_that_is_not_newer_is_not_kept_twice_and_the_refusal_says_why() {
    let world = automated();
    let refused = |report: &SnapshotReport| match outcome(report) {
        Outcome::Failed { reason, hint, .. } => format!("{reason}; {}", hint.clone().unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let none = refused(&wake(&world.env()).await);
    assert!(none.contains("holds no automated snapshot") && none.contains("backup retention of at least one day"), "{none}");
    world.snapshots.takes_by_itself(&HOME.parse().unwrap(), world.moment("20m ago"));
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::Done(_)), "the next tick has it");
    world.passes("24h");
    let old = refused(&wake(&world.env()).await);
    assert!(old.contains("holds the data of") && old.contains("already") && old.contains("follow it by an hour"), "{old}");
    assert_eq!((backups(&world).await.len(), world.snapshots.names(HOME).len()), (1, 1), "nothing is made of the same data twice");
    world.snapshots.takes_by_itself(&HOME.parse().unwrap(), world.moment("10m ago"));
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::Done(_)));
    assert_eq!(backups(&world).await.len(), 2);
}

#[tokio::test]
async fn r03_the_keeping_of_an_automated_snapshot_whose_reply_was_lost_is_adopted() {
    let prepared = || {
        let world = automated();
        world.snapshots.takes_by_itself(&HOME.parse().unwrap(), world.moment("20m ago"));
        world
    };
    let counted = SideEffects::default();
    wake(&prepared().env_through(&counted)).await;
    let nth = counted.names().iter().position(|name| name.starts_with("begin snapshot")).unwrap() + 1;
    let world = prepared();
    let lost = wake(&world.env_through(&SideEffects::default().losing_reply(nth))).await;
    assert!(matches!(outcome(&lost), Outcome::Failed { kind: Kind::Retry, .. }), "{lost:?}");
    let effects = SideEffects::default();
    assert!(matches!(outcome(&wake(&world.env_through(&effects)).await), Outcome::Done(_)));
    assert!(!effects.names().iter().any(|name| name.starts_with("begin snapshot")), "{:?}", effects.names());
    // A stranger's of the name is refused all the same.
    let world = prepared();
    world.snapshots.strange(&HOME.parse().unwrap(), TONIGHT);
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::Failed { kind: Kind::Conflict, .. }));
}
