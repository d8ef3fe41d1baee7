//! A sign of life outside our own account: somebody else notices when the checker is dead.

use super::{CONFIG, NOW, Town};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::Status,
    clock::{Clock, Timestamp, since},
    domain::finding::FindingKind,
    env::Env,
    function::{Findings, Function},
    host::sign_of_life,
    testing::MemorySecrets,
};
use lastgood_tests::desk::Desk;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Somebody who expects to be asked for every hour, give or take half of one.
#[derive(Clone)]
struct Watcher {
    clock: lastgood_core::testing::ManualClock,
    heard: Arc<Mutex<Vec<(Timestamp, String)>>>,
    broken: Arc<Mutex<bool>>,
}

impl Watcher {
    async fn start(clock: lastgood_core::testing::ManualClock) -> (Self, String) {
        async fn hear(State(watcher): State<Watcher>, uri: Uri) -> StatusCode {
            if *watcher.broken.lock().unwrap() {
                return StatusCode::NOT_FOUND;
            }
            watcher.heard.lock().unwrap().push((watcher.clock.now(), uri.path().to_owned()));
            StatusCode::OK
        }
        let watcher = Self { clock, heard: Arc::default(), broken: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping/uuid-canary", listener.local_addr().unwrap());
        let router = Router::new().fallback(hear).with_state(watcher.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (watcher, url)
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// Whether it raises the alarm.
    fn is_alarmed(&self) -> bool {
        let last = self.heard.lock().unwrap().last().map(|(at, _)| *at);
        last.is_none_or(|last| since(self.clock.now(), last) > Duration::from_mins(90))
    }
}

async fn watched() -> (Town, Watcher, Env) {
    let town = Town::with(&format!("{CONFIG}heartbeat: {{ url: env:BEAT, fail: true }}\n"));
    let (watcher, url) = Watcher::start(town.world.clock.clone()).await;
    let env = Env { secrets: Arc::new(MemorySecrets([("env:BEAT".to_owned(), url)].into())), ..town.env() };
    (town, watcher, env)
}

/// What a host does when a schedule wakes the checker.
async fn woken(env: &Env) -> (Status, Option<String>) {
    let began = env.clock.now();
    let status = FreshnessChecker::default().run(env).await.unwrap();
    let unheard = sign_of_life(env, FreshnessChecker::NAME, began, None).await;
    (status, unheard.map(|finding| finding.sentence))
}

#[tokio::test]
async fn r34_a_checker_that_stops_falls_silent_outside_our_account_within_its_interval() {
    let (town, watcher, env) = watched().await;
    assert_eq!(town.world.clock.now().to_string(), NOW);
    for _ in 0..5 {
        assert_eq!(woken(&env).await.1, None);
        assert!(!watcher.is_alarmed());
        town.world.passes("1h");
    }
    assert_eq!(watcher.heard(), 5);
    // The scheduler has stopped: nobody here is left to say so.
    town.world.passes("1h");
    assert!(watcher.is_alarmed());
    woken(&env).await;
    assert!(!watcher.is_alarmed(), "and it is over by itself");
}

#[tokio::test]
async fn r34_a_check_that_could_not_finish_or_saw_only_a_part_gives_no_sign_of_life() {
    let (town, watcher, env) = watched().await;
    woken(&env).await;
    town.world.passes("1h");
    // A check that saved no status, for whatever reason: it began, and what stands is from before.
    assert!(sign_of_life(&env, FreshnessChecker::NAME, env.clock.now(), None).await.is_none());
    let began = env.clock.now();
    FreshnessChecker { asset: Some("orders-db".parse().unwrap()) }.run(&env).await.unwrap();
    sign_of_life(&env, FreshnessChecker::NAME, began, None).await;
    sign_of_life(&env, "export-to-bucket", Timestamp::MIN, None).await;
    assert_eq!(watcher.heard(), 1);
    town.world.passes("1h");
    assert!(watcher.is_alarmed());
}

#[tokio::test]
async fn r35_a_heartbeat_that_is_not_taken_is_a_finding_until_it_is() {
    let (town, watcher, env) = watched().await;
    *watcher.broken.lock().unwrap() = true;
    let (_, unheard) = woken(&env).await;
    assert!(unheard.as_ref().is_some_and(|said| said.contains("404") && !said.contains("canary")), "{unheard:?}");
    town.world.passes("1h");
    let (status, _) = woken(&env).await;
    let found = status.findings().into_iter().find(|finding| finding.kind == FindingKind::NotDelivered).unwrap();
    assert!(found.sentence.starts_with("the heartbeat was not taken since 2026-11-20T12:00:00Z"), "{found}");
    assert!(super::lines(&town.readers).iter().any(|line| line.contains("the heartbeat was not taken")));
    *watcher.broken.lock().unwrap() = false;
    town.world.passes("1h");
    woken(&env).await;
    town.world.passes("1h");
    assert!(woken(&env).await.0.findings().iter().all(|finding| finding.kind != FindingKind::NotDelivered));
    assert!(super::lines(&town.readers).iter().any(|line| line.contains("not-delivered is over")));
}

#[tokio::test]
async fn a_check_that_finds_something_critical_says_so_where_that_is_wanted() {
    let (town, watcher, env) = watched().await;
    woken(&env).await;
    town.world.passes("25h");
    woken(&env).await;
    let paths: Vec<_> = watcher.heard.lock().unwrap().iter().map(|(_, path)| path.clone()).collect();
    assert_eq!(paths, ["/ping/uuid-canary", "/ping/uuid-canary/fail"]);
}

#[tokio::test]
async fn an_operators_own_check_is_no_sign_of_life_of_the_schedule() {
    let (watcher, url) = Watcher::start(lastgood_core::testing::ManualClock::at(NOW.parse().unwrap())).await;
    let config = "vault: file://HOME/vault\nheartbeat: { url: env:BEAT }\nassets:\n  orders-db: { kind: postgres, url: env:A, export: { schedule: \"0 2 * * *\" } }\n";
    let desk = Desk::new(config).with("BEAT", &url);
    desk.types("check").await;
    assert_eq!(watcher.heard(), 0);
    let ran = desk.types("check --scheduled").await;
    assert_eq!(watcher.heard(), 1, "{ran:?}");
    desk.types("check orders-db --scheduled").await;
    assert_eq!(watcher.heard(), 1, "that one looked at one asset only");

    // Somebody knows: it is kept in the vault, and said beside the finding.
    let ran = desk.types("ack orders-db never-succeeded --for 3d --why setting-up --by ana").await;
    assert!(ran.exit == Some(0) && ran.stdout.contains("acknowledged until"), "{ran:?}");
    let ran = desk.types("status").await;
    assert!(ran.stdout.contains("acknowledged by ana until") && ran.stdout.contains("setting-up"), "{ran:?}");
    let status = desk.types("status --json").await.report();
    assert_eq!(status["acknowledged"][0]["kind"], "never-succeeded");
    for (line, said) in [
        ("ack orders-db backup-corrupt --for 3d --why x", "the last check found no backup-corrupt of orders-db"),
        ("ack orders-db no-such-kind --for 3d --why x", "no kind of finding"),
        ("ack orders-db never-succeeded --for 1000d --why x", "90 days"),
        ("report --email", "no channel of the config is told by letter"),
    ] {
        let ran = desk.types(line).await;
        assert!(ran.exit != Some(0) && ran.stderr.contains(said), "{line}: {ran:?}");
    }
}
