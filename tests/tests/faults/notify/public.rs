//! Slack, `PagerDuty`, Pub/Sub and heartbeat services, as far as their public contracts go.

use super::*;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use base64::Engine;
use lastgood_core::{
    clock::since,
    config::Heartbeat,
    ports::{Notifier, Secret},
    providers::{
        gcp::{Access, Account, Google, Pubsub},
        notify::{Pagerduty, Slack, Vital, ping},
    },
};
use serde_json::{Value, json};
use std::{collections::VecDeque, sync::Mutex};

/// One request: method, path and body.
type Asked = (Method, String, HeaderMap, Value);

/// Says what is wrong with a request; none where it is as the contract asks.
type Contract = fn(&Asked) -> Option<(u16, String)>;

/// An answer that comes before the good ones: status, body, `Retry-After`.
type Trouble = (u16, &'static str, &'static str);

/// A service.
#[derive(Clone)]
struct Service {
    contract: Contract,
    good: (u16, &'static str),
    trouble: Arc<Mutex<VecDeque<Trouble>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    async fn start(contract: Contract, good: (u16, &'static str), trouble: &[Trouble]) -> (Self, String) {
        let service = Self { contract, good, trouble: Arc::new(Mutex::new(trouble.iter().copied().collect())), asked: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (service, url)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn bodies(&self) -> Vec<Value> {
        self.asked().into_iter().map(|(_, _, _, body)| body).collect()
    }
}

async fn answer(State(service): State<Service>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let asked = (method, uri.path().to_owned(), headers, serde_json::from_slice(&body).unwrap_or_default());
    let wrong = (service.contract)(&asked);
    service.asked.lock().unwrap().push(asked);
    if let Some((status, body, retry_after)) = service.trouble.lock().unwrap().pop_front() {
        let status = StatusCode::from_u16(status).unwrap();
        return (status, [("retry-after", retry_after)], body).into_response();
    }
    match wrong {
        Some((status, why)) => (StatusCode::from_u16(status).unwrap(), why).into_response(),
        None => (StatusCode::from_u16(service.good.0).unwrap(), [("metadata-flavor", "Google")], service.good.1).into_response(),
    }
}

/// docs.slack.dev: incoming webhooks, Block Kit.
fn slack(asked: &Asked) -> Option<(u16, String)> {
    let body = &asked.3;
    let refuse = |why: &str| Some((400, why.to_owned()));
    let text = body["text"].as_str().unwrap_or_default();
    let blocks = body["blocks"].as_array().cloned().unwrap_or_default();
    if text.is_empty() || text.chars().count() > 40_000 {
        return refuse("no_text");
    }
    if blocks.len() > 50 {
        return refuse("invalid_blocks");
    }
    for block in &blocks {
        let text = block["text"]["text"].as_str().unwrap_or_default();
        if block["type"] != "section" || block["text"]["type"] != "mrkdwn" || text.is_empty() || text.chars().count() > 3_000 {
            return refuse("invalid_blocks_format");
        }
    }
    None
}

/// developer.pagerduty.com: Events API v2, alert events.
fn pagerduty(asked: &Asked) -> Option<(u16, String)> {
    let body = &asked.3;
    let wrong =
        |why: &str| Some((400, json!({"status": "invalid event", "message": "Event object is invalid", "errors": [why]}).to_string()));
    if asked.1 != "/v2/enqueue" || body["routing_key"].as_str().map(str::len) != Some(32) {
        return wrong("'routing_key' is missing or is not 32 characters");
    }
    let dedup = body["dedup_key"].as_str().unwrap_or_default().len();
    if !(1..=255).contains(&dedup) {
        return wrong("'dedup_key' is too long");
    }
    match body["event_action"].as_str() {
        Some("resolve" | "acknowledge") => return None,
        Some("trigger") => {}
        _ => return wrong("'event_action' is invalid"),
    }
    let payload = &body["payload"];
    let summary = payload["summary"].as_str().unwrap_or_default().chars().count();
    if !(1..=1024).contains(&summary) {
        return wrong("'payload.summary' is missing or too long");
    }
    if !matches!(payload["severity"].as_str(), Some("critical" | "error" | "warning" | "info")) || payload["source"].as_str().is_none() {
        return wrong("'payload.severity' is invalid");
    }
    if body["links"]
        .as_array()
        .is_some_and(|links| links.iter().any(|link| !link["href"].as_str().unwrap_or_default().starts_with("https://")))
    {
        return wrong("'links' is invalid");
    }
    None
}

const ROUTING_KEY: &str = "canary0123456789canary0123456789";

fn pager(url: &str) -> Pagerduty {
    let secrets = secrets(&[("KEY", ROUTING_KEY), ("URL", &format!("{url}/v2/enqueue"))]);
    Pagerduty::new("pager".to_owned(), env("KEY"), Some(env("URL")), secrets, clock().1)
}

#[tokio::test]
async fn pagerduty_opens_one_incident_and_resolves_it_by_itself() {
    let (service, url) = Service::start(pagerduty, (202, r#"{"status":"success"}"#), &[]).await;
    let pager = pager(&url);
    let (new, over) = (What::New, What::Over { lasted_seconds: Some(7_200) });
    pager.notify(&message(vec![alert(new, Severity::Critical, "newest backup is 26h old, policy allows 24h")])).await.unwrap();
    pager.notify(&message(vec![alert(What::Still, Severity::Critical, "newest backup is 30h old, policy allows 24h")])).await.unwrap();
    pager.notify(&message(vec![alert(over, Severity::Note, "backup-stale is over after 2h")])).await.unwrap();
    let got = service.bodies();
    assert_eq!(got.iter().map(|body| body["event_action"].as_str().unwrap()).collect::<Vec<_>>(), ["trigger", "trigger", "resolve"]);
    assert!(got.iter().all(|body| body["dedup_key"] == got[0]["dedup_key"]), "one incident, however often it is told");
    assert!(got[0]["dedup_key"].as_str().unwrap().ends_with("/orders-db/backup-stale"));
    let payload = &got[0]["payload"];
    assert_eq!(payload["summary"], "orders-db: newest backup is 26h old, policy allows 24h (respond within 15m)");
    assert_eq!(
        (&payload["severity"], &payload["component"], &payload["class"]),
        (&"critical".into(), &"orders-db".into(), &"backup-stale".into())
    );
    assert_eq!((&payload["timestamp"], &payload["source"]), (&"2026-11-20T10:00:00Z".into(), &"s3://acme/lastgood".into()));
    assert_eq!(payload["custom_details"]["next"], "lastgood export orders-db");
    assert_eq!(payload["custom_details"]["respond_within"], "15m");
    assert_eq!(got[0]["links"][0]["href"], "https://example.com/runbook#backup-stale");
    // Another vault is another incident.
    pager.notify(&Message { vault: "s3://other".to_owned(), ..message(vec![alert(new, Severity::Warning, "x")]) }).await.unwrap();
    assert_ne!(service.bodies()[3]["dedup_key"], got[0]["dedup_key"]);
}

#[tokio::test]
async fn pagerduty_gets_no_more_than_it_takes_and_is_tried_again_when_it_is_busy() {
    let (service, url) = Service::start(pagerduty, (202, "{}"), &[(429, "", "2"), (500, "", "")]).await;
    let (time, shared) = clock();
    let secrets = secrets(&[("KEY", ROUTING_KEY), ("URL", &format!("{url}/v2/enqueue"))]);
    let pager = Pagerduty::new("pager".to_owned(), env("KEY"), Some(env("URL")), secrets, shared);
    let begun = time.now();
    pager.notify(&message(vec![alert(What::New, Severity::Critical, &"büro & <long> ".repeat(400))])).await.unwrap();
    assert_eq!(service.bodies().len(), 3);
    assert!(since(time.now(), begun).as_secs() >= 2, "it waits as long as it is asked to");
    assert_eq!(service.bodies()[2]["payload"]["summary"].as_str().unwrap().chars().count(), 1_024);
}

#[tokio::test]
async fn r35_what_pagerduty_does_not_take_is_an_error_that_names_no_key() {
    let (_, url) = Service::start(pagerduty, (202, "{}"), &[]).await;
    let short = Pagerduty::new(
        "pager".to_owned(),
        env("KEY"),
        Some(env("URL")),
        secrets(&[("KEY", "canary"), ("URL", &format!("{url}/v2/enqueue"))]),
        clock().1,
    );
    let (kind, said) = refused(short.notify(&message(vec![alert(What::New, Severity::Critical, "x")])).await);
    assert!(kind == Kind::Failed && said.contains("400") && said.contains("integration"), "{said}");
    // A 200 is not what the service says when it took an event.
    let (_, url) = Service::start(|_| None, (200, "{}"), &[]).await;
    assert_eq!(refused(pager(&url).notify(&message(vec![alert(What::New, Severity::Critical, "x")])).await).0, Kind::Failed);
    let (service, url) = Service::start(pagerduty, (202, "{}"), &[(429, "", "3600")]).await;
    assert_eq!(refused(pager(&url).notify(&message(vec![alert(What::New, Severity::Critical, "x")])).await).0, Kind::Retry);
    assert_eq!(service.bodies().len(), 1, "an hour is for the next check");
}

fn reader(url: &str) -> Slack {
    let secrets = secrets(&[("URL", &format!("{url}/services/T00/B00/canaryXXXX"))]);
    Slack::new("readers".to_owned(), env("URL"), secrets, clock().1)
}

#[tokio::test]
async fn slack_shows_what_how_soon_and_what_to_type_with_its_three_characters_escaped() {
    let (service, url) = Service::start(slack, (200, "ok"), &[]).await;
    reader(&url).notify(&message(vec![alert(What::New, Severity::Critical, "<!channel> rows < 5 & falling")])).await.unwrap();
    let body = &service.bodies()[0];
    assert_eq!(body["text"], "critical: orders-db: &lt;!channel&gt; rows &lt; 5 &amp; falling");
    let block = body["blocks"][0]["text"]["text"].as_str().unwrap();
    for word in [
        "&lt;!channel&gt;",
        "since 2026-11-20 10:00 UTC, respond within 15m",
        "next: `lastgood export orders-db`",
        "<https://example.com/runbook#backup-stale|what it means>",
    ] {
        assert!(block.contains(word), "{word:?} is not in {block}");
    }
    assert!(!block.contains("<!channel>"));
}

#[tokio::test]
async fn slack_gets_no_more_than_it_takes_and_hears_how_much_more_there_is() {
    let (service, url) = Service::start(slack, (200, "ok"), &[]).await;
    reader(&url).notify(&message(vec![alert(What::New, Severity::Warning, &"<&> ".repeat(2_000)); 300])).await.unwrap();
    assert!(service.bodies()[0]["blocks"].to_string().contains("and 255 more"));
    reader(&url).notify(&digest(100)).await.unwrap();
    assert!(service.bodies()[1]["text"].as_str().unwrap().contains("all 3 assets are as their policy asks"));
}

#[tokio::test]
async fn r35_what_slack_says_is_told_with_what_to_do_and_no_url() {
    for (status, word, hint) in [(404, "no_service", "new incoming webhook"), (410, "channel_is_archived", "a channel that exists")] {
        let (service, url) = Service::start(slack, (200, "ok"), &[(status, word, "")]).await;
        let (kind, said) = refused(reader(&url).notify(&message(vec![alert(What::New, Severity::Warning, "x")])).await);
        assert!(kind == Kind::Failed && said.contains(word) && said.contains(hint), "{said}");
        assert_eq!(service.bodies().len(), 1);
    }
    let (service, url) = Service::start(slack, (200, "ok"), &[(429, "", "1"), (503, "", "")]).await;
    reader(&url).notify(&message(vec![alert(What::New, Severity::Warning, "x")])).await.unwrap();
    assert_eq!(service.bodies().len(), 3);
    let (service, url) = Service::start(slack, (200, "ok"), &[(302, "", "")]).await;
    let (_, said) = refused(reader(&url).notify(&message(vec![alert(What::New, Severity::Warning, "x")])).await);
    assert!(said.contains("redirects are not followed") && service.bodies().len() == 1, "{said}");
}

fn topic(name: &str, url: &str) -> Pubsub {
    let file = json!({
        "type": "authorized_user", "client_id": "tests", "client_secret": "tests-secret", "refresh_token": "tests-refresh",
        "token_uri": format!("{url}/token"),
    });
    let account = Account::File(Secret::new(file.to_string()));
    let google = Google::new(Access { endpoint: Some(url.to_owned()), account });
    Pubsub::new("topic".to_owned(), name.parse().unwrap(), Arc::new(google))
}

/// cloud.google.com/pubsub/docs/reference/rest: a message has data, the caller a token.
fn publishing(asked: &Asked) -> Option<(u16, String)> {
    let refuse = |code: u16, status: &str| Some((code, json!({"error": {"code": code, "status": status, "message": "no"}}).to_string()));
    let bearer = asked.2.get("authorization").is_some_and(|value| value == "Bearer ya29.canary");
    let messages = asked.3["messages"].as_array().cloned().unwrap_or_default();
    match asked.1.as_str() {
        "/token" => None,
        _ if !bearer => refuse(401, "UNAUTHENTICATED"),
        "/v1/projects/acme/topics/alerts:publish" if messages.len() == 1 && messages[0]["data"].is_string() => None,
        "/v1/projects/acme/topics/alerts:publish" => refuse(400, "INVALID_ARGUMENT"),
        "/v1/projects/acme/topics/closed:publish" => refuse(403, "PERMISSION_DENIED"),
        _ => refuse(404, "NOT_FOUND"),
    }
}

/// One answer for both: the token's and the topic's fields do not meet.
const TAKEN: (u16, &str) = (200, r#"{"messageIds":["7"],"access_token":"ya29.canary","expires_in":3599,"token_type":"Bearer"}"#);

#[tokio::test]
async fn pubsub_is_published_what_webhooks_get_as_the_account_that_this_runs_with() {
    let (service, url) = Service::start(publishing, TAKEN, &[]).await;
    let told = message(vec![alert(What::New, Severity::Critical, "x")]);
    topic("projects/acme/topics/alerts", &url).notify(&told).await.unwrap();
    let sent = &service.bodies()[1]["messages"][0];
    assert_eq!(sent["attributes"], json!({"severity": "critical", "function": "freshness-checker", "asset": "orders-db"}));
    let data = base64::engine::general_purpose::STANDARD.decode(sent["data"].as_str().unwrap()).unwrap();
    let data: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!((&data["version"], &data["alerts"][0]["what"]), (&1.into(), &"new".into()));

    let (kind, said) = refused(topic("projects/acme/topics/gone", &url).notify(&told).await);
    assert!(kind == Kind::Failed && said.contains("create the topic"), "{said}");
    let (kind, said) = refused(topic("projects/acme/topics/closed", &url).notify(&told).await);
    assert!(kind == Kind::Denied && said.contains("pubsub.topics.publish"), "{said}");
}

#[tokio::test]
async fn r35_what_pubsub_does_not_take_is_an_error() {
    let told = message(vec![alert(What::New, Severity::Critical, "x")]);
    // A success without an id is none.
    let good = (200, r#"{"access_token":"ya29.canary","expires_in":3599,"token_type":"Bearer"}"#);
    let (_, url) = Service::start(publishing, good, &[]).await;
    let (kind, said) = refused(topic("projects/acme/topics/alerts", &url).notify(&told).await);
    assert!(kind == Kind::Failed && said.contains("no id"), "{said}");
    // Nobody to publish as.
    let (service, url) = Service::start(|_| Some((400, r#"{"error":"invalid_grant"}"#.to_owned())), TAKEN, &[]).await;
    let nobody = topic("projects/acme/topics/alerts", &url).notify(&told).await.unwrap_err();
    assert!(nobody.kind() == Kind::Denied && !nobody.full().contains("tests-refresh"), "{}", nobody.full());
    assert!(service.asked().iter().all(|asked| asked.1 == "/token"), "nothing was published by nobody");
    // Busy for a moment is asked again.
    let (service, url) = Service::start(publishing, TAKEN, &[]).await;
    let pubsub = topic("projects/acme/topics/alerts", &url);
    pubsub.notify(&told).await.unwrap();
    service.trouble.lock().unwrap().push_back((503, r#"{"error":{"code":503,"status":"UNAVAILABLE"}}"#, ""));
    pubsub.notify(&told).await.unwrap();
    assert_eq!(service.asked().iter().filter(|asked| asked.1.ends_with(":publish")).count(), 3);
}

#[tokio::test]
async fn a_heartbeat_asks_for_its_url_and_for_fail_only_where_that_is_wanted() {
    let (service, url) = Service::start(|_| None, (200, "OK"), &[]).await;
    let (secrets, clock) = (secrets(&[("URL", &format!("{url}/ping/canary-uuid"))]), clock().1);
    for (fail, vital) in [(false, Vital::Alive), (false, Vital::Critical), (true, Vital::Alive), (true, Vital::Critical)] {
        ping(&Heartbeat { url: env("URL"), fail }, vital, &*secrets, clock.clone()).await.unwrap();
    }
    let paths: Vec<_> = service.asked().into_iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    let plain = "GET /ping/canary-uuid";
    assert_eq!(paths, [plain, plain, plain, "GET /ping/canary-uuid/fail"]);
    let (_, url) = Service::start(|_| Some((404, "not found".to_owned())), (200, "OK"), &[]).await;
    let secrets = super::secrets(&[("URL", &format!("{url}/ping/canary-uuid"))]);
    let (_, said) = refused(ping(&Heartbeat { url: env("URL"), fail: false }, Vital::Alive, &*secrets, clock).await);
    assert!(said.contains("404"), "{said}");
}

#[tokio::test]
async fn r46_no_channel_goes_where_credentials_are_handed_out() {
    for url in ["https://169.254.169.254/canary", "http://hooks.slack.com/canary", "https://user:canary@example.com/"] {
        let secrets = secrets(&[("URL", url), ("KEY", ROUTING_KEY)]);
        let told = message(vec![alert(What::New, Severity::Critical, "x")]);
        let slack = Slack::new("readers".to_owned(), env("URL"), secrets.clone(), clock().1);
        assert_eq!(refused(slack.notify(&told).await).0, Kind::Refused, "{url}");
        let pager = Pagerduty::new("pager".to_owned(), env("KEY"), Some(env("URL")), secrets.clone(), clock().1);
        assert_eq!(refused(pager.notify(&told).await).0, Kind::Refused, "{url}");
        let pinged = ping(&Heartbeat { url: env("URL"), fail: false }, Vital::Alive, &*secrets, clock().1).await;
        assert_eq!(refused(pinged).0, Kind::Refused, "{url}");
    }
}
