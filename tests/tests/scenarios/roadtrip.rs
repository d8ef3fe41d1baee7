//! Another team on Google, whose runbook lost the instance before it began: everything that it would have needed then is there.

use super::pegasus::{restore, restored, wrong};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::drill::Verdict,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::{
    drawer::Drawer,
    google::Machine,
    pegasus::{Estate, POLICY, PROJECT},
};
use snapshot_trigger::SnapshotTrigger;

const SOURCE: &str = "roadtrip-db-prod";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_whole_loss_is_undone_in_another_region_with_every_setting_of_the_source() {
    // The runbook's scenario 3 made a `db-g1-small` of POSTGRES_15 by hand and imported `latest.sql` into it.
    let estate = Estate::named("roadtrip-db", SOURCE, POLICY).await;
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    estate.at("2026-11-20T09:00:00Z");
    let into = "cloudsql:roadtrip-db-dr?region=europe-west4&network=projects/acme/global/networks/dr";
    let done = restored(&estate, restore(&estate, into)).await;
    assert_eq!((wrong(&done), done.verdict), (Vec::new(), Some(Verdict::Proven)));
    for setting in
        ["setting tier", "setting databaseFlags", "setting availabilityType", "setting deletionProtectionEnabled", "setting userLabels"]
    {
        assert!(done.checks.iter().any(|check| check.name == setting), "{setting} is not compared: {:#?}", done.checks);
    }
    assert_eq!(estate.ask("roadtrip-db-dr", "select count(*) from lectures").await, "300");
    let seen = estate.gcp.instances(PROJECT).await.into_iter().find(|seen| seen.name == "roadtrip-db-dr").unwrap();
    assert_eq!(seen.region, "europe-west4");
    // Again is harmless.
    let again = restored(&estate, restore(&estate, into)).await;
    assert!(again.steps[0].contains("go on with roadtrip-db-dr"), "{:?}", again.steps);
    assert_eq!(estate.gcp.calls("sql.instances.restoreBackup"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_an_instance_that_was_deleted_comes_back_from_what_was_retained_of_it() {
    // The runbook's scenario 2 listed the backups of an instance that is gone, and looked one up by its id under another.
    let estate = Estate::named("roadtrip-db", SOURCE, POLICY).await;
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    let settings = serde_json::json!({ "settings": { "deletionProtectionEnabled": false } });
    estate.gcp.change(PROJECT, SOURCE, &settings).await;
    let path = format!("/v1/projects/{PROJECT}/instances/{SOURCE}");
    estate.gcp.ask("DELETE", &path, None).await;
    for _ in 0..6 {
        estate.gcp.ask("GET", &path, None).await;
    }
    assert!(estate.instances().await.is_empty());

    let done = restored(&estate, restore(&estate, "cloudsql:roadtrip-db-again")).await;
    assert_eq!((wrong(&done), done.verdict), (Vec::new(), Some(Verdict::Proven)));
    assert_eq!(estate.ask("roadtrip-db-again", "select count(*) from lectures").await, "300");
    let asked = &estate.gcp.faults().calls_of("sql.instances.restoreBackup")[0].body;
    assert!(asked["backup"].as_str().unwrap().starts_with("projects/acme/backups/"), "{asked}");
    // The checker still sees what is retained.
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    let lost = status.findings().into_iter().filter(|finding| finding.sentence.contains("is gone from gcp://acme"));
    assert_eq!(lost.count(), 0, "{:#?}", status.findings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_network_for_the_new_region_or_a_key_is_asked_for_before_anything_is_made() {
    let estate = Estate::named("roadtrip-db", SOURCE, POLICY).await;
    let key = "projects/acme/locations/europe-west1/keyRings/ring/cryptoKeys/prod";
    estate.gcp.change(PROJECT, SOURCE, &serde_json::json!({ "diskEncryptionConfiguration": { "kmsKeyName": key } })).await;
    let report = SnapshotTrigger::default().run(&estate.env).await.unwrap();
    assert!(matches!(report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    let error = restore(&estate, "cloudsql:roadtrip-db-dr?region=europe-west4").run(&estate.env).await.unwrap_err();
    assert!(error.full().contains("key of its own region") && error.advice().unwrap().contains("kms_key="), "{}", error.full());
    assert_eq!(estate.gcp.calls("sql.instances.insert"), 0);
    let into = "cloudsql:roadtrip-db-dr?region=europe-west4&kms_key=projects/acme/locations/europe-west4/keyRings/ring/cryptoKeys/dr";
    let done = restored(&estate, restore(&estate, into)).await;
    assert_eq!((wrong(&done), done.verdict), (Vec::new(), Some(Verdict::Proven)));
    // A public runbook's --rename is no target, and neither is anything else that a name could carry.
    assert!("cloudsql:roadtrip-db-dr?rename=roadtrip-db-prod".parse::<lastgood_core::ports::Target>().is_err());
}

#[tokio::test]
async fn r44_every_secret_of_a_lost_project_is_back_under_its_own_name_without_a_decrypted_file() {
    // The runbook's script wrote `decrypted_secrets.json` to a disk and imported it over whatever was there.
    let machine = Machine::start().await;
    let values =
        [("DATABASE_URL", "postgres://app:r0ad-canary-1@db/roadtrip"), ("MAPS_API_KEY", "r0ad-canary-2"), ("JWT_SECRET", "r0ad-canary-3")];
    for (name, value) in values {
        machine.secrets().add(name, value);
    }
    let drawer = Drawer::new("provider: gcp, project: acme-prod", |real| real.google = machine.google());
    drawer.export("nightly").await.unwrap();
    assert_eq!(drawer.drill("2026-11-20T06:00:00Z").await.verdict, Verdict::Proven);
    machine.secrets().clear();
    let done = drawer.restore("secrets:acme-prod", true).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    for (name, value) in values {
        assert_eq!(machine.secrets().versions(name), [value.as_bytes()], "{name}");
    }
    assert_eq!(drawer.files_with(&["r0ad-canary"]), Vec::<String>::new());
    assert!(!format!("{done:?}").contains("canary"));
}
