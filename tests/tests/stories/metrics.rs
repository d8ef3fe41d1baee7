//! Measures: what each report knows in numbers, and that they reach CloudWatch's logs and nobody's stdout.

use crate::hosts::Home;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{
        drill::Verdict,
        measure::{Gauge, Measures},
    },
    function::{Findings, Function},
    testing::World,
};
use lastgood_tests::runtime_api::Answer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CONFIG: &str = r#"
vault: file:///var/backups/lastgood
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: "file:///mnt/west" }, { vault: "file:///mnt/east" } ]
    drill: { schedule: "0 6 * * 0" }
  new-db: { kind: postgres, url: "env:DATABASE_URL", export: { schedule: "0 2 * * *" } }
"#;

async fn measured(world: &World) -> BTreeMap<String, Measures> {
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    status.measures().into_iter().map(|measures| (measures.asset.to_string(), measures)).collect()
}

fn number(measures: &Measures, gauge: Gauge) -> Option<f64> {
    measures.known.get(&gauge).and_then(serde_json::Number::as_f64)
}

#[tokio::test]
async fn a_check_measures_what_it_sees_and_nothing_else() {
    let world = World::new("2026-11-20T12:00:00Z", CONFIG).unwrap();
    let orders = world.asset("orders-db");
    let backup = orders.backed_up("10h ago").unwrap();
    orders.copied(backup, "file:///mnt/west").unwrap();
    orders.drilled(backup, "3h ago", Verdict::Proven, 41.5).unwrap();
    let measured = measured(&world).await;
    let orders = &measured["orders-db"];
    assert_eq!(number(orders, Gauge::BackupAge), Some(36_000.0));
    assert_eq!(number(orders, Gauge::RecoveryPointObjective), Some(86_400.0));
    assert_eq!(number(orders, Gauge::BackupLastSuccess), Some(1_795_140_000.0));
    assert_eq!(number(orders, Gauge::CopiesMissing), Some(1.0));
    assert_eq!(number(orders, Gauge::DrillAge), Some(10_800.0));
    assert_eq!(number(orders, Gauge::Restore), Some(41.0));
    assert_eq!(number(orders, Gauge::Backups), Some(1.0));
    assert_eq!(number(orders, Gauge::CriticalFindings), Some(1.0), "a copy is missing for longer than the policy allows");
    let new = &measured["new-db"];
    for unknown in [Gauge::BackupAge, Gauge::BackupLastSuccess, Gauge::CopiesMissing, Gauge::DrillAge, Gauge::Restore] {
        assert_eq!(number(new, unknown), None, "{unknown:?} of what was never backed up is not 0");
    }
    assert_eq!(number(new, Gauge::Backups), Some(0.0), "that there is none is known");
}

/// The lines of CloudWatch's format among what a process said.
fn lines(said: &str) -> Vec<Value> {
    said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter(|line| line.get("_aws").is_some()).collect()
}

fn assert_valid(line: &Value) {
    assert!(line["_aws"]["Timestamp"].as_i64().unwrap() > 1_700_000_000_000, "milliseconds");
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], "Lastgood");
        for set in directive["Dimensions"].as_array().unwrap() {
            assert!(set.as_array().unwrap().len() <= 30);
            assert!(set.as_array().unwrap().iter().all(|name| line[name.as_str().unwrap()].is_string()), "{line}");
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        assert!(metrics.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_number() && metric["Unit"].is_string()), "{line}");
    }
}

#[tokio::test]
async fn in_lambda_a_report_is_followed_by_a_line_for_each_asset_and_a_dropped_event_by_none() {
    let home = Home::of("freshness-checker");
    let lambda = home.function.lambda().await;
    let Answer::Returned(_) = lambda.invoke(&json!({})).await else { panic!("{}", lambda.process.logs()) };
    let told = lines(&lambda.process.logs());
    assert_eq!(told.len(), 1, "{}", lambda.process.logs());
    told.iter().for_each(assert_valid);
    assert_eq!((&told[0]["Asset"], &told[0]["Function"]), (&json!("orders-db"), &json!("freshness-checker")));
    assert_eq!(told[0]["CriticalFindings"], json!(1));
    assert!(told[0].get("BackupAgeSeconds").is_none(), "there is no backup, so there is no age");
    lambda.invoke(&json!({"source": "lastgood", "detail-type": "Lastgood Backup State Change", "detail": {"asset": "nobody"}})).await;
    assert_eq!(lines(&lambda.process.logs()).len(), 1, "{}", lambda.process.logs());
}

#[tokio::test]
async fn on_a_command_line_stdout_stays_for_results() {
    let home = Home::of("freshness-checker");
    let plain = home.function.run(&["--json"]).await;
    assert!(lines(&plain.stdout).is_empty() && lines(&plain.stderr).is_empty(), "{plain:?}");
    let with = home.function.clone().with("LASTGOOD_METRICS", "emf").run(&["--json"]).await;
    assert_eq!(with.exit, plain.exit);
    assert_eq!(with.report()["assets"][0]["asset"], "orders-db", "stdout is one report and nothing else");
    let told = lines(&with.stderr);
    assert_eq!(told.len(), 1, "{with:?}");
    told.iter().for_each(assert_valid);
    let wrong = home.function.clone().with("LASTGOOD_METRICS", "statsd").run(&[]).await;
    assert_eq!(wrong.exit, Some(64), "{wrong:?}");
}
