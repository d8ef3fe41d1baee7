//! Dumps that are killed, servers that hang up, clients that are too old, rights that are missing, room that runs out.

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    backup::{BackupReport, Taken},
    env::{Gauge, Progress},
    error::Kind,
    function::{Exit, Findings, Function, Outcome},
    providers::postgres::{PgUrl, connect},
};
use lastgood_tests::{
    house::{House, files, shell},
    pg::{Cluster, PASSWORD, give_away, lifelike, program},
};
use snapshot_trigger::SnapshotTrigger;
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
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
        assert!(reason.contains("57P01") || reason.contains("closed"), "{format}, {whose}: {reason}");
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

#[tokio::test]
async fn r18_our_connection_and_libpq_read_a_url_alike() {
    let cluster = Cluster::start().await;
    cluster.create("my db").await;
    let tcp = cluster.url("my db");
    let spellings = [
        tcp.clone(),
        tcp.replace("postgres://", "postgresql+psycopg://"),
        tcp.replace("postgres://", "postgresql+asyncpg://").replace("127.0.0.1", "localhost"),
        tcp.replace("127.0.0.1:", &format!("127.0.0.1:1,127.0.0.1:")),
        format!("{tcp}?options=-c%20search_path%3Dpg_catalog%20-c%20statement_timeout%3D77s&target_session_attrs=read-write"),
        cluster.socket_url("my%20db"),
    ];
    let asked =
        "select current_database() || ' ' || current_user || ' ' || current_setting('port') || ' ' || current_setting('search_path')";
    for text in spellings {
        let url: PgUrl = text.parse().unwrap();
        let ours: String = connect(&url).await.unwrap().query_one(asked, &[]).await.unwrap().get(0);
        let libpq = Command::new(program("psql")).args(["-XAtc", asked]).env_clear().envs(url.environment()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&libpq.stdout).trim(), ours, "{url}: {}", String::from_utf8_lossy(&libpq.stderr));
        assert!(ours.starts_with(&format!("my db postgres {}", cluster.port())), "{ours}");
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

/// A certificate authority and a server certificate for `localhost`, as an operator makes them.
fn certificates(folder: &Path) {
    let folder = folder.display();
    shell(&format!(
        "cd {folder} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout ca.key -out ca.crt 2>/dev/null
         openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=theirs -keyout other.key -out other.crt 2>/dev/null
         openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
         printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > ext
         openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out server.crt 2>/dev/null
         chmod 600 server.key; echo nonsense > nonsense.pem; chmod 755 ."
    ));
}

#[tokio::test]
async fn tls_checks_what_sslmode_asks_for_and_so_does_libpq() {
    let keys = tempfile::tempdir().unwrap();
    certificates(keys.path());
    give_away(keys.path());
    let at = |file: &str| keys.path().join(file).display().to_string();
    let cluster = Cluster::start_with(&[("ssl", "on"), ("ssl_cert_file", &at("server.crt")), ("ssl_key_file", &at("server.key"))]).await;
    let (by_name, by_address) = (cluster.url("postgres").replace("127.0.0.1", "localhost"), cluster.url("postgres"));
    let asked = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
    for (url, parameters, expected) in [
        (&by_name, "sslmode=disable".to_owned(), Some("false")),
        (&by_name, "sslmode=prefer".to_owned(), Some("true")),
        (&by_address, "sslmode=require".to_owned(), Some("true")),
        (&by_address, format!("sslmode=require&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_address, format!("sslmode=require&sslrootcert={}", at("other.crt")), None),
        (&by_address, format!("sslmode=verify-ca&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_name, format!("sslmode=verify-ca&sslrootcert={}", at("other.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_address, format!("sslmode=verify-full&sslrootcert={}", at("ca.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("other.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("nonsense.pem")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("missing.pem")), None),
        (&by_name, "sslmode=verify-full".to_owned(), None),
    ] {
        let url: PgUrl = format!("{url}?{parameters}").parse().unwrap();
        let ours = match connect(&url).await {
            Ok(client) => Some(client.query_one(asked, &[]).await.unwrap().get::<_, String>(0)),
            Err(error) => {
                assert!(!error.full().contains(PASSWORD), "{error:?}");
                None
            }
        };
        assert_eq!(ours.as_deref(), expected, "{url}?{parameters}");
        let libpq = Command::new(program("psql")).args(["-XAtc", asked]).env_clear().envs(url.environment()).output().unwrap();
        let libpq = libpq.status.success().then(|| String::from_utf8_lossy(&libpq.stdout).trim().to_owned());
        assert_eq!(libpq.as_deref(), expected, "libpq: {url}?{parameters}");
    }
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
            .args(["--exact", "postgres::an_export_that_will_be_killed", "--ignored"])
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
