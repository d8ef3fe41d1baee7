//! Keys are used, not only asked about: what one closed while it was good must be opened by it once a day.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, Opened},
    clock::after,
    domain::finding::{Finding, FindingKind, Severity},
    function::{Findings, Function},
};
use lastgood_tests::aws::estate::{Estate, FAR, HOME};
use std::time::Duration;

/// A night: a snapshot, and its copy under the far region's key.
async fn night(test: &str) -> Option<Estate> {
    let estate = Estate::build(test).await?;
    let taken = snapshot_trigger::SnapshotTrigger::default().run(&estate.env).await.unwrap();
    assert!(taken.findings().is_empty(), "{taken:?}");
    let copied = cross_region_copy::CrossRegionCopy::default().run(&estate.env).await.unwrap();
    assert!(copied.findings().is_empty(), "{copied:?}");
    Some(estate)
}

async fn check(estate: &Estate) -> Vec<Finding> {
    let status = FreshnessChecker::default().run(&estate.env).await.unwrap();
    let kinds = [FindingKind::KeyUnusable, FindingKind::CouldNotObserve];
    status.findings().into_iter().filter(|finding| kinds.contains(&finding.kind)).collect()
}

/// The key that the far copy is encrypted with.
async fn far_key(estate: &Estate) -> String {
    let proofs = estate.env.vault.all::<lastgood_core::catalog::Copy>(&Key::copies(&estate.asset())).await.unwrap().good;
    proofs[0].held.as_ref().unwrap().key.clone().unwrap()
}

async fn kept(estate: &Estate, region: &str, key: &str) -> Option<Opened> {
    let key = Key::Opened(format!("aws://{region}").parse().unwrap(), key.to_owned());
    estate.env.vault.load::<Opened>(&key).await.unwrap().map(|stored| stored.record)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_every_key_opens_once_a_day_what_it_closed_while_it_was_good() {
    let Some(estate) = night("r40_every_key_opens_once_a_day_what_it_closed").await else { return };
    let (key, decrypts) = (far_key(&estate).await, || estate.aws.calls("Decrypt"));
    assert_eq!(check(&estate).await, []);
    let first = kept(&estate, FAR, &key).await.expect("what the far key closed");
    assert_eq!((estate.aws.calls("Encrypt"), decrypts()), (2, 2), "the key at home and that of the copy, each in its region");
    assert_eq!(check(&estate).await, []);
    assert_eq!(decrypts(), 2, "a proof holds for a day");

    estate.clock.set(after(lastgood_core::clock::Clock::now(&estate.clock), Duration::from_hours(21)));
    assert_eq!(check(&estate).await, []);
    assert_eq!((estate.aws.calls("Encrypt"), decrypts()), (2, 4), "what it once closed is opened, not something new");
    let later = kept(&estate, FAR, &key).await.unwrap();
    assert_eq!((&later.closed, later.closed_at), (&first.closed, first.closed_at));
    assert!(later.opened_at > first.opened_at);

    // Its keeper calls it enabled, and it opens nothing: only a use shows that.
    estate.clock.set(after(lastgood_core::clock::Clock::now(&estate.clock), Duration::from_hours(21)));
    estate.aws.faults().refuse_key(key.rsplit('/').next().unwrap());
    let told = check(&estate).await;
    let [finding] = &told[..] else { panic!("{told:?}") };
    assert_eq!((finding.kind, finding.severity), (FindingKind::KeyUnusable, Severity::Critical));
    assert!(finding.sentence.contains(&key), "{finding}");
    estate.aws.faults().accept_keys();
    assert_eq!(check(&estate).await, [], "it is over once the key is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_a_key_that_is_disabled_is_told_at_the_next_check_though_it_was_proven_today() {
    let Some(estate) = night("r40_a_key_that_is_disabled_is_told_at_once").await else { return };
    assert_eq!(check(&estate).await, []);
    let key = far_key(&estate).await;
    let (id, kms) = (key.rsplit('/').next().unwrap(), aws_sdk_kms::Client::new(&estate.aws.sdk(FAR)));
    kms.disable_key().key_id(id).send().await.unwrap();
    let told = check(&estate).await;
    assert!(told.len() == 1 && told[0].sentence.contains("is disabled"), "{told:?}");
    kms.enable_key().key_id(id).send().await.unwrap();
    kms.schedule_key_deletion().key_id(id).pending_window_in_days(7).send().await.unwrap();
    let told = check(&estate).await;
    assert!(told.len() == 1 && told[0].sentence.contains("is to be deleted on"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_to_use_keys_that_never_was_is_named_and_one_that_was_taken_away_is_critical() {
    let Some(estate) = night("r41_a_right_to_use_keys").await else { return };
    for right in ["kms:DescribeKey", "kms:Encrypt", "kms:Decrypt"] {
        estate.aws.faults().deny(right);
        let told = check(&estate).await;
        estate.aws.faults().allow_all();
        assert!(!told.is_empty() && told.iter().all(|finding| finding.kind == FindingKind::CouldNotObserve), "{right}: {told:?}");
        assert!(told.iter().all(|finding| finding.sentence.contains(right)), "{right}: {told:?}");
    }
    assert_eq!(check(&estate).await, []);
    estate.clock.set(after(lastgood_core::clock::Clock::now(&estate.clock), Duration::from_hours(21)));
    estate.aws.faults().deny("kms:Decrypt");
    let told = check(&estate).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|finding| finding.kind == FindingKind::KeyUnusable && finding.sentence.contains("kms:Decrypt")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_by_hand_uses_no_key_and_writes_nothing() {
    let Some(estate) = night("a_look_by_hand_uses_no_key").await else { return };
    let before = estate.vault.contents();
    freshness_checker::observe_all(&estate.env, None).await.unwrap();
    assert_eq!((estate.aws.calls("Encrypt"), estate.aws.calls("Decrypt")), (0, 0));
    assert!(estate.vault.contents() == before);
    assert_eq!(kept(&estate, HOME, "any").await, None);
}
