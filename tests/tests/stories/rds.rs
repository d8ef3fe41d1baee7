//! Snapshots that the provider holds, in memory: begun, seen through, copied, let go, and everything that gets in the way.

mod automated;

use cross_region_copy::{Copied, CopyReport, CrossRegionCopy};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::{Taken, When},
    catalog::{Copy, Key, Leaving, Status, Tombstone},
    clock::{Clock, after, since},
    domain::{
        backup::{Manifest, Method},
        finding::FindingKind,
        freshness::State,
        held::SnapshotState,
        run::{Run, RunState},
    },
    env::Env,
    error::Kind,
    function::{Exit, Findings, Function, Outcome},
    ports::Readiness,
    prune::{self, Mode},
    testing::{SideEffects, World},
};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

const HOME: &str = "aws://eu-west-1";
const FAR: &str = "aws://us-east-1";

const CONFIG: &str = r#"
vault: s3://near/lastgood
runbook: https://example.com/runbook
defaults: { rpo: 26h, rto: 4h, retention: { daily: 3 } }
assets:
  orders-rds:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
"#;

/// The name that tonight's snapshot always has.
const TONIGHT: &str = "lastgood-orders-rds-20261120t030000z";

fn world() -> World {
    World::new("2026-11-20T03:00:00Z", CONFIG).unwrap()
}

async fn wake(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

fn outcome(report: &SnapshotReport) -> &Outcome<Taken> {
    &report.entries[0].outcome
}

async fn copy(env: &Env) -> CopyReport {
    CrossRegionCopy::default().run(env).await.unwrap()
}

fn copied(report: &CopyReport) -> &Copied {
    match &report.entries[0].outcome {
        Outcome::Done(copied) => copied,
        other => panic!("{other:?}"),
    }
}

async fn check(world: &World) -> Status {
    FreshnessChecker::default().run(&world.env()).await.unwrap()
}

/// A world as an invocation sees it that has `span` left to live.
fn hurried(world: &World, span: Duration) -> Env {
    Env { deadline: Some(after(world.clock.now(), span)), ..world.env() }
}

async fn backups(world: &World) -> Vec<Manifest> {
    let found = world.env().vault.backups(&asset()).await.unwrap();
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    found.good
}

fn asset() -> lastgood_core::id::AssetName {
    "orders-rds".parse().unwrap()
}

async fn tonights_run(world: &World) -> Run {
    let runs = world.env().vault.all::<Run>(&Key::runs(&asset(), SnapshotTrigger::NAME)).await.unwrap();
    runs.good.into_iter().next().expect("a run")
}

/// Takes tonight's snapshot and copies it.
async fn night(world: &World) -> SnapshotReport {
    let report = wake(&world.env()).await;
    assert!(matches!(outcome(&report), Outcome::Done(_)), "{report:?}");
    assert_eq!(copied(&copy(&world.env()).await).problems, []);
    report
}

#[tokio::test]
async fn a_snapshot_is_seen_through_and_its_manifest_says_what_the_provider_shows() {
    let world = world();
    let began = world.clock.now();
    let report = wake(&world.env()).await;
    let Outcome::Done(taken) = outcome(&report) else { panic!("{report:?}") };
    assert_eq!((taken.method, taken.data_time), (Method::ProviderSnapshot, began));
    assert_eq!(world.snapshots.names(HOME), [TONIGHT]);

    let [backup] = &backups(&world).await[..] else { panic!() };
    let held = backup.held.as_ref().unwrap();
    assert_eq!((held.place.to_string().as_str(), held.name.0.as_str()), (HOME, TONIGHT));
    assert_eq!(held.settings["db_parameter_group"], "orders-pg15", "a restore does not bring this back");
    assert_eq!(backup.source.system_identifier.as_deref(), Some("db-ABCDEFGHIJKL"));
    assert!(backup.artifacts.is_empty() && backup.finished_at > began);
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::NotDue { .. }), "twice is harmless");
    assert_eq!(world.snapshots.names(HOME), [TONIGHT]);
}

#[tokio::test]
async fn a_snapshot_that_takes_several_invocations_is_begun_once() {
    let world = world();
    let began = world.clock.now();
    let effects = SideEffects::default();
    let mut waited = 0;
    let taken = loop {
        let env = Env { deadline: Some(after(world.clock.now(), Duration::from_secs(1))), ..world.env_through(&effects) };
        match outcome(&wake(&env).await) {
            Outcome::Done(taken) => break taken.clone(),
            Outcome::Waiting { reason } => assert!(reason.contains("time ended"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(backups(&world).await.is_empty(), "nothing counts before it is complete");
        assert!(matches!(tonights_run(&world).await.state, RunState::Waiting { .. }));
        world.passes("5m");
        waited += 1;
    };
    assert!(waited >= 1, "{waited}");
    let begins = effects.names().into_iter().filter(|name| name.starts_with("begin snapshot")).count();
    assert_eq!((begins, taken.data_time), (1, began), "it holds the data of when it began");
    let [backup] = &backups(&world).await[..] else { panic!() };
    assert!(since(backup.finished_at, backup.started_at) > Duration::from_mins(4), "{backup:?}");
}

#[tokio::test]
async fn a_snapshot_of_last_night_is_settled_before_tonights_is_begun() {
    let world = world();
    assert!(matches!(outcome(&wake(&hurried(&world, Duration::from_secs(1))).await), Outcome::Waiting { .. }));
    world.passes("24h");
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::Done(_)));
    let names: Vec<_> = backups(&world).await.into_iter().map(|backup| backup.held.unwrap().name.0).collect();
    assert_eq!(names, ["lastgood-orders-rds-20261121t030000z", TONIGHT]);
}

#[tokio::test]
async fn r01_one_event_delivered_five_times_at_once_begins_one_snapshot() {
    let world = world();
    let effects = SideEffects::default();
    let deliveries = (0..5).map(|n| {
        let env = Env { holder: format!("delivery {n}"), ..world.env_through(&effects) };
        async move { wake(&env).await.entries[0].outcome.clone() }
    });
    let outcomes = futures::future::join_all(deliveries).await;
    let taken: Vec<_> = outcomes.iter().filter_map(|o| if let Outcome::Done(taken) = o { Some(taken.backup) } else { None }).collect();
    assert!(!taken.is_empty() && taken.iter().all(|id| *id == taken[0]), "{outcomes:?}");
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Done(_) | Outcome::AlreadyRunning { .. })), "{outcomes:?}");
    let begins = effects.names().into_iter().filter(|name| name.starts_with("begin snapshot")).count();
    assert_eq!((begins, world.snapshots.names(HOME).len()), (1, 1));
}

#[tokio::test]
async fn r03_a_snapshot_whose_reply_was_lost_is_adopted_by_the_next_invocation() {
    let counted = SideEffects::default();
    wake(&world().env_through(&counted)).await;
    let nth = counted.names().iter().position(|name| name.starts_with("begin snapshot")).unwrap() + 1;

    let world = world();
    let began = world.clock.now();
    let lost = wake(&world.env_through(&SideEffects::default().losing_reply(nth))).await;
    assert!(matches!(outcome(&lost), Outcome::Failed { kind: Kind::Retry, .. }), "{lost:?}");
    assert_eq!(world.snapshots.names(HOME), [TONIGHT], "it took effect all the same");
    world.passes("10m");
    let effects = SideEffects::default();
    let Outcome::Done(taken) = outcome(&wake(&world.env_through(&effects)).await).clone() else { panic!() };
    assert_eq!(taken.data_time, began);
    assert!(!effects.names().iter().any(|name| name.starts_with("begin snapshot")), "{:?}", effects.names());
    assert_eq!(world.snapshots.names(HOME), [TONIGHT]);
}

#[tokio::test]
async fn r04_a_strangers_snapshot_of_the_same_name_is_refused_and_untouched() {
    let world = world();
    world.snapshots.strange(&HOME.parse().unwrap(), TONIGHT);
    for _ in 0..2 {
        let report = wake(&world.env()).await;
        let Outcome::Failed { kind, reason, .. } = outcome(&report) else { panic!("{report:?}") };
        assert_eq!(*kind, Kind::Conflict, "{reason}");
        assert_eq!(report.exit(), Exit::Failed);
    }
    assert!(backups(&world).await.is_empty());
    world.snapshots.change(HOME, TONIGHT, |seen| {
        assert_eq!((seen.backup, &seen.state), (None, &SnapshotState::Available), "it is as it was");
        true
    });
    assert_eq!(world.snapshots.names(HOME), [TONIGHT]);
}

#[tokio::test]
async fn r04_a_strangers_snapshot_where_a_copy_should_go_is_refused_and_untouched() {
    let world = world();
    wake(&world.env()).await;
    world.snapshots.strange(&FAR.parse().unwrap(), TONIGHT);
    let report = copy(&world.env()).await;
    let Outcome::Failed { kind, reason, .. } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(*kind, Kind::Conflict, "{reason}");
    assert_eq!(world.snapshots.names(FAR), [TONIGHT]);
    assert!(world.env().vault.all::<Copy>(&Key::copies(&asset())).await.unwrap().good.is_empty(), "nothing is proven");
}

#[tokio::test]
async fn r05_a_source_that_is_busy_is_waited_for_and_then_the_snapshot_is_taken() {
    let world = world();
    world.snapshots.set_readiness(Readiness::Busy("backing-up".to_owned()));
    let report = wake(&hurried(&world, Duration::from_mins(10))).await;
    let Outcome::Waiting { reason } = outcome(&report) else { panic!("{report:?}") };
    assert!(reason.contains("backing-up"), "{reason}");
    assert!(world.snapshots.names(HOME).is_empty());
    let waited = since(world.clock.now(), tonights_run(&world).await.slot.0);
    assert!(waited > Duration::from_mins(9), "the window was used: {waited:?}");
    world.passes("10m");
    world.snapshots.set_readiness(Readiness::Ready);
    assert!(matches!(outcome(&wake(&world.env()).await), Outcome::Done(_)));
    let [backup] = &backups(&world).await[..] else { panic!() };
    assert_eq!(backup.slot.to_string().to_ascii_lowercase(), "20261120t030000z", "it is tonight's, if late");
}

#[tokio::test]
async fn r05_a_source_that_stays_busy_past_its_rpo_is_a_failed_run_and_turns_stale() {
    let world = world();
    night(&world).await;
    world.passes("24h");
    world.snapshots.set_readiness(Readiness::Busy("modifying".to_owned()));
    let began = world.clock.now();
    // Nobody ends this invocation, and yet it ends.
    let report = wake(&world.env()).await;
    let Outcome::Failed { reason, .. } = outcome(&report) else { panic!("{report:?}") };
    assert!(reason.contains("has been busy (modifying) for all of its rpo"), "{reason}");
    assert!(since(world.clock.now(), began) > Duration::from_hours(25));
    let status = check(&world).await;
    let kinds: Vec<_> = status.findings().iter().map(|finding| finding.kind).collect();
    assert!(kinds.contains(&FindingKind::BackupStale), "{:?}", status.findings());
    assert_eq!(backups(&world).await.len(), 1, "earlier ones are as they were");
}

#[tokio::test]
async fn r08_a_snapshot_that_fails_late_is_told_removed_and_begun_again() {
    let world = world();
    world.snapshots.break_late(Some("storage went away"));
    let report = wake(&world.env()).await;
    let Outcome::Failed { reason, hint, .. } = outcome(&report) else { panic!("{report:?}") };
    assert!(reason.contains("failed: storage went away"), "the provider's words are kept: {reason}");
    assert!(hint.as_deref().unwrap().contains("removed"), "{hint:?}");
    assert!(backups(&world).await.is_empty());
    let RunState::Failed { reason, .. } = tonights_run(&world).await.state else { panic!() };
    assert!(reason.contains("storage went away"), "{reason}");

    world.snapshots.break_late(None);
    world.passes("5m");
    let done = wake(&world.env()).await;
    assert!(matches!(outcome(&done), Outcome::Done(_)), "{done:?}");
    assert_eq!((backups(&world).await.len(), world.snapshots.names(HOME)), (1, vec![TONIGHT.to_owned()]));
}

#[tokio::test]
async fn r08_a_copy_that_fails_late_is_told_removed_and_begun_again() {
    let world = world();
    wake(&world.env()).await;
    world.snapshots.break_late(Some("KMSKeyNotAccessibleFault"));
    let report = copy(&world.env()).await;
    let Outcome::Failed { reason, .. } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert!(reason.contains("failed: KMSKeyNotAccessibleFault"), "{reason}");
    assert_eq!(report.exit(), Exit::Failed);
    assert!(world.env().vault.all::<Copy>(&Key::copies(&asset())).await.unwrap().good.is_empty(), "nothing is proven");
    assert_eq!(backups(&world).await.len(), 1, "the original is untouched");

    world.snapshots.break_late(None);
    world.passes("5m");
    let again = copy(&world.env()).await;
    assert_eq!(copied(&again).places[0].copied.len(), 1, "{again:?}");
    assert_eq!(world.snapshots.names(FAR), [TONIGHT]);
}

#[tokio::test]
async fn a_copy_is_proven_by_what_the_place_itself_shows_and_holds_the_same_moment() {
    let world = world();
    let Outcome::Done(taken) = outcome(&wake(&world.env()).await).clone() else { panic!() };
    world.passes("3h");
    let report = copy(&world.env()).await;
    let at = &copied(&report).places[0];
    assert_eq!((at.copied.as_slice(), at.lag_seconds), (&[taken.backup][..], Some(0)));
    let proofs = world.env().vault.all::<Copy>(&Key::copies(&asset())).await.unwrap().good;
    let [proof] = &proofs[..] else { panic!("{proofs:?}") };
    assert_eq!(proof.held.as_ref().unwrap().place.to_string(), FAR);
    assert!(proof.proves(&backups(&world).await[0]));
    assert_eq!(copied(&copy(&world.env()).await).places[0].already_proven, 1, "twice is harmless");

    let status = check(&world).await;
    let orders = &status.assets[0];
    assert_eq!((orders.copies.proven, orders.copies.asked), (1, 1));
    assert_eq!(orders.newest.as_ref().unwrap().data_time, taken.data_time, "fresh is data time, not copy time");
}

#[tokio::test]
async fn a_copy_of_another_moment_is_no_copy() {
    let world = world();
    wake(&world.env()).await;
    // The place says that what bears our name there holds another moment.
    let _ = copy(&hurried(&world, Duration::from_secs(1))).await;
    world.snapshots.change(FAR, TONIGHT, |seen| {
        seen.data_time = seen.data_time.map(|at| lastgood_core::clock::before(at, Duration::from_hours(24)));
        true
    });
    let report = copy(&world.env()).await;
    let Outcome::Failed { kind, reason, .. } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(*kind, Kind::Corrupt, "{reason}");
    assert!(world.env().vault.all::<Copy>(&Key::copies(&asset())).await.unwrap().good.is_empty());
}

#[tokio::test]
async fn retention_removes_a_snapshot_at_every_place_and_nothing_that_is_not_ours() {
    let world = world();
    let stranger = "before-the-migration";
    world.snapshots.strange(&HOME.parse().unwrap(), stranger);
    world.snapshots.strange(&FAR.parse().unwrap(), stranger);
    let mut nights = Vec::new();
    for _ in 0..4 {
        nights.push(night(&world).await);
        world.passes("24h");
    }
    let Outcome::Done(first) = outcome(&nights[0]).clone() else { panic!() };
    let pruned = &nights[3].pruned[0];
    let gone: Vec<_> = pruned.let_go.iter().map(|gone| gone.id).collect();
    assert_eq!((gone, pruned.failed.len()), (vec![first.backup], 0), "{pruned:?}");
    // Whoever looks next sees that it is gone.
    let status = check(&world).await;
    assert!(status.findings().iter().all(|finding| finding.kind != FindingKind::BackupCorrupt), "{:?}", status.findings());
    for place in [HOME, FAR] {
        let names = world.snapshots.names(place);
        assert!(!names.contains(&TONIGHT.to_owned()), "{place}: {names:?}");
        assert_eq!(names.len(), 4, "three of ours and the stranger's at {place}: {names:?}");
        assert!(names.contains(&stranger.to_owned()));
    }
    let env = world.env();
    let stone = async || env.vault.load::<Tombstone>(&Key::Tombstone(asset(), first.backup)).await.unwrap().unwrap().record;
    assert_eq!(stone().await.held.unwrap().1.0, TONIGHT);
    let again = prune::prune(&env, env.config.asset(&asset()).unwrap(), Mode::Apply, None).await.unwrap();
    assert!(again.let_go.is_empty() && again.failed.is_empty(), "twice is harmless: {again:?}");
    assert_eq!(stone().await.leaving, Leaving::Gone, "once it was seen to be gone");
}

#[tokio::test]
async fn a_snapshot_that_vanished_or_broke_at_its_provider_is_no_backup_any_more() {
    for (what, said) in [("vanished", "is gone from aws://eu-west-1"), ("broke", "is broken: bit rot")] {
        let world = world();
        night(&world).await;
        assert!(check(&world).await.assets[0].newest.is_some());
        world.snapshots.change(HOME, TONIGHT, |seen| {
            seen.state = SnapshotState::Failed("bit rot".to_owned());
            what == "broke"
        });
        let status = check(&world).await;
        let told: Vec<_> = status.findings().iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|finding| finding.contains(said)), "{what}: {told:#?}");
        assert_ne!(status.assets[0].state, State::Good);
        assert_ne!(status.exit(), Exit::Good);
    }
}

#[tokio::test]
async fn a_copy_that_vanished_is_no_copy_any_more_and_is_made_again() {
    let world = world();
    night(&world).await;
    assert_eq!(check(&world).await.assets[0].copies.proven, 1);
    world.snapshots.change(FAR, TONIGHT, |_| false);
    let status = check(&world).await;
    assert_eq!(status.assets[0].copies.proven, 0);
    let report = copy(&world.env()).await;
    assert_eq!(copied(&report).places[0].copied.len(), 1, "{report:?}");
    assert_eq!(check(&world).await.assets[0].copies.proven, 1);
}

#[tokio::test]
async fn a_snapshot_by_hand_is_taken_now_beside_the_schedule() {
    let world = world();
    wake(&world.env()).await;
    world.passes("90m");
    let by_hand = SnapshotTrigger { asset: Some(asset()), when: When::Now };
    let report = by_hand.run(&world.env()).await.unwrap();
    assert!(matches!(outcome(&report), Outcome::Done(_)), "{report:?}");
    assert_eq!(world.snapshots.names(HOME).len(), 2);
}
