//! Streams logical exports into the vault.
//!
//! Each asset whose export is due is dumped from one consistent snapshot, stored, read back and recorded, its manifest last.
//! It reads its sources and never changes them.

mod analytics;

use lastgood_core::{
    backup::{self, BackupReport, When},
    domain::backup::Form,
    env::Env,
    error::Result,
    function::Function,
    id::AssetName,
};
use serde::Deserialize;

/// Exports every asset that is due.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct ExportToBucket {
    /// The asset; every asset that is due when not given.
    pub asset: Option<AssetName>,
    /// When: an event waits for what is due, an operator's hand does not. No event can say it.
    #[serde(skip)]
    #[arg(skip)]
    pub when: When,
    /// Lets the provider write what is due for analysts instead: not a backup.
    #[arg(long)]
    #[serde(default)]
    pub analytics: bool,
}

impl Function for ExportToBucket {
    const NAME: &'static str = "export-to-bucket";
    /// A fleet has no exports: each would need the URL of a database.
    const SEES_FLEETS: bool = false;
    type Report = BackupReport;

    async fn run(self, env: &Env) -> Result<BackupReport> {
        if self.analytics {
            return analytics::run(env, self.asset.as_ref()).await;
        }
        backup::run(env, Self::NAME, Form::Export, self.asset.as_ref(), self.when).await
    }
}
