//! Extracts for analysts that RDS writes of a snapshot: begun once, seen through over several wake-ups, recorded apart, and never
//! taken for a backup.

use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::Extract,
    clock::{Clock, after},
    config::Config,
    domain::freshness::State,
    env::Env,
    error::Kind,
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::aws::{
    Lost,
    estate::{Estate, HOME},
};
use snapshot_trigger::SnapshotTrigger;
use std::{sync::Arc, time::Duration};

const ROLE: &str = "arn:aws:iam::123456789012:role/rds-extracts";

/// An estate whose snapshots are extracted every morning at five, at six in the morning.
async fn estate(test: &str) -> Option<(Estate, Env)> {
    let estate = Estate::build(test).await?;
    let bucket = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&estate.aws.sdk(HOME)).force_path_style(true).build());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(HOME.into()).build();
    bucket.create_bucket().bucket("acme-analytics").create_bucket_configuration(place).send().await.unwrap();
    let key = estate.aws.key(HOME, "alias/analytics").await;
    let yaml = format!(
        "
vault: file:///lastgood
assets:
  orders-rds:
    kind: rds
    instance: orders-prod
    region: {HOME}
    snapshot: {{ schedule: \"0 3 * * *\" }}
    analytics: {{ schedule: \"0 5 * * *\", to: s3://acme-analytics/orders, role: {ROLE}, kms_key: \"{key}\", only: [postgres.public] }}
"
    );
    let config = Arc::new(Config::parse(&yaml, "lastgood.yaml").unwrap());
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    let env = Env { config, ..estate.env.clone() };
    Some((estate, env))
}

async fn wake(env: &Env) -> (Outcome<Extract>, Exit) {
    let report = ExportToBucket { analytics: true, ..ExportToBucket::default() }.run(env).await.unwrap();
    assert!(report.entries.is_empty(), "it takes no backups: {report:?}");
    (report.analytics[0].outcome.clone(), report.exit())
}

async fn seen_through(estate: &Estate, env: &Env) -> Extract {
    for _ in 0..8 {
        match wake(env).await.0 {
            Outcome::Done(extract) => return extract,
            Outcome::Waiting { .. } => estate.clock.set(after(estate.clock.now(), Duration::from_mins(20))),
            other => panic!("{other:?}"),
        }
    }
    panic!("it never ends")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extract_is_begun_once_recorded_when_complete_and_is_no_backup() {
    let Some((estate, env)) = estate("analytics::an_extract_is_begun_once").await else { return };
    let (outcome, exit) = wake(&env).await;
    assert!(matches!(outcome, Outcome::Failed { kind: Kind::Retry, .. }), "nothing to extract from: {outcome:?}");
    assert_eq!(exit, Exit::Failed);

    SnapshotTrigger::default().run(&env).await.unwrap();
    let snapshot = estate.backups().await.remove(0);
    let extract = seen_through(&estate, &env).await;
    assert_eq!(extract.of, snapshot.held.clone().unwrap().reference);
    assert!(extract.caution.contains("not a backup"), "{extract:?}");
    assert_eq!(estate.aws.calls("StartExportTask"), 1);
    let asked = estate.aws.faults().calls_of("StartExportTask").remove(0);
    assert_eq!((asked.get("S3BucketName"), asked.get("S3Prefix"), asked.get("IamRoleArn")), ("acme-analytics", "orders", ROLE));
    assert!(matches!(wake(&env).await.0, Outcome::NotDue { .. }));
    assert_eq!(estate.aws.calls("StartExportTask"), 1);

    // Next to it, the only backup grows old: an extract of this very hour does not make it fresh.
    estate.clock.set("2026-11-22T06:00:00Z".parse().unwrap());
    let extract = seen_through(&estate, &env).await;
    assert_eq!(estate.aws.calls("StartExportTask"), 2);
    assert!(extract.seen_at > "2026-11-22T05:00:00Z".parse().unwrap());
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    assert_ne!(status.assets[0].state, State::Good, "{status:#?}");
    assert_eq!(estate.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_an_extract_whose_reply_was_lost_is_found_and_a_missing_right_is_named() {
    let Some((estate, env)) = estate("analytics::r03").await else { return };
    SnapshotTrigger::default().run(&env).await.unwrap();
    for right in ["rds:StartExportTask", "rds:DescribeExportTasks"] {
        estate.aws.faults().deny(right);
        let (Outcome::Failed { kind, hint, .. }, Exit::Failed) = wake(&env).await else { panic!("{right}") };
        assert_eq!((kind, hint), (Kind::Denied, Some(format!("allow {right} to the role that this runs with"))));
        estate.aws.faults().allow_all();
    }
    let next = estate.aws.calls("StartExportTask") + 1;
    estate.aws.faults().lose("StartExportTask", next, Lost::Reply);
    seen_through(&estate, &env).await;
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    assert_eq!(rds.describe_export_tasks().send().await.unwrap().export_tasks().len(), 1, "one task, whatever was lost");
}
