//! Looks at every asset as it is now, compares that with its policy, and tells what an operator must know.
//!
//! It reads records and lists folders, never a backup's bytes, and writes nothing but its report, what it told to whom, and
//! what keys opened for it.
//! It judges what it sees: a job that says it succeeded is not believed, and what could not be seen is unknown.

mod beats;
mod tell;

pub use tell::tell;

use futures::{StreamExt, stream};
use lastgood_core::{
    catalog::{Key, Status},
    clock::Timestamp,
    config::Asset,
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::{AssetStatus, fleets, functions, judge, unseen},
        retention::clocks_disagree,
    },
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
    observe::{self, KeyRing, Round},
    prune,
};
use serde::Deserialize;

/// How many assets are looked at at once.
const AT_ONCE: usize = 16;

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
        let mut status = look_at_all(env, self.asset.as_ref(), Memory::Kept).await?;
        let now = status.checked_at;
        if self.asset.is_none()
            && let Some(wrong) = clock(env, &status).await
        {
            status.findings.insert(0, wrong);
            status = Status::of(now, status.assets, status.findings);
        }
        let undelivered = tell::tell(env, &status, self.asset.as_ref()).await;
        if !undelivered.is_empty() {
            let findings = status.findings.into_iter().chain(undelivered).collect();
            status = Status::of(now, status.assets, findings);
        }
        if self.asset.is_none()
            && let Err(error) = env.vault.save(&Key::Status, &status).await
        {
            let unsaved = could_not_observe(env, format!("the status could not be saved: {}", error.full()));
            status.findings.push(unsaved);
            status = Status::of(now, status.assets, status.findings);
        }
        tracing::info!(state = status.overall.state.as_str(), assets = status.overall.assets, good = status.overall.good, "checked");
        Ok(status)
    }
}

/// Looks at everything, or at one asset, and judges it. Changes nothing and tells nobody.
pub async fn observe_all(env: &Env, only: Option<&AssetName>) -> Result<Status> {
    look_at_all(env, only, Memory::Used).await
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
    ring: KeyRing,
    memory: Memory,
    now: Timestamp,
}

async fn look_at_all(env: &Env, only: Option<&AssetName>, memory: Memory) -> Result<Status> {
    let now = env.clock.now();
    let ring = match memory {
        Memory::Kept => KeyRing::using(),
        Memory::Used => KeyRing::looking(),
    };
    let look = Look { env, round: Round::remembering(env, FreshnessChecker::NAME).await, ring, memory, now };
    let looks: Vec<_> = env.config.selected(only)?.into_iter().map(|asset| look.at(asset)).collect();
    let assets: Vec<AssetStatus> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let mut findings = beats::read(env).await.map_or_else(
        |error| vec![could_not_observe(env, format!("the functions' signs of life could not be read: {}", error.full()))],
        |beats| functions(&env.config, &beats, now),
    );
    if only.is_none() {
        findings.extend(observe::vaults(env).await);
    }
    findings.extend(fleets(&env.config, env.config.fleets_of(only)));
    Ok(Status::of(now, assets, findings))
}

impl Look<'_> {
    /// Looks at one asset and judges it. One that cannot be seen is told as such, and does not keep the others from being seen.
    async fn at(&self, asset: &Asset) -> AssetStatus {
        let (env, now, runbook) = (self.env, self.now, &self.env.config.runbook);
        let round = match &self.round {
            Ok(round) => round,
            Err(error) => return unseen(asset, &error.full(), now, runbook),
        };
        let mut observed = match observe::observe_in(env, round, asset).await {
            Ok(observed) => observed,
            Err(error) => return unseen(asset, &error.full(), now, runbook),
        };
        let backups: Vec<_> = observed.seen.backups.iter().map(|backup| &backup.manifest).collect();
        observed.seen.keys = self.ring.keys(env, &backups, &observed.copies, &mut observed.seen.blind).await;
        if !asset.has_left() {
            observed.seen.posture = observe::posture(env, asset, &mut observed.seen.blind).await;
            observed.seen.bucket = observe::posture_of_bucket(env, asset, &mut observed.seen.blind).await;
        }
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
        judge(asset, &observed.seen, now, runbook)
    }
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
