//! Replicas on this machine: each a private throwaway Redis that has loaded one export, with its keys counted.
//!
//! A replica is ours because its ledger says so; nothing else in the folder is ever touched. It outlives the invocation that made
//! it, so that the next one can carry on or clear it away.

use super::{
    client::keyspace,
    server::{Engine, Programs, numbers},
};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest, Method},
        drill::ReplicaName,
    },
    env::Progress,
    error::{During, Error, Result, not_found, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Sighting},
    providers::ledger::{self, Ledger},
    stream::{Keys, lay_down},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Throwaway servers below one folder.
pub struct RedisScratch {
    root: PathBuf,
    asset: AssetName,
    programs: Programs,
    keys: Keys,
    progress: Arc<dyn Progress>,
}

impl RedisScratch {
    /// Keeps replicas of `asset` below `root`, a folder that outlives this invocation.
    pub fn new(root: &Path, asset: AssetName, programs: Programs, keys: Keys, progress: Arc<dyn Progress>) -> Result<Self> {
        // A socket's path has room for so much.
        let root = if root.as_os_str().len() <= 75 {
            root.to_owned()
        } else {
            use sha2::{Digest, Sha256};
            let digest = hex::encode(&Sha256::digest(root.as_os_str().as_encoded_bytes())[..4]);
            std::env::temp_dir().join(format!("lastgood-redis-{digest}"))
        };
        ledger::private(&root)?;
        Ok(Self { root, asset, programs, keys, progress })
    }

    fn folder(&self, name: &ReplicaName) -> Result<PathBuf> {
        ledger::folder(&self.root, name)
    }

    /// Opens the export and lays it down for a server to load: what is loaded are bytes that were compared with their record.
    async fn lay_down(&self, backup: &Manifest, vault: &Vault, engine: &Engine) -> Result<()> {
        let artifact = backup.main().ok_or_else(|| unsupported("a backup without an artifact holds no RDB file"))?;
        let gauge = self.progress.begin(&format!("loading {}", artifact.key), Some(artifact.size));
        let path = engine.file();
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        lay_down(vault.bucket().clone(), artifact, &self.keys, gauge.into(), &path).await
    }
}

/// The version that a server must have to load what was written.
pub(super) fn needed(backup: &Manifest) -> Option<(u32, u32)> {
    backup.source.server.split_whitespace().find_map(numbers)
}

fn silent(name: &ReplicaName) -> Error {
    unsupported(format!("{name} is a Redis: it answers no SQL"))
}

#[async_trait]
impl Replicas for RedisScratch {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let folder = self.folder(name)?;
        self.programs.newest(needed(backup)).await?;
        if ledger::read(&folder)?.is_some() {
            return Ok(());
        }
        let ledger = Ledger { name: name.clone(), asset: self.asset.clone(), expires, restored: false, database: "0".to_owned() };
        ledger::create(&folder, &ledger, 0o700)
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        let folder = self.folder(name)?;
        let Some(ledger) = ledger::ours(&folder)? else { return Ok(None) };
        let ready = ledger.restored && keyspace(&Engine::new(&folder).socket()).await.is_ok();
        Ok(Some(Replica { name: ledger.name, expires: ledger.expires, sighting: Sighting::of(ready) }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        if backup.method != Method::RedisRdb {
            return Err(unsupported("only exports of Redis are loaded into one"));
        }
        let folder = self.folder(name)?;
        let mut ledger = ledger::read(&folder)?.ok_or_else(|| not_found(format!("there is no replica {name}")))?;
        let (program, version) = self.programs.newest(needed(backup)).await?;
        let engine = Engine::new(&folder);
        engine.stop().await?;
        self.lay_down(backup, vault, &engine).await?;
        engine.load(&program).await?;
        ledger.restored = true;
        ledger::save(&folder, &ledger)?;
        let tool = program.file_name().map_or_else(|| "redis-server".to_owned(), |name| name.to_string_lossy().into_owned());
        Ok([(tool, version)].into())
    }

    async fn measure(&self, name: &ReplicaName, _: &Expectations, _: Form) -> Result<Expectations> {
        let engine = Engine::new(&self.folder(name)?);
        Ok(Expectations { keyspace: keyspace(&engine.socket()).await?, ..Expectations::default() })
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
        let engine = Engine::new(&folder);
        engine.stop().await.during(format!("stopping replica {name}"))?;
        engine.clear()?;
        ledger::remove(&folder).during(format!("removing replica {name}"))
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        ledger::replicas(&self.root)
    }
}
