//! A night on Amazon, and the mornings after: snapshot, copy far away under another key, check, prove both by restoring them
//! and asking the data, let the old ones go. With the real adapters, against real Postgres behind an emulated RDS.

use cross_region_copy::CrossRegionCopy;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{compare::CheckOutcome, drill::Verdict, freshness::State},
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::aws::{
    MASTER_PASSWORD,
    estate::{Estate, FAR, HOME, PRODUCTION},
};
use restore_drill::RestoreDrill;
use snapshot_trigger::SnapshotTrigger;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_night_on_amazon_is_snapshotted_copied_proven_from_both_places_and_pruned() {
    let Some(estate) = Estate::build("rds::a_night_on_amazon").await else { return };
    let env = &estate.env;
    let production = estate.production_fingerprint().await;

    // The night: a snapshot, and its copy under the key of the other region.
    let report = SnapshotTrigger::default().run(env).await.unwrap();
    let Outcome::Done(taken) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(taken.data_time.to_string(), "2026-11-20T03:00:00Z");
    let [backup] = &estate.backups().await[..] else { panic!() };
    let held = backup.held.clone().unwrap();
    assert!(held.encrypted && held.engine.contains("postgres") && held.engine.contains("15.18"), "{held:?}");
    let settings = serde_json::to_string(&held.settings).unwrap();
    for captured in ["orders-prod-parameters", "sg-0production", "production"] {
        assert!(settings.contains(captured), "{captured} is not in {settings}");
    }
    let report = CrossRegionCopy::default().run(env).await.unwrap();
    let Outcome::Done(copied) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!((copied.places[0].copied.as_slice(), &copied.problems[..]), (&[taken.backup][..], &[][..]));
    assert_eq!(estate.snapshots(HOME).await, [held.name.0.clone()]);
    assert_eq!(estate.snapshots(FAR).await, [held.name.0.clone()]);

    // What is written afterwards is in neither.
    estate.production.sql("postgres", "insert into orders select n, now() from generate_series(301, 400) n").await;
    let production_now = estate.production_fingerprint().await;
    assert_ne!(production, production_now);

    // The mornings: proven by restoring from home, and from the far copy.
    for (morning, from) in [("2026-11-20T06:00:00Z", None), ("2026-11-21T01:00:00Z", Some(format!("aws://{FAR}")))] {
        estate.clock.set(morning.parse().unwrap());
        let drill = RestoreDrill {
            asset: Some(estate.asset()),
            from: from.as_ref().map(|from| from.parse().unwrap()),
            now: from.is_some(),
            ..RestoreDrill::default()
        };
        let report = drill.run(env).await.unwrap();
        assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        let evidence = estate.evidence().await.into_iter().next().unwrap();
        assert_eq!((evidence.verdict, &evidence.reason), (Verdict::Proven, &None), "{:#?}", evidence.checks);
        assert!(
            evidence.checks.iter().any(|check| check.found.contains("300") && check.outcome == CheckOutcome::Passed),
            "{:#?}",
            evidence.checks
        );
        let drilled = evidence.backup.unwrap();
        assert_eq!(drilled.from.to_string(), from.unwrap_or_else(|| env.vault.place().to_string()), "as it was asked for");
        // Torn down, really: nothing runs but production.
        assert_eq!(estate.aws.instances(HOME).await.into_iter().map(|seen| seen.name).collect::<Vec<_>>(), [PRODUCTION]);
        assert_eq!((estate.instances(HOME).await, estate.instances(FAR).await), (vec![PRODUCTION.to_owned()], Vec::new()));
        assert!(estate.aws.instances(FAR).await.is_empty());
    }
    assert_eq!(estate.production_fingerprint().await, production_now, "I4: no drill touched production");

    let status = FreshnessChecker::default().run(env).await.unwrap();
    let orders = &status.assets[0];
    assert_eq!((orders.copies.proven, orders.copies.asked), (1, 1), "{:#?}", status.findings());
    assert_eq!(orders.state, State::Good, "{:#?}", status.findings());

    // Three more nights: two days are kept, and the oldest go at both places.
    for day in ["2026-11-21", "2026-11-22", "2026-11-23"] {
        estate.clock.set(format!("{day}T03:00:00Z").parse().unwrap());
        let report = SnapshotTrigger::default().run(env).await.unwrap();
        assert_eq!(report.exit(), Exit::Good, "{report:?}");
        CrossRegionCopy::default().run(env).await.unwrap();
    }
    let expected = ["lastgood-orders-rds-20261122t030000z", "lastgood-orders-rds-20261123t030000z"];
    let proven = "lastgood-orders-rds-20261120t030000z";
    for region in [HOME, FAR] {
        let names = estate.snapshots(region).await;
        assert!(names.contains(&proven.to_owned()), "the newest proven one stays: {names:?}");
        assert!(expected.iter().all(|name| names.contains(&(*name).to_owned())), "{region}: {names:?}");
        assert_eq!(names.len(), 3, "{region}: the one between is gone: {names:?}");
    }

    // I5: production's password is in nothing that was written.
    let written = lastgood_tests::house::files(std::path::Path::new(env.vault.place().bucket()));
    assert!(!written.is_empty());
    for path in written {
        let text = std::fs::read(std::path::Path::new(env.vault.place().bucket()).join(&path)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(MASTER_PASSWORD), "{path}");
    }
}
