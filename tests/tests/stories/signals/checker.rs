//! A dead checker says nothing: whoever else lives must.

use super::stage::{CONFIG, check, healthy, reconfigured};
use crate::hosts::Home;
use axum::{Router, body::Bytes, extract::State, routing::post};
use export_to_bucket::ExportToBucket;
use freshness_checker::observe_all;
use lastgood_core::{
    catalog::{Heartbeat, Key, Waker, encode},
    clock::{Clock, SystemClock, before},
    domain::finding::{FindingKind, Severity},
    function::{Exit, Findings, Function},
    host::watch,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[tokio::test]
async fn r34_a_dead_checker_is_told_by_the_other_functions_once_and_is_over_with_its_next_check() {
    let world = healthy();
    world.passes("28h");
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None, "two hours ago, then 28: within rpo and grace");
    world.passes("1h");
    let told = watch(&world.env(), "export-to-bucket").await.unwrap();
    assert_eq!((told.kind, told.severity), (FindingKind::CheckerDead, Severity::Critical));
    assert_eq!(told.sentence, "freshness-checker was last woken by its schedule 31h ago, it is due every 24h: nothing else is told");
    assert_eq!(world.inbox.take(), [format!("critical {}", told.sentence)]);
    assert!(watch(&world.env(), "cross-region-copy").await.is_some());
    assert_eq!(world.inbox.take(), [""; 0], "each channel hears of it once");
    assert_eq!(watch(&world.env(), "freshness-checker").await, None, "it does not speak of its own death");

    world.woken("freshness-checker", "now").unwrap();
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
    check(&world).await;
    let heard = world.inbox.take();
    assert!(heard.iter().any(|line| line.contains("checker-dead is over")), "{heard:?}");
}

#[tokio::test]
async fn r34_status_says_that_the_checker_is_dead_whatever_the_checker_wrote_last() {
    let world = healthy();
    check(&world).await;
    world.passes("40h");
    let status = observe_all(&world.env(), None).await.unwrap();
    let dead = status.findings().into_iter().find(|finding| finding.kind == FindingKind::CheckerDead).unwrap();
    assert_eq!(dead.severity, Severity::Critical);
    assert_eq!(status.exit(), Exit::Stale);
}

#[tokio::test]
async fn r34_how_often_the_checker_is_due_can_be_said() {
    let mut world = healthy();
    reconfigured(&mut world, &CONFIG.replace("vault: file:///vault", "vault: file:///vault\ncheck_every: 1h"));
    world.woken("freshness-checker", "2h ago").unwrap();
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
    world.passes("20m");
    let told = watch(&world.env(), "export-to-bucket").await.unwrap();
    assert!(told.sentence.contains("2h 20m ago, it is due every 1h"), "{told}");
}

#[tokio::test]
async fn r34_a_checker_that_no_schedule_ever_woke_is_not_dead_and_a_vault_used_by_hand_is_left_alone() {
    let world = lastgood_core::testing::World::new(super::stage::NOW, CONFIG).unwrap();
    ExportToBucket::default().run(&world.env()).await.unwrap();
    world.passes("400h");
    assert_eq!(watch(&world.env(), "export-to-bucket").await, None);
}

type Got = Arc<Mutex<Vec<Value>>>;

/// A receiver of webhooks, and its address.
async fn receiver() -> (Got, String) {
    async fn receive(State(got): State<Got>, body: Bytes) {
        got.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
    }
    let got = Got::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let router = Router::new().route("/hook", post(receive)).with_state(got.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (got, url)
}

#[tokio::test]
async fn r34_a_function_that_its_schedule_wakes_tells_of_the_dead_checker_whatever_came_of_its_own_work() {
    let (got, url) = receiver().await;
    let home = Home::of("export-to-bucket");
    let config = home.path("lastgood.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("notify: [ {{ kind: webhook, url: env:HOOK }} ]\n{text}")).unwrap();
    let long_ago = before(SystemClock.now(), Duration::from_hours(40));
    let function = "freshness-checker".to_owned();
    let key = Key::Heartbeat(function.clone());
    let beat = Heartbeat { function, at: long_ago, exit: Exit::Good, waker: Waker::Event, scheduled_at: Some(long_ago) };
    let path = home.path("vault").join(key.to_string());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, encode(&beat).unwrap()).unwrap();

    let lambda = home.function.clone().with("HOOK", &url).lambda().await;
    lambda.invoke(&json!({ "asset": "orders-db" })).await;
    assert!(got.lock().unwrap().is_empty(), "a hand looks at `lastgood status`");
    for _ in 0..2 {
        // The database is out of reach: the export fails, and this is told all the same.
        lambda.invoke(&json!({ "asset": "orders-db", "scheduled_at": SystemClock.now().to_string() })).await;
    }
    let told = got.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "once: {told:?}");
    let finding = &told[0]["findings"][0];
    assert_eq!(
        (&finding["kind"], &finding["severity"], &finding["command"]),
        (&json!("checker-dead"), &json!("critical"), &json!("lastgood check"))
    );
}
