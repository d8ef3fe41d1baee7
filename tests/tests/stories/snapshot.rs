//! Base backups of a real Postgres, unpacked and started with nothing but public tools.

use lastgood_core::{
    backup::Taken,
    domain::backup::{Method, Role},
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::{
    house::{House, shell},
    pg::{Cluster, give_away},
};
use snapshot_trigger::SnapshotTrigger;
use std::time::Duration;

const NIGHTLY: &str = "orders-db:\n  kind: postgres\n  url: URL\n  snapshot: { schedule: \"0 2 * * *\" }\n";

async fn outcome(house: &House) -> Outcome<Taken> {
    let report = SnapshotTrigger::default().run(&house.env).await.unwrap();
    report.entries.first().unwrap().outcome.clone()
}

/// Unpacks a base backup as an operator would.
fn unpack(house: &House, artifact: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    shell(&format!("zstd -dc {} | tar -x -C {}", house.vault().join(artifact).display(), folder.path().display()));
    folder
}

#[tokio::test]
async fn a_base_backup_unpacks_verifies_and_starts_alone() {
    let cluster = Cluster::start().await;
    cluster.lifelike(3000).await;
    cluster.sql("shop", "truncate public.sessions").await;
    let house = House::new(&cluster.url("shop"), NIGHTLY);
    let Outcome::Done(taken) = outcome(&house).await else { panic!("{:?}", outcome(&house).await) };
    assert_eq!(taken.artifact, "exports/orders-db/orders-db_monthly_20261120_020000.tar.zst");
    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    assert_eq!(backup.method, Method::PgBaseBackup);
    assert_eq!(backup.source.database, None);
    // Nothing was written meanwhile, so the counts are certain.
    assert_eq!(backup.expectations.tables["public.orders"].rows, 3000);
    assert!(!backup.expectations.tables.contains_key("public.sessions"), "a base backup keeps no rows of unlogged tables");
    assert_eq!(backup.expectations.migrations["alembic_version"], "9f3c1b7ad2e4");

    let unpacked = unpack(&house, &taken.artifact);
    // Postgres' own manifest is kept beside the tar, the same as in it.
    let manifest = backup.artifacts.iter().find(|artifact| artifact.role == Role::BackupManifest).unwrap();
    let beside = shell(&format!("zstd -dc {}", house.vault().join(&manifest.key).display()));
    assert_eq!(beside, std::fs::read_to_string(unpacked.path().join("backup_manifest")).unwrap());
    let end = backup.expectations.end_lsn.clone().unwrap();
    assert!(beside.contains(&format!("\"End-LSN\": \"{end}\"")), "{end}");
    shell(&format!("pg_verifybackup {}", unpacked.path().display()));
    give_away(unpacked.path());
    let restored = Cluster::start_from(unpacked.path(), &[("archive_mode", "off")]).await;
    assert_eq!(restored.fingerprint("shop").await, cluster.fingerprint("shop").await);
    assert_eq!(restored.cell("shop", &format!("select pg_current_wal_lsn() >= '{end}'::pg_lsn")).await, "t");
}

#[tokio::test]
async fn on_a_busy_server_nothing_uncertain_is_recorded_and_the_data_time_is_never_too_late() {
    let cluster = Cluster::start().await;
    cluster.lifelike(20_000).await;
    cluster.sql("shop", "create table beats (at timestamptz not null default clock_timestamp())").await;
    let house = House::at("2126-11-20T02:00:30Z", &cluster.url("shop"), NIGHTLY);
    let writer = cluster.connect("shop").await;
    let writing = tokio::spawn(async move {
        loop {
            writer.batch_execute("insert into beats default values").await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(700)).await;
    let Outcome::Done(taken) = outcome(&house).await else { panic!() };
    tokio::time::sleep(Duration::from_millis(300)).await;
    writing.abort();
    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    assert!(backup.expectations.tables.is_empty());
    assert_eq!(backup.expectations.extensions["pg_trgm"], "1.6");
    let unpacked = unpack(&house, &taken.artifact);
    give_away(unpacked.path());
    let restored = Cluster::start_from(unpacked.path(), &[]).await;
    // Every beat up to the data time is there, and the data time is close to the last beat that is.
    let until = backup.data_time;
    let count = format!("select count(*) from beats where at <= '{until}'");
    assert_eq!(restored.cell("shop", &count).await, cluster.cell("shop", &count).await);
    let behind = restored.cell("shop", &format!("select max(at) - '{until}'::timestamptz < interval '2 seconds' from beats")).await;
    assert_eq!(behind, "t", "{until} is long before {}", restored.cell("shop", "select max(at) from beats").await);
}

#[tokio::test]
async fn what_a_base_backup_cannot_do_is_refused_with_what_to_do() {
    let cluster = Cluster::start().await;
    cluster.lifelike(10).await;
    cluster.sql("shop", "create role plain login password 'pw' in role pg_read_all_data").await;
    let house = House::new(&cluster.url_as("plain", "pw", "shop"), NIGHTLY);
    let Outcome::Failed { kind, reason, hint } = outcome(&house).await else { panic!() };
    assert_eq!((kind, reason.contains("role plain may not replicate")), (Kind::Denied, true), "{reason}");
    assert!(hint.unwrap().contains("alter role plain replication"));

    let elsewhere = tempfile::tempdir().unwrap();
    give_away(elsewhere.path());
    cluster.sql("shop", &format!("create tablespace fast location '{}'", elsewhere.path().display())).await;
    let house = House::new(&cluster.url("shop"), NIGHTLY);
    let Outcome::Failed { kind, reason, .. } = outcome(&house).await else { panic!() };
    assert_eq!((kind, reason.contains("fast")), (Kind::Unsupported, true), "{reason}");
    assert_eq!(house.artifacts(), Vec::<String>::new());
    cluster.sql("shop", "drop tablespace fast").await;
    assert!(matches!(outcome(&house).await, Outcome::Done(_)), "the same slot, once it can be done");
}
