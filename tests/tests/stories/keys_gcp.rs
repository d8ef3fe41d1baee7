//! Keys of Cloud KMS: asked about at every check, and never used.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::finding::{Finding, FindingKind, Severity},
    function::{Findings, Function},
};
use lastgood_tests::gcp::yard::{KEY, Yard};
use serde_json::json;
use snapshot_trigger::SnapshotTrigger;

async fn night() -> Yard {
    let yard = Yard::build().await;
    let taken = SnapshotTrigger::default().run(&yard.env).await.unwrap();
    assert!(taken.findings().is_empty(), "{taken:?}");
    yard
}

async fn check(yard: &Yard) -> Vec<Finding> {
    let status = FreshnessChecker::default().run(&yard.env).await.unwrap();
    let kinds = [FindingKind::KeyUnusable, FindingKind::CouldNotObserve];
    status.findings().into_iter().filter(|finding| kinds.contains(&finding.kind)).collect()
}

#[tokio::test]
async fn r40_a_key_that_no_restore_could_use_is_told_at_the_next_check_and_is_over_once_it_is_back() {
    let yard = night().await;
    assert_eq!(check(&yard).await, []);
    for (primary, word) in [
        (json!({ "state": "DISABLED" }), "is disabled"),
        (json!({ "state": "DESTROY_SCHEDULED", "destroyTime": "2026-12-20T00:00:00Z" }), "is to be destroyed on 2026-12-20"),
        (json!(null), "has no version that could be used"),
    ] {
        yard.gcp.kms().primary(KEY, primary);
        let told = check(&yard).await;
        let [finding] = &told[..] else { panic!("{word}: {told:?}") };
        assert_eq!((finding.kind, finding.severity), (FindingKind::KeyUnusable, Severity::Critical));
        assert!(finding.sentence.contains(KEY) && finding.sentence.contains(word), "{finding}");
        yard.gcp.kms().primary(KEY, json!({ "state": "ENABLED" }));
        assert_eq!(check(&yard).await, []);
    }
}

#[tokio::test]
async fn r41_who_may_not_ask_about_a_key_is_told_which_right_it_takes() {
    let yard = night().await;
    yard.gcp.faults().deny("cloudkms.cryptoKeys.get");
    let told = check(&yard).await;
    let [finding] = &told[..] else { panic!("{told:?}") };
    assert_eq!(finding.kind, FindingKind::CouldNotObserve);
    assert!(finding.sentence.contains("cloudkms.cryptoKeys.get") && finding.sentence.contains(KEY), "{finding}");
    yard.gcp.faults().allow_all();
    assert_eq!(check(&yard).await, []);
}
