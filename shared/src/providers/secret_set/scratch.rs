//! Drills of an export of secrets: it is opened, every line is read, every value compared with its digest, and what was found there
//! by name and version compared with what was recorded. No server is started and no value is kept, in memory or on a disk: a replica
//! is a folder with a ledger, and the names and versions that were read.

use super::{Lines, checked};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest},
        drill::ReplicaName,
    },
    env::Progress,
    error::{Error, Result, failed, not_found, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows},
    providers::ledger::{self, Ledger},
    stream::Keys,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The names and versions that were read.
const SEEN: &str = "versions.json";

/// Openings of exports below one folder.
pub struct SecretScratch {
    root: PathBuf,
    asset: AssetName,
    keys: Keys,
    progress: Arc<dyn Progress>,
}

impl SecretScratch {
    /// Keeps what is known of openings of `asset` below `root`, a folder that outlives this invocation.
    pub fn new(root: &Path, asset: AssetName, keys: Keys, progress: Arc<dyn Progress>) -> Result<Self> {
        ledger::private(root)?;
        Ok(Self { root: root.to_owned(), asset, keys, progress })
    }

    fn folder(&self, name: &ReplicaName) -> Result<PathBuf> {
        ledger::folder(&self.root, name)
    }
}

fn silent(name: &ReplicaName) -> Error {
    unsupported(format!("{name} is an opened export of secrets: it answers no question but its names and versions"))
}

#[async_trait]
impl Replicas for SecretScratch {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let folder = self.folder(name)?;
        // Whoever lacks the key is told before anything is begun.
        backup.artifacts.iter().try_for_each(|artifact| self.keys.can_open(artifact))?;
        if ledger::read(&folder)?.is_some() {
            return Ok(());
        }
        let ledger = Ledger { name: name.clone(), asset: self.asset.clone(), expires, restored: false, database: "secrets".to_owned() };
        ledger::create(&folder, &ledger, 0o700)
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        Ok(ledger::ours(&self.folder(name)?)?.map(Replica::from))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let folder = self.folder(name)?;
        let mut ledger = ledger::read(&folder)?.ok_or_else(|| not_found(format!("there is no replica {name}")))?;
        let seen = checked(Lines::open(backup, vault, &self.keys, &*self.progress).await?).await?;
        let text = serde_json::to_vec(&seen).map_err(|error| failed("noting names and versions").because(error))?;
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(folder.join(SEEN))?;
        file.write_all(&text)?;
        file.sync_all()?;
        ledger.restored = true;
        ledger::save(&folder, &ledger)?;
        Ok([("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into())
    }

    async fn measure(&self, name: &ReplicaName, _: &Expectations, _: Form) -> Result<Expectations> {
        let text = std::fs::read(self.folder(name)?.join(SEEN))?;
        // Only ours writes there; where somebody else did, nothing is known of the backup.
        let secrets = serde_json::from_slice(&text).map_err(|_| unsupported("what was noted of the export cannot be read any more"))?;
        Ok(Expectations { secrets, ..Expectations::default() })
    }

    async fn ask(&self, name: &ReplicaName, _: &str) -> Result<Rows> {
        Err(silent(name))
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        Err(silent(name))
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        let folder = self.folder(name)?;
        let Some(_) = ledger::read(&folder)? else { return Ok(()) };
        ledger::remove(&folder).map_err(|error| error.during(format!("removing replica {name}")))
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        ledger::replicas(&self.root)
    }
}
