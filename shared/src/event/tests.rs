//! Envelopes that are understood, and events that are refused.

use super::*;
use crate::id::AssetName;
use serde_json::json;

/// What a function asks for.
#[derive(Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    asset: Option<AssetName>,
}

fn asset(event: &Value) -> Result<Option<String>> {
    let request: Request = Event::parse(event.to_string().as_bytes())?.request()?;
    Ok(request.asset.map(String::from))
}

#[test]
fn nothing_means_whatever_is_due() {
    for text in ["", " \n", "{}"] {
        assert_eq!(Event::parse(text.as_bytes()).unwrap(), Event::wake(Envelope::Plain), "{text:?}");
    }
}

#[test]
fn a_request_is_found_in_every_envelope() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let request = json!({"asset": "orders-db"});
    let message = json!({"data": STANDARD.encode(request.to_string()), "messageId": "1", "publishTime": "2026-11-20T02:00:01Z"});
    for event in [
        request.clone(),
        json!({"detail-type": "Backup", "source": "acme.ops", "detail": request}),
        json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": request.to_string()}}]}),
        json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": request.to_string()}),
        json!({"message": message, "subscription": "projects/acme/subscriptions/x"}),
        json!({"specversion": "1.0", "type": "com.acme.backup", "source": "x", "id": "1", "data": request}),
        json!({"specversion": "1.0", "type": "com.acme.backup", "source": "x", "id": "1", "data_base64": STANDARD.encode(request.to_string())}),
        json!({"specversion": "1.0", "type": "google.cloud.pubsub.topic.v1.messagePublished", "source": "x", "id": "1",
               "data": {"message": message, "subscription": "projects/acme/subscriptions/x"}}),
    ] {
        assert_eq!(asset(&event).unwrap().as_deref(), Some("orders-db"), "{event}");
    }
}

#[test]
fn what_a_provider_defines_only_wakes() {
    for event in [
        json!({"detail-type": "RDS DB Snapshot Event", "source": "aws.rds", "detail": {"SourceArn": "arn:aws:rds:x", "asset": "other"}}),
        json!({"detail-type": "Scheduled Event", "source": "aws.scheduler", "detail": "{}"}),
        json!({"specversion": "1.0", "type": "google.cloud.storage.object.v1.finalized", "data": {"bucket": "b"}}),
        json!({"Type": "Notification", "TopicArn": "t", "Message": "{\"AlarmName\":\"a\",\"NewStateValue\":\"ALARM\",\"AlarmActions\":[]}"}),
        json!({"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {"key": "../../x; rm -rf /"}}}]}),
    ] {
        assert_eq!(asset(&event).unwrap(), None, "{event}");
    }
}

#[test]
fn schedules_are_told_from_other_events() {
    let event = |value: Value| Event::parse(value.to_string().as_bytes()).unwrap();
    assert!(event(json!({"detail-type": "Scheduled Event", "source": "aws.events", "time": "2026-11-20T02:00:00Z"})).scheduled);
    assert!(event(json!({"asset": "x", "scheduled_at": "2026-11-20T02:00:00Z"})).scheduled);
    assert!(event(json!({"scheduled": true})).scheduled);
    assert!(!event(json!({"asset": "x"})).scheduled);
    let wrapped = wrap(SCHEDULE, Some("2026-11-20T02:00:00Z"), b"{\"asset\": \"x\"}").unwrap();
    let event = Event::parse(&wrapped).unwrap();
    assert!(event.scheduled && event.at.is_some());
    assert_eq!(event.request::<Request>().unwrap().asset.unwrap().as_str(), "x");
}

#[test]
fn the_origin_is_kept_for_whoever_checks_it() {
    let event = json!({"detail-type": "Scheduled Event", "source": "aws.events", "account": "123456789012", "region": "eu-west-1"});
    let event = Event::parse(event.to_string().as_bytes()).unwrap();
    assert_eq!((event.account.as_deref(), event.region.as_deref()), (Some("123456789012"), Some("eu-west-1")));
    let sns = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "Message": "{}"});
    let event = Event::parse(sns.to_string().as_bytes()).unwrap();
    assert_eq!((event.account.as_deref(), event.region.as_deref()), (Some("123456789012"), Some("eu-west-1")));
}

#[test]
fn r46_what_instructs_is_refused() {
    for event in [
        json!({"url": "http://169.254.169.254/latest/meta-data"}),
        json!({"asset": "http://169.254.169.254/"}),
        json!({"asset": "orders-db", "bucket": "evil"}),
        json!({"asset": "orders; rm -rf /"}),
        json!({"asset": "-h evil"}),
        json!({"asset": "../../etc/passwd"}),
        json!({"asset": ["orders-db"]}),
        json!({"asset": "arn:aws:rds:eu-west-1:1:db:x"}),
        json!({"detail-type": "x", "source": "acme", "detail": {"command": "sh"}}),
        json!({"detail-type": "x", "source": "acme", "detail": ["x"]}),
        json!({"Type": "SubscriptionConfirmation", "TopicArn": "t", "Message": "", "SubscribeURL": "http://169.254.169.254/"}),
        json!({"Type": "Notification", "TopicArn": "t", "Message": "please rm -rf /"}),
        json!({"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}),
        json!({"Records": []}),
        json!({"message": {"data": "%%%"}, "subscription": "s"}),
        json!({"scheduled_at": "2026-11-20T02:00:00"}),
        json!({"specversion": "9", "type": "x"}),
        json!([]),
        json!("orders-db"),
        json!(null),
    ] {
        let error = asset(&event).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Invalid, "{event}");
        assert!(error.full().len() < 500 && error.advice().is_some(), "{event}");
    }
}

#[test]
fn r46_size_depth_and_envelopes_are_bounded() {
    let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    let large = format!("{{\"asset\": \"{}\"}}", "x".repeat(10 << 20));
    let long = format!("{{\"{}\": 1}}", "x".repeat(LIMIT - 100));
    let mut nested = "{}".to_owned();
    for _ in 0..6 {
        nested = json!({"Type": "Notification", "TopicArn": "t", "Message": nested}).to_string();
    }
    let begun = std::time::Instant::now();
    for text in [deep, large, long, nested] {
        let read = Event::parse(text.as_bytes()).and_then(|event| event.request::<Request>());
        assert!(read.unwrap_err().full().len() < 500);
    }
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_old_event_is_dropped_and_one_from_the_future_refused() {
    let event = |at: &str| Event::parse(json!({"scheduled_at": at}).to_string().as_bytes()).unwrap();
    let now = "2026-11-20T02:00:00Z".parse().unwrap();
    assert_eq!(event("2026-11-19T03:00:00Z").stale(now).unwrap(), None);
    assert!(event("2026-11-19T01:00:00Z").stale(now).unwrap().unwrap().contains("1d 1h"));
    assert_eq!(event("2026-11-20T02:30:00Z").stale(now).unwrap(), None);
    assert!(event("2026-11-21T02:00:00Z").stale(now).is_err());
}
