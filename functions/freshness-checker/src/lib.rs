//! Looks at every asset as it is now, compares that with its policy, and tells what an operator must know.
//!
//! It reads records and lists folders, never a backup's bytes, and writes nothing but its report and the page of it, what it
//! told to whom, and what keys opened for it.
//! It judges what it sees: a job that says it succeeded is not believed, and what could not be seen is unknown.

mod acks;
mod beats;
pub mod page;
mod plot;
mod tell;

pub use acks::Acks;
pub use tell::tell;

use futures::{StreamExt, stream};
use lastgood_core::{
    catalog::{Key, Status},
    clock::Timestamp,
    config::Asset,
    domain::{
        finding::{Finding, FindingKind, Severity},
        forecast::forecast,
        freshness::{AssetStatus, Seen, Tense, fleets, functions, judge, recoverable, storage, unknown_because, unseen},
        history::History,
        place::Place,
        retention::clocks_disagree,
    },
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
    observe::{self, Again, Gist, KeyRing, Round, StillWell, keys_of},
    prune,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::Semaphore;

/// How many assets are looked at at once.
const AT_ONCE: usize = 16;
/// How many of these looks may hold all records of an asset at once: of one with hundreds of backups they are megabytes.
const WHOLE_AT_ONCE: usize = 8;

/// Checks that everything is as fresh, as redundant and as proven as its policy asks.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct FreshnessChecker {
    /// The asset to check; all of them when not given.
    #[serde(default)]
    pub asset: Option<AssetName>,
}

impl Function for FreshnessChecker {
    const NAME: &'static str = "freshness-checker";
    type Report = Status;

    async fn run(self, env: &Env) -> Result<Status> {
        let mut looked = look_at_all(env, self.asset.as_ref(), Memory::Kept).await?;
        let (mut status, now) = (looked.status.clone(), looked.status.checked_at);
        if self.asset.is_none()
            && let Some(wrong) = clock(env, &status).await
        {
            status.findings.insert(0, wrong);
            status = Status::of(now, status.assets, status.findings);
        }
        if self.asset.is_none() {
            let refused = plot::plot(env, &status).await;
            status = with(status, refused);
        }
        let undelivered = tell::tell(env, &status, self.asset.as_ref(), &mut looked.acks).await;
        if !undelivered.is_empty() {
            status = with(status, undelivered);
            if self.asset.is_none() {
                // Where people cannot be told, whoever looks at the numbers can.
                let refused = plot::plot(env, &status).await;
                status = with(status, refused);
            }
        }
        if self.asset.is_none() {
            let looked = Looked { status, ..looked };
            let unsaved = publish(env, &looked).await;
            status = with(looked.status, unsaved);
        }
        tracing::info!(state = status.overall.state.as_str(), assets = status.overall.assets, good = status.overall.good, "checked");
        Ok(status)
    }
}

/// A status with what was found besides; the same sentence stands in it once.
fn with(status: Status, besides: Vec<Finding>) -> Status {
    let mut findings = status.findings;
    for finding in besides {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    Status::of(status.checked_at, status.assets, findings)
}

/// Looks at everything, or at one asset, and judges it. Changes nothing and tells nobody.
pub async fn observe_all(env: &Env, only: Option<&AssetName>) -> Result<Status> {
    look(env, only).await.map(|looked| looked.status)
}

/// The same, with what became of each asset over the last year and what somebody acknowledged: all that the page shows.
pub async fn look(env: &Env, only: Option<&AssetName>) -> Result<Looked> {
    look_at_all(env, only, Memory::Used).await
}

/// What one look saw.
#[derive(Debug, Clone)]
pub struct Looked {
    /// How everything stands.
    pub status: Status,
    /// What became of each asset that could be looked at.
    pub histories: BTreeMap<AssetName, History>,
    /// Assets that are recovered together, in the order of their recovery.
    pub systems: BTreeMap<AssetName, Vec<AssetName>>,
    /// What somebody acknowledged; nothing where that could not be read.
    pub acks: Acks,
}

/// Saves the page, and then the data behind it; returns what could not be, as findings.
async fn publish(env: &Env, looked: &Looked) -> Vec<Finding> {
    let mut unsaved = Vec::new();
    let page = page::page(looked, &page::Evidence::Beside);
    if let Err(error) = env.vault.publish(&Key::StatusPage, page.into()).await {
        unsaved.push(could_not_observe(env, format!("the page of the status could not be saved: {}", error.full())));
    }
    let status = with(looked.status.clone(), unsaved.clone());
    if let Err(error) = env.vault.save(&Key::Status, &status).await {
        unsaved.push(could_not_observe(env, format!("the status could not be saved: {}", error.full())));
    }
    unsaved
}

/// Whether what was seen is kept for the next look, and keys are used to see what they open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Kept,
    Used,
}

/// One look at everything.
struct Look<'a> {
    env: &'a Env,
    round: Result<Round>,
    again: Option<Again>,
    room: Semaphore,
    ring: KeyRing,
    memory: Memory,
    now: Timestamp,
}

async fn look_at_all(env: &Env, only: Option<&AssetName>, memory: Memory) -> Result<Looked> {
    let now = env.clock.now();
    let ring = match memory {
        Memory::Kept => KeyRing::using(),
        Memory::Used => KeyRing::looking(),
    };
    let again = match (memory, only) {
        (Memory::Kept, None) => Again::begin(env).await,
        // Who asks for themselves, or for one asset, wants to know all there is.
        (Memory::Kept, Some(_)) | (Memory::Used, _) => None,
    };
    let look = Look {
        env,
        round: Round::remembering(env, FreshnessChecker::NAME).await,
        again,
        room: Semaphore::new(WHOLE_AT_ONCE),
        ring,
        memory,
        now,
    };
    let looks: Vec<_> = env.config.selected(only)?.into_iter().map(|asset| look.at(asset)).collect();
    let seen: Vec<(AssetStatus, Option<History>)> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let (mut assets, mut histories) = (Vec::with_capacity(seen.len()), BTreeMap::new());
    for (asset, history) in seen {
        histories.extend(history.map(|history| (asset.asset.clone(), history)));
        assets.push(asset);
    }
    let mut findings = beats::read(env).await.map_or_else(
        |error| vec![could_not_observe(env, format!("the functions' signs of life could not be read: {}", error.full()))],
        |beats| functions(&env.config, &beats, now),
    );
    if only.is_none() {
        findings.extend(observe::vaults(env).await);
        findings.extend(storage(&env.config, &assets, &observe::spaces(env).await));
        findings.extend(observe::wakings(env).await);
    }
    findings.extend(fleets(&env.config, env.config.fleets_of(only)));
    let systems = env.config.systems.iter().map(|(name, system)| (name.clone(), system.restore_order.clone())).collect();
    // Read last: while everything was looked at, somebody may have said that they know.
    let acks = Acks::read(env).await;
    Ok(Looked { status: Status::of(now, assets, findings), histories, systems, acks })
}

impl Look<'_> {
    /// Looks at one asset and judges it. One that cannot be seen is told as such, and does not keep the others from being seen.
    async fn at(&self, asset: &Asset) -> (AssetStatus, Option<History>) {
        let round = match &self.round {
            Ok(round) => round,
            Err(error) => return (self.unseen(asset, &error.full()), None),
        };
        if let Some(again) = &self.again
            && let Some(StillWell { mut seen, history, keys }) = again.look(self.env, round, asset).await
        {
            let status = self.judged(asset, &mut seen, &history, &keys).await;
            if is_quiet(&status) {
                return (status, Some(history));
            }
        }
        let _room = self.room.acquire().await;
        self.whole(round, asset).await
    }

    /// Looks at every record and object of an asset.
    async fn whole(&self, round: &Round, asset: &Asset) -> (AssetStatus, Option<History>) {
        let env = self.env;
        let mut observed = match observe::observe_in(env, round, asset).await {
            Ok(observed) => observed,
            Err(error) => return (self.unseen(asset, &error.full()), None),
        };
        match prune::planned(env, asset, &observed).await {
            Ok(plan) if !plan.prune.is_empty() && asset.is_kept_now() => observed.seen.prune_refused = plan.refused,
            Ok(_) => {}
            Err(error) => observed.seen.blind.push(("what may be let go".to_owned(), error.full())),
        }
        if self.memory == Memory::Kept
            && let Err(error) = observed.records.remember().await
        {
            tracing::warn!(asset = %asset.name, "what was read is not remembered, and will be read again: {}", error.full());
        }
        let keys = keys_of(&observed.seen.backups, &observed.copies);
        let status = self.judged(asset, &mut observed.seen, &observed.history, &keys).await;
        if self.memory == Memory::Kept && env.config.relist_every.is_some() {
            let gist = Gist::of(asset, &observed, &keys, self.now).filter(|_| is_quiet(&status));
            if let Err(error) = keep(env, &asset.name, gist).await {
                tracing::warn!(asset = %asset.name, "what the next short look goes by could not be renewed: {}", error.full());
            }
        }
        (status, Some(observed.history))
    }

    /// Looks at what no record tells, and judges all of it.
    async fn judged(&self, asset: &Asset, seen: &mut Seen, history: &History, keys: &BTreeSet<(Place, String)>) -> AssetStatus {
        let (env, now) = (self.env, self.now);
        seen.keys = self.ring.keys(env, keys, &mut seen.blind).await;
        if !asset.has_left() {
            seen.posture = observe::posture(env, asset, &mut seen.blind).await;
            seen.bucket = observe::posture_of_bucket(env, asset, &mut seen.blind).await;
            seen.wal = observe::wal(env, asset, &mut seen.blind).await;
        }
        let mut status = judge(asset, seen, now, &env.config.runbook);
        status.recoverable = Some(recoverable(asset, seen, &env.config.vault, now, Tense::Now));
        status.forecast = Some(forecast(history, asset.policy.rto, now));
        status
    }

    fn unseen(&self, asset: &Asset, why: &str) -> AssetStatus {
        let mut status = unseen(asset, why, self.now, &self.env.config.runbook);
        status.recoverable = Some(unknown_because("the vault could not be looked at"));
        status
    }
}

/// Keeps what the next looks may go by. Where not everything is well, they may go by nothing.
async fn keep(env: &Env, asset: &AssetName, gist: Option<Gist>) -> Result<()> {
    match gist {
        Some(gist) => gist.save(env, FreshnessChecker::NAME, asset).await,
        None => Gist::forget(env, FreshnessChecker::NAME, asset).await,
    }
}

/// Whether there is nothing that anybody would have to do.
fn is_quiet(status: &AssetStatus) -> bool {
    status.findings.iter().all(|finding| finding.severity == Severity::Note)
}

/// Compares this machine's clock with the store's, by when the store says that a status was written just now.
async fn clock(env: &Env, status: &Status) -> Option<Finding> {
    env.vault.save(&Key::Status, status).await.ok()?;
    let (now, store) = (env.clock.now(), env.vault.bucket().head(&Key::Status.to_string()).await.ok()??.modified);
    clocks_disagree(now, store).then(|| {
        let sentence = format!("this machine says it is {now}, the store says {store}: ages cannot be believed, and nothing is let go");
        Finding::new(FindingKind::ClockImplausible, Severity::Critical, sentence, "lastgood doctor").linked(&env.config.runbook)
    })
}

fn could_not_observe(env: &Env, sentence: String) -> Finding {
    Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook)
}
