//! What retention lets go, and everything that keeps it from doing so. In memory, on a clock that a hand turns.

use bytes::Bytes;
use lastgood_core::{
    backup::When,
    catalog::{Key, Leaving, PlanRecord, PlanState, Tombstone, Vault, decode},
    clock::{Clock, Timestamp},
    domain::{drill::Verdict, place::Place, run::RunState},
    error::{Kind, Result},
    function::{Exit, Findings, Function},
    id::BackupId,
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
    prune::{Mode, Pruned, prune},
    testing::{SideEffects, World},
};
use snapshot_trigger::SnapshotTrigger;
use std::{collections::BTreeSet, ops::Range, sync::Arc, time::Duration};

const NOW: &str = "2026-11-20T12:00:00Z";
const WEST: &str = "file:///west";

const CONFIG: &str = r#"
vault: file:///vault
runbook: https://example.com/runbook
defaults: { rpo: 24h, rto: 4h, retention: { daily: 7 } }
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 10 * * *" }
    copies: [ { vault: file:///west } ]
"#;

/// As many nights as asked, the newest two hours old, every one copied; oldest first.
fn nights(config: &str, count: usize) -> (World, Vec<BackupId>) {
    let world = World::new(NOW, config).unwrap();
    let orders = world.asset("orders-db");
    let mut ids = Vec::new();
    for night in (0..count).rev() {
        let id = orders.backed_up(&format!("{}h ago", 2 + 24 * night)).unwrap();
        orders.copied(id, WEST).unwrap();
        ids.push(id);
    }
    (world, ids)
}

async fn run(world: &World, mode: Mode, approved: Option<&str>) -> Pruned {
    let env = world.env();
    prune(&env, env.config.asset(&"orders-db".parse().unwrap()).unwrap(), mode, approved).await.unwrap()
}

fn listed(world: &World) -> BTreeSet<BackupId> {
    let folder = Key::manifests(&"orders-db".parse().unwrap());
    let id = |key: &String| key.strip_prefix(&folder)?.strip_suffix(".json")?.parse().ok();
    world.vault.keys().iter().filter_map(id).collect()
}

fn about(world: &World, place: &str, id: BackupId) -> Vec<String> {
    let stamp = lastgood_core::id::Slot::at(id.time()).stamp();
    world.at(place).keys().into_iter().filter(|key| key.contains(&stamp) || key.contains(&id.to_string())).collect()
}

fn tombstone(world: &World, id: BackupId) -> Option<Tombstone> {
    let key = Key::Tombstone("orders-db".parse().unwrap(), id).to_string();
    world.vault.bytes(&key).map(|bytes| decode(&bytes).unwrap())
}

fn plans(world: &World) -> Vec<PlanRecord> {
    let keys = world.vault.keys().into_iter().filter(|key| key.contains("/plans/"));
    keys.map(|key| decode(&world.vault.bytes(&key).unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn the_plan_is_shown_first_and_touches_nothing() {
    let (world, ids) = nights(CONFIG, 9);
    let before = world.vault.contents();
    let report = run(&world, Mode::PlanOnly, None).await;
    assert_eq!(report.plan.prune.iter().map(|judged| judged.id).collect::<Vec<_>>(), [ids[1], ids[0]]);
    assert_eq!(report.plan.keep.len(), 7);
    assert_eq!(report.plan.keep[0].why, "newest data; newest backup; newest verified; day 2026-11-20");
    assert_eq!(world.vault.contents(), before);
}

#[tokio::test]
async fn a_backup_goes_whole_with_its_copies_and_leaves_a_tombstone() {
    let (world, ids) = nights(CONFIG, 8);
    let kept = world.vault.contents();
    let report = run(&world, Mode::Apply, None).await;
    assert_eq!(report.let_go.iter().map(|gone| gone.id).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!(report.exit(), Exit::Good);
    let stone = Key::Tombstone("orders-db".parse().unwrap(), ids[0]).to_string();
    assert_eq!(about(&world, "file:///vault", ids[0]), [stone]);
    assert_eq!(about(&world, WEST, ids[0]), [""; 0]);
    let stone = tombstone(&world, ids[0]).unwrap();
    assert_eq!((stone.leaving, stone.plan.as_str()), (Leaving::Gone, report.plan.hash.as_str()));
    for id in &ids[1..] {
        for key in about(&world, "file:///vault", *id) {
            assert_eq!(world.vault.bytes(&key).as_ref(), kept.get(&key), "{key} is as it was");
        }
    }
    let plans = plans(&world);
    assert!(matches!(plans[0].state, PlanState::Done { .. }));
    assert_eq!(plans[0].plan, report.plan);
    assert!(run(&world, Mode::Apply, None).await.let_go.is_empty(), "twice is harmless");
}

#[tokio::test]
async fn the_plan_is_written_before_anything_is_deleted() {
    let (world, _) = nights(CONFIG, 8);
    let effects = SideEffects::default();
    let env = world.env_through(&effects);
    prune(&env, env.config.asset(&"orders-db".parse().unwrap()).unwrap(), Mode::Apply, None).await.unwrap();
    let names = effects.names();
    let at = |what: &str| names.iter().position(|name| name.contains(what)).unwrap_or_else(|| panic!("{what} is not in {names:#?}"));
    assert!(at("/plans/") < at("/tombstones/"), "{names:#?}");
    assert!(at("/tombstones/") < at("delete"), "{names:#?}");
    let deletes = |place: &str| names.iter().position(|name| name.starts_with("delete") && name.contains(place)).unwrap();
    assert!(deletes("/backups/") < deletes("exports/"), "a manifest goes before its bytes: {names:#?}");
}

#[tokio::test]
async fn r02_a_prune_killed_after_any_side_effect_is_finished_by_the_next() {
    let (whole, _) = nights(CONFIG, 9);
    run(&whole, Mode::Apply, None).await;
    let expected = listed(&whole);
    let mut k = 0;
    loop {
        let (world, _) = nights(CONFIG, 9);
        let effects = SideEffects::dying_after(k);
        let env = world.env_through(&effects);
        let asset = env.config.asset(&"orders-db".parse().unwrap()).unwrap();
        let survived = effects.until_death(prune(&env, asset, Mode::Apply, None)).await.is_some();
        // I1: whatever is listed is whole.
        for id in listed(&world) {
            for artifact in world.asset("orders-db").manifest(id).unwrap().artifacts {
                assert!(world.vault.bytes(&artifact.key).is_some(), "killed after {k}: {id} is listed and lacks {}", artifact.key);
            }
        }
        world.passes("1m");
        let report = run(&world, Mode::Apply, None).await;
        assert_eq!(report.failed, [], "killed after {k}");
        assert_eq!(listed(&world), expected, "killed after {k}: {:#?}", effects.names());
        let exports =
            |world: &World, place| world.at(place).keys().into_iter().filter(|key| key.starts_with("exports/")).collect::<Vec<_>>();
        for place in ["file:///vault", WEST] {
            assert_eq!(exports(&world, place), exports(&whole, place), "killed after {k}: nothing is left behind at {place}");
        }
        if survived {
            assert!(k > 15, "only {k} side effects");
            return;
        }
        k += 1;
    }
}

#[tokio::test]
async fn r28_nothing_goes_while_the_newest_run_failed_and_the_report_says_why() {
    let (world, ids) = nights(CONFIG, 9);
    world.asset("orders-db").failed("1h ago", "pg_dump exited with 1").unwrap();
    let before = world.vault.contents();
    let report = run(&world, Mode::Apply, None).await;
    assert_eq!(world.vault.contents(), before);
    assert_eq!(
        report.findings[0].to_string(),
        "orders-db: nothing was let go: the newest run failed: nothing is let go before a new backup has succeeded"
    );
    assert_eq!(report.exit(), Exit::Failed);
    world.asset("orders-db").backed_up("30m ago").unwrap();
    assert!(run(&world, Mode::Apply, None).await.let_go.iter().any(|gone| gone.id == ids[0]));
}

#[tokio::test]
async fn r29_a_batch_over_the_cap_needs_the_hash_that_a_person_typed() {
    let (world, ids) = nights(CONFIG, 12);
    let before = world.vault.contents();
    let report = run(&world, Mode::Apply, None).await;
    assert!(report.plan.refused.as_ref().unwrap().contains("5 of 12 backups would go, the cap is 3"), "{report:?}");
    assert_eq!(world.vault.contents(), before);
    let wrong = run(&world, Mode::Apply, Some("123456789abc")).await;
    assert!(wrong.plan.refused.unwrap().contains("read it again"));
    assert_eq!(listed(&world).len(), 12);
    let report = run(&world, Mode::Apply, Some(&report.plan.hash)).await;
    assert_eq!(report.let_go.len(), 5);
    assert_eq!(listed(&world), ids[5..].iter().copied().collect());
    assert!(plans(&world)[0].approved);
}

#[tokio::test]
async fn r29_the_first_prune_after_the_policy_was_shortened_is_refused() {
    let (world, _) = nights(CONFIG, 7);
    assert!(run(&world, Mode::Apply, None).await.let_go.is_empty());
    let mut shorter = World::new(NOW, &CONFIG.replace("daily: 7", "daily: 6")).unwrap();
    (shorter.vault, shorter.buckets, shorter.clock) = (world.vault.clone(), world.buckets.clone(), world.clock.clone());
    shorter.passes("1m");
    let report = run(&shorter, Mode::Apply, None).await;
    assert!(report.plan.refused.as_ref().unwrap().contains("the policy was shortened"), "{report:?}");
    assert_eq!(listed(&shorter).len(), 7);
    assert_eq!(run(&shorter, Mode::Apply, Some(&report.plan.hash)).await.let_go.len(), 1);
    shorter.passes("24h");
    shorter.asset("orders-db").backed_up("1h ago").unwrap();
    assert_eq!(run(&shorter, Mode::Apply, None).await.let_go.len(), 1, "from then on the shorter policy is the known one");
}

#[tokio::test]
async fn r30_what_a_drill_a_copy_or_a_restore_uses_stays() {
    for function in ["restore-drill", "cross-region-copy", "restore"] {
        let (world, ids) = nights(CONFIG, 8);
        world.asset("orders-db").run_of(function, "10m ago", working).unwrap();
        let report = run(&world, Mode::Apply, None).await;
        assert!(report.let_go.is_empty(), "{function} names no backup, so it may use any");
        assert!(report.plan.keep.iter().any(|judged| judged.id == ids[0] && judged.why == format!("in use by {function}")));

        let (world, ids) = nights(CONFIG, 8);
        world.asset("orders-db").run_of(function, &format!("{}h ago", 2 + 24 * 3), working).unwrap();
        let report = run(&world, Mode::Apply, None).await;
        assert_eq!(report.let_go.len(), 1, "it uses the backup of its slot only");
        assert_eq!(listed(&world), ids[1..].iter().copied().collect());
    }
}

/// A drill on another host begins to use a backup between the plan and its tombstone: it is seen behind the tombstone.
#[tokio::test]
async fn r30_a_use_that_begins_after_the_plan_is_seen_behind_the_tombstone() {
    let (world, ids) = nights(CONFIG, 8);
    let before = listed(&world);
    let env = world.env();
    let interleaved = Interleaved { inner: Arc::new(world.vault.clone()), world: world.clone() };
    let env = lastgood_core::env::Env { vault: Vault::new(Arc::new(interleaved)), ..env };
    let report = prune(&env, env.config.asset(&"orders-db".parse().unwrap()).unwrap(), Mode::Apply, None).await.unwrap();
    assert_eq!(report.skipped, [(ids[0], "in use by restore-drill".to_owned())]);
    assert_eq!(listed(&world), before);
    assert!(tombstone(&world, ids[0]).is_none(), "the tombstone was taken back");
}

#[tokio::test]
async fn r32_on_a_clock_that_differs_from_the_stores_nothing_goes() {
    for hours in [25, -25, 24 * 365, -24 * 365] {
        let (world, _) = nights(CONFIG, 9);
        let before = listed(&world);
        let mut env = world.env();
        env.clock = Arc::new(lastgood_core::testing::ManualClock::at(world.clock.now() + jiff::SignedDuration::from_hours(hours)));
        let report = prune(&env, env.config.asset(&"orders-db".parse().unwrap()).unwrap(), Mode::Apply, None).await.unwrap();
        assert!(report.plan.refused.is_some(), "{hours}");
        assert_eq!(listed(&world), before, "{hours}");
        assert!(plans(&world).iter().all(|plan| matches!(plan.state, PlanState::Refused { .. })));
    }
}

#[tokio::test]
async fn the_newest_proven_stays_and_a_corrupt_one_holds_up_no_floor() {
    let (world, ids) = nights(CONFIG, 9);
    world.asset("orders-db").drilled(ids[0], "30h ago", Verdict::Proven, 60.0).unwrap();
    let report = run(&world, Mode::Apply, None).await;
    assert_eq!(report.let_go.iter().map(|gone| gone.id).collect::<Vec<_>>(), [ids[1]]);

    let (world, ids) = nights(CONFIG, 9);
    let lost = world.asset("orders-db").manifest(ids[5]).unwrap().artifacts[0].key.clone();
    world.vault.lose(&lost);
    let report = run(&world, Mode::PlanOnly, None).await;
    assert_eq!(
        report.plan.prune.iter().map(|judged| judged.id).collect::<Vec<_>>(),
        [ids[0]],
        "its day does not count, so one more day stays"
    );
}

#[tokio::test]
async fn a_manifest_that_names_what_is_not_its_own_deletes_nothing() {
    for stolen in [0, 1] {
        let (world, ids) = nights(CONFIG, 7);
        let neighbour = world.asset("orders-db").manifest(ids[6]).unwrap().artifacts[0].key.clone();
        let key = [neighbour.clone(), "catalog/v1/assets/orders-db/backups/x.json".to_owned()][stolen].clone();
        world
            .asset("orders-db")
            .backed_up_with("400h ago", |manifest| {
                let mut second = manifest.artifacts[0].clone();
                second.key = key;
                manifest.artifacts.push(second);
            })
            .unwrap();
        let report = run(&world, Mode::Apply, None).await;
        assert_eq!(report.let_go.len(), 0);
        if stolen == 0 {
            assert!(report.failed.is_empty() || report.failed[0].1.contains("not its own"), "{report:?}");
        }
        assert!(world.vault.bytes(&neighbour).is_some());
    }
}

#[tokio::test]
async fn a_copy_place_that_does_not_answer_is_finished_later() {
    let (mut world, ids) = nights(CONFIG, 8);
    let west = world.buckets.remove(&WEST.parse().unwrap()).unwrap();
    let report = run(&world, Mode::Apply, None).await;
    assert_eq!(report.failed.len(), 1);
    assert!(!west.keys().iter().all(|key| !key.starts_with("exports/")));
    assert_eq!(tombstone(&world, ids[0]).unwrap().leaving, Leaving::Begun);
    world.buckets.insert(WEST.parse().unwrap(), west);
    world.passes("1m");
    let report = run(&world, Mode::Apply, None).await;
    assert_eq!(report.finished, [ids[0]]);
    assert_eq!(about(&world, WEST, ids[0]), [""; 0]);
    assert_eq!(tombstone(&world, ids[0]).unwrap().leaving, Leaving::Gone);
}

#[tokio::test]
async fn r49_two_prunes_at_once_let_go_what_one_would() {
    let (world, ids) = nights(CONFIG, 9);
    let env = world.env();
    let asset = env.config.asset(&"orders-db".parse().unwrap()).unwrap();
    let (first, second) = tokio::join!(prune(&env, asset, Mode::Apply, None), prune(&env, asset, Mode::Apply, None));
    assert!(first.is_ok() ^ second.is_ok(), "one of them leaves quietly");
    let error = first.err().or(second.err()).unwrap();
    assert_eq!(error.kind(), Kind::Busy);
    assert_eq!(listed(&world), ids[2..].iter().copied().collect());
}

/// A bucket in which a drill on another host begins in the moment in which a tombstone is written.
#[derive(Debug)]
struct Interleaved {
    inner: Arc<dyn Bucket>,
    world: World,
}

#[async_trait::async_trait]
impl Bucket for Interleaved {
    fn place(&self) -> &Place {
        self.inner.place()
    }
    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.head(key).await
    }
    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.inner.get(key, most).await
    }
    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.inner.read(key, range).await
    }
    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        if key.contains("/tombstones/") {
            self.world.asset("orders-db").run_of("restore-drill", "now", working)?;
        }
        self.inner.put(key, bytes, condition).await
    }
    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.inner.begin_upload(key, expected).await
    }
    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.inner.list(prefix, start_after).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.inner.delete(key).await
    }
    async fn copy_from(&self, from: &dyn Bucket, source_key: &str, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.copy_from(from, source_key, key).await
    }
    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.inner.sweep_uploads(now, older_than).await
    }
}

fn working(at: Timestamp) -> RunState {
    RunState::Working { holder: "other-host".to_owned(), since: at, lease_until: at + jiff::SignedDuration::from_hours(1) }
}

/// Retention is policy, not a chore: the wake-up that takes snapshots lets go what the policy no longer asks for.
#[tokio::test]
async fn a_scheduled_wake_up_prunes_by_policy_and_a_hand_that_asks_for_one_asset_does_not() {
    let (world, ids) = nights(CONFIG, 8);
    let by_hand = SnapshotTrigger { asset: Some("orders-db".parse().unwrap()), when: When::Now };
    assert!(by_hand.run(&world.env()).await.unwrap().pruned.is_empty());
    assert_eq!(listed(&world).len(), 8);
    let report = SnapshotTrigger::default().run(&world.env()).await.unwrap();
    assert_eq!(report.pruned[0].let_go.iter().map(|gone| gone.id).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!(listed(&world), ids[1..].iter().copied().collect());
    assert!(SnapshotTrigger::default().run(&world.env()).await.unwrap().pruned.is_empty(), "twice is harmless");
}
