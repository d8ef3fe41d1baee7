//! Drills over real Postgres: what is proven, what is not, and that nothing is ever left behind.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    domain::{
        backup::{Form, Method},
        drill::Verdict,
    },
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::{
    drills::{House, shop},
    pg::Cluster,
};
use restore_drill::{DrillReport, Drilled, RestoreDrill};

const SCRATCH: &str = "{ schedule: \"0 6 * * *\", into: scratch }";

fn now() -> RestoreDrill {
    RestoreDrill { asset: Some(shop()), now: true, ..RestoreDrill::default() }
}

fn drilled(report: &DrillReport) -> &Drilled {
    match &report.entries[0].outcome {
        Outcome::Done(drilled) => drilled,
        other => panic!("{other:#?}"),
    }
}

async fn evidence(house: &House, drilled: &Drilled) -> Evidence {
    house.env.vault.load::<Evidence>(&Key::Drill(shop(), drilled.drill)).await.unwrap().unwrap().record
}

#[tokio::test]
async fn every_form_of_backup_is_proven_and_nothing_is_left() {
    let source = Cluster::start().await;
    source.lifelike(500).await;
    let before = source.fingerprint("shop").await;
    for method in [Method::PgDumpCustom, Method::PgDumpPlain, Method::PgDumpDirectory, Method::PgBaseBackup] {
        let house = House::new(&source.url("shop"), SCRATCH);
        let backup = house.back_up(method).await;
        let report = now().run(&house.env).await.unwrap();
        let drilled = drilled(&report);
        let evidence = evidence(&house, drilled).await;
        assert_eq!(drilled.verdict, Verdict::Proven, "{method:?}: {:#?}", evidence);
        assert_eq!(report.exit(), Exit::Good);
        assert_eq!(drilled.backup, Some(backup.id));
        assert!(evidence.proves(backup.id));
        assert!(evidence.checks.iter().any(|check| check.name == "rows of public.orders" && check.found == "500"), "{method:?}");
        assert!(evidence.checks.iter().any(|check| check.name.starts_with("digest of")), "{method:?}");
        assert_eq!(evidence.backup.as_ref().unwrap().form, if method == Method::PgBaseBackup { Form::Snapshot } else { Form::Export });
        assert_eq!(evidence.objectives.rto_met, Some(true));
        assert_eq!(house.leftovers(), Vec::<String>::new(), "{method:?}");
        assert!(std::fs::read_to_string(house.object(&drilled.page)).unwrap().contains("Proven"));
    }
    assert_eq!(source.fingerprint("shop").await, before, "I4: a drill leaves production as it was");
}

#[tokio::test]
async fn the_copy_far_away_is_drilled_when_the_policy_says_so() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let house = House::new(&source.url("shop"), "{ schedule: \"0 6 * * *\", into: scratch, from: \"file://HOME/far\" }");
    let backup = house.back_up(Method::PgDumpCustom).await;
    let far = house.copy_far();
    for object in &backup.artifacts {
        std::fs::remove_file(house.object(&object.key)).unwrap();
    }
    let report = now().run(&house.env).await.unwrap();
    assert_eq!((drilled(&report).verdict, drilled(&report).from.as_ref()), (Verdict::Proven, Some(&far)));
    let near = RestoreDrill { from: Some(house.env.config.vault.clone()), ..now() };
    house.clock.advance(std::time::Duration::from_secs(5));
    let report = near.run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::Failed, "the vault's own objects are gone: {:?}", drilled(&report).reason);
}

#[tokio::test]
async fn a_drill_is_due_once_and_forms_take_turns() {
    let source = Cluster::start().await;
    source.lifelike(20).await;
    let house = House::new(&source.url("shop"), SCRATCH);
    house.back_up(Method::PgDumpCustom).await;
    house.back_up(Method::PgBaseBackup).await;
    let due = RestoreDrill::default();
    let first = due.clone().run(&house.env).await.unwrap();
    assert_eq!(evidence(&house, drilled(&first)).await.backup.unwrap().form, Form::Export);
    let again = due.clone().run(&house.env).await.unwrap();
    assert!(matches!(again.entries[0].outcome, Outcome::NotDue { next: Some(_) }), "{:?}", again.entries[0].outcome);
    house.clock.advance(std::time::Duration::from_hours(24));
    let second = due.run(&house.env).await.unwrap();
    assert_eq!(evidence(&house, drilled(&second)).await.backup.unwrap().form, Form::Snapshot);
    assert_eq!(drilled(&second).verdict, Verdict::Proven, "{:?}", drilled(&second).reason);
}

#[tokio::test]
async fn r24_wrong_empty_and_slow_questions_turn_the_drill_red_and_it_is_torn_down_all_the_same() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let checks = r#"
      - { sql: "select count(*) from public.orders", expect: "= 50" }
      - { sql: "select count(*) from nonexistent", expect: ">= 0" }
      - { table: public.empty_table, rows: ">= 1" }
      - { table: public.empty_table, newest: id, within: 1h }
      - { sql: "delete from public.order_items returning 1", expect: ">= 0" }
      - { table: public.orders, newest: created_at, within: 900d }
      - { migration: alembic_version, equals_source: true }
      - { http: "http://169.254.169.254/latest", expect: x }
      - { sql: "select max(email) from accounts.users", expect: "!= 'x'" }"#;
    let house = House::new(
        &source.url("shop"),
        &format!("\n      schedule: \"0 6 * * *\"\n      into: scratch\n      checks: {}", checks.replace('\n', "\n  ")),
    );
    house.back_up(Method::PgDumpCustom).await;
    let report = now().run(&house.env).await.unwrap();
    let kept = evidence(&house, drilled(&report)).await;
    let outcome = |name: &str| {
        kept.checks.iter().find(|check| check.name.contains(name)).map(|check| format!("{:?}", check.outcome)).unwrap_or_default()
    };
    assert_eq!(drilled(&report).verdict, Verdict::Failed);
    assert_eq!(report.exit(), Exit::Failed);
    assert_eq!(outcome("count(*) from public.orders"), "Passed");
    assert_eq!(outcome("nonexistent"), "Failed");
    assert_eq!(outcome("number of rows of public.empty_table"), "Failed");
    assert_eq!(outcome("newest id of public.empty_table"), "Failed");
    assert_eq!(outcome("delete from"), "Failed", "a question can only read");
    assert_eq!(outcome("newest created_at"), "Passed");
    assert_eq!(outcome("migration of alembic_version"), "Passed");
    assert_eq!(outcome("GET http"), "CouldNotVerify");
    let text = std::fs::read_to_string(house.object(&drilled(&report).evidence)).unwrap();
    assert!(!text.contains("@example.com"), "no row of data in the evidence");
    assert_eq!(house.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn r24_a_drill_that_takes_too_long_could_not_verify_and_is_torn_down() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let checks = "[ { sql: \"select pg_sleep(60)::text\", expect: \"= 1\" } ]";
    let house = House::new(&source.url("shop"), &format!("{{ schedule: \"0 6 * * *\", into: scratch, timeout: 20s, checks: {checks} }}"));
    house.back_up(Method::PgDumpCustom).await;
    let report = now().run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::CouldNotVerify);
    assert_eq!(report.exit(), Exit::CouldNotVerify);
    assert!(drilled(&report).reason.as_deref().unwrap().contains("within its 20s"), "{:?}", drilled(&report).reason);
    assert_eq!(house.leftovers(), Vec::<String>::new());
}

#[tokio::test]
async fn r23_indexes_built_under_another_collation_are_restorable_with_reindex_and_not_green() {
    let source = Cluster::start().await;
    source.lifelike(20).await;
    source.sql("shop", "update pg_database set datcollversion = '1.0' where datname = 'shop'").await;
    let house = House::new(&source.url("shop"), "{ schedule: \"0 6 * * *\", into: scratch, checks: [ { amcheck: true } ] }");
    house.back_up(Method::PgBaseBackup).await;
    let report = now().run(&house.env).await.unwrap();
    let kept = evidence(&house, drilled(&report)).await;
    assert_eq!(drilled(&report).verdict, Verdict::CouldNotVerify, "{:#?}", kept.checks);
    assert!(kept.reason.unwrap().contains("restorable with reindex"));
    let amcheck = kept.checks.iter().find(|check| check.name == "amcheck").unwrap();
    assert_eq!(amcheck.found, "no damage", "amcheck is reported all the same");
    assert_eq!(report.exit(), Exit::CouldNotVerify);
}

#[tokio::test]
async fn a_backup_that_lacks_rows_fails_and_one_that_this_machine_cannot_hold_could_not_be_verified() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let house = House::new(&source.url("shop"), SCRATCH);
    house
        .back_up_as(Method::PgDumpCustom, |manifest| {
            manifest.expectations.tables.get_mut("public.orders").unwrap().rows += 1;
        })
        .await;
    let report = now().run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::Failed);
    assert!(drilled(&report).reason.as_deref().unwrap().starts_with("rows of public.orders: expected 51, found 50"));
    assert!(report.findings().iter().any(|finding| finding.sentence.contains("expected 51")));

    let house = House::new(&source.url("shop"), SCRATCH);
    house.back_up_as(Method::PgDumpCustom, |manifest| manifest.source.server_version_num = 990_000).await;
    let report = now().run(&house.env).await.unwrap();
    assert_eq!(drilled(&report).verdict, Verdict::CouldNotVerify, "{:?}", drilled(&report).reason);
    assert_eq!(report.exit(), Exit::CouldNotVerify);
}

#[tokio::test]
async fn a_drill_on_a_running_server_leaves_nothing_there_and_touches_nothing_else() {
    let source = Cluster::start().await;
    source.lifelike(50).await;
    let staging = Cluster::start_unlike().await;
    staging.create("lastgood_drill_precious").await;
    staging.create("shop").await;
    staging.sql("shop", "create table precious as select 1 as id").await;
    let seen = "select string_agg(datname, ' ' order by datname) || coalesce((select ' ' || string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_'), '') from pg_database";
    let before = staging.cell("postgres", seen).await;
    for method in [Method::PgDumpCustom, Method::PgDumpDirectory] {
        let house = House::new(&source.url("shop"), "{ schedule: \"0 6 * * *\", into: { server: \"file:HOME/staging-url\" } }");
        std::fs::write(house.home.path().join("staging-url"), staging.url("postgres")).unwrap();
        house.back_up(method).await;
        let report = now().run(&house.env).await.unwrap();
        assert_eq!(drilled(&report).verdict, Verdict::Proven, "{:?}", drilled(&report).reason);
        assert_eq!(evidence(&house, drilled(&report)).await.replica.kind, "server");
    }
    assert_eq!(staging.cell("postgres", seen).await, before);
}
