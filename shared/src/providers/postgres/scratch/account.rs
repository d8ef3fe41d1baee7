//! The account that a throwaway server runs under, and folders that it can reach and nobody else can.
//!
//! The folder of replicas is the same every time, so that a later invocation finds what a killed one left.

use crate::{
    error::{Result, failed, refused},
    providers::postgres::account,
};
use sha2::{Digest, Sha256};
use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// What a socket's path may still need below the root: `/s-12345678/.s.PGSQL.5432`, of the 107 bytes that there are.
const LONGEST_ROOT: usize = 75;

/// An unprivileged account, when we are root; else servers run as who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account(Option<(u32, u32)>);

impl Account {
    /// Returns the account for servers started from here.
    pub fn for_servers() -> Result<Self> {
        account::for_throwaway().map(Self)
    }

    /// Returns the account that owns data folders here: a restored one is for it to start.
    pub fn of_data_folders() -> Result<Self> {
        account::for_server().map(Self)
    }

    /// The uid and gid to switch to.
    pub const fn ids(self) -> Option<(u32, u32)> {
        self.0
    }

    /// Gives a file or folder to the account.
    pub fn own(self, path: &Path) -> Result<()> {
        account::hand_over(path, self.0)
    }

    /// Makes a new folder that only the account can open.
    pub fn private_folder(self, path: &Path) -> Result<()> {
        std::fs::DirBuilder::new().mode(0o700).create(path)?;
        self.own(path)
    }

    /// Makes a new file that only the account can open.
    pub fn private_file(self, path: &Path, content: &str) -> Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())?;
        self.own(path)
    }

    fn can_pass(self, folder: &Path) -> bool {
        let Some((uid, gid)) = self.0 else { return true };
        folder.ancestors().filter(|ancestor| ancestor.exists()).all(|ancestor| {
            std::fs::metadata(ancestor).is_ok_and(|meta| {
                let mode = meta.permissions().mode();
                let bit = if meta.uid() == uid {
                    0o100
                } else if meta.gid() == gid {
                    0o010
                } else {
                    0o001
                };
                mode & bit != 0
            })
        })
    }
}

/// Returns the folder that replicas live in, made if need be: `wanted`, or, where the servers' account could not reach it
/// or sockets would not fit, one of a derived name among the temporary folders. The same every time, so that a later
/// invocation finds what a killed one left.
pub fn root(wanted: &Path, account: Account) -> Result<PathBuf> {
    let folder = if account.can_pass(wanted) && wanted.as_os_str().len() <= LONGEST_ROOT {
        wanted.to_owned()
    } else {
        let digest = hex::encode(&Sha256::digest(wanted.as_os_str().as_encoded_bytes())[..4]);
        std::env::temp_dir().join(format!("lastgood-drills-{digest}"))
    };
    if !account.can_pass(folder.parent().unwrap_or(&folder)) || folder.as_os_str().len() > LONGEST_ROOT {
        return Err(failed(format!("{} cannot hold a throwaway server", folder.display()))
            .hint("set TMPDIR to a short path that every account may pass through"));
    }
    let mode = if account.ids().is_some() { 0o711 } else { 0o700 };
    match std::fs::DirBuilder::new().mode(mode).recursive(false).create(&folder) {
        Ok(()) => std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode))?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error.into()),
    }
    let meta = std::fs::symlink_metadata(&folder)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.permissions().mode() & 0o022 != 0 {
        return Err(refused(format!("{} is not a folder of ours alone", folder.display())).hint("move it away, or set TMPDIR elsewhere"));
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_may_write_is_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let account = Account::for_servers().unwrap();
        let made = root(&home.path().join("drills"), account).unwrap();
        assert_eq!(made, home.path().join("drills"));
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(root(&made, account).is_err());
    }

    #[test]
    fn a_folder_too_deep_for_sockets_is_replaced_by_the_same_one_every_time() {
        let deep = PathBuf::from(format!("/{}", "d/".repeat(60)));
        let account = Account::for_servers().unwrap();
        let made = root(&deep, account).unwrap();
        assert_eq!(made, root(&deep, account).unwrap());
        assert!(made.starts_with(std::env::temp_dir()));
        std::fs::remove_dir(made).unwrap();
    }
}
