//! How a provider keeps a database is part of whether it can be had back: its key, its own backups, its protection.

use cross_region_copy::CrossRegionCopy;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::verify_backup,
    clock::before,
    domain::{
        finding::{FindingKind, Severity},
        freshness::State,
        posture::{KeySeen, Moments, Posture, Quota},
    },
    function::{Exit, Findings, Function},
    testing::World,
};
use snapshot_trigger::SnapshotTrigger;
use std::time::Duration;

const CONFIG: &str = r#"
vault: file:///vault
assets:
  orders: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: "0 3 * * *" } }
"#;

async fn snapshotted() -> World {
    let world = World::new("2026-11-20T03:05:00Z", CONFIG).unwrap();
    let report = SnapshotTrigger::default().run(&world.env()).await.unwrap();
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    world
}

fn as_it_should_be(world: &World) -> Posture {
    Posture {
        retention_days: Some(7),
        restorable_to: Some(before(world.env().clock.now(), Duration::from_mins(4))),
        protected: Some(true),
        public: Some(false),
        key: Some(KeySeen { name: "alias/orders".to_owned(), unusable: None }),
        snapshots: Some(Quota { used: 12, most: 100 }),
        ..Posture::default()
    }
}

/// What is said of a posture: kind, severity, a word of the sentence.
async fn told(world: &World, posture: Posture) -> Vec<(FindingKind, Severity, String)> {
    world.snapshots.set_posture(posture);
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    let kinds = [FindingKind::PostureDrift, FindingKind::KeyUnusable, FindingKind::QuotaNear];
    let of_posture = status.findings().into_iter().filter(|finding| kinds.contains(&finding.kind));
    of_posture.map(|finding| (finding.kind, finding.severity, finding.sentence)).collect()
}

#[tokio::test]
async fn a_database_that_is_kept_as_it_should_be_is_not_spoken_of_and_neither_is_what_nobody_knows() {
    let world = snapshotted().await;
    assert_eq!(told(&world, as_it_should_be(&world)).await, []);
    assert_eq!(told(&world, Posture::default()).await, [], "unknown is absent, never a zero");
}

#[tokio::test]
async fn r40_a_key_that_opens_nothing_any_more_is_a_page_now_and_not_at_the_restore() {
    let world = snapshotted().await;
    let unusable = Some("is to be deleted on 2026-11-27T00:00:00Z".to_owned());
    let key = Some(KeySeen { name: "alias/orders".to_owned(), unusable });
    let posture = Posture { key, ..as_it_should_be(&world) };
    let [(kind, severity, sentence)] = &told(&world, posture).await[..] else { panic!() };
    assert_eq!((*kind, *severity), (FindingKind::KeyUnusable, Severity::Critical));
    assert!(sentence.contains("alias/orders") && sentence.contains("2026-11-27"), "{sentence}");
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    assert_eq!((status.assets[0].state, status.exit()), (State::Failing, Exit::Failed));
    assert_eq!(told(&world, as_it_should_be(&world)).await, [], "it is over once the key is back");
}

#[tokio::test]
async fn a_quota_is_told_at_four_fifths_and_pages_when_it_is_full() {
    let world = snapshotted().await;
    for (used, severity) in [(79, None), (80, Some(Severity::Warning)), (100, Some(Severity::Critical))] {
        let posture = Posture { snapshots: Some(Quota { used, most: 100 }), ..as_it_should_be(&world) };
        let told = told(&world, posture).await;
        assert_eq!(told.first().map(|(_, severity, _)| *severity), severity, "{used}: {told:?}");
    }
}

#[tokio::test]
async fn what_a_restore_of_a_moment_needs_is_watched() {
    let world = snapshotted().await;
    let now = world.env().clock.now();
    let good = as_it_should_be(&world);
    for (posture, word) in [
        (Posture { retention_days: Some(0), restorable_to: None, ..good.clone() }, "own backups are off"),
        (Posture { restorable_to: Some(before(now, Duration::from_hours(3))), ..good.clone() }, "3h behind"),
        (Posture { protected: Some(false), ..good.clone() }, "not protected from deletion"),
        (Posture { public: Some(true), ..good.clone() }, "public address"),
    ] {
        let [(kind, severity, sentence)] = &told(&world, posture).await[..] else { panic!("{word}") };
        assert_eq!((*kind, *severity), (FindingKind::PostureDrift, Severity::Warning));
        assert!(sentence.contains(word), "{sentence}");
    }
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    assert_eq!((status.assets[0].state, status.exit()), (State::Warning, Exit::Good), "a drift is told and breaks no promise yet");
}

#[tokio::test]
async fn verify_asks_the_provider_for_what_it_cannot_read_and_says_so_when_it_is_gone() {
    let world = snapshotted().await;
    let env = world.env();
    let [backup] = &env.vault.backups(&"orders".parse().unwrap()).await.unwrap().good[..] else { panic!() };
    assert!(verify_backup(&env, &env.vault, backup).await.unwrap().is_sound());
    world.snapshots.change("aws://eu-west-1", &backup.held.as_ref().unwrap().name.0, |_| false);
    let found = verify_backup(&env, &env.vault, backup).await.unwrap();
    assert!(!found.is_sound() && found.damage[0].to_string().contains("is gone from aws://eu-west-1"), "{:?}", found.damage);
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    assert_ne!(status.assets[0].state, State::Good);
}

#[tokio::test]
async fn copies_are_counted_where_the_newest_backup_belongs() {
    let both =
        CONFIG.replace("snapshot:", "url: env:ORDERS, copies: [ { region: us-east-1, kms_key: k }, { vault: file:///west } ], snapshot:");
    let world = World::new("2026-11-20T03:05:00Z", &both).unwrap();
    SnapshotTrigger::default().run(&world.env()).await.unwrap();
    CrossRegionCopy::default().run(&world.env()).await.unwrap();
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    let copies = status.assets[0].copies;
    assert_eq!((copies.proven, copies.asked), (1, 1), "a snapshot's copy is in the region, and none of it in the vault");
}

#[tokio::test]
async fn r19_a_window_of_moments_that_reaches_less_far_back_than_it_should_is_told() {
    let world = snapshotted().await;
    let now = world.env().clock.now();
    let days = |days: u64| before(now, Duration::from_hours(24 * days));
    let kept = |from: u64, since: u64| Posture {
        moments: Some(Moments::Kept { days: Some(7), from: Some(days(from)), since: Some(days(since)) }),
        outlives: Some(true),
        plaintext: Some(false),
        ..as_it_should_be(&world)
    };
    assert_eq!(told(&world, kept(7, 90)).await, []);
    assert_eq!(told(&world, kept(2, 2)).await, [], "nothing reaches further back than the database itself");
    let [(kind, severity, sentence)] = &told(&world, kept(2, 90)).await[..] else { panic!() };
    assert_eq!((*kind, *severity), (FindingKind::PostureDrift, Severity::Warning));
    assert!(sentence.contains("reach back only 48h") && sentence.contains("7 days"), "{sentence}");
    let off = Posture { moments: Some(Moments::Off), ..kept(7, 90) };
    assert!(told(&world, off).await[0].2.contains("point-in-time recovery is off"));
}
