//! The incident: production is lost, and is restored beside itself, set up as it was.

use cross_region_copy::CrossRegionCopy;
use lastgood_core::{
    config::DrillTarget,
    domain::{compare::CheckOutcome, drill::Verdict},
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::{
    aws::{
        MASTER_PASSWORD,
        estate::{Estate, FAR, HOME, PRODUCTION},
    },
    pg::program,
};
use restore::{Restore, Restored};
use snapshot_trigger::SnapshotTrigger;
use std::process::Command;

fn restore(into: &str, from: Option<&str>) -> Restore {
    Restore {
        asset: "orders-rds".parse().unwrap(),
        backup: None,
        at: None,
        latest: true,
        into: into.parse().unwrap(),
        from: from.map(|from| from.parse().unwrap()),
        apply: true,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

/// Asks an instance over TLS with the password that production had, as its application would.
async fn ask(estate: &Estate, region: &str, name: &str, sql: &str) -> String {
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(region));
    let found = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap();
    let endpoint = found.db_instances()[0].endpoint().unwrap();
    let (host, port, ca) = (endpoint.address().unwrap(), endpoint.port().unwrap(), estate.aws.ca());
    let conninfo = format!("host={host} port={port} user=dba dbname=postgres sslmode=verify-full sslrootcert={}", ca.display());
    let output = Command::new(program("psql")).args([&conninfo, "-XAtc", sql]).env("PGPASSWORD", MASTER_PASSWORD).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn restored(estate: &Estate, ask: Restore) -> Restored {
    let report = ask.run(&estate.env).await.unwrap();
    let Outcome::Done(restored) = report.entries[0].outcome.clone() else { panic!("{report:?}") };
    restored
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_production_is_restored_beside_itself_and_no_setting_differs() {
    let Some(estate) = Estate::build("rds_restore::r48_production_is_restored").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    let production = estate.production_fingerprint().await;

    // The plan touches nothing.
    let planned = restored(&estate, Restore { apply: false, ..restore("rds:orders-restored", None) }).await;
    assert!(!planned.applied && planned.steps[0].contains("as a new instance orders-restored"), "{planned:?}");
    assert_eq!(estate.instances(HOME).await, [PRODUCTION]);

    let done = restored(&estate, restore("rds:orders-restored", None)).await;
    let wrong: Vec<_> = done.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(done.verdict, Some(Verdict::Proven));
    for setting in [
        "setting parameter group",
        "setting security groups",
        "setting deletion protection",
        "setting backup retention",
        "setting multi az",
        "setting tags",
    ] {
        assert!(done.checks.iter().any(|check| check.name == setting), "{setting} is not compared: {:#?}", done.checks);
    }
    assert_eq!(ask(&estate, HOME, "orders-restored", "select count(*) from orders").await, "300");
    assert!(done.next.iter().any(|step| step.contains("master password")), "{:?}", done.next);
    assert_eq!(estate.production_fingerprint().await, production, "I4: the old one is as it was");

    // Again is harmless: it goes on with what it began.
    let again = restored(&estate, restore("rds:orders-restored", None)).await;
    assert!(again.steps[0].contains("go on with orders-restored"), "{:?}", again.steps);
    assert_eq!(estate.instances(HOME).await, ["orders-prod", "orders-restored"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_neither_the_source_nor_a_stranger_is_ever_restored_over() {
    let Some(estate) = Estate::build("rds_restore::r26_neither_the_source").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    let stranger = estate.aws.cluster().await;
    estate.aws.database(&stranger, "billing", HOME).await;
    for (into, word) in [(format!("rds:{PRODUCTION}"), "the source itself"), ("rds:billing".to_owned(), "not of this restore")] {
        let error = restore(&into, None).run(&estate.env).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{}", error.full());
        assert!(error.full().contains(word), "{}", error.full());
    }
    assert_eq!(estate.instances(HOME).await, ["billing", PRODUCTION]);
    assert_eq!((estate.aws.calls("RestoreDBInstanceFromDBSnapshot"), estate.aws.calls("DeleteDBInstance")), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_region_lost_it_is_restored_from_the_far_copy_into_a_network_that_is_named() {
    let Some(estate) = Estate::build("rds_restore::with_its_region_lost").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    CrossRegionCopy::default().run(&estate.env).await.unwrap();
    let policy = &estate.env.config.assets[&estate.asset()].policy;
    let Some(DrillTarget::Rds(drill)) = policy.drill.as_ref().map(|drill| &drill.into) else { panic!() };
    let far = &drill.regions[FAR];
    let into = format!("rds:orders-dr?subnet_group={}&security_groups={}", far.subnet_group, far.security_groups.join(","));
    let done = restored(&estate, restore(&into, Some(&format!("aws://{FAR}")))).await;
    assert_eq!(ask(&estate, FAR, "orders-dr", "select count(*) from orders").await, "300");
    let wrong: Vec<_> = done.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).map(|check| check.name.as_str()).collect();
    assert!(wrong.iter().all(|name| ["setting parameter group"].contains(name)), "{wrong:?}: {:#?}", done.checks);
    assert_eq!(estate.instances(HOME).await, [PRODUCTION]);
}
