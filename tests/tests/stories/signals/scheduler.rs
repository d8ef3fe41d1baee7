//! The schedules themselves, as EventBridge Scheduler shows them.

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use lastgood_core::{
    domain::freshness::ScheduleSeen,
    error::Kind,
    ports::{Schedules, Secret},
    providers::aws::{Access, Scheduler},
};
use lastgood_tests::moto::Moto;
use serde_json::json;
use std::net::SocketAddr;

fn keeper(address: SocketAddr) -> Scheduler {
    let access = Access { endpoint: Some(format!("http://{address}")), credentials: Some(("AKIA".to_owned(), Secret::new("secret"))) };
    Scheduler::in_region("lastgood".to_owned(), access, "eu-west-1")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_on_off_or_not_there() {
    let Some(moto) = Moto::start("a_schedule_is_on_off_or_not_there").await else { return };
    lastgood_core::providers::tls::settle();
    let (base, http) = (format!("http://{}", moto.address()), reqwest::Client::new());
    let signed = |request: reqwest::RequestBuilder| {
        request.header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIA/20261120/eu-west-1/scheduler/aws4_request, SignedHeaders=host, Signature=0",
        )
    };
    let made = signed(http.post(format!("{base}/schedule-groups/lastgood"))).json(&json!({ "ClientToken": "x" })).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    let schedule = |state: &str| {
        json!({ "GroupName": "lastgood", "FlexibleTimeWindow": { "Mode": "OFF" }, "ScheduleExpression": "cron(0/15 * * * ? *)", "State": state,
                "Target": { "Arn": "arn:aws:lambda:eu-west-1:123456789012:function:x", "RoleArn": "arn:aws:iam::123456789012:role/x" } })
    };
    for (name, state) in [("snapshot-trigger", "ENABLED"), ("export.orders-db", "DISABLED")] {
        let made = signed(http.post(format!("{base}/schedules/{name}"))).json(&schedule(state)).send().await.unwrap();
        assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    }
    let keeper = keeper(moto.address());
    assert_eq!(keeper.schedule("snapshot-trigger").await.unwrap(), ScheduleSeen::On);
    assert_eq!(keeper.schedule("export.orders-db").await.unwrap(), ScheduleSeen::Off);
    assert_eq!(keeper.schedule("restore-drill").await.unwrap(), ScheduleSeen::Absent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_to_look_at_schedules_that_is_missing_is_named() {
    let answer = |Path(name): Path<String>| async move {
        match name.as_str() {
            "denied" => {
                (StatusCode::FORBIDDEN, [("x-amzn-errortype", "AccessDeniedException")], json!({ "Message": "not authorized" }).to_string())
            }
            _ => (StatusCode::OK, [("x-amzn-errortype", "")], json!({ "State": "PAUSED" }).to_string()),
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/schedules/{name}", get(answer))).await });
    let error = keeper(address).schedule("denied").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
    assert!(
        error.full().contains("scheduler:GetSchedule on lastgood/denied") && error.advice().unwrap().contains("scheduler:GetSchedule"),
        "{}",
        error.full()
    );
    let error = keeper(address).schedule("odd").await.unwrap_err();
    assert!(error.full().contains("PAUSED"), "a state that nobody knows is never taken for on: {}", error.full());
}
