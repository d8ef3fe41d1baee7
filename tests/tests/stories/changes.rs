//! Our own events: what a run changed wakes whoever waits for it, once, and nobody without end.

use crate::hosts::Home;
use lastgood_core::{
    backup::Taken,
    clock::Clock,
    config::{Config, EventBus},
    domain::change::{Change, ChangeState},
    env::Env,
    error::Kind,
    event::{Asked, Event},
    function::{Findings, Function, Outcome},
    ports::{Announcer, Readiness},
    providers::aws::Events,
    testing::World,
};
use lastgood_tests::{aws::Aws, runtime_api::Answer, s3::KEY_ID};
use serde_json::{Value, json};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

const REGION: &str = "eu-west-1";

const CONFIG: &str = r#"
vault: file:///var/backups/lastgood
events: { bus: default }
assets:
  orders-rds: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: "0 3 * * *" } }
"#;

/// A bus with the rules of infra/aws, each of which puts what it lets through into a queue.
struct Bus {
    aws: Aws,
    http: reqwest::Client,
}

impl Bus {
    async fn start(test: &str) -> Option<Self> {
        let aws = Aws::start(test).await?;
        lastgood_core::providers::tls::settle();
        let bus = Self { aws, http: reqwest::Client::new() };
        for (queue, detail) in [
            ("retry", json!({ "function": ["snapshot-trigger"], "state": ["failed"] })),
            ("retry-export", json!({ "function": ["export-to-bucket"], "state": ["failed"] })),
            ("copy", json!({ "function": ["export-to-bucket", "snapshot-trigger"], "state": ["done"] })),
        ] {
            bus.call("sqs", "AmazonSQS.CreateQueue", &json!({ "QueueName": queue })).await;
            let pattern = json!({ "source": ["lastgood"], "account": ["123456789012"], "detail-type": ["Lastgood Backup State Change"], "detail": detail });
            bus.call("events", "AWSEvents.PutRule", &json!({ "Name": queue, "EventPattern": pattern.to_string() })).await;
            let target = json!({ "Id": queue, "Arn": format!("arn:aws:sqs:{REGION}:123456789012:{queue}") });
            bus.call("events", "AWSEvents.PutTargets", &json!({ "Rule": queue, "Targets": [target] })).await;
        }
        Some(bus)
    }

    async fn call(&self, service: &str, target: &str, body: &Value) -> Value {
        let signature = "0".repeat(64);
        let scope = format!("{KEY_ID}/20261120/{REGION}/{service}/aws4_request");
        let request =
            self.http.post(self.aws.endpoint()).header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1");
        let request =
            request.header("authorization", format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={signature}"));
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{target}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Takes out what a rule let through.
    async fn take(&self, queue: &str) -> Vec<Value> {
        let url = format!("{}/123456789012/{queue}", self.aws.endpoint());
        let mut taken = Vec::new();
        loop {
            let got = self.call("sqs", "AmazonSQS.ReceiveMessage", &json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 })).await;
            let Some(messages) = got["Messages"].as_array().filter(|messages| !messages.is_empty()) else { return taken };
            for message in messages {
                let mut event: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                // moto compares the account with the pattern, and leaves it out of what it delivers.
                event["account"] = json!("123456789012");
                taken.push(event);
                self.call("sqs", "AmazonSQS.DeleteMessage", &json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] })).await;
            }
        }
    }

    fn announcer(&self) -> Events {
        let bus: EventBus = format!("arn:aws:events:{REGION}:123456789012:event-bus/default").parse().unwrap();
        Events::new(bus, self.aws.access())
    }

    /// Runs the function and tells what it changed, as its host does.
    async fn run(&self, env: &Env, request: SnapshotTrigger) -> SnapshotReport {
        let report = request.run(env).await.unwrap();
        let changes = report.changes();
        if !changes.is_empty() {
            self.announcer().announce(SnapshotTrigger::NAME, &changes).await.unwrap();
        }
        report
    }

    /// Runs it for an event.
    async fn woken(&self, env: &Env, event: &Value) -> Outcome<Taken> {
        let event = Event::parse(event.to_string().as_bytes()).unwrap();
        assert_eq!((event.account.as_deref(), event.region.as_deref()), (Some("123456789012"), Some(REGION)));
        let Asked::Run(request) = event.ask::<SnapshotTrigger>(&env.config).unwrap() else { panic!("nothing is asked") };
        self.run(env, request).await.entries[0].outcome.clone()
    }
}

fn failed(outcome: &Outcome<Taken>) -> bool {
    matches!(outcome, Outcome::Failed { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r33_a_failed_backup_wakes_its_own_retry_which_the_schedule_and_the_alarm_do_not_double() {
    let Some(bus) = Bus::start("r33_a_failed_backup_wakes_its_own_retry").await else { return };
    let world = World::new("2026-11-20T03:00:30Z", CONFIG).unwrap();
    world.snapshots.set_readiness(Readiness::Unfit("storage-full".to_owned()));
    assert!(failed(&bus.run(&world.env(), SnapshotTrigger::default()).await.entries[0].outcome));
    assert_eq!(bus.take("copy").await, Vec::<Value>::new(), "nothing is there to copy");
    let [event] = &bus.take("retry").await[..] else { panic!("one event") };
    assert_eq!(
        event["detail"],
        json!({ "version": 1, "function": "snapshot-trigger", "asset": "orders-rds", "state": "failed", "backup": null })
    );

    world.snapshots.set_readiness(Readiness::Ready);
    let (alarmed, scheduled) = (Env { holder: "alarm".to_owned(), ..world.env() }, Env { holder: "schedule".to_owned(), ..world.env() });
    let alarm = SnapshotTrigger { asset: Some("orders-rds".parse().unwrap()), ..SnapshotTrigger::default() };
    let env = world.env();
    let (by_event, by_alarm, by_schedule) =
        tokio::join!(bus.woken(&env, event), bus.run(&alarmed, alarm), bus.run(&scheduled, SnapshotTrigger::default()));
    let outcomes = [&by_event, &by_alarm.entries[0].outcome, &by_schedule.entries[0].outcome];
    assert!(
        outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done(_))) && !outcomes.iter().any(|outcome| failed(outcome)),
        "{outcomes:?}"
    );
    assert_eq!(world.snapshots.names("aws://eu-west-1"), ["lastgood-orders-rds-20261120t030000z"], "one, whoever came first");
    assert_eq!(bus.take("retry").await, Vec::<Value>::new());
    let done = bus.take("copy").await;
    let backup = world.env().vault.backups(&"orders-rds".parse().unwrap()).await.unwrap().good[0].id;
    assert!(!done.is_empty() && done.iter().all(|event| event["detail"]["backup"] == json!(backup)), "{done:?}");
    // A copier that is woken twice for the same backup is no harm; the writer is not woken by its own success.
    assert!(matches!(bus.woken(&env, event).await, Outcome::NotDue { .. }));
    assert_eq!(bus.take("copy").await, Vec::<Value>::new(), "nothing changed, so nothing is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r33_a_failure_that_tells_of_itself_does_not_go_round_for_ever() {
    let Some(bus) = Bus::start("r33_a_failure_that_tells_of_itself").await else { return };
    let world = World::new("2026-11-20T03:00:30Z", CONFIG).unwrap();
    world.snapshots.set_readiness(Readiness::Unfit("storage-full".to_owned()));
    let mut attempts = 0;
    // The schedule looks every quarter of an hour, and every event wakes at once, for a day.
    while world.clock.now() < "2026-11-21T02:59:00Z".parse().unwrap() {
        attempts += usize::from(failed(&bus.run(&world.env(), SnapshotTrigger::default()).await.entries[0].outcome));
        let mut in_a_row = 0;
        loop {
            let events = bus.take("retry").await;
            if events.is_empty() {
                break;
            }
            for event in events {
                attempts += usize::from(failed(&bus.woken(&world.env(), &event).await));
            }
            in_a_row += 1;
            assert!(in_a_row < 6, "an endless circle at {}", world.clock.now());
        }
        world.passes("15m");
    }
    assert!((6..=14).contains(&attempts), "{attempts} attempts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_200_that_took_nothing_is_an_error() {
    let Some(bus) = Bus::start("an_answer_of_200_that_took_nothing_is_an_error").await else { return };
    let change = |n: usize| Change { asset: format!("asset-{n}").parse().unwrap(), state: ChangeState::Failed, backup: None };
    let changes: Vec<_> = (0..23).map(change).collect();
    bus.aws.faults().refuse_events(1);
    bus.announcer().announce("snapshot-trigger", &changes).await.unwrap();
    assert_eq!(bus.take("retry").await.len(), 23, "sent again, and in requests of ten");
    bus.aws.faults().refuse_events(3);
    let error = bus.announcer().announce("snapshot-trigger", &changes[..1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry);
    assert!(error.full().contains("InternalFailure") && error.full().contains("events:PutEvents"), "{}", error.full());
    bus.aws.faults().deny("events:PutEvents");
    let error = bus.announcer().announce("snapshot-trigger", &changes[..1]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{}", error.full());
    assert!(error.advice().unwrap().contains("events:PutEvents"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_tells_of_its_changes_and_its_work_does_not_depend_on_that() {
    let Some(bus) = Bus::start("a_function_tells_of_its_changes").await else { return };
    let home = Home::of("export-to-bucket");
    let config = home.path("lastgood.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("events: {{ bus: default }}\n{text}")).unwrap();
    let function = home.function.clone().with("AWS_ENDPOINT_URL", &bus.aws.endpoint()).with("AWS_REGION", REGION);
    let function = function.with("AWS_ACCESS_KEY_ID", KEY_ID).with("AWS_SECRET_ACCESS_KEY", "x");
    let lambda = function.lambda().await;
    let Answer::Failed { .. } = lambda.invoke(&json!({ "asset": "orders-db" })).await else { panic!("there is no database") };
    let [event] = &bus.take("retry-export").await[..] else { panic!("{}", lambda.process.logs()) };
    assert_eq!((&event["detail"]["asset"], &event["detail"]["state"]), (&json!("orders-db"), &json!("failed")));
    assert!(!event.to_string().contains("hunter2"), "{event}");
    // What it told wakes it again, with nothing but the asset's name.
    let Answer::Failed { message, .. } = lambda.invoke(event).await else { panic!("there still is no database") };
    assert!(message.contains("orders-db"), "{message}");
    assert_eq!(bus.take("retry-export").await.len(), 1);
    // Without the right the run is as it was, and its log says what is missing.
    bus.aws.faults().deny("events:PutEvents");
    let Answer::Failed { message, .. } = lambda.invoke(&json!({ "asset": "orders-db" })).await else { panic!() };
    assert!(message.contains("orders-db"), "{message}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let logs = lambda.process.logs();
    assert!(logs.contains("events:PutEvents") && logs.contains("not-delivered"), "{logs}");
}

#[test]
fn what_the_config_names_is_a_bus() {
    let config = Config::parse(CONFIG, "lastgood.yaml").unwrap();
    assert_eq!(config.events.unwrap().bus.as_str(), "default");
    let wrong = CONFIG.replace("bus: default", "bus: https://example.com");
    assert!(Config::parse(&wrong, "lastgood.yaml").unwrap_err().full().contains("event"), "a bus is no URL");
}
