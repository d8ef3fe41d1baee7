//! A restore into a new data folder: unpacked beside it, compared file by file, fenced, and only then given its name.
//!
//! The server is not started: that is the operator's decision, and the folder says what is still switched off.

use super::Means;
use crate::{
    catalog::Vault,
    domain::backup::{Expectations, Form, Manifest},
    error::{During, Result, busy, conflict, failed, refused},
    ports::RestoreTarget,
    providers::postgres::scratch::{Account, Unpack},
    stream,
};
use async_trait::async_trait;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

const LEDGER: &str = "lastgood-restore.json";
/// What a copy of production must not do before somebody decided so.
const FENCE: &str = "
# Written by lastgood: this folder is a restored copy. Remove these lines once it may act as the server it was.
archive_mode = 'off'
restore_command = ''
primary_conninfo = ''
primary_slot_name = ''
recovery_target = ''
recovery_target_time = ''
recovery_target_xid = ''
recovery_target_lsn = ''
recovery_target_name = ''
max_logical_replication_workers = '0'
";

/// A new data folder on this machine.
pub struct NewFolder {
    means: Means,
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Ledger {
    restore_of: String,
    into: PathBuf,
}

impl NewFolder {
    /// The folder at `folder`, which must not exist or be empty.
    pub fn new(means: Means, folder: PathBuf) -> Self {
        Self { means, folder }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.folder.file_name().unwrap_or_default().to_os_string();
        name.push(ending);
        self.folder.with_file_name(name)
    }

    fn unfinished(&self) -> PathBuf {
        self.beside(".lastgood-unfinished")
    }

    fn tablespaces(&self) -> PathBuf {
        self.beside("-tablespaces")
    }

    fn ledger(&self) -> Ledger {
        Ledger { restore_of: self.means.asset.to_string(), into: self.folder.clone() }
    }

    fn guard(&self, backup: &Manifest) -> Result<()> {
        let parent = self.folder.parent().ok_or_else(|| refused("the target has no parent folder"))?;
        if !parent.is_dir() {
            return Err(refused(format!("{} is not a folder", parent.display())).hint("make it, or name another place"));
        }
        let empty = |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        for path in [self.folder.clone(), self.tablespaces()] {
            if std::fs::symlink_metadata(&path).is_ok() && !empty(&path) && !(path == self.tablespaces() && self.unfinished().exists()) {
                return Err(refused(format!("{} exists and is not empty", path.display()))
                    .hint("name a folder that does not exist yet: a restore goes beside what is there, never over it"));
            }
        }
        if self.unfinished().exists() {
            self.read_ledger()?;
        }
        let needs: u64 = backup.artifacts.iter().map(|artifact| artifact.plain_size).sum();
        let room = rustix::fs::statvfs(parent).map_or(u64::MAX, |seen| seen.f_bavail.saturating_mul(seen.f_frsize));
        if room < needs {
            return Err(crate::error::no_space(format!("the restore needs {needs} bytes below {}, and {room} are free", parent.display())));
        }
        Ok(())
    }

    fn read_ledger(&self) -> Result<()> {
        let text = std::fs::read(self.unfinished().join(LEDGER)).unwrap_or_default();
        match serde_json::from_slice::<Ledger>(&text) {
            Ok(ledger) if ledger.into == self.folder && ledger.restore_of == self.means.asset.as_str() => Ok(()),
            Ok(_) | Err(_) => {
                Err(conflict(format!("{} exists and is not an unfinished restore of this asset", self.unfinished().display()))
                    .hint("look at it, and move it away if nobody needs it"))
            }
        }
    }

    /// Begins in a folder of our own, from zero, and holds it against a second restore as long as the file is open.
    fn begin(&self) -> Result<File> {
        let unfinished = self.unfinished();
        if unfinished.exists() {
            self.read_ledger()?;
            let held = File::open(unfinished.join(LEDGER))?;
            flock(&held, FlockOperation::NonBlockingLockExclusive)
                .map_err(|_| busy(format!("another restore into {} is under way", self.folder.display())))?;
            self.clear()?;
        }
        std::fs::create_dir(&unfinished).during(format!("making {}", unfinished.display()))?;
        let text = serde_json::to_vec_pretty(&self.ledger()).map_err(|error| failed("writing a ledger").because(error))?;
        let mut file = File::create_new(unfinished.join(LEDGER))?;
        file.write_all(&text)?;
        file.sync_all()?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| busy(format!("another restore into {} is under way", self.folder.display())))?;
        Ok(file)
    }

    fn clear(&self) -> Result<()> {
        if self.tablespaces().exists() {
            std::fs::remove_dir_all(self.tablespaces())?;
        }
        if self.unfinished().exists() {
            std::fs::remove_dir_all(self.unfinished())?;
        }
        Ok(())
    }

    async fn unpack(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let account = Account::of_data_folders()?;
        let data = self.unfinished().join("data");
        let unpack = Unpack {
            backup,
            bucket: vault.bucket().clone(),
            keys: &self.means.keys,
            progress: &*self.means.progress,
            tools: &self.means.tools,
            account,
        };
        unpack.unpack_to(&data, &self.tablespaces()).await?;
        for signal in ["recovery.signal", "standby.signal", "postmaster.pid"] {
            let path = data.join(signal);
            if path.exists() {
                std::fs::remove_file(path)?;
            }
        }
        let settings = data.join("postgresql.auto.conf");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&settings)?;
        file.write_all(FENCE.as_bytes())?;
        account.own(&settings)?;
        if self.folder.exists() {
            std::fs::remove_dir(&self.folder)?;
        }
        std::fs::rename(&data, &self.folder).during(format!("giving {} its name", self.folder.display()))?;
        std::fs::remove_dir_all(self.unfinished())?;
        let major = (backup.source.server_version_num / 10_000).to_string();
        Ok([("pg_verifybackup".to_owned(), major)].into())
    }
}

#[async_trait]
impl RestoreTarget for NewFolder {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        self.guard(backup)?;
        Ok(vec![
            format!("read back every stored byte of backup {} ({} objects)", backup.id, backup.artifacts.len()),
            format!("unpack it beside {}, and compare every file with Postgres' own manifest", self.folder.display()),
            "fence it: no archiving, no subscriptions, no recovery from elsewhere".to_owned(),
            format!("give it its name, {}; it is not started", self.folder.display()),
        ])
    }

    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        self.guard(backup)?;
        for artifact in &backup.artifacts {
            let gauge = self.means.progress.begin(&format!("reading {}", artifact.key), Some(artifact.size));
            stream::verify(&**vault.bucket(), artifact, &*gauge).await.during("reading the backup before the target is touched")?;
        }
        let held = self.begin()?;
        let done = self.unpack(backup, vault).await;
        if done.is_err() {
            self.clear()?;
        }
        drop(held);
        done
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        let major = backup.source.server_version_num / 10_000;
        vec![
            format!("read {}/postgresql.auto.conf: what is switched off is at its end", self.folder.display()),
            format!(
                "start it with Postgres {major}, as the owner of the folder, on a port of its own: pg_ctl -D {} start",
                self.folder.display()
            ),
            "in each database: alter subscription … disable, before subscriptions are allowed to work again".to_owned(),
            "remove the fence and restart once it takes over; keep the old server until you are sure".to_owned(),
        ]
    }
}
