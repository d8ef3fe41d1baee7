//! To a moment: what was written before it is back, what was written after it is not, and which one it was is said. By real
//! Postgres' own recovery behind the emulated RDS.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    domain::{backup::Method, compare::CheckOutcome, drill::Verdict},
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
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;
use std::process::Command;

fn at(moment: &str, into: &str) -> Restore {
    Restore {
        asset: "orders-rds".parse().unwrap(),
        backup: None,
        at: Some(moment.to_owned()),
        latest: false,
        into: into.parse().unwrap(),
        from: None,
        apply: true,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

async fn restored(estate: &Estate, ask: Restore) -> Restored {
    let report = ask.run(&estate.env).await.unwrap();
    let Outcome::Done(restored) = report.entries[0].outcome.clone() else { panic!("{report:?}") };
    restored
}

/// Writes a hundred orders at a moment.
async fn writes(estate: &Estate, moment: &str, from: u32) {
    estate.clock.set(moment.parse().unwrap());
    let sql = format!("insert into orders select n, '{moment}' from generate_series({from}, {}) n", from + 99);
    estate.production.sql("postgres", &sql).await;
}

/// Asks a server over TLS with the password that production had, as its application would.
fn ask(estate: &Estate, host: &str, port: i32, sql: &str) -> String {
    let ca = estate.aws.ca();
    let conninfo = format!("host={host} port={port} user=dba dbname=postgres sslmode=verify-full sslrootcert={}", ca.display());
    let output = Command::new(program("psql")).args([&conninfo, "-XAtc", sql]).env("PGPASSWORD", MASTER_PASSWORD).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn ask_instance(estate: &Estate, name: &str, sql: &str) -> String {
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    let found = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap();
    let endpoint = found.db_instances()[0].endpoint().unwrap();
    ask(estate, endpoint.address().unwrap(), endpoint.port().unwrap(), sql)
}

async fn ask_cluster(estate: &Estate, name: &str, sql: &str) -> String {
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    let found = rds.describe_db_clusters().db_cluster_identifier(name).send().await.unwrap();
    let cluster = &found.db_clusters()[0];
    ask(estate, cluster.endpoint().unwrap(), cluster.port().unwrap(), sql)
}

fn wrong(done: &Restored) -> Vec<String> {
    let wrong = done.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed);
    wrong.map(|check| format!("{}: {} is {}", check.name, check.expected, check.found)).collect()
}

const BOTH: &str = "select count(*), count(*) filter (where id = 400), count(*) filter (where id = 401) from orders";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_an_instance_is_restored_to_a_moment_between_two_writes_and_no_setting_differs() {
    let Some(estate) = Estate::build("rds_moment::an_instance").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    writes(&estate, "2026-11-20T10:00:00Z", 301).await;
    writes(&estate, "2026-11-20T10:20:00Z", 401).await;
    estate.clock.set("2026-11-20T11:00:00Z".parse().unwrap());
    let production = estate.production_fingerprint().await;
    let moment = "2026-11-20T10:10:00Z";

    // The plan touches nothing, and says which of the two it is.
    let planned = restored(&estate, Restore { apply: false, ..at(moment, "rds:orders-then") }).await;
    assert_eq!((planned.method, planned.data_time.to_string().as_str()), (Method::PointInTime, moment));
    assert!(planned.why.as_deref().unwrap().starts_with("exactly 2026-11-20T10:10:00Z"), "{planned:?}");
    assert!(planned.steps[0].contains("orders-prod as it was at 2026-11-20T10:10:00Z"), "{planned:?}");
    assert_eq!((estate.instances(HOME).await, estate.aws.calls("RestoreDBInstanceToPointInTime")), (vec![PRODUCTION.to_owned()], 0));

    let done = restored(&estate, at(moment, "rds:orders-then")).await;
    assert_eq!((wrong(&done), done.verdict), (Vec::new(), Some(Verdict::Proven)));
    for setting in ["parameter group", "security groups", "deletion protection", "backup retention", "multi az", "tags"] {
        assert!(done.checks.iter().any(|check| check.name == format!("setting {setting}")), "{setting}: {:#?}", done.checks);
    }
    assert_eq!(ask_instance(&estate, "orders-then", BOTH).await, "400|1|0", "the write before it, and not the one after");
    assert_eq!(ask_instance(&estate, PRODUCTION, BOTH).await, "500|1|1");
    assert_eq!(estate.production_fingerprint().await, production, "I4: the old one is as it was");

    // Again is harmless; another moment under the same name is another restore, and refused.
    let again = restored(&estate, at(moment, "rds:orders-then")).await;
    assert!(again.steps[0].contains("go on with orders-then"), "{:?}", again.steps);
    assert_eq!(estate.aws.calls("RestoreDBInstanceToPointInTime"), 1);
    let other = at("2026-11-20T10:11:00Z", "rds:orders-then").run(&estate.env).await.unwrap_err();
    assert_eq!(other.kind(), Kind::Refused, "{}", other.full());
    assert_eq!(estate.instances(HOME).await, ["orders-prod", "orders-then"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_what_no_moment_covers_is_a_snapshot_that_says_so_or_refused_before_anything_is_touched() {
    let Some(estate) = Estate::build("rds_moment::r21").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    writes(&estate, "2026-11-20T10:00:00Z", 301).await;
    estate.clock.set("2026-11-20T11:00:00Z".parse().unwrap());
    for (moment, kind) in [
        ("2026-11-20T11:00:01Z", Kind::Invalid),
        ("2026-11-20T10:59:00Z", Kind::Invalid),
        ("2026-11-20T02:00:00Z", Kind::NotFound),
        ("2026-11-20T10:30:00", Kind::Invalid),
        ("half past ten", Kind::Invalid),
    ] {
        let error = at(moment, "rds:orders-then").run(&estate.env).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{moment}: {}", error.full());
        let hint = error.advice().unwrap();
        assert!(hint.contains("from 2026-11-20T03:00:00Z to 2026-11-20T10:57:00Z"), "{moment}: {hint}");
    }
    // Production itself, and what somebody else made, are never restored over.
    for into in [format!("rds:{PRODUCTION}"), "rds:billing".to_owned()] {
        if into == "rds:billing" {
            let stranger = estate.aws.cluster().await;
            estate.aws.database(&stranger, "billing", HOME).await;
        }
        let error = at("2026-11-20T10:30:00Z", &into).run(&estate.env).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{into}: {}", error.full());
    }
    assert_eq!(estate.aws.calls("RestoreDBInstanceToPointInTime") + estate.aws.calls("RestoreDBInstanceFromDBSnapshot"), 0);
    assert_eq!(estate.instances(HOME).await, ["billing", PRODUCTION]);

    // Eight days on, RDS has let that day go: the snapshot before the moment, and what is lost with it.
    estate.clock.set("2026-11-28T11:00:00Z".parse().unwrap());
    let older = restored(&estate, Restore { apply: false, ..at("2026-11-20T10:30:00Z", "rds:orders-then") }).await;
    assert_eq!((older.method, older.data_time.to_string().as_str()), (Method::ProviderSnapshot, "2026-11-20T03:00:00Z"));
    let why = older.why.unwrap();
    assert!(why.contains("7h 30m before") && why.contains("reach from 2026-11-21T11:00:00Z to 2026-11-28T10:57:00Z only"), "{why}");

    // Without backups of RDS's own there is no moment at all.
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    rds.modify_db_instance().db_instance_identifier(PRODUCTION).backup_retention_period(0).send().await.unwrap();
    let off = restored(&estate, Restore { apply: false, ..at("2026-11-28T10:30:00Z", "rds:orders-then") }).await;
    assert_eq!(off.method, Method::ProviderSnapshot);
    assert!(off.why.unwrap().contains("keeps no continuous backups"), "it says why");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_its_region_lost_a_moment_is_the_newest_far_snapshot_before_it() {
    let Some(estate) = Estate::build("rds_moment::with_its_region_lost").await else { return };
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    cross_region_copy::CrossRegionCopy::default().run(&estate.env).await.unwrap();
    estate.clock.set("2026-11-20T11:00:00Z".parse().unwrap());
    let far = Some(format!("aws://{FAR}").parse().unwrap());
    let into = "rds:orders-dr?subnet_group=drill&security_groups=sg-1";
    let planned = restored(&estate, Restore { from: far, apply: false, ..at("2026-11-20T10:30:00Z", into) }).await;
    assert_eq!(planned.method, Method::ProviderSnapshot);
    assert!(planned.why.as_deref().unwrap().contains("are at aws://eu-west-1 only"), "{planned:?}");
    assert_eq!(estate.aws.calls("DescribeDBInstanceAutomatedBackups"), 0, "what is lost is not waited for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_an_aurora_cluster_is_restored_beside_itself_with_its_instances_from_a_snapshot_and_to_a_moment() {
    let Some(estate) = Estate::build_aurora("rds_moment::an_aurora_cluster").await else { return };
    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    let reader = rds.create_db_instance().db_instance_identifier("orders-prod-two").db_cluster_identifier(PRODUCTION);
    reader.engine("aurora-postgresql").db_instance_class("db.r6g.large").send().await.unwrap();
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    writes(&estate, "2026-11-20T10:00:00Z", 301).await;
    writes(&estate, "2026-11-20T10:20:00Z", 401).await;
    estate.clock.set("2026-11-20T11:00:00Z".parse().unwrap());
    let production = estate.production_fingerprint().await;

    let then = restored(&estate, at("2026-11-20T10:10:00Z", "rds:orders-then")).await;
    assert_eq!((then.method, wrong(&then)), (Method::PointInTime, Vec::new()));
    assert_eq!(ask_cluster(&estate, "orders-then", BOTH).await, "400|1|0");
    let latest = restored(&estate, Restore { at: None, latest: true, ..at("", "rds:Orders-Night") }).await;
    assert_eq!((latest.method, wrong(&latest)), (Method::ProviderSnapshot, Vec::new()));
    assert_eq!(ask_cluster(&estate, "orders-night", BOTH).await, "300|0|0");
    for (done, name) in [(&then, "orders-then"), (&latest, "orders-night")] {
        assert_eq!(done.verdict, Some(Verdict::Proven));
        for setting in
            ["cluster parameter group", "security groups", "deletion protection", "backup retention", "iam authentication", "members"]
        {
            assert!(done.checks.iter().any(|check| check.name == format!("setting {setting}")), "{name}, {setting}: {:#?}", done.checks);
        }
        assert!(done.steps.iter().any(|step| step.contains(&format!("{name}-1, {name}-2"))), "{:?}", done.steps);
    }
    assert_eq!(estate.clusters(HOME).await.len(), 3);
    assert_eq!(estate.instances(HOME).await.len(), 6);
    assert_eq!(estate.production_fingerprint().await, production, "I4: the old one is as it was");
    let again = restored(&estate, at("2026-11-20T10:10:00Z", "rds:orders-then")).await;
    assert!(again.steps[0].contains("go on with orders-then"), "{:?}", again.steps);
    assert_eq!((estate.aws.calls("RestoreDBClusterToPointInTime"), estate.instances(HOME).await.len()), (1, 6));

    // Neither it nor a member of it is ever restored over.
    for name in [PRODUCTION, "orders-prod-one"] {
        let error = at("2026-11-20T10:10:00Z", &format!("rds:{name}")).run(&estate.env).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{name}: {}", error.full());
    }

    // A stranger's instance under the name of one of its own is seen before anything is begun.
    let theirs = estate.aws.cluster().await;
    estate.aws.database(&theirs, "orders-other-2", HOME).await;
    let error = at("2026-11-20T10:10:00Z", "rds:orders-other").run(&estate.env).await.unwrap_err();
    assert!(error.kind() == Kind::Refused && error.full().contains("orders-other-2"), "{}", error.full());
    assert_eq!(estate.clusters(HOME).await.len(), 3);
}

/// Opens the drill of a moment and returns its evidence.
async fn drilled(estate: &Estate) -> Evidence {
    let report = RestoreDrill::default().run(&estate.env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    estate.evidence().await.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_brings_back_a_moment_and_says_that_it_proves_no_snapshot() {
    let Some(estate) = Estate::build("rds_moment::a_drill").await else { return };
    let estate = estate.drilling_a_moment("15m");
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    writes(&estate, "2026-11-20T05:50:00Z", 301).await;
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    let production = estate.production_fingerprint().await;
    let evidence = drilled(&estate).await;
    assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
    assert!(evidence.checks.iter().any(|check| check.found == "300"), "as it was before the last write: {:#?}", evidence.checks);
    let of = evidence.backup.clone().unwrap();
    assert_eq!((of.method, of.data_time.to_string().as_str()), (Method::PointInTime, "2026-11-20T05:45:00Z"));
    assert_eq!((of.from.to_string(), evidence.objectives.rpo_met), (format!("aws://{HOME}"), Some(true)));
    let page = estate.vault.bytes(&Key::DrillPage(estate.asset(), evidence.drill).to_string()).unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains("2026-11-20 05:45:00 UTC") && page.contains("no snapshot"), "{page}");
    assert_eq!((estate.instances(HOME).await, estate.production_fingerprint().await), (vec![PRODUCTION.to_owned()], production));

    // Asked for by name, a snapshot is drilled all the same: it was not proven by that.
    let snapshot = estate.backups().await.remove(0).id;
    assert!(!evidence.proves(snapshot));
    let named = RestoreDrill { asset: Some(estate.asset()), backup: Some(snapshot), ..RestoreDrill::default() };
    named.run(&estate.env).await.unwrap();
    assert!(estate.evidence().await[0].proves(snapshot));

    // Closer to the present than RDS can reach: the latest moment that it can.
    let close = estate.drilling_a_moment("30s");
    writes(&close, "2026-11-21T06:00:00Z", 401).await;
    let evidence = drilled(&close).await;
    assert_eq!(evidence.backup.unwrap().data_time.to_string(), "2026-11-21T05:57:00Z");
    assert!(evidence.checks.iter().any(|check| check.found == "400"), "{:#?}", evidence.checks);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_brings_back_a_moment_of_a_cluster() {
    let Some(estate) = Estate::build_aurora("rds_moment::a_drill_of_a_cluster").await else { return };
    let estate = estate.drilling_a_moment("15m");
    writes(&estate, "2026-11-20T05:50:00Z", 301).await;
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    let production = estate.production_fingerprint().await;
    let evidence = drilled(&estate).await;
    assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
    assert_eq!(evidence.backup.unwrap().data_time.to_string(), "2026-11-20T05:45:00Z");
    assert!(evidence.checks.iter().any(|check| check.found == "300"), "{:#?}", evidence.checks);
    assert_eq!((estate.clusters(HOME).await, estate.instances(HOME).await.len()), (vec![PRODUCTION.to_owned()], 1));
    let [restore] = &estate.aws.faults().calls_of("RestoreDBClusterToPointInTime")[..] else { panic!("one restore") };
    assert_eq!((restore.get("RestoreType"), restore.get("DBSubnetGroupName")), ("full-copy", estate.network.subnet_group.as_str()));
    assert_eq!(estate.production_fingerprint().await, production, "I4: no drill touched production");
}
