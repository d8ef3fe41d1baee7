//! A whole night — export, copy, drill, check, prune — killed after every single side effect, or robbed of the request or
//! the reply of every single one; then the next wake-up. Whatever happened: what was good stays good, and nothing is left.

use cross_region_copy::CrossRegionCopy;
use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, Vault, evidence::Evidence},
    domain::run::{Run, RunState},
    env::{Env, Quiet},
    error::Result,
    function::Function,
    id::{AssetName, BackupId},
    prune::{self, Mode},
    stream,
    testing::{MemoryBucket, SideEffects, World},
};
use restore_drill::RestoreDrill;
use std::{collections::BTreeSet, sync::Arc};

const CONFIG: &str = r#"
vault: s3://near/lastgood
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    retention: { daily: 3 }
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: s3://far/lastgood } ]
    drill:
      schedule: "0 4 * * *"
      checks: [ { sql: "select count(*) from public.orders", expect: ">= 1" } ]
"#;

fn asset() -> AssetName {
    "orders-db".parse().unwrap()
}

/// A world with five good nights behind it, at two in the morning.
async fn five_good_nights(scratch: &std::path::Path) -> World {
    let world = World::new("2026-11-15T02:00:00Z", CONFIG).unwrap();
    for _ in 0..5 {
        night(&env(&world, &SideEffects::default(), scratch)).await.unwrap();
        world.passes("24h");
    }
    world
}

fn env(world: &World, effects: &SideEffects, scratch: &std::path::Path) -> Env {
    Env { scratch: scratch.to_owned(), ..world.env_through(effects) }
}

/// Everything that the schedules do in one night.
async fn night(env: &Env) -> Result<()> {
    ExportToBucket::default().run(env).await?;
    CrossRegionCopy::default().run(env).await?;
    RestoreDrill::default().run(env).await?;
    FreshnessChecker::default().run(env).await?;
    for asset in env.config.assets.values() {
        prune::prune(env, asset, Mode::Apply, None).await?;
    }
    Ok(())
}

/// I1, I2: every backup that is listed has every byte that its manifest promises; returns which they are.
async fn every_listed_backup_is_whole(bucket: &MemoryBucket, moment: &str) -> BTreeSet<BackupId> {
    let vault = Vault::new(Arc::new(bucket.clone()));
    let gone: BTreeSet<BackupId> =
        bucket.keys().iter().filter_map(|key| key.split("/tombstones/").nth(1)?.strip_suffix(".json")?.parse().ok()).collect();
    let found = vault.backups(&asset()).await.unwrap();
    assert!(found.unreadable.is_empty(), "{moment}: {:?}", found.unreadable);
    let mut whole = BTreeSet::new();
    for backup in found.good.into_iter().filter(|backup| !gone.contains(&backup.id)) {
        for artifact in &backup.artifacts {
            let read = stream::verify(&**vault.bucket(), artifact, &Quiet).await;
            assert!(read.is_ok(), "{moment}: backup {} is listed and not whole: {read:?}", backup.id);
        }
        whole.insert(backup.id);
    }
    whole
}

/// Nothing lies in the vault that nothing explains.
async fn nothing_is_left(world: &World, moment: &str) {
    for (place, bucket) in &world.buckets {
        let vault = Vault::new(Arc::new(bucket.clone()));
        let manifests = vault.backups(&asset()).await.unwrap().good;
        let named: BTreeSet<_> = manifests.iter().flat_map(|backup| &backup.artifacts).map(|artifact| artifact.key.clone()).collect();
        for key in bucket.keys().iter().filter(|key| key.starts_with("exports/")) {
            let of_sidecar = key.strip_suffix(".sha256").is_some_and(|main| named.contains(main));
            assert!(named.contains(key) || of_sidecar, "{moment}: {place}/{key} belongs to nothing");
        }
    }
    assert_eq!(world.replicas.names(), Vec::<String>::new(), "{moment}: I7, a replica is left");
    let vault = Vault::new(Arc::new(world.vault.clone()));
    for function in [ExportToBucket::NAME, RestoreDrill::NAME] {
        for run in vault.all::<Run>(&Key::runs(&asset(), function)).await.unwrap().good {
            assert!(matches!(run.state, RunState::Done { .. }), "{moment}: I6, {function} {} ended as {:?}", run.slot, run.state);
        }
    }
}

async fn next_night_makes_good(world: &World, scratch: &std::path::Path, before: &BTreeSet<BackupId>, moment: &str) {
    let after = every_listed_backup_is_whole(&world.vault, moment).await;
    // At most the one that retention lets go in this very night.
    assert!(after.intersection(before).count() >= 2 && after.last() >= before.last(), "{moment}: good backups are gone");
    // Longer than a lease: whoever died is known to be dead.
    world.passes("2m");
    night(&env(world, &SideEffects::default(), scratch)).await.unwrap_or_else(|error| panic!("{moment}: the next night fails: {error:?}"));
    nothing_is_left(world, moment).await;
    let whole = every_listed_backup_is_whole(&world.vault, moment).await;
    let tonight = BackupId::derive(ExportToBucket::NAME, &asset(), &lastgood_core::id::Slot("2026-11-20T02:00:00Z".parse().unwrap()));
    assert!(whole.contains(&tonight), "{moment}: tonight's backup is missing");
    assert_eq!(whole.len(), 3, "{moment}: retention was not brought to its end");
    let far = every_listed_backup_is_whole(&world.at("s3://far/lastgood"), moment).await;
    assert!(far.contains(&tonight), "{moment}: tonight's copy is missing");
    assert_eq!(far, whole, "{moment}: the copies are not those of the vault");
    // A day later even what a killed upload left is swept away.
    world.passes("25h");
    night(&env(world, &SideEffects::default(), scratch)).await.unwrap();
    assert!(world.buckets.values().all(|bucket| bucket.open_uploads() == 0), "{moment}: an upload was never swept");
    let vault = Vault::new(Arc::new(world.vault.clone()));
    let drills = vault.all::<Evidence>(&Key::drills(&asset())).await.unwrap().good;
    assert_eq!(drills.first().map(|drill| drill.verdict.to_string()).as_deref(), Some("proven"), "{moment}: nothing is proven any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_night_killed_after_any_side_effect_is_made_good_by_the_next() {
    let scratch = tempfile::tempdir().unwrap();
    for k in 1.. {
        let world = five_good_nights(scratch.path()).await;
        let before = every_listed_backup_is_whole(&world.vault, "before").await;
        let effects = SideEffects::dying_after(k);
        let env = env(&world, &effects, scratch.path());
        let ended = effects.until_death(Box::pin(night(&env))).await;
        let moment = format!("killed after effect {k}, {:?}", effects.names().last());
        next_night_makes_good(&world, scratch.path(), &before, &moment).await;
        if ended.is_some() {
            assert!(k > 25, "a night has more side effects than {k}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_night_that_loses_any_request_or_reply_is_made_good_by_the_next() {
    let scratch = tempfile::tempdir().unwrap();
    let world = five_good_nights(scratch.path()).await;
    let counted = SideEffects::default();
    night(&env(&world, &counted, scratch.path())).await.unwrap();
    for n in 1..=counted.count() {
        for (what, effects) in [("request", SideEffects::default().refusing(n)), ("reply", SideEffects::default().losing_reply(n))] {
            let world = five_good_nights(scratch.path()).await;
            let before = every_listed_backup_is_whole(&world.vault, "before").await;
            // Whether a single loss is survived at once or reported is the function's matter; that nothing breaks is ours.
            let _ = night(&env(&world, &effects, scratch.path())).await;
            let moment = format!("the {what} of effect {n} was lost, {:?}", effects.names().get(n - 1));
            next_night_makes_good(&world, scratch.path(), &before, &moment).await;
        }
    }
}
