//! Connection URLs as operators write them, read strictly.
//!
//! The promise: what is accepted names its server, role and database in so many words, and means the same to libpq's
//! programs and to our own connection. Nothing falls back to a local default server, to files in a home folder or to a
//! service file. The password is a [`Secret`] and is never part of what is displayed.

mod login;
mod managed;
mod read;
#[cfg(test)]
mod tests;

pub use login::{Mint, Password};

use crate::{error::Result, ports::Secret};
use std::{ffi::OsString, fmt, path::PathBuf};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name or an address, without brackets.
    Tcp(String),
    /// The absolute folder of a socket, named explicitly.
    Socket(PathBuf),
}

/// How the connection is protected, as libpq's `sslmode` says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted if the server can; the server is not checked.
    #[default]
    Prefer,
    /// Encrypted or not at all; the server is checked only against a given root.
    Require,
    /// The server's certificate comes from the given root.
    VerifyCa,
    /// And it names the host that was asked for.
    VerifyFull,
}

impl SslMode {
    /// The mode as libpq writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Which of several hosts will do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Session {
    /// The first that answers.
    #[default]
    Any,
    /// The first that accepts writes.
    ReadWrite,
    /// The first that does not.
    ReadOnly,
}

/// A parsed connection URL.
#[derive(Clone)]
pub struct PgUrl {
    /// The servers, in the order they are tried.
    pub hosts: Vec<(Host, u16)>,
    /// The role.
    pub user: String,
    /// Its password, unless the server asks for none.
    pub password: Option<Password>,
    /// The database.
    pub database: String,
    /// How the connection is protected.
    pub ssl_mode: SslMode,
    /// A file with the roots that the server's certificate must come from.
    pub ssl_root: Option<PathBuf>,
    /// Which of several hosts will do.
    pub session: Session,
    /// Startup options that are known to be harmless: `-c statement_timeout=0`.
    pub options: Option<String>,
}

impl PgUrl {
    /// Reads a URL, or the JSON in which RDS keeps a login. What is refused is not repeated: it may be, or hold, a password.
    pub fn parse(url: &Secret) -> Result<Self> {
        if managed::is_one(url.expose()) { managed::read(url.expose()) } else { url.expose().parse() }
    }

    /// Where it leads, without user or password: `host:port/database`.
    pub fn address(&self) -> String {
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .map(|(host, port)| match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{port}"),
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Socket(folder) => format!("{}:{port}", folder.display()),
            })
            .collect();
        format!("{}/{}", hosts.join(","), self.database)
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The same, but only ever this one of its hosts.
    #[must_use]
    pub fn pinned(&self, host: usize) -> Self {
        Self { hosts: self.hosts.get(host).cloned().into_iter().collect(), session: Session::Any, ..self.clone() }
    }

    /// What libpq's programs are given to connect: everything by environment, nothing by argument.
    ///
    /// The password goes by `PGPASSWORD` and not by a password file: on Linux a process's environment is readable by its
    /// own account only, as the file would be, but a killed run leaves no environment behind. `HOME` leads nowhere, so
    /// that no `.pgpass`, `.pg_service.conf` or client certificate of the account is ever taken up.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let join = |parts: Vec<OsString>| parts.join(&OsString::from(","));
        let hosts = self.hosts.iter().map(|(host, _)| match host {
            Host::Tcp(name) => OsString::from(name),
            Host::Socket(folder) => folder.clone().into_os_string(),
        });
        let mut environment = vec![
            ("PGHOST", join(hosts.collect())),
            ("PGPORT", join(self.hosts.iter().map(|(_, port)| port.to_string().into()).collect())),
            ("PGUSER", self.user.clone().into()),
            ("PGDATABASE", self.database.clone().into()),
            ("PGSSLMODE", self.ssl_mode.as_str().into()),
            ("PGGSSENCMODE", "disable".into()),
            ("PGCONNECT_TIMEOUT", "15".into()),
            ("PGAPPNAME", "lastgood".into()),
            ("HOME", "/nonexistent".into()),
        ];
        if let Some(password) = self.password() {
            environment.push(("PGPASSWORD", password.expose().into()));
        }
        match (&self.ssl_root, self.ssl_mode) {
            (Some(root), _) => environment.push(("PGSSLROOTCERT", root.clone().into_os_string())),
            (None, SslMode::VerifyFull) => environment.push(("PGSSLROOTCERT", system_roots())),
            (None, SslMode::Disable | SslMode::Prefer | SslMode::Require | SslMode::VerifyCa) => {}
        }
        match self.session {
            Session::Any => {}
            Session::ReadWrite => environment.push(("PGTARGETSESSIONATTRS", "read-write".into())),
            Session::ReadOnly => environment.push(("PGTARGETSESSIONATTRS", "read-only".into())),
        }
        if let Some(options) = &self.options {
            environment.push(("PGOPTIONS", options.into()));
        }
        environment
    }
}

impl fmt::Display for PgUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("postgres://{}@{}", self.user, self.address()))
    }
}

impl fmt::Debug for PgUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The system's roots as a file, which every libpq reads; `system` itself only those since 16 understand.
fn system_roots() -> OsString {
    const BUNDLES: [&str; 4] =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];
    BUNDLES.into_iter().find(|bundle| std::path::Path::new(bundle).is_file()).unwrap_or("system").into()
}
