//! One function, three hosts: the same event gives the same report, the same failure the same kind, under each.

use lastgood_core::{
    catalog::{Heartbeat, Key, Waker, decode},
    function::Exit,
};
use lastgood_tests::{
    hosts::{Installed, Ran, binary},
    runtime_api::Answer,
};
use serde_json::{Value, json};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

/// A config, a vault and a binary in a folder of their own.
pub struct Home {
    folder: TempDir,
    /// The function.
    pub function: Installed,
}

impl Home {
    /// Installs the probe.
    pub fn new() -> Self {
        Self::of("probe")
    }

    /// Installs a function.
    pub fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("lastgood.yaml");
        std::fs::create_dir(folder.path().join("vault")).unwrap();
        let vault = folder.path().join("vault");
        let text = format!(
            "vault: file://{}\nassets:\n  orders-db:\n    kind: postgres\n    url: env:DATABASE_URL\n    export: {{ schedule: \"0 2 * * *\" }}\n",
            vault.display()
        );
        std::fs::write(&config, text).unwrap();
        let function = Installed::new(binary(name), &config, folder.path());
        Self { folder, function: function.with("DATABASE_URL", "postgresql://app:hunter2-canary@127.0.0.1:1/orders") }
    }

    /// A file below the home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an event and returns its path.
    pub fn event(&self, event: &Value) -> String {
        let path = self.path("event.json");
        std::fs::write(&path, event.to_string()).unwrap();
        path.display().to_string()
    }

    /// Empties the vault.
    fn forget(&self) {
        std::fs::remove_dir_all(self.path("vault")).unwrap();
        std::fs::create_dir(self.path("vault")).unwrap();
    }

    fn heartbeat(&self, function: &str) -> Option<Heartbeat> {
        let path = self.path("vault").join(Key::Heartbeat(function.to_owned()).to_string());
        std::fs::read(path).ok().map(|bytes| decode(&bytes).unwrap())
    }
}

/// A report without what differs from run to run by nature.
fn timeless(mut report: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["started_at", "finished_at", "at", "now", "checked_at", "observed_at", "taken_at", "generated_at"] {
                    fields.remove(name);
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut report);
    report
}

async fn the_same_report_everywhere(function: &str, event: Value, exit: i32) -> Value {
    let home = Home::of(function);
    let ran = home.function.run(&["--event", &home.event(&event), "--json"]).await;
    assert_eq!(ran.exit, Some(exit), "{ran:?}");

    home.forget();
    let http = home.function.http().await;
    let (status, over_http) = http.post(event.to_string()).await;
    assert_eq!(status, 200, "{over_http} {}", http.process.logs());

    home.forget();
    let lambda = home.function.lambda().await;
    let Answer::Returned(in_lambda) = lambda.invoke(&event).await else { panic!("{}", lambda.process.logs()) };

    let by_hand = timeless(ran.report());
    assert_eq!(by_hand, timeless(over_http));
    assert_eq!(by_hand, timeless(in_lambda));
    by_hand
}

#[tokio::test]
async fn one_event_gives_one_report_under_every_host() {
    let report = the_same_report_everywhere("probe", json!({"asset": "orders-db"}), 0).await;
    let entry = json!({"asset": "orders-db", "outcome": "done", "kind": "postgres", "said": null});
    assert_eq!(report, json!({"function": "probe", "status": "ok", "entries": [entry]}));
}

#[tokio::test]
async fn the_freshness_checker_finds_the_same_under_every_host() {
    let report = the_same_report_everywhere("freshness-checker", json!({"asset": "orders-db"}), 2).await;
    assert_eq!(report["assets"][0]["state"], json!("stale"), "{report}");
    assert_eq!(report["assets"][0]["findings"][0]["kind"], json!("never-succeeded"), "{report}");

    let ran = Home::of("freshness-checker").function.run(&["orders-db"]).await;
    assert_eq!(ran.exit, Some(2));
    assert!(ran.stdout.starts_with("freshness-checker: stale\n  orders-db                stale"), "{}", ran.stdout);
    assert!(ran.stdout.contains("critical: orders-db: "), "{}", ran.stdout);
}

#[tokio::test]
async fn an_error_keeps_its_kind_under_every_host() {
    let home = Home::new();
    let Ran { exit, stdout, stderr } = home.function.run(&["--act", "conflict"]).await;
    assert_eq!((exit, stdout.as_str()), (Some(1), ""));
    assert!(stderr.contains("error: the name is taken\n  hint: choose another"), "{stderr}");

    let http = home.function.http().await;
    let (status, body) = http.post(json!({"act": "conflict"}).to_string()).await;
    assert_eq!((status, &body["error"]), (500, &json!("Lastgood.Conflict")));

    let lambda = home.function.lambda().await;
    let failed = Answer::Failed { kind: "Lastgood.Conflict".to_owned(), message: "the name is taken; choose another".to_owned() };
    assert_eq!(lambda.invoke(&json!({"act": "conflict"})).await, failed);
    assert!(matches!(lambda.invoke(&json!({})).await, Answer::Returned(_)), "the next invocation is a new one");
}

#[tokio::test]
async fn http_says_whether_sending_again_would_help() {
    let home = Home::new();
    let http = home.function.http().await;
    for (event, status) in [
        (json!({"act": "fail-for-now"}), 503),
        (json!({"act": "fail-for-good"}), 200),
        (json!({"act": "busy"}), 200),
        (json!({"asset": "nobody"}), 404),
        (json!({"assets": "orders-db"}), 400),
    ] {
        let (answered, body) = http.post(event.to_string()).await;
        assert_eq!(answered, status, "{event}: {body}");
    }
    let answer = http.client.post(&http.url).body(json!({"act": "fail-for-good"}).to_string()).send().await.unwrap();
    assert_eq!(answer.headers()["lastgood-exit"], "1");
    lastgood_core::providers::tls::settle();
    let large = reqwest::Client::new().post(&http.url).body(vec![b' '; 2 << 20]).send().await;
    assert!(large.map_or(true, |answer| answer.status() == 413), "refused, or hung up on");
    let (status, body) = http.post("").await;
    assert_eq!((status, &body["status"]), (200, &json!("ok")), "an empty body means whatever is due");
    let wrong = http.client.get(&http.url).send().await.unwrap();
    assert_eq!(wrong.status().as_u16(), 405);
}

#[tokio::test]
async fn a_failed_report_is_an_error_of_the_lambda_with_the_kind_of_its_failure() {
    let home = Home::new();
    let lambda = home.function.lambda().await;
    for (act, kind) in [("fail-for-now", "Lastgood.Retry"), ("fail-for-good", "Lastgood.Denied")] {
        let Answer::Failed { kind: said, .. } = lambda.invoke(&json!({"act": act})).await else { panic!("{act}") };
        assert_eq!(said, kind);
    }
    let Answer::Returned(busy) = lambda.invoke(&json!({"act": "busy"})).await else { panic!("nobody needs to hear of it") };
    assert_eq!(busy["error"], json!("Lastgood.Busy"));
    let Answer::Failed { kind, message } = lambda.invoke(&json!({"assets": "x"})).await else { panic!("refused") };
    assert_eq!(kind, "Lastgood.Invalid");
    assert!(message.contains("unknown field `assets`"), "{message}");
}

#[tokio::test]
async fn an_invocation_ends_before_the_platform_ends_it() {
    let home = Home::new();
    let lambda = home.function.lambda().await;
    for act in ["wait", "hang"] {
        let begun = std::time::Instant::now();
        let answer = lambda.api.invoke(json!({"act": act}).to_string(), Duration::from_secs(2)).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{act} took {:?}", begun.elapsed());
        let Answer::Failed { kind, .. } = answer else { panic!("{act}: {answer:?}") };
        assert_eq!(kind, "Lastgood.OutOfTime", "{act}");
    }
    // `cargo lambda watch` sends a length instead of a moment.
    let answer = lambda.api.invoke_with_deadline("{}", 600_000, Duration::from_secs(30)).await;
    assert!(matches!(answer, Answer::Returned(_)), "{answer:?}");

    let slow = Home::new();
    let slow = slow.function.with("LASTGOOD_TIMEOUT", "2s").http().await;
    let (status, body) = slow.post(json!({"act": "wait"}).to_string()).await;
    assert_eq!((status, &body["error"]), (503, &json!("Lastgood.OutOfTime")));
}

#[tokio::test]
async fn a_sender_that_hangs_up_does_not_end_the_run() {
    let home = Home::new();
    let http = home.function.http().await;
    let post = http.client.post(&http.url).body(json!({"act": "work"}).to_string());
    let hung_up = post.timeout(Duration::from_millis(100)).send().await.unwrap_err();
    assert!(hung_up.is_timeout());
    for _ in 0..100 {
        if home.heartbeat("probe").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the run never ended: {}", http.process.logs());
}

#[tokio::test]
async fn a_heartbeat_tells_what_woke_the_function_and_keeps_the_last_schedule() {
    let home = Home::new();
    assert_eq!(home.function.run(&[]).await.exit, Some(0));
    let by_hand = home.heartbeat("probe").unwrap();
    assert_eq!((by_hand.waker, by_hand.scheduled_at, by_hand.exit), (Waker::Hand, None, Exit::Good));

    let lambda = home.function.lambda().await;
    let rule = json!({"detail-type": "Scheduled Event", "source": "aws.events", "detail": {}});
    lambda.invoke(&rule).await;
    let scheduled = home.heartbeat("probe").unwrap();
    assert_eq!(scheduled.waker, Waker::Event);
    assert_eq!(scheduled.scheduled_at.map(|at| at <= scheduled.at), Some(true));

    assert_eq!(home.function.run(&["--act", "conflict"]).await.exit, Some(1));
    let failed = home.heartbeat("probe").unwrap();
    assert_eq!((failed.waker, failed.scheduled_at, failed.exit), (Waker::Hand, scheduled.scheduled_at, Exit::Failed));

    assert_eq!(home.function.run(&["--scheduled"]).await.exit, Some(0));
    assert!(home.heartbeat("probe").unwrap().scheduled_at > scheduled.scheduled_at, "cron says so itself");
}

#[tokio::test]
async fn cloud_scheduler_says_in_a_header_that_it_is_a_schedule() {
    let home = Home::new();
    let http = home.function.http().await;
    http.post("").await;
    assert_eq!(home.heartbeat("probe").unwrap().scheduled_at, None);
    let call = http.client.post(&http.url).header("X-CloudScheduler", "true").header("X-CloudScheduler-JobName", "nightly");
    assert_eq!(call.send().await.unwrap().status().as_u16(), 200);
    assert!(home.heartbeat("probe").unwrap().scheduled_at.is_some());
}

#[tokio::test]
async fn an_old_event_is_dropped_from_afar_and_run_by_hand() {
    let home = Home::new();
    let old = json!({"asset": "orders-db", "scheduled_at": "2020-01-01T00:00:00Z"});
    let http = home.function.http().await;
    let (status, body) = http.post(old.to_string()).await;
    assert_eq!(status, 200);
    assert!(body["dropped"].as_str().unwrap().contains("old"), "{body}");
    let lambda = home.function.lambda().await;
    let Answer::Returned(body) = lambda.invoke(&old).await else { panic!("dropped") };
    assert!(body["dropped"].is_string());
    assert_eq!(home.heartbeat("probe"), None, "nothing ran");

    let ran = home.function.run(&["--event", &home.event(&old), "--json"]).await;
    assert_eq!(ran.report()["status"], json!("ok"), "a recorded trigger is replayed");
}

#[tokio::test]
async fn a_command_line_says_what_it_did_not_understand() {
    let home = Home::new();
    let event = home.event(&json!({"asset": "orders-db"}));
    for (args, said) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["--act", "dance"], "dance"),
        (&["--event", &event, "--act", "report"], "not both"),
        (&["--event", "/nowhere/event.json"], "no such file"),
        (&["--config", "/nowhere.yaml"], "--config or LASTGOOD_CONFIG"),
        (&["--asset", "../etc"], "asset name"),
    ] {
        let ran = home.function.run(args).await;
        assert!(matches!(ran.exit, Some(64 | 1)), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(said) && ran.stdout.is_empty(), "{args:?}: {ran:?}");
    }
    assert_eq!(home.function.run(&["--nonsense"]).await.exit, Some(64));
    let help = home.function.run(&["--help"]).await;
    assert_eq!(help.exit, Some(0));
    assert!(help.stdout.contains("--event") && help.stdout.contains("Exit codes"));
}

#[tokio::test]
async fn what_makes_no_sense_of_an_environment_is_said_before_anything_runs() {
    let home = Home::new();
    let ran = home.function.with("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1").run(&[]).await;
    assert_eq!(ran.exit, Some(64));
    assert!(ran.stderr.contains("AWS_LAMBDA_FUNCTION_NAME"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_stopped_run_leaves_no_scratch_folder() {
    let home = Home::new();
    let running = home.function.command().args(["--act", "hang"]).spawn().unwrap();
    let scratch = || {
        std::fs::read_dir(home.path(""))
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("lastgood-"))
            .flat_map(|entry| std::fs::read_dir(entry.path()).into_iter().flatten())
            .count()
    };
    for _ in 0..200 {
        if scratch() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(scratch(), 1);
    std::process::Command::new("kill").args(["-TERM", &running.id().unwrap().to_string()]).status().unwrap();
    let output = running.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken off"));
    assert_eq!(scratch(), 0);
}
