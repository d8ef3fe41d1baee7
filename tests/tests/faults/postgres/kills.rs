//! Dumps that are killed at any byte, servers that hang up, and whole invocations that are killed.

use super::{Watch, big, children, export, failure, kill, nothing_is_left, policy, success};
use lastgood_core::{
    error::Kind,
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::{
    house::{House, files},
    pg::Cluster,
};
use snapshot_trigger::SnapshotTrigger;
use std::{path::Path, process::Command, sync::Arc, time::Duration};

#[tokio::test(flavor = "multi_thread")]
async fn r09_a_dump_that_is_killed_at_any_byte_leaves_nothing_and_the_next_run_is_clean() {
    let cluster = Arc::new(Cluster::start().await);
    big(&cluster).await;
    for (format, bytes) in [("custom", 1), ("custom", 300_000), ("custom", 9_000_000), ("plain", 30_000_000), ("directory", 2_000_000)] {
        let house = House::new(&cluster.url("big"), &policy(&format!(", format: {format}")));
        let killer = cluster.clone();
        let house = house.watched_by(Watch::after(bytes, move || kill(&children(&killer, "pg_dump"))));
        let report = export(&house).await;
        let (_, reason, _) = failure(&report);
        assert!(reason.contains("pg_dump was killed by signal 9") || format == "directory", "{format} at {bytes}: {reason}");
        assert_eq!(report.exit(), Exit::Failed);
        assert_eq!(report.findings().len(), 1);
        nothing_is_left(&house).await;
        assert_eq!(children(&cluster, "pg_dump"), Vec::<u32>::new());
        success(&export(&house).await);
        assert_eq!(house.backups("orders-db").await.len(), 1);
    }
    // No transaction of ours is left open on the server.
    let open = cluster.cell("big", "select count(*) from pg_stat_activity where application_name = 'lastgood' and state <> 'idle'").await;
    assert_eq!(open, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_a_server_that_hangs_up_is_told_with_its_sqlstate_and_leaves_nothing() {
    let cluster = Arc::new(Cluster::start().await);
    big(&cluster).await;
    for (format, whose) in
        [("custom", "query like 'COPY%'"), ("directory", "query like 'COPY%'"), ("custom", "state = 'idle in transaction'")]
    {
        let house = House::new(&cluster.url("big"), &policy(&format!(", format: {format}, tables_csv: [u]")));
        let killer = cluster.clone();
        let runtime = tokio::runtime::Handle::current();
        let house = house.watched_by(Watch::after(200_000, move || {
            tokio::task::block_in_place(|| {
                runtime.block_on(async {
                    let sql = format!("select pg_terminate_backend(pid) from pg_stat_activity where {whose} and pid <> pg_backend_pid()");
                    assert!(!killer.sql("big", &sql).await.is_empty(), "there was nothing to end");
                });
            });
        }));
        let (kind, reason, _) = failure(&export(&house).await);
        // Its last words may be lost with the connection: then libpq says 08006, and our own connection that it is closed.
        // Whoever comes later finds the snapshot gone.
        let told = ["SQLSTATE 57P01", "SQLSTATE 08006", "connection closed", "held the snapshot (SQLSTATE"]
            .iter()
            .any(|words| reason.contains(words));
        assert!(told, "{format}, {whose}: {reason}");
        assert_eq!(kind, Kind::Retry, "{reason}");
        nothing_is_left(&house).await;
        success(&export(&house).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r09_a_base_backup_that_is_killed_leaves_nothing() {
    let cluster = Arc::new(Cluster::start().await);
    big(&cluster).await;
    let house = House::new(&cluster.url("big"), &policy(""));
    let killer = cluster.clone();
    let house = house.watched_by(Watch::after(9_000_000, move || kill(&children(&killer, "pg_basebackup"))));
    let (_, reason, _) = failure(&SnapshotTrigger::default().run(&house.env).await.unwrap());
    assert!(reason.contains("pg_basebackup was killed by signal 9"), "{reason}");
    nothing_is_left(&house).await;
    success(&SnapshotTrigger::default().run(&house.env).await.unwrap());
}

/// Not a test of its own: what the next one starts as a process, in order to kill it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by `r02_a_killed_export_leaves_no_children_and_the_next_run_cleans_up`"]
async fn an_export_that_will_be_killed() {
    let told =
        std::fs::read_to_string(std::env::temp_dir().join(format!("lastgood-kill-{}", std::os::unix::process::parent_id()))).unwrap();
    let [url, vault, scratch, format] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
    let house = House::new(url, &policy(&format!(", format: {format}"))).in_vault(Path::new(vault)).with_scratch(Path::new(scratch));
    let _ = export(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r02_a_killed_export_leaves_no_children_and_the_next_run_cleans_up() {
    let cluster = Cluster::start().await;
    big(&cluster).await;
    cluster.sql("big", "create table slow as select * from t; create table slower as select * from t").await;
    for format in ["custom", "directory"] {
        let house = House::new(&cluster.url("big"), &policy(&format!(", format: {format}")));
        let told = std::env::temp_dir().join(format!("lastgood-kill-{}", std::process::id()));
        let lines = [cluster.url("big"), house.vault().display().to_string(), house.scratch().display().to_string(), format.to_owned()];
        std::fs::write(&told, lines.join("\n")).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::kills::an_export_that_will_be_killed", "--ignored"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while children(&cluster, "pg_dump").is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        std::fs::remove_file(told).unwrap();
        assert_eq!(house.backups("orders-db").await, []);
        // Its children find nobody to talk to.
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while !children(&cluster, "pg_dump").is_empty() {
            assert!(std::time::Instant::now() < end, "{format}: an orphan goes on dumping");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // While its lease lasts the slot is held; then the next run takes over and clears what it left.
        let report = export(&house).await;
        assert!(matches!(report.entries[0].outcome, Outcome::AlreadyRunning { .. }), "{:?}", report.entries);
        house.set("2026-11-20T02:05:00Z");
        let taken = success(&export(&house).await);
        let [backup] = &house.backups("orders-db").await[..] else { panic!() };
        assert_eq!(backup.id, taken.backup);
        let mut named: Vec<_> = backup.artifacts.iter().map(|artifact| artifact.key.clone()).collect();
        named.extend(house.artifacts().into_iter().filter(|file| file.ends_with(".sha256")));
        named.sort();
        assert_eq!(house.artifacts(), named, "{format}: something lies there that no manifest names");
        assert_eq!(files(house.scratch()), Vec::<String>::new());
    }
}
