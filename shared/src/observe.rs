//! Looks at one asset as it is now: catalog, listing, copies, runs and drills. It reads records and lists folders, never an
//! artifact's bytes, and changes nothing. What it cannot see it says; it never assumes.

mod again;
mod buckets;
mod copies;
mod gist;
mod held;
mod history;
mod keys;
mod past;
mod records;
mod wakings;
mod wal;

pub use again::{Again, StillWell};
pub use buckets::{posture_of_bucket, spaces, vaults};
pub use gist::Gist;
pub use held::{backups_at, contradiction, posture};
pub use history::Past;
pub use keys::{KeyRing, keys_of};
pub use past::{Records, Then, UNKNOWN_OF_ALL};
pub use wakings::wakings;
pub use wal::wal;

use crate::{
    catalog::{Copy, Glance, Key, Tombstone, Vault, Verification, evidence::Evidence},
    clock::Timestamp,
    config::Asset,
    domain::{
        backup::{Form, Manifest, Method},
        freshness::{Candidate, DrillSeen, Objects, Reading, Seen, Stray, unrecorded},
        history::History,
    },
    env::Env,
    error::Result,
    id::{AssetName, BackupId},
    ports::ObjectMeta,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    time::Duration,
};

/// What was seen of one asset, with what a prune needs beside the rules' input.
#[derive(Debug)]
pub struct Observation {
    /// The input of the rules.
    pub seen: Seen,
    /// What became of it over the last year.
    pub history: History,
    /// The part of that which is over.
    pub past: Past,
    /// When the store says that each manifest was written.
    pub stored_at: BTreeMap<BackupId, Timestamp>,
    /// What was let go.
    pub tombstones: Vec<Tombstone>,
    /// Every proof of a copy.
    pub copies: Vec<Copy>,
    /// The records as they were seen.
    pub records: Glance,
}

/// A round of looks: what is the same for all assets is looked at once.
#[derive(Debug)]
pub struct Round {
    scheduled: BTreeMap<Form, Timestamp>,
    whose: Option<&'static str>,
}

impl Round {
    /// Begins a round in which nothing is remembered of earlier ones.
    pub async fn begin(env: &Env) -> Result<Self> {
        Ok(Self { scheduled: records::scheduled(&env.vault).await?, whose: None })
    }

    /// Begins a round that makes use of what a function read in earlier ones.
    pub async fn remembering(env: &Env, function: &'static str) -> Result<Self> {
        Ok(Self { whose: Some(function), ..Self::begin(env).await? })
    }

    /// Looks at the records of one asset alone.
    pub async fn records(&self, env: &Env, asset: &AssetName) -> Result<Glance> {
        env.vault.glance(asset, self.whose, &env.clock).await
    }
}

/// Looks at one asset.
pub async fn observe(env: &Env, asset: &Asset) -> Result<Observation> {
    observe_in(env, &Round::begin(env).await?, asset).await
}

/// Looks at one asset, as one of many.
pub async fn observe_in(env: &Env, round: &Round, asset: &Asset) -> Result<Observation> {
    let records = round.records(env, &asset.name).await?;
    let (vault, name) = (&records.vault, &asset.name);
    let tombstones = vault.all::<Tombstone>(&Key::tombstones(name)).await?;
    let gone: BTreeSet<_> = tombstones.good.iter().map(|tombstone| tombstone.backup).collect();
    let manifests = vault.backups(name).await?;
    let verifications = vault.all::<Verification>(&Key::verifications(name)).await?;
    let copies = vault.all::<Copy>(&Key::copies(name)).await?;
    let drills = vault.all::<Evidence>(&Key::drills(name)).await?;
    let records::Runs { newest: runs, slots, leftovers, unreadable: unreadable_runs } = records::runs(vault, name).await?;
    let listing = listing(vault, name).await?;
    let mut blind = Vec::new();
    let at_home = held::at_home(env, asset, manifests.good.iter(), &mut blind).await;

    let readings: BTreeMap<_, _> = verifications.good.iter().map(|found| (found.backup, reading(found))).collect();
    let present: Vec<Manifest> = manifests.good.into_iter().filter(|manifest| !gone.contains(&manifest.id)).collect();
    let mut standing = copies::standing(env, asset, &present, &copies.good, &mut blind).await;
    let named = named(&present, &tombstones.good, leftovers);
    let strays = listing.values().map(|meta| Stray { key: meta.key.clone(), size: meta.size, modified: meta.modified }).collect();
    let candidate = |manifest: Manifest| Candidate {
        objects: match &manifest.held {
            Some(original) => held::compare(original, at_home.as_ref()),
            None => compare(&manifest, &listing),
        },
        reading: readings.get(&manifest.id).cloned(),
        copies: standing.remove(&manifest.id).unwrap_or_default(),
        manifest,
    };
    let unreadable =
        [manifests.unreadable, tombstones.unreadable, verifications.unreadable, copies.unreadable, drills.unreadable, unreadable_runs];
    let seen = Seen {
        backups: present.into_iter().map(candidate).collect(),
        unreadable: unreadable.into_iter().flatten().map(|(key, error)| (key, error.full())).collect(),
        unrecorded: unrecorded(strays, &named, env.clock.now()),
        runs,
        scheduled: round.scheduled.clone(),
        posture: None,
        bucket: None,
        wal: None,
        let_go: tombstones.good.iter().map(|gone| (gone.let_go_at, gone.stored_bytes)).collect(),
        keys: Vec::new(),
        drills: drills.good.iter().filter_map(drill).collect(),
        prune_refused: None,
        blind,
    };
    let past = Past::of(asset, &seen, &tombstones.good, &drills.good, &slots, env.clock.now());
    let history = history::of(asset, &seen, &past, env.clock.now());
    let stored_at = stored_at(vault, name).await?;
    Ok(Observation { seen, history, past, stored_at, tombstones: tombstones.good, copies: copies.good, records })
}

/// Everything that lies among an asset's artifacts.
async fn listing(vault: &Vault, asset: &AssetName) -> Result<BTreeMap<String, ObjectMeta>> {
    let objects = vault.bucket().list_all(&Key::exports(asset)).await?;
    Ok(objects.into_iter().map(|meta| (meta.key.clone(), meta)).collect())
}

async fn stored_at(vault: &Vault, asset: &AssetName) -> Result<BTreeMap<BackupId, Timestamp>> {
    let folder = Key::manifests(asset);
    let id = |key: &str| key.strip_prefix(&folder)?.strip_suffix(".json").and_then(|id| BackupId::from_str(id).ok());
    let objects = vault.bucket().list_all(&folder).await?;
    Ok(objects.iter().filter_map(|meta| Some((id(&meta.key)?, meta.modified))).collect())
}

/// Compares what a manifest names with what a listing shows.
fn compare(manifest: &Manifest, listing: &BTreeMap<String, ObjectMeta>) -> Objects {
    let damage: Vec<String> = manifest
        .artifacts
        .iter()
        .filter_map(|artifact| match listing.get(&artifact.key) {
            None => Some(format!("{} is missing", artifact.key)),
            Some(meta) if meta.size != artifact.size => {
                Some(format!("{} has {} bytes instead of {}", artifact.key, meta.size, artifact.size))
            }
            Some(_) => None,
        })
        .collect();
    match damage.as_slice() {
        [] if manifest.artifacts.is_empty() => Objects::Damaged("its manifest names no object".to_owned()),
        [] => Objects::Whole,
        [one] => Objects::Damaged(one.clone()),
        [first, others @ ..] => Objects::Damaged(format!("{first}, and {} more are not as recorded", others.len())),
    }
}

/// Every key that something explains.
fn named(present: &[Manifest], tombstones: &[Tombstone], leftovers: BTreeSet<String>) -> BTreeSet<String> {
    let of_backups = present.iter().flat_map(|manifest| manifest.artifacts.iter().map(|artifact| artifact.key.clone()));
    let of_tombstones = tombstones.iter().flat_map(|tombstone| tombstone.objects.iter().cloned());
    leftovers.into_iter().chain(of_backups).chain(of_tombstones).collect()
}

fn reading(found: &Verification) -> Reading {
    let damage: Vec<_> = found.damage.iter().take(3).map(ToString::to_string).collect();
    Reading { at: found.verified_at, contradiction: (!found.is_sound()).then(|| damage.join(", ")) }
}

fn drill(evidence: &Evidence) -> Option<DrillSeen> {
    let drilled = evidence.backup.as_ref()?;
    Some(DrillSeen {
        backup: drilled.id,
        form: drilled.form,
        moment: (drilled.method == Method::PointInTime).then_some(drilled.data_time),
        finished_at: evidence.finished_at,
        verdict: evidence.verdict,
        why: evidence.reason.clone(),
        unsigned: evidence.unsigned.clone(),
        took: evidence.restore_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    })
}
