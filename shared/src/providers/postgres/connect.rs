//! Our own connections, and what a server's error may say.
//!
//! An error names its SQLSTATE and the relation, never a row: `DETAIL` is dropped, and so is the message itself where
//! Postgres quotes data in it.

use super::{
    tls,
    url::{Host, PgUrl, Session, SslMode},
};
use crate::error::{Error, Kind, Result, failed, retry};
use std::time::Duration;
use tokio_postgres::{Client, Config};

const PATIENCE: Duration = Duration::from_secs(15);
/// Long enough to count a huge table, short enough that nothing hangs for ever.
const STATEMENT_LIMIT: &str = "6h";
const LOCK_LIMIT: &str = "60s";

/// Opens a connection under time limits for connecting, for statements and for locks.
pub async fn connect(url: &PgUrl) -> Result<Client> {
    Ok(connect_pinned(url).await?.0)
}

/// Opens a connection and returns, with it, the URL of the very server that answered: of several hosts, everything that
/// follows must ask the same one.
pub async fn connect_pinned(url: &PgUrl) -> Result<(Client, PgUrl)> {
    let mut last = failed("the connection URL names no host");
    for host in 0..url.hosts.len() {
        let pinned = url.pinned(host);
        match open(&pinned).await {
            Ok(client) if fits(&client, url.session).await? => return Ok((client, pinned)),
            Ok(_) => last = retry(format!("no server at {} is of the wanted kind", url.address())),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn fits(client: &Client, session: Session) -> Result<bool> {
    if session == Session::Any {
        return Ok(true);
    }
    let row = client
        .query_one("select pg_is_in_recovery() or current_setting('default_transaction_read_only') = 'on'", &[])
        .await
        .map_err(|error| sql_error(&error))?;
    Ok(row.get::<_, bool>(0) == (session == Session::ReadOnly))
}

async fn open(url: &PgUrl) -> Result<Client> {
    let mut config = Config::new();
    for (host, port) in &url.hosts {
        match host {
            Host::Tcp(name) => config.host(name),
            Host::Socket(folder) => config.host_path(folder),
        };
        config.port(*port);
    }
    config.user(&url.user).dbname(&url.database).application_name("lastgood").connect_timeout(PATIENCE);
    config.keepalives_idle(Duration::from_mins(1)).ssl_mode(match url.ssl_mode {
        SslMode::Disable => tokio_postgres::config::SslMode::Disable,
        SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
    });
    if let Some(password) = url.password() {
        config.password(password.expose());
    }
    if let Some(options) = &url.options {
        config.options(options);
    }
    let opened = tokio::time::timeout(PATIENCE, config.connect(tls::connector(url)?)).await;
    let (client, connection) = opened
        .map_err(|_| retry(format!("{} did not answer within {} s", url.address(), PATIENCE.as_secs())))?
        .map_err(|error| sql_error(&error).during(format!("connecting to {}", url.address())))?;
    tokio::spawn(connection);
    let limits = format!(
        "set statement_timeout = '{STATEMENT_LIMIT}'; set lock_timeout = '{LOCK_LIMIT}'; set idle_in_transaction_session_timeout = 0;
         set extra_float_digits = 3; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC'"
    );
    client.batch_execute(&limits).await.map_err(|error| sql_error(&error))?;
    Ok(client)
}

/// Quotes a name for SQL.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text for SQL.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// Turns a server's or a connection's error into ours: SQLSTATE and relation, never a row of data.
pub fn sql_error(error: &tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(source) = cause {
            text = format!("{text}: {source}");
            cause = source.source();
        }
        let certificate = text.contains("certificate");
        let error = if certificate { failed(text) } else { retry(text) };
        return if certificate { error.hint("check sslmode and sslrootcert of the connection URL") } else { error };
    };
    let code = db.code().code();
    let mut text = if may_quote_data(code) { "the server refused a statement".to_owned() } else { db.message().to_owned() };
    for (what, name) in [("table", db.table()), ("constraint", db.constraint())] {
        if let Some(name) = name
            && !text.contains(name)
        {
            for part in [", ", what, " ", name] {
                text.push_str(part);
            }
        }
    }
    Error::new(kind(code), format!("{text} (SQLSTATE {code})"))
}

/// Whether messages of this SQLSTATE may quote data: data exceptions, broken constraints, raised by a function, unknown.
pub(super) fn may_quote_data(code: &str) -> bool {
    !matches!(&code[..code.len().min(2)], "08" | "0A" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "54" | "55" | "57" | "58" | "XX")
}

/// What the caller does next about an SQLSTATE.
pub(super) fn kind(code: &str) -> Kind {
    match code {
        "42501" => Kind::Denied,
        "53100" => Kind::NoSpace,
        "3D000" | "42P01" => Kind::NotFound,
        "55P03" | "57014" | "57P01" | "57P02" | "57P03" => Kind::Retry,
        _ => match &code[..code.len().min(2)] {
            "28" => Kind::Denied,
            "08" | "40" | "53" => Kind::Retry,
            _ => Kind::Failed,
        },
    }
}
