//! Connections mean the same to us as to libpq: the same server, the same protection.

use lastgood_core::{
    ports::Secret,
    providers::postgres::{PgUrl, connect},
};
use lastgood_tests::{
    house::shell,
    pg::{Cluster, PASSWORD, give_away, program},
};
use serde_json::json;
use std::{path::Path, process::Command};

#[tokio::test]
async fn r18_our_connection_and_libpq_read_a_url_alike() {
    let cluster = Cluster::start().await;
    cluster.create("my db").await;
    let tcp = cluster.url("my db");
    let spellings = [
        tcp.clone(),
        tcp.replace("postgres://", "postgresql+psycopg://"),
        tcp.replace("postgres://", "postgresql+asyncpg://").replace("127.0.0.1", "localhost"),
        tcp.replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:"),
        format!("{tcp}?options=-c%20search_path%3Dpg_catalog%20-c%20statement_timeout%3D77s&target_session_attrs=read-write"),
        cluster.socket_url("my%20db"),
    ];
    let asked =
        "select current_database() || ' ' || current_user || ' ' || current_setting('port') || ' ' || current_setting('search_path')";
    for text in spellings {
        let url: PgUrl = text.parse().unwrap();
        let ours: String = connect(&url).await.unwrap().query_one(asked, &[]).await.unwrap().get(0);
        let libpq = Command::new(program("psql")).args(["-XAtc", asked]).env_clear().envs(url.environment()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&libpq.stdout).trim(), ours, "{url}: {}", String::from_utf8_lossy(&libpq.stderr));
        assert!(ours.starts_with(&format!("my db postgres {}", cluster.port())), "{ours}");
    }
}

/// A certificate authority and a server certificate for `localhost`, as an operator makes them.
fn certificates(folder: &Path) {
    let folder = folder.display();
    shell(&format!(
        "cd {folder} && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout ca.key -out ca.crt 2>/dev/null
         openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=theirs -keyout other.key -out other.crt 2>/dev/null
         openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr 2>/dev/null
         printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > ext
         openssl x509 -req -days 2 -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -out server.crt 2>/dev/null
         chmod 600 server.key; echo nonsense > nonsense.pem; chmod 755 ."
    ));
}

#[tokio::test]
async fn tls_checks_what_sslmode_asks_for_and_so_does_libpq() {
    let keys = tempfile::tempdir().unwrap();
    certificates(keys.path());
    give_away(keys.path());
    let at = |file: &str| keys.path().join(file).display().to_string();
    let cluster = Cluster::start_with(&[("ssl", "on"), ("ssl_cert_file", &at("server.crt")), ("ssl_key_file", &at("server.key"))]).await;
    let (by_name, by_address) = (cluster.url("postgres").replace("127.0.0.1", "localhost"), cluster.url("postgres"));
    let asked = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
    for (url, parameters, expected) in [
        (&by_name, "sslmode=disable".to_owned(), Some("false")),
        (&by_name, "sslmode=prefer".to_owned(), Some("true")),
        (&by_address, "sslmode=require".to_owned(), Some("true")),
        (&by_address, format!("sslmode=require&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_address, format!("sslmode=require&sslrootcert={}", at("other.crt")), None),
        (&by_address, format!("sslmode=verify-ca&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_name, format!("sslmode=verify-ca&sslrootcert={}", at("other.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("ca.crt")), Some("true")),
        (&by_address, format!("sslmode=verify-full&sslrootcert={}", at("ca.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("other.crt")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("nonsense.pem")), None),
        (&by_name, format!("sslmode=verify-full&sslrootcert={}", at("missing.pem")), None),
        (&by_name, "sslmode=verify-full".to_owned(), None),
    ] {
        let url: PgUrl = format!("{url}?{parameters}").parse().unwrap();
        let ours = match connect(&url).await {
            Ok(client) => Some(client.query_one(asked, &[]).await.unwrap().get::<_, String>(0)),
            Err(error) => {
                assert!(!error.full().contains(PASSWORD), "{error:?}");
                None
            }
        };
        assert_eq!(ours.as_deref(), expected, "{url}?{parameters}");
        let libpq = Command::new(program("psql")).args(["-XAtc", asked]).env_clear().envs(url.environment()).output().unwrap();
        let libpq = libpq.status.success().then(|| String::from_utf8_lossy(&libpq.stdout).trim().to_owned());
        assert_eq!(libpq.as_deref(), expected, "libpq: {url}?{parameters}");
    }
}

#[tokio::test]
async fn a_login_of_rds_goes_to_the_server_that_it_is_for_and_to_no_other() {
    let keys = tempfile::tempdir().unwrap();
    certificates(keys.path());
    give_away(keys.path());
    let at = |file: &str| keys.path().join(file).display().to_string();
    let cluster = Cluster::start_with(&[("ssl", "on"), ("ssl_cert_file", &at("server.crt")), ("ssl_key_file", &at("server.key"))]).await;
    let plain = Cluster::start().await;
    for (host, port, root, expected) in [
        ("localhost", cluster.port(), Some("ca.crt"), Some("true")),
        ("127.0.0.1", cluster.port(), Some("ca.crt"), None),
        ("localhost", cluster.port(), Some("other.crt"), None),
        ("localhost", cluster.port(), None, None),
        // A server without TLS gets no password, whatever it says.
        ("localhost", plain.port(), Some("ca.crt"), None),
    ] {
        let mut login = json!({"engine": "postgres", "username": "postgres", "password": PASSWORD, "host": host, "port": port});
        if let Some(root) = root {
            login["sslrootcert"] = at(root).into();
        }
        let url = PgUrl::parse(&Secret::new(login.to_string())).unwrap();
        let asked = "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
        let ours = match connect(&url).await {
            Ok(client) => Some(client.query_one(asked, &[]).await.unwrap().get::<_, String>(0)),
            Err(error) => {
                assert!(!error.full().contains(PASSWORD), "{error:?}");
                None
            }
        };
        assert_eq!(ours.as_deref(), expected, "{host} {root:?}");
        let libpq = Command::new(program("psql")).args(["-XAtc", asked]).env_clear().envs(url.environment()).output().unwrap();
        let libpq = libpq.status.success().then(|| String::from_utf8_lossy(&libpq.stdout).trim().to_owned());
        assert_eq!(libpq.as_deref(), expected, "libpq: {host} {root:?}");
    }
}
