//! How backups stand at the other places: a proof counts only while the place still lists what was proven.

use super::{compare, listing};
use crate::{
    catalog::Copy,
    config::{Asset, Copies},
    domain::{
        backup::Manifest,
        freshness::{CopySeen, Objects},
        place::Place,
    },
    env::Env,
    error::Result,
    id::BackupId,
    ports::ObjectMeta,
};
use std::collections::BTreeMap;

pub(super) type Standing = BTreeMap<BackupId, BTreeMap<Place, CopySeen>>;

/// Returns how each backup stands at each place that the policy names. A place that does not answer is told in `blind`.
pub(super) async fn standing(
    env: &Env,
    asset: &Asset,
    present: &[Manifest],
    proofs: &[Copy],
    blind: &mut Vec<(String, String)>,
) -> Standing {
    let mut standing = Standing::new();
    for copies in &asset.policy.copies {
        let place = copies.place();
        if let Copies::Region { .. } = copies {
            super::held::standing(env, asset, place, present, proofs, &mut standing, blind).await;
            continue;
        }
        let listed = look(env, asset, place).await;
        if let Err(error) = &listed {
            blind.push((place.to_string(), error.full()));
        }
        for manifest in present.iter().filter(|manifest| manifest.held.is_none()) {
            let proof = proofs.iter().find(|proof| proof.place == *place && proof.proves(manifest));
            let seen = match (&listed, proof) {
                (_, None) => CopySeen::Absent,
                (Err(_), Some(_)) => CopySeen::Unknown,
                (Ok(listed), Some(_)) => match compare(manifest, listed) {
                    Objects::Whole => CopySeen::Proven,
                    Objects::Damaged(damage) => CopySeen::Damaged(damage),
                    Objects::Unknown => CopySeen::Unknown,
                },
            };
            standing.entry(manifest.id).or_default().insert(place.clone(), seen);
        }
    }
    standing
}

async fn look(env: &Env, asset: &Asset, place: &Place) -> Result<BTreeMap<String, ObjectMeta>> {
    listing(&env.vault_at(place).await?, &asset.name).await
}
