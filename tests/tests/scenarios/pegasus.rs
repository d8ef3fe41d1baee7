//! A team on Google, as its runbook calls things: a night, a drill, and the incidents, with none of the runbook's mistakes.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{backup::Method, compare::CheckOutcome, drill::Verdict, freshness::State},
    error::Kind,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::{
    gcp::POSTGRES_PASSWORD,
    pegasus::{DRILLS, Estate, PRODUCTION, PROJECT},
};
use restore::{Restore, Restored};
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;

pub(super) fn restore(estate: &Estate, into: &str) -> Restore {
    Restore {
        asset: estate.asset(),
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

fn at(estate: &Estate, moment: &str, into: &str) -> Restore {
    Restore { latest: false, at: Some(moment.to_owned()), ..restore(estate, into) }
}

pub(super) async fn restored(estate: &Estate, ask: Restore) -> Restored {
    let report = ask.run(&estate.env).await.unwrap();
    let Outcome::Done(restored) = report.entries[0].outcome.clone() else { panic!("{report:?}") };
    restored
}

pub(super) fn wrong(done: &Restored) -> Vec<String> {
    let wrong = done.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed);
    wrong.map(|check| format!("{}: {} is {}", check.name, check.expected, check.found)).collect()
}

async fn drill(estate: &Estate) -> lastgood_core::catalog::evidence::Evidence {
    let report = RestoreDrill { asset: Some(estate.asset()), now: true, ..RestoreDrill::default() }.run(&estate.env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    estate.evidence().await.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_r27_a_night_on_google_is_backed_up_and_proven_by_restoring_it_and_nothing_is_left() {
    let estate = Estate::build().await;
    let production = estate.production_fingerprint().await;
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    // What is written afterwards is not in it.
    estate.production.sql("postgres", "insert into lectures select n, now() from generate_series(301, 400) n").await;
    let production_now = estate.production_fingerprint().await;
    assert_ne!(production, production_now);

    estate.at("2026-11-20T06:00:00Z");
    let evidence = drill(&estate).await;
    assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
    assert!(evidence.checks.iter().any(|check| check.found.contains("300")), "{:#?}", evidence.checks);
    for check in ["setting databaseVersion", "setting dataDiskSizeGb", "flag max_connections"] {
        assert!(evidence.checks.iter().any(|found| found.name == check), "{check} is not compared: {:#?}", evidence.checks);
    }
    // It was made fenced, and torn down.
    let made = &estate.gcp.faults().calls_of("sql.instances.insert")[0].body;
    let settings = &made["settings"];
    assert_eq!(settings["ipConfiguration"]["ipv4Enabled"], false);
    assert_eq!(
        (settings["ipConfiguration"]["privateNetwork"].as_str(), settings["tier"].as_str()),
        (Some(DRILLS), Some("db-custom-1-3840"))
    );
    assert_eq!(settings["backupConfiguration"]["enabled"], false);
    assert!(made.get("rootPassword").is_none() && settings["userLabels"]["lastgood-expires"].is_string());
    assert_eq!(estate.instances().await, [PRODUCTION]);
    assert_eq!(estate.production_fingerprint().await, production_now, "I4: no drill touched production");
    assert_eq!(estate.gcp.faults().calls_of("sql.users.update").iter().filter(|call| call.names[1] == PRODUCTION).count(), 0);
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    assert_eq!(status.assets[0].state, State::Good, "{:#?}", status.findings());

    // I5: neither production's password nor the replica's is in anything that was written.
    let set = estate.gcp.faults().calls_of("sql.users.update")[0].body["password"].as_str().unwrap().to_owned();
    for (key, bytes) in estate.vault.contents() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(POSTGRES_PASSWORD) && !text.contains(&set), "{key}");
    }
}

const MOMENTS: &str = r#"
    snapshot: { schedule: "0 3 * * *" }
    drill:
      schedule: "0 6 * * *"
      point_in_time: 1h
      into: { cloudsql: { network: projects/acme/global/networks/drills } }
      checks: [ { sql: "select count(*) from lectures", expect: ">= 300" } ]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_r25_a_moment_is_proven_by_a_clone_that_is_fenced_before_it_is_asked() {
    let estate = Estate::with(MOMENTS).await;
    let production = estate.production_fingerprint().await;
    estate.at("2026-11-20T06:00:00Z");
    let evidence = drill(&estate).await;
    assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
    assert_eq!(evidence.backup.unwrap().method, Method::PointInTime);
    assert_eq!(estate.gcp.faults().calls_of("sql.instances.clone")[0].body["cloneContext"]["pointInTime"], "2026-11-20T05:00:00Z");
    // It came up as its source is: in production's network, protected, keeping backups. None of that stays.
    let fence = &estate.gcp.faults().calls_of("sql.instances.patch")[0];
    assert!(fence.names[1].starts_with("lastgood-drill-"), "{fence:?}");
    let settings = &fence.body["settings"];
    assert_eq!(
        (settings["ipConfiguration"]["ipv4Enabled"].as_bool(), settings["ipConfiguration"]["privateNetwork"].as_str()),
        (Some(false), Some(DRILLS))
    );
    assert_eq!(settings["deletionProtectionEnabled"], false);
    assert_eq!(estate.instances().await, [PRODUCTION]);
    assert_eq!(estate.production_fingerprint().await, production, "I4: no drill touched production");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_corrupted_data_is_undone_by_a_clone_of_the_moment_before_and_the_cut_over_is_said() {
    // The runbook's scenario 1; it ended in `--rename`, which there is not.
    let estate = Estate::build().await;
    estate.at("2026-11-20T10:00:00Z");
    estate.production.sql("postgres", "insert into lectures values (301, '2026-11-20T10:00:00Z')").await;
    estate.at("2026-11-20T10:20:00Z");
    estate.production.sql("postgres", "delete from lectures").await;
    estate.at("2026-11-20T11:00:00Z");
    let production = estate.production_fingerprint().await;
    let moment = "2026-11-20T10:10:00Z";

    let planned = restored(&estate, Restore { apply: false, ..at(&estate, moment, "cloudsql:pegasus-then") }).await;
    assert_eq!((planned.method, planned.applied), (Method::PointInTime, false));
    assert_eq!((estate.instances().await, estate.gcp.calls("sql.instances.clone")), (vec![PRODUCTION.to_owned()], 0));

    let done = restored(&estate, at(&estate, moment, "cloudsql:pegasus-then")).await;
    assert_eq!((wrong(&done), done.verdict), (Vec::new(), Some(Verdict::Proven)));
    assert_eq!(estate.ask("pegasus-then", "select count(*) from lectures").await, "301", "what was there then, and nothing later");
    let next = done.next.join("\n");
    for said in [
        "acme:europe-west1:pegasus-then",
        ":5432",
        "gcloud secrets versions add",
        "--data-file=-",
        "cannot be renamed",
        "gcloud run services update",
    ] {
        assert!(next.contains(said), "{said} is not said: {next}");
    }
    assert!(!next.contains("--rename"));
    assert_eq!(estate.production_fingerprint().await, production, "I4: the old one is as it was");

    // Again is harmless; another moment under the same name is another restore, and refused.
    let again = restored(&estate, at(&estate, moment, "cloudsql:pegasus-then")).await;
    assert!(again.steps[0].contains("go on with pegasus-then"), "{:?}", again.steps);
    assert_eq!(estate.gcp.calls("sql.instances.clone"), 1);
    let other = at(&estate, "2026-11-20T10:11:00Z", "cloudsql:pegasus-then").run(&estate.env).await.unwrap_err();
    assert_eq!(other.kind(), Kind::Refused, "{}", other.full());

    // A clone that nobody labelled may be of any moment: it is never taken for this one.
    let context = serde_json::json!({ "cloneContext": { "destinationInstanceName": "pegasus-found" } });
    estate.gcp.ask("POST", &format!("/v1/projects/{PROJECT}/instances/{PRODUCTION}/clone"), Some(context)).await;
    let found = at(&estate, moment, "cloudsql:pegasus-found").run(&estate.env).await.unwrap_err();
    assert!(found.kind() == Kind::Refused && found.advice().unwrap().contains("by hand"), "{}", found.full());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r26_production_and_strangers_are_never_restored_over() {
    // The runbook restored in place.
    let estate = Estate::build().await;
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    let stranger = estate.gcp.cluster().await;
    estate.gcp.database(&stranger, PROJECT, "billing-db", "europe-west1").await;
    for (into, words) in
        [(format!("cloudsql:{PRODUCTION}"), "the source itself"), ("cloudsql:billing-db".to_owned(), "not of this restore")]
    {
        let error = restore(&estate, &into).run(&estate.env).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Refused, "{}", error.full());
        assert!(error.full().contains(words), "{}", error.full());
    }
    for call in
        ["sql.instances.insert", "sql.instances.restoreBackup", "sql.instances.clone", "sql.instances.patch", "sql.instances.delete"]
    {
        assert_eq!(estate.gcp.calls(call), 0, "{call}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r27_leftovers_of_lost_drills_are_swept_by_their_labels_alone() {
    let estate = Estate::build().await;
    SnapshotTrigger::default().run(&estate.env).await.unwrap();
    estate.at("2026-11-20T06:00:00Z");
    // A drill that dies once its replica is there, and whose run is lost with the vault's records.
    let ask = RestoreDrill { asset: Some(estate.asset()), now: true, ..RestoreDrill::default() };
    for k in 1.. {
        assert!(estate.gcp.faults().killed_after(k, ask.clone().run(&estate.env)).await.is_none(), "it ended before it had a replica");
        if estate.instances().await.len() == 2 {
            break;
        }
        estate.clock.advance(std::time::Duration::from_mins(2));
    }
    for key in estate.vault.contents().keys().filter(|key| key.contains("/runs/restore-drill/")).cloned().collect::<Vec<_>>() {
        estate.env.vault.bucket().delete(&key).await.unwrap();
    }
    let stranger = estate.gcp.cluster().await;
    estate.gcp.database(&stranger, PROJECT, "lastgood-drill-by-hand", "europe-west1").await;
    // Nothing is swept before it expires.
    estate.at("2026-11-20T07:00:00Z");
    RestoreDrill::default().run(&estate.env).await.unwrap();
    assert!(estate.instances().await.len() >= 3);
    estate.at("2026-11-21T00:00:00Z");
    for _ in 0..3 {
        RestoreDrill::default().run(&estate.env).await.unwrap();
        estate.clock.advance(std::time::Duration::from_mins(10));
    }
    assert_eq!(estate.instances().await, ["lastgood-drill-by-hand", PRODUCTION]);
}
