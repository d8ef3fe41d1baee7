//! Restoring for real: into a new database on a server, or into a new data folder.
//!
//! Every guard is asked before anything is read, every byte is read before anything is touched, and what is touched is new.

mod database;
mod folder;

pub use database::NewDatabase;
pub use folder::NewFolder;

use super::Tools;
use crate::{env::Progress, id::AssetName, stream::Keys};
use std::{path::PathBuf, sync::Arc};

/// What every target needs.
#[derive(Clone)]
pub struct Means {
    /// The asset that is restored.
    pub asset: AssetName,
    /// Postgres' programs.
    pub tools: Tools,
    /// What opens the backups.
    pub keys: Keys,
    /// Where progress is shown.
    pub progress: Arc<dyn Progress>,
    /// A private folder for small files.
    pub spool: PathBuf,
}
