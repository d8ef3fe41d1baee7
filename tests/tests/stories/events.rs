//! Every real trigger, recorded in `events/`: each is read, run by hand, run over HTTP and run as a Lambda.

use crate::hosts::Home;
use lastgood_core::{
    clock::{Clock, SystemClock, before},
    event::{Envelope, Event},
};
use lastgood_tests::runtime_api::Answer;
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// What a recorded trigger comes to: its envelope, what it narrows to, whether a schedule sent it.
const RECORDED: [(&str, Envelope, Narrows, bool); 21] = [
    ("cloud-scheduler", Envelope::Plain, Narrows::ByName("orders-db"), true),
    ("cloudevents", Envelope::CloudEvents, Narrows::ByName("orders-db"), false),
    ("cloudevents-audit", Envelope::CloudEvents, Narrows::ByNotice("orders-sql"), false),
    ("cloudevents-pubsub", Envelope::CloudEvents, Narrows::Not, false),
    ("eventbridge-alarm", Envelope::EventBridge, Narrows::ByNotice("orders-db"), false),
    ("eventbridge-lastgood", Envelope::EventBridge, Narrows::ByNotice("orders-db"), false),
    ("eventbridge-rds", Envelope::EventBridge, Narrows::ByNotice("orders-rds"), false),
    ("eventbridge-rds-failure", Envelope::EventBridge, Narrows::ByNotice("orders-rds"), false),
    ("eventbridge-restore-job", Envelope::EventBridge, Narrows::ByNotice("orders-rds"), false),
    ("eventbridge-rule", Envelope::EventBridge, Narrows::Not, true),
    ("eventbridge-scheduler", Envelope::Plain, Narrows::ByName("orders-db"), true),
    ("eventbridge-scheduler-default", Envelope::EventBridge, Narrows::Not, true),
    ("plain", Envelope::Plain, Narrows::ByName("orders-db"), false),
    ("pubsub-incident", Envelope::PubSub, Narrows::ByNotice("orders-db"), false),
    ("pubsub-object", Envelope::PubSub, Narrows::ByNotice("uploads"), false),
    ("pubsub-push", Envelope::PubSub, Narrows::ByName("orders-db"), true),
    ("s3-object-created", Envelope::S3, Narrows::Not, false),
    ("sns-alarm", Envelope::Sns, Narrows::ByNotice("orders-db"), false),
    ("sns-http", Envelope::Sns, Narrows::ByNotice("orders-rds"), false),
    ("sns-lambda", Envelope::Sns, Narrows::ByName("orders-db"), false),
    ("sns-rds", Envelope::Sns, Narrows::ByNotice("orders-rds"), false),
];

/// How a trigger says what it is about.
#[derive(Clone, Copy)]
enum Narrows {
    /// Not at all: whatever is due.
    Not,
    /// Its request names an asset.
    ByName(&'static str),
    /// It is a notice, and the config says which asset it is about.
    ByNotice(&'static str),
}

impl Narrows {
    /// The assets that a run of it is about.
    fn assets(self) -> Vec<&'static str> {
        match self {
            Self::Not => vec!["orders-db", "orders-rds", "orders-sql", "uploads"],
            Self::ByName(asset) | Self::ByNotice(asset) => vec![asset],
        }
    }
}

/// A home whose config has instances of RDS and Cloud SQL, and a bucket, too.
fn home() -> Home {
    let home = Home::of("probe");
    let config = home.path("lastgood.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let rds = "  orders-rds: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: \"0 3 * * *\" } }\n";
    let sql = "  orders-sql: { kind: cloudsql, project: acme-prod, instance: orders-prod, snapshot: { schedule: \"0 3 * * *\" } }\n";
    let uploads = "  uploads: { kind: bucket, url: gs://acme-uploads, copies: [ { vault: gs://acme-copies } ] }\n";
    std::fs::write(&config, text + rds + sql + uploads).unwrap();
    home
}

fn recorded() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())).collect()
}

/// The event as if it had been sent a minute ago: whatever day and hour it was recorded at.
fn fresh(event: &[u8]) -> String {
    const DAY: &str = "2026-11-20T";
    let minute = before(SystemClock.now(), Duration::from_mins(1)).strftime("%Y-%m-%dT%H:%M").to_string();
    let text = String::from_utf8(event.to_vec()).unwrap();
    let mut parts = text.split(DAY);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |told, rest| told + &minute + &rest["00:00".len()..])
}

#[test]
fn every_recorded_trigger_is_understood() {
    let files = recorded();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), RECORDED.map(|(name, ..)| name), "a file without an expectation");
    for (name, envelope, narrows, scheduled) in RECORDED {
        let event = Event::parse(&files[name]).unwrap();
        assert_eq!((event.envelope, event.scheduled), (envelope, scheduled), "{name}");
        let (request, noticed) = match narrows {
            Narrows::Not => (json!({}), false),
            Narrows::ByName(asset) => (json!({"asset": asset}), false),
            Narrows::ByNotice(_) => (json!({}), true),
        };
        assert_eq!((Value::Object(event.request), event.notice.is_some()), (request, noticed), "{name}");
    }
}

#[tokio::test]
async fn every_recorded_trigger_runs_under_every_host() {
    let home = home();
    let (http, lambda) = (home.function.http().await, home.function.lambda().await);
    let files = recorded();
    for (name, _, narrows, _) in RECORDED {
        let event = &files[name];
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../events/{name}.json"));
        let ran = home.function.run(&["--event", &path.display().to_string(), "--json"]).await;
        assert_eq!(ran.exit, Some(0), "{name}: {ran:?}");
        let report = ran.report();
        let assets: Vec<_> = report["entries"].as_array().unwrap().iter().map(|entry| entry["asset"].as_str().unwrap()).collect();
        assert_eq!(assets, narrows.assets(), "{name}");

        let (status, body) = http.post(fresh(event)).await;
        assert_eq!((status, &body["status"]), (200, &json!("ok")), "{name}: {body}");

        let fresh: Value = serde_json::from_str(&fresh(event)).unwrap();
        let Answer::Returned(report) = lambda.invoke(&fresh).await else { panic!("{name}: {}", lambda.process.logs()) };
        assert_eq!(report["entries"], body["entries"], "{name}");
    }
}

#[tokio::test]
async fn an_event_narrows_to_an_asset_that_the_config_names_and_to_no_other() {
    let home = Home::new();
    let ran = home.function.run(&["--event", &home.event(&json!({"asset": "nobody"}))]).await;
    assert_eq!(ran.exit, Some(1));
    assert!(ran.stderr.contains("no asset is named nobody") && ran.stderr.contains("orders-db"), "{}", ran.stderr);
}

#[tokio::test]
async fn an_event_of_binary_cloudevents_is_understood_by_its_headers() {
    let home = Home::new();
    let http = home.function.http().await;
    let call = |kind: &str, body: &str| {
        let call = http.client.post(&http.url).header("ce-specversion", "1.0").header("ce-type", kind).header("ce-id", "1");
        call.header("ce-source", "//x").body(body.to_owned()).send()
    };
    let provider = call("google.cloud.storage.object.v1.finalized", "{\"bucket\": \"acme\", \"name\": \"x\"}").await.unwrap();
    assert_eq!(provider.status().as_u16(), 200);
    let dropped: Value = serde_json::from_str(&provider.text().await.unwrap()).unwrap();
    assert!(dropped["dropped"].as_str().unwrap().contains("which no asset"), "{dropped}");
    let stranger = call("com.acme.x", "{\"bucket\": \"acme\", \"name\": \"x\"}").await.unwrap();
    assert_eq!(stranger.status().as_u16(), 400);
}
