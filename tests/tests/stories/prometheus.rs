//! What Prometheus is told: by the vault, a collected file, a Pushgateway, and a scrape; and the alerts that come of it.

use super::hosts::Home;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    clock::{Clock, SystemClock},
    domain::drill::Verdict,
    env::Env,
    function::{Exit, Findings, Function},
    providers::monitor::monitors,
    testing::World,
};
use lastgood_tests::prometheus::{Server, checked, monitoring};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

const ASSETS: &str = r#"
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: "file:///mnt/west" } ]
    drill: { schedule: "0 6 * * 0" }
  new-db: { kind: postgres, url: "env:DATABASE_URL", export: { schedule: "0 2 * * *" } }
"#;

fn world(now: &str, metrics: &str) -> World {
    World::new(now, &format!("vault: file:///var/backups/lastgood\n{metrics}{ASSETS}")).unwrap()
}

/// The world with the real monitors that its config names.
fn watched(world: &World) -> Env {
    let env = world.env();
    Env { monitors: monitors(&env.config, &env.secrets, &env.clock), ..env }
}

fn told(world: &World) -> String {
    String::from_utf8(world.vault.bytes("status/metrics.prom").expect("the numbers").to_vec()).unwrap()
}

#[tokio::test]
async fn a_check_leaves_its_numbers_in_the_vault_and_says_nothing_of_what_it_does_not_know() {
    let world = world("2026-11-20T12:00:00Z", "");
    let orders = world.asset("orders-db");
    let backup = orders.backed_up("10h ago").unwrap();
    orders.copied(backup, "file:///mnt/west").unwrap();
    orders.drilled(backup, "3h ago", Verdict::Proven, 41.5).unwrap();
    FreshnessChecker::default().run(&world.env()).await.unwrap();
    let text = told(&world);
    assert_eq!(text, include_str!("../golden/metrics.prom"), "the stored format is a contract: series are added, never changed");
    let known: Vec<_> = text.lines().filter(|line| line.ends_with("{asset=\"new-db\"} 0.0")).collect();
    assert_eq!(known, ["lastgood_backups{asset=\"new-db\"} 0.0", "lastgood_stored_bytes{asset=\"new-db\"} 0.0"], "nothing else is 0");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &text).unwrap();
    checked("promtool", &["check", "metrics"], Some(file.path()));
}

#[tokio::test]
async fn a_collected_file_appears_whole_for_everybody_and_one_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lastgood.prom");
    let world = world("2026-11-20T12:00:00Z", &format!("metrics: {{ textfile: \"{}\" }}\n", file.display()));
    world.asset("orders-db").backed_up("1h ago").unwrap();
    FreshnessChecker::default().run(&watched(&world)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), told(&world));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing unfinished is left");

    drop(folder);
    world.inbox.take();
    let status = FreshnessChecker::default().run(&watched(&world)).await.unwrap();
    let found: Vec<_> = status.findings.iter().map(|finding| finding.sentence.as_str()).collect();
    assert!(found.iter().any(|sentence| sentence.contains("lastgood.prom: its folder does not exist")), "{found:?}");
    assert!(world.inbox.take().iter().any(|line| line.contains("the numbers could not be given to textfile")), "told at once");
    FreshnessChecker::default().run(&watched(&world)).await.unwrap();
    assert_eq!(world.inbox.take(), Vec::<String>::new(), "and once");
}

#[tokio::test]
async fn a_pushgateway_has_what_the_last_check_said_and_nothing_older() {
    let gateway = Server::pushgateway().await;
    let metrics = format!("metrics: {{ pushgateway: {{ url: \"{}\" }} }}\n", gateway.url);
    let world = world("2026-11-20T12:00:00Z", &metrics);
    let backup = world.asset("orders-db").backed_up("1h ago").unwrap();
    let env = watched(&world);
    FreshnessChecker::default().run(&env).await.unwrap();
    let page = gateway.page("/metrics").await;
    let line = "lastgood_backup_last_success_timestamp_seconds{asset=\"orders-db\",instance=\"\",job=\"lastgood\"} 1.7951724e+09";
    assert!(page.contains(line), "{page}");

    world.vault.lose(&format!("catalog/v1/assets/orders-db/backups/{backup}.json"));
    FreshnessChecker::default().run(&env).await.unwrap();
    let page = gateway.page("/metrics").await;
    assert!(!page.contains("lastgood_backup_last_success_timestamp_seconds{asset"), "what is gone is not told on: {page}");

    drop(gateway);
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    assert!(status.findings.iter().any(|finding| finding.sentence.contains("the Pushgateway could not be reached")), "{status:?}");
    assert_ne!(status.exit(), Exit::Good);
}

#[tokio::test]
async fn a_scrape_of_any_function_says_what_was_seen_last_and_fails_where_nothing_was() {
    let home = Home::of("freshness-checker");
    let service = home.function.http().await;
    let scrape = || reqwest::get(format!("{}/metrics", service.url));
    let before = scrape().await.unwrap();
    assert_eq!(before.status(), 503, "no numbers are no zeros");
    assert!(before.text().await.unwrap().contains("nothing was looked at yet"));
    service.client.post(&service.url).body("{}").send().await.unwrap();
    let after = scrape().await.unwrap();
    assert_eq!(after.status(), 200);
    assert!(after.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = after.text().await.unwrap();
    assert!(text.contains("lastgood_findings{asset=\"orders-db\",kind=\"never-succeeded\",severity=\"critical\"} 1"), "{text}");
    assert!(text.ends_with("# EOF\n"));
}

/// A world in which everything is wrong that a rule tells, as it was seen four hours ago.
async fn everything_is_wrong() -> World {
    let world = world(&lastgood_core::clock::before(SystemClock.now(), hours(4)).to_string(), "");
    let orders = world.asset("orders-db");
    let backup = orders.backed_up("30h ago").unwrap();
    orders.drilled(backup, "10d ago", Verdict::Proven, 13_000.0).unwrap();
    FreshnessChecker::default().run(&world.env()).await.unwrap();
    world
}

/// A world in which nothing is.
async fn everything_is_well() -> World {
    let world = world(&SystemClock.now().to_string(), "");
    for asset in ["orders-db", "new-db"] {
        let asset = world.asset(asset);
        let backup = asset.backed_up("1h ago").unwrap();
        asset.copied(backup, "file:///mnt/west").unwrap();
        asset.drilled(backup, "10m ago", Verdict::Proven, 60.0).unwrap();
    }
    for function in ["export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill", "snapshot-trigger"] {
        world.woken(function, "10m ago").unwrap();
    }
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    assert_eq!(status.exit(), Exit::Good, "{:?}", status.findings());
    world
}

const fn hours(hours: u64) -> std::time::Duration {
    std::time::Duration::from_secs(hours * 3600)
}

/// The rules as they are, but that nothing is waited for.
fn rules_at_once() -> String {
    let rules = std::fs::read_to_string(monitoring().join("rules.yml")).unwrap();
    let waits = |line: &&str| line.trim_start().starts_with("for: ");
    rules.lines().map(|line| if waits(&line) { "        for: 0s" } else { line }).collect::<Vec<_>>().join("\n")
}

/// What the vault held a week ago, for the scraped target: a backup of a few bytes.
fn a_week_ago(instance: &str) -> String {
    let ago = SystemClock.now().as_second() - 7 * 86_400;
    let line =
        |second: i64| format!("lastgood_backup_size_bytes{{asset=\"orders-db\",instance=\"{instance}\",job=\"lastgood\"}} 10 {second}\n");
    let lines: String = (-10..20).map(|minute| line(ago + minute * 60)).collect();
    format!("# TYPE lastgood_backup_size_bytes gauge\n{lines}# EOF\n")
}

#[tokio::test]
async fn r34_prometheus_fires_every_alert_from_our_numbers_and_ends_it_when_all_is_well() {
    let home = Home::of("freshness-checker");
    let service = home.function.http().await;
    let target = service.url.trim_start_matches("http://");
    let status = home.path("vault/status");
    std::fs::create_dir(&status).unwrap();
    let numbers_are = |world: &World| std::fs::write(status.join("metrics.prom"), told(world)).unwrap();
    let prometheus = Server::prometheus(target, &rules_at_once(), &a_week_ago(target)).await;
    prometheus.until_firing(&["LastgoodAbsent - checker-dead"]).await;

    numbers_are(&everything_is_wrong().await);
    let mut wrong = vec![
        "LastgoodBackupGrew orders-db size-anomaly",
        "LastgoodBackupStale orders-db backup-stale",
        "LastgoodCheckerSilent - checker-dead",
        "LastgoodCritical orders-db copy-missing",
        "LastgoodNeverSucceeded new-db never-succeeded",
        "LastgoodRestoreSlow orders-db rto-missed",
        "LastgoodWarning orders-db unproven",
    ];
    wrong.sort_unstable();
    prometheus.until_firing(&wrong).await;
    let rules = std::fs::read_to_string(monitoring().join("rules.yml")).unwrap();
    let named: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    for alert in named.iter().filter(|alert| **alert != "LastgoodAbsent") {
        assert!(wrong.iter().any(|fired| fired.starts_with(&format!("{alert} "))), "{alert} never fired in this story");
    }
    assert!(named.len() >= 8);

    let dashboard: Value = serde_json::from_slice(&std::fs::read(monitoring().join("grafana.json")).unwrap()).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap().replace("$asset", ".*");
            assert!(prometheus.series(&expression).await > 0, "{}: {expression} shows nothing", panel["title"]);
        }
    }

    numbers_are(&everything_is_well().await);
    prometheus.until_firing(&["LastgoodBackupGrew orders-db size-anomaly"]).await;
}
