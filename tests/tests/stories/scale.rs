//! A tick over a crowd: what is asked of each asset does not grow with its backups, nor with the number of assets.

use freshness_checker::FreshnessChecker;
use lastgood_core::function::{Findings, Function};
use lastgood_tests::bench::crowd::{Counted, Crowd};
use snapshot_trigger::SnapshotTrigger;
use std::time::Duration;

/// What the checker and the snapshot function ask in a tick that finds nothing to do, once they know the records.
async fn asked(members: usize, backups: usize) -> [Counted; 2] {
    let crowd = Crowd::of(members, backups, Duration::ZERO);
    let mut counted = Vec::new();
    for round in 0..3 {
        crowd.calls.take();
        let env = crowd.env().await;
        let status = FreshnessChecker::default().run(&env).await.unwrap();
        assert_eq!(status.assets.len(), members);
        assert!(status.assets.iter().all(|asset| asset.backups == backups && asset.copies.proven == 1), "{:#?}", status.findings());
        let checked = crowd.calls.take();
        assert!(round > 0 || checked.gets >= members * crowd.records() / 2, "the first time everything is read: {checked:?}");
        let env = crowd.env().await;
        crowd.calls.take();
        let report = SnapshotTrigger::default().run(&env).await.unwrap();
        assert!(report.entries.len() == members && report.findings().is_empty(), "{report:?}");
        counted = vec![checked, crowd.calls.take()];
    }
    [counted[0], counted[1]]
}

#[tokio::test]
async fn what_was_well_and_untouched_is_confirmed_by_one_listing_for_all_and_one_gist_for_each() {
    let crowd = Crowd::of(20, 50, Duration::ZERO).relisted_every("24h");
    let mut counted = Vec::new();
    for _ in 0..3 {
        let env = crowd.env().await;
        crowd.calls.take();
        let status = FreshnessChecker::default().run(&env).await.unwrap();
        assert!(status.assets.iter().all(|asset| asset.backups == 50 && asset.copies.proven == 1), "{:#?}", status.findings());
        counted.push(crowd.calls.take());
    }
    let [first, second, third] = counted[..] else { panic!("{counted:?}") };
    assert!(first.lists >= 20 && first.gets > 20 * 100, "at first everything is listed and read: {first:?}");
    assert_eq!(second, third);
    assert!(second.lists <= 2, "whose records were touched, and who acknowledged what: {second:?}");
    assert!(second.gets <= 20 + 8, "the gist of each, and what is asked once: {second:?}");
    assert_eq!(second.provider, first.provider, "snapshots are asked for whenever one looks: nobody announces their loss");
    assert!(second.puts <= 4, "{second:?}");
}

#[tokio::test]
async fn what_is_asked_of_each_asset_does_not_grow_with_its_backups_nor_with_its_company() {
    let [small, large, long] = [asked(10, 20).await, asked(30, 20).await, asked(10, 100).await];
    for function in [0, 1] {
        let (small, large, long) = (small[function], large[function], long[function]);
        let each = (large.all() - small.all()) / 20;
        assert!(each <= 9, "function {function}: {each} calls for each further asset: {small:?} {large:?}");
        assert!(large.all() - small.all() <= 20 * 9 + 1);
        assert_eq!(long, small, "five times the backups, and not one call more");
        // The status (also before, to compare clocks), its numbers and its page.
        assert!(large.puts <= 4, "nothing is written anew that is known: {large:?}");
    }
}
