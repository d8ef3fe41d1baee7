//! Every finding: when it fires, and when it does not. In memory, on a clock that a hand turns.

mod drills;
mod runbook;
mod stored;
mod webhook;

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, Status},
    clock::Clock,
    domain::{
        backup::Manifest,
        drill::Verdict,
        finding::{FindingKind, Severity},
        freshness::State,
        run::RunState,
    },
    function::{Exit, Findings, Function},
    testing::World,
};
use std::collections::BTreeSet;

const NOW: &str = "2026-11-20T12:00:00Z";
const WEST: &str = "file:///west";

/// Nightly exports at 10:00, a copy in the west, a drill every Sunday.
const CONFIG: &str = r#"
vault: file:///vault
runbook: https://example.com/runbook
defaults: { rpo: 24h, rto: 4h, retention: { daily: 14, weekly: 4, monthly: 12 } }
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 10 * * *" }
    copies: [ { vault: file:///west } ]
    drill: { schedule: "0 6 * * 0", into: scratch }
"#;

/// A world as it should be: five nights, copied, proven, functions alive.
fn healthy() -> World {
    let world = World::new(NOW, CONFIG).unwrap();
    let orders = world.asset("orders-db");
    for when in ["98h ago", "74h ago", "50h ago", "26h ago", "2h ago"] {
        let id = orders.backed_up(when).unwrap();
        orders.copied(id, WEST).unwrap();
        orders.ran(when, |at| RunState::Done { at }).unwrap();
        if when == "50h ago" {
            orders.drilled(id, "40h ago", Verdict::Proven, 600.0).unwrap();
        }
    }
    for function in ["export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill"] {
        world.woken(function, "2h ago").unwrap();
    }
    world
}

/// The same without any backup.
fn empty() -> World {
    World::new(NOW, CONFIG).unwrap()
}

async fn check(world: &World) -> Status {
    FreshnessChecker::default().run(&world.env()).await.unwrap()
}

fn said(status: &Status) -> Vec<String> {
    status.findings().iter().map(ToString::to_string).collect()
}

fn kinds(status: &Status) -> BTreeSet<FindingKind> {
    status.findings().iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn found(status: &Status, kind: FindingKind) -> String {
    let all = status.findings();
    let finding = all.iter().find(|finding| finding.kind == kind).unwrap_or_else(|| panic!("{kind:?} is not among {:#?}", said(status)));
    assert!(finding.command.starts_with("lastgood "), "{finding:?}");
    assert_eq!(finding.runbook, format!("https://example.com/runbook#{}", kind.slug()));
    assert!(!finding.sentence.ends_with('.') && !finding.sentence.contains('\n'), "{finding:?}");
    finding.to_string()
}

fn newest(world: &World) -> Manifest {
    let folder = Key::manifests(&"orders-db".parse().unwrap());
    let key = world.vault.keys().into_iter().rfind(|key| key.starts_with(&folder)).unwrap();
    lastgood_core::catalog::decode(&world.vault.bytes(&key).unwrap()).unwrap()
}

#[tokio::test]
async fn a_healthy_world_has_nothing_to_say() {
    let status = check(&healthy()).await;
    assert_eq!(said(&status), [""; 0]);
    assert_eq!(status.exit(), Exit::Good);
    let orders = &status.assets[0];
    assert_eq!(orders.state, State::Good);
    assert_eq!(orders.newest.as_ref().unwrap().age_seconds, 7_200);
    assert_eq!((orders.copies.proven, orders.copies.asked, orders.backups), (1, 1, 5));
    assert_eq!(orders.rto.measured_seconds, Some(600));
    assert_eq!(orders.next_due.unwrap().to_string(), "2026-11-21T10:00:00Z");
}

#[tokio::test]
async fn the_status_is_kept_for_programs_and_reads_back() {
    let world = healthy();
    let status = check(&world).await;
    let kept: Status = lastgood_core::catalog::decode(&world.vault.bytes("status/status.json").unwrap()).unwrap();
    assert_eq!(kept, status);
    let json: serde_json::Value = serde_json::from_slice(&world.vault.bytes("status/status.json").unwrap()).unwrap();
    assert_eq!(json["assets"][0]["state"], "good");
    assert_eq!(json["assets"][0]["rpo"], "24h");
    assert_eq!(json["overall"]["good"], 1);
}

#[tokio::test]
async fn backup_stale_counts_data_time_and_ends_with_2() {
    let world = healthy();
    world.passes("22h");
    assert!(!kinds(&check(&world).await).contains(&FindingKind::BackupStale), "exactly 24h is allowed");
    world.passes("2h");
    let status = check(&world).await;
    assert_eq!(found(&status, FindingKind::BackupStale), "orders-db: newest backup is 26h old, policy allows 24h");
    assert_eq!(status.exit(), Exit::Stale);
    assert_eq!(status.assets[0].state, State::Stale);
}

#[tokio::test]
async fn never_succeeded_is_told_and_unknown_is_absent_never_zero() {
    let status = check(&empty()).await;
    assert_eq!(found(&status, FindingKind::NeverSucceeded), "orders-db: there has never been a backup");
    assert_eq!(status.exit(), Exit::Stale);
    let json = serde_json::to_value(&status.assets[0]).unwrap();
    assert!(json["newest"].is_null() && json["proven"].is_null() && json["rto"]["measured_seconds"].is_null(), "{json}");
}

#[tokio::test]
async fn backup_failed_until_a_backup_has_succeeded_since() {
    let world = healthy();
    world.asset("orders-db").failed("1h ago", "pg_dump exited with 1: 28P01").unwrap();
    let status = check(&world).await;
    assert_eq!(found(&status, FindingKind::BackupFailed), "orders-db: the last export failed 1h ago: pg_dump exited with 1: 28P01");
    assert_eq!(status.exit(), Exit::Failed);
    let id = world.asset("orders-db").backed_up("30m ago").unwrap();
    world.asset("orders-db").copied(id, WEST).unwrap();
    assert!(!kinds(&check(&world).await).contains(&FindingKind::BackupFailed));
}

#[tokio::test]
async fn schedule_silent_only_where_a_schedule_ran() {
    let world = healthy();
    world.passes("23h");
    assert!(!kinds(&check(&world).await).contains(&FindingKind::ScheduleSilent), "an hour late is within the grace");
    world.passes("30h");
    let status = check(&world).await;
    let expected = "orders-db: the export schedule \"0 10 * * *\" has been silent 2 times, first at 2026-11-21T10:00:00Z";
    assert_eq!(found(&status, FindingKind::ScheduleSilent), expected);

    let by_hand = empty();
    by_hand.asset("orders-db").backed_up("20h ago").unwrap();
    by_hand.passes("100h");
    assert!(!kinds(&check(&by_hand).await).contains(&FindingKind::ScheduleSilent));
}

#[tokio::test]
async fn hand_operated_is_a_note_and_the_assets_are_judged() {
    let world = empty();
    let id = world.asset("orders-db").backed_up("7h ago").unwrap();
    world.asset("orders-db").copied(id, WEST).unwrap();
    let status = check(&world).await;
    assert_eq!(kinds(&status), [FindingKind::HandOperated].into());
    assert_eq!(status.findings()[0].severity, Severity::Note);
    assert_eq!((status.exit(), status.overall.state), (Exit::Good, State::Good));
    assert!(!kinds(&check(&healthy()).await).contains(&FindingKind::HandOperated));
}

#[tokio::test]
async fn an_asset_that_nothing_backs_up_is_never_good() {
    let config = CONFIG.replace("  orders-db:", "  cache: { kind: redis, url: env:REDIS_URL }\n  orders-db:");
    let status = check(&World::new(NOW, &config).unwrap()).await;
    let cache = &status.assets[0];
    assert_eq!((cache.asset.as_str(), cache.state), ("cache", State::Stale));
    assert_eq!(found(&status, FindingKind::NeverSucceeded), "cache: nothing backs it up: it has no export and no snapshot in the config");
    assert_eq!(status.exit(), Exit::Stale);
}

#[tokio::test]
async fn r34_heartbeat_missing_when_a_function_that_ran_falls_silent() {
    let world = healthy();
    world.woken("cross-region-copy", "53h ago").unwrap();
    assert!(!kinds(&check(&world).await).contains(&FindingKind::HeartbeatMissing));
    world.woken("cross-region-copy", "55h ago").unwrap();
    let status = check(&world).await;
    let expected = "cross-region-copy was last woken by its schedule 55h ago, it is due every 24h";
    assert_eq!(found(&status, FindingKind::HeartbeatMissing), expected);
    assert_eq!(status.overall.state, State::Warning);
}

#[tokio::test]
async fn r32_data_of_the_future_is_not_fresh_and_a_clock_that_differs_is_told() {
    let world = healthy();
    world.asset("orders-db").backed_up_with("1h ago", |manifest| manifest.data_time = "2026-11-21T12:00:00Z".parse().unwrap()).unwrap();
    let status = check(&world).await;
    assert!(found(&status, FindingKind::ClockImplausible).contains("lies in the future"));
    assert_eq!(status.assets[0].newest.as_ref().unwrap().age_seconds, 7_200);

    let world = healthy();
    let mut env = world.env();
    let wrong = lastgood_core::testing::ManualClock::at(world.clock.now() + jiff::SignedDuration::from_hours(24 * 365));
    env.clock = std::sync::Arc::new(wrong);
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    assert!(found(&status, FindingKind::ClockImplausible).contains("the store says 2026-11-20T12:00:00Z"));
}

#[tokio::test]
async fn prune_refused_says_why_nothing_will_go() {
    let world = World::new(NOW, &CONFIG.replace("daily: 14, weekly: 4, monthly: 12", "daily: 2")).unwrap();
    for hours in 1..9 {
        world.asset("orders-db").backed_up(&format!("{}h ago", hours * 24 - 22)).unwrap();
    }
    let status = check(&world).await;
    assert!(found(&status, FindingKind::PruneRefused).contains("6 of 8 backups would go, the cap is 3: a person must approve plan"));
    assert!(!kinds(&check(&healthy()).await).contains(&FindingKind::PruneRefused));
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_unknown_never_good() {
    let mut world = healthy();
    world.buckets.remove(&WEST.parse().unwrap());
    let status = check(&world).await;
    assert!(found(&status, FindingKind::CouldNotObserve).contains("file:///west could not be looked at"));
    assert_eq!((status.exit(), status.assets[0].state), (Exit::CouldNotVerify, State::Unknown));
}

#[tokio::test]
async fn each_change_is_told_once_and_a_refused_delivery_is_a_finding_and_tried_again() {
    let world = healthy();
    check(&world).await;
    assert_eq!(world.inbox.take(), [""; 0]);
    world.passes("24h");
    world.inbox.close();
    let status = check(&world).await;
    assert!(found(&status, FindingKind::NotDelivered).ends_with(": the receiver answered 503"));
    assert_eq!(status.exit(), Exit::Failed);
    world.inbox.open();
    check(&world).await;
    let told = world.inbox.take();
    assert!(told.iter().any(|line| line == "critical orders-db: newest backup is 26h old, policy allows 24h"), "{told:?}");
    world.passes("1h");
    let status = check(&world).await;
    assert_eq!(world.inbox.take(), [""; 0], "an age that grows is no news: {:?}", said(&status));

    let id = world.asset("orders-db").backed_up("2m ago").unwrap();
    world.asset("orders-db").copied(id, WEST).unwrap();
    check(&world).await;
    let told = world.inbox.take();
    assert!(told.contains(&"note orders-db: backup-stale is over after 1h".to_owned()), "{told:?}");
    check(&world).await;
    assert_eq!(world.inbox.take(), [""; 0]);
}

#[tokio::test]
async fn one_asset_that_cannot_be_seen_does_not_hide_the_others() {
    let second = "  users-db: { kind: postgres, url: env:U, export: { schedule: \"0 10 * * *\" } }\n";
    let world = World::new(NOW, &format!("{CONFIG}{second}")).unwrap();
    world.asset("users-db").backed_up("2h ago").unwrap();
    let only = FreshnessChecker { asset: Some("users-db".parse().unwrap()) };
    let status = only.run(&world.env()).await.unwrap();
    assert_eq!(status.assets.len(), 1);
    assert_eq!(status.assets[0].state, State::Good);
    let status = check(&world).await;
    assert_eq!(status.assets.iter().map(|asset| asset.state).collect::<Vec<_>>(), [State::Stale, State::Good]);
}
