//! Whom a private server runs as: Postgres refuses to run as root, so root hands its folder to an unprivileged account.

use crate::error::{During, Result, not_found};
use std::{os::unix::fs::chown, path::Path};

/// An unprivileged account: uid and gid.
pub type Account = (u32, u32);

/// Returns the account that a private server must run under: none when we are not root and it runs as ourselves.
pub fn for_server() -> Result<Option<Account>> {
    first_of(["postgres", "nobody"])
}

/// Returns the account for a server that runs what a backup brought along: rather not the one that may own a production
/// server beside it.
pub fn for_throwaway() -> Result<Option<Account>> {
    first_of(["nobody", "postgres"])
}

fn first_of(names: [&str; 2]) -> Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").during("reading /etc/passwd")?;
    let find = |wanted: &str| {
        let fields: Vec<_> = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == wanted)?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    names.into_iter().find_map(find).map(Some).ok_or_else(|| {
        not_found("there is no unprivileged account for a private server to run under")
            .hint("install Debian's `postgresql`, or run as another user")
    })
}

/// Makes a folder or file belong to the account; nothing to do without one.
pub fn hand_over(path: &Path, account: Option<Account>) -> Result<()> {
    match account {
        Some((uid, gid)) => chown(path, Some(uid), Some(gid)).during(format_args!("handing over {}", path.display())),
        None => Ok(()),
    }
}
