//! Deletes exactly what a tombstone names: manifests first, bytes last, the other places before our own records of them.

use crate::{
    catalog::{Key, Leaving, Tombstone, Vault},
    domain::{backup::Manifest, held::SnapshotState, place::Place},
    env::Env,
    error::{During, Result, refused},
    observe::Observation,
};
use std::collections::BTreeSet;

/// Makes sure that a manifest names nothing but objects of its own asset, which no other backup names.
pub(super) fn only_ours(manifest: &Manifest, observed: &Observation) -> Result<()> {
    let folder = Key::exports(&manifest.asset);
    let others: BTreeSet<&str> = observed
        .seen
        .backups
        .iter()
        .filter(|other| other.manifest.id != manifest.id)
        .flat_map(|other| other.manifest.artifacts.iter().map(|artifact| artifact.key.as_str()))
        .collect();
    let stranger = manifest.artifacts.iter().map(|artifact| artifact.key.as_str()).find(|key| {
        !key.starts_with(&folder) || key.split('/').any(|part| part.is_empty() || part == ".." || part == ".") || others.contains(key)
    });
    match stranger {
        None => Ok(()),
        Some(key) => Err(refused(format!("the manifest of {} names {key}, which is not its own", manifest.id))
            .hint("somebody changed a manifest: look at it before anything of this asset is deleted")),
    }
}

/// Deletes what a tombstone names, everywhere, and marks it gone once it is seen to be. Every step may be repeated.
pub(super) async fn remove(env: &Env, stone: &Tombstone) -> Result<Leaving> {
    let (asset, id) = (&stone.asset, stone.backup);
    let mut leaving = Leaving::Gone;
    for place in stone.places.iter().filter(|place| *place != env.vault.place()) {
        if place.holds_snapshots() {
            leaving = leaving.max(snapshot(env, stone, place).await.during(format!("letting the copy at {place} go"))?);
            env.vault.bucket().delete(&Key::Copy(asset.clone(), id, place.clone()).to_string()).await?;
            continue;
        }
        let other = env.vault_at(place).await.during(format!("opening {place}"))?;
        objects(&other, stone).await.during(format!("letting the copy at {place} go"))?;
        for ours in [Key::Copying(asset.clone(), id, place.clone()), Key::Copy(asset.clone(), id, place.clone())] {
            other.bucket().delete(&ours.to_string()).await?;
            env.vault.bucket().delete(&ours.to_string()).await?;
        }
    }
    objects(&env.vault, stone).await?;
    if let Some((home, _)) = &stone.held {
        leaving = leaving.max(snapshot(env, stone, home).await.during(format!("letting the snapshot at {home} go"))?);
    }
    if leaving == Leaving::Begun {
        return Ok(leaving);
    }
    let key = Key::Tombstone(asset.clone(), id);
    if let Some(mut stored) = env.vault.load::<Tombstone>(&key).await? {
        stored.record.leaving = Leaving::Gone;
        env.vault.save_if(&key, &stored.record, &stored.version).await?;
    }
    Ok(leaving)
}

/// Removes the provider's snapshot of a backup at one place, and looks whether it is gone. The provider's adapter refuses
/// what is not ours.
async fn snapshot(env: &Env, stone: &Tombstone, at: &Place) -> Result<Leaving> {
    let Some((_, name)) = &stone.held else { return Ok(Leaving::Gone) };
    let asset = env.config.asset(&stone.asset)?;
    let there = env.providers.snapshots(asset, at).await?;
    match there.snapshot(name).await?.map(|seen| seen.state) {
        None => return Ok(Leaving::Gone),
        Some(SnapshotState::Leaving) => return Ok(Leaving::Begun),
        Some(SnapshotState::Pending { .. } | SnapshotState::Available | SnapshotState::Failed(_)) => there.begin_removal(name).await?,
    }
    let gone = there.snapshot(name).await?.is_none();
    Ok(if gone { Leaving::Gone } else { Leaving::Begun })
}

async fn objects(vault: &Vault, stone: &Tombstone) -> Result<()> {
    vault.bucket().delete(&Key::Manifest(stone.asset.clone(), stone.backup).to_string()).await?;
    for key in &stone.objects {
        vault.bucket().delete(&format!("{key}.sha256")).await?;
        vault.bucket().delete(key).await?;
    }
    vault.bucket().delete(&Key::Verification(stone.asset.clone(), stone.backup).to_string()).await
}
