//! Calls against a service that answers what it was told to: how they are signed, and when they are sent again.

use super::*;
use crate::{
    error::Kind,
    ports::Secret,
    providers::aws::{
        Access, Aws,
        error::{Asked, code},
    },
};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

type Asks = Arc<Mutex<(VecDeque<(u16, String)>, Vec<String>)>>;

/// Starts a service that gives these answers in turn. What it was asked is kept.
async fn service(answers: &[(u16, &str)]) -> (SdkConfig, Asks) {
    let asks: Asks = Arc::default();
    asks.lock().unwrap().0 = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Some(format!("http://{}", listener.local_addr().unwrap()));
    let router = Router::new().fallback(answer).with_state(asks.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let credentials = Some(("AKIDTEST".to_owned(), Secret::new("a-secret-for-tests-only")));
    let config = Aws::new(Access { endpoint, credentials }).in_region("eu-west-1", Duration::from_secs(5)).await;
    (config, asks)
}

async fn answer(State(asks): State<Asks>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let mut asks = asks.lock().unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
    let scope = header("authorization").split("Credential=").nth(1).unwrap().split(',').next().unwrap();
    let scope = scope.split('/').skip(2).collect::<Vec<_>>().join("/");
    asks.1.push(format!("{method} {uri} {} {scope} {}", header("x-amz-target"), String::from_utf8_lossy(&body)));
    let (status, body) = asks.0.pop_front().unwrap_or((200, String::new()));
    (StatusCode::from_u16(status).unwrap(), body)
}

const BUSY: (u16, &str) =
    (503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>slow down</Message></Error></Errors></Response>");

#[tokio::test]
async fn every_protocol_is_signed_for_its_service_and_region() {
    let (config, asks) = service(&[(200, "<x/>"), (200, "{}"), (200, "")]).await;
    Call::new(&config, Service::Ec2).query("DescribeVolumes", &[("VolumeId.1", "vol-0 +&".to_owned())]).await.unwrap();
    Call::new(&config, Service::EventBridge).json("AWSEvents.PutEvents", &serde_json::json!({ "Entries": [] })).await.unwrap();
    Call::new(&config, Service::Ebs).rest("GET", &format!("/snapshots/{}/blocks", escaped("snap-0/1")), None).await.unwrap();
    assert_eq!(
        asks.lock().unwrap().1,
        [
            "POST /  eu-west-1/ec2/aws4_request Action=DescribeVolumes&Version=2016-11-15&VolumeId.1=vol-0%20%2B%26",
            "POST / AWSEvents.PutEvents eu-west-1/events/aws4_request {\"Entries\":[]}",
            "GET /snapshots/snap-0%2F1/blocks  eu-west-1/ebs/aws4_request ",
        ]
    );
}

#[tokio::test]
async fn a_busy_service_is_asked_again() {
    let (config, asks) = service(&[BUSY, BUSY, (200, "<ok/>")]).await;
    assert_eq!(Call::new(&config, Service::Ec2).query("DescribeSnapshots", &[]).await.unwrap(), b"<ok/>");
    assert_eq!(asks.lock().unwrap().1.len(), 3);
}

#[tokio::test]
async fn what_would_be_begun_twice_is_asked_once() {
    let (config, asks) = service(&[BUSY]).await;
    let error = Call::once(&config, Service::Ec2).query("CreateSnapshot", &[]).await.unwrap_err();
    assert_eq!(code(&error), "RequestLimitExceeded");
    assert_eq!(asks.lock().unwrap().1.len(), 1);
    let error = Asked { action: "ec2:CreateSnapshot", of: "vol-0" }.refused_by(|_| None, &error);
    assert_eq!(error.kind(), Kind::Retry);
}

#[tokio::test]
async fn r41_a_refusal_names_the_right_that_is_missing() {
    let denied =
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You are not authorized</Message></Error></Errors></Response>";
    let (config, asks) = service(&[(403, denied)]).await;
    let error = Call::new(&config, Service::Ec2).query("DescribeVolumes", &[]).await.unwrap_err();
    let error = Asked { action: "ec2:DescribeVolumes", of: "vol-0" }.refused_by(|_| None, &error);
    assert_eq!((error.kind(), asks.lock().unwrap().1.len()), (Kind::Denied, 1));
    assert_eq!(error.advice(), Some("allow ec2:DescribeVolumes to the role that this runs with"));
}

#[tokio::test]
async fn silence_is_an_error_and_never_an_answer() {
    let (config, _) = service(&[]).await;
    let nobody = config.to_builder().endpoint_url("http://127.0.0.1:1").build();
    let error = Call::once(&nobody, Service::Ebs).rest("GET", "/snapshots/snap-0/blocks", None).await.unwrap_err();
    assert_eq!(Asked { action: "ebs:ListSnapshotBlocks", of: "snap-0" }.refused_by(|_| None, &error).kind(), Kind::Retry);
}
