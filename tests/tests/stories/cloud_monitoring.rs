//! What Google's Cloud Monitoring is given, at a double that is as strict as its reference says.

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{drill::Verdict, finding::FindingKind},
    env::Env,
    function::Function,
    providers::gcp::{Access, Account, CloudMonitoring, Google},
    testing::World,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

/// Cloud Monitoring: what it took, and how often it is still busy or refuses.
#[derive(Default)]
struct Double {
    taken: Vec<Value>,
    busy: usize,
    denied: bool,
}

type Shared = Arc<Mutex<Double>>;

async fn create(State(double): State<Shared>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut double = double.lock().unwrap();
    let error = |status: StatusCode, reason: &str| {
        (status, Json(json!({ "error": { "code": status.as_u16(), "message": reason, "status": reason } })))
    };
    if double.denied {
        return error(StatusCode::FORBIDDEN, "PERMISSION_DENIED");
    }
    if double.busy > 0 {
        double.busy -= 1;
        return error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE");
    }
    let series = body["timeSeries"].as_array().cloned().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let whole = series.iter().all(|one| {
        let point = &one["points"][0];
        let once = seen.insert(format!("{}{}", one["metric"], one["resource"]));
        let end = point["interval"]["endTime"].as_str().is_some_and(|time| time.ends_with('Z'));
        once && end
            && point["value"]["doubleValue"].is_number()
            && one["metricKind"] == "GAUGE"
            && one["points"].as_array().unwrap().len() == 1
    });
    if series.is_empty() || series.len() > 200 || !whole {
        return error(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT");
    }
    double.taken.extend(series);
    (StatusCode::OK, Json(json!({})))
}

async fn double() -> (Shared, String) {
    let shared = Shared::default();
    let app = Router::new().route("/v3/projects/acme-prod/timeSeries", post(create)).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (shared, address)
}

fn world(assets: usize) -> World {
    let asset = |number| format!("  db-{number:03}: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 2 * * *\" }} }}\n");
    let config = format!("vault: file:///v\nassets:\n{}", (0..assets).map(asset).collect::<String>());
    World::new("2026-11-20T12:00:00Z", &config).unwrap()
}

fn watched(world: &World, endpoint: String) -> Env {
    lastgood_core::providers::tls::settle();
    let google = Google::new(Access { endpoint: Some(endpoint), account: Account::Nobody });
    let monitor = CloudMonitoring::new("acme-prod".parse().unwrap(), Arc::new(google));
    Env { monitors: vec![Arc::new(monitor)], ..world.env() }
}

#[tokio::test]
async fn cloud_monitoring_gets_what_is_known_of_each_asset_in_requests_that_it_takes() {
    let (double, endpoint) = double().await;
    let world = world(60);
    let first = world.asset("db-000");
    let backup = first.backed_up("10h ago").unwrap();
    first.drilled(backup, "3h ago", Verdict::Proven, 41.0).unwrap();
    double.lock().unwrap().busy = 2;
    FreshnessChecker::default().run(&watched(&world, endpoint)).await.unwrap();
    let taken = std::mem::take(&mut double.lock().unwrap().taken);
    let of = |asset: &str, metric: &str| {
        let named = |one: &&Value| {
            one["metric"] == json!({ "type": format!("custom.googleapis.com/lastgood/{metric}"), "labels": { "asset": asset } })
        };
        taken.iter().find(named).map(|one| one["points"][0]["value"]["doubleValue"].as_f64().unwrap())
    };
    assert_eq!(of("db-000", "backup_age_seconds"), Some(36_000.0));
    assert_eq!(of("db-000", "restore_seconds"), Some(41.0));
    assert_eq!(of("db-001", "backup_age_seconds"), None, "never is not 0");
    assert_eq!(of("db-059", "backups"), Some(0.0));
    assert!(taken.len() > 200, "{} points in requests of 200", taken.len());
}

#[tokio::test]
async fn a_right_that_cloud_monitoring_misses_is_named() {
    let (double, endpoint) = double().await;
    double.lock().unwrap().denied = true;
    let status = FreshnessChecker::default().run(&watched(&world(1), endpoint)).await.unwrap();
    let told = status.findings.iter().find(|finding| finding.kind == FindingKind::NotDelivered).expect("it is told");
    assert!(told.sentence.contains("monitoring.timeSeries.create on project acme-prod"), "{told:?}");
}
