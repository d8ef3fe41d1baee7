//! A role that lacks one right is told which, and nothing half done counts.

use super::{A_WHILE, done, drill, quiet_night, snapshot, swept};
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    clock::after,
    domain::drill::Verdict,
    function::{Function, Outcome},
};
use lastgood_tests::{managed::Managed, of_every_cloud};
use std::{collections::BTreeSet, time::Duration};

of_every_cloud![r41_a_role_that_lacks_one_right_is_told_which];

async fn r41_a_role_that_lacks_one_right_is_told_which<C: Managed>(story: &str) {
    let Some(estate) = C::build(story).await else { return };
    let before = estate.calls_so_far();
    quiet_night(&estate).await;
    drill(estate.env()).await;
    assert_eq!(estate.evidence().await[0].verdict, Verdict::Proven, "{:?}", estate.evidence().await[0]);
    FreshnessChecker::default().run(estate.env()).await.unwrap();
    let mut needed: BTreeSet<_> = estate.rights_since(before).into_iter().collect();
    needed.retain(|right| right.starts_with(C::RIGHTS));
    assert!(needed.len() >= 8, "{needed:?}");
    let mut night = "2026-11-20T03:00:00Z".parse().unwrap();
    for right in &needed {
        night = after(night, Duration::from_hours(24));
        estate.clock().set(night);
        let tonight = estate.tonight().0;
        estate.deny(right);
        let taken = snapshot(estate.env()).await;
        let copied = estate.copy().await;
        let drilled = drill(&estate.hurried(Duration::from_mins(30))).await;
        let checked = FreshnessChecker::default().run(estate.env()).await.unwrap();
        let said = [
            copied,
            serde_json::to_string(&taken).unwrap(),
            serde_json::to_string(&drilled).unwrap(),
            serde_json::to_string(&checked).unwrap(),
            serde_json::to_string(&estate.evidence().await.first()).unwrap(),
        ];
        assert!(said.iter().any(|text| text.contains(right.as_str())), "{right}: {said:#?}");
        // No partial success: what is recorded is there.
        if estate.backups().await.first().is_some_and(|newest| newest.held.as_ref().is_some_and(|held| held.name.0 == tonight)) {
            done(&taken.entries[0].outcome);
            assert!(estate.held().await.contains(&tonight), "{right}");
        }
        estate.allow_all();
        // Given back, all is made good, and what was left half-way is gone.
        estate.passes(A_WHILE);
        let taken = snapshot(estate.env()).await;
        assert!(matches!(&taken.entries[0].outcome, Outcome::Done(_) | Outcome::NotDue { .. }), "{right}: {taken:?}");
        let copied = estate.copy().await;
        assert!(estate.has(&tonight).await, "{right}: {copied}");
        swept(&estate, right).await;
    }
}
