//! Letters by SES: what is asked of it, against moto and against a server that keeps what it was asked.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use lastgood_core::{
    config::Ses as Settings,
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Message, What},
    },
    error::Kind,
    ports::{Letter, Notifier},
    providers::aws::{Access, Ses},
};
use lastgood_tests::s3::{S3Server, access};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn message() -> Message {
    let sentence = "newest backup is 26h old, policy allows 24h";
    let finding = Finding::new(FindingKind::BackupStale, Severity::Critical, sentence, "lastgood export orders-db");
    let finding = finding.about(&"orders-db".parse().unwrap()).linked("https://example.com/runbook");
    let alert = Alert { what: What::New, finding, since: None, respond_within: Some("15m".parse().unwrap()) };
    let sent_at = "2026-11-20T12:00:00Z".parse().unwrap();
    Message { function: "freshness-checker".to_owned(), vault: "s3://acme/lastgood".to_owned(), sent_at, alerts: vec![alert], digest: None }
}

fn ses(from: &str, access: Access) -> Ses {
    let settings = Settings { region: Some("eu-west-1".to_owned()), from: from.to_owned(), to: vec!["oncall@example.com".to_owned()] };
    Ses::new("letters".to_owned(), settings, access)
}

#[tokio::test]
async fn r35_a_letter_that_ses_does_not_take_is_an_error_and_one_from_a_verified_sender_is_taken() {
    let Some(moto) = S3Server::moto("r35_a_letter_that_ses_does_not_take_is_an_error_and_one_from_a_verified_sender_is_taken").await else {
        return;
    };
    let channel = ses("Lastgood <lastgood@example.com>", access(moto.address()));
    let error = channel.notify(&message()).await.unwrap_err();
    assert!(error.full().contains("ses:SendEmail on example.com: the letter was refused"), "{}", error.full());
    assert!(error.advice().unwrap().contains("verify the sender's domain"), "{error:?}");
    verify(&moto, "lastgood@example.com").await;
    channel.notify(&message()).await.unwrap();
}

/// Verifies a sender, as its owner would in the console.
async fn verify(moto: &S3Server, sender: &str) {
    lastgood_core::providers::tls::settle();
    let scope = "AWS4-HMAC-SHA256 Credential=test/20261120/eu-west-1/ses/aws4_request, SignedHeaders=host, Signature=x";
    let asked = reqwest::Client::builder().no_proxy().build().unwrap().post(format!("http://{}/v2/email/identities", moto.address()));
    let answer = asked.header("authorization", scope).json(&json!({ "EmailIdentity": sender })).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
}

type Asked = Arc<Mutex<Vec<(String, HeaderMap, Value)>>>;

/// A server that answers this and keeps what it was asked.
async fn service(status: u16, code: &'static str) -> (Asked, String) {
    let asked = Asked::default();
    let keep = asked.clone();
    let answer = move |State(asked): State<Asked>, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        asked.lock().unwrap().push((uri.path().to_owned(), headers, serde_json::from_slice(&body).unwrap_or_default()));
        let body = if status == 200 { r#"{"MessageId":"7"}"# } else { r#"{"message":"is not authorized to perform: ses:SendEmail"}"# };
        (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", code)], body)
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer).with_state(keep)).await });
    (asked, url)
}

fn at(url: &str) -> Access {
    Access { endpoint: Some(url.to_owned()), credentials: Some(("id".to_owned(), lastgood_core::ports::Secret::new("canary-key"))) }
}

#[tokio::test]
async fn a_letter_is_asked_for_as_version_2_takes_it_and_signed_for_ses() {
    let (asked, url) = service(200, "").await;
    let channel = ses("Lastgood <lastgood@example.com>", at(&url));
    channel.notify(&message()).await.unwrap();
    let page = Some(("lastgood-status.html".to_owned(), "<p>all</p>".to_owned()));
    let report = Letter { subject: "report".to_owned(), text: "all".to_owned(), html: "<p>all</p>".to_owned(), page };
    channel.mail(&report).await.unwrap().unwrap();
    let asked = asked.lock().unwrap().clone();
    let (path, headers, body) = &asked[0];
    assert_eq!(path, "/v2/email/outbound-emails");
    assert!(headers["authorization"].to_str().unwrap().contains("/eu-west-1/ses/aws4_request"), "{headers:?}");
    assert_eq!(
        (&body["FromEmailAddress"], &body["Destination"]["ToAddresses"]),
        (&"Lastgood <lastgood@example.com>".into(), &json!(["oncall@example.com"]))
    );
    let simple = &body["Content"]["Simple"];
    assert_eq!(simple["Subject"]["Data"], "Lastgood critical: orders-db: newest backup is 26h old, policy allows 24h");
    assert!(simple["Body"]["Text"]["Data"].as_str().unwrap().contains("respond within 15m"));
    assert!(simple["Body"]["Html"]["Data"].as_str().unwrap().contains("<code>lastgood export orders-db</code>"));
    let beside = &asked[1].2["Content"]["Simple"]["Attachments"][0];
    assert_eq!((&beside["FileName"], &beside["RawContent"]), (&"lastgood-status.html".into(), &"PHA+YWxsPC9wPg==".into()));
}

#[tokio::test]
async fn r41_who_may_not_send_letters_is_told_the_right_that_is_lacking() {
    let (_, url) = service(403, "AccessDeniedException").await;
    let error = ses("lastgood@example.com", at(&url)).notify(&message()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(error.full().contains("ses:SendEmail") && error.advice().unwrap().contains("ses:SendEmail"), "{error:?}");
}
