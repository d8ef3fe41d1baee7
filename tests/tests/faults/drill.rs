//! Drills when things break: production as a target, crashes at every moment, copies that would act, hostile dumps.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    domain::{backup::Method, drill::Verdict},
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::{
    drills::{House, shop},
    pg::Cluster,
};
use restore_drill::{DrillReport, Drilled, RestoreDrill};
use std::time::Duration;

const SCRATCH: &str = "{ schedule: \"0 6 * * *\", into: scratch, timeout: 2h }";
const SERVER: &str = "{ schedule: \"0 6 * * *\", into: { server: \"file:HOME/staging-url\" } }";

fn now() -> RestoreDrill {
    RestoreDrill { asset: Some(shop()), now: true, ..RestoreDrill::default() }
}

fn drilled(report: &DrillReport) -> &Drilled {
    match &report.entries[0].outcome {
        Outcome::Done(drilled) => drilled,
        other => panic!("{other:#?}"),
    }
}

#[tokio::test]
async fn r26_production_as_a_drill_target_is_refused_by_address_and_by_identity() {
    let source = Cluster::start().await;
    source.lifelike(20).await;
    let before = source.fingerprint("shop").await;
    let databases = source.cell("postgres", "select string_agg(datname, ' ') from pg_database").await;
    let house = House::new(&source.url("shop"), SERVER);
    house.back_up(Method::PgDumpCustom).await;
    let target = house.home.path().join("staging-url");

    std::fs::write(&target, source.url("other_name").replace("127.0.0.1", "localhost")).unwrap();
    let report = now().run(&house.env).await.unwrap();
    let Outcome::Failed { kind, reason, .. } = &report.entries[0].outcome else { panic!("{:?}", report.entries[0].outcome) };
    assert_eq!(*kind, Kind::Refused, "{reason}");

    std::fs::write(&target, source.socket_url("postgres")).unwrap();
    let report = now().run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::CouldNotVerify);
    assert!(
        drilled(&report).reason.as_deref().unwrap().contains("the one that the backup was taken from"),
        "{:?}",
        drilled(&report).reason
    );
    assert_eq!(source.cell("postgres", "select string_agg(datname, ' ') from pg_database").await, databases);
    assert_eq!(source.fingerprint("shop").await, before);
}

#[tokio::test]
async fn r25_a_drill_killed_at_any_moment_is_cleared_away_by_the_next_and_nothing_foreign_is() {
    let source = Cluster::start().await;
    source.lifelike(200).await;
    for method in [Method::PgDumpCustom, Method::PgBaseBackup] {
        let house = House::new(&source.url("shop"), SCRATCH);
        house.back_up(method).await;
        std::fs::create_dir_all(house.drills().join("lastgood-drill-shop-of-a-stranger/data")).unwrap();
        for after in [1, 30, 150, 400, 900, 1500, 2500, 4000] {
            let env = house.another_invocation(&format!("killed-after-{after}"));
            let task = tokio::spawn(async move { now().run(&env).await.map(|_| ()) });
            tokio::time::sleep(Duration::from_millis(after)).await;
            task.abort();
            let _ = task.await;
            house.clock.advance(Duration::from_hours(3));
            let janitor = house.another_invocation("janitor");
            let report = RestoreDrill { asset: Some(shop()), ..RestoreDrill::default() }.run(&janitor).await.unwrap();
            assert!(!matches!(report.entries[0].outcome, Outcome::Failed { .. }), "{:?}", report.entries[0].outcome);
            assert_eq!(house.leftovers(), ["lastgood-drill-shop-of-a-stranger"], "{method:?} killed after {after} ms");
            house.clock.advance(Duration::from_secs(7));
        }
        for drill in house.env.vault.all::<Evidence>(&Key::drills(&shop())).await.unwrap().good {
            assert!(drill.verdict != Verdict::Failed, "a kill says nothing about the backup: {:?}", drill.reason);
        }
    }
}

#[tokio::test]
async fn r25_a_killed_drill_is_taken_up_by_the_next_invocation_before_its_time_is_over() {
    let source = Cluster::start().await;
    source.lifelike(200).await;
    let house = House::new(&source.url("shop"), SCRATCH);
    let backup = house.back_up(Method::PgDumpCustom).await;
    let env = house.another_invocation("killed");
    let task = tokio::spawn(async move { now().run(&env).await.map(|_| ()) });
    while house.leftovers().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    task.abort();
    let _ = task.await;
    let held = now().run(&house.another_invocation("too early")).await.unwrap();
    assert!(matches!(held.entries[0].outcome, Outcome::AlreadyRunning { .. }), "{:?}", held.entries[0].outcome);
    house.clock.advance(Duration::from_mins(2));
    let report = RestoreDrill { asset: Some(shop()), ..RestoreDrill::default() }.run(&house.another_invocation("next")).await.unwrap();
    assert_eq!((drilled(&report).verdict, drilled(&report).backup), (Verdict::Proven, Some(backup.id)), "{:?}", drilled(&report).reason);
    assert_eq!(house.leftovers(), Vec::<String>::new());
    let drills = house.env.vault.all::<Evidence>(&Key::drills(&shop())).await.unwrap().good;
    assert_eq!(drills.len(), 1, "one drill, one piece of evidence");
}

#[tokio::test]
async fn r22_a_physical_copy_is_fenced_before_its_first_start() {
    let publisher = Cluster::start_with(&[("wal_level", "logical"), ("max_replication_slots", "10")]).await;
    publisher.create("feed").await;
    publisher.sql("feed", "create table ticks (id int primary key); create publication p for table ticks").await;
    let archive = tempfile::tempdir().unwrap();
    lastgood_tests::pg::give_away(archive.path());
    let command = format!("cp %p {}/%f", archive.path().display());
    let mut source = Cluster::start_with(&[("archive_mode", "on"), ("archive_command", &command)]).await;
    source.lifelike(20).await;
    source.sql("shop", "create table ticks (id int primary key)").await;
    source.sql("shop", &format!("create subscription s connection '{}' publication p", publisher.url("feed").replace('\'', "''"))).await;
    publisher.sql("feed", "insert into ticks select generate_series(1, 10)").await;
    while source.cell("shop", "select count(*)::text from ticks").await != "10" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let house = House::new(&source.url("shop"), SCRATCH);
    // The settings come with the data folder, as they do where nobody manages them elsewhere.
    let conf = source.data().join("postgresql.auto.conf");
    let dangerous = format!(
        "archive_mode = 'on'\narchive_command = '{command}'\nshared_preload_libraries = 'pg_cron'\nlisten_addresses = '*'\nport = 1\nprimary_conninfo = 'host=127.0.0.1'\n"
    );
    std::fs::write(&conf, dangerous).unwrap();
    lastgood_tests::pg::give_away(&conf);
    house.back_up(Method::PgBaseBackup).await;
    source.stop();
    let slot = "select string_agg(slot_name || ' ' || active || ' ' || confirmed_flush_lsn, ',') from pg_replication_slots";
    while publisher.cell("feed", slot).await.contains("true") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    publisher.sql("feed", "insert into ticks select generate_series(11, 20)").await;
    let listing = || std::fs::read_dir(archive.path()).unwrap().count();
    let (before, archived) = (publisher.cell("feed", slot).await, listing());
    let report = now().run(&house.env).await.unwrap();
    assert_ne!(drilled(&report).verdict, Verdict::Failed, "{:?}", drilled(&report).reason);
    assert!(drilled(&report).checks > 5, "it was restored and asked: {:?}", drilled(&report).reason);
    assert_eq!(publisher.cell("feed", slot).await, before, "production's slot did not move");
    assert_eq!(listing(), archived, "nothing was archived");
    assert_eq!(house.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn r46_a_command_in_a_dump_does_not_run() {
    let source = Cluster::start().await;
    source.lifelike(20).await;
    let house = House::new(&source.url("shop"), SCRATCH);
    let backup = house.back_up(Method::PgDumpPlain).await;
    let evil = house.home.path().join("evil");
    let command = format!("\n\\! touch {}\n\\o | touch {0}\n\\copy (select 1) to program 'touch {0}'\n", evil.display());
    house
        .replace_dump(&backup, |dump| {
            let text = String::from_utf8(dump).unwrap();
            // After the dump's own fence, and once more after it was opened from within.
            let fence = text.lines().find_map(|line| line.strip_prefix("\\restrict ")).unwrap_or_default().to_owned();
            text.replacen("\nCREATE SCHEMA", &format!("\n\\unrestrict {fence}{command}\nCREATE SCHEMA"), 1).into_bytes()
        })
        .await;
    let report = now().run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::Failed, "{:?}", drilled(&report).reason);
    assert!(drilled(&report).reason.as_deref().unwrap().contains("restrict"), "{:?}", drilled(&report).reason);
    assert!(!evil.exists(), "the command ran");
    assert_eq!(house.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn r12_one_flipped_byte_fails_the_drill_and_names_the_object() {
    let source = Cluster::start().await;
    source.lifelike(200).await;
    for method in [Method::PgDumpCustom, Method::PgDumpDirectory, Method::PgBaseBackup] {
        let house = House::new(&source.url("shop"), SCRATCH);
        let backup = house.back_up(method).await;
        let largest = backup.artifacts.iter().max_by_key(|artifact| artifact.size).unwrap();
        let mut bytes = std::fs::read(house.object(&largest.key)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(house.object(&largest.key), bytes).unwrap();
        let report = now().run(&house.env).await.unwrap();
        assert_eq!(drilled(&report).verdict, Verdict::Failed, "{method:?}");
        let reason = drilled(&report).reason.clone().unwrap();
        assert!(reason.contains(largest.key.rsplit('/').next().unwrap()), "{method:?}: {reason}");
        assert_eq!(house.leftovers(), Vec::<String>::new());
    }
}
