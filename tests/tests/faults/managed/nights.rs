//! Nights: backups whose requests and replies are lost, that come twice, have to wait, fail late or are throttled.

use super::{A_WHILE, done, failed, quiet_night, snapshot, woken_until_done};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::finding::FindingKind,
    function::{Findings, Function, Outcome},
};
use lastgood_tests::{engine::Lost, managed::Managed, of_every_cloud};
use std::time::Duration;

of_every_cloud![
    r01_five_deliveries_at_once_make_one_backup,
    r03_a_night_that_loses_the_request_or_the_reply_of_any_call_makes_one_backup,
    r05_r07_a_backup_waits_while_something_else_goes_on_with_its_instance,
    r08_what_fails_late_is_told_and_made_again_and_the_old_ones_stay,
    r37_throttled_and_in_small_pages_a_night_comes_to_the_same,
];

async fn r01_five_deliveries_at_once_make_one_backup<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    let deliveries = (0..5).map(|n| {
        let env = estate.another(&format!("delivery {n}"));
        async move { snapshot(&env).await.entries[0].outcome.clone() }
    });
    let outcomes = futures::future::join_all(deliveries).await;
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done(_))), "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_) | Outcome::AlreadyRunning { .. })), "{outcomes:?}");
    assert_eq!((estate.calls(C::NIGHT[0]), estate.held().await), (1, vec![estate_night(&estate)]));
}

/// The name that the backup of the 20th has.
fn estate_night(estate: &impl Managed) -> String {
    format!("lastgood-{}-20261120t030000z", estate.asset())
}

async fn r03_a_night_that_loses_the_request_or_the_reply_of_any_call_makes_one_backup<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    let mut day = 20;
    for call in C::NIGHT {
        for half in [Lost::Reply, Lost::Request] {
            estate.at(&format!("2026-11-{day}T03:00:00Z"));
            let moment = format!("the {half:?} of {call} was lost");
            let tonight = estate.tonight().0;
            estate.lose(call, half);
            let report = woken_until_done(&estate).await;
            assert!(matches!(report.entries[0].outcome, Outcome::Done(_) | Outcome::NotDue { .. }), "{moment}: {report:?}");
            let held = estate.held().await;
            assert_eq!(held.iter().filter(|name| **name == tonight).count(), 1, "{moment}: {held:?}");
            let copied = [estate.copy().await, estate.copy().await];
            assert!(estate.has(&tonight).await, "{moment}: {copied:?}");
            day += 1;
        }
    }
}

async fn r05_r07_a_backup_waits_while_something_else_goes_on_with_its_instance<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    estate.busy(42).await;
    let calls = estate.calls_so_far();
    let report = snapshot(&estate.hurried(Duration::from_mins(5))).await;
    let Outcome::Waiting { reason } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert!(["backing-up", "modifying", "at work"].iter().any(|word| reason.contains(word)), "{reason}");
    for _ in 0..60 {
        let report = snapshot(&estate.hurried(Duration::from_mins(5))).await;
        match &report.entries[0].outcome {
            Outcome::Waiting { .. } => {}
            other => {
                done(other);
                break;
            }
        }
        estate.passes(Duration::from_mins(1));
    }
    assert_eq!((estate.backups().await.len(), estate.held().await), (1, vec![estate_night(&estate)]));
    assert_eq!(estate.calls(C::NIGHT[0]), 1, "it never asked while the instance was busy");
    // No busy loop: twenty minutes of waiting are a few dozen looks.
    assert!(estate.calls_so_far() - calls < 220, "{} calls", estate.calls_so_far() - calls);
}

async fn r08_what_fails_late_is_told_and_made_again_and_the_old_ones_stay<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    quiet_night(&estate).await;
    for (night, (late, word)) in (21..).zip(C::LATE) {
        estate.at(&format!("2026-11-{night}T03:00:00Z"));
        let (before, tonight) = (estate.backups().await, estate.tonight().0);
        estate.fail_late(*late);
        let report = snapshot(estate.env()).await;
        let (_, reason, _) = failed(&report.entries[0].outcome);
        assert!(reason.contains(word), "{late:?}: {reason}");
        assert_eq!(estate.backups().await, before, "{late:?}: the old ones are as they were, and nothing is new");
        let status = FreshnessChecker::default().run(estate.env()).await.unwrap();
        assert!(status.findings().iter().any(|finding| finding.kind == FindingKind::BackupFailed), "{late:?}: {:#?}", status.findings());

        estate.passes(A_WHILE);
        done(&woken_until_done(&estate).await.entries[0].outcome);
        let now = estate.backups().await;
        assert_eq!(now[0].held.as_ref().unwrap().name.0, tonight, "{late:?}");
        assert!(now.contains(&before[0]), "{late:?}: I2");
        if estate.copies() > 0 {
            estate.fail_late(*late);
            estate.copy().await;
            assert!(!estate.has(&tonight).await, "{late:?}: nothing is proven");
            assert_eq!(estate.backups().await, now, "{late:?}: the original is untouched");
            for _ in 0..3 {
                estate.passes(A_WHILE);
                estate.copy().await;
            }
        }
        assert!(estate.has(&tonight).await, "{late:?}");
    }
}

async fn r37_throttled_and_in_small_pages_a_night_comes_to_the_same<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    estate.other_backups(5).await;
    estate.small_pages();
    estate.throttle_every(3);
    done(&woken_until_done(&estate).await.entries[0].outcome);
    estate.copy().await;
    let status = FreshnessChecker::default().run(estate.env()).await.unwrap();
    estate.throttle_every(0);
    assert_eq!((status.assets[0].backups, status.assets[0].copies.proven), (1, estate.copies()), "{:#?}", status.findings());
    assert!(status.assets[0].newest.is_some());
    assert_eq!(estate.held().await.len(), 6, "those of others are no matter of ours");
}
