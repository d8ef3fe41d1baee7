//! A night of snapshots — begin, settle, copy, check, let go — killed after every single side effect, or robbed of the
//! request or the reply of every single one; then the next wake-up. Nothing is doubled, nothing is lost, nothing is left.

use cross_region_copy::CrossRegionCopy;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Copy, Key, Leaving, Tombstone, Vault},
    domain::run::{Run, RunState},
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
    testing::{SideEffects, World},
};
use snapshot_trigger::SnapshotTrigger;
use std::{collections::BTreeSet, sync::Arc};

const HOME: &str = "aws://eu-west-1";
const FAR: &str = "aws://us-east-1";
const STRANGER: &str = "lastgood-somebody-elses";

const CONFIG: &str = r#"
vault: s3://near/lastgood
defaults: { rpo: 24h, rto: 4h, retention: { daily: 2 } }
assets:
  orders-rds:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
"#;

fn asset() -> AssetName {
    "orders-rds".parse().unwrap()
}

fn name(day: u32) -> String {
    format!("lastgood-orders-rds-202611{day}t030000z")
}

/// Everything that the schedules do in one night; the trigger lets go what the policy no longer asks for.
async fn night(env: &Env) -> Result<()> {
    SnapshotTrigger::default().run(env).await?;
    CrossRegionCopy::default().run(env).await?;
    FreshnessChecker::default().run(env).await?;
    Ok(())
}

/// A world with three good nights behind it, at three in the morning of the 20th: the oldest is due to go.
async fn good_nights() -> World {
    let world = World::new("2026-11-17T03:00:00Z", CONFIG).unwrap();
    for place in [HOME, FAR] {
        world.snapshots.strange(&place.parse().unwrap(), STRANGER);
    }
    for _ in 0..3 {
        night(&world.env()).await.unwrap();
        world.passes("24h");
        world.clock.set(world.moment(&format!("{}T03:00:00Z", &world.moment("now").to_string()[..10])));
    }
    world
}

async fn recorded(world: &World) -> BTreeSet<String> {
    let vault = Vault::new(Arc::new(world.vault.clone()));
    let gone: BTreeSet<_> =
        vault.all::<Tombstone>(&Key::tombstones(&asset())).await.unwrap().good.into_iter().map(|stone| stone.backup).collect();
    let found = vault.backups(&asset()).await.unwrap();
    assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
    let there = found.good.into_iter().filter(|backup| !gone.contains(&backup.id));
    there.map(|backup| backup.held.unwrap().name.0).collect()
}

/// I1: whatever is listed as a backup is held by the provider.
async fn every_listed_backup_is_held(world: &World, moment: &str) {
    let (recorded, held) = (recorded(world).await, world.snapshots.names(HOME));
    for name in &recorded {
        assert!(held.contains(name), "{moment}: {name} is listed and not held: {held:?}");
    }
}

async fn the_next_night_makes_good(world: &World, moment: &str) {
    every_listed_backup_is_held(world, moment).await;
    assert!(recorded(world).await.contains(&name(19)), "{moment}: I2, the newest good backup is gone");
    // Longer than a lease: whoever died is known to be dead. Twice, since what broke late may be begun anew.
    for _ in 0..2 {
        world.passes("2m");
        night(&world.env()).await.unwrap_or_else(|error| panic!("{moment}: the next night fails: {error:?}"));
    }
    let expected = BTreeSet::from([name(19), name(20)]);
    assert_eq!(recorded(world).await, expected, "{moment}");
    for place in [HOME, FAR] {
        let mut held: BTreeSet<_> = world.snapshots.names(place).into_iter().collect();
        assert!(held.remove(STRANGER), "{moment}: I3, what is not ours is untouched at {place}");
        assert_eq!(held, expected, "{moment}: nothing doubled and nothing left at {place}");
    }
    let vault = Vault::new(Arc::new(world.vault.clone()));
    let proofs = vault.all::<Copy>(&Key::copies(&asset())).await.unwrap().good;
    let proven: BTreeSet<_> = proofs.into_iter().map(|proof| proof.held.unwrap().name.0).collect();
    assert_eq!(proven, expected, "{moment}: the proofs");
    for stone in vault.all::<Tombstone>(&Key::tombstones(&asset())).await.unwrap().good {
        assert_eq!(stone.leaving, Leaving::Gone, "{moment}: {stone:?}");
    }
    for run in vault.all::<Run>(&Key::runs(&asset(), SnapshotTrigger::NAME)).await.unwrap().good {
        assert!(matches!(run.state, RunState::Done { .. }), "{moment}: I6, the run of {} ended as {:?}", run.slot, run.state);
    }
    for run in vault.all::<Run>(&Key::runs(&asset(), CrossRegionCopy::NAME)).await.unwrap().good {
        let ended = matches!(run.state, RunState::Done { .. } | RunState::Failed { .. });
        assert!(ended, "{moment}: I6, the copying of {} never ended: {:?}", run.slot, run.state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_night_of_snapshots_killed_after_any_side_effect_is_made_good_by_the_next() {
    for k in 1.. {
        let world = good_nights().await;
        let effects = SideEffects::dying_after(k);
        let env = world.env_through(&effects);
        let ended = effects.until_death(Box::pin(night(&env))).await;
        the_next_night_makes_good(&world, &format!("killed after effect {k}, {:?}", effects.names().last())).await;
        if ended.is_some() {
            assert!(k > 20, "a night has more side effects than {k}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_night_of_snapshots_that_loses_any_request_or_reply_is_made_good_by_the_next() {
    let counted = SideEffects::default();
    night(&good_nights().await.env_through(&counted)).await.unwrap();
    for n in 1..=counted.count() {
        for (what, effects) in [("request", SideEffects::default().refusing(n)), ("reply", SideEffects::default().losing_reply(n))] {
            let world = good_nights().await;
            // Whether a single loss is survived at once or reported is the function's matter; that nothing breaks is ours.
            let _ = night(&world.env_through(&effects)).await;
            let moment = format!("the {what} of effect {n} was lost, {:?}", effects.names().get(n - 1));
            the_next_night_makes_good(&world, &moment).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_snapshot_and_a_copy_that_break_late_leave_nothing_behind_wherever_the_night_is_killed() {
    for k in 1.. {
        let world = good_nights().await;
        world.snapshots.break_late(Some("internal failure"));
        let effects = SideEffects::dying_after(k);
        let env = world.env_through(&effects);
        let ended = effects.until_death(Box::pin(night(&env))).await;
        world.snapshots.break_late(None);
        the_next_night_makes_good(&world, &format!("killed after effect {k} while all breaks, {:?}", effects.names().last())).await;
        if ended.is_some() {
            return;
        }
    }
}
