//! Cloud SQL, with the real adapters against real Postgres behind an emulated Google: backups, what they are kept by, exports that
//! Cloud SQL writes itself, and everything that gets in the way.

use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::Taken,
    config::Config,
    domain::{
        backup::{Form, Method},
        drill::Verdict,
        finding::FindingKind,
        freshness::State,
    },
    error::Kind,
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::{
    gcp::{Ending, Lost},
    pegasus::{Estate, PRODUCTION, PROJECT},
};
use restore_drill::RestoreDrill;
use serde_json::json;
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::time::Duration;

const TONIGHT: &str = "lastgood-pegasus-db-20261120t030000z";

async fn wake(estate: &Estate) -> SnapshotReport {
    SnapshotTrigger::default().run(&estate.env).await.unwrap()
}

fn outcome(report: &SnapshotReport) -> &Outcome<Taken> {
    &report.entries[0].outcome
}

fn taken(report: &SnapshotReport) -> Taken {
    match outcome(report) {
        Outcome::Done(taken) => taken.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_seen_through_and_its_manifest_says_how_the_source_is_set_up() {
    let estate = Estate::build().await;
    let taken = taken(&wake(&estate).await);
    let [backup] = &estate.backups().await[..] else { panic!() };
    let held = backup.held.as_ref().unwrap();
    assert_eq!((backup.method, taken.backup), (Method::ProviderSnapshot, backup.id));
    assert_eq!((held.place.to_string().as_str(), held.name.0.as_str()), ("gcp://acme", TONIGHT));
    assert!(held.reference.starts_with("projects/acme/instances/pegasus-db-eu/backupRuns/"), "{}", held.reference);
    assert_eq!((held.engine.as_str(), held.encrypted), ("postgres 15", true));
    for (name, value) in [
        ("tier", json!("db-custom-2-7680")),
        ("availabilityType", json!("REGIONAL")),
        ("databaseFlags", json!({ "max_connections": "200", "cloudsql.iam_authentication": "on" })),
        ("backupConfiguration.pointInTimeRecoveryEnabled", json!(true)),
        ("ipConfiguration.privateNetwork", json!("projects/acme/global/networks/production")),
        ("userLabels", json!({ "environment": "production" })),
    ] {
        assert_eq!(held.settings.get(name), Some(&value), "{name}: a restore does not bring this back");
    }
    assert!(backup.source.system_identifier.as_deref().unwrap().starts_with("acme:europe-west1:pegasus-db-eu@"));
    assert!(matches!(outcome(&wake(&estate).await), Outcome::NotDue { .. }), "twice is harmless");
    assert_eq!(estate.gcp.calls("sql.backupRuns.insert"), 1);
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    assert_eq!(status.assets[0].state, State::Good, "{:#?}", status.findings());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_an_answer_that_is_lost_makes_no_second_backup() {
    let estate = Estate::build().await;
    estate.gcp.faults().lose("sql.backupRuns.insert", 1, Lost::Reply);
    let mut report = wake(&estate).await;
    for _ in 0..3 {
        if matches!(outcome(&report), Outcome::Done(_)) {
            break;
        }
        estate.clock.advance(Duration::from_mins(5));
        report = wake(&estate).await;
    }
    taken(&report);
    assert_eq!(estate.gcp.calls("sql.backupRuns.insert"), 1, "the one whose answer was lost is found by its description");
    assert_eq!(estate.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_what_is_under_way_with_the_instance_is_waited_for_and_never_collided_with() {
    let estate = Estate::build().await;
    estate.gcp.begins_by_itself(PROJECT, PRODUCTION, "MAINTENANCE").await;
    taken(&wake(&estate).await);
    assert_eq!(estate.gcp.calls("sql.backupRuns.insert"), 1, "it was asked for once it could begin");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_an_operation_that_is_over_and_holds_the_lock_all_the_same_is_waited_for() {
    let estate = Estate::build().await;
    estate.gcp.faults().rules(|rules| rules.ghosts = 2);
    estate.gcp.begins_by_itself(PROJECT, PRODUCTION, "MAINTENANCE").await;
    taken(&wake(&estate).await);
    assert_eq!(estate.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_what_is_done_with_an_error_or_skipped_is_no_backup_and_the_old_ones_stay() {
    let estate = Estate::build().await;
    taken(&wake(&estate).await);
    let before = estate.backups().await;
    for (night, ending) in [("2026-11-21", Ending::Error), ("2026-11-22", Ending::Skipped), ("2026-11-23", Ending::Failed)] {
        estate.at(&format!("{night}T03:00:00Z"));
        estate.gcp.faults().ends("BACKUP_VOLUME", ending);
        let report = wake(&estate).await;
        let Outcome::Failed { .. } = outcome(&report) else { panic!("{ending:?}: {report:?}") };
        assert_eq!(estate.backups().await, before, "{ending:?}");
        let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
        assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::BackupFailed), "{:#?}", status.findings());
        // The next wake-up of the same night makes a good one.
        estate.clock.advance(Duration::from_hours(1));
        let next = wake(&estate).await;
        assert!(matches!(outcome(&next), Outcome::Done(_)), "{ending:?}: {next:?}");
        for backup in estate.backups().await.iter().filter(|backup| !before.iter().any(|old| old.id == backup.id)) {
            estate.env.vault.bucket().delete(&lastgood_core::catalog::Key::Manifest(estate.asset(), backup.id).to_string()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r19_r33_what_the_instance_is_not_kept_by_is_told() {
    let estate = Estate::build().await;
    taken(&wake(&estate).await);
    for (patch, words) in [
        (json!({ "settings": { "backupConfiguration": { "pointInTimeRecoveryEnabled": false } } }), "point-in-time recovery is off"),
        (json!({ "settings": { "backupConfiguration": { "enabled": false } } }), "the provider's own backups are off"),
        (json!({ "settings": { "retainBackupsOnDelete": false } }), "they are not retained"),
        (json!({ "settings": { "deletionProtectionEnabled": false } }), "it is not protected from deletion"),
        (json!({ "settings": { "ipConfiguration": { "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED" } } }), "without encryption"),
        (
            json!({ "settings": { "ipConfiguration": { "ipv4Enabled": true, "authorizedNetworks": [{ "value": "0.0.0.0/0" }] } } }),
            "it has a public address",
        ),
    ] {
        estate.gcp.change(PROJECT, PRODUCTION, &patch).await;
        let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
        let told = status.findings().into_iter().filter(|finding| finding.kind == FindingKind::PostureDrift);
        let told: Vec<_> = told.map(|finding| finding.sentence).collect();
        assert!(told.iter().any(|sentence| sentence.contains(words)), "{words}: {told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_that_lie_where_the_instance_is_are_told_and_a_location_puts_them_elsewhere() {
    for (location, beside) in [("europe-west1", true), ("europe-west4", false)] {
        let estate = Estate::with(&format!("    snapshot: {{ schedule: \"0 3 * * *\", location: {location} }}\n")).await;
        taken(&wake(&estate).await);
        let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
        let told = status.findings().iter().any(|finding| finding.sentence.contains("one disaster takes both"));
        assert_eq!(told, beside, "{location}: {:#?}", status.findings());
        let asked = estate.gcp.faults().calls_of("sql.backupRuns.insert");
        assert_eq!(asked[0].body["location"], location);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r37_old_backups_go_when_policy_lets_them_and_strangers_never() {
    let estate = Estate::with("    snapshot: { schedule: \"0 3 * * *\" }\n").await;
    let strange = estate.gcp.takes_by_itself(PROJECT, PRODUCTION).await;
    let mut let_go = 0;
    for day in ["20", "21", "22", "23"] {
        estate.at(&format!("2026-11-{day}T03:00:00Z"));
        let report = wake(&estate).await;
        assert_eq!((report.exit(), report.findings()), (Exit::Good, Vec::new()), "{report:?}");
        let_go += report.pruned.iter().map(|pruned| pruned.let_go.len()).sum::<usize>();
    }
    assert!(let_go >= 1, "two days are kept");
    let removed = estate.gcp.faults().calls_of("sql.backupRuns.delete");
    assert!(!removed.is_empty() && removed.iter().all(|call| call.names[2] != strange), "{removed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_missing_right_is_named() {
    let estate = Estate::build().await;
    estate.gcp.faults().deny("cloudsql.backupRuns.create");
    let report = wake(&estate).await;
    let text = format!("{:?}", outcome(&report));
    assert!(text.contains("cloudsql.backupRuns.create"), "{text}");
    assert!(estate.backups().await.is_empty());
}

const OFFLOADED: &str = r#"
    export: { schedule: "0 2 * * *", offload: true, through: gs://vault-test/offload, database: postgres }
"#;

async fn export(estate: &Estate) -> Outcome<Taken> {
    let report = ExportToBucket { asset: Some(estate.asset()), ..ExportToBucket::default() }.run(&estate.env).await.unwrap();
    report.entries[0].outcome.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_an_export_that_cloud_sql_writes_itself_counts_once_its_bytes_are_in_the_vault() {
    let estate = Estate::with(OFFLOADED).await;
    let outcome = export(&estate).await;
    let Outcome::Done(taken) = outcome else { panic!("{outcome:?}") };
    let [backup] = &estate.backups().await[..] else { panic!() };
    assert_eq!((backup.id, backup.method, backup.form()), (taken.backup, Method::PgDumpPlain, Form::Export));
    let asked = estate.gcp.faults().calls_of("sql.instances.export");
    let context = &asked[0].body["exportContext"];
    assert_eq!((asked.len(), &context["offload"], &context["databases"]), (1, &json!(true), &json!(["postgres"])));
    let uri = context["uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("gs://vault-test/offload/offload/pegasus-db/2026") && uri.ends_with(".sql"), "{uri}");
    let through = estate.env.providers.bucket(&"gs://vault-test/offload".parse().unwrap()).await.unwrap();
    assert!(through.list_all("").await.unwrap().is_empty(), "what was written on the way is removed");

    // Another night writes to another object.
    estate.at("2026-11-21T02:00:00Z");
    let Outcome::Done(_) = export(&estate).await else { panic!() };
    assert_ne!(estate.gcp.faults().calls_of("sql.instances.export")[1].body["exportContext"]["uri"], uri.as_str());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r12_half_a_dump_never_becomes_a_backup_whatever_cloud_sql_says() {
    for ending in [Ending::Truncated, Ending::SilentlyTruncated] {
        let estate = Estate::with(OFFLOADED).await;
        estate.gcp.faults().ends("EXPORT", ending);
        let outcome = export(&estate).await;
        assert!(matches!(outcome, Outcome::Failed { .. }), "{ending:?}: {outcome:?}");
        assert!(estate.backups().await.is_empty(), "{ending:?}");
    }
}

#[test]
fn what_cloud_sql_cannot_do_is_refused_by_the_config() {
    let refused = |policy: &str| {
        let yaml = format!(
            "vault: file:///lastgood\nassets:\n  pegasus-db:\n    kind: cloudsql\n    project: acme\n    instance: pegasus-db-eu\n{policy}\n"
        );
        Config::parse(&yaml, "lastgood.yaml").map(|_| String::new()).unwrap_or_else(|error| {
            assert_eq!(error.kind(), Kind::Invalid);
            format!("{} {}", error.full(), error.advice().unwrap_or_default())
        })
    };
    for (policy, words) in [
        ("    copies: [ { region: europe-west4 } ]", "snapshot: { location:"),
        ("    snapshot: { schedule: \"0 3 * * *\", from: automated }", "automated"),
        ("    snapshot: { schedule: \"0 3 * * *\", location: \"../x\" }", "location"),
        ("    export: { schedule: \"0 2 * * *\" }", "url"),
        ("    export: { schedule: \"0 2 * * *\", offload: true }", "gs://"),
        ("    export: { schedule: \"0 2 * * *\", offload: true, through: gs://b/x, format: directory }", "plain"),
        ("    export: { schedule: \"0 2 * * *\", offload: true, through: gs://b/x, tables_csv: [users] }", "CSV"),
        ("    drill: { schedule: \"0 6 * * 0\", into: { cloudsql: { network: default } } }", "projects/PROJECT/global/networks/NAME"),
        ("    drill: { schedule: \"0 6 * * 0\", into: { cloudsql: { authorized_networks: [0.0.0.0/0] } } }", "authorized_networks"),
        ("    drill: { schedule: \"0 6 * * 0\", into: { rds: { subnet_group: g, security_groups: [] } } }", "RDS restores no backup"),
        ("    drill: { schedule: \"0 6 * * 0\", point_in_time: 1h, into: { cloudsql: { region: europe-west4 } } }", "own region"),
    ] {
        let said = refused(policy);
        assert!(said.contains(words), "{policy}: {said}");
    }
    assert_eq!(refused("    snapshot: { schedule: \"0 3 * * *\", location: eu }"), "");
    assert_eq!(refused("    snapshot: { schedule: \"0 3 * * *\" }\n    drill: { schedule: \"0 6 * * 0\", into: { cloudsql: {} } }"), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_an_export_that_cloud_sql_wrote_restores_with_its_owners_and_is_proven_by_asking_it() {
    let drilled = "    drill: { schedule: \"0 6 * * *\", into: scratch, checks: [ { table: lectures, rows: \"= 300\" }, { table: courses, rows: \"= 3\" } ] }\n";
    for (policy, verdict) in [
        (format!("{OFFLOADED}{drilled}"), Verdict::Proven),
        (format!("{OFFLOADED}    drill: {{ schedule: \"0 6 * * *\" }}\n"), Verdict::CouldNotVerify),
    ] {
        let estate = Estate::with(&policy).await;
        let outcome = export(&estate).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let roles = &estate.backups().await[0].expectations.roles;
        assert!(roles.iter().any(|role| role == "pegasus"), "{roles:?}");
        estate.at("2026-11-20T06:00:00Z");
        let report = RestoreDrill { asset: Some(estate.asset()), now: true, ..RestoreDrill::default() }.run(&estate.env).await.unwrap();
        assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        let evidence = estate.evidence().await.remove(0);
        assert_eq!(evidence.verdict, verdict, "{:?} {:#?}", evidence.reason, evidence.checks);
    }
}
