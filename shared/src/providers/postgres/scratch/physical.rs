//! A base backup becomes a data folder again: unpacked, compared with Postgres' own manifest, fenced before its first start.
//!
//! It never leaves the folder that it was given: no path leads out, no link is followed, and tablespaces are laid beside
//! the data folder instead of where they were, which on the source's own machine would be production's.

use super::account::Account;
use crate::{
    domain::backup::{Artifact, Manifest, Role},
    env::Progress,
    error::{During, Result, corrupt, failed, invalid},
    ports::{Bucket, ByteStream},
    providers::postgres::{Tool, Tools},
    stream,
};
use std::{
    collections::BTreeMap,
    io::Read,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink},
    path::{Component, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio_util::io::SyncIoBridge;

/// Where a base backup is unpacked from and to.
pub struct Unpack<'a> {
    /// The backup.
    pub backup: &'a Manifest,
    /// Where its bytes are.
    pub bucket: Arc<dyn Bucket>,
    /// What opens them.
    pub keys: &'a stream::Keys,
    /// Where progress is shown.
    pub progress: &'a dyn Progress,
    /// Postgres' programs.
    pub tools: &'a Tools,
    /// Whose files they become.
    pub account: Account,
}

impl Unpack<'_> {
    /// Unpacks into `data`, which must not exist, with tablespaces below `tablespaces`, and compares every file with the
    /// manifest that Postgres made. Nothing has been changed and nothing started when it returns.
    pub async fn unpack_to(&self, data: &Path, tablespaces: &Path) -> Result<()> {
        self.account.private_folder(data)?;
        let mut places = BTreeMap::new();
        for artifact in self.with(|role| matches!(role, Role::Data)) {
            self.untar(artifact, data, Links::Tablespaces).await?;
        }
        for artifact in self.with(|role| matches!(role, Role::Wal)) {
            self.untar(artifact, &data.join("pg_wal"), Links::Refused).await?;
        }
        for artifact in self.with(|role| matches!(role, Role::Tablespace(_))) {
            let Role::Tablespace(oid) = &artifact.role else { continue };
            if oid.is_empty() || !oid.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(corrupt(format!("{:?} is not the id of a tablespace", crate::redact::clip(oid, 20))));
            }
            if !tablespaces.exists() {
                self.account.private_folder(tablespaces)?;
            }
            let place = tablespaces.join(oid);
            self.account.private_folder(&place)?;
            self.untar(artifact, &place, Links::Refused).await?;
            places.insert(oid.clone(), place);
        }
        for (oid, place) in &places {
            symlink(place, data.join("pg_tblspc").join(oid))?;
        }
        self.verify(data).await?;
        self.move_tablespaces(data, &places)
    }

    fn with(&self, fits: impl Fn(&Role) -> bool) -> impl Iterator<Item = &Artifact> {
        self.backup.artifacts.iter().filter(move |artifact| fits(&artifact.role))
    }

    async fn untar(&self, artifact: &Artifact, to: &Path, links: Links) -> Result<()> {
        let gauge: Arc<dyn crate::env::Gauge> = self.progress.begin(&format!("unpacking {}", artifact.key), Some(artifact.size)).into();
        let bytes = stream::open(self.bucket.clone(), artifact, self.keys, gauge).await?;
        let (account, to) = (self.account, to.to_owned());
        let (reader, _given_up) = stoppable(SyncIoBridge::new(bytes));
        let done = tokio::task::spawn_blocking(move || untar(reader, &to, links, account)).await;
        done.map_err(|error| failed("unpacking was interrupted").because(error))?.during(format!("unpacking {}", artifact.key))
    }

    async fn verify(&self, data: &Path) -> Result<()> {
        let kept = data.with_file_name("backup_manifest");
        if let Some(artifact) = self.with(|role| *role == Role::BackupManifest).next() {
            let bytes = stream::open(self.bucket.clone(), artifact, self.keys, Arc::new(crate::env::Quiet)).await?;
            write_file(SyncIoBridge::new(bytes), kept.clone(), self.account).await?;
            let inside = data.join("backup_manifest");
            if inside.exists() {
                std::fs::remove_file(inside)?;
            }
        } else {
            std::fs::rename(data.join("backup_manifest"), &kept).during("looking for Postgres' own manifest of the base backup")?;
        }
        let major = self.backup.source.server_version_num / 10_000;
        let tool = self.tools.of_major(Tool::PgVerifybackup, major).await?;
        let checked = tool
            .program()
            .account(self.account.ids())
            .args(["--quiet", "--exit-on-error"])
            .arg(format!("--manifest-path={}", kept.display()))
            .arg(data)
            .run()
            .await;
        checked.map_err(|error| corrupt("the unpacked base backup is not what Postgres' manifest says").because(error)).map(|_| ())
    }

    /// Leads the server to where the tablespaces are now; `tablespace_map` still names where they were on the source.
    fn move_tablespaces(&self, data: &Path, places: &BTreeMap<String, PathBuf>) -> Result<()> {
        let map = data.join("tablespace_map");
        let Ok(text) = std::fs::read_to_string(&map) else {
            return if places.is_empty() { Ok(()) } else { Err(corrupt("the base backup has tablespaces but no map of them")) };
        };
        for line in text.lines() {
            let oid = line.split(' ').next().unwrap_or_default();
            if !places.contains_key(oid) {
                return Err(corrupt(format!("tablespace {} of the base backup is not among its artifacts", crate::redact::clip(oid, 20))));
            }
        }
        std::fs::remove_file(&map)?;
        let moved: Vec<_> = places.iter().map(|(oid, place)| format!("{oid} {}\n", place.display())).collect();
        if moved.is_empty() { Ok(()) } else { self.account.private_file(&map, &moved.concat()) }
    }
}

/// What to do about links in a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// Those of tablespaces are left out, to be laid anew; any other is refused.
    Tablespaces,
    /// Any is refused.
    Refused,
}

/// A reader that ends in an error once whoever waited for it has given up: a blocking task is not ended by being dropped.
struct Stoppable<R> {
    reader: R,
    stopped: Arc<AtomicBool>,
}

struct GivenUp(Arc<AtomicBool>);

fn stoppable<R>(reader: R) -> (Stoppable<R>, GivenUp) {
    let stopped = Arc::new(AtomicBool::new(false));
    (Stoppable { reader, stopped: stopped.clone() }, GivenUp(stopped))
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<R: Read> Read for Stoppable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(failed("unpacking was given up").into());
        }
        self.reader.read(buffer)
    }
}

fn untar(reader: impl Read, to: &Path, links: Links, account: Account) -> Result<()> {
    let mut archive = tar::Archive::new(reader);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let named = entry.path().map_err(|error| corrupt("a path in the tar is not one").because(error))?.into_owned();
        let path = inside(&named)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            make_folder(to, &path, account)?;
        } else if kind.is_file() {
            make_folder(to, path.parent().unwrap_or(Path::new("")), account)?;
            copy(&mut entry, &to.join(&path), account)?;
        } else if !(kind.is_symlink() && links == Links::Tablespaces && path.starts_with("pg_tblspc")) {
            return Err(corrupt(format!("{} in the tar is neither a file nor a folder", named.display()))
                .hint("no base backup of Postgres holds such a thing: treat the backup as tampered with"));
        }
    }
    // What follows the tar's end must be read too: the last bytes are compared with the record only at the end.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    Ok(())
}

/// Returns a tar's path as one that stays inside.
fn inside(path: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(corrupt(format!("{:?} in the tar leads out of its folder", crate::redact::clip(&path.to_string_lossy(), 80))));
            }
        }
    }
    Ok(clean)
}

fn make_folder(root: &Path, below: &Path, account: Account) -> Result<()> {
    let mut folder = root.to_owned();
    for part in below.components() {
        folder.push(part);
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => account.own(&folder)?,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy(from: &mut impl Read, to: &Path, account: Account) -> Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    std::io::copy(from, &mut file)?;
    account.own(to)
}

async fn write_file(mut from: SyncIoBridge<ByteStream>, to: PathBuf, account: Account) -> Result<()> {
    let done = tokio::task::spawn_blocking(move || copy(&mut from, &to, account)).await;
    done.map_err(|error| failed("writing was interrupted").because(error))?
}

/// Settings that a copy needs to have at least as large as its source had, from what its data folder says of itself.
pub async fn needed_settings(tools: &Tools, data: &Path, major: u32, account: Account) -> Result<Vec<(String, String)>> {
    let tool = tools.of_major(Tool::PgControldata, major).await?;
    let said = tool.program().account(account.ids()).arg(data).run().await.during("reading the data folder's control file")?;
    let value = |label: &str| said.lines().find_map(|line| Some(line.strip_prefix(label)?.trim().to_owned()));
    let system = value("Database system identifier:").ok_or_else(|| invalid("the data folder does not say which system it is"))?;
    let prepared = value("max_prepared_xacts setting:").unwrap_or_else(|| "0".to_owned());
    let locks: u64 = value("max_locks_per_xact setting:").and_then(|text| text.parse().ok()).unwrap_or(64);
    tracing::debug!(system, "unpacked a base backup");
    Ok(vec![("max_prepared_transactions".to_owned(), prepared), ("max_locks_per_transaction".to_owned(), locks.max(2048).to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn tar_with(name: &str, kind: tar::EntryType, link: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        // `set_path` would refuse what a hostile tar holds.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_ustar_mut().unwrap().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(if kind.is_file() { 4 } else { 0 });
        header.set_mode(0o4777);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        if kind.is_file() {
            bytes.write_all(b"evil").unwrap();
            bytes.resize(1024, 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    async fn unpack(bytes: Vec<u8>, to: PathBuf) -> Result<()> {
        let stream: ByteStream = Box::pin(std::io::Cursor::new(bytes));
        let reader = SyncIoBridge::new(stream);
        tokio::task::spawn_blocking(move || untar(reader, &to, Links::Tablespaces, Account::for_servers().unwrap())).await.unwrap()
    }

    #[tokio::test]
    async fn r46_a_hostile_tar_leads_nowhere() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(home.path().join("precious"), "safe").unwrap();
        let hostile = [
            ("../precious", tar::EntryType::Regular, ""),
            ("/tmp/lastgood-evil", tar::EntryType::Regular, ""),
            ("base/../../precious", tar::EntryType::Regular, ""),
            ("base", tar::EntryType::Symlink, "/"),
            ("pg_tblspc/../base", tar::EntryType::Symlink, "/"),
            ("base", tar::EntryType::Link, "../precious"),
            ("fifo", tar::EntryType::Fifo, ""),
            ("dev", tar::EntryType::Char, ""),
        ];
        for (name, kind, link) in hostile {
            let error = unpack(tar_with(name, kind, link), data.clone()).await.unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Corrupt, "{name} {kind:?}: {error:?}");
        }
        assert_eq!(std::fs::read_to_string(home.path().join("precious")).unwrap(), "safe");
        assert!(!Path::new("/tmp/lastgood-evil").exists());
        assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
        unpack(tar_with("base/1/1259", tar::EntryType::Regular, ""), data.clone()).await.unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(data.join("base/1/1259")).unwrap().permissions());
        assert_eq!(mode & 0o7777, 0o600);
    }
}
