//! Continuous backups of the emulated Amazon: real WAL, replayed by real Postgres up to the moment that is asked for, into an
//! instance that is set up as nobody asked.

use aws_sdk_rds::{Client, error::ProvideErrorMetadata, primitives::DateTime};
use lastgood_core::{clock::Timestamp, testing::ManualClock};
use lastgood_tests::{
    aws::{Aws, MASTER_PASSWORD},
    pg,
};
use std::{process::Command, sync::Arc};

const HOME: &str = "eu-west-1";

fn at(moment: &str) -> DateTime {
    DateTime::from_secs(moment.parse::<Timestamp>().unwrap().as_second())
}

fn said(at: Option<&DateTime>) -> String {
    at.map(ToString::to_string).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_moment_is_real_postgres_replayed_up_to_it_and_its_window_is_kept() {
    let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap());
    let Some(aws) = Aws::start_at("aws_moments::a_moment", Arc::new(clock.clone())).await else { return };
    let orders = aws.cluster().await;
    aws.database(&orders, "orders-prod", HOME).await;
    let rds = Client::new(&aws.sdk(HOME));
    let restore = |target: &str, moment: &str| {
        let call = rds.restore_db_instance_to_point_in_time().source_db_instance_identifier("orders-prod");
        call.target_db_instance_identifier(target).restore_time(at(moment)).send()
    };
    let window = async || {
        let found = rds.describe_db_instance_automated_backups().db_instance_identifier("orders-prod").send().await.unwrap();
        let window = found.db_instance_automated_backups()[0].restore_window().cloned();
        window.map(|window| (said(window.earliest_time()), said(window.latest_time())))
    };
    assert_eq!(window().await, None, "nothing can be restored in the first minutes");
    assert_eq!(restore("early", "2026-11-20T03:00:00Z").await.unwrap_err().code(), Some("PointInTimeRestoreNotEnabled"));

    for (moment, table) in [("2026-11-20T04:00:00Z", "first"), ("2026-11-20T05:00:00Z", "second"), ("2026-11-20T06:00:00Z", "third")] {
        clock.set(moment.parse().unwrap());
        orders.sql("postgres", &format!("create table {table} ()")).await;
    }
    clock.set("2026-11-20T06:30:00Z".parse().unwrap());
    assert_eq!(window().await, Some(("2026-11-20T03:00:00Z".to_owned(), "2026-11-20T06:24:00Z".to_owned())), "it is told late");
    let source = rds.describe_db_instances().db_instance_identifier("orders-prod").send().await.unwrap();
    assert_eq!(said(source.db_instances()[0].latest_restorable_time()), "2026-11-20T06:27:00Z");
    for outside in ["2026-11-20T06:28:00Z", "2026-11-20T02:59:59Z", "2027-01-01T00:00:00Z"] {
        assert_eq!(restore("outside", outside).await.unwrap_err().code(), Some("InvalidParameterValue"), "{outside}");
    }
    assert_eq!(restore("orders-prod", "2026-11-20T05:30:00Z").await.unwrap_err().code(), Some("DBInstanceAlreadyExists"));
    let stranger = rds.restore_db_instance_to_point_in_time().source_db_instance_identifier("nobody");
    let stranger = stranger.target_db_instance_identifier("x").restore_time(at("2026-11-20T05:30:00Z")).send().await.unwrap_err();
    assert_eq!(stranger.code(), Some("DBInstanceNotFound"));

    for (name, moment, tables) in [
        ("then", "2026-11-20T05:30:00Z", "first second"),
        ("before", "2026-11-20T04:59:59Z", "first"),
        ("at-first", "2026-11-20T03:00:00Z", ""),
    ] {
        restore(name, moment).await.unwrap();
        let seen = loop {
            let found = rds.describe_db_instances().db_instance_identifier(name).send().await.unwrap();
            let seen = found.db_instances()[0].clone();
            if seen.db_instance_status() == Some("available") {
                break seen;
            }
        };
        // Nothing of how the source is set up came along.
        assert_eq!((seen.publicly_accessible(), seen.deletion_protection(), seen.multi_az()), (Some(true), Some(false), Some(false)));
        assert_eq!(seen.db_parameter_groups()[0].db_parameter_group_name(), Some("default.postgres15"));
        let groups: Vec<_> = seen.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id()).collect();
        assert!(!groups.contains(&"sg-0production"), "{groups:?}");
        let endpoint = seen.endpoint().unwrap();
        let conninfo = format!(
            "host={} port={} user=dba dbname=postgres sslmode=verify-full sslrootcert={}",
            endpoint.address().unwrap(),
            endpoint.port().unwrap(),
            aws.ca().display()
        );
        let sql = "select coalesce(string_agg(relname, ' ' order by relname), '') from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace";
        let mut psql = Command::new(pg::program("psql"));
        let output = psql.args([&conninfo, "-XAtc", sql]).env("PGPASSWORD", MASTER_PASSWORD).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), tables, "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(orders.cell("postgres", "select count(*) from pg_class where relname in ('first', 'second', 'third')").await, "3");

    // Without a retention there are no backups, and with them goes every moment.
    rds.modify_db_instance().db_instance_identifier("orders-prod").backup_retention_period(0).send().await.unwrap();
    assert_eq!(restore("late", "2026-11-20T05:30:00Z").await.unwrap_err().code(), Some("PointInTimeRestoreNotEnabled"));
    let gone = rds.describe_db_instance_automated_backups().db_instance_identifier("orders-prod").send().await.unwrap_err();
    assert_eq!(gone.code(), Some("DBInstanceAutomatedBackupNotFound"));
}
