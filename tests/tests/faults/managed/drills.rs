//! Drills: robbed of every request and every reply, killed after every call, and leaving nothing.

use super::{A_WHILE, drill, quiet_night, swept};
use lastgood_core::{clock::Clock, domain::drill::Verdict};
use lastgood_tests::{engine::Lost, managed::Managed, of_every_cloud};

of_every_cloud![
    r03_a_drill_that_loses_the_request_or_the_reply_of_any_call_proves_its_backup_and_leaves_nothing,
    r25_a_drill_killed_after_any_call_is_finished_and_leaves_nothing,
];

async fn r03_a_drill_that_loses_the_request_or_the_reply_of_any_call_proves_its_backup_and_leaves_nothing<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    quiet_night(&estate).await;
    let production = estate.fingerprint().await;
    estate.at("2026-11-20T04:00:00Z");
    for call in C::DRILL {
        for half in [Lost::Reply, Lost::Request] {
            let moment = format!("the {half:?} of {call} was lost");
            let (before, began) = (estate.calls(call), estate.clock().now());
            estate.lose(call, half);
            for _ in 0..4 {
                drill(estate.env()).await;
                if estate.evidence().await.first().is_some_and(|newest| newest.started_at >= began && newest.verdict == Verdict::Proven) {
                    break;
                }
                estate.passes(A_WHILE);
            }
            let newest = estate.evidence().await.remove(0);
            assert!(newest.started_at >= began, "{moment}: no drill came to an end");
            assert_eq!(newest.verdict, Verdict::Proven, "{moment}: {:?} {:#?}", newest.reason, newest.checks);
            assert!(estate.calls(call) > before, "{moment}: it is no call of a drill");
            swept(&estate, &moment).await;
            estate.passes(A_WHILE);
        }
    }
    assert_eq!(estate.fingerprint().await, production, "I4");
    assert!(!estate.meddled_with().iter().any(|name| name == estate.production()), "I4: {:?}", estate.meddled_with());
}

async fn r25_a_drill_killed_after_any_call_is_finished_and_leaves_nothing<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    quiet_night(&estate).await;
    let production = estate.fingerprint().await;
    for k in 1.. {
        let ended = estate.killed_after(k, drill(&estate.another(&format!("killed {k}")))).await;
        let moment = format!("killed after call {k}");
        let drills = estate.evidence().await.len();
        swept(&estate, &moment).await;
        assert_eq!(estate.fingerprint().await, production, "{moment}: I4");
        if ended.is_some() {
            assert!(k > 8, "a drill makes more calls than {k}");
            assert_eq!(estate.evidence().await.len(), drills, "it had ended by itself");
            return;
        }
        estate.passes(A_WHILE);
    }
}
