//! How the snapshots stand that a provider holds: a record counts only while the provider itself still shows what it says.

use super::copies::Standing;
use crate::{
    catalog::{Copy, Found, Key},
    config::Asset,
    domain::{
        backup::Manifest,
        freshness::{CopySeen, Objects},
        held::{Held, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    env::Env,
    error::Result,
};
use std::collections::BTreeMap;

/// Returns the backups that a place holds. Those that a provider holds there are recorded in the main vault: each stands
/// with what its proof says of it at that place.
pub async fn backups_at(env: &Env, asset: &Asset, from: &Place) -> Result<Found<Manifest>> {
    if !from.holds_snapshots() {
        return env.vault_at(from).await?.backups(&asset.name).await;
    }
    let mut found = env.vault.backups(&asset.name).await?;
    let proofs = env.vault.all::<Copy>(&Key::copies(&asset.name)).await?.good;
    found.good.retain_mut(|backup| {
        let proof = proofs.iter().find(|proof| proof.place == *from && proof.proves(backup));
        backup.held = proof.and_then(|proof| proof.held.clone()).map(|copy| {
            let settings = backup.held.take().map(|original| original.settings).unwrap_or_default();
            Held { settings, ..copy }
        });
        backup.held.is_some()
    });
    Ok(found)
}

pub(super) type Shown = BTreeMap<SnapshotName, SnapshotSeen>;

/// Returns what the provider shows at the asset's own place; none where it could not be asked, which is told in `blind`.
pub(super) async fn at_home(
    env: &Env,
    asset: &Asset,
    mut backups: impl Iterator<Item = &Manifest>,
    blind: &mut Vec<(String, String)>,
) -> Option<Shown> {
    let home = asset.source.home().filter(|_| backups.any(|backup| backup.held.is_some()))?;
    shown(env, asset, home).await.inspect_err(|error| blind.push((home.to_string(), error.full()))).ok()
}

/// Returns how the provider keeps the asset. What it does not tell is told in `blind`. Only a check asks: what lets backups go,
/// or makes them, needs no such rights.
pub async fn posture(env: &Env, asset: &Asset, blind: &mut Vec<(String, String)>) -> Option<Posture> {
    let home = asset.source.home()?;
    let look = async { env.providers.snapshots(asset, home).await?.posture().await };
    look.await.inspect_err(|error| blind.push((format!("how {home} keeps it"), error.full()))).ok().flatten()
}

/// Returns what the provider shows of an asset at one of its places.
pub(super) async fn shown(env: &Env, asset: &Asset, at: &Place) -> Result<Shown> {
    let seen = env.providers.snapshots(asset, at).await?.snapshots().await?;
    Ok(seen.into_iter().map(|snapshot| (snapshot.name.clone(), snapshot)).collect())
}

/// Compares what a record says with what the provider shows.
pub(super) fn compare(recorded: &Held, shown: Option<&Shown>) -> Objects {
    let Some(shown) = shown else { return Objects::Unknown };
    let Some(seen) = shown.get(&recorded.name) else {
        return Objects::Damaged(format!("snapshot {} is gone from {}", recorded.name, recorded.place));
    };
    match &seen.state {
        SnapshotState::Available => match seen.held.differs(recorded) {
            None => Objects::Whole,
            Some(why) => Objects::Damaged(format!("snapshot {} is not what was recorded: {why}", recorded.name)),
        },
        SnapshotState::Failed(why) => Objects::Damaged(format!("snapshot {} is broken: {why}", recorded.name)),
        SnapshotState::Leaving => Objects::Damaged(format!("snapshot {} is being removed", recorded.name)),
        SnapshotState::Pending { .. } => Objects::Damaged(format!("snapshot {} is no longer complete", recorded.name)),
    }
}

/// Asks the provider for one snapshot, and returns what speaks against its record; none where it is as recorded.
pub async fn contradiction(env: &Env, asset: &Asset, recorded: &Held) -> Result<Option<String>> {
    let shown = shown(env, asset, &recorded.place).await?;
    Ok(match compare(recorded, Some(&shown)) {
        Objects::Damaged(why) => Some(why),
        Objects::Whole | Objects::Unknown => None,
    })
}

/// Says how each backup that the provider holds stands at one other place of the provider.
pub(super) async fn standing(
    env: &Env,
    asset: &Asset,
    place: &Place,
    present: &[Manifest],
    proofs: &[Copy],
    standing: &mut Standing,
    blind: &mut Vec<(String, String)>,
) {
    let held: Vec<_> = present.iter().filter(|manifest| manifest.held.is_some()).collect();
    if held.is_empty() {
        return;
    }
    let shown = shown(env, asset, place).await.inspect_err(|error| blind.push((place.to_string(), error.full()))).ok();
    for manifest in held {
        let proof = proofs.iter().find(|proof| proof.place == *place && proof.proves(manifest));
        let seen = match proof.and_then(|proof| proof.held.as_ref()) {
            None => CopySeen::Absent,
            Some(copy) => match compare(copy, shown.as_ref()) {
                Objects::Whole => CopySeen::Proven,
                Objects::Damaged(damage) => CopySeen::Damaged(damage),
                Objects::Unknown => CopySeen::Unknown,
            },
        };
        standing.entry(manifest.id).or_default().insert(place.clone(), seen);
    }
}
