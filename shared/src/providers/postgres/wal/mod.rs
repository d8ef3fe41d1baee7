//! The write-ahead log of a self-managed Postgres: what the server says of its archiver, and what pgBackRest or WAL-G really hold.
//!
//! Nothing is changed, and no WAL is read. A repository is asked through its own program with its own config, so that none of its
//! secrets passes through here.

mod archiver;
mod pgbackrest;
mod walg;

use super::{PgUrl, Tools, child::Program};
use crate::{
    config::{WalPolicy, WalRepository},
    domain::wal::{ArchiverSeen, RepositorySeen},
    error::{Result, failed, not_found},
    ports::WalArchive,
};
use async_trait::async_trait;
use serde::Deserialize;
use std::time::Duration;

/// A repository in a bucket is listed; more than this nobody waits for.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where one server's write-ahead log goes.
#[derive(Debug)]
pub struct Archive {
    url: PgUrl,
    policy: WalPolicy,
    tools: Tools,
}

impl Archive {
    /// Asks nobody yet.
    pub fn new(url: PgUrl, policy: WalPolicy, tools: Tools) -> Self {
        Self { url, policy, tools }
    }

    /// A repository's own program, where this machine has it.
    fn program(&self, name: &str, package: &str) -> Result<Program> {
        let path = self.tools.path_of(name).ok_or_else(|| {
            not_found(format!("{name} is not on this machine")).hint(format!(
                "install {package} where the checker runs, with a config that may read the repository; or leave `repository` out"
            ))
        })?;
        Ok(Program::new(&path).within(PATIENCE))
    }
}

#[async_trait]
impl WalArchive for Archive {
    async fn archiver(&self) -> Result<ArchiverSeen> {
        archiver::seen(&self.url).await
    }

    async fn repository(&self) -> Result<Option<RepositorySeen>> {
        match &self.policy.repository {
            None => Ok(None),
            Some(WalRepository::Pgbackrest(of)) => pgbackrest::seen(self.program("pgbackrest", "pgBackRest")?, of).await.map(Some),
            Some(WalRepository::Walg(of)) => {
                let program = self.program("wal-g", "WAL-G")?.connected_to(&self.url);
                walg::seen(&program, of).await.map(Some)
            }
        }
    }
}

/// Reads what a program printed.
fn read<T: for<'a> Deserialize<'a>>(who: &str, printed: &str) -> Result<T> {
    serde_json::from_str(printed).map_err(|error| failed(format!("{who} answered what cannot be read")).because(error))
}

/// Where a segment's name stands among those of other timelines: these go on with the numbers.
fn place(name: &str) -> &str {
    name.get(8..24).unwrap_or_default()
}
