//! Drills of a moment: lost replies, kills, strangers, and continuous backups that are not there.

use super::{A_WHILE, drill, failed, swept};
use lastgood_core::{
    clock::{Clock, before},
    domain::drill::Verdict,
    error::Kind,
    function::{Exit, Findings, Function},
    id::Slot,
};
use lastgood_tests::{engine::Lost, managed::Managed, of_every_cloud};
use restore_drill::RestoreDrill;
use std::time::Duration;

of_every_cloud![
    r03_a_drill_of_a_moment_that_loses_the_request_or_the_reply_of_any_call_proves_it_and_leaves_nothing,
    r25_a_drill_of_a_moment_killed_after_any_call_goes_on_with_that_moment_and_leaves_nothing,
    r26_a_strangers_instance_under_the_name_of_a_drill_of_a_moment_is_refused_and_untouched,
    without_continuous_backups_a_drill_of_a_moment_could_not_verify_and_says_what_to_do,
];

/// An estate at six, whose drills restore the moment of a quarter of an hour ago.
async fn estate<C: Managed>(story: &str) -> Option<C> {
    let estate = C::build(story).await?.drilling_a_moment("15m");
    estate.at("2026-11-20T06:00:00Z");
    Some(estate)
}

async fn r03_a_drill_of_a_moment_that_loses_the_request_or_the_reply_of_any_call_proves_it_and_leaves_nothing<C: Managed>(story: &str) {
    let Some(estate) = estate::<C>(story).await else { return };
    let production = estate.fingerprint().await;
    for call in C::DRILL_OF_A_MOMENT {
        for half in [Lost::Reply, Lost::Request] {
            let moment = format!("the {half:?} of {call} was lost");
            let (calls, began) = (estate.calls(call), estate.clock().now());
            estate.lose(call, half);
            for _ in 0..4 {
                drill(estate.env()).await;
                if estate.evidence().await.first().is_some_and(|newest| newest.started_at >= began && newest.verdict == Verdict::Proven) {
                    break;
                }
                estate.passes(A_WHILE);
            }
            let newest = estate.evidence().await.remove(0);
            assert_eq!(newest.verdict, Verdict::Proven, "{moment}: {:?} {:#?}", newest.reason, newest.checks);
            let of = newest.backup.as_ref().unwrap().data_time;
            assert_eq!(of, Slot::at(before(newest.started_at, Duration::from_mins(15))).0, "{moment}");
            assert!(newest.started_at >= began && estate.calls(call) > calls, "{moment}: it is no call of a drill");
            swept(&estate, &moment).await;
            estate.passes(A_WHILE);
        }
    }
    assert_eq!(estate.fingerprint().await, production, "I4");
    assert!(!estate.meddled_with().iter().any(|name| name == estate.production()), "I4: {:?}", estate.meddled_with());
}

async fn r25_a_drill_of_a_moment_killed_after_any_call_goes_on_with_that_moment_and_leaves_nothing<C: Managed>(story: &str) {
    let Some(estate) = estate::<C>(story).await else { return };
    let production = estate.fingerprint().await;
    for k in 1.. {
        let opened = estate.clock().now();
        let ended = estate.killed_after(k, drill(&estate.another(&format!("killed {k}")))).await;
        let moment = format!("killed after call {k}");
        let drills = estate.evidence().await.len();
        swept(&estate, &moment).await;
        assert_eq!(estate.fingerprint().await, production, "{moment}: I4");
        // Whoever went on restored the moment that was chosen first, not one of his own.
        if let Some(evidence) = estate.evidence().await.first().filter(|evidence| evidence.started_at == opened) {
            let of = evidence.backup.as_ref().unwrap().data_time;
            assert_eq!(of, Slot::at(before(opened, Duration::from_mins(15))).0, "{moment}");
        }
        if ended.is_some() {
            assert!(k > 8, "a drill makes more calls than {k}");
            assert_eq!(estate.evidence().await.len(), drills, "it had ended by itself");
            return;
        }
        estate.passes(A_WHILE);
    }
}

async fn r26_a_strangers_instance_under_the_name_of_a_drill_of_a_moment_is_refused_and_untouched<C: Managed>(story: &str) {
    let Some(estate) = estate::<C>(story).await else { return };
    let theirs = estate.drill_now().0;
    estate.strange_instance(&theirs).await;
    let report = RestoreDrill::default().run(estate.env()).await.unwrap();
    let said = serde_json::to_string(&report).unwrap();
    assert!(said.contains("nothing was touched"), "{said}");
    assert!(estate.evidence().await.iter().all(|drill| drill.verdict != Verdict::Proven));
    assert_eq!(estate.instances().await, [theirs.as_str(), estate.production()]);
    assert_eq!((estate.meddled_with(), estate.calls(C::DRILL_OF_A_MOMENT[0])), (Vec::new(), 0));
}

async fn without_continuous_backups_a_drill_of_a_moment_could_not_verify_and_says_what_to_do<C: Managed>(story: &str) {
    let Some(estate) = estate::<C>(story).await else { return };
    let word = estate.without_continuous_backups().await;
    let report = drill(estate.env()).await;
    assert_eq!(report.exit(), Exit::CouldNotVerify);
    let (kind, reason, hint) = failed(&report.entries[0].outcome);
    assert_eq!(kind, Kind::Invalid, "{reason}");
    assert!(reason.contains("no continuous backups") && hint.contains(word), "{reason} {hint}");
    assert_eq!((estate.instances().await, estate.calls(C::DRILL_OF_A_MOMENT[0])), (vec![estate.production().to_owned()], 0));
}
