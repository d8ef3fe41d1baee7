//! Reading a connection URL, strictly: what is not understood is refused, and never repeated.

use super::{Host, Password, PgUrl, Session, SslMode};
use crate::{
    error::{Error, Result, invalid},
    ports::Secret,
};
use percent_encoding::percent_decode_str;
use std::{fmt, path::PathBuf, str::FromStr};

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

pub(super) fn refuse(why: impl fmt::Display) -> Error {
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
pub(super) struct Parts {
    pub(super) hosts: String,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
    pub(super) host_parameter: Option<String>,
    pub(super) port_parameter: Option<String>,
    pub(super) ssl_mode: Option<SslMode>,
    pub(super) ssl_root: Option<PathBuf>,
    pub(super) session: Session,
    pub(super) options: Option<String>,
}

impl Parts {
    pub(super) fn take(&mut self, key: &str, value: String) -> Result<()> {
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

    pub(super) fn whole(self) -> Result<PgUrl> {
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
            password: self.password.map(Password::Known),
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
