//! Connection URLs as operators write them, read strictly.
//!
//! The promise: what is accepted names its server, role and database in so many words, and means the same to libpq's
//! programs and to our own connection. Nothing falls back to a local default server, to files in a home folder or to a
//! service file. The password is a [`Secret`] and is never part of what is displayed.

use crate::{
    error::{Error, Result, invalid},
    ports::Secret,
};
use percent_encoding::percent_decode_str;
use std::{ffi::OsString, fmt, path::PathBuf, str::FromStr};

const SCHEMES: [&str; 8] = [
    "postgres",
    "postgresql",
    "postgresql+psycopg",
    "postgresql+psycopg2",
    "postgresql+asyncpg",
    "postgresql+pg8000",
    "postgres+psycopg2",
    "postgres+asyncpg",
];
const HINT: &str = "write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with %-encoding for special characters";

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
    pub password: Option<Secret>,
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
    /// Reads a URL. What is refused is not repeated: it may be, or hold, a password.
    pub fn parse(url: &Secret) -> Result<Self> {
        url.expose().parse()
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
        if let Some(password) = &self.password {
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
    const BUNDLES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    BUNDLES.into_iter().find(|bundle| std::path::Path::new(bundle).is_file()).unwrap_or("system").into()
}

fn refuse(why: impl fmt::Display) -> Error {
    invalid(format!("the connection URL is refused: {why}")).hint(HINT)
}

fn decoded(what: &str, text: &str) -> Result<String> {
    let escapes = text.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.is_char_boundary(2) && hex::decode(&rest[..2]).is_ok());
    let value = percent_decode_str(text).decode_utf8().ok().filter(|_| escapes);
    let value = value.ok_or_else(|| refuse(format!("its {what} is not properly %-encoded")))?;
    if value.chars().any(char::is_control) {
        return Err(refuse(format!("its {what} holds a control character")));
    }
    Ok(value.into_owned())
}

impl FromStr for PgUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.len() > 4096 {
            return Err(refuse("it is longer than any URL"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refuse("it has no scheme"))?;
        if !SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(refuse("its scheme is not one of Postgres"));
        }
        if rest.contains('#') {
            return Err(refuse("it has a fragment: write a # in a password as %23"));
        }
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = before_query.split_once('/').ok_or_else(|| refuse("it names no database"))?;
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
        let mut parts = Parts {
            hosts: hosts.to_owned(),
            user: decoded("user", user)?,
            password: password.map(|password| decoded("password", password)).transpose()?.map(Secret::new),
            database: decoded("database", database)?,
            ..Parts::default()
        };
        if login.contains('@') {
            return Err(refuse("it has more than one @: write one in a password as %40"));
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').ok_or_else(|| refuse("a parameter has no value"))?;
            let key = decoded("parameter", key)?;
            let value = decoded(&format!("parameter {}", crate::redact::clip(&key, 30)), value)?;
            parts.take(&key, value)?;
        }
        parts.whole()
    }
}

#[derive(Default)]
struct Parts {
    hosts: String,
    user: String,
    password: Option<Secret>,
    database: String,
    host_parameter: Option<String>,
    port_parameter: Option<String>,
    ssl_mode: Option<SslMode>,
    ssl_root: Option<PathBuf>,
    session: Session,
    options: Option<String>,
}

impl Parts {
    fn take(&mut self, key: &str, value: String) -> Result<()> {
        match key {
            "sslmode" | "ssl" => self.ssl_mode = Some(ssl_mode(&value)?),
            "sslrootcert" => {
                let path = PathBuf::from(&value);
                if !path.is_absolute() {
                    return Err(refuse("sslrootcert must be the absolute path of a file with certificates"));
                }
                self.ssl_root = Some(path);
            }
            "host" => set_once(&mut self.host_parameter, value, "host")?,
            "port" => set_once(&mut self.port_parameter, value, "port")?,
            "user" if self.user.is_empty() => self.user = value,
            "password" if self.password.is_none() => self.password = Some(Secret::new(value)),
            "dbname" if self.database.is_empty() => self.database = value,
            "user" | "password" | "dbname" => return Err(refuse(format!("it gives {key} twice"))),
            "target_session_attrs" => {
                self.session = match value.as_str() {
                    "any" => Session::Any,
                    "read-write" | "primary" => Session::ReadWrite,
                    "read-only" | "standby" | "prefer-standby" => Session::ReadOnly,
                    _ => return Err(refuse("its target_session_attrs is not known")),
                };
            }
            "options" => set_once(&mut self.options, harmless(&value)?, "options")?,
            // Ours are set for every connection; what an application wants of its own does not matter to a backup.
            "application_name"
            | "fallback_application_name"
            | "connect_timeout"
            | "keepalives"
            | "keepalives_idle"
            | "keepalives_interval"
            | "keepalives_count"
            | "tcp_user_timeout"
            | "client_encoding"
            | "gssencmode"
            | "channel_binding"
            | "pool_timeout"
            | "connection_limit"
            | "pgbouncer"
            | "schema" => {}
            "service" | "servicefile" | "passfile" | "sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "sslcrldir" | "hostaddr"
            | "krbsrvname" | "requirepeer" | "gsslib" | "replication" | "load_balance_hosts" | "sslnegotiation" => {
                return Err(refuse(format!("parameter {key} would lead somewhere that the URL does not show")));
            }
            _ => return Err(refuse(format!("parameter {:?} is not known", crate::redact::clip(key, 30)))),
        }
        Ok(())
    }

    fn whole(self) -> Result<PgUrl> {
        let hosts = match (self.hosts.is_empty(), self.host_parameter) {
            (false, Some(_)) => return Err(refuse("it names the host twice")),
            (false, None) if self.port_parameter.is_some() => return Err(refuse("it names the port twice")),
            (false, None) => self.hosts.split(',').map(authority_host).collect::<Result<Vec<_>>>()?,
            (true, Some(folder)) if folder.starts_with('/') && !folder.contains(',') => {
                let port = self.port_parameter.as_deref().map_or(Ok(5432), port)?;
                vec![(socket(folder)?, port)]
            }
            (true, Some(_)) => return Err(refuse("parameter host may only name the absolute folder of a socket")),
            (true, None) => {
                return Err(refuse("it names no host, and the local default server is never taken by accident")
                    .hint("write a host, or ?host=/folder/of/the/socket for a local server"));
            }
        };
        if self.user.is_empty() {
            return Err(refuse("it names no user"));
        }
        if self.database.is_empty() {
            return Err(refuse("it names no database"));
        }
        if self.database.contains('/') {
            return Err(refuse("its database holds a slash"));
        }
        if self.database.contains('=') || self.database.contains("://") {
            return Err(refuse("libpq would read its database as a connection string"));
        }
        let ssl_mode = self.ssl_mode.unwrap_or_default();
        if ssl_mode == SslMode::VerifyCa && self.ssl_root.is_none() {
            return Err(refuse("sslmode=verify-ca needs sslrootcert=/path").hint("or use verify-full, which knows the system's roots"));
        }
        Ok(PgUrl {
            hosts,
            user: self.user,
            password: self.password,
            database: self.database,
            ssl_mode,
            ssl_root: self.ssl_root,
            session: self.session,
            options: self.options,
        })
    }
}

fn set_once(slot: &mut Option<String>, value: String, key: &str) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(refuse(format!("it gives {key} twice")));
    }
    Ok(())
}

fn ssl_mode(text: &str) -> Result<SslMode> {
    match text {
        "disable" | "false" => Ok(SslMode::Disable),
        "allow" | "prefer" => Ok(SslMode::Prefer),
        "require" | "true" => Ok(SslMode::Require),
        "verify-ca" => Ok(SslMode::VerifyCa),
        "verify-full" => Ok(SslMode::VerifyFull),
        _ => Err(refuse("its sslmode is not known").hint("use disable, prefer, require, verify-ca or verify-full")),
    }
}

fn port(text: &str) -> Result<u16> {
    text.parse().ok().filter(|port| *port > 0).ok_or_else(|| refuse("its port is not one"))
}

fn socket(folder: String) -> Result<Host> {
    if folder.split('/').any(|part| part == "..") {
        return Err(refuse("the folder of its socket may not contain .."));
    }
    Ok(Host::Socket(folder.into()))
}

fn authority_host(text: &str) -> Result<(Host, u16)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(|| refuse("a bracket of its host is not closed"))?;
        let address: std::net::Ipv6Addr = address.parse().map_err(|_| refuse("its host is not an IPv6 address"))?;
        let port = match after.strip_prefix(':') {
            Some(text) => port(text)?,
            None if after.is_empty() => 5432,
            None => return Err(refuse("something follows the bracket of its host")),
        };
        return Ok((Host::Tcp(address.to_string()), port));
    }
    let (name, port) = match text.split_once(':') {
        Some((name, text)) => (name, port(text)?),
        None => (text, 5432),
    };
    let name = decoded("host", name)?;
    if name.starts_with('/') {
        return Ok((socket(name)?, port));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.is_empty() || name.len() > 253 || name.starts_with('-') || !name.chars().all(allowed) {
        return Err(refuse("its host is not a host name"));
    }
    Ok((Host::Tcp(name), port))
}

/// Startup options that a backup can live with, in a form that libpq and we read alike.
fn harmless(options: &str) -> Result<String> {
    const ALLOWED: [&str; 9] = [
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "search_path",
        "role",
        "work_mem",
        "endpoint",
        "project",
        "timezone",
    ];
    let mut kept = Vec::new();
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let setting = match word {
            "-c" => words.next().unwrap_or_default(),
            _ => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")).unwrap_or(word),
        };
        let (name, value) = setting.split_once('=').ok_or_else(|| refuse("its options are not of the form -c name=value"))?;
        if !ALLOWED.contains(&name) || value.contains(['\\', '\'', '"']) {
            return Err(refuse(format!("option {:?} might change what is dumped", crate::redact::clip(name, 40))));
        }
        // Neon routes by `endpoint=`, which must stay as it is.
        kept.push(if matches!(name, "endpoint" | "project") { setting.to_owned() } else { format!("-c {setting}") });
    }
    Ok(kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> PgUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error:?}"))
    }

    #[test]
    fn r18_every_spelling_of_a_url_means_what_it_says() {
        for (text, shown) in [
            ("postgres://u:p@h/d", "postgres://u@h:5432/d"),
            ("postgresql://u@h:6432/d", "postgres://u@h:6432/d"),
            ("postgresql+psycopg://u:p@h:5432/d", "postgres://u@h:5432/d"),
            ("postgresql+psycopg2://u:p@h/d", "postgres://u@h:5432/d"),
            ("postgresql+asyncpg://u:p@h/d?ssl=require", "postgres://u@h:5432/d"),
            ("PostgreSQL://u@h/d", "postgres://u@h:5432/d"),
            ("postgres://u:p@[2001:db8::1]:5433/d", "postgres://u@[2001:db8::1]:5433/d"),
            ("postgres://u@[::1]/d", "postgres://u@[::1]:5432/d"),
            ("postgres://u%40corp:p%3Aw%2Fd%40@h/my%20db", "postgres://u@corp@h:5432/my db"),
            ("postgres://u@a:1,b:2,c/d?target_session_attrs=read-write", "postgres://u@a:1,b:2,c:5432/d"),
            ("postgres:///d?host=/var/run/postgresql&user=u", "postgres://u@/var/run/postgresql:5432/d"),
            ("postgres://u@/d?host=/run/pg&port=5444", "postgres://u@/run/pg:5444/d"),
            ("postgres://u@%2Frun%2Fpg:5444/d", "postgres://u@/run/pg:5444/d"),
            ("postgres://u@h/d?sslmode=verify-full&sslrootcert=/etc/rds.pem", "postgres://u@h:5432/d"),
            ("postgres://u@h/d?application_name=app&connect_timeout=3", "postgres://u@h:5432/d"),
            ("postgres://h/d?user=u&password=p", "postgres://u@h:5432/d"),
            (" postgres://u@h/d\n", "postgres://u@h:5432/d"),
        ] {
            assert_eq!(read(text).to_string(), shown, "{text}");
        }
        assert_eq!(read("postgres://u@h/d?options=-c%20statement_timeout%3D5s").options.as_deref(), Some("-c statement_timeout=5s"));
        assert_eq!(read("postgres://u@h/d?options=endpoint%3Dep-1").options.as_deref(), Some("endpoint=ep-1"));
        assert_eq!(read("postgres://u:p%25%2B@h/d").password.unwrap().expose(), "p%+");
    }

    #[test]
    fn r18_what_might_lead_elsewhere_is_refused_and_never_repeated() {
        for text in [
            "",
            "canary",
            "h/canary",
            "mysql://u:canary@h/d",
            "postgresql+odbc://u:canary@h/d",
            "postgres:/u:canary@h/d",
            "http://u:canary@h/d",
            "service=canary",
            "host=h user=u password=canary dbname=d",
            "postgres:///d?user=canary",
            "postgres://u:canary@/d",
            "postgres://u:canary@h",
            "postgres://u:canary@h/",
            "postgres://:canary@h/d",
            "postgres://h/d?password=canary",
            "postgres://u:canary@h/d?host=other",
            "postgres://u:canary@h/d?host=/var/run/postgresql",
            "postgres://u:canary@h/d?hostaddr=10.0.0.1",
            "postgres://u:canary@/d?host=h",
            "postgres://u:canary@/d?host=/a,/b",
            "postgres://u:canary@/d?host=/a/../../b",
            "postgres://u:canary@h/d?service=prod",
            "postgres://u@h/d?passfile=/etc/canary",
            "postgres://u:canary@h/d?sslkey=/etc/shadow",
            "postgres://u:canary@h/d?sslrootcert=relative.pem",
            "postgres://u:canary@h/d?sslmode=maybe",
            "postgres://u:canary@h/d?sslmode=verify-ca",
            "postgres://u:canary@h/d?options=-c%20row_security%3Don",
            "postgres://u:canary@h/d?options=-c%20session_preload_libraries%3Dx",
            "postgres://u:canary@h/d?options=canary",
            "postgres://u:canary@h/d?sslmode",
            "postgres://u:canary@h/d?nonsense=1",
            "postgres://u:canary@h/d?user=v",
            "postgres://u:canary@h:0/d",
            "postgres://u:canary@h:70000/d",
            "postgres://u:canary@h:5432:5433/d",
            "postgres://u:canary@[::1/d",
            "postgres://u:canary@[nonsense]/d",
            "postgres://u:canary@h;rm -rf/d",
            "postgres://u:canary@-h/d",
            "postgres://u:canary@h/d%00",
            "postgres://u:canary@h/d%0A",
            "postgres://u:canary%zz@h/d",
            "postgres://u:can@ary@h/d",
            "postgres://u:canary#@h/d",
            "postgres://u:canary@h/host=evil",
            "postgres://u:canary@h/postgres%3A%2F%2Fevil",
            "postgres://u:canary@h/a/b",
        ] {
            let error = text.parse::<PgUrl>().expect_err(text);
            assert_eq!(error.kind(), crate::error::Kind::Invalid, "{text}");
            assert!(!error.full().contains("canary"), "{text}: {error:?}");
        }
        assert!("x".repeat(10_000).parse::<PgUrl>().is_err());
    }

    #[test]
    fn r45_a_url_never_shows_its_password() {
        let url = read("postgres://u:canary@h/d");
        assert!(!format!("{url} {url:?} {}", url.address()).contains("canary"));
        let password = url.environment().into_iter().filter(|(_, value)| value == "canary").map(|(name, _)| name);
        assert_eq!(password.collect::<Vec<_>>(), ["PGPASSWORD"]);
    }
}
