//! What tells a replica of ours on this machine from anything else: a ledger file in its folder, there before the first costly byte
//! and gone with the last.

use crate::{
    clock::Timestamp,
    domain::drill::ReplicaName,
    error::{During, Error, Kind, Result, conflict, corrupt, failed, refused},
    id::AssetName,
    ports::{Replica, Sighting},
};
use serde::{Deserialize, Serialize};
use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

const FILE: &str = "lastgood-replica.json";
const DYING: &str = ".gone-lastgood-";

/// What a replica's folder says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The replica.
    pub name: ReplicaName,
    /// The asset that it is a restore of.
    pub asset: AssetName,
    /// When it must be gone.
    pub expires: Timestamp,
    /// Whether a restore into it has ended well.
    pub restored: bool,
    /// The database that holds the restored data.
    pub database: String,
}

/// As far as its ledger says; whether a server behind it answers, whoever runs it knows.
impl From<Ledger> for Replica {
    fn from(ledger: Ledger) -> Self {
        Self { name: ledger.name, expires: ledger.expires, sighting: Sighting::of(ledger.restored) }
    }
}

/// Makes the folder that replicas lie below, and refuses one that somebody else could write to.
pub fn private(root: &Path) -> Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(root) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::from(error).during(format!("making {}, where drills restore to", root.display())));
        }
        Ok(()) | Err(_) => {}
    }
    let meta = std::fs::symlink_metadata(root)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.permissions().mode() & 0o022 != 0 {
        return Err(refused(format!("{} is not a folder of ours alone", root.display())).hint("move it away, or set TMPDIR elsewhere"));
    }
    Ok(())
}

/// The folder of a replica.
pub fn folder(root: &Path, name: &ReplicaName) -> Result<PathBuf> {
    let fits = !name.0.is_empty() && name.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { Ok(root.join(&name.0)) } else { Err(failed("a replica's name is not one of ours")) }
}

/// Every replica below a folder, by name. What has no ledger of ours is a stranger's and stays.
pub fn replicas(root: &Path) -> Result<Vec<Replica>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let folder = entry?.path();
        bury(&folder)?;
        if let Ok(Some(ledger)) = read(&folder) {
            found.push(Replica::from(ledger));
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Makes a replica's folder: it appears with its ledger in it or not at all.
pub fn create(folder: &Path, ledger: &Ledger, mode: u32) -> Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).ok_or_else(|| failed("a replica's folder has no name"))?;
    let making = folder.with_file_name(format!(".new-{name}"));
    if making.exists() {
        std::fs::remove_dir_all(&making)?;
    }
    std::fs::DirBuilder::new().mode(mode).create(&making)?;
    std::fs::set_permissions(&making, std::fs::Permissions::from_mode(mode))?;
    save(&making, ledger)?;
    // A folder that stands there already is not empty, so this fails and touches nothing.
    std::fs::rename(&making, folder).during(format!("making {}", folder.display()))
}

/// Saves the ledger of a folder, whole or not at all.
pub fn save(folder: &Path, ledger: &Ledger) -> Result<()> {
    let text = serde_json::to_vec_pretty(ledger).map_err(|error| failed("writing a ledger").because(error))?;
    let fresh = folder.join(".ledger");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&fresh, folder.join(FILE))?;
    Ok(())
}

/// Reads the ledger of a folder: none where there is no folder. A folder without a ledger, or with another's, is not ours.
pub fn read(folder: &Path) -> Result<Option<Ledger>> {
    if std::fs::symlink_metadata(folder).is_err() {
        return Ok(None);
    }
    let stranger =
        || conflict(format!("{} exists and is not ours", folder.display())).hint("look at it, and move it away if nobody needs it");
    let text = match std::fs::read(folder.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(stranger()),
        Err(error) => return Err(error.into()),
    };
    let ledger: Ledger =
        serde_json::from_slice(&text).map_err(|error| corrupt(format!("the ledger of {}", folder.display())).because(error))?;
    if folder.file_name().and_then(|name| name.to_str()) == Some(ledger.name.0.as_str()) { Ok(Some(ledger)) } else { Err(stranger()) }
}

/// Reads the ledger of a folder that may be a stranger's, who is no replica of ours: making one there will be refused.
pub fn ours(folder: &Path) -> Result<Option<Ledger>> {
    match read(folder) {
        Err(error) if error.kind() == Kind::Conflict => Ok(None),
        found => found,
    }
}

/// Removes a replica's folder, its ledger last: whatever interrupts this, what is left is still known as ours.
pub fn remove(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == FILE {
            continue;
        }
        if entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    let dying = folder.with_file_name(format!("{DYING}{}", folder.file_name().and_then(|name| name.to_str()).unwrap_or_default()));
    if dying.exists() {
        std::fs::remove_dir_all(&dying)?;
    }
    std::fs::rename(folder, &dying)?;
    std::fs::remove_dir_all(&dying)?;
    Ok(())
}

/// Removes what an interrupted removal left: a folder that had its ledger to the last.
fn bury(folder: &Path) -> Result<()> {
    let ours = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(DYING));
    if ours {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}
