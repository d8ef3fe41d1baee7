//! Drills: what none proved, what failed, what nobody could verify, what took too long.

use super::{CONFIG, NOW, check, empty, found, healthy, kinds, newest, said};
use lastgood_core::{
    domain::{drill::Verdict, finding::FindingKind, freshness::State},
    function::{Exit, Findings},
    testing::World,
};

#[tokio::test]
async fn unproven_after_an_interval_and_its_grace() {
    let world = healthy();
    world.passes("133h");
    assert!(!kinds(&check(&world).await).contains(&FindingKind::Unproven), "a drill may be a few hours late");
    world.passes("3h");
    let status = check(&world).await;
    assert_eq!(found(&status, FindingKind::Unproven), "orders-db: the last proven restore was 7d 8h ago, drills are due every 7d");
}

#[tokio::test]
async fn drill_failed_is_critical_and_ends_with_1() {
    let world = healthy();
    let id = newest(&world).id;
    world.asset("orders-db").drilled(id, "1h ago", Verdict::Failed, 60.0).unwrap();
    let status = check(&world).await;
    let expected =
        format!("orders-db: the last drill, 1h ago, restored backup {id} and failed: rows of public.orders: expected 100, found 0");
    assert_eq!(found(&status, FindingKind::DrillFailed), expected);
    assert_eq!((status.exit(), status.assets[0].state), (Exit::Failed, State::Failing));
    world.asset("orders-db").drilled(id, "now", Verdict::Proven, 60.0).unwrap();
    assert_eq!(said(&check(&world).await), [""; 0]);
}

#[tokio::test]
async fn drill_could_not_verify_is_neither_good_nor_bad_and_ends_with_3() {
    let world = healthy();
    world.asset("orders-db").drilled(newest(&world).id, "1h ago", Verdict::CouldNotVerify, 60.0).unwrap();
    let status = check(&world).await;
    found(&status, FindingKind::DrillCouldNotVerify);
    assert_eq!((status.exit(), status.assets[0].state), (Exit::CouldNotVerify, State::Unknown));
}

#[tokio::test]
async fn rto_missed_when_the_last_drill_was_slow() {
    let world = healthy();
    world.asset("orders-db").drilled(newest(&world).id, "1h ago", Verdict::Proven, 4.5 * 3_600.0).unwrap();
    let status = check(&world).await;
    assert_eq!(found(&status, FindingKind::RtoMissed), "orders-db: the last drill took 4h 30m until validated, policy allows 4h");
    assert_eq!(status.assets[0].rto.measured_seconds, Some(16_200));
}

#[tokio::test]
async fn drill_interval_too_long_is_a_lint() {
    let world = World::new(NOW, &CONFIG.replace("daily: 14", "daily: 7")).unwrap();
    let status = check(&world).await;
    let sentence = "orders-db: drills are 7d apart, but the shortest-lived backups are kept for 7d: some go untested";
    assert_eq!(found(&status, FindingKind::DrillIntervalTooLong), sentence);
    assert!(!kinds(&check(&empty()).await).contains(&FindingKind::DrillIntervalTooLong));
}
