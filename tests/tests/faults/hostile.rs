//! Hostile input: events that instruct, bytes that are no record, secrets that want out. Refused, bounded, and silent about it.

use lastgood_core::{
    catalog::{Heartbeat, decode},
    config::Config,
    domain::{backup::Manifest, due::Schedule, place::Place, run::Run, span::Span},
    event::{Event, LIMIT},
    id::{AssetName, BackupId, Slot},
    providers::postgres::PgUrl,
    redact,
};
use lastgood_tests::{
    hosts::{Installed, binary},
    runtime_api::Answer,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const CANARY: &str = "s3cret-c4nary/%\"é";

/// The probe, with a secret that it can be made to tell.
fn probe(home: &Path) -> Installed {
    let config = home.join("lastgood.yaml");
    let vault = home.join("vault");
    std::fs::create_dir(&vault).unwrap();
    let text = format!(
        "vault: file://{}\nassets:\n  orders-db:\n    kind: postgres\n    url: env:CANARY\n    export: {{ schedule: \"0 2 * * *\" }}\n",
        vault.display()
    );
    std::fs::write(&config, text).unwrap();
    Installed::new(binary("probe"), &config, home).with("CANARY", CANARY)
}

/// Events that want more than to wake.
fn instructing() -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(500_000), "]".repeat(500_000));
    [
        json!({"asset": "orders-db; rm -rf /"}),
        json!({"asset": "$(reboot)"}),
        json!({"asset": "-h evil"}),
        json!({"asset": "../../etc/shadow"}),
        json!({"asset": "http://169.254.169.254/latest/meta-data/"}),
        json!({"asset": "169.254.169.254"}),
        json!({"asset": "\\! rm -rf /"}),
        json!({"asset": "orders-db\u{0}"}),
        json!({"asset": {"$ref": "file:///etc/passwd"}}),
        json!({"url": "postgres://evil/x", "asset": "orders-db"}),
        json!({"bucket": "evil", "key": "x"}),
        json!({"config": "s3://evil/lastgood.yaml"}),
        json!({"detail-type": "x", "source": "acme", "detail": {"command": "rm -rf /"}}),
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "TopicArn": "t", "Message": "{\"into\": \"s3://evil\"}"}}]}),
        json!({"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "x", "SubscribeURL": "http://169.254.169.254/"}),
        json!(["orders-db"]),
    ]
    .iter()
    .map(Value::to_string)
    .chain([deep, "{\"asset\": \"orders-db\"".to_owned(), "\u{feff}{}".to_owned(), "NaN".to_owned()])
    .collect()
}

#[tokio::test]
async fn r46_what_instructs_is_refused_by_every_host_and_nothing_runs() {
    let home = tempfile::tempdir().unwrap();
    let probe = probe(home.path());
    let (http, lambda) = (probe.http().await, probe.lambda().await);
    for event in instructing() {
        let begun = Instant::now();
        let shown = redact::clip(&event, 80);
        let (status, body) = http.post(event.clone()).await;
        assert_eq!(status, 400, "{shown}: {body}");
        assert!(body.to_string().len() < 1_000, "{shown}: an answer in few words");

        let answer = lambda.api.invoke(event.clone(), Duration::from_secs(10)).await;
        assert!(matches!(answer, Answer::Failed { .. }), "{shown}: {answer:?}");

        let file = home.path().join("event.json");
        std::fs::write(&file, &event).unwrap();
        let ran = probe.run(&["--event", &file.display().to_string()]).await;
        assert_eq!(ran.exit, Some(64), "{shown}: {ran:?}");
        // A quadratic reader would take hours here; a busy machine takes seconds.
        assert!(begun.elapsed() < Duration::from_secs(120), "{shown} took {:?}", begun.elapsed());
    }
    assert!(!home.path().join("vault/catalog").exists(), "nothing ran, nothing was written");
    assert!(http.process.logs().contains("an event was refused"), "it is audited");
}

#[tokio::test]
async fn r46_ten_megabytes_are_refused_in_bounded_time_by_every_host() {
    let home = tempfile::tempdir().unwrap();
    let probe = probe(home.path());
    let large = json!({"asset": "x".repeat(10 << 20)}).to_string();
    let begun = Instant::now();
    let http = probe.http().await;
    let sent = http.client.post(&http.url).body(large.clone()).send().await;
    assert!(sent.map_or(true, |answer| answer.status() == 413), "refused, or hung up on");
    let answer = probe.lambda().await.api.invoke(large.clone(), Duration::from_secs(10)).await;
    let Answer::Failed { kind, message } = answer else { panic!("{answer:?}") };
    assert_eq!(kind, "Lastgood.Invalid");
    assert!(message.contains("larger than"));
    let file = home.path().join("event.json");
    std::fs::write(&file, &large).unwrap();
    assert_eq!(probe.run(&["--event", &file.display().to_string()]).await.exit, Some(64));
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

/// Every spelling of the canary that a careless line could hold.
fn canaries() -> Vec<String> {
    let json = Value::from(CANARY).to_string();
    let encoded = "s3cret%2Dc4nary".to_owned();
    vec!["s3cret-c4nary".to_owned(), encoded, json.trim_matches('"').to_owned()]
}

fn silent(place: &str, said: &str) {
    for canary in canaries() {
        assert!(!said.contains(&canary), "{place} tells the secret: {said}");
    }
}

#[tokio::test]
async fn r45_a_canary_reaches_no_log_no_answer_and_no_record() {
    let home = tempfile::tempdir().unwrap();
    let probe = probe(home.path()).with("LASTGOOD_LOG", "debug,probe=trace,lastgood_core=trace,lambda_runtime=trace");

    let ran = probe.run(&["--act", "leak", "--json"]).await;
    assert_eq!(ran.exit, Some(1));
    assert!(ran.stderr.contains("connecting to ***") && ran.stdout.contains("***"), "it did speak: {ran:?}");
    silent("the command", &format!("{ran:?} {} {}", ran.stdout, ran.stderr));
    let people = probe.run(&["--act", "leak"]).await;
    silent("the command's words", &format!("{} {}", people.stdout, people.stderr));

    let http = probe.http().await;
    let (_, body) = http.post(json!({"act": "leak"}).to_string()).await;
    silent("the HTTP answer", &body.to_string());
    silent("the service's log", &http.process.logs());

    let lambda = probe.lambda().await;
    let answer = lambda.invoke(&json!({"act": "leak"})).await;
    silent("the Lambda's answer", &format!("{answer:?}"));
    silent("the Lambda's log", &lambda.process.logs());

    for file in files(home.path()) {
        silent(&file.display().to_string(), &String::from_utf8_lossy(&std::fs::read(&file).unwrap()));
    }
}

#[tokio::test]
async fn r45_a_canary_in_a_panic_reaches_nobody_and_the_process_ends() {
    let home = tempfile::tempdir().unwrap();
    let probe = probe(home.path());
    let ran = probe.run(&["--act", "panic"]).await;
    assert_eq!(ran.exit, Some(1));
    assert!(ran.stderr.contains("a fault in Lastgood at ") && ran.stderr.trim().lines().count() <= 2, "{ran:?}");
    silent("the crash", &ran.stderr);

    let mut lambda = probe.lambda().await;
    let event = json!({"act": "panic"}).to_string();
    let (answer, exit) =
        tokio::join!(tokio::time::timeout(Duration::from_secs(3), lambda.api.invoke(event, Duration::from_secs(3))), lambda.process.exit());
    assert_eq!(exit, Some(1), "Lambda sees a crash and starts a new process: {answer:?}");
    silent("the Lambda's crash", &lambda.process.logs());
    assert!(lambda.process.logs().contains("a fault in Lastgood"));
}

/// Every file below a folder but the config.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() { open.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

/// What a hostile notice might be about.
const NOTICED: &str = "vault: file:///x\nassets:\n  orders-db: { kind: rds, instance: orders-db, region: eu-west-1, snapshot: { schedule: \"0 3 * * *\" } }\n";

/// Feeds one text to everything that reads what others wrote. Nothing of it may panic or take long.
fn read_everywhere(bytes: &[u8]) {
    let begun = Instant::now();
    let text = String::from_utf8_lossy(bytes);
    let _ = Event::parse(bytes).and_then(|event| event.request::<Value>());
    if let Ok(event) = Event::parse(bytes) {
        let config = Config::parse(NOTICED, "lastgood.yaml").unwrap();
        let _ = event.ask::<Value>(&config);
        let _ = event.of_known_account(&["123456789012".to_owned()].into());
    }
    let _ = text.parse::<lastgood_core::config::Topic>();
    let _ = decode::<Manifest>(bytes);
    let _ = decode::<Run>(bytes);
    let _ = decode::<Heartbeat>(bytes);
    let _ = text.parse::<PgUrl>();
    let _ = text.parse::<Place>().map(|place| place.slug());
    let _ = text.parse::<Span>().map(|span| span.to_string());
    let _ = text.parse::<AssetName>();
    let _ = text.parse::<BackupId>().map(BackupId::time);
    let _ = text.parse::<Slot>().map(Slot::stamp);
    let _ = text.parse::<lastgood_core::config::SecretRef>();
    let _ = Config::parse(&text, "fuzz.yaml");
    let _ = redact::text(&text);
    let _ = text.parse::<Schedule>();
    // A quadratic reader would take hours here; a busy machine takes seconds.
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?} for {}", begun.elapsed(), redact::clip(&text, 200));
}

/// Text that gets past the first look of each reader.
fn plausible() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z0-9-]{1,12}",
        Just("orders-db".to_owned()),
        Just("postgres://".to_owned()),
        Just("s3://b".to_owned()),
        Just("%ff%00".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("é\u{0}\n".to_owned()),
        Just("\"detail-type\": \"x\", \"source\": \"aws.events\"".to_owned()),
        Just("\"Records\": [{\"EventSource\": \"aws:sns\"}]".to_owned()),
        Just("\"specversion\": \"1.0\"".to_owned()),
        Just(
            "\"detail-type\": \"x\", \"source\": \"aws.rds\", \"detail\": {\"SourceType\": \"SNAPSHOT\", \"SourceIdentifier\": ".to_owned()
        ),
        Just("\"rds:orders-db-2026-11-20-02-00\"".to_owned()),
        Just("\"AlarmName\": \"a/b\", \"NewStateValue\": \"ALARM\", \"Trigger\": ".to_owned()),
        Just("arn:aws:sns:eu-west-1:123456789012:x".to_owned()),
        Just("\"record\": \"manifest\", \"version\": 1, \"seal\": \"x\"".to_owned()),
        Just("vault: file:///x\nassets:\n  a: { kind: postgres, url: env:A }\n".to_owned()),
        Just("*/0 1-70 L W#9 JAN-DEC".to_owned()),
        Just("&a [*a, *a]".to_owned()),
    ];
    let glue = prop_oneof![
        Just("{"),
        Just("}"),
        Just("["),
        Just(", "),
        Just(": "),
        Just(" "),
        Just("@"),
        Just("/"),
        Just("?"),
        Just("\n"),
        Just("\"")
    ];
    prop::collection::vec((word, glue), 0..24).prop_map(|parts| parts.into_iter().map(|(word, glue)| word + glue).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn r46_arbitrary_bytes_make_no_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        read_everywhere(&bytes);
    }

    #[test]
    fn r46_plausible_text_makes_no_reader_panic(text in plausible()) {
        read_everywhere(text.as_bytes());
    }

    #[test]
    fn r46_a_damaged_record_is_told_never_guessed(flip in 0_usize..10_000, bit in 0_u8..8) {
        let heartbeat = Heartbeat {
            function: "probe".to_owned(),
            at: "2026-11-20T02:00:00Z".parse().unwrap(),
            exit: lastgood_core::function::Exit::Good,
            waker: lastgood_core::catalog::Waker::Hand,
            scheduled_at: None,
        };
        let whole = lastgood_core::catalog::encode(&heartbeat).unwrap().to_vec();
        let mut damaged = whole.clone();
        let at = flip % damaged.len();
        damaged[at] ^= 1 << bit;
        match decode::<Heartbeat>(&damaged) {
            Err(_) => {}
            // White space between the fields holds nothing.
            Ok(read) => prop_assert!(read == heartbeat && whole[at].is_ascii_whitespace(), "byte {at}"),
        }
    }
}

#[test]
fn r46_large_and_repetitive_text_costs_bounded_time() {
    for piece in ["{\"a\":", "[", "a: [", "&a [*a,*a]\n", "postgres://", "1,", "*/", "%41", "\"", "\\", "password=", "- ", "\n"] {
        read_everywhere(piece.repeat(LIMIT / piece.len()).as_bytes());
    }
}
