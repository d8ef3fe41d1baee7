//! What only Cloud SQL has, against a Cloud SQL that is slow, strict and moody: ghosts of operations, backups that are not listed
//! yet, operations that are `DONE` and went wrong, regions that a listing does not reach. What every cloud has is told in
//! `managed`.

use crate::managed::{A_WHILE, drill, quiet_night, swept, woken_until_done};
use lastgood_core::{
    clock::Clock,
    domain::drill::Verdict,
    function::{Function, Outcome},
};
use lastgood_tests::{
    gcp::{Ending, Lost, Missing},
    managed::Managed,
    pegasus::{Estate, HOME, PRODUCTION, PROJECT},
};
use restore_drill::RestoreDrill;
use std::time::Duration;

/// Drills until one proves the backup, a few times at most.
async fn proven(estate: &Estate, moment: &str) {
    let began = estate.clock.now();
    for _ in 0..5 {
        drill(&estate.env).await;
        if estate.evidence().await.first().is_some_and(|newest| newest.started_at >= began && newest.verdict == Verdict::Proven) {
            return;
        }
        estate.passes(A_WHILE);
    }
    panic!("{moment}: {:#?}", estate.evidence().await.first());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r07_r08_ghosts_of_operations_slow_a_night_and_a_drill_down_and_do_nothing_else() {
    let estate = Estate::build().await;
    estate.gcp.faults().rules(|rules| rules.ghosts = 2);
    estate.gcp.begins_by_itself(PROJECT, PRODUCTION, "BACKUP_VOLUME").await;
    woken_until_done(&estate).await;
    assert_eq!((estate.held().await.len(), estate.backups().await.len()), (1, 1));
    proven(&estate, "with ghosts").await;
    swept(&estate, "with ghosts").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_a_backup_whose_reply_was_lost_and_that_is_not_listed_yet_is_not_made_twice() {
    for half in [Lost::Reply, Lost::Request] {
        let estate = Estate::build().await;
        estate.gcp.faults().rules(|rules| rules.listed_late = true);
        Managed::lose(&estate, "sql.backupRuns.insert", half);
        woken_until_done(&estate).await;
        assert_eq!((estate.backups().await.len(), estate.held().await.len()), (1, 1), "the {half:?} was lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r08_r27_a_drill_whose_operations_end_badly_never_proves_by_them_and_leaves_nothing() {
    let estate = Estate::build().await;
    quiet_night(&estate).await;
    let (backups, production) = (estate.backups().await, estate.production_fingerprint().await);
    estate.at("2026-11-20T04:00:00Z");
    for (operation, ending) in [
        ("CREATE", Ending::Error),
        ("CREATE", Ending::Failed),
        ("RESTORE_VOLUME", Ending::Error),
        ("RESTORE_VOLUME", Ending::Failed),
        ("UPDATE_USER", Ending::Error),
        ("UPDATE", Ending::Error),
        ("DELETE", Ending::Error),
        ("DELETE", Ending::Failed),
    ] {
        let moment = format!("{operation} ended as {ending:?}");
        estate.gcp.faults().ends(operation, ending);
        drill(&estate.env).await;
        if let Some(newest) = estate.evidence().await.first().filter(|newest| newest.verdict == Verdict::Proven) {
            assert!(newest.checks.iter().any(|check| check.found == "300"), "{moment}: proven by rows that were asked: {newest:#?}");
        }
        estate.passes(A_WHILE);
        proven(&estate, &moment).await;
        swept(&estate, &moment).await;
        assert_eq!(estate.backups().await, backups, "{moment}: the backups are as they were");
        estate.passes(A_WHILE);
    }
    assert_eq!(estate.production_fingerprint().await, production, "I4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_replica_that_stays_in_maintenance_is_given_up_at_the_deadline_and_removed() {
    let estate = Estate::build().await;
    quiet_night(&estate).await;
    estate.at("2026-11-20T06:00:00Z");
    estate.gcp.faults().ends("CREATE", Ending::Stuck);
    let report = drill(&estate.hurried(Duration::from_secs(35))).await;
    assert!(matches!(&report.entries[0].outcome, Outcome::Waiting { .. }), "{report:?}");
    estate.passes(Duration::from_hours(9));
    swept(&estate, "stuck").await;
    let stuck = estate.evidence().await.into_iter().find(|drill| drill.verdict != Verdict::Proven).expect("the drill that was stuck");
    assert_eq!(stuck.verdict, Verdict::CouldNotVerify, "{stuck:#?}");
    assert!(stuck.reason.as_deref().unwrap().contains("did not end within"), "{stuck:#?}");
    proven(&estate, "after it").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_a_replica_that_a_listing_does_not_reach_is_not_taken_to_be_gone() {
    let estate = Estate::build().await;
    quiet_night(&estate).await;
    estate.at("2026-11-20T06:00:00Z");
    // A drill that dies once its replica is there.
    for k in 1.. {
        assert!(estate.gcp.faults().killed_after(k, drill(&estate.env)).await.is_none(), "it ended before it had a replica");
        estate.passes(A_WHILE);
        if estate.instances().await.len() == 2 {
            break;
        }
    }
    estate.gcp.faults().rules(|rules| rules.unreachable = Some(HOME.to_owned()));
    let drills = estate.evidence().await.len();
    for _ in 0..3 {
        let _ = RestoreDrill::default().run(&estate.another("janitor")).await;
        estate.passes(A_WHILE);
    }
    let (running, known) = (estate.instances().await.len(), estate.evidence().await);
    assert!(running == 1 || known.len() == drills, "a drill whose replica runs is not over: {known:#?}");
    estate.gcp.faults().rules(|rules| rules.unreachable = None);
    swept(&estate, "reached again").await;
    proven(&estate, "reached again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_told_with_404_or_with_403_and_both_are_understood() {
    for missing in [Missing::NotFound, Missing::NotAuthorized] {
        let estate = Estate::build().await;
        estate.gcp.faults().rules(|rules| (rules.missing, rules.names_kept) = (missing, true));
        quiet_night(&estate).await;
        proven(&estate, "once").await;
        estate.passes(A_WHILE);
        // The name of a deleted instance is withheld: the next drill has another.
        proven(&estate, "again").await;
        swept(&estate, "at the end").await;
        // No right is the same as no instance to Cloud SQL: then nothing is taken to be gone.
        estate.gcp.faults().deny("cloudsql.instances.get");
        estate.gcp.faults().deny("cloudsql.instances.list");
        let report = drill(&estate.env).await;
        assert!(matches!(&report.entries[0].outcome, Outcome::Failed { .. } | Outcome::Waiting { .. } | Outcome::Done(_)), "{report:?}");
        estate.gcp.faults().allow_all();
        estate.passes(A_WHILE);
        swept(&estate, "with its rights again").await;
    }
}
