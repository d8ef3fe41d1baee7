//! What an asset's records tell of a moment that is past: which backups there were, where, proven by what.
//!
//! Every record counts from the moment that it bears itself. What records do not tell is named, never guessed: they say what
//! was written and read back, not what happened to it in between.

use super::{Round, drill, reading, records};
use crate::{
    catalog::{Copy, Key, Tombstone, Verification, evidence::Evidence},
    clock::Timestamp,
    config::{Asset, Copies},
    domain::{
        backup::{Expectations, Manifest, Origin, Tier},
        fleet::Standing,
        freshness::AssetStatus,
        freshness::{Candidate, CopySeen, Counted, Objects, Seen, Tense, counted, judge, recoverable},
        held::Held,
        place::Place,
        run::{Run, RunState},
    },
    env::Env,
    error::Result,
    id::Slot,
};
use std::collections::BTreeMap;

/// Every record of an asset that tells of its past.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// Its backups.
    pub manifests: Vec<Manifest>,
    /// What was let go.
    pub tombstones: Vec<Tombstone>,
    /// The last reading-back of each.
    pub verifications: Vec<Verification>,
    /// Every proof of a copy.
    pub copies: Vec<Copy>,
    /// Its drills.
    pub drills: Vec<Evidence>,
    /// The runs that were due until then, the newest of each form.
    pub runs: BTreeMap<crate::domain::backup::Form, Vec<Run>>,
    /// Records that cannot be read.
    pub unreadable: Vec<String>,
}

/// How an asset stood at a moment.
#[derive(Debug, Clone)]
pub struct Then {
    /// How it stood, as far as records tell.
    pub status: AssetStatus,
    /// Every backup that there was, and whether it counted, newest data first.
    pub backups: Vec<Counted>,
    /// What cannot be known of that moment, in sentences.
    pub unknown: Vec<String>,
}

impl Records {
    /// Reads them, as far as they tell of a moment.
    pub async fn read(env: &Env, round: &Round, asset: &Asset, at: Timestamp) -> Result<Self> {
        let (glance, name) = (round.records(env, &asset.name).await?, &asset.name);
        let vault = &glance.vault;
        let manifests = vault.backups(name).await?;
        let tombstones = vault.all::<Tombstone>(&Key::tombstones(name)).await?;
        let verifications = vault.all::<Verification>(&Key::verifications(name)).await?;
        let copies = vault.all::<Copy>(&Key::copies(name)).await?;
        let drills = vault.all::<Evidence>(&Key::drills(name)).await?;
        let runs = records::runs_until(vault, name, Some(at)).await?;
        let unreadable =
            [manifests.unreadable, tombstones.unreadable, verifications.unreadable, copies.unreadable, drills.unreadable, runs.unreadable];
        Ok(Self {
            manifests: manifests.good,
            tombstones: tombstones.good,
            verifications: verifications.good,
            copies: copies.good,
            drills: drills.good,
            runs: runs.newest,
            unreadable: unreadable.into_iter().flatten().map(|(key, _)| key).collect(),
        })
    }

    /// Says how the asset stood at a moment, by the policy that it has today.
    pub fn at(&self, asset: &Asset, vault: &Place, at: Timestamp, runbook: &str) -> Then {
        let mut asset = asset.clone();
        if let Some(member) = &mut asset.member {
            // When it left is told in the present tense alone.
            member.standing = Standing::Selected;
        }
        let stones: Vec<&Tombstone> = self.tombstones.iter().filter(|stone| stone.data_time <= at && at < stone.let_go_at).collect();
        let seen = self.seen_at(&asset, &stones, at);
        let mut status = judge(&asset, &seen, at, runbook);
        status.stored_bytes +=
            stones.iter().filter(|stone| stone.held.is_none() && !self.is_listed(stone)).map(|stone| stone.stored_bytes).sum::<u64>();
        status.next_due = None;
        status.recoverable = Some(recoverable(&asset, &seen, vault, at, Tense::Then));
        Then { status, backups: counted(&asset, &seen, at), unknown: self.unknown(&asset, &stones, at) }
    }

    /// Whether the manifest of something that was let go is still there: a prune that was killed leaves it.
    fn is_listed(&self, stone: &Tombstone) -> bool {
        self.manifests.iter().any(|manifest| manifest.id == stone.backup)
    }

    fn seen_at(&self, asset: &Asset, stones: &[&Tombstone], at: Timestamp) -> Seen {
        let gone = |manifest: &Manifest| self.tombstones.iter().any(|stone| stone.backup == manifest.id && stone.let_go_at <= at);
        let kept = self.manifests.iter().filter(|manifest| manifest.finished_at <= at && !gone(manifest)).cloned();
        let since_gone = stones.iter().filter(|stone| !self.is_listed(stone)).map(|stone| remains(stone));
        let read = |id| self.verifications.iter().find(|found| found.backup == id && found.verified_at <= at).map(reading);
        let candidate = |manifest: Manifest| Candidate {
            objects: Objects::Whole,
            reading: read(manifest.id),
            copies: self.copies_of(asset, &manifest, stones, at),
            manifest,
        };
        Seen {
            backups: kept.chain(since_gone).map(candidate).collect(),
            runs: self.runs.iter().map(|(form, runs)| (*form, runs.iter().filter(|run| has_ended(run, at)).cloned().collect())).collect(),
            drills: self.drills.iter().filter(|evidence| evidence.finished_at <= at).filter_map(drill).collect(),
            ..Seen::default()
        }
    }

    fn copies_of(&self, asset: &Asset, manifest: &Manifest, stones: &[&Tombstone], at: Timestamp) -> BTreeMap<Place, CopySeen> {
        let forgotten = stones.iter().any(|stone| stone.backup == manifest.id);
        let places = asset.policy.copies.iter().map(Copies::place);
        let seen = |place: &Place| {
            let proof = self.copies.iter().find(|proof| proof.backup == manifest.id && proof.place == *place);
            match proof {
                Some(proof) if proof.proven_at <= at && (forgotten || proof.proves(manifest)) => CopySeen::Proven,
                None if forgotten => CopySeen::Unknown,
                Some(_) | None => CopySeen::Absent,
            }
        };
        places.map(|place| (place.clone(), seen(place))).collect()
    }

    /// What the records do not tell of a moment.
    fn unknown(&self, asset: &Asset, stones: &[&Tombstone], at: Timestamp) -> Vec<String> {
        let (name, mut unknown) = (&asset.name, Vec::new());
        let first =
            self.manifests.iter().map(|manifest| manifest.data_time).chain(self.tombstones.iter().map(|stone| stone.data_time)).min();
        match first {
            None => unknown.push(format!("{name} has no record of any backup: whether there ever was one elsewhere is not known")),
            Some(first) if first > at => {
                unknown.push(format!("the first backup of {name} that is recorded holds data of {first}: nothing is known of before"));
            }
            Some(_) => {}
        }
        if !stones.is_empty() {
            unknown.push(format!(
                "{} of the backups of {name} that there were have been let go since: when they were finished and where copies of them were is \
                 not recorded any more, so they are taken to exist from the moment of their data on",
                stones.len()
            ));
        }
        let later = |found: &&Verification| !found.is_sound() && found.verified_at > at;
        for found in self.verifications.iter().filter(later).filter(|found| self.was_there(found, at)) {
            unknown.push(format!(
                "backup {} of {name} was found damaged at {}: whether it was so before is not known",
                found.backup, found.verified_at
            ));
        }
        if asset.source.home().is_some() {
            unknown.push(format!("which moments of {name} its provider's own continuous backups could bring back then is not recorded"));
        }
        unknown.extend(self.unreadable.iter().map(|key| format!("{key} cannot be read, and may have told more")));
        unknown
    }

    fn was_there(&self, found: &Verification, at: Timestamp) -> bool {
        self.manifests.iter().any(|manifest| manifest.id == found.backup && manifest.finished_at <= at)
    }
}

/// What of no asset's past is known: the same at every moment.
pub const UNKNOWN_OF_ALL: [&str; 3] = [
    "it is judged by the config of today: what was asked for then is not recorded",
    "records say what was written and read back: whether it was still there and whole at that moment is not known",
    "how providers and buckets kept it, keys, and whether schedules were awake then is not recorded",
];

fn has_ended(run: &Run, at: Timestamp) -> bool {
    match &run.state {
        RunState::Done { at: ended } | RunState::Failed { at: ended, .. } => *ended <= at,
        RunState::Working { .. } | RunState::Waiting { .. } => false,
    }
}

/// What is still known of a backup that was let go: not what it consisted of.
fn remains(stone: &Tombstone) -> Manifest {
    Manifest {
        id: stone.backup,
        asset: stone.asset.clone(),
        method: stone.method,
        tier: Tier::Daily,
        slot: Slot::at(stone.data_time),
        data_time: stone.data_time,
        started_at: stone.data_time,
        finished_at: stone.data_time,
        source: Origin::default(),
        artifacts: Vec::new(),
        held: stone.held.as_ref().map(|(place, name)| Held {
            place: place.clone(),
            name: name.clone(),
            reference: String::new(),
            engine: String::new(),
            bytes: stone.stored_bytes,
            encrypted: false,
            key: None,
            members: Vec::new(),
            settings: BTreeMap::new(),
        }),
        expectations: Expectations::default(),
        tools: BTreeMap::new(),
    }
}
