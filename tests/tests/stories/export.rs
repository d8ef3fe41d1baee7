//! Exports of a real Postgres, opened again with nothing but public tools.

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    backup::{Taken, When},
    domain::backup::{Method, Role, Tier},
    function::{Exit, Findings, Function, Outcome, Status},
};
use lastgood_tests::{
    house::{House, files, shell},
    pg::Cluster,
};
use std::time::Duration;

const NIGHTLY: &str = "orders-db:\n  kind: postgres\n  url: URL\n  export: { schedule: \"0 2 * * *\" }\n";

fn due() -> ExportToBucket {
    ExportToBucket::default()
}

fn now() -> ExportToBucket {
    ExportToBucket { asset: Some("orders-db".parse().unwrap()), when: When::Now, analytics: false }
}

async fn taken(house: &House, request: ExportToBucket) -> Taken {
    let report = request.run(&house.env).await.unwrap();
    match &report.entries[..] {
        [entry] => match &entry.outcome {
            Outcome::Done(taken) => taken.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_custom_export_opens_with_zstd_and_pg_restore_and_holds_every_row() {
    let cluster = Cluster::start().await;
    cluster.lifelike(2000).await;
    let house = House::new(&cluster.url("shop"), NIGHTLY);
    let taken = taken(&house, due()).await;
    assert_eq!(taken.artifact, "exports/orders-db/orders-db_monthly_20261120_020000.dump.zst");
    assert_eq!(
        house.artifacts(),
        [
            "exports/orders-db/orders-db_monthly_20261120_020000.dump.zst",
            "exports/orders-db/orders-db_monthly_20261120_020000.dump.zst.sha256",
            "exports/orders-db/orders-db_monthly_20261120_020000.globals.sql.zst",
        ]
    );
    let folder = house.vault().join("exports/orders-db");
    let stem = folder.join("orders-db_monthly_20261120_020000").display().to_string();
    shell(&format!("cd {} && sha256sum -c *.sha256", folder.display()));
    // The globals are SQL without a single password.
    let globals = shell(&format!("zstd -dc {stem}.globals.sql.zst"));
    assert!(globals.contains("CREATE ROLE shop_owner") && !globals.contains("PASSWORD"), "{globals}");
    cluster.create("again").await;
    shell(&format!("zstd -dc {stem}.dump.zst | pg_restore --exit-on-error {}", cluster.flags("again")));
    assert_eq!(cluster.fingerprint("again").await, cluster.fingerprint("shop").await);

    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    assert_eq!((backup.id, backup.method, backup.tier), (taken.backup, Method::PgDumpCustom, Tier::Monthly));
    assert_eq!(backup.source.server_version_num, 150_018);
    assert_eq!(backup.source.database.as_deref(), Some("shop"));
    assert_eq!(backup.source.address, format!("127.0.0.1:{}/shop", cluster.port()));
    assert_eq!(
        backup.source.system_identifier.as_deref(),
        Some(&*cluster.cell("shop", "select system_identifier from pg_control_system()").await)
    );
    let expected = &backup.expectations;
    assert_eq!(expected.tables["public.orders"].rows, 2000);
    assert_eq!(expected.tables["Odd Names.My \"Table\" ☃"].rows, 3);
    assert_eq!(expected.tables["public.empty_table"].rows, 0);
    assert_eq!(expected.migrations["alembic_version"], "9f3c1b7ad2e4");
    assert_eq!(expected.extensions["pgcrypto"], "1.3");
    assert_eq!(expected.large_objects, 2);
    assert_eq!(expected.roles, ["postgres", "shop_owner", "shop_reader"]);
    assert_eq!(expected.encoding.as_deref(), Some("UTF8"));
    assert!(expected.end_lsn.as_deref().is_some_and(|lsn| lsn.contains('/')));
    assert_eq!(backup.tools["pg_dump"], "15.18");
    // The server's clock is ahead of the house's: data is never fresher than the work that read it.
    assert_eq!(backup.data_time, house.now());
    assert_eq!(files(house.scratch()), Vec::<String>::new());
}

#[tokio::test]
async fn a_plain_export_opens_with_gunzip_and_psql() {
    let cluster = Cluster::start().await;
    cluster.lifelike(500).await;
    let policy = "transcripts:\n  kind: postgres\n  url: URL\n  export: { schedule: \"0 2 * * *\", format: plain, compression: gzip }\n";
    let house = House::new(&cluster.url("shop").replace("postgres://", "postgresql+psycopg://"), policy);
    let taken = taken(&house, due()).await;
    assert_eq!(taken.artifact, "exports/transcripts/transcripts_monthly_20261120_020000.sql.gz");
    cluster.create("again").await;
    let dump = house.vault().join(&taken.artifact);
    shell(&format!("gunzip -c {} | psql -q -v ON_ERROR_STOP=1 {} > /dev/null", dump.display(), cluster.flags("again")));
    assert_eq!(cluster.fingerprint("again").await, cluster.fingerprint("shop").await);
}

#[tokio::test]
async fn a_directory_export_opens_with_zstd_and_pg_restore_in_parallel() {
    let cluster = Cluster::start().await;
    cluster.lifelike(3000).await;
    let policy =
        "orders-db:\n  kind: postgres\n  url: URL\n  export: { schedule: \"0 2 * * *\", format: directory, jobs: 3, digests: true }\n";
    let house = House::new(&cluster.url("shop"), policy);
    let taken = taken(&house, due()).await;
    assert_eq!(taken.artifact, "exports/orders-db/orders-db_monthly_20261120_020000.dir/toc.dat.zst");
    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    assert!(backup.artifacts.iter().filter(|artifact| matches!(artifact.role, Role::DirectoryFile(_))).count() > 10);
    assert!(backup.expectations.tables.values().all(|table| table.digest.is_some()));
    let folder = house.vault().join("exports/orders-db");
    shell(&format!("cd {} && sha256sum -c orders-db_monthly_20261120_020000.dir.sha256", folder.display()));
    let unpacked = tempfile::tempdir().unwrap();
    let unpacked = unpacked.path().display();
    shell(&format!(
        "cp {}/orders-db_monthly_20261120_020000.dir/* {unpacked} && zstd -q -d --rm {unpacked}/*.zst && ls {unpacked}",
        folder.display()
    ));
    cluster.create("again").await;
    shell(&format!("pg_restore --exit-on-error -j 2 {} {unpacked}", cluster.flags("again")));
    assert_eq!(cluster.fingerprint("again").await, cluster.fingerprint("shop").await);
    assert_eq!(files(house.scratch()), Vec::<String>::new());
}

#[tokio::test]
async fn dump_csv_and_counts_come_from_one_snapshot_while_the_source_is_written() {
    let cluster = Cluster::start().await;
    cluster.lifelike(20_000).await;
    let policy =
        "orders-db:\n  kind: postgres\n  url: URL\n  export: { schedule: \"0 2 * * *\", tables_csv: [orders, accounts.users, events] }\n";
    let house = House::new(&cluster.url("shop"), policy);
    let writer = cluster.connect("shop").await;
    let writing = tokio::spawn(async move {
        loop {
            let insert =
                "insert into public.orders (user_id, state, body, created_at) select 1, 'new', '{}', now() from generate_series(1, 20);
                          delete from public.order_items where order_id = (select min(order_id) from public.order_items)";
            writer.batch_execute(insert).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let taken = taken(&house, due()).await;
    writing.abort();
    let [backup] = &house.backups("orders-db").await[..] else { panic!() };
    cluster.create("again").await;
    shell(&format!("zstd -dc {} | pg_restore --exit-on-error {}", house.vault().join(&taken.artifact).display(), cluster.flags("again")));
    let now: u64 = cluster.cell("shop", "select count(*) from public.orders").await.parse().unwrap();
    for (table, facts) in backup.expectations.tables.iter().filter(|(table, _)| table.starts_with("public.")) {
        assert_eq!(cluster.cell("again", &format!("select count(*) from only {table}")).await, facts.rows.to_string(), "{table}");
    }
    let orders = backup.expectations.tables["public.orders"].rows;
    assert!(orders > 20_000 && orders < now, "{orders} of {now}: the source was not written meanwhile");
    let csv = house.vault().join("exports/orders-db/orders-db_monthly_20261120_020000.orders.csv.zst");
    cluster.sql("again", "create table public.from_csv (like public.orders)").await;
    shell(&format!(
        "zstd -dc {} | psql -q {} -c 'copy public.from_csv from stdin (format csv, header)'",
        csv.display(),
        cluster.flags("again")
    ));
    let differing = "select count(*) from ((table public.orders except table public.from_csv) union all (table public.from_csv except table public.orders)) x";
    assert_eq!(cluster.cell("again", differing).await, "0");
    let names: Vec<_> = backup.artifacts.iter().map(|artifact| artifact.role.clone()).collect();
    assert!(names.contains(&Role::TableCsv("accounts.users".to_owned())) && names.contains(&Role::TableCsv("public.events".to_owned())));
}

#[tokio::test]
async fn r01_five_deliveries_of_one_event_make_one_dump() {
    let cluster = Cluster::start_with(&[("log_statement", "all")]).await;
    cluster.lifelike(5000).await;
    let house = House::new(&cluster.url("shop"), NIGHTLY);
    let runs = (0..5).map(|n| {
        let env = house.another(&format!("invocation-{n}"));
        tokio::spawn(async move { due().run(&env).await.unwrap() })
    });
    let (mut done, mut left) = (0, 0);
    for run in runs.collect::<Vec<_>>() {
        let report = run.await.unwrap();
        assert_eq!((report.status, report.exit()), (Status::Ok, Exit::Good));
        match &report.entries[0].outcome {
            Outcome::Done(_) => done += 1,
            Outcome::AlreadyRunning { .. } | Outcome::NotDue { .. } => left += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done >= 1, done + left), (true, 5));
    assert_eq!(house.backups("orders-db").await.len(), 1);
    assert_eq!(house.artifacts().len(), 3, "{:?}", house.artifacts());
    assert_eq!(cluster.log().matches("pg_export_snapshot").count(), 1, "the server was asked for one snapshot");
    // Delivered once more, hours later, it is still the same slot and still done.
    house.set("2026-11-20T23:00:00Z");
    let report = due().run(&house.env).await.unwrap();
    assert!(matches!(report.entries[0].outcome, Outcome::NotDue { next: Some(next) } if next.to_string() == "2026-11-21T02:00:00Z"));
    assert_eq!(house.backups("orders-db").await.len(), 1);
}

#[tokio::test]
async fn missed_slots_are_made_up_for_once_and_the_first_of_a_week_or_month_is_named_so() {
    let cluster = Cluster::start().await;
    cluster.create("small").await;
    cluster.sql("small", "create table t (id int); insert into t values (1)").await;
    let house = House::at("2025-11-20T02:00:05Z", &cluster.url("small"), NIGHTLY);
    let mut names = Vec::new();
    for moment in ["2025-11-20T02:00:05Z", "2025-11-21T09:00:00Z", "2025-11-24T03:00:00Z", "2025-12-03T02:30:00Z"] {
        house.set(moment);
        names.push(taken(&house, due()).await.artifact.replace("exports/orders-db/orders-db_", ""));
    }
    assert_eq!(
        names,
        [
            "monthly_20251120_020000.dump.zst",
            "daily_20251121_020000.dump.zst",
            "weekly_20251124_020000.dump.zst",
            "monthly_20251203_020000.dump.zst"
        ]
    );
    house.set("2025-12-03T11:22:33Z");
    assert_eq!(taken(&house, now()).await.artifact, "exports/orders-db/orders-db_daily_20251203_112233.dump.zst");
}
