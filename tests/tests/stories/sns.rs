//! SNS over the wire, against moto: what a subscriber gets, what filters see, and that a refused delivery is an error.

use crate::hosts::Home;
use aws_sdk_s3::config::Credentials;
use aws_sdk_sns::{Client, config::Builder};
use axum::{Router, body::Bytes, extract::State, routing::post};
use lastgood_core::{
    config::{SecretRef, Topic},
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Message, What},
    },
    error::Kind,
    ports::{Notifier, Secrets},
    providers::aws::Sns,
    testing::MemorySecrets,
};
use lastgood_tests::s3::{KEY, KEY_ID, S3Server, access};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What a subscriber over HTTP got.
#[derive(Clone, Default)]
struct Subscriber(Arc<Mutex<Vec<Value>>>);

impl Subscriber {
    /// Subscribes a server on this machine to a topic, for what a filter lets through.
    async fn of(moto: &S3Server, topic: &str, filter: &Value) -> Self {
        async fn receive(State(subscriber): State<Subscriber>, body: Bytes) {
            subscriber.0.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        }
        let subscriber = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/topic", listener.local_addr().unwrap());
        let router = Router::new().route("/topic", post(receive)).with_state(subscriber.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let region = topic.split(':').nth(3).unwrap();
        let subscribe = client(moto, region).subscribe().topic_arn(topic).protocol("http").endpoint(url);
        let filter = filter.as_object().filter(|filter| !filter.is_empty()).map(|filter| json!(filter).to_string());
        subscribe.set_attributes(filter.map(|filter| [("FilterPolicy".to_owned(), filter)].into())).send().await.unwrap();
        subscriber
    }

    /// The notifications, once there are so many.
    async fn notifications(&self, count: usize) -> Vec<Value> {
        for _ in 0..100 {
            let got: Vec<Value> = self.0.lock().unwrap().iter().filter(|body| body["Type"] == "Notification").cloned().collect();
            if got.len() >= count {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("only {:?}", self.0.lock().unwrap());
    }
}

fn client(moto: &S3Server, region: &str) -> Client {
    let config = Builder::new()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .http_client(lastgood_core::providers::aws::https())
        .endpoint_url(format!("http://{}", moto.address()))
        .region(aws_config::Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(KEY_ID, KEY, None, None, "tests"));

    Client::from_conf(config.build())
}

/// Creates a topic and returns its ARN.
async fn topic(moto: &S3Server, region: &str) -> String {
    client(moto, region).create_topic().name("alarms").send().await.unwrap().topic_arn().unwrap().to_owned()
}

fn notifier(moto: &S3Server, topic: &str, secrets: BTreeMap<String, String>) -> Sns {
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets(secrets));
    let topic: Topic = topic.parse().unwrap();
    Sns::new("sns (1 of 1)".to_owned(), topic, secrets, access(moto.address()))
}

fn message(kinds: &[FindingKind]) -> Message {
    let of = |kind, severity, sentence: &str, asset: &str| {
        let finding = Finding::new(kind, severity, sentence, format!("lastgood export {asset}"));
        let finding = finding.about(&asset.parse().unwrap()).linked("https://example.com/runbook");
        Alert { what: What::New, finding, since: None, respond_within: None }
    };
    let mut alerts = vec![
        of(FindingKind::BackupStale, Severity::Critical, "newest backup is 26h old, policy allows 24h", "orders-db"),
        of(FindingKind::CopyMissing, Severity::Warning, "1 of 2 copies is missing", "users-db"),
    ];
    alerts.retain(|alert| kinds.contains(&alert.finding.kind));
    let sent_at = "2026-11-20T12:00:00Z".parse().unwrap();
    Message { function: "freshness-checker".to_owned(), vault: "s3://acme/lastgood".to_owned(), sent_at, alerts, digest: None }
}

const BOTH: [FindingKind; 2] = [FindingKind::BackupStale, FindingKind::CopyMissing];

#[tokio::test]
async fn a_subscriber_reads_what_is_wrong_and_what_to_type_and_filters_see_about_whom() {
    let Some(moto) = S3Server::moto("a_subscriber_reads_what_is_wrong_and_what_to_type_and_filters_see_about_whom").await else { return };
    // The topic's region is not the environment's: its ARN counts.
    let arn = topic(&moto, "eu-west-1").await;
    let critical = Subscriber::of(&moto, &arn, &json!({"severity": ["critical"], "function": ["freshness-checker"]})).await;
    let users = Subscriber::of(&moto, &arn, &json!({"asset": ["users-db"]})).await;
    let stale = Subscriber::of(&moto, &arn, &json!({"kind": ["backup-stale", "never-succeeded"]})).await;
    let notes = Subscriber::of(&moto, &arn, &json!({"severity": ["note"]})).await;
    let others = Subscriber::of(&moto, &arn, &json!({"asset": ["other-db"]})).await;
    let subscriber = Subscriber::of(&moto, &arn, &json!({})).await;
    notifier(&moto, &arn, BTreeMap::new()).notify(&message(&BOTH)).await.unwrap();
    let got = subscriber.notifications(1).await;
    let heard = &got[0];
    assert_eq!(heard["Subject"], "Lastgood critical: orders-db: newest backup is 26h old, policy allows 24h (and 1 more)");
    let text = heard["Message"].as_str().unwrap();
    assert!(
        text.starts_with("critical: orders-db: newest backup is 26h old, policy allows 24h\n  next: lastgood export orders-db\n"),
        "{text}"
    );
    assert!(text.contains("  read: https://example.com/runbook#copy-missing\n"), "{text}");
    // What filters see; the last two know nothing of it.
    assert_eq!([&critical, &users, &stale].map(|subscriber| subscriber.0.lock().unwrap().len()), [1, 1, 1]);
    assert_eq!([&notes, &others].map(|subscriber| subscriber.0.lock().unwrap().len()), [0, 0]);

    let referred = BTreeMap::from([("env:TOPIC".to_owned(), arn)]);
    notifier(&moto, "env:TOPIC", referred).notify(&message(&BOTH[1..])).await.unwrap();
    assert!(subscriber.notifications(2).await[1]["Subject"].as_str().unwrap().starts_with("Lastgood warning: users-db: "));
}

#[tokio::test]
async fn r35_a_delivery_that_sns_does_not_take_is_an_error() {
    let Some(moto) = S3Server::moto("r35_a_delivery_that_sns_does_not_take_is_an_error").await else { return };
    let nowhere = notifier(&moto, "arn:aws:sns:us-east-1:123456789012:nowhere", BTreeMap::new());
    let error = nowhere.notify(&message(&BOTH)).await.unwrap_err();
    assert!(error.full().contains("sns:Publish on arn:aws:sns:us-east-1:123456789012:nowhere: there is no such topic"), "{}", error.full());
    assert!(error.advice().unwrap().contains("`topic`"), "{error:?}");
    let strange = BTreeMap::from([("env:TOPIC".to_owned(), "https://example.com/hook".to_owned())]);
    let error = notifier(&moto, "env:TOPIC", strange).notify(&message(&BOTH)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert!(error.full().contains(&SecretRef::Env("TOPIC".to_owned()).to_string()), "{}", error.full());
}

#[tokio::test]
async fn the_checker_tells_a_topic_that_its_config_names_and_says_when_it_cannot() {
    let Some(moto) = S3Server::moto("the_checker_tells_a_topic_that_its_config_names_and_says_when_it_cannot").await else { return };
    let arn = topic(&moto, "us-east-1").await;
    let subscriber = Subscriber::of(&moto, &arn, &json!({})).await;
    let home = Home::of("freshness-checker");
    let config = home.path("lastgood.yaml");
    let plain = std::fs::read_to_string(&config).unwrap();
    let checker = home
        .function
        .clone()
        .with("AWS_ENDPOINT_URL", &format!("http://{}", moto.address()))
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", KEY_ID)
        .with("AWS_SECRET_ACCESS_KEY", KEY);
    std::fs::write(&config, format!("notify: [ {{ kind: sns, topic: \"{arn}\" }} ]\n{plain}")).unwrap();
    assert_eq!(checker.run(&[]).await.exit, Some(2));
    assert_eq!(checker.run(&[]).await.exit, Some(2));
    let got = subscriber.notifications(1).await;
    assert!(got.len() == 1 && got[0]["Message"].as_str().unwrap().contains("orders-db"), "told once: {got:?}");

    let gone = arn.replace(":alarms", ":gone");
    std::fs::write(&config, format!("notify: [ {{ kind: webhook, url: env:NONE }}, {{ kind: sns, topic: \"{gone}\" }} ]\n{plain}"))
        .unwrap();
    let ran = checker.run(&["--json"]).await;
    assert_eq!(ran.exit, Some(1), "{ran:?}");
    let findings = ran.report()["findings"].to_string();
    assert!(findings.contains("not-delivered") && findings.contains("sns") && findings.contains("there is no such topic"), "{findings}");
}
