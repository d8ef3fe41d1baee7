//! Dumps that are killed, servers that hang up, clients that are too old, rights that are missing, room that runs out.

mod connections;
mod kills;

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    backup::{BackupReport, Taken},
    env::{Gauge, Progress},
    error::Kind,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::{
    house::{House, files, shell},
    pg::{Cluster, PASSWORD, lifelike, program},
};
use snapshot_trigger::SnapshotTrigger;
use std::{
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

fn policy(export: &str) -> String {
    format!(
        "orders-db:\n  kind: postgres\n  url: URL\n  export: {{ schedule: \"0 2 * * *\"{export} }}\n  snapshot: {{ schedule: \"0 2 * * *\" }}\n"
    )
}

async fn export(house: &House) -> BackupReport {
    ExportToBucket::default().run(&house.env).await.unwrap()
}

fn failure(report: &BackupReport) -> (Kind, String, String) {
    match &report.entries[0].outcome {
        Outcome::Failed { kind, reason, hint } => (*kind, reason.clone(), hint.clone().unwrap_or_default()),
        other => panic!("{other:?}"),
    }
}

fn success(report: &BackupReport) -> Taken {
    match &report.entries[0].outcome {
        Outcome::Done(taken) => taken.clone(),
        other => panic!("{other:?}"),
    }
}

/// 60 MB of rows: more than fits into all the buffers between `pg_dump` and the vault.
async fn big(cluster: &Cluster) {
    cluster.create("big").await;
    let rows = "create table t as select i, repeat(md5(i::text), 31) as text from generate_series(1, 60000) i; create table u (id int)";
    cluster.sql("big", rows).await;
}

/// The processes of a program that were started for this cluster.
fn children(cluster: &Cluster, name: &str) -> Vec<u32> {
    let port = format!("PGPORT={}", cluster.port());
    let of_ours = |pid: &u32| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let command = read("cmdline");
        let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
        program.ends_with(name.as_bytes()) && read("environ").split(|byte| *byte == 0).any(|variable| variable == port.as_bytes())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(of_ours).collect()
}

fn kill(pids: &[u32]) {
    assert!(!pids.is_empty(), "there was nothing to kill");
    let pids = pids.iter().map(u32::to_string);
    assert!(Command::new("kill").arg("-9").args(pids).status().unwrap().success());
}

/// Does something once, when so many bytes have passed.
struct After {
    bytes: u64,
    seen: AtomicU64,
    deed: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl std::fmt::Debug for After {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "after {} bytes", self.bytes)
    }
}

#[derive(Debug, Clone)]
struct Watch(Arc<After>);

impl Watch {
    fn after(bytes: u64, deed: impl FnOnce() + Send + 'static) -> Arc<Self> {
        Arc::new(Self(Arc::new(After { bytes, seen: AtomicU64::new(0), deed: Mutex::new(Some(Box::new(deed))) })))
    }
}

impl Progress for Watch {
    fn begin(&self, _: &str, _: Option<u64>) -> Box<dyn Gauge> {
        Box::new(self.clone())
    }
}

impl Gauge for Watch {
    fn add(&self, bytes: u64) {
        if self.0.seen.fetch_add(bytes, Ordering::SeqCst) + bytes >= self.0.bytes
            && let Some(deed) = self.0.deed.lock().unwrap().take()
        {
            deed();
        }
    }
}

/// What must be so after any failed attempt: nothing that counts, nothing left, and a record that says why.
async fn nothing_is_left(house: &House) {
    assert_eq!(house.artifacts(), Vec::<String>::new());
    assert_eq!(house.backups("orders-db").await, []);
    assert_eq!(files(house.scratch()), Vec::<String>::new());
    assert!(house.records().contains("\"state\": \"failed\""), "{}", house.records());
    // No part of an upload either, under whatever name the vault keeps them.
    let kept = |file: &String| file.starts_with("catalog/") || file.starts_with(".lastgood/locks/");
    assert!(house.files().iter().all(kept), "{:?}", house.files());
}

/// A machine with the real programs, one of them replaced by a script.
fn machine(name: &str, script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for real in ["pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup", "psql"] {
        std::os::unix::fs::symlink(program(real), folder.path().join(real)).unwrap();
    }
    let path = folder.path().join(name);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[tokio::test]
async fn r16_a_client_that_is_too_old_is_refused_before_it_starts() {
    let cluster = Cluster::start().await;
    cluster.lifelike(10).await;
    let marker = tempfile::tempdir().unwrap();
    let started = marker.path().join("started");
    for (version, why) in
        [("14.23", "client-too-old: pg_dump is 14.23, the server is 15.18"), ("15.17", "known security holes, fixed in 15.18")]
    {
        let script = format!(
            "if [ \"$1\" = --version ]; then echo 'pg_dump (PostgreSQL) {version}'; exit 0; fi; touch {}; exit 1",
            started.display()
        );
        let machine = machine("pg_dump", &script);
        let house = House::new(&cluster.url("shop"), &policy("")).with_programs(machine.path());
        let (kind, reason, hint) = failure(&export(&house).await);
        assert_eq!((kind, reason.contains(why)), (Kind::Unsupported, true), "{reason}");
        assert!(reason.contains("client-too-old") && hint.contains("postgresql-client-15"), "{reason} {hint}");
        assert!(!started.exists(), "it was started all the same");
        nothing_is_left(&house).await;
    }
    // The machine's own client is fit.
    success(&export(&House::new(&cluster.url("shop"), &policy(""))).await);
}

#[tokio::test]
async fn r17_missing_rights_are_named_before_a_dump_begins() {
    let cluster = Cluster::start().await;
    cluster.lifelike(50).await;
    cluster.sql("shop", lifelike::FORCED_ROW_SECURITY).await;
    cluster.sql("shop", "create role backup login password 'pw'; grant select on all tables in schema public to backup").await;
    cluster.sql("shop", "revoke select on public.products from backup").await;
    let house = House::new(&cluster.url_as("backup", "pw", "shop"), &policy(""));
    let (kind, reason, hint) = failure(&export(&house).await);
    assert_eq!(kind, Kind::Denied);
    for name in [
        "schema accounts",
        "schema Odd Names",
        "table public.products",
        "table public.tenants (row security",
        "sequence public.invoice_numbers",
        "large object",
    ] {
        assert!(reason.contains(name), "{name} is not in: {reason}");
    }
    assert!(!reason.contains("public.orders,"), "{reason}");
    assert!(hint.contains("pg_read_all_data") && hint.contains("bypassrls"), "{hint}");
    nothing_is_left(&house).await;

    // With pg_read_all_data, large objects and row security are still missing, and are named.
    cluster.sql("shop", "grant pg_read_all_data to backup").await;
    let (_, reason, _) = failure(&export(&house).await);
    assert!(reason.contains("tenants") && reason.contains("large object") && !reason.contains("products"), "{reason}");
    cluster.sql("shop", "alter role backup bypassrls; select lo_put(oid, 0, '') from pg_largeobject_metadata").await;
    let grant = "do $$ declare l oid; begin for l in select oid from pg_largeobject_metadata loop execute format('grant select on large object %s to backup', l); end loop; end $$";
    cluster.sql("shop", grant).await;
    let taken = success(&export(&house).await);
    // Every row is in it, those of other tenants too.
    let rows =
        shell(&format!("zstd -dc {} | pg_restore -a -t tenants -f - | grep -c '^[0-9]'", house.vault().join(&taken.artifact).display()));
    assert_eq!(rows.trim(), "3");
    // Globals need no superuser as long as passwords are left out.
    assert!(house.artifacts().iter().any(|name| name.ends_with(".globals.sql.zst")), "{:?}", house.artifacts());
}

#[tokio::test]
async fn r14_half_a_plain_dump_is_not_taken_for_a_whole_one() {
    let cluster = Cluster::start().await;
    cluster.lifelike(200).await;
    // Ends well, at the boundary of a statement, without the trailer.
    let script = format!(
        "case \" $* \" in *' --version '*) exec {0} --version;; esac; {0} \"$@\" | sed '/^-- PostgreSQL database dump complete/,$d'",
        program("pg_dump").display()
    );
    let machine = machine("pg_dump", &script);
    for (format, why) in [("plain", "is not whole"), ("custom", "")] {
        let house = House::new(&cluster.url("shop"), &policy(&format!(", format: {format}"))).with_programs(machine.path());
        let report = export(&house).await;
        if format == "plain" {
            let (_, reason, _) = failure(&report);
            assert!(reason.contains(why), "{reason}");
            nothing_is_left(&house).await;
        } else {
            success(&report);
        }
    }
    let nothing = self::machine(
        "pg_dump",
        &format!("case \" $* \" in *' --version '*) exec {} --version;; esac; exit 0", program("pg_dump").display()),
    );
    let house = House::new(&cluster.url("shop"), &policy("")).with_programs(nothing.path());
    assert!(failure(&export(&house).await).1.contains("is not whole"));
    nothing_is_left(&house).await;
}

#[tokio::test]
async fn globals_that_a_server_keeps_to_itself_are_no_failure_but_on_record() {
    let cluster = Cluster::start().await;
    cluster.lifelike(10).await;
    let refusing = "case \"$1\" in --version) echo 'pg_dumpall (PostgreSQL) 15.18';; *) echo 'pg_dumpall: error: query failed: ERROR:  permission denied for table pg_authid' >&2; exit 1;; esac";
    let machine = machine("pg_dumpall", refusing);
    let house = House::new(&cluster.url("shop"), &policy("")).with_programs(machine.path());
    success(&export(&house).await);
    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    assert!(backup.tools["pg_dumpall"].contains("no globals") && backup.tools["pg_dumpall"].contains("42501"), "{:?}", backup.tools);
    assert_eq!(house.artifacts().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn r10_a_spool_without_room_fails_as_such_and_is_emptied() {
    let cluster = Cluster::start().await;
    big(&cluster).await;
    let house = House::new(&cluster.url("big"), &policy(", format: directory"));
    // The first export is good; what follows must leave it as it is.
    success(&export(&house).await);
    let before = house.artifacts();
    let small = Mounted::tmpfs("16m");
    let house = house.with_scratch(small.0.path());
    house.set("2026-11-21T02:00:30Z");
    let (kind, reason, hint) = failure(&export(&house).await);
    assert_eq!((kind, reason.contains("spool")), (Kind::NoSpace, true), "{reason}");
    assert!(hint.contains("format: custom"), "{hint}");
    assert_eq!(files(small.0.path()), Vec::<String>::new());
    assert_eq!(house.artifacts(), before);
    assert_eq!(house.backups("orders-db").await.len(), 1);
    // A spool smaller than the largest table is enough when it is read meanwhile.
    drop(small);
    let enough = Mounted::tmpfs("80m");
    cluster.sql("big", "insert into t select i, repeat(md5(i::text), 31) from generate_series(1, 120000) i").await;
    let house = house.with_scratch(enough.0.path());
    house.set("2026-11-22T02:00:30Z");
    let taken = success(&export(&house).await);
    assert!(taken.plain_bytes > 150 << 20, "{}", taken.plain_bytes);
    assert_eq!(files(enough.0.path()), Vec::<String>::new());
}

/// A file system in memory of a given size.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn tmpfs(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path()).status().unwrap();
        assert!(mounted.success(), "this test mounts a small file system: run it as root, as the container does");
        Self(folder)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r45_neither_the_password_nor_a_row_of_data_ever_leaves_the_database() {
    let cluster = Arc::new(Cluster::start().await);
    big(&cluster).await;
    cluster.lifelike(100).await;
    // A failing constraint, a failing function and a wrong password all try to quote what they should not.
    let canary = lifelike::CANARY_ROW;
    cluster.sql("big", &format!("create table secrets (word text); insert into secrets values ('{canary}')")).await;
    let trap = "create function trap() returns int language plpgsql immutable as $$ declare w text; begin select word into w from secrets; raise exception 'the word is %', w using detail = w, hint = w; end $$;
                create view v as select trap() as x, word from secrets";
    cluster.sql("big", trap).await;
    let mut seen = String::new();
    let arguments = Arc::new(Mutex::new(String::new()));
    let (watched, noted) = (cluster.clone(), arguments.clone());
    let house = House::new(&cluster.url("big"), &policy(", format: directory, tables_csv: [v]"));
    let house = house.watched_by(Watch::after(500_000, move || {
        let mut noted = noted.lock().unwrap();
        for pid in children(&watched, "pg_dump") {
            noted.push_str(&String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).replace('\0', " "));
        }
    }));
    // The CSV of the view fails inside the function, whose message is the row.
    let report = export(&house).await;
    let (_, reason, hint) = failure(&report);
    assert!(reason.contains("P0001"), "{reason}");
    seen.push_str(&format!("{reason}{hint}{}", serde_json::to_string(&*report).unwrap()));
    seen.push_str(&format!("{:?}", report.findings()));
    let wrong = House::new(&cluster.url_as("postgres", "canary-wrong", "big"), &policy(""));
    let (kind, reason, _) = failure(&export(&wrong).await);
    assert_eq!((kind, reason.contains("28P01")), (Kind::Denied, true), "{reason}");
    seen.push_str(&reason);
    seen.push_str(&wrong.records());
    seen.push_str(&house.records());
    seen.push_str(&house.files().join("\n"));
    let good = House::new(&cluster.url("shop"), &policy(""));
    success(&export(&good).await);
    seen.push_str(&good.records());
    seen.push_str(&format!("{:?}", good.env));
    let arguments = arguments.lock().unwrap().clone();
    assert!(arguments.contains("--snapshot="), "no dump was seen: {arguments}");
    seen.push_str(&arguments);
    for secret in [PASSWORD, "canary-wrong", "canary-p", canary] {
        assert!(!seen.contains(secret), "{secret} was told");
    }
}

#[tokio::test]
async fn r23_what_a_physical_restore_must_be_compared_with_is_on_record() {
    let cluster = Cluster::start().await;
    cluster.lifelike(10).await;
    // A server whose C library sorts differently from the one that the database was made with.
    cluster.sql("shop", "update pg_database set datcollversion = '2.19' where datname = 'shop'").await;
    let house = House::new(&cluster.url("shop"), &policy(""));
    success(&export(&house).await);
    success(&SnapshotTrigger::default().run(&house.env).await.unwrap());
    for backup in house.backups("orders-db").await {
        let locale = backup.expectations.locale.unwrap();
        assert_eq!((locale.collate.as_str(), locale.provider.as_str(), locale.recorded_version.as_deref()), ("C.UTF-8", "c", Some("2.19")));
        assert_eq!(
            locale.actual_version.unwrap_or_default(),
            cluster.cell("shop", "select pg_database_collation_actual_version(oid) from pg_database where datname = 'shop'").await
        );
    }
}
