//! The webhook against a real HTTP server on this machine: what arrives, what is signed, what is refused, what is retried.

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, response::IntoResponse, routing::post};
use hmac::{Hmac, KeyInit, Mac};
use lastgood_core::{
    clock::Clock,
    config::SecretRef,
    domain::{
        finding::{Finding, FindingKind, Severity},
        tell::{Alert, Message, What},
    },
    error::{Error, Kind},
    ports::{Notifier, Secrets},
    providers::notify::{SIGNATURE, Webhook},
    testing::{ManualClock, MemorySecrets},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

const KEY: &str = "signing-key-canary-7781";

/// A receiver that answers with these statuses, in turn, the last one for ever.
#[derive(Clone)]
struct Receiver {
    answers: Arc<Mutex<Vec<u16>>>,
    got: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    slow: Duration,
}

impl Receiver {
    async fn start(answers: &[u16], slow: Duration) -> (Self, String) {
        let receiver = Self { answers: Arc::new(Mutex::new(answers.to_vec())), got: Arc::default(), slow };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?token=url-canary-5512", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (receiver, url)
    }

    fn got(&self) -> Vec<(HeaderMap, Bytes)> {
        self.got.lock().unwrap().clone()
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    receiver.got.lock().unwrap().push((headers, body));
    tokio::time::sleep(receiver.slow).await;
    let mut answers = receiver.answers.lock().unwrap();
    let status = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
    let location = if status == 302 { "http://127.0.0.1:1/elsewhere" } else { "" };
    (StatusCode::from_u16(status).unwrap(), [("location", location)])
}

fn webhook(url: &str) -> Webhook {
    let secrets = BTreeMap::from([("env:URL".to_owned(), url.to_owned()), ("env:KEY".to_owned(), KEY.to_owned())]);
    let secrets: Arc<dyn Secrets> = Arc::new(MemorySecrets(secrets));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-11-20T12:00:00Z".parse().unwrap()));
    let reference = |name: &str| Some(SecretRef::Env(name.to_owned()));
    Webhook::new("webhook".to_owned(), reference("URL").unwrap(), reference("KEY"), secrets, clock).waiting(Duration::from_millis(400))
}

fn message() -> Message {
    let sentence = "newest backup is 26h old, policy allows 24h";
    let finding = Finding::new(FindingKind::BackupStale, Severity::Critical, sentence, "lastgood export orders-db");
    let since = Some("2026-11-20T10:00:00Z".parse().unwrap());
    let alert = Alert {
        what: What::New,
        finding: finding.about(&"orders-db".parse().unwrap()),
        since,
        respond_within: Some("15m".parse().unwrap()),
    };
    let sent_at = "2026-11-20T12:00:00Z".parse().unwrap();
    Message { function: "freshness-checker".to_owned(), vault: "file:///vault".to_owned(), sent_at, alerts: vec![alert], digest: None }
}

async fn deliver(url: &str) -> Result<(), Error> {
    let done = webhook(url).notify(&message()).await;
    if let Err(error) = &done {
        assert!(!error.full().contains("url-canary-5512") && !error.full().contains(KEY), "{}", error.full());
    }
    done
}

#[tokio::test]
async fn a_delivery_is_signed_json_that_the_receiver_can_check() {
    let (receiver, url) = Receiver::start(&[204], Duration::ZERO).await;
    deliver(&url).await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    let (headers, body) = &got[0];
    let signature = headers[SIGNATURE].to_str().unwrap();
    let (second, mac) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut expected = Hmac::<sha2::Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    expected.update(format!("{second}.").as_bytes());
    expected.update(body);
    assert_eq!(mac, hex::encode(expected.finalize().into_bytes()));
    assert_eq!(second, "1795176000");
    let message: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(message["version"], 1);
    assert_eq!((&message["source"], &message["function"]), (&"lastgood".into(), &"freshness-checker".into()));
    assert_eq!(message["findings"][0]["kind"], "backup-stale");
    let alert = &message["alerts"][0];
    assert_eq!((&alert["what"], &alert["since"], &alert["respond_within"]), (&"new".into(), &"2026-11-20T10:00:00Z".into(), &"15m".into()));
    assert_eq!((&message["vault"], &alert["finding"]["severity"]), (&"file:///vault".into(), &"critical".into()));
    assert_eq!(message["sent_at"], "2026-11-20T12:00:00Z");
    assert_eq!(headers["content-type"], "application/json");
}

#[tokio::test]
async fn r35_a_passing_fault_is_tried_again_with_the_same_delivery_id() {
    let (receiver, url) = Receiver::start(&[500, 429, 200], Duration::ZERO).await;
    deliver(&url).await.unwrap();
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|(headers, body)| headers["lastgood-delivery"] == got[0].0["lastgood-delivery"] && *body == got[0].1));
}

#[tokio::test]
async fn r35_a_receiver_that_stays_broken_is_an_error_after_three_attempts() {
    let (receiver, url) = Receiver::start(&[503], Duration::ZERO).await;
    let error = deliver(&url).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry);
    assert!(error.full().contains("503"), "{}", error.full());
    assert_eq!(receiver.got().len(), 3);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_refusal_is_not_repeated() {
    for status in [302, 400, 404] {
        let (receiver, url) = Receiver::start(&[status], Duration::ZERO).await;
        let error = deliver(&url).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Failed);
        assert!(error.full().contains(&status.to_string()));
        assert_eq!(receiver.got().len(), 1);
    }
}

#[tokio::test]
async fn a_slow_receiver_is_left_after_the_timeout() {
    let (_receiver, url) = Receiver::start(&[200], Duration::from_secs(30)).await;
    let error = deliver(&url).await.unwrap_err();
    assert!(error.full().contains("did not answer in time"), "{}", error.full());
}

#[tokio::test]
async fn r46_what_is_no_acceptable_url_is_refused_before_anything_is_sent() {
    for url in [
        "http://169.254.169.254/latest/meta-data?url-canary-5512",
        "https://169.254.169.254/url-canary-5512",
        "https://[::ffff:a9fe:a9fe]/url-canary-5512",
        "http://hooks.example.com/url-canary-5512",
        "file:///etc/passwd",
        "not a url",
    ] {
        assert_eq!(deliver(url).await.unwrap_err().kind(), Kind::Refused, "{url}");
    }
}
