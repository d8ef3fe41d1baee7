//! Begins a snapshot of every asset that is due and sees it through; then lets go what policy no longer asks for.
//!
//! A Postgres of one's own is snapshotted by a base backup: the whole server with the WAL that it needs, streamed into the
//! vault, stored, read back and recorded, its manifest last. It reads its sources and never changes them.

mod report;

pub use report::SnapshotReport;

use futures::{StreamExt, stream};
use lastgood_core::{
    backup::{self, When},
    config::Asset,
    domain::backup::Form,
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
    observe::{Round, observe_in},
    prune::{Mode, Pruned, prune_seen},
};
use serde::Deserialize;

/// How many assets are looked at at once.
const AT_ONCE: usize = 16;

/// Takes a snapshot of every asset that is due.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct SnapshotTrigger {
    /// The asset; every asset that is due when not given.
    pub asset: Option<AssetName>,
    /// When: an event waits for what is due, an operator's hand does not. No event can say it.
    #[serde(skip)]
    #[arg(skip)]
    pub when: When,
}

impl Function for SnapshotTrigger {
    const NAME: &'static str = "snapshot-trigger";
    type Report = SnapshotReport;

    async fn run(self, env: &Env) -> Result<SnapshotReport> {
        let taken = backup::run(env, Self::NAME, Form::Snapshot, self.asset.as_ref(), self.when).await?;
        let pruned = match self.when {
            When::Due => let_go(env, self.asset.as_ref()).await?,
            When::Now => Vec::new(),
        };
        Ok(SnapshotReport { taken, pruned })
    }
}

async fn let_go_of(env: &Env, round: &Round, asset: &Asset) -> Result<Pruned> {
    let observed = observe_in(env, round, asset).await?;
    let pruned = prune_seen(env, asset, &observed, Mode::Apply, None).await?;
    if let Err(error) = observed.records.remember().await {
        tracing::warn!(asset = %asset.name, "what was read is not remembered, and will be read again: {}", error.full());
    }
    Ok(pruned)
}

/// Lets go what policy no longer asks for: exports and snapshots alike. What goes wrong with one asset is told as its own
/// and does not touch the others.
async fn let_go(env: &Env, asset: Option<&AssetName>) -> Result<Vec<Pruned>> {
    let round = &Round::remembering(env, SnapshotTrigger::NAME).await?;
    let assets = &env.config.selected(asset)?;
    let each = |at: usize| async move {
        let asset = assets[at];
        match let_go_of(env, round, asset).await {
            // A plan that lets nothing go is dropped at once: it names every backup that stays.
            Ok(pruned) => Some(pruned).filter(|pruned| !pruned.plan.prune.is_empty() || !pruned.finished.is_empty()),
            Err(error) => {
                tracing::warn!(asset = %asset.name, "nothing was let go: {}", error.full());
                None
            }
        }
    };
    let pruned = stream::iter(0..assets.len()).map(each).buffered(AT_ONCE);
    Ok(pruned.filter_map(std::future::ready).collect().await)
}
