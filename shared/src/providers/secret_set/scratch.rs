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
    error::{Error, Kind, Result, failed, not_found, refused, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Sighting},
    providers::postgres::scratch::ledger::{self, Ledger},
    stream::Keys,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
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
        match std::fs::DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(Error::from(error).during("making the folder of drills"));
            }
            Ok(()) | Err(_) => {}
        }
        let meta = std::fs::symlink_metadata(root)?;
        if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.permissions().mode() & 0o022 != 0 {
            return Err(refused(format!("{} is not a folder of ours alone", root.display())).hint("move it away, or set TMPDIR elsewhere"));
        }
        Ok(Self { root: root.to_owned(), asset, keys, progress })
    }

    fn folder(&self, name: &ReplicaName) -> Result<PathBuf> {
        let fits = !name.0.is_empty() && name.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(self.root.join(&name.0)) } else { Err(failed("a replica's name is not one of ours")) }
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
        match ledger::read(&self.folder(name)?) {
            Ok(Some(ledger)) => Ok(Some(Replica { name: ledger.name, expires: ledger.expires, sighting: Sighting::of(ledger.restored) })),
            // What a stranger made is no replica of ours; making one there will be refused.
            Err(error) if error.kind() == Kind::Conflict => Ok(None),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        }
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
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let folder = entry?.path();
            ledger::bury(&folder)?;
            // What has no ledger of ours is a stranger's and stays.
            if let Ok(Some(ledger)) = ledger::read(&folder) {
                found.push(Replica { name: ledger.name, expires: ledger.expires, sighting: Sighting::of(ledger.restored) });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }
}
