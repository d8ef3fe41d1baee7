//! Simulations: months in seconds, by the real functions, in a world in memory. Each fault is noticed or said not to be, a healthy
//! quarter raises nothing, and nothing that the config names is opened.

use lastgood_tests::{desk::Desk, hosts::Ran};
use proptest::prelude::*;
use serde_json::Value;

const CONFIG: &str = r#"
vault: s3://acme-backups/lastgood
notify: [ { kind: slack, url: env:SLACK } ]
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: s3://acme-backups-west/lastgood } ]
    drill: { schedule: "0 6 * * 0" }
  orders-rds:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
    drill:
      schedule: "0 5 * * 3"
      into: { rds: { subnet_group: drill, security_groups: [sg-0drill] } }
      checks: [ { sql: "select count(*) from orders", expect: ">= 1" } ]
"#;

async fn plays(line: &str) -> (Option<i32>, Value) {
    let ran = Desk::new(CONFIG).types(&format!("simulate {line} --json")).await;
    assert!(!ran.stdout.is_empty(), "{ran:#?}");
    (ran.exit, serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}")))
}

#[tokio::test]
async fn a_healthy_quarter_raises_no_alert_and_loses_nothing() {
    let (exit, story) = plays("--days 90").await;
    assert_eq!(exit, Some(0));
    for nothing in ["alerts", "losses", "faults"] {
        assert_eq!(story[nothing].as_array().unwrap().len(), 0, "{:#}", story[nothing]);
    }
    assert!(story["backups"].as_u64().unwrap() >= 180, "a backup of each a day: {}", story["backups"]);
    assert!(story["proven"].as_u64().unwrap() >= 26, "a drill of each a week: {}", story["proven"]);
}

#[tokio::test]
async fn each_fault_is_noticed_by_an_alert_that_belongs_to_it() {
    for (fault, by, days) in [
        ("kms-revoked@2d", "could-not-observe", 4),
        ("kms-revoked=orders-rds@2d", "key-unusable", 4),
        ("schedule-silent@2d", "backup-stale", 5),
        ("backup-fails=orders-db@2d", "backup-", 4),
        ("backup-fails=orders-rds@2d", "backup-", 4),
        ("corrupt-bytes=orders-db@2d", "backup-", 4),
        ("copy-region-down@2d", "could-not-observe", 4),
        ("source-shrinks=orders-db@2d", "backup-stale", 4),
        ("drill-fails@2d", "drill-failed", 8),
        ("credentials-expired=orders-db@2d", "backup-", 4),
        ("credentials-expired=orders-rds@2d", "backup-", 4),
        ("clock-jumps@2d..3d", "clock-implausible", 4),
        ("vault-public@2d", "vault-unsafe", 4),
        ("lifecycle-change@2d", "vault-unsafe", 4),
        ("disk-full@2d", "backup-", 4),
        ("schedule-silent=restore-drill@2d", "unproven", 9),
        ("drill-cannot-run=orders-db@2d", "unproven", 9),
    ] {
        let (exit, story) = plays(&format!("--days {days} --fault {fault}")).await;
        let noticed = &story["faults"][0];
        assert_eq!(exit, Some(0), "{fault}: {:#}", story["alerts"]);
        assert!(noticed["by"].as_str().unwrap().starts_with(by), "{fault}: {noticed:#}");
        assert!(noticed["after_seconds"].as_u64().unwrap() <= (days - 2) * 86_400, "{fault}: {noticed:#}");
        let early = story["alerts"].as_array().unwrap().iter().filter(|alert| alert["at"].as_str() < noticed["began"].as_str()).count();
        assert_eq!(early, 0, "{fault}: nothing was told before it began");
    }
}

#[tokio::test]
async fn what_is_over_is_over_and_what_would_have_been_lost_is_said() {
    let (exit, story) = plays("--days 12 --fault backup-fails=orders-db@5d..8d").await;
    assert_eq!(exit, Some(0));
    let alerts = story["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|alert| alert["kind"] == "backup-stale" && alert["severity"] == "critical"), "{alerts:#?}");
    assert!(
        alerts.iter().all(|alert| alert["asset"] == "orders-db" && alert["over"].is_string() && alert["command"].is_string()),
        "{alerts:#?}"
    );
    let losses = story["losses"].as_array().unwrap();
    assert_eq!(losses.len(), 1, "{losses:#?}");
    // The backup of day 4, 02:00, is the last good one: day 5, 02:00, is its rpo, and an hour more is no loss.
    assert_eq!(losses[0]["from"].as_str().unwrap(), "2026-01-10T03:00:00Z", "{losses:#?}");
    assert!(losses[0]["until"].is_string());
}

#[tokio::test]
async fn records_of_one_asset_that_cannot_be_read_do_not_keep_others_from_being_drilled() {
    // The drill of orders-db is due on day 6, a Sunday, and would be missed from day 7 on.
    let (_, story) = plays("--days 9 --fault kms-revoked=orders-rds@2d").await;
    let alerts = story["alerts"].as_array().unwrap();
    assert!(!alerts.is_empty() && alerts.iter().all(|alert| alert["asset"] == "orders-rds"), "{alerts:#?}");
}

#[tokio::test]
async fn a_fault_that_nobody_is_told_of_is_red_and_ends_with_2() {
    let desk = Desk::new(CONFIG);
    for fault in ["checker-dead@3d", "channel-refuses@3d"] {
        let ran = desk.types(&format!("simulate --days 5 --fault {fault} --fault backup-fails@3d")).await;
        assert_eq!(ran.exit, Some(2), "{fault}: {ran:#?}");
        assert!(ran.stdout.contains("NEVER NOTICED") && ran.stdout.contains("backup-fails@3d was never noticed"), "{ran:#?}");
    }
}

#[tokio::test]
async fn the_same_seed_tells_the_same_story() {
    let desk = Desk::new(CONFIG);
    let line = "simulate --days 12 --fault corrupt-bytes=orders-db@4d --fault drill-cannot-run=orders-rds@5d..11d --seed";
    let first = desk.types(&format!("{line} 7")).await;
    let again = desk.types(&format!("{line} 7")).await;
    assert_eq!((first.exit, &first.stdout), (again.exit, &again.stdout));
    let golden = include_str!("../golden/simulation.txt");
    assert_eq!(first.stdout, golden, "\n{}", first.stdout);
}

#[tokio::test]
async fn nothing_that_the_config_names_is_opened() {
    // Every name leads to a listener that counts who knocks, or to a file that tells when it is read.
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = door.local_addr().unwrap().port();
    let config = format!(
        r#"
vault: s3://acme/lastgood
encryption: {{ openpgp: [no-such-key.asc], decrypt_with: "file:HOME/pipe" }}
evidence: {{ sign: "file:HOME/pipe", public_keys: [ {{ file: no-such.pub }} ] }}
notify: [ {{ kind: webhook, url: "file:HOME/pipe", signing_key: "file:HOME/pipe" }} ]
assets:
  orders-db:
    kind: postgres
    url: "file:HOME/pipe"
    export: {{ schedule: "0 2 * * *" }}
    copies: [ {{ vault: "file://HOME/elsewhere" }} ]
    drill: {{ schedule: "0 6 * * 0", into: {{ server: "file:HOME/pipe" }}, checks: [ {{ http: "http://127.0.0.1:{port}/ready", expect: ready }} ] }}
  uploads: {{ kind: bucket, url: "s3://acme-uploads" }}
  fleet: {{ kind: rds, select: {{ tag: backup=true }}, region: eu-west-1, snapshot: {{ schedule: "0 3 * * *" }} }}
"#
    );
    // A pipe that nobody writes to hangs whoever opens it.
    let desk = Desk::new(&config).with("AWS_ENDPOINT_URL", &format!("http://127.0.0.1:{port}")).with("AWS_REGION", "eu-west-1");
    let made = std::process::Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap();
    assert!(made.success());
    let mut before = names(&desk);
    let ran = tokio::time::timeout(std::time::Duration::from_secs(60), desk.types("simulate --days 3")).await.expect("it hangs");
    assert_eq!(ran.exit, Some(0), "{ran:#?}");
    for told in ["not played: uploads, a bucket: there is no double of it yet", "not played: fleet, a fleet", "exports are not encrypted"] {
        assert!(ran.stdout.contains(told), "{told}: {ran:#?}");
    }
    let knocked = tokio::time::timeout(std::time::Duration::from_millis(100), door.accept()).await;
    assert!(knocked.is_err(), "somebody knocked");
    before.sort();
    assert_eq!(names(&desk), before, "nothing was written beside the config");
}

fn names(desk: &Desk) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(desk.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_played() {
    let desk = Desk::new(CONFIG);
    let refused = async |line: &str, told: &str| {
        let ran: Ran = desk.types(line).await;
        assert_eq!(ran.exit, Some(64), "{line}: {ran:#?}");
        assert!(ran.stderr.contains(told) && ran.stdout.is_empty(), "{told}: {ran:#?}");
    };
    refused("simulate --fault kms@1d", "no fault is called").await;
    refused("simulate --fault backup-fails=nobody@1d", "nothing that plays is called").await;
    refused("simulate --fault checker-dead=orders-db@1d", "it takes no").await;
    refused("simulate --days 0", "0 is not in").await;
    refused("simulate --config s3://acme/lastgood.yaml", "is not on this machine").await;
}

#[test]
fn no_combination_of_faults_breaks_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let names = "kms-revoked schedule-silent backup-fails corrupt-bytes copy-region-down source-shrinks drill-fails drill-cannot-run checker-dead \
                 channel-refuses credentials-expired clock-jumps vault-public lifecycle-change disk-full";
    let names: Vec<&str> = names.split_whitespace().collect();
    let fault = (0..names.len(), 0u32..140, proptest::option::of(1u32..100));
    let desk = Desk::new(CONFIG);
    proptest!(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() }, |(faults in proptest::collection::vec(fault, 1..6), seed in any::<u64>())| {
        let typed = faults.iter().map(|(name, from, lasts)| {
            let until = lasts.map(|lasts| format!("..{}h", from + lasts)).unwrap_or_default();
            let from = if *from == 0 { "0d".to_owned() } else { format!("{from}h") };
            format!(" --fault {}@{from}{until}", names[*name])
        });
        let line = format!("simulate --days 6 --json --seed {seed}{}", typed.collect::<String>());
        let ran = runtime.block_on(desk.types(&line));
        prop_assert!(matches!(ran.exit, Some(0 | 2)), "{}: {:#?}", line, ran);
        let story: Value = serde_json::from_str(&ran.stdout).unwrap();
        prop_assert_eq!(story["faults"].as_array().unwrap().len(), faults.len());
    });
}
