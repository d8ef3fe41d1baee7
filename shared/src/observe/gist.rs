//! The gist of a look at one asset at which all was well: what the rules ask of hundreds of records, in one small object.
//!
//! It is a function's own memory, never evidence: whoever goes by it must know that no record changed since, and nothing is
//! ever concluded from it but that all is still well.

use super::{Observation, Past, history};
use crate::{
    catalog::Key,
    clock::Timestamp,
    config::{Asset, Copies},
    domain::{
        backup::{Artifact, Expectations, Form, Manifest, Origin},
        freshness::{Candidate, CopySeen, DrillSeen, Objects, Reading, Seen},
        history::History,
        place::Place,
        run::Run,
    },
    env::Env,
    error::{Error, Result, failed},
    id::AssetName,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
};

/// Of so many of the newest backups of each form everything is kept that the rules compare with each other.
const WHOLE: usize = 16;
/// The most bytes that a gist takes, packed and unpacked.
const PACKED: u64 = 4 << 20;
const UNPACKED: u64 = 16 << 20;
const LEVEL: i32 = 1;
const VERSION: u64 = 1;

/// What was seen of an asset while all was well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gist {
    version: u64,
    /// When it was seen.
    pub seen_at: Timestamp,
    policy: String,
    backups: Vec<Brief>,
    runs: BTreeMap<Form, Vec<Run>>,
    drills: Vec<DrillSeen>,
    let_go: Vec<(Timestamp, u64)>,
    /// The keys that its backups and their copies are encrypted with.
    pub keys: BTreeSet<(Place, String)>,
    past: Past,
}

/// One backup that was whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Brief {
    manifest: Manifest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    proven: Vec<Place>,
}

impl Gist {
    /// The gist of what was seen; none where anything of it was not as it should be.
    pub fn of(asset: &Asset, observed: &Observation, keys: &BTreeSet<(Place, String)>, now: Timestamp) -> Option<Self> {
        let Observation { seen, past, .. } = observed;
        let quiet = seen.blind.is_empty() && seen.unreadable.is_empty() && seen.unrecorded.is_empty() && seen.prune_refused.is_none();
        if !quiet {
            return None;
        }
        let mut newest: Vec<&Candidate> = seen.backups.iter().collect();
        newest.sort_unstable_by_key(|backup| std::cmp::Reverse(backup.manifest.id));
        let mut count = BTreeMap::<Form, usize>::new();
        let brief = |backup: &Candidate| {
            let count = count.entry(backup.manifest.form()).or_default();
            *count += 1;
            Brief::of(backup, *count == 1, *count <= WHOLE)
        };
        Some(Self {
            version: VERSION,
            seen_at: now,
            policy: policy(asset),
            backups: newest.into_iter().map(brief).collect::<Option<_>>()?,
            runs: seen.runs.clone(),
            drills: seen.drills.clone(),
            let_go: seen.let_go.clone(),
            keys: keys.clone(),
            past: past.clone(),
        })
    }

    /// Keeps it as what `whose` saw.
    pub async fn save(&self, env: &Env, whose: &str, asset: &AssetName) -> Result<()> {
        env.vault.publish(&Key::Gist(whose.to_owned(), asset.clone()), self.pack()?).await
    }

    /// Makes sure that nobody goes by what `whose` saw before: not everything is well any more.
    pub async fn forget(env: &Env, whose: &str, asset: &AssetName) -> Result<()> {
        let key = Key::Gist(whose.to_owned(), asset.clone());
        // A checker may delete nothing. Nothing is what no gist is.
        match env.vault.bucket().head(&key.to_string()).await? {
            Some(meta) if meta.size > 0 => env.vault.publish(&key, Bytes::new()).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Returns what `whose` saw last; none where that was under another policy, or cannot be read.
    pub async fn load(env: &Env, whose: &str, asset: &Asset) -> Option<Self> {
        let key = Key::Gist(whose.to_owned(), asset.name.clone()).to_string();
        let (bytes, _) = env.vault.bucket().get(&key, PACKED).await.ok()??;
        // Many are unpacked at once: none keeps the others' answers waiting.
        let gist = tokio::task::spawn_blocking(move || Self::unpack(&bytes)).await.ok()??;
        (gist.policy == policy(asset)).then_some(gist)
    }

    /// The manifests of the backups.
    pub fn manifests(&self) -> impl Iterator<Item = &Manifest> {
        self.backups.iter().map(|brief| &brief.manifest)
    }

    /// The manifests of those that were proven at a place.
    pub fn proven_at<'a>(&'a self, place: &'a Place) -> impl Iterator<Item = &'a Manifest> {
        self.backups.iter().filter(|brief| brief.proven.contains(place)).map(|brief| &brief.manifest)
    }

    /// The newest backup of each form, which alone still knows each of its objects.
    pub fn newest(&self) -> impl Iterator<Item = &Manifest> {
        let of = |form| self.manifests().find(move |manifest| manifest.form() == form);
        [Form::Export, Form::Snapshot].into_iter().filter_map(of)
    }

    /// What it says, as if it had been seen now.
    pub fn seen(self, asset: &Asset, scheduled: &BTreeMap<Form, Timestamp>, now: Timestamp) -> (Seen, History) {
        let Self { backups, runs, drills, let_go, past, .. } = self;
        let backups = backups.into_iter().map(|brief| brief.seen(asset)).collect();
        let seen = Seen { backups, runs, drills, let_go, scheduled: scheduled.clone(), ..Seen::default() };
        let history = history::of(asset, &seen, &past, now);
        (seen, history)
    }

    fn pack(&self) -> Result<Bytes> {
        let mut packed = zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(Error::from)?;
        serde_json::to_writer(&mut packed, self).map_err(|error| failed("writing a gist").because(error))?;
        Ok(packed.finish().map_err(Error::from)?.into())
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut text = Vec::new();
        zstd::stream::read::Decoder::new(bytes).ok()?.take(UNPACKED).read_to_end(&mut text).ok()?;
        serde_json::from_slice::<Self>(&text).ok().filter(|gist| gist.version == VERSION)
    }
}

impl Brief {
    /// None where anything speaks against it.
    fn of(backup: &Candidate, newest: bool, whole: bool) -> Option<Self> {
        let sound = backup.objects == Objects::Whole && backup.reading.as_ref().is_none_or(|reading| reading.contradiction.is_none());
        let known = |seen: &CopySeen| matches!(seen, CopySeen::Proven | CopySeen::Absent);
        if !sound || !backup.copies.values().all(known) {
            return None;
        }
        let proven = backup.copies.iter().filter(|(_, seen)| **seen == CopySeen::Proven).map(|(place, _)| place.clone()).collect();
        let read_at = backup.reading.as_ref().map(|reading| reading.at);
        Some(Self { manifest: short(&backup.manifest, newest, whole), read_at, proven })
    }

    fn seen(self, asset: &Asset) -> Candidate {
        let Self { manifest, read_at, proven } = self;
        let asked = asset.policy.copies.iter().filter(|copies| matches!(copies, Copies::Region { .. }) == manifest.held.is_some());
        let stands = |place: &Place| if proven.contains(place) { CopySeen::Proven } else { CopySeen::Absent };
        Candidate {
            copies: asked.map(|copies| (copies.place().clone(), stands(copies.place()))).collect(),
            objects: Objects::Whole,
            reading: read_at.map(|at| Reading { at, contradiction: None }),
            manifest,
        }
    }
}

/// A manifest without what no rule asks of it.
fn short(manifest: &Manifest, newest: bool, whole: bool) -> Manifest {
    let bare = |artifact: &Artifact| Artifact { chunks: None, recipients: Vec::new(), sha256: String::new(), ..artifact.clone() };
    let mut artifacts: Vec<_> = manifest.artifacts.iter().map(bare).collect();
    if !newest && let Some((first, others)) = artifacts.split_first_mut() {
        first.size += others.iter().map(|artifact| artifact.size).sum::<u64>();
        first.plain_size += others.iter().map(|artifact| artifact.plain_size).sum::<u64>();
        artifacts.truncate(1);
    }
    let mut held = manifest.held.clone();
    if let Some(held) = &mut held {
        held.settings.clear();
    }
    let expectations = if whole { manifest.expectations.clone() } else { Expectations::default() };
    Manifest { artifacts, held, expectations, source: Origin::default(), tools: BTreeMap::new(), ..manifest.clone() }
}

/// What the config asks for an asset: what was well under one policy may not be under another.
fn policy(asset: &Asset) -> String {
    let text = serde_json::to_vec(asset).unwrap_or_default();
    hex::encode(&Sha256::digest(text)[..8])
}
