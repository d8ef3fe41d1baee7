//! Cloud Run: a service that knows its callers, and jobs that live with retries.

use crate::hosts::Home;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use lastgood_tests::{
    google::{AUDIENCE, CALLER, Machine, Signer},
    hosts::{Http, Installed},
};
use serde_json::{Value, json};

/// A service that asks for proof, and whoever signs for its callers.
async fn guarded(home: &Home, machine: &Machine) -> (Signer, Installed) {
    let signer = Signer::new("key-1");
    machine.certs().keys = vec![signer.shown(), json!({"kty": "EC", "crv": "P-256", "kid": "other", "x": "AA", "y": "AA"})];
    let function = home
        .function
        .clone()
        .with("LASTGOOD_AUDIENCE", AUDIENCE)
        .with("LASTGOOD_CALLERS", &format!("nobody@acme-prod.iam.gserviceaccount.com, {CALLER}"));
    (signer, function.with("LASTGOOD_CERTS", &format!("http://{}/certs", machine.address())))
}

async fn post(http: &Http, token: Option<&str>, body: &str) -> (u16, String) {
    let mut call = http.client.post(&http.url).body(body.to_owned());
    if let Some(token) = token {
        call = call.header("authorization", format!("Bearer {token}"));
    }
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A push of Pub/Sub.
fn push(data: &Value) -> String {
    json!({"message": {"data": STANDARD.encode(data.to_string()), "messageId": "1"}, "subscription": "projects/acme-prod/subscriptions/lastgood"}).to_string()
}

#[tokio::test]
async fn r33_a_service_answers_only_callers_whose_token_google_signed_for_it() {
    let (home, machine) = (Home::new(), Machine::start().await);
    let (signer, function) = guarded(&home, &machine).await;
    let http = function.http().await;
    let good = signer.token(json!({}));
    let (status, said) = post(&http, Some(&good), &push(&json!({"asset": "orders-db"}))).await;
    assert_eq!(status, 200, "{said} {}", http.process.logs());
    assert!(said.contains("orders-db"));
    let forger = Signer::new("key-1");
    let unknown = Signer::new("key-2");
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, signature) = rest.split_once('.').unwrap();
    let removed = format!("{head}.{claims}.SIGNATURE_REMOVED_BY_GOOGLE");
    let unsigned = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"key-1"}"#));
    let symmetric = format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"key-1"}"#));
    let keyless = signer.signed(
        &json!({"alg": "RS256"}),
        &json!({"iss": "https://accounts.google.com", "aud": AUDIENCE, "exp": 9_999_999_999_u64, "email": CALLER, "email_verified": true}),
    );
    for (token, status) in [
        (None, 401),
        (Some(String::new()), 401),
        (Some("x".repeat(20_000)), 401),
        (Some("a.b.c".to_owned()), 401),
        (Some(forger.token(json!({}))), 401),
        (Some(unknown.token(json!({}))), 401),
        (Some(removed.clone()), 401),
        (Some(unsigned), 401),
        (Some(symmetric), 401),
        (Some(keyless), 401),
        (Some(signer.token(json!({"aud": "https://other.a.run.app"}))), 401),
        (Some(signer.token(json!({"iss": "https://evil.example"}))), 401),
        (Some(signer.token(json!({"exp": 1_700_000_000}))), 401),
        (Some(signer.token(json!({"exp": null}))), 401),
        (Some(signer.token(json!({"email": "wake@evil.iam.gserviceaccount.com"}))), 403),
        (Some(signer.token(json!({"email_verified": false}))), 403),
        (Some(signer.token(json!({"email": null}))), 403),
    ] {
        let (answered, said) = post(&http, token.as_deref(), "{}").await;
        assert_eq!(answered, status, "{token:?}: {said}");
        if let Some(token) = token.filter(|token| token.len() > 40) {
            let logs = http.process.logs();
            assert!(!said.contains(&token) && !logs.contains(&token), "no token is repeated");
        }
    }
    assert!(machine.certs().asked <= 2, "unknown keys do not make us ask Google again and again: {}", machine.certs().asked);
    // Health is for the platform; numbers are for those who may call.
    assert_eq!(http.client.get(format!("{}/healthz", http.url)).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(http.client.get(format!("{}/metrics", http.url)).send().await.unwrap().status().as_u16(), 401);
    // Where Cloud Run has checked the signature it takes it off; what the token says is checked all the same.
    let behind = function.with("LASTGOOD_SIGNATURES", "cloud-run").http().await;
    assert_eq!(post(&behind, Some(&removed), "{}").await.0, 200, "{}", behind.process.logs());
    assert_eq!(post(&behind, Some(&good), "{}").await.0, 200);
    assert_eq!(post(&behind, Some(&forger.token(json!({}))), "{}").await.0, 401);
    // Somebody else's token that Cloud Run did check, beside a forged one that it did not look at.
    let other = signer.token(json!({"email": "somebody@acme-prod.iam.gserviceaccount.com"}));
    let (message, _) = other.rsplit_once('.').unwrap();
    let call = behind.client.post(&behind.url).header("authorization", format!("Bearer {removed}"));
    let call = call.header("x-serverless-authorization", format!("Bearer {message}.SIGNATURE_REMOVED_BY_GOOGLE")).body("{}");
    assert_eq!(call.send().await.unwrap().status().as_u16(), 403);
    let elsewhere = signer.token(json!({"aud": "https://other.a.run.app"}));
    let (message, _) = elsewhere.rsplit_once('.').unwrap();
    assert_eq!(post(&behind, Some(&format!("{message}.SIGNATURE_REMOVED_BY_GOOGLE")), "{}").await.0, 401);
}

#[tokio::test]
async fn keys_that_google_does_not_show_just_now_are_a_passing_fault() {
    let (home, machine) = (Home::new(), Machine::start().await);
    let (signer, function) = guarded(&home, &machine).await;
    let http = function.http().await;
    machine.certs().broken = true;
    assert_eq!(post(&http, Some(&signer.token(json!({}))), "{}").await.0, 503, "sending it again will help");
    machine.certs().broken = false;
    assert_eq!(post(&http, Some(&signer.token(json!({}))), "{}").await.0, 200);
    machine.certs().broken = true;
    assert_eq!(post(&http, Some(&signer.token(json!({}))), "{}").await.0, 200, "keys are kept for a while");
}

#[tokio::test]
async fn what_makes_no_sense_of_callers_keeps_a_service_from_listening() {
    let home = Home::new();
    let function = home.function.with("K_SERVICE", "x").with("PORT", "0").with("LASTGOOD_AUDIENCE", AUDIENCE);
    let ran = function.run(&[]).await;
    assert_eq!(ran.exit, Some(64), "{ran:?}");
    assert!(ran.stderr.contains("LASTGOOD_CALLERS"), "{ran:?}");
}

#[tokio::test]
async fn a_job_fails_only_where_trying_again_could_help_and_tells_what_it_found_all_the_same() {
    let checker = Home::of("freshness-checker");
    let job = checker.function.clone().with("CLOUD_RUN_JOB", "lastgood-freshness-checker");
    let ran = job.run(&["--json"]).await;
    assert_eq!(ran.exit, Some(0), "stale is a finding, and a retry would find the same: {ran:?}");
    assert_eq!(ran.report()["assets"][0]["state"], json!("stale"));
    assert_eq!(checker.function.run(&["--json"]).await.exit, Some(2), "for a person the exit code says it");

    let probe = Home::new();
    let job = probe.function.with("CLOUD_RUN_JOB", "probe");
    for (act, exit) in [("report", 0), ("fail-for-now", 1), ("fail-for-good", 1), ("conflict", 1), ("busy", 0)] {
        assert_eq!(job.run(&["--act", act]).await.exit, Some(exit), "{act}");
    }
}

#[tokio::test]
async fn a_retried_task_waits_for_the_lease_of_the_attempt_that_died() {
    let home = Home::new();
    let job = home.function.with("CLOUD_RUN_JOB", "probe");
    let first = job.run(&["--act", "held", "--json"]).await;
    assert_eq!(first.report()["entries"][0]["outcome"], json!("already-running"), "another holds it: {first:?}");
    let home = Home::new();
    let job = home.function.with("CLOUD_RUN_JOB", "probe").with("CLOUD_RUN_TASK_ATTEMPT", "1");
    let retried = job.run(&["--act", "held", "--json"]).await;
    assert_eq!((retried.exit, &retried.report()["entries"][0]["outcome"]), (Some(0), &json!("done")), "{retried:?}");
}

/// The records of an asset's export in a home's vault: of work under way, and of backups.
fn records(home: &Home) -> (usize, usize) {
    let count = |folder: &str| std::fs::read_dir(home.path("vault/catalog/v1/assets/orders-db").join(folder)).map_or(0, Iterator::count);
    (count("runs/export-to-bucket"), count("backups"))
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_task_that_is_ended_or_dies_is_carried_on_by_its_retry_and_makes_one_backup() {
    let cluster = std::sync::Arc::new(lastgood_tests::pg::Cluster::start().await);
    cluster.sql("postgres", "create table t as select 1 as id").await;
    for signal in ["-TERM", "-KILL"] {
        let home = Home::of("export-to-bucket");
        let job = home.function.clone().with("DATABASE_URL", &cluster.url("postgres")).with("CLOUD_RUN_JOB", "lastgood-export");
        // The dump waits for a table for as long as this test takes to end the task.
        let holder = cluster.clone();
        let held = tokio::spawn(async move { holder.sql("postgres", "begin; lock table t; select pg_sleep(6); commit").await });
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let task = job.command().args(["orders-db", "--json"]).spawn().unwrap();
        for _ in 0..200 {
            if records(&home).0 > 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        assert_eq!(records(&home), (1, 0), "{signal}: it is under way");
        std::process::Command::new("kill").args([signal, &task.id().unwrap().to_string()]).status().unwrap();
        let ended = task.wait_with_output().await.unwrap();
        assert_ne!(ended.status.code(), Some(0), "{signal}: Cloud Run must know that it did not end well");
        held.await.unwrap();
        let begun = std::time::Instant::now();
        let retried = job.with("CLOUD_RUN_TASK_ATTEMPT", "1").run(&["orders-db", "--json"]).await;
        assert_eq!((retried.exit, &retried.report()["entries"][0]["outcome"]), (Some(0), &json!("done")), "{signal}: {retried:?}");
        assert_eq!(records(&home).1, 1, "{signal}: one backup");
        if signal == "-TERM" {
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "what was handed back is not waited for");
        }
    }
}
