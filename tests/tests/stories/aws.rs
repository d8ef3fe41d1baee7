//! The emulated Amazon itself: slow, strict and moody as the real one, with real data behind its snapshots.

use aws_sdk_rds::{
    Client,
    error::ProvideErrorMetadata,
    types::{DbInstance, DbSnapshot, Tag},
};
use lastgood_core::testing::ManualClock;
use lastgood_tests::{
    aws::{Aws, Lost, MASTER, MASTER_PASSWORD},
    pg,
};
use std::{process::Command, sync::Arc};

const HOME: &str = "eu-west-1";
const FAR: &str = "us-east-1";

fn rds(aws: &Aws, region: &str) -> Client {
    Client::new(&aws.sdk(region))
}

async fn snapshot(rds: &Client, name: &str) -> Option<DbSnapshot> {
    match rds.describe_db_snapshots().db_snapshot_identifier(name).send().await {
        Ok(found) => found.db_snapshots.unwrap_or_default().into_iter().next(),
        Err(error) => {
            assert_eq!(error.code(), Some("DBSnapshotNotFound"), "{error:?}");
            None
        }
    }
}

async fn instance(rds: &Client, name: &str) -> Option<DbInstance> {
    match rds.describe_db_instances().db_instance_identifier(name).send().await {
        Ok(found) => found.db_instances.unwrap_or_default().into_iter().next(),
        Err(error) => {
            assert_eq!(error.code(), Some("DBInstanceNotFound"), "{error:?}");
            None
        }
    }
}

/// The states that an instance shows until it is available.
async fn until_available(rds: &Client, name: &str) -> (Vec<String>, DbInstance) {
    let mut states = Vec::new();
    loop {
        let seen = instance(rds, name).await.expect("an instance");
        let state = seen.db_instance_status().unwrap().to_owned();
        if state == "available" && seen.pending_modified_values().is_none_or(|pending| pending.master_user_password().is_none()) {
            return (states, seen);
        }
        states.push(state);
        assert!(states.len() < 20, "{states:?}");
    }
}

/// The same after a change, which RDS is not busy with at first.
async fn until_changed(rds: &Client, name: &str) -> DbInstance {
    for _ in 0..3 {
        instance(rds, name).await.expect("an instance");
    }
    until_available(rds, name).await.1
}

async fn until_snapshot(rds: &Client, name: &str) -> (Vec<String>, DbSnapshot) {
    let mut states = Vec::new();
    loop {
        let seen = snapshot(rds, name).await.expect("a snapshot");
        let state = seen.status().unwrap().to_owned();
        if state == "available" || state == "failed" {
            return (states, seen);
        }
        states.push(state);
        assert!(states.len() < 20, "{states:?}");
    }
}

/// Asks an instance over TLS, as libpq does that trusts nobody but the given authority.
fn ask(aws: &Aws, seen: &DbInstance, password: &str, mode: &str, sql: &str) -> Result<String, String> {
    let endpoint = seen.endpoint().expect("an endpoint");
    let (host, port) = (endpoint.address().unwrap(), endpoint.port().unwrap());
    let ca = aws.ca();
    let conninfo = format!("host={host} port={port} user={MASTER} dbname=postgres sslmode={mode} sslrootcert={}", ca.display());
    let output = Command::new(pg::program("psql")).args([&conninfo, "-XAtc", sql]).env("PGPASSWORD", password).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_freezes_data_a_copy_carries_them_and_a_restore_is_a_server_that_has_them() {
    let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap());
    let Some(aws) = Aws::start_at("aws::a_snapshot_freezes_data", Arc::new(clock.clone())).await else { return };
    let orders = aws.cluster().await;
    orders.sql("postgres", "create table orders as select generate_series(1, 300) as id; alter table orders owner to dba").await;
    aws.database(&orders, "orders-prod", HOME).await;
    let (home, far) = (rds(&aws, HOME), rds(&aws, FAR));

    let tag = Tag::builder().key("lastgood:asset").value("orders").build();
    let begun = home.create_db_snapshot().db_instance_identifier("orders-prod").db_snapshot_identifier("night").tags(tag);
    let begun = begun.send().await.unwrap().db_snapshot.unwrap();
    assert_eq!((begun.status(), begun.encrypted()), (Some("creating"), Some(true)));
    // What comes after the snapshot is not in it.
    clock.advance(std::time::Duration::from_mins(10));
    orders.sql("postgres", "insert into orders select generate_series(301, 500)").await;
    // RDS is busy with the instance meanwhile.
    let second = home.create_db_snapshot().db_instance_identifier("orders-prod").db_snapshot_identifier("second").send().await;
    assert_eq!(second.unwrap_err().code(), Some("InvalidDBInstanceState"));
    let (states, taken) = until_snapshot(&home, "night").await;
    assert_eq!(states, ["creating", "creating"]);
    assert_eq!(taken.snapshot_database_time().unwrap().to_string(), "2026-11-20T03:00:00Z");
    assert_eq!(taken.tag_list()[0].value(), Some("orders"));

    // To another region it goes only under a key of that region.
    let copy =
        || far.copy_db_snapshot().source_db_snapshot_identifier(taken.db_snapshot_arn().unwrap()).target_db_snapshot_identifier("night");
    assert_eq!(copy().send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    let key = aws.key(FAR, "alias/dr").await;
    copy().kms_key_id("alias/dr").copy_tags(true).send().await.unwrap();
    let (states, copied) = until_snapshot(&far, "night").await;
    assert_eq!(states, ["copying", "copying"]);
    assert_eq!(copied.kms_key_id(), Some(key.as_str()));
    assert_eq!(copied.snapshot_database_time(), taken.snapshot_database_time(), "the moment survives");
    assert_ne!(copied.snapshot_create_time(), taken.snapshot_create_time(), "the time of creation does not");
    assert_eq!(copied.tag_list(), taken.tag_list());

    // Restored from the far copy: a server of its own, set up as nobody asked.
    let restore = far.restore_db_instance_from_db_snapshot().db_instance_identifier("drill").db_snapshot_identifier("night");
    assert_eq!(restore.send().await.unwrap().db_instance.unwrap().db_instance_status(), Some("creating"));
    let early = instance(&far, "drill").await.unwrap();
    assert!(early.endpoint().is_none(), "nobody can reach it yet");
    let (states, drill) = until_available(&far, "drill").await;
    assert_eq!(states, ["creating", "backing-up"]);
    let source = instance(&home, "orders-prod").await.unwrap();
    assert_eq!((source.deletion_protection(), drill.deletion_protection()), (Some(true), Some(false)));
    assert_eq!((source.publicly_accessible(), drill.publicly_accessible()), (Some(false), Some(true)));
    assert_eq!((source.multi_az(), drill.multi_az()), (Some(true), Some(false)));
    assert_eq!(source.db_parameter_groups()[0].db_parameter_group_name(), Some("orders-prod-parameters"));
    assert_eq!(drill.db_parameter_groups()[0].db_parameter_group_name(), Some("default.postgres15"));
    assert_ne!(source.vpc_security_groups()[0].vpc_security_group_id(), drill.vpc_security_groups()[0].vpc_security_group_id());
    assert_ne!(source.dbi_resource_id(), drill.dbi_resource_id());
    assert_eq!(ask(&aws, &drill, MASTER_PASSWORD, "verify-full", "select count(*), max(id) from orders").unwrap(), "300|300");
    assert_eq!(ask(&aws, &source, MASTER_PASSWORD, "verify-full", "select count(*) from orders").unwrap(), "500");
    let plain = ask(&aws, &drill, MASTER_PASSWORD, "disable", "select 1").unwrap_err();
    assert!(plain.contains("no encryption"), "{plain}");

    // A new password takes a while, then the old one is of no use.
    far.modify_db_instance()
        .db_instance_identifier("drill")
        .master_user_password("a-new-one-9")
        .apply_immediately(true)
        .send()
        .await
        .unwrap();
    assert_eq!(ask(&aws, &drill, MASTER_PASSWORD, "verify-full", "select 1").unwrap(), "1", "not yet");
    let drill = until_changed(&far, "drill").await;
    assert_eq!(ask(&aws, &drill, "a-new-one-9", "verify-full", "select 1").unwrap(), "1");
    assert!(ask(&aws, &drill, MASTER_PASSWORD, "verify-full", "select 1").unwrap_err().contains("authentication failed"));
    assert_eq!(ask(&aws, &source, MASTER_PASSWORD, "verify-full", "select 1").unwrap(), "1", "the source keeps its own");

    // Protection holds; without it the server goes, after a while.
    far.modify_db_instance().db_instance_identifier("drill").deletion_protection(true).send().await.unwrap();
    until_changed(&far, "drill").await;
    let delete = || far.delete_db_instance().db_instance_identifier("drill");
    assert_eq!(delete().skip_final_snapshot(true).send().await.unwrap_err().code(), Some("InvalidParameterCombination"));
    far.modify_db_instance().db_instance_identifier("drill").deletion_protection(false).send().await.unwrap();
    until_changed(&far, "drill").await;
    assert_eq!(delete().send().await.unwrap_err().code(), Some("InvalidParameterCombination"), "a final snapshot, or none?");
    delete().skip_final_snapshot(true).send().await.unwrap();
    assert_eq!(delete().skip_final_snapshot(true).send().await.unwrap_err().code(), Some("InvalidDBInstanceState"));
    let mut states = Vec::new();
    while let Some(seen) = instance(&far, "drill").await {
        states.push(seen.db_instance_status().unwrap().to_owned());
    }
    assert_eq!(states, ["deleting", "deleting"]);
    assert!(ask(&aws, &drill, "a-new-one-9", "verify-full", "select 1").unwrap_err().contains("refused"), "its server is gone");
    assert!(aws.instances(FAR).await.is_empty());

    far.delete_db_snapshot().db_snapshot_identifier("night").send().await.unwrap();
    assert_eq!(snapshot(&far, "night").await.unwrap().status(), Some("deleting"));
    assert!(snapshot(&far, "night").await.is_none());
    assert!(snapshot(&home, "night").await.is_some(), "the original stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_what_the_sdk_meets_and_every_call_is_counted() {
    let Some(aws) = Aws::start("aws::faults_are_what_the_sdk_meets").await else { return };
    let orders = aws.cluster().await;
    aws.database(&orders, "orders-prod", HOME).await;
    let home = rds(&aws, HOME);
    let create = |name: &str| home.create_db_snapshot().db_instance_identifier("orders-prod").db_snapshot_identifier(name).send();

    // A lost reply: the SDK asks again, and finds its own work.
    aws.faults().lose("CreateDBSnapshot", 1, Lost::Reply);
    assert_eq!(create("lost").await.unwrap_err().code(), Some("DBSnapshotAlreadyExists"));
    assert_eq!(aws.calls("CreateDBSnapshot"), 2);
    until_snapshot(&home, "lost").await;
    until_available(&home, "orders-prod").await;

    aws.faults().throttle_every(2);
    for _ in 0..3 {
        assert!(snapshot(&home, "lost").await.is_some(), "the SDK tries again");
    }
    aws.faults().throttle_every(0);

    aws.faults().deny("rds:DescribeDBInstances");
    let denied = home.describe_db_instances().send().await.unwrap_err();
    assert_eq!(denied.code(), Some("AccessDenied"));
    assert!(denied.message().unwrap().contains("rds:DescribeDBInstances"), "{denied:?}");
    aws.faults().allow_all();

    aws.faults().fail_late(1);
    create("broken").await.unwrap();
    let (states, broken) = until_snapshot(&home, "broken").await;
    assert_eq!((states.len(), broken.status()), (2, Some("failed")));
    until_available(&home, "orders-prod").await;

    aws.faults().rules(|rules| rules.manual_snapshots = 2);
    let full = create("third").await.unwrap_err();
    assert_eq!((full.code(), full.message()), (Some("SnapshotQuotaExceeded"), Some("Cannot create more than 2 manual snapshots")));

    aws.faults().rules(|rules| rules.page = 1);
    let pages: Vec<_> = home.describe_db_snapshots().snapshot_type("manual").into_paginator().send().collect::<Vec<_>>().await;
    let names: Vec<_> = pages.into_iter().map(|page| page.unwrap().db_snapshots().len()).collect();
    assert_eq!(names, [1, 1]);

    aws.key(FAR, "alias/dr").await;
    aws.faults().refuse_key("alias/dr");
    let far = rds(&aws, FAR);
    let arn = snapshot(&home, "lost").await.unwrap().db_snapshot_arn.unwrap();
    let copy = |name: &str| {
        far.copy_db_snapshot().source_db_snapshot_identifier(&arn).target_db_snapshot_identifier(name).kms_key_id("alias/dr").send()
    };
    assert_eq!(copy("copy").await.unwrap_err().code(), Some("KMSKeyNotAccessibleFault"));
    aws.faults().accept_keys();
    aws.faults().rules(|rules| (rules.copies_at_once, rules.manual_snapshots) = (1, 100));
    copy("copy").await.unwrap();
    let busy = copy("another").await.unwrap_err();
    assert_eq!((busy.code(), busy.message()), (Some("SnapshotQuotaExceeded"), Some("Cannot copy more than 1 snapshots across regions")));
    until_snapshot(&far, "copy").await;
    copy("another").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_not_signed_for_its_service_is_refused() {
    let Some(aws) = Aws::start("aws::a_request_that_is_not_signed").await else { return };
    lastgood_core::providers::tls::settle();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = |authorization: Option<String>| {
        let request = client.post(aws.endpoint()).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body("Action=DescribeDBSnapshots&Version=2014-10-31");
        let request = match authorization {
            Some(authorization) => request.header("authorization", authorization),
            None => request,
        };
        async move { request.send().await.unwrap().status().as_u16() }
    };
    let signed = |who: &str, region: &str, service: &str| {
        let signature = "0".repeat(64);
        Some(format!(
            "AWS4-HMAC-SHA256 Credential={who}/20261120/{region}/{service}/aws4_request, SignedHeaders=host, Signature={signature}"
        ))
    };
    let ours = lastgood_tests::s3::KEY_ID;
    assert_eq!(ask(None).await, 403);
    assert_eq!(ask(Some("Basic eDp5".to_owned())).await, 403);
    assert_eq!(ask(signed("AKIASOMEBODY", HOME, "rds")).await, 403);
    assert_eq!(ask(signed(ours, HOME, "s3")).await, 403);
    assert_eq!(ask(signed(ours, "nowhere", "rds")).await, 403);
    assert_eq!(ask(signed(ours, HOME, "rds")).await, 200);
}
