//! R32: clocks that jump, days that have 25 hours elsewhere, and days that come every four years.

use super::stage::{check, healthy};
use export_to_bucket::ExportToBucket;
use lastgood_core::{
    backup::When,
    clock::{Clock, Timestamp},
    domain::finding::FindingKind,
    function::{Findings, Function},
    prune::{self, Mode},
    testing::World,
};
use std::collections::BTreeSet;

const NIGHTLY: &str = "vault: file:///vault\nassets:\n  orders-db: { kind: postgres, url: env:U, export: { schedule: \"SCHEDULE\" } }\n";

fn world(now: &str, schedule: &str) -> World {
    World::new(now, &NIGHTLY.replace("SCHEDULE", schedule)).unwrap()
}

async fn tick(world: &World) {
    let report = ExportToBucket { when: When::Due, ..ExportToBucket::default() }.run(&world.env()).await.unwrap();
    assert_eq!(report.findings(), [], "{report:?}");
}

/// The slots that backups were made for.
async fn slots(world: &World) -> Vec<String> {
    let backups = world.env().vault.backups(&"orders-db".parse().unwrap()).await.unwrap().good;
    let mut slots: Vec<_> = backups.iter().map(|backup| backup.slot.0.to_string()).collect();
    slots.sort();
    assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "a slot was served twice: {slots:?}");
    slots
}

/// Hours of ticks every 15 minutes.
async fn hours(world: &World, hours: usize) {
    for _ in 0..hours * 4 {
        tick(world).await;
        world.passes("15m");
    }
}

#[tokio::test]
async fn r32_where_others_change_their_clocks_a_schedule_is_neither_double_nor_missed() {
    // 02:30 does not exist on one of these days in Berlin, and twice on the other.
    for (from, wanted) in [
        ("2026-03-28T12:00:00Z", ["2026-03-28T02:30:00Z", "2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z"]),
        ("2026-10-24T12:00:00Z", ["2026-10-24T02:30:00Z", "2026-10-25T02:30:00Z", "2026-10-26T02:30:00Z"]),
    ] {
        let world = world(from, "30 2 * * *");
        hours(&world, 48).await;
        assert_eq!(slots(&world).await, wanted);
    }
}

#[tokio::test]
async fn r32_a_leap_day_is_a_day_and_comes_round_again() {
    let daily = world("2028-02-28T00:00:00Z", "0 2 * * *");
    hours(&daily, 72).await;
    let wanted = ["2028-02-27T02:00:00Z", "2028-02-28T02:00:00Z", "2028-02-29T02:00:00Z", "2028-03-01T02:00:00Z"];
    assert_eq!(slots(&daily).await, wanted);
    let leap = world("2028-02-28T00:00:00Z", "0 2 29 2 *");
    hours(&leap, 72).await;
    assert_eq!(slots(&leap).await, ["2024-02-29T02:00:00Z", "2028-02-29T02:00:00Z"]);
}

#[tokio::test]
async fn r32_a_clock_that_jumps_and_comes_back_makes_no_backup_twice_and_leaves_none_out() {
    for jump in [24, -24, 24 * 365, -24 * 365] {
        let world = world("2026-11-20T12:00:00Z", "0 2 * * *");
        hours(&world, 24).await;
        let right = world.clock.now();
        let wrong = right + jiff::SignedDuration::from_hours(jump);
        world.clock.set(wrong);
        tick(&world).await;
        world.clock.set(right);
        hours(&world, 24).await;
        let made = slots(&world).await;
        for slot in ["2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z"] {
            assert!(made.iter().any(|made| made == slot), "{jump}: {slot} is missing among {made:?}");
        }
        let beside: Vec<_> = made.iter().filter(|slot| !slot.starts_with("2026-11-2")).collect();
        assert!(beside.len() <= 1, "{jump}: at most what was due by the wrong clock: {made:?}");
    }
}

#[tokio::test]
async fn r32_on_a_clock_that_jumped_nothing_is_let_go_and_it_is_told() {
    for jump in [24 * 365, 25, -25, -24 * 365] {
        let world = healthy();
        let mut env = world.env();
        let wrong = world.clock.now() + jiff::SignedDuration::from_hours(jump);
        env.clock = std::sync::Arc::new(lastgood_core::testing::ManualClock::at(wrong));
        let kept = |world: &World| world.vault.keys().into_iter().filter(|key| key.starts_with("exports/")).collect::<Vec<_>>();
        let before = kept(&world);
        let asset = env.config.asset(&"orders-db".parse().unwrap()).unwrap().clone();
        let report = prune::prune(&env, &asset, Mode::Apply, None).await.unwrap();
        assert!(report.let_go.is_empty() && kept(&world) == before, "{jump}: {report:?}");
        let status = freshness_checker::FreshnessChecker::default().run(&env).await.unwrap();
        assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::ClockImplausible), "{jump}: {:#?}", status.findings());
        // Once it is right again, nothing stays of it.
        let right: Timestamp = world.clock.now();
        assert_eq!(check(&world).await.checked_at, right);
        assert!(!check(&world).await.findings().iter().any(|finding| finding.kind == FindingKind::ClockImplausible));
    }
}
