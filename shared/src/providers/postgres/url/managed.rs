//! The JSON in which RDS and Secrets Manager keep a database's login, read as a connection URL.
//!
//! `{"username", "password", "host", "port", "dbname", "engine"}`: what it leads to is checked in full, its certificate and
//! the name in it (`verify-full`), because a login is only ever sent to the server that it is for.

use super::{
    PgUrl, SslMode,
    read::{Parts, refuse},
};
use crate::{error::Result, ports::Secret};
use serde::Deserialize;

/// What we read of it; other fields (`dbInstanceIdentifier`, `masterarn`) are not ours.
#[derive(Deserialize)]
struct Login {
    username: String,
    password: String,
    host: Option<String>,
    port: Option<Port>,
    dbname: Option<String>,
    engine: Option<String>,
    sslrootcert: Option<String>,
}

/// RDS writes a number, people write text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

/// Whether this is such a JSON, and no URL.
pub(super) fn is_one(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Reads it. What is refused is not repeated.
pub(super) fn read(text: &str) -> Result<PgUrl> {
    let login: Login = serde_json::from_str(text).map_err(|_| {
        refuse("it is JSON, but not a database's login")
            .hint("such a secret holds username, password, host, and if need be port, dbname and sslrootcert; or name one field: secret:aws:NAME#url")
    })?;
    let password = Secret::new(login.password);
    if let Some(engine) = &login.engine
        && !engine.to_ascii_lowercase().contains("postgres")
    {
        return Err(refuse(format!("its engine is {:?}, not Postgres", crate::redact::clip(engine, 30))));
    }
    let host = login.host.ok_or_else(|| {
        refuse("its JSON says no host").hint(
            "the secret that RDS manages itself holds a user and a password only: make one that holds host and dbname too, or a whole URL",
        )
    })?;
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || !host.chars().all(name) {
        return Err(refuse("its host is not a host name"));
    }
    let port = match login.port {
        None => 5432,
        Some(Port::Number(port)) => port,
        Some(Port::Text(text)) => text.trim().parse().map_err(|_| refuse("its port is not one"))?,
    };
    let database = login.dbname.filter(|name| !name.is_empty()).unwrap_or_else(|| "postgres".to_owned());
    if [&login.username, &database].iter().any(|text| text.chars().any(char::is_control)) {
        return Err(refuse("its user or database holds a control character"));
    }
    let mut parts = Parts {
        hosts: format!("{host}:{port}"),
        user: login.username,
        password: Some(password),
        database,
        ssl_mode: Some(SslMode::VerifyFull),
        ..Parts::default()
    };
    if let Some(root) = login.sslrootcert {
        parts.take("sslrootcert", root)?;
    }
    parts.whole()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::providers::postgres::url::Host;
    use serde_json::{Value, json};

    fn url(json: &Value) -> Result<PgUrl> {
        PgUrl::parse(&Secret::new(json.to_string()))
    }

    #[test]
    fn a_login_of_rds_is_a_connection_that_is_verified_in_full() {
        let url = url(&json!({
            "engine": "postgres", "host": "orders.abc.eu-west-1.rds.amazonaws.com", "port": 5433, "username": "lastgood",
            "password": "p@ss/w:rd#%-canary", "dbname": "orders", "dbInstanceIdentifier": "orders-prod", "sslrootcert": "/opt/rds.pem",
        }))
        .unwrap();
        assert_eq!(url.hosts, [(Host::Tcp("orders.abc.eu-west-1.rds.amazonaws.com".into()), 5433)]);
        assert_eq!((url.user.as_str(), url.database.as_str(), url.ssl_mode), ("lastgood", "orders", SslMode::VerifyFull));
        assert_eq!(url.password().unwrap().expose(), "p@ss/w:rd#%-canary");
        assert_eq!(url.ssl_root.as_deref(), Some(std::path::Path::new("/opt/rds.pem")));
        assert!(!format!("{url} {url:?}").contains("canary"));
    }

    #[test]
    fn what_may_be_left_out_has_a_default() {
        let url = url(&json!({"username": "u", "password": "hunter2-canary", "host": "db", "port": "5432"})).unwrap();
        assert_eq!((url.hosts[0].1, url.database.as_str(), url.ssl_root), (5432, "postgres", None));
    }

    #[test]
    fn what_leads_elsewhere_is_refused_and_never_repeated() {
        let login = |key: &str, value: Value| {
            let mut login = json!({"username": "u", "password": "hunter2-canary", "host": "db"});
            login[key] = value;
            login
        };
        let mut managed = login("host", Value::Null);
        managed.as_object_mut().unwrap().remove("host");
        for json in [
            managed,
            login("host", json!("/var/run/postgresql")),
            login("host", json!("db,evil")),
            login("host", json!("u:p@evil")),
            login("host", json!("")),
            login("port", json!("hunter2-canary")),
            login("port", json!(0)),
            login("port", json!(99_999)),
            login("engine", json!("mysql")),
            login("dbname", json!("host=evil")),
            login("dbname", json!("postgres://evil/x")),
            login("username", json!("")),
            login("username", json!("u\nx")),
            login("sslrootcert", json!("relative.pem")),
            json!({"url": "postgres://u:hunter2-canary@db/x"}),
            json!({"username": ["hunter2-canary"], "password": "x", "host": "db"}),
        ] {
            let error = url(&json).unwrap_err();
            assert_eq!(error.kind(), Kind::Invalid, "{json}");
            let said = format!("{} {}", error.full(), error.advice().unwrap_or_default());
            assert!(!said.contains("canary"), "{said}");
        }
    }
}
