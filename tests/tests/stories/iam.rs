//! Exports from a database of RDS that is logged in to by IAM: a token for each connection, and no password anywhere.

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    backup::{Taken, When},
    config::Config,
    env::Env,
    error::Kind,
    function::{Function, Outcome},
    ports::Secret,
    providers::{
        aws::{Aws, IamLogin},
        postgres::{Tools, url::Mint},
    },
};
use lastgood_tests::{
    aws::estate::{Estate, HOME, PRODUCTION},
    house::world_on,
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Production with a role that knows no password but the token of the present moment.
struct Database {
    estate: Estate,
    host: String,
    port: u16,
    home: tempfile::TempDir,
}

impl Database {
    async fn open(test: &str) -> Option<Self> {
        let estate = Estate::build(test).await?;
        estate.production.sql("postgres", "create role exporter login in role pg_read_all_data").await;
        let rds = aws_sdk_rds::Client::new(&estate.aws.sdk(HOME));
        let found = rds.describe_db_instances().db_instance_identifier(PRODUCTION).send().await.unwrap();
        let endpoint = found.db_instances()[0].endpoint().unwrap();
        let (host, port) = (endpoint.address().unwrap().to_owned(), u16::try_from(endpoint.port().unwrap()).unwrap());
        Some(Self { estate, host, port, home: tempfile::tempdir().unwrap() })
    }

    /// The token of this moment.
    async fn token(&self) -> Secret {
        let aws = Aws::new(self.estate.aws.access());
        let login = IamLogin::open(&aws, HOME, Arc::new(self.estate.clock.clone())).await.unwrap();
        login.mint(&self.host, self.port, "exporter").unwrap()
    }

    /// The database takes this token now, and no other.
    async fn takes(&self, token: &Secret) {
        self.estate.production.sql("postgres", &format!("alter role exporter password '{}'", token.expose())).await;
    }

    /// The world as an export sees it, whose `url` ends so.
    fn world(&self, login: &str, query: &str) -> Env {
        let url = self.home.path().join("url");
        std::fs::write(&url, format!("postgres://{login}@{}:{}/postgres{query}", self.host, self.port)).unwrap();
        std::fs::set_permissions(&url, std::fs::Permissions::from_mode(0o600)).unwrap();
        let yaml = format!(
            "
vault: file:///lastgood
assets:
  orders-rds:
    kind: rds
    instance: {PRODUCTION}
    region: {HOME}
    url: file:{}
    login: iam
    export: {{ schedule: \"0 2 * * *\" }}
",
            url.display()
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap();
        let vault = Arc::new(self.estate.vault.clone());
        world_on(self.estate.aws.access(), vault, config, &self.estate.clock, scratch(self.home.path()), Tools::of_this_machine())
    }

    fn verified(&self) -> String {
        format!("?sslmode=verify-full&sslrootcert={}", self.estate.aws.ca().display())
    }
}

fn scratch(home: &Path) -> PathBuf {
    let scratch = home.join("scratch");
    std::fs::create_dir_all(&scratch).unwrap();
    scratch
}

async fn export(env: &Env) -> Outcome<Taken> {
    let asked = ExportToBucket { when: When::Now, ..ExportToBucket::default() };
    asked.run(env).await.unwrap().entries[0].outcome.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_logs_in_with_a_token_of_its_moment_and_keeps_none() {
    let Some(database) = Database::open("iam::an_export_logs_in").await else { return };
    let env = database.world("exporter", &database.verified());
    let first = database.token().await;
    database.takes(&first).await;
    let outcome = export(&env).await;
    let Outcome::Done(taken) = &outcome else { panic!("{outcome:?}") };
    assert!(taken.plain_bytes > 0, "{taken:?}");

    // A quarter of an hour later the same token is worth nothing, and a new one is shown.
    database.estate.clock.advance(Duration::from_mins(16));
    let outcome = export(&env).await;
    assert!(matches!(outcome, Outcome::Failed { kind: Kind::Denied, .. }), "{outcome:?}");
    let second = database.token().await;
    assert_ne!(first.expose(), second.expose());
    database.takes(&second).await;
    assert!(matches!(export(&env).await, Outcome::Done(_)));

    for (key, bytes) in database.estate.vault.contents() {
        assert!(!String::from_utf8_lossy(&bytes).contains("X-Amz-Signature"), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_shown_to_nobody_who_does_not_prove_its_name() {
    let Some(database) = Database::open("iam::a_token_is_shown_to_nobody").await else { return };
    let verified = database.verified();
    for (login, query, hint) in [
        ("exporter", "", "sslmode=verify-full"),
        ("exporter", "?sslmode=require", "sslmode=verify-full"),
        ("exporter:kept-canary-31", verified.as_str(), "leave the password out"),
    ] {
        let outcome = export(&database.world(login, query)).await;
        let said = format!("{outcome:?}");
        assert!(matches!(outcome, Outcome::Failed { kind: Kind::Invalid, .. }), "{said}");
        assert!(said.contains(hint) && !said.contains("canary"), "{said}");
    }
}
