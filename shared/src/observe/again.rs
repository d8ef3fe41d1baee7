//! A short look at what was well when it was last looked at, where no function has touched its records since.
//!
//! It lists no records, and reads none but the gist of that look. What nobody announces it looks at itself: the objects of the
//! newest backup of each form, here and at every place of copies, and every snapshot that a provider holds. All that it ever
//! concludes is that all is still well: anything else, and anything that it cannot see, is for a whole look to find out.

use super::{Gist, Round, compare, held};
use crate::{
    catalog::{Key, SETTLES, Vault, touches},
    clock::{Timestamp, after, since, spread},
    config::{Asset, Copies},
    domain::{
        backup::Manifest,
        freshness::{Objects, Seen},
        held::SnapshotState,
        history::History,
        place::Place,
    },
    env::Env,
    error::Result,
    id::{AssetName, BackupId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What short looks go by.
#[derive(Debug)]
pub struct Again {
    touched: BTreeMap<AssetName, Timestamp>,
    every: Duration,
}

/// What a short look saw: that all is still well.
#[derive(Debug)]
pub struct StillWell {
    /// The input of the rules.
    pub seen: Seen,
    /// What became of it over the last year.
    pub history: History,
    /// The keys that its backups and their copies are encrypted with.
    pub keys: BTreeSet<(Place, String)>,
}

impl Again {
    /// Looks whose records were touched. None where the config wants everything to be looked at, or nobody can tell.
    pub async fn begin(env: &Env) -> Option<Self> {
        let every = env.config.relist_every?.duration();
        match touches(&env.vault).await {
            Ok(touched) => Some(Self { touched, every }),
            Err(error) => {
                tracing::warn!("whose records were touched is not known, so everything is looked at: {}", error.full());
                None
            }
        }
    }

    /// Takes a short look at an asset; none where it needs a whole one.
    pub async fn look(&self, env: &Env, round: &Round, asset: &Asset) -> Option<StillWell> {
        let (gist, now) = (Gist::load(env, round.whose?, asset).await?, env.clock.now());
        // Who leaves no signs may have changed anything.
        let settled = self.touched.get(&asset.name).is_some_and(|at| after(*at, SETTLES) <= gist.seen_at);
        if !settled || gist.seen_at > now || since(now, gist.seen_at) >= turn(&asset.name, self.every) {
            return None;
        }
        match stands(env, asset, &gist).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return None,
        }
        let keys = gist.keys.clone();
        let (seen, history) = gist.seen(asset, &round.scheduled, now);
        Some(StillWell { seen, history, keys })
    }
}

/// How long an asset may go without a whole look: between half of what is allowed and all of it, so that not all are looked at
/// in the same round.
fn turn(asset: &AssetName, every: Duration) -> Duration {
    every / 2 + every / 1_024 * u32::try_from(spread(asset.as_str(), 512)).unwrap_or_default()
}

/// Whether everything is still there that nobody announces the loss of.
async fn stands(env: &Env, asset: &Asset, gist: &Gist) -> Result<bool> {
    let mut blind = Vec::new();
    let at_home = held::at_home(env, asset, gist.manifests(), &mut blind).await;
    let whole = |manifest: &Manifest| match &manifest.held {
        Some(original) => held::compare(original, at_home.as_ref()) == Objects::Whole,
        None => true,
    };
    if !blind.is_empty() || !gist.manifests().all(whole) || !newest_lie_at(&env.vault, gist.newest()).await? {
        return Ok(false);
    }
    for copies in &asset.policy.copies {
        let place = copies.place();
        let stand = match copies {
            Copies::Region { .. } => are_held_at(env, asset, place, gist).await?,
            Copies::Vault { .. } => {
                let proven: BTreeSet<BackupId> = gist.proven_at(place).map(|manifest| manifest.id).collect();
                let newest = gist.newest().filter(|manifest| proven.contains(&manifest.id));
                newest_lie_at(&env.vault_at(place).await?, newest).await?
            }
        };
        if !stand {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the objects of backups lie in a vault, as they are recorded.
async fn newest_lie_at(vault: &Vault, backups: impl Iterator<Item = &Manifest>) -> Result<bool> {
    for backup in backups.filter(|backup| backup.held.is_none()) {
        let Some(stem) = stem(backup) else { return Ok(false) };
        let listed = vault.bucket().list_all(&stem).await?;
        let listed = listed.into_iter().map(|meta| (meta.key.clone(), meta)).collect();
        if compare(backup, &listed) != Objects::Whole {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The beginning that the names of all objects of a backup share.
fn stem(backup: &Manifest) -> Option<String> {
    let folder = Key::exports(&backup.asset);
    let name = backup.main()?.key.strip_prefix(&folder)?.split(['.', '/']).next()?;
    Some(format!("{folder}{name}"))
}

/// Whether a provider still shows every snapshot that was proven at a place of it.
async fn are_held_at(env: &Env, asset: &Asset, place: &Place, gist: &Gist) -> Result<bool> {
    let mut proven = gist.proven_at(place).peekable();
    if proven.peek().is_none() {
        return Ok(true);
    }
    let shown = held::shown(env, asset, place).await?;
    let available = shown.values().filter(|seen| seen.state == SnapshotState::Available);
    let there: BTreeSet<BackupId> = available.filter_map(|seen| seen.backup).collect();
    Ok(proven.all(|manifest| there.contains(&manifest.id)))
}
