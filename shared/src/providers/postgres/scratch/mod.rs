//! Replicas on this machine: each a private throwaway Postgres with its own data folder, one socket and no network.
//!
//! A replica is ours because its ledger says so; nothing else in the folder is ever touched. It outlives the invocation
//! that made it, so that the next one can carry on or clear it away, and no other.

mod account;
mod engine;
mod physical;

pub use account::Account;
pub use engine::fresh_password;
pub use physical::{Unpack, needed_settings};

use self::engine::{DRILLER, Engine, SUPERUSER};
use super::{
    PgUrl, Tool, Tools, ask,
    connect::{connect, literal},
    restore::{
        Restore, Transaction,
        globals::{Rights, Tag},
        needed,
    },
    tools::Version,
};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest, Method},
        drill::ReplicaName,
    },
    env::Progress,
    error::{During, Error, Kind, Result, corrupt, failed, not_found},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Sighting},
    providers::ledger::{self, Ledger},
    stream::Keys,
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const DATABASE: &str = "replica";

/// Throwaway servers below one folder.
pub struct Scratch {
    root: PathBuf,
    account: Account,
    asset: AssetName,
    tools: Tools,
    keys: Keys,
    progress: Arc<dyn Progress>,
}

impl Scratch {
    /// Keeps replicas of `asset` below `root`, a folder that outlives this invocation.
    pub fn new(root: &Path, asset: AssetName, tools: Tools, keys: Keys, progress: Arc<dyn Progress>) -> Result<Self> {
        let account = Account::for_servers()?;
        let root = account::root(root, account).during("making the folder of throwaway servers")?;
        Ok(Self { root, account, asset, tools, keys, progress })
    }

    /// Where the replicas are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self, name: &ReplicaName) -> Result<PathBuf> {
        ledger::folder(&self.root, name)
    }

    fn ours(&self, name: &ReplicaName) -> Result<(PathBuf, Ledger)> {
        let folder = self.folder(name)?;
        let ledger = ledger::read(&folder)?.ok_or_else(|| not_found(format!("there is no replica {name}")))?;
        Ok((folder, ledger))
    }

    /// Where a replica's data is asked, as the role that may.
    fn url(&self, name: &ReplicaName) -> Result<PgUrl> {
        let (folder, ledger) = self.ours(name)?;
        let engine = Engine::new(&folder, self.account);
        let physical = folder.join("backup_manifest").exists();
        engine.url(if physical { DRILLER } else { SUPERUSER }, &ledger.database)
    }

    async fn server_for(&self, backup: &Manifest) -> Result<Version> {
        match backup.form() {
            Form::Export => Ok(self.tools.for_server(Tool::Postgres, needed(backup)).await?.version),
            Form::Snapshot => Ok(self.tools.of_major(Tool::Postgres, backup.source.server_version_num / 10_000).await?.version),
        }
    }

    async fn logical(
        &self,
        engine: &Engine,
        folder: &Path,
        ledger: &Ledger,
        backup: &Manifest,
        vault: &Vault,
    ) -> Result<BTreeMap<String, String>> {
        let version = self.server_for(backup).await?;
        engine.init(&self.tools, version).await.map_err(|error| not_the_backups_fault(&error))?;
        engine.start(&self.tools, version.major).await.map_err(|error| not_the_backups_fault(&error))?;
        let server = engine.url(SUPERUSER, "postgres")?;
        engine.confirm_fenced(&server).await?;
        let client = connect(&server).await?;
        ask::create_database(&client, &ledger.database, &backup.expectations).await?;
        let tag = Tag { lastgood: ledger.name.0.clone(), expires: ledger.expires, asset: ledger.asset.to_string(), restored: false };
        Restore {
            backup,
            bucket: vault.bucket().clone(),
            keys: &self.keys,
            progress: &*self.progress,
            tools: &self.tools,
            into: server.with_database(&ledger.database),
            rights: Rights::OwnerOnly,
            tag,
            transaction: Transaction::One,
            spool: folder.join("spool"),
        }
        .run()
        .await
    }

    async fn physical(
        &self,
        engine: &Engine,
        folder: &Path,
        ledger: &mut Ledger,
        backup: &Manifest,
        vault: &Vault,
    ) -> Result<BTreeMap<String, String>> {
        let version = self.server_for(backup).await?;
        engine.prepare()?;
        let unpack = Unpack {
            backup,
            bucket: vault.bucket().clone(),
            keys: &self.keys,
            progress: &*self.progress,
            tools: &self.tools,
            account: self.account,
        };
        unpack.unpack_to(&engine.data(), &folder.join("tablespaces")).await?;
        let more = needed_settings(&self.tools, &engine.data(), version.major, self.account).await?;
        let password = engine.password(&fresh_password()?)?;
        engine.configure(DRILLER, &more)?;
        self.first_start(engine, version, password.expose()).await?;
        engine.start(&self.tools, version.major).await?;
        ledger.database =
            backup.source.database.clone().or_else(|| database_of(&backup.source.address)).unwrap_or_else(|| "postgres".to_owned());
        let url = engine.url(DRILLER, &ledger.database)?;
        engine.confirm_fenced(&url).await?;
        if let Some(expected) = &backup.source.system_identifier {
            let found = ask::system_identifier(&connect(&url).await?).await;
            if found.as_ref() != Some(expected) {
                return Err(corrupt("the base backup is of another cluster than its manifest says"));
            }
        }
        Ok([("postgres".to_owned(), version.to_string()), ("pg_verifybackup".to_owned(), version.to_string())].into())
    }

    /// The first start of a physical copy is in single-user mode, where nothing else runs: WAL is replayed, subscriptions
    /// are switched off and cut from their slots, and our role is made. Only then may a server with workers start.
    async fn first_start(&self, engine: &Engine, version: Version, password: &str) -> Result<()> {
        use tokio::io::AsyncWriteExt;
        let postgres = self.tools.of_major(Tool::Postgres, version.major).await?;
        let program = postgres.program().account(self.account.ids()).arg("--single").arg("-D").arg(engine.data()).arg("template1");
        let (mut input, mut running) = program.feed()?;
        let sql = format!(
            "update pg_catalog.pg_subscription set subenabled = false, subslotname = null\n\
             create role {DRILLER} superuser login password {password}\n",
            password = literal(password)
        );
        let fed = async {
            input.write_all(sql.as_bytes()).await?;
            input.shutdown().await
        };
        // If it ends before it has read everything, what it said is the reason.
        let _ = fed.await;
        drop(input);
        let ended = running.finish().await;
        let said = running.said();
        let complaint = said.lines().find(|line| ["FATAL", "PANIC", "ERROR"].iter().any(|level| line.contains(level)));
        match (ended, complaint) {
            (Ok(()), None) => Ok(()),
            (ended, complaint) => {
                let why = complaint.map_or("it ended badly", |line| line.split_once(":  ").map_or(line, |(_, text)| text));
                let error = failed(format!("the restored data folder does not recover: {}", crate::redact::clip(why, 300)));
                Err(match ended {
                    Ok(()) => error,
                    Err(cause) => error.because(cause),
                })
            }
        }
    }
}

/// An empty server that does not come up says nothing about a backup.
fn not_the_backups_fault(error: &Error) -> Error {
    let hint = error.advice().map(str::to_owned);
    let told = Error::new(if error.kind() == Kind::NoSpace { Kind::NoSpace } else { Kind::Retry }, error.full());
    match hint {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

/// The database of `host:port/database`.
fn database_of(address: &str) -> Option<String> {
    address.rsplit_once('/').map(|(_, database)| database.to_owned()).filter(|database| !database.is_empty())
}

#[async_trait]
impl Replicas for Scratch {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let folder = self.folder(name)?;
        self.server_for(backup).await.during("looking for a Postgres on this machine to restore into")?;
        if ledger::read(&folder)?.is_some() {
            return Ok(());
        }
        let ledger = Ledger { name: name.clone(), asset: self.asset.clone(), expires, restored: false, database: DATABASE.to_owned() };
        ledger::create(&folder, &ledger, if self.account.ids().is_some() { 0o711 } else { 0o700 })
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        let folder = self.folder(name)?;
        let Some(ledger) = ledger::ours(&folder)? else { return Ok(None) };
        let ready = ledger.restored
            && match self.url(name) {
                Ok(url) => connect(&url).await.is_ok(),
                Err(_) => false,
            };
        Ok(Some(Replica { name: ledger.name, expires: ledger.expires, sighting: Sighting::of(ready) }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let (folder, mut ledger) = self.ours(name)?;
        let engine = Engine::new(&folder, self.account);
        let tools = match backup.method {
            Method::PgDumpCustom | Method::PgDumpPlain | Method::PgDumpDirectory => {
                self.logical(&engine, &folder, &ledger, backup, vault).await?
            }
            Method::PgBaseBackup => self.physical(&engine, &folder, &mut ledger, backup, vault).await?,
            Method::RedisRdb | Method::SecretsJsonl => {
                return Err(crate::error::unsupported("what is no export of Postgres is not restored into one"));
            }
            Method::ProviderSnapshot | Method::PointInTime => return Err(super::restore::providers_own()),
        };
        ledger.restored = true;
        ledger::save(&folder, &ledger)?;
        Ok(tools)
    }

    async fn measure(&self, name: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations> {
        ask::measure(&self.url(name)?, expected, form).await
    }

    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows> {
        ask::ask(&self.url(name)?, sql).await
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        ask::amcheck(&self.url(name)?, &self.tools).await
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        let folder = self.folder(name)?;
        let Some(_) = ledger::read(&folder)? else { return Ok(()) };
        let engine = Engine::new(&folder, self.account);
        engine.stop().await.during(format!("stopping replica {name}"))?;
        engine.clear()?;
        let removed = tokio::task::spawn_blocking(move || {
            // Whatever was still writing when it was given up ends at its next byte.
            let mut tries = 0..20;
            loop {
                match ledger::remove(&folder) {
                    Err(_) if tries.next().is_some() => std::thread::sleep(Duration::from_millis(100)),
                    removed => return removed,
                }
            }
        });
        let removed = removed.await.map_err(|error| failed("removing a replica was interrupted").because(error))?;
        removed.during(format!("removing replica {name}"))
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        ledger::replicas(&self.root)
    }
}
