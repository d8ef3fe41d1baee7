//! A private folder for spools and sockets: one for each invocation, gone with it, and what a killed one left is wiped by
//! the next.
//!
//! Each folder is locked as long as its invocation lives, so that two at once never wipe each other.

use crate::error::{During, Error, Result, refused};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{DirBuilder, File},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The file in a scratch folder whose lock says that its invocation lives.
const LOCK: &str = ".lock";

/// A private folder. Dropping it removes it and everything in it.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes a folder below `base` (the machine's folder for temporary files when not given), after wiping what dead
    /// invocations left there.
    pub fn new(base: Option<&Path>) -> Result<Self> {
        let home = home(base).during("making a scratch folder")?;
        sweep(&home);
        let folder = tempfile::Builder::new().prefix("run-").rand_bytes(8).permissions(permissions()).tempdir_in(&home);
        let folder = folder.map_err(Error::from).during("making a scratch folder")?;
        let lock = File::create(folder.path().join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| Error::from(std::io::Error::from(errno)))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A root process hands work to an unprivileged account, which must be able to pass through, but not to look around.
fn mode() -> u32 {
    if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 }
}

fn permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(mode())
}

/// Returns the folder in which this account's scratch folders are; refuses one that somebody else put there.
fn home(base: Option<&Path>) -> Result<PathBuf> {
    let base = base.map_or_else(std::env::temp_dir, Path::to_owned);
    let user = rustix::process::geteuid().as_raw();
    let home = base.join(format!("lastgood-{user}"));
    match DirBuilder::new().mode(mode()).create(&home) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(Error::from(error).during(home.display())),
        _ => {}
    }
    let seen = std::fs::symlink_metadata(&home)?;
    if !seen.is_dir() || seen.uid() != user || seen.mode() & 0o022 != 0 {
        return Err(refused(format!("{} is not a folder of ours alone", home.display()))
            .hint("remove it, or name another folder with LASTGOOD_SCRATCH"));
    }
    Ok(home)
}

/// Wipes what invocations left that are no more. What cannot be removed stays for the next sweep.
fn sweep(home: &Path) {
    let Ok(entries) = std::fs::read_dir(home) else { return };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let lock = File::open(folder.join(LOCK));
        let dead = match &lock {
            Ok(lock) => flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            // Without a lock it is being made this very moment, or was left half made: by now or long ago.
            Err(_) => older_than_a_minute(&folder),
        };
        if dead && let Err(error) = std::fs::remove_dir_all(&folder) {
            tracing::debug!(folder = %folder.display(), %error, "a left-over scratch folder stays");
        }
    }
}

fn older_than_a_minute(folder: &Path) -> bool {
    let age = std::fs::metadata(folder).and_then(|seen| seen.modified()).map(|at| at.elapsed().unwrap_or_default());
    age.is_ok_and(|age| age.as_secs() > 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_invocation_left_is_wiped_and_what_a_living_one_has_stays() {
        let base = tempfile::tempdir().unwrap();
        let living = Scratch::new(Some(base.path())).unwrap();
        std::fs::write(living.path().join("spool"), "x").unwrap();
        let killed = Scratch::new(Some(base.path())).unwrap();
        std::fs::write(killed.path().join("spool"), "x").unwrap();
        let left = killed.path().to_owned();
        let Scratch { folder, _lock: lock } = killed;
        let _ = folder.keep();
        drop(lock);

        let next = Scratch::new(Some(base.path())).unwrap();
        assert!(!left.exists());
        assert!(living.path().join("spool").exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let user = rustix::process::geteuid().as_raw();
        let home = base.path().join(format!("lastgood-{user}"));
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = Scratch::new(Some(base.path())).unwrap_err();
        assert_eq!(error.kind(), crate::error::Kind::Refused);

        std::fs::remove_dir(&home).unwrap();
        std::os::unix::fs::symlink("/", &home).unwrap();
        assert_eq!(Scratch::new(Some(base.path())).unwrap_err().kind(), crate::error::Kind::Refused);
    }
}
