//! Begins a snapshot of every asset that is due and sees it through.
//!
//! A Postgres of one's own is snapshotted by a base backup: the whole server with the WAL that it needs, streamed into the
//! vault, stored, read back and recorded, its manifest last. It reads its sources and never changes them.

use lastgood_core::{
    backup::{self, BackupReport, When},
    domain::backup::Form,
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
};
use serde::Deserialize;

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
    type Report = BackupReport;

    async fn run(self, env: &Env) -> Result<BackupReport> {
        backup::run(env, Self::NAME, Form::Snapshot, self.asset.as_ref(), self.when).await
    }
}
