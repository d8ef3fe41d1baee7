//! Restore tests of AWS Backup: what its plan restored is asked the policy's questions over TLS, by real Postgres behind the
//! emulated RDS, and AWS Backup is told the verdict once. What is no test's is never touched.

use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    domain::{compare::CheckOutcome, drill::Verdict},
    event::{Asked, Event},
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::aws::{
    Network,
    estate::{Estate, HOME, PRODUCTION},
};
use restore_drill::{DrillReport, RestoreDrill};
use serde_json::json;
use std::path::Path;

const MADE: &str = "awsbackup-restore-test-1a2b3c4d";

/// An estate at four, when no drill is due, in which AWS Backup has restored production to test it.
async fn estate(test: &str) -> Option<Estate> {
    let estate = Estate::build(test).await?.testing_restores();
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    // The drill that is due is somebody else's story.
    estate.env.vault.backups(&estate.asset()).await.unwrap();
    estate.aws.restores_to_test(HOME, PRODUCTION, MADE, &estate.network).await;
    estate.aws.backup().restored(HOME, "JOB-1", PRODUCTION, MADE, |_| ());
    Some(estate)
}

async fn wake(estate: &Estate) -> DrillReport {
    RestoreDrill::default().run(&estate.env).await.unwrap()
}

/// Wakes the drill until AWS Backup was told something of a job: a listing shows it only after some looks.
async fn until_told(estate: &Estate, job: &str) -> Vec<(String, String)> {
    for _ in 0..6 {
        wake(estate).await;
        let told = estate.aws.backup().told(job);
        if !told.is_empty() {
            return told;
        }
        estate.clock.advance(std::time::Duration::from_mins(5));
    }
    panic!("AWS Backup was never told of {job}");
}

async fn tested(estate: &Estate) -> Vec<Evidence> {
    let mut all = estate.evidence().await;
    all.retain(|evidence| evidence.restore_test.is_some());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_what_aws_backup_restored_is_asked_and_the_verdict_told_once_and_nothing_of_it_is_removed() {
    let Some(estate) = estate("restore_tests::proven").await else { return };
    let production = estate.production_fingerprint().await;
    let told = until_told(&estate, "JOB-1").await;
    assert_eq!(told, [("SUCCESSFUL".to_owned(), "lastgood: proven, 2 of 2 checks passed".to_owned())]);

    let found = tested(&estate).await;
    let [evidence] = &found[..] else { panic!("{found:?}") };
    assert_eq!((evidence.verdict, &evidence.backup), (Verdict::Proven, &None), "it proves no backup of ours");
    let test = evidence.restore_test.as_ref().unwrap();
    assert_eq!((test.job.as_str(), evidence.replica.name.0.as_str()), ("JOB-1", MADE));
    assert!(test.recovery_point.ends_with("snapshot:awsbackup:job-JOB-1"), "{test:?}");
    assert_eq!((test.took().unwrap().as_secs(), evidence.restore_seconds), (900, None), "the restore was not ours to time");
    assert!(evidence.checks.iter().any(|check| check.found == "300" && check.outcome == CheckOutcome::Passed), "{:#?}", evidence.checks);
    let page = estate.vault.bytes(&Key::DrillPage(estate.asset(), evidence.drill).to_string()).unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    assert!(page.contains("AWS Backup restored") && page.contains("awsbackup:job-JOB-1") && page.contains("no backup of ours"), "{page}");

    // Again, and by somebody who knows nothing of it: nothing more is told, and nothing is removed.
    for _ in 0..2 {
        estate.clock.advance(std::time::Duration::from_mins(5));
        wake(&estate).await;
    }
    assert_eq!((estate.aws.backup().told("JOB-1").len(), tested(&estate).await.len()), (1, 1));
    let instances = estate.instances(HOME).await;
    assert!(instances.contains(&MADE.to_owned()) && instances.contains(&PRODUCTION.to_owned()), "{instances:?}");
    assert!(estate.aws.faults().calls_of("DeleteDBInstance").iter().all(|call| call.get("DBInstanceIdentifier") != MADE));
    let changed = estate.aws.faults().calls_of("ModifyDBInstance");
    let changed: Vec<_> = changed.iter().filter(|call| call.get("DBInstanceIdentifier") == MADE).collect();
    assert!(changed.len() == 1 && changed[0].get("BackupRetentionPeriod").is_empty(), "its password, and nothing else: {changed:?}");
    assert_eq!(estate.production_fingerprint().await, production, "I4: production is as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_event_of_a_restore_wakes_for_its_asset_alone_and_brings_no_instruction() {
    let Some(estate) = estate("restore_tests::event").await else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/eventbridge-restore-job.json");
    let event = Event::parse(&std::fs::read(path).unwrap()).unwrap();
    for _ in 0..6 {
        let Asked::Run(request) = event.ask::<RestoreDrill>(&estate.env.config).unwrap() else { panic!("nothing is asked") };
        assert_eq!(request.asset, Some(estate.asset()));
        request.run(&estate.env).await.unwrap();
        estate.clock.advance(std::time::Duration::from_mins(5));
    }
    // The event names another job and another instance; what AWS Backup itself says is what was tested.
    assert_eq!(estate.aws.backup().told("JOB-1").len(), 1);
    assert_eq!(tested(&estate).await[0].restore_test.as_ref().unwrap().job, "JOB-1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_data_that_are_not_what_they_should_be_are_told_as_failed_and_what_nobody_can_say_is_not() {
    let Some(estate) = Estate::build("restore_tests::failed").await else { return };
    let estate = estate.testing_restores();
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    estate.production.sql("postgres", "delete from orders where id > 250").await;
    estate.aws.restores_to_test(HOME, PRODUCTION, MADE, &estate.network).await;
    estate.production.sql("postgres", "insert into orders select n, now() from generate_series(251, 300) n").await;
    estate.aws.backup().restored(HOME, "JOB-1", PRODUCTION, MADE, |_| ());
    // A second one, which AWS Backup has removed before anybody could ask it.
    estate
        .aws
        .backup()
        .restored(HOME, "JOB-2", PRODUCTION, "awsbackup-restore-test-gone", |job| job["CreationDate"] = json!(1_795_150_000.5));
    let told = until_told(&estate, "JOB-1").await;
    let [(status, message)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(status, "FAILED");
    assert!(message.starts_with("lastgood: failed: sql: select count(*) from orders: expected = 300, found 250"), "{message}");
    let told = until_told(&estate, "JOB-2").await;
    let [(status, message)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(status, "TIMED_OUT", "{message}");
    assert!(message.starts_with("lastgood: could not verify: ") && message.contains("is gone"), "{message}");
    let verdicts: Vec<_> = tested(&estate).await.into_iter().map(|evidence| evidence.verdict).collect();
    assert!(verdicts.contains(&Verdict::Failed) && verdicts.contains(&Verdict::CouldNotVerify), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_test_of_ours_that_waits_is_left_alone() {
    let Some(estate) = Estate::build("restore_tests::others").await else { return };
    let estate = estate.testing_restores();
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    estate.aws.faults().rules(|rules| rules.page = 3);
    let jobs = estate.aws.backup();
    jobs.restored(HOME, "by-hand", PRODUCTION, MADE, |job| job["CreatedBy"] = json!(null));
    jobs.restored(HOME, "judged", PRODUCTION, MADE, |job| job["ValidationStatus"] = "FAILED".into());
    jobs.restored(HOME, "leaving", PRODUCTION, MADE, |job| job["DeletionStatus"] = "DELETING".into());
    jobs.restored(HOME, "anothers", "billing-prod", MADE, |_| ());
    jobs.restored(HOME, "bucket", PRODUCTION, MADE, |job| job["SourceResourceArn"] = "arn:aws:s3:::orders-prod".into());
    jobs.restored("us-east-1", "elsewhere", PRODUCTION, MADE, |_| ());
    for _ in 0..4 {
        wake(&estate).await;
        estate.clock.advance(std::time::Duration::from_mins(5));
    }
    for job in ["by-hand", "judged", "leaving", "anothers", "bucket", "elsewhere"] {
        assert!(jobs.told(job).is_empty(), "{job}");
    }
    assert!(estate.aws.faults().calls_of("ModifyDBInstance").iter().all(|call| call.get("DBInstanceIdentifier") != MADE));
    assert!(estate.aws.calls("ListRestoreJobs") >= 6, "every page of every look was read");
    assert!(tested(&estate).await.is_empty());
}

/// What is made of a test whose restored database is not one that a drill may touch.
async fn refused(estate: &Estate, job: &str, created: &str) -> String {
    estate.aws.backup().restored(HOME, job, PRODUCTION, created, |_| ());
    let told = until_told(estate, job).await;
    let [(status, message)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(status, "TIMED_OUT", "{message}");
    let touched = estate.aws.faults().calls_of("ModifyDBInstance");
    assert!(touched.iter().all(|call| call.get("DBInstanceIdentifier") != created), "{created} was touched");
    let found = tested(estate).await;
    let evidence = found.iter().find(|evidence| evidence.restore_test.as_ref().unwrap().job == job).unwrap();
    assert_eq!(evidence.verdict, Verdict::CouldNotVerify);
    evidence.reason.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_a_restore_test_that_could_be_production_is_refused_told_and_never_touched() {
    let Some(estate) = Estate::build("restore_tests::refused").await else { return };
    let estate = estate.testing_restores();
    estate.clock.set("2026-11-20T06:00:00Z".parse().unwrap());
    let production = estate.production_fingerprint().await;

    // AWS Backup would never say so; whoever could make it say so would have production's password reset.
    let reason = refused(&estate, "production", PRODUCTION).await;
    assert!(reason.contains("begins with awsbackup-restore-test-") && reason.contains("was not touched"), "{reason}");

    let elsewhere = Network { security_group: "sg-0production".to_owned(), ..estate.network.clone() };
    estate.aws.restores_to_test(HOME, PRODUCTION, "awsbackup-restore-test-open", &elsewhere).await;
    let reason = refused(&estate, "network", "awsbackup-restore-test-open").await;
    assert!(reason.contains("in security groups that are not the drill's: sg-0production"), "{reason}");
    assert!(reason.contains("VpcSecurityGroupIds"), "it says what to do: {reason}");

    let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
    estate.aws.restores_to_test(HOME, PRODUCTION, "awsbackup-restore-test-public", &estate.network).await;
    while rds.modify_db_instance().db_instance_identifier("awsbackup-restore-test-public").publicly_accessible(true).send().await.is_err() {
        rds.describe_db_instances().send().await.unwrap();
    }
    let before = estate.aws.calls("ModifyDBInstance");
    estate.aws.backup().restored(HOME, "public", PRODUCTION, "awsbackup-restore-test-public", |_| ());
    until_told(&estate, "public").await;
    let found = tested(&estate).await;
    let reason = found.iter().find_map(|evidence| evidence.reason.clone().filter(|reason| reason.contains("public address")));
    assert!(reason.is_some(), "{found:#?}");
    assert_eq!(estate.aws.calls("ModifyDBInstance"), before, "nothing was changed");

    // An asset of the config may bear such a name: then it is an asset.
    let mut config = (*estate.env.config).clone();
    let mut other = config.assets[&estate.asset()].clone();
    other.name = "kept".parse().unwrap();
    if let lastgood_core::config::Source::Rds { instance, .. } = &mut other.source {
        *instance = "awsbackup-restore-test-kept".to_owned();
    }
    other.policy.drill = None;
    config.assets.insert(other.name.clone(), other);
    let home = tempfile::tempdir().unwrap();
    let env = lastgood_tests::house::world_on(
        estate.aws.access(),
        std::sync::Arc::new(estate.vault.clone()),
        config,
        &estate.clock,
        home.path().to_owned(),
        lastgood_core::providers::postgres::Tools::of_this_machine(),
    );
    estate.aws.restores_to_test(HOME, PRODUCTION, "awsbackup-restore-test-kept", &estate.network).await;
    estate.aws.backup().restored(HOME, "kept", PRODUCTION, "awsbackup-restore-test-kept", |_| ());
    let mut report = RestoreDrill::default().run(&env).await.unwrap();
    for _ in 0..4 {
        estate.clock.advance(std::time::Duration::from_mins(5));
        if !estate.aws.backup().told("kept").is_empty() {
            break;
        }
        report = RestoreDrill::default().run(&env).await.unwrap();
    }
    let said = format!("{report:?}");
    assert!(said.contains("is the source of an asset"), "{said}");
    assert_eq!(report.exit(), Exit::CouldNotVerify);
    assert!(report.findings().iter().any(|finding| finding.to_string().contains("was not touched")), "{:?}", report.findings());
    assert!(report.entries.iter().any(|entry| matches!(&entry.outcome, Outcome::Done(drilled) if drilled.recovery_point.is_some())));
    assert_eq!(estate.production_fingerprint().await, production, "I4");
}
