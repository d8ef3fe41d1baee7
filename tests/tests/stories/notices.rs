//! Notices of services and alarms: they wake a function for the asset that they concern, never twice for one backup, and
//! never for somebody else.

use crate::hosts::Home;
use axum::{Router, body::Bytes, extract::State, routing::post};
use lastgood_core::{
    backup::Taken,
    clock::{Clock, SystemClock, before},
    domain::freshness::State as Stands,
    env::Env,
    error::Kind,
    event::{Asked, Event},
    function::{Function, Outcome},
    ports::Readiness,
    testing::World,
};
use lastgood_tests::runtime_api::Answer;
use serde_json::{Value, json};
use snapshot_trigger::SnapshotTrigger;
use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

const CONFIG: &str = r#"
vault: file:///var/backups/lastgood
assets:
  orders-rds: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: "0 3 * * *" } }
  other-rds: { kind: rds, instance: other-prod, region: eu-west-1, snapshot: { schedule: "0 3 * * *" } }
"#;

fn recorded(name: &str) -> Event {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
    Event::parse(&std::fs::read(path).unwrap()).unwrap()
}

/// An alarm on a metric of ours about an asset.
fn alarm(asset: &str) -> Event {
    let detail = json!({"alarmName": "x", "state": {"value": "ALARM"}, "configuration": {"metrics": [{"metricStat": {"metric": {"dimensions": {"Asset": asset}}}}]}});
    let event =
        json!({"source": "aws.cloudwatch", "detail-type": "CloudWatch Alarm State Change", "region": "eu-west-1", "detail": detail});
    Event::parse(event.to_string().as_bytes()).unwrap()
}

/// What a wake-up comes to, for every asset that it is about.
async fn woken(env: &Env, event: &Event) -> Vec<(String, Outcome<Taken>)> {
    let Asked::Run(request) = event.ask::<SnapshotTrigger>(&env.config).unwrap() else { panic!("nothing is asked") };
    let report = request.run(env).await.unwrap();
    report.entries.iter().map(|entry| (entry.asset.to_string(), entry.outcome.clone())).collect()
}

async fn manifests(world: &World, asset: &str) -> usize {
    world.env().vault.backups(&asset.parse().unwrap()).await.unwrap().good.len()
}

#[tokio::test]
async fn r33_a_failed_snapshot_is_retried_by_the_schedule_and_by_the_alarm_and_made_once() {
    let world = World::new("2026-11-20T03:00:30Z", CONFIG).unwrap();
    let schedule = recorded("eventbridge-rule");
    world.snapshots.set_readiness(Readiness::Unfit("storage-full".to_owned()));
    let first = woken(&world.env(), &schedule).await;
    assert!(
        first.len() == 2 && first.iter().all(|(_, outcome)| matches!(outcome, Outcome::Failed { kind: Kind::Failed, .. })),
        "{first:?}"
    );

    world.snapshots.set_readiness(Readiness::Ready);
    let by_alarm = Env { holder: "by-alarm".to_owned(), ..world.env() };
    let by_event = Env { holder: "by-event".to_owned(), ..world.env() };
    // Both at once, and each knows nothing of the other.
    let (failure, alarm) = (recorded("eventbridge-rds-failure"), alarm("orders-rds"));
    let (one, two) = tokio::join!(woken(&by_event, &failure), woken(&by_alarm, &alarm));
    assert_eq!((one.len(), two.len()), (1, 1), "each for the asset that it concerns: {one:?} {two:?}");
    let done = |outcome: &Outcome<Taken>| matches!(outcome, Outcome::Done(_));
    let left = |outcome: &Outcome<Taken>| matches!(outcome, Outcome::Done(_) | Outcome::AlreadyRunning { .. } | Outcome::NotDue { .. });
    assert!(done(&one[0].1) || done(&two[0].1), "{one:?} {two:?}");
    assert!(left(&one[0].1) && left(&two[0].1), "{one:?} {two:?}");
    assert_eq!(world.snapshots.names("aws://eu-west-1"), ["lastgood-orders-rds-20261120t030000z"]);

    let after = woken(&world.env(), &schedule).await;
    assert!(matches!(&after[0], (name, Outcome::NotDue { .. }) if name == "orders-rds"), "{after:?}");
    for late in [&failure, &alarm, &failure] {
        assert!(matches!(woken(&world.env(), late).await[0].1, Outcome::NotDue { .. }));
    }
    assert_eq!((manifests(&world, "orders-rds").await, manifests(&world, "other-rds").await), (1, 1));
    assert_eq!(world.snapshots.names("aws://eu-west-1").len(), 2, "one for each asset");
}

#[tokio::test]
async fn r33_what_google_delivers_again_and_again_makes_one_backup_of_the_instance_that_it_is_about() {
    let config = r#"
vault: file:///var/backups/lastgood
assets:
  orders-sql: { kind: cloudsql, project: acme-prod, instance: orders-prod, snapshot: { schedule: "0 3 * * *" } }
  other-sql: { kind: cloudsql, project: acme-prod, instance: other-prod, snapshot: { schedule: "0 3 * * *" } }
"#;
    let world = World::new("2026-11-20T03:00:30Z", config).unwrap();
    let audit = recorded("cloudevents-audit");
    let envs: Vec<_> = (0..5).map(|number| Env { holder: format!("delivery-{number}"), ..world.env() }).collect();
    // Pub/Sub delivers at least once: five times at once, then again and again.
    let at_once = futures::future::join_all(envs.iter().map(|env| woken(env, &audit))).await;
    assert!(at_once.iter().all(|one| one.len() == 1 && one[0].0 == "orders-sql"), "{at_once:?}");
    assert!(at_once.iter().any(|one| matches!(one[0].1, Outcome::Done(_))), "{at_once:?}");
    for _ in 0..3 {
        assert!(matches!(woken(&world.env(), &audit).await[0].1, Outcome::NotDue { .. }));
    }
    assert_eq!((manifests(&world, "orders-sql").await, manifests(&world, "other-sql").await), (1, 0));
    // A day later the same message is no news.
    let now = "2026-11-21T04:00:00Z".parse().unwrap();
    assert!(audit.stale(now).unwrap().is_some());
}

#[tokio::test]
async fn a_failure_that_wakes_its_own_retry_does_not_go_round_for_ever() {
    let world = World::new("2026-11-20T03:00:30Z", CONFIG).unwrap();
    world.snapshots.set_readiness(Readiness::Unfit("storage-full".to_owned()));
    let failure = recorded("eventbridge-rds-failure");
    let mut attempts = 0;
    // RDS tells of each failure, and each time somebody is woken: one a minute for a day.
    for _ in 0..24 * 60 {
        attempts += usize::from(matches!(woken(&world.env(), &failure).await[0].1, Outcome::Failed { .. }));
        world.passes("1m");
        if world.clock.now() >= "2026-11-21T02:59:00Z".parse().unwrap() {
            break;
        }
    }
    assert!((8..=14).contains(&attempts), "{attempts} attempts");
    world.snapshots.set_readiness(Readiness::Ready);
    world.passes("2m");
    let next = woken(&world.env(), &failure).await;
    assert!(matches!(next[0].1, Outcome::Done(_)), "the next slot begins anew: {next:?}");
}

#[tokio::test]
async fn r34_an_alarm_makes_up_for_a_schedule_that_is_silent() {
    let world = World::new("2026-11-20T03:00:30Z", CONFIG).unwrap();
    woken(&world.env(), &recorded("eventbridge-rule")).await;
    world.passes("27h");
    let status = freshness_checker::observe_all(&world.env(), None).await.unwrap();
    assert!(status.assets.iter().all(|asset| asset.state == Stands::Stale), "{status:?}");
    let taken = woken(&world.env(), &alarm("orders-rds")).await;
    assert!(matches!(&taken[..], [(name, Outcome::Done(_))] if name == "orders-rds"), "{taken:?}");
    let status = freshness_checker::observe_all(&world.env(), None).await.unwrap();
    let stale: Vec<_> = status.assets.iter().filter(|asset| asset.state == Stands::Stale).map(|asset| asset.asset.as_str()).collect();
    assert_eq!(stale, ["other-rds"], "it did what it was about, and nothing else");
}

/// The probe with an RDS instance in its config.
fn home(more: &str) -> Home {
    let home = Home::new();
    let config = home.path("lastgood.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let rds = "  orders-rds: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: \"0 3 * * *\" } }\n";
    std::fs::write(&config, format!("{more}{text}{rds}")).unwrap();
    home
}

/// What RDS says of an instance, some time ago, in an account.
fn failure(instance: &str, ago: Duration, account: &str) -> Value {
    let at = before(SystemClock.now(), ago).to_string();
    json!({
        "source": "aws.rds", "detail-type": "RDS DB Instance Event", "account": account, "region": "eu-west-1", "time": at,
        "detail": {"SourceType": "DB_INSTANCE", "SourceIdentifier": instance, "EventID": "RDS-EVENT-0031", "EventCategories": ["failure"]},
    })
}

const OURS: &str = "123456789012";

#[tokio::test]
async fn r33_an_event_that_is_late_is_merged_and_one_that_is_too_late_dropped() {
    let home = home("");
    let lambda = home.function.lambda().await;
    for hours in [23, 0, 12] {
        let Answer::Returned(report) = lambda.invoke(&failure("orders-prod", Duration::from_hours(hours), OURS)).await else { panic!() };
        assert_eq!(report["entries"], json!([{"asset": "orders-rds", "outcome": "done", "kind": "rds", "said": null}]), "{hours}");
    }
    let Answer::Returned(report) = lambda.invoke(&failure("orders-prod", Duration::from_hours(25), OURS)).await else { panic!() };
    assert!(report["dropped"].as_str().unwrap().contains("25h") || report["dropped"].as_str().unwrap().contains("1d 1h"), "{report}");
}

#[tokio::test]
async fn what_no_asset_is_wakes_nothing_and_says_so_under_every_host() {
    let home = home("");
    let event = failure("orders-staging", Duration::ZERO, OURS);
    let why = "RDS-EVENT-0031 (failure) is about orders-staging, which no asset of the config is";
    let nothing = json!({"function": "probe", "dropped": why});
    let lambda = home.function.lambda().await;
    assert_eq!(lambda.invoke(&event).await, Answer::Returned(nothing.clone()));
    let http = home.function.http().await;
    assert_eq!(http.post(event.to_string()).await, (200, nothing.clone()));
    let ran = home.function.run(&["--event", &home.event(&event), "--json"]).await;
    assert_eq!((ran.exit, ran.report()), (Some(0), nothing));
    let told = home.function.run(&["--event", &home.event(&event)]).await;
    assert_eq!(told.stdout, format!("probe: good\n  nothing is done: {why}\n"));
    assert_eq!(std::fs::read_dir(home.path("vault")).unwrap().count(), 0, "and nothing is written");
}

/// What a webhook got.
type Got = Arc<Mutex<Vec<Value>>>;

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
async fn r33_an_event_of_another_account_is_refused_and_somebody_hears_of_it_once() {
    let (got, url) = receiver().await;
    let home = home("notify: [ { kind: webhook, url: env:HOOK } ]\n");
    let lambda = home.function.clone().with("HOOK", &url).lambda().await;
    for _ in 0..3 {
        let answer = lambda.invoke(&failure("orders-prod", Duration::ZERO, "999999999999")).await;
        let Answer::Failed { kind, message } = answer else { panic!("{answer:?}") };
        assert_eq!(kind, "Lastgood.Refused");
        assert!(message.contains("999999999999") && message.contains(OURS) && message.contains("`accounts`"), "{message}");
    }
    let told = got.lock().unwrap().clone();
    assert_eq!(told.len(), 1, "once, however many events there are: {told:?}");
    assert_eq!((&told[0]["findings"][0]["kind"], &told[0]["findings"][0]["severity"]), (&json!("event-refused"), &json!("warning")));

    let invited = self::home("accounts: [\"999999999999\"]\n");
    let lambda = invited.function.lambda().await;
    let Answer::Returned(report) = lambda.invoke(&failure("orders-prod", Duration::ZERO, "999999999999")).await else { panic!() };
    assert_eq!(report["entries"][0]["asset"], "orders-rds");
    let http = invited.function.http().await;
    let (status, body) = http.post(failure("orders-prod", Duration::ZERO, "888888888888").to_string()).await;
    assert_eq!((status, &body["error"]), (403, &json!("Lastgood.Refused")), "the config's accounts count under every host");
}
