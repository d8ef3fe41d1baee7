//! Restores to a moment against an RDS that is slow, strict and moody: lost replies, kills, missing rights, and the settings of
//! what comes up. What drills of a moment have in common on every cloud is told in `managed`.

use lastgood_core::{
    clock::{Clock, after},
    domain::drill::Verdict,
    env::Env,
    error::Kind,
    function::{Function, Outcome},
};
use lastgood_tests::aws::{
    Lost,
    estate::{Estate, HOME, PRODUCTION},
};
use restore::Restore;
use restore_drill::{DrillReport, RestoreDrill};
use std::time::Duration;

const MOMENT: &str = "2026-11-20T05:45:00Z";

/// An estate at six, whose drills restore the moment of a quarter of an hour ago.
async fn estate(test: &str) -> Option<Estate> {
    let estate = Estate::build(test).await?.drilling_a_moment("15m");
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    Some(estate)
}

async fn drill(env: &Env) -> DrillReport {
    RestoreDrill { asset: Some("orders-rds".parse().unwrap()), now: true, ..RestoreDrill::default() }.run(env).await.unwrap()
}

fn restore(apply: bool) -> Restore {
    Restore {
        asset: "orders-rds".parse().unwrap(),
        backup: None,
        at: Some(MOMENT.to_owned()),
        latest: false,
        into: "rds:orders-then".parse().unwrap(),
        from: None,
        apply,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_a_restore_to_a_moment_whose_reply_was_lost_is_found_and_adopted() {
    let Some(estate) = estate("rds_moment::r03").await else { return };
    estate.aws.faults().lose("RestoreDBInstanceToPointInTime", 1, Lost::Reply);
    let report = restore(true).run(&estate.env).await.unwrap();
    let Outcome::Done(done) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:?}", done.checks);
    assert_eq!(estate.instances(HOME).await, [PRODUCTION, "orders-then"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_restore_to_a_moment_killed_after_any_call_is_finished_by_the_next_and_once() {
    let Some(estate) = estate("rds_moment::r25 restore").await else { return };
    for k in 1.. {
        let ended = estate.aws.faults().killed_after(k, restore(true).run(&estate.another(&format!("killed {k}")))).await;
        assert!(estate.instances(HOME).await.len() <= 2, "killed after call {k}");
        estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
        if let Some(report) = ended {
            let report = report.unwrap();
            let Outcome::Done(done) = &report.entries[0].outcome else { panic!("{report:?}") };
            assert_eq!((done.verdict, done.data_time.to_string().as_str()), (Some(Verdict::Proven), MOMENT), "{:?}", done.checks);
            assert_eq!((k > 5, estate.aws.calls("RestoreDBInstanceToPointInTime")), (true, 1));
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_a_replica_of_a_moment_is_private_and_fenced_and_its_settings_are_compared() {
    let Some(estate) = estate("rds_moment::r48").await else { return };
    drill(&estate.env).await;
    let [restore] = &estate.aws.faults().calls_of("RestoreDBInstanceToPointInTime")[..] else { panic!("one restore") };
    assert_eq!((restore.get("SourceDBInstanceIdentifier"), restore.get("PubliclyAccessible")), (PRODUCTION, "false"));
    assert_eq!((restore.get("DeletionProtection"), restore.get("BackupRetentionPeriod")), ("false", "0"));
    assert_eq!(restore.get("DBSubnetGroupName"), estate.network.subnet_group);
    assert!(restore.params.iter().any(|(name, value)| name.starts_with("VpcSecurityGroupIds") && *value == estate.network.security_group));
    let evidence = estate.evidence().await.remove(0);
    assert_eq!(evidence.verdict, Verdict::Proven, "{evidence:#?}");
    assert!(evidence.checks.iter().any(|check| check.name == "setting parameter group" && check.found == "orders-prod-parameters"));
    let passwords = estate.aws.faults().calls_of("ModifyDBInstance");
    assert_eq!(passwords.iter().filter(|call| !call.get("MasterUserPassword").is_empty()).count(), 1, "production's is not its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_role_that_may_not_restore_to_a_moment_is_told_what_it_lacks() {
    let Some(estate) = estate("rds_moment::r41").await else { return };
    let aurora = Estate::build_aurora("rds_moment::r41 aurora").await.unwrap().drilling_a_moment("15m");
    aurora.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    for (estate, permission) in [
        (&estate, "rds:DescribeDBInstanceAutomatedBackups"),
        (&estate, "rds:RestoreDBInstanceToPointInTime"),
        (&aurora, "rds:RestoreDBClusterToPointInTime"),
        (&aurora, "rds:CreateDBInstance"),
    ] {
        let (running, began) = (estate.instances(HOME).await, estate.clock.now());
        estate.aws.faults().deny(permission);
        let drilled = serde_json::to_string(&drill(&estate.env).await).unwrap();
        let evidence = estate.evidence().await;
        let told = serde_json::to_string(&evidence.first()).unwrap();
        assert!(drilled.contains(permission) || told.contains(permission), "{permission}: {drilled} {told}");
        let newest = evidence.iter().find(|evidence| evidence.started_at >= began);
        assert!(newest.is_none_or(|evidence| evidence.verdict == Verdict::CouldNotVerify), "{permission}: {newest:?}");
        let error = match restore(true).run(&estate.env).await {
            Err(error) => error,
            Ok(report) => panic!("{permission}: {report:?}"),
        };
        assert!(error.full().contains(permission) && error.kind() == Kind::Denied, "{permission}: {}", error.full());
        estate.aws.faults().allow_all();
        for _ in 0..3 {
            estate.clock.set(after(estate.clock.now(), Duration::from_mins(5)));
            RestoreDrill::default().run(&estate.env).await.unwrap();
        }
        assert_eq!(estate.instances(HOME).await, running, "{permission}: I7");
    }
}
