//! `secret:aws:` over the wire, against moto: values, fields, regions, what is refused and what is never shown.

use crate::hosts::Home;
use aws_sdk_s3::config::Credentials;
use aws_sdk_secretsmanager::{Client, config::Builder, primitives::Blob};
use lastgood_core::{
    error::{Error, Kind, Result},
    ports::Secret,
    providers::aws::AwsSecrets,
    redact,
};
use lastgood_tests::{
    runtime_api::Answer,
    s3::{KEY, KEY_ID, S3Server, access},
};
use serde_json::json;
use std::net::SocketAddr;

const LOGIN: &str =
    r#"{"engine":"postgres","host":"127.0.0.1","port":1,"username":"app","password":"l0gin-canary-6613","dbname":"orders"}"#;

/// A client past our own code.
fn manager(moto: &S3Server, region: &str) -> Client {
    let config = Builder::new()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .http_client(lastgood_core::providers::aws::https())
        .endpoint_url(format!("http://{}", moto.address()))
        .region(aws_config::Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(KEY_ID, KEY, None, None, "tests"));
    Client::from_conf(config.build())
}

/// The secrets of one invocation.
fn secrets(at: SocketAddr) -> AwsSecrets {
    AwsSecrets::new(access(at), Some("us-east-1".to_owned()))
}

async fn create(moto: &S3Server, name: &str, text: &str) -> String {
    let created = manager(moto, "us-east-1").create_secret().name(name).secret_string(text).send().await.unwrap();
    created.arn().unwrap().to_owned()
}

/// What a new invocation finds.
async fn value(moto: &S3Server, name: &str, field: Option<&str>) -> Result<Secret> {
    secrets(moto.address()).value(name, field).await
}

fn said(error: &Error) -> String {
    format!("{} {}", error.full(), error.advice().unwrap_or_default())
}

#[tokio::test]
async fn a_secret_is_its_current_value_or_one_field_of_it() {
    let Some(moto) = S3Server::moto("a_secret_is_its_current_value_or_one_field_of_it").await else { return };
    create(&moto, "ops/plain", "pl4in-canary\n").await;
    create(&moto, "ops/db", LOGIN).await;
    assert_eq!(value(&moto, "ops/plain", None).await.unwrap().expose(), "pl4in-canary", "one line break is the editor's");
    assert_eq!(value(&moto, "ops/db", Some("password")).await.unwrap().expose(), "l0gin-canary-6613");
    assert_eq!(value(&moto, "ops/db", Some("port")).await.unwrap().expose(), "1");
    assert_eq!(value(&moto, "ops/db", None).await.unwrap().expose(), LOGIN);
}

#[tokio::test]
async fn a_value_is_asked_for_once_in_an_invocation_and_anew_in_the_next() {
    let Some(moto) = S3Server::moto("a_value_is_asked_for_once_in_an_invocation_and_anew_in_the_next").await else { return };
    create(&moto, "ops/db", "before-rotation").await;
    let invocation = secrets(moto.address());
    assert_eq!(invocation.value("ops/db", None).await.unwrap().expose(), "before-rotation");
    let old = manager(&moto, "us-east-1").describe_secret().secret_id("ops/db").send().await.unwrap();
    let old = old.version_ids_to_stages().unwrap().keys().next().unwrap().clone();
    manager(&moto, "us-east-1").put_secret_value().secret_id("ops/db").secret_string("after-rotation").send().await.unwrap();
    assert_eq!(invocation.value("ops/db", None).await.unwrap().expose(), "before-rotation");
    assert_eq!(value(&moto, "ops/db", None).await.unwrap().expose(), "after-rotation");
    // Rolled back by its stage: whoever does not name the stage gets the wrong one here.
    let all = manager(&moto, "us-east-1").describe_secret().secret_id("ops/db").send().await.unwrap();
    let new = all.version_ids_to_stages().unwrap().keys().find(|id| **id != old).unwrap().clone();
    let stage = manager(&moto, "us-east-1").update_secret_version_stage().secret_id("ops/db").version_stage("AWSCURRENT");
    stage.move_to_version_id(old).remove_from_version_id(new).send().await.unwrap();
    assert_eq!(value(&moto, "ops/db", None).await.unwrap().expose(), "before-rotation", "the version that is current");
}

#[tokio::test]
async fn what_is_missing_deleted_binary_or_of_another_region_says_what_to_do() {
    let Some(moto) = S3Server::moto("what_is_missing_deleted_binary_or_of_another_region_says_what_to_do").await else { return };
    create(&moto, "ops/db", LOGIN).await;
    create(&moto, "ops/gone", "g0ne-canary-7").await;
    manager(&moto, "us-east-1").delete_secret().secret_id("ops/gone").recovery_window_in_days(7).send().await.unwrap();
    let binary = manager(&moto, "us-east-1").create_secret().name("ops/binary").secret_binary(Blob::new(*b"\x00b1nary-canary"));
    binary.send().await.unwrap();
    let abroad = manager(&moto, "eu-west-1").create_secret().name("ops/abroad").secret_string("abr0ad-canary").send().await.unwrap();
    for (name, field, kind, hint) in [
        ("ops/nowhere", None, Kind::NotFound, "by its ARN"),
        ("ops/abroad", None, Kind::NotFound, "by its ARN"),
        ("ops/gone", None, Kind::NotFound, "restore-secret"),
        ("ops/binary", None, Kind::Unsupported, "--secret-string"),
        ("ops/db", Some("passwort"), Kind::NotFound, "secret:aws:ops/db#passwort"),
    ] {
        let error = value(&moto, name, field).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {}", said(&error));
        assert!(said(&error).contains(name) && error.advice().unwrap().contains(hint), "{}", said(&error));
        assert!(!said(&error).contains("canary"), "{}", said(&error));
    }
    let arn = abroad.arn().unwrap();
    assert_eq!(value(&moto, arn, None).await.unwrap().expose(), "abr0ad-canary", "an ARN says its region");
}

#[tokio::test]
async fn a_service_out_of_reach_is_a_passing_fault() {
    let error = secrets("127.0.0.1:9".parse().unwrap()).value("ops/db", None).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{}", said(&error));
}

#[tokio::test]
async fn r45_what_secrets_manager_holds_appears_nowhere() {
    let Some(moto) = S3Server::moto("r45_what_secrets_manager_holds_appears_nowhere").await else { return };
    create(&moto, "ops/db", LOGIN).await;
    create(&moto, "ops/url", "postgres://app:ur1-canary-9921@127.0.0.1:1/orders").await;
    create(&moto, "ops/urls", r#"{"orders": "postgres://app:f1eld-canary-3304@127.0.0.1:1/orders"}"#).await;
    for reference in ["secret:aws:ops/db", "secret:aws:ops/url", "secret:aws:ops/urls#orders"] {
        let home = Home::new();
        let config = home.path("lastgood.yaml");
        let text = std::fs::read_to_string(&config).unwrap().replace("env:DATABASE_URL", reference);
        std::fs::write(&config, text).unwrap();
        let Home { function, .. } = &home;
        let function = function
            .clone()
            .with("AWS_ENDPOINT_URL", &format!("http://{}", moto.address()))
            .with("AWS_REGION", "us-east-1")
            .with("AWS_ACCESS_KEY_ID", KEY_ID)
            .with("AWS_SECRET_ACCESS_KEY", KEY);
        for act in ["leak", "panic"] {
            let ran = function.run(&["--act", act, "--json"]).await;
            assert_eq!(ran.exit, Some(1), "{reference} {act}: {ran:?}");
            let all = format!("{ran:?}");
            assert!(!all.contains("canary") && !all.contains(KEY), "{reference} {act}: {all}");
            if act == "leak" {
                assert!(all.contains(redact::MASK), "it was resolved: {all}");
            }
        }
        // What the SDK and its transport say of their work, before the value is known by value.
        let ran = function.clone().with("LASTGOOD_LOG", "trace").run(&["--act", "report"]).await;
        assert!(ran.exit == Some(0) && !ran.stderr.contains("canary"), "{reference}: {ran:?}");
        let ran = function.clone().with("LASTGOOD_LOG", "trace,probe=trace").run(&["--act", "leak"]).await;
        assert!(ran.stderr.contains("aws_smithy"), "the SDK did speak: {ran:?}");
        assert!(!ran.stderr.contains("canary") && !ran.stdout.contains("canary"), "{reference}: {ran:?}");
        let lambda = function.lambda().await;
        let Answer::Failed { message, .. } = lambda.invoke(&json!({"act": "leak"})).await else { panic!("{reference}") };
        let all = format!("{message} {}", lambda.process.logs());
        assert!(all.contains(redact::MASK) && !all.contains("canary"), "{reference}: {all}");
        for file in lastgood_tests::house::files(&home.path("vault")) {
            let text = std::fs::read_to_string(home.path("vault").join(&file)).unwrap();
            assert!(!text.contains("canary"), "{reference}: {file}");
        }
    }
}
