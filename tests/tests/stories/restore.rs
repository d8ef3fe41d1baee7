//! Restores for real: beside what is there, all or nothing, and never over the source.

use lastgood_core::{
    domain::{
        backup::{Method, Role},
        drill::Verdict,
    },
    error::{Error, Kind},
    function::{Exit, Findings, Function},
};
use lastgood_tests::{
    drills::{House, shop},
    pg::Cluster,
};
use restore::{Restore, Restored};
use std::time::Duration;

const POLICY: &str = "{ schedule: \"0 6 * * *\", into: scratch }";

fn latest(into: &str) -> Restore {
    Restore {
        asset: shop(),
        backup: None,
        at: None,
        latest: true,
        into: into.parse().unwrap(),
        from: None,
        apply: true,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

/// Writes a URL where the operator would keep it and returns the reference to it.
fn kept(house: &House, url: &str) -> String {
    let path = house.home.path().join("target-url");
    std::fs::write(&path, url).unwrap();
    format!("file:{}", path.display())
}

async fn restore(house: &House, request: Restore) -> Result<Restored, Error> {
    request.run(&house.env).await.map(|report| report.restored().unwrap().clone())
}

async fn databases(cluster: &Cluster) -> String {
    let roles = "(select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_')";
    cluster.cell("postgres", &format!("select string_agg(datname, ' ' order by datname) || ' ' || {roles} from pg_database")).await
}

#[tokio::test]
async fn the_plan_touches_nothing_and_the_deed_brings_everything_back() {
    let source = Cluster::start().await;
    source.lifelike(200).await;
    let before = source.fingerprint("shop").await;
    for method in [Method::PgDumpCustom, Method::PgDumpPlain, Method::PgDumpDirectory] {
        let target = Cluster::start().await;
        let house = House::new(&source.url("shop"), POLICY);
        let backup = house.back_up(method).await;
        let empty = databases(&target).await;
        let into = kept(&house, &target.url("shop_restored"));
        let plan = restore(&house, Restore { apply: false, ..latest(&into) }).await.unwrap();
        assert!(!plan.applied && plan.steps.len() > 3 && plan.backup == backup.id, "{plan:?}");
        assert_eq!(databases(&target).await, empty);

        let done = restore(&house, latest(&into)).await.unwrap();
        assert_eq!(done.verdict, Some(Verdict::Proven), "{method:?}: {:#?}", done.checks);
        assert_eq!(target.fingerprint("shop_restored").await, before, "{method:?}");
        assert_eq!(target.cell("postgres", "select rolcanlogin::text from pg_roles where rolname = 'shop_app'").await, "true");
        let sequence = target.cell("shop_restored", "select last_value::text from public.invoice_numbers").await;
        assert_eq!(sequence, "4711");

        let again = restore(&house, latest(&into)).await.unwrap_err();
        assert_eq!(again.kind(), Kind::Refused, "a restore never goes over what is there");
        assert_eq!(target.fingerprint("shop_restored").await, before);
    }
    assert_eq!(source.fingerprint("shop").await, before, "I4");
}

#[tokio::test]
async fn r26_the_source_itself_is_refused_unless_its_name_is_typed_and_a_name_beside_it_is_fine() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let before = source.fingerprint("shop").await;
    let house = House::new(&source.url("shop"), POLICY);
    house.back_up(Method::PgDumpCustom).await;
    for url in [source.url("shop"), source.url("shop").replace("127.0.0.1", "localhost"), source.socket_url("shop")] {
        let error = restore(&house, latest(&kept(&house, &url))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{error:?}");
        let typed = Restore { confirm: Some("shop".to_owned()), ..latest(&kept(&house, &url)) };
        let error = restore(&house, typed).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "it is not empty, whatever was typed: {error:?}");
    }
    assert_eq!(source.fingerprint("shop").await, before);
    restore(&house, latest(&kept(&house, &source.url("shop_beside")))).await.unwrap();
    assert_eq!(source.fingerprint("shop_beside").await, before);

    // The database is lost: now its own name is what is wanted.
    source.sql("postgres", "drop database shop").await;
    let lost = latest(&kept(&house, &source.url("shop")));
    assert_eq!(restore(&house, lost.clone()).await.unwrap_err().kind(), Kind::Refused);
    restore(&house, Restore { confirm: Some("shop".to_owned()), ..lost }).await.unwrap();
    assert_eq!(source.fingerprint("shop").await, before);
}

#[tokio::test]
async fn r12_r14_damaged_and_half_dumps_are_refused_before_the_target_is_touched() {
    let source = Cluster::start().await;
    source.lifelike(200).await;
    let target = Cluster::start().await;
    let empty = databases(&target).await;
    for method in [Method::PgDumpCustom, Method::PgDumpPlain, Method::PgDumpDirectory] {
        let house = House::new(&source.url("shop"), POLICY);
        let backup = house.back_up(method).await;
        let largest = backup.artifacts.iter().max_by_key(|artifact| artifact.size).unwrap();
        let path = house.object(&largest.key);
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        flipped[good.len() / 3] ^= 0x10;
        for bad in [flipped, good[..good.len() / 2].to_vec()] {
            std::fs::write(&path, bad).unwrap();
            let error = restore(&house, latest(&kept(&house, &target.url("shop_restored")))).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt, "{method:?}: {error:?}");
            assert_eq!(databases(&target).await, empty);
        }
    }
    // A dump that was cut before it was stored has digests that fit: only decoding it to its end tells.
    for method in [Method::PgDumpCustom, Method::PgDumpPlain] {
        let house = House::new(&source.url("shop"), POLICY);
        let backup = house.back_up(method).await;
        house
            .replace_dump(&backup, |mut dump| {
                dump.truncate(dump.len() / 2);
                dump
            })
            .await;
        let error = restore(&house, latest(&kept(&house, &target.url("shop_restored")))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt, "{method:?}: {error:?}");
        assert_eq!(databases(&target).await, empty);
    }
}

#[tokio::test]
async fn r15_a_restore_that_fails_midway_leaves_the_server_as_it_was_and_can_be_tried_again() {
    let source = Cluster::start().await;
    source.lifelike(300).await;
    let before = source.fingerprint("shop").await;
    let target = Cluster::start().await;
    target.create("already_there").await;
    let empty = databases(&target).await;
    let house = House::new(&source.url("shop"), POLICY);
    // A role is missing, and nothing on record says how to make it.
    house
        .back_up_as(Method::PgDumpCustom, |manifest| {
            manifest.artifacts.retain(|artifact| artifact.role != Role::Globals);
            manifest.expectations.roles.clear();
        })
        .await;
    for into in ["shop_restored", "already_there"] {
        let error = restore(&house, latest(&kept(&house, &target.url(into)))).await.unwrap_err();
        assert!(error.full().contains("shop_owner"), "the first error is told: {}", error.full());
        assert_eq!(databases(&target).await, empty);
    }
    assert_eq!(target.cell("already_there", "select count(*)::text from pg_class where relnamespace = 'public'::regnamespace").await, "0");
    target.sql("postgres", "create role shop_owner; create role shop_reader").await;
    let done = restore(&house, latest(&kept(&house, &target.url("shop_restored")))).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    assert_eq!(target.fingerprint("shop_restored").await, before);
}

#[tokio::test]
async fn r15_a_connection_lost_midway_takes_the_new_database_back() {
    let source = Cluster::start().await;
    source.lifelike(20_000).await;
    let target = Cluster::start().await;
    let empty = databases(&target).await;
    let house = House::new(&source.url("shop"), POLICY);
    house.back_up(Method::PgDumpCustom).await;
    let request = latest(&kept(&house, &target.url("shop_restored")));
    let cut = async {
        let victims =
            "select count(pg_terminate_backend(pid))::text from pg_stat_activity where datname = 'shop_restored' and query ~* '^copy'";
        while target.cell("postgres", victims).await == "0" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (done, ()) = tokio::join!(restore(&house, request.clone()), cut);
    let error = done.unwrap_err();
    assert!(error.full().contains("the target is as it was"), "{}", error.full());
    assert_eq!(databases(&target).await, empty);
    assert_eq!(restore(&house, request).await.unwrap().verdict, Some(Verdict::Proven));
}

#[tokio::test]
async fn a_killed_restore_is_found_by_the_next_and_started_again_from_zero() {
    let source = Cluster::start().await;
    source.lifelike(20_000).await;
    let target = Cluster::start().await;
    let house = House::new(&source.url("shop"), POLICY);
    house.back_up(Method::PgDumpCustom).await;
    let request = latest(&kept(&house, &target.url("shop_restored")));
    let (env, killed) = (house.another_invocation("killed"), request.clone());
    let task = tokio::spawn(async move { killed.run(&env).await.map(|_| ()) });
    let there = "select count(*)::text from pg_stat_activity where datname = 'shop_restored' and application_name = 'lastgood' and query ~* '^copy'";
    while target.cell("postgres", there).await == "0" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    task.abort();
    let _ = task.await;
    let report = request.run(&house.env).await.unwrap();
    assert_eq!(report.exit(), Exit::Good, "{:?}", report.restored());
    assert_eq!(target.fingerprint("shop_restored").await, source.fingerprint("shop").await);
}

#[tokio::test]
async fn a_base_backup_becomes_a_data_folder_that_starts_fenced() {
    let mut source = Cluster::start().await;
    source.lifelike(200).await;
    // What is unlogged is not in any base backup.
    source.sql("shop", "truncate public.sessions").await;
    let before = source.fingerprint("shop").await;
    let house = House::new(&source.url("shop"), POLICY);
    house.back_up(Method::PgBaseBackup).await;
    let folder = house.home.path().join("restored");
    let into = format!("file://{}", folder.display());
    let done = restore(&house, latest(&into)).await.unwrap();
    assert!(done.applied && done.next.len() > 2);
    assert_eq!(restore(&house, latest(&into)).await.unwrap_err().kind(), Kind::Refused);
    source.stop();
    let restored = Cluster::start_from(&folder, &[]).await;
    assert_eq!(restored.fingerprint("shop").await, before);
    assert_eq!(
        restored.cell("shop", "select current_setting('archive_mode') || current_setting('max_logical_replication_workers')").await,
        "off0"
    );
}
