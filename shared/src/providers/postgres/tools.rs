//! Postgres' own programs: where they are, how old they are, and whether they may touch a server.
//!
//! A client older than the server is refused before it starts (it would refuse halfway, or dump what it does not
//! understand), and so is one with a known hole: a hostile server can attack the client that dumps it.

use super::child::Program;
use crate::error::{Result, failed, not_found, unsupported};
use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The oldest release of each major version that a client program may have: CVE-2026-6477 (libpq `lo_*` stack overwrite,
/// reached from `pg_dump`) and CVE-2026-6475 (`pg_basebackup` follows symlinks), fixed on 2026-05-14; they include the fixes
/// of CVE-2025-8714. Majors older than the first have no fix, newer ones than the last are born with it.
/// <https://www.postgresql.org/support/security/>
pub const SECURITY_FLOOR: [(u32, u32); 5] = [(14, 23), (15, 18), (16, 14), (17, 10), (18, 4)];

/// A program of Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// Dumps a database.
    PgDump,
    /// Dumps roles and other globals.
    PgDumpall,
    /// Restores a dump.
    PgRestore,
    /// Copies a data folder.
    PgBasebackup,
    /// Checks a copied data folder.
    PgVerifybackup,
    /// Checks indexes and heaps.
    PgAmcheck,
    /// Runs SQL.
    Psql,
    /// Makes a data folder.
    Initdb,
    /// The server.
    Postgres,
    /// Starts and stops the server.
    PgCtl,
    /// Reads what a data folder says of itself.
    PgControldata,
}

impl Tool {
    /// The program's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PgDump => "pg_dump",
            Self::PgDumpall => "pg_dumpall",
            Self::PgRestore => "pg_restore",
            Self::PgBasebackup => "pg_basebackup",
            Self::PgVerifybackup => "pg_verifybackup",
            Self::PgAmcheck => "pg_amcheck",
            Self::Psql => "psql",
            Self::Initdb => "initdb",
            Self::Postgres => "postgres",
            Self::PgCtl => "pg_ctl",
            Self::PgControldata => "pg_controldata",
        }
    }
}

/// The version of a program: `15.18`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version.
    pub major: u32,
    /// The release of it.
    pub minor: u32,
}

impl Version {
    /// Reads what `--version` prints: `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`. A beta counts as release 0.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
        let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let major = number[..digits].parse().ok()?;
        let minor = number[digits..].strip_prefix('.').map_or(Some(0), |minor| minor.parse().ok())?;
        Some(Self { major, minor })
    }

    /// Reads a server's `server_version_num`: 150018.
    pub fn of_server(number: u32) -> Self {
        Self { major: number / 10_000, minor: number % 10_000 }
    }

    fn below_floor(self) -> Option<Self> {
        let first = SECURITY_FLOOR[0].0;
        match SECURITY_FLOOR.iter().find(|(major, _)| *major == self.major) {
            Some((major, minor)) if self.minor < *minor => Some(Self { major: *major, minor: *minor }),
            None if self.major < first => Some(Self { major: first, minor: SECURITY_FLOOR[0].1 }),
            Some(_) | None => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which it is.
    pub tool: Tool,
    /// Where it is.
    pub path: PathBuf,
    /// How old it is.
    pub version: Version,
}

impl Found {
    /// The program, ready to be given arguments.
    pub fn program(&self) -> Program {
        Program::new(&self.path)
    }
}

/// Where programs are looked for.
#[derive(Debug, Clone)]
pub struct Tools {
    folders: Vec<PathBuf>,
    known: Arc<Mutex<BTreeMap<PathBuf, Option<Version>>>>,
}

impl Tools {
    /// Looks in these folders only, in this order.
    pub fn in_folders(folders: Vec<PathBuf>) -> Self {
        Self { folders, known: Arc::default() }
    }

    /// Looks in the folders of a `PATH`, then in `/usr/lib/postgresql/*/bin` and `/usr/pgsql-*/bin`, newest first.
    pub fn on_path(path: Option<&OsStr>) -> Self {
        let mut folders: Vec<_> =
            path.map(|path| std::env::split_paths(path).filter(|folder| folder.is_absolute()).collect()).unwrap_or_default();
        let mut packaged = Vec::new();
        for (root, prefix, below) in [("/usr/lib/postgresql", "", "bin"), ("/usr", "pgsql-", "bin"), ("/usr/libexec", "postgresql", "")] {
            for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let major = name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|major| major.parse::<u32>().ok());
                packaged.extend(major.map(|major| (major, entry.path().join(below))));
            }
        }
        packaged.sort();
        folders.extend(packaged.into_iter().rev().map(|(_, folder)| folder));
        Self::in_folders(folders)
    }

    /// Looks where this machine keeps its programs.
    #[expect(clippy::disallowed_methods, reason = "where programs lie is the machine's matter, not the configuration's")]
    pub fn of_this_machine() -> Self {
        Self::on_path(std::env::var_os("PATH").as_deref())
    }

    /// Returns where a program of somebody else's is, the first of this name.
    pub fn path_of(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    /// Returns every program of this name, in the order of the folders, with its version where it tells one.
    async fn candidates(&self, tool: Tool) -> Vec<(PathBuf, Option<Version>)> {
        let mut found: Vec<(PathBuf, Option<Version>)> = Vec::new();
        for folder in &self.folders {
            // Debian's `pg_wrapper` picks a version by itself; the programs behind it are found in their own folders.
            let Ok(path) = folder.join(tool.as_str()).canonicalize() else { continue };
            if !path.is_file() || path.ends_with("pg_wrapper") || found.iter().any(|(known, _)| *known == path) {
                continue;
            }
            let version = self.version(&path).await;
            found.push((path, version));
        }
        found
    }

    async fn version(&self, path: &Path) -> Option<Version> {
        if let Some(known) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
            return *known;
        }
        let said = Program::new(path).arg("--version").within(Duration::from_secs(10)).run().await;
        let version = said.ok().and_then(|said| Version::parse(&said));
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), version);
        version
    }

    /// Returns a program fit to work with a server of this version: of the same major if there is one, else the next newer;
    /// never an older one, never one below the security floor.
    pub async fn for_server(&self, tool: Tool, server: Version) -> Result<Found> {
        let candidates = self.candidates(tool).await;
        let fit = |version: &Version| version.major >= server.major && version.below_floor().is_none();
        let best = candidates
            .iter()
            .enumerate()
            .filter_map(|(order, (path, version))| version.filter(fit).map(|version| (version.major, order, path, version)))
            .min();
        if let Some((_, _, path, version)) = best {
            return Ok(Found { tool, path: path.clone(), version });
        }
        Err(refusal(tool, server, &candidates))
    }

    /// Returns the newest program of exactly this major version, for work on a data folder of it.
    pub async fn of_major(&self, tool: Tool, major: u32) -> Result<Found> {
        let candidates = self.candidates(tool).await;
        let exact = candidates.iter().filter_map(|(path, version)| Some((path, (*version)?))).filter(|(_, version)| version.major == major);
        exact.max_by_key(|(_, version)| *version).map(|(path, version)| Found { tool, path: path.clone(), version }).ok_or_else(|| {
            not_found(format!("this machine has no {} {major}", tool.as_str()))
                .hint(format!("install Debian's `postgresql-{major}` or its like"))
        })
    }

    /// Returns the newest program there is, whatever its version.
    pub async fn newest(&self, tool: Tool) -> Result<Found> {
        let candidates = self.candidates(tool).await;
        let known = candidates.into_iter().filter_map(|(path, version)| Some(Found { tool, path, version: version? }));
        known.max_by_key(|found| found.version).ok_or_else(|| missing(tool))
    }
}

fn missing(tool: Tool) -> crate::error::Error {
    not_found(format!("{} is not on this machine", tool.as_str())).hint("install Debian's `postgresql-client` or its like")
}

fn refusal(tool: Tool, server: Version, candidates: &[(PathBuf, Option<Version>)]) -> crate::error::Error {
    let name = tool.as_str();
    let Some(newest) = candidates.iter().filter_map(|(_, version)| *version).max() else {
        return match candidates.first() {
            Some((path, _)) => failed(format!("{} does not tell its version", path.display())),
            None => missing(tool),
        };
    };
    let install = format!("install the current postgresql-client-{} or a newer one", server.major.max(SECURITY_FLOOR[0].0));
    if newest.major < server.major {
        return unsupported(format!("client-too-old: {name} is {newest}, the server is {server}")).hint(install);
    }
    let floor = newest.below_floor().map_or_else(|| "a release without known holes".to_owned(), |floor| floor.to_string());
    unsupported(format!("client-too-old: {name} {newest} has known security holes, fixed in {floor}")).hint(install)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_every_packager_writes_them() {
        let version = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(version("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n").as_deref(), Some("15.18"));
        assert_eq!(version("postgres (PostgreSQL) 18.4").as_deref(), Some("18.4"));
        assert_eq!(version("pg_dump (PostgreSQL) 19beta2").as_deref(), Some("19.0"));
        assert_eq!(version("pg_dump (PostgreSQL) 9.6.24"), None);
        assert_eq!(version("GNU tar 1.34"), None);
        assert_eq!(Version::of_server(150_018), Version { major: 15, minor: 18 });
    }

    #[test]
    fn r16_the_floor_is_that_of_each_major_version() {
        let below = |major, minor| Version { major, minor }.below_floor().map(|floor| floor.to_string());
        for (major, minor) in SECURITY_FLOOR {
            assert_eq!(below(major, minor), None);
            assert_eq!(below(major, minor - 1), Some(format!("{major}.{minor}")));
        }
        assert_eq!(below(13, 99).as_deref(), Some("14.23"));
        assert_eq!(below(19, 0), None);
    }
}
