//! A fleet on Amazon: whatever bears the tag is snapshotted, drilled and checked by one line of the config, with the real
//! adapters, against real Postgres behind an emulated RDS.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    config::Config,
    domain::{
        drill::Verdict,
        finding::{FindingKind, Severity},
    },
    env::Env,
    fleet,
    function::{Findings, Function, Outcome},
    providers::postgres::Tools,
    testing::{ManualClock, MemoryBucket},
};
use lastgood_tests::{
    aws::{Aws, estate::HOME},
    house::world_on,
};
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What an invocation sees, once its host has looked who belongs to the fleets.
async fn looked(aws: &Aws, vault: &MemoryBucket, config: &Config, clock: &ManualClock, home: &tempfile::TempDir) -> Env {
    let scratch = home.path().to_owned();
    let world = |config| world_on(aws.access(), Arc::new(vault.clone()), config, clock, scratch.clone(), Tools::of_this_machine());
    let env = world(config.clone());
    world(fleet::expanded(config, &env.vault, &*env.providers).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_protects_whatever_bears_the_tag_and_forgets_nobody() {
    let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap());
    let Some(aws) = Aws::start_at("rds_fleet::one_line_protects", Arc::new(clock.clone())).await else { return };
    let server = aws.cluster().await;
    server.sql("postgres", "create table orders (id int primary key); insert into orders select generate_series(1, 300)").await;
    for name in ["orders", "billing", "staging", "restored"] {
        aws.database(&server, name, HOME).await;
    }
    aws.aurora(&server, "shop", HOME).await;
    for name in ["orders", "billing", "restored"] {
        aws.tag(HOME, "db", name, "backup", Some("true")).await;
    }
    // A copy that was restored for real carries the tags of its source, and one of ours.
    aws.tag(HOME, "db", "restored", "lastgood:restored", Some("01KAFYF000B5M1Y0Z9P4T1D3QK")).await;
    aws.tag(HOME, "cluster", "shop", "backup", Some("true")).await;
    let rds = aws_sdk_rds::Client::new(&aws.sdk(HOME));
    let replica = rds.create_db_instance_read_replica().db_instance_identifier("orders-ro").source_db_instance_identifier("orders");
    let tag = aws_sdk_rds::types::Tag::builder().key("backup").value("true").build();
    replica.tags(tag).send().await.expect("a read replica");
    // Every listing takes several pages.
    aws.faults().rules(|rules| rules.page = 2);

    let network = aws.drill_network(HOME).await;
    let home = tempfile::Builder::new().prefix("lgfleet-").tempdir().unwrap();
    let text = format!(
        r#"
vault: file:///lastgood
defaults: {{ rpo: 26h, rto: 4h }}
assets:
  prod:
    kind: rds
    select: {{ tag: backup=true }}
    region: {HOME}
    snapshot: {{ schedule: "0 3 * * *" }}
    drill:
      schedule: "0 6 * * *"
      into: {{ rds: {{ subnet_group: {}, security_groups: [ {} ], ca: {} }} }}
      checks: [ {{ sql: "select count(*) from orders", expect: "= 300" }} ]
"#,
        network.subnet_group,
        network.security_group,
        aws.ca().display()
    );
    let config = Config::parse(&text, "lastgood.yaml").unwrap();
    let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
    let production = server.fingerprint("postgres").await;

    let env = looked(&aws, &vault, &config, &clock, &home).await;
    let report = SnapshotTrigger::default().run(&env).await.unwrap();
    let taken: Vec<_> = report.entries.iter().map(|entry| (entry.asset.as_str(), matches!(entry.outcome, Outcome::Done(_)))).collect();
    assert_eq!(taken, [("prod-billing", true), ("prod-orders", true), ("prod-shop", true)], "{report:?}");
    assert_eq!((aws.calls("CreateDBSnapshot"), aws.calls("CreateDBClusterSnapshot")), (2, 1), "a cluster is backed up as one");
    let left_out: BTreeSet<_> = env.config.fleets.values().flat_map(|fleet| &fleet.roll.left_out).map(|(id, _)| id.as_str()).collect();
    assert_eq!(left_out, ["orders-ro", "restored"].into());

    // A member is drilled by its name, like any asset.
    let drill = RestoreDrill { asset: Some("prod-orders".parse().unwrap()), now: true, ..RestoreDrill::default() };
    let report = drill.run(&env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    let evidence = env.vault.all::<Evidence>(&Key::drills(&"prod-orders".parse().unwrap())).await.unwrap().good.remove(0);
    assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
    assert_eq!(server.fingerprint("postgres").await, production, "I4: no drill touched production");

    // billing is deleted for good; its snapshot stays, is seen, and its leaving is told.
    rds.modify_db_instance().db_instance_identifier("billing").deletion_protection(false).send().await.unwrap();
    while rds.describe_db_instances().db_instance_identifier("billing").send().await.unwrap().db_instances()[0].db_instance_status()
        != Some("available")
    {}
    rds.delete_db_instance().db_instance_identifier("billing").skip_final_snapshot(true).send().await.unwrap();
    while rds.describe_db_instances().db_instance_identifier("billing").send().await.is_ok() {}
    clock.advance(Duration::from_hours(1));
    let env = looked(&aws, &vault, &config, &clock, &home).await;
    let status = FreshnessChecker::default().run(&env).await.unwrap();
    let billing = status.assets.iter().find(|asset| asset.asset.as_str() == "prod-billing").unwrap();
    let found: Vec<_> = billing.findings.iter().map(|finding| (finding.kind, finding.severity)).collect();
    assert_eq!(found, [(FindingKind::MemberLeft, Severity::Warning)], "{:#?}", billing.findings);
    assert!(billing.newest.is_some(), "its backup counts as before");
    assert!(!status.findings().iter().any(|finding| finding.kind == FindingKind::CouldNotObserve), "{:#?}", status.findings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_keeps_what_rds_takes_by_itself_without_a_word_to_the_databases() {
    let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
    let Some(aws) = Aws::start_at("rds_fleet::a_fleet_keeps", Arc::new(clock.clone())).await else { return };
    let server = aws.cluster().await;
    aws.database(&server, "orders", HOME).await;
    aws.aurora(&server, "shop", HOME).await;
    aws.tag(HOME, "db", "orders", "backup", Some("true")).await;
    aws.tag(HOME, "cluster", "shop", "backup", Some("true")).await;
    let text = format!(
        "vault: file:///lastgood\nassets:\n  prod: {{ kind: rds, select: {{ tag: backup }}, region: {HOME}, snapshot: {{ schedule: \"0 3 * * *\", from: automated }} }}\n"
    );
    let config = Config::parse(&text, "lastgood.yaml").unwrap();
    let (vault, home) = (MemoryBucket::new(config.vault.clone(), clock.clone()), tempfile::tempdir().unwrap());
    let night = async || SnapshotTrigger::default().run(&looked(&aws, &vault, &config, &clock, &home).await).await.unwrap();
    for of in ["orders", "shop"] {
        aws.takes_by_itself(HOME, of).await;
    }
    clock.set("2026-11-20T03:00:00Z".parse().unwrap());
    let report = night().await;
    for entry in &report.entries {
        let Outcome::Done(taken) = &entry.outcome else { panic!("{report:?}") };
        assert_eq!(taken.data_time.to_string(), "2026-11-20T02:00:00Z", "{}", entry.asset);
    }
    assert_eq!(report.entries.len(), 2);
    assert_eq!((aws.calls("CreateDBSnapshot"), aws.calls("CreateDBClusterSnapshot")), (0, 0));
    assert_eq!((aws.calls("CopyDBSnapshot"), aws.calls("CopyDBClusterSnapshot")), (1, 1));

    // The next night RDS took none of its own: that is said, and nothing is kept twice.
    clock.set("2026-11-21T03:00:00Z".parse().unwrap());
    let report = night().await;
    for entry in &report.entries {
        let Outcome::Failed { reason, .. } = &entry.outcome else { panic!("{report:?}") };
        assert!(reason.contains("rds:") && reason.contains("already"), "{reason}");
    }
    let status = FreshnessChecker::default().run(&looked(&aws, &vault, &config, &clock, &home).await).await.unwrap();
    assert!(status.assets.iter().all(|asset| asset.backups == 1 && asset.newest.is_some()), "{:#?}", status.assets);
}
