//! A team's whole estate on the emulated Google: production, a vault, a config, and Lastgood with its real adapters. It is
//! called as the runbooks of two teams call it.

use crate::{
    gcp::{Gcp, POSTGRES_PASSWORD},
    house::world_in,
    pg::Cluster,
};
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    clock::{Clock, after},
    config::Config,
    domain::backup::Manifest,
    env::Env,
    id::AssetName,
    providers::postgres::{PgUrl, connect},
    testing::{ManualClock, MemoryBucket},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

/// The project.
pub const PROJECT: &str = "acme";
/// Where production is.
pub const HOME: &str = "europe-west1";
/// Where it could be instead.
pub const FAR: &str = "europe-west4";
/// The instance that is protected.
pub const PRODUCTION: &str = "pegasus-db-eu";
/// The network of drills.
pub const DRILLS: &str = "projects/acme/global/networks/drills";

/// An estate. All of it is gone with the test.
pub struct Estate {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock, and Google's.
    pub clock: ManualClock,
    /// The emulated Google.
    pub gcp: Gcp,
    /// The server behind the production instance: 300 lectures.
    pub production: Cluster,
    /// The vault, dated by the same clock.
    pub vault: MemoryBucket,
    home: TempDir,
}

/// What is asked of production where a test asks for nothing else.
pub const POLICY: &str = r#"
    snapshot: { schedule: "0 3 * * *" }
    drill:
      schedule: "0 6 * * *"
      into: { cloudsql: { network: projects/acme/global/networks/drills, tier: db-custom-1-3840 } }
      checks:
        - { sql: "select count(*) from lectures", expect: "= 300" }
        - { table: lectures, newest: held, within: 26h }
        - { table: courses, rows: "= 3" }
"#;

impl Estate {
    /// Builds an estate at three in the morning.
    pub async fn build() -> Self {
        Self::with(POLICY).await
    }

    /// The same, of which this is asked.
    pub async fn with(policy: &str) -> Self {
        Self::named("pegasus-db", PRODUCTION, policy).await
    }

    /// The same, under other names.
    pub async fn named(asset: &str, instance: &str, policy: &str) -> Self {
        let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().expect("a moment"));
        let gcp = Gcp::start_at(Arc::new(clock.clone())).await;
        let production = gcp.cluster().await;
        let lectures = "create table lectures (id int primary key, held timestamptz not null);
                        insert into lectures select n, '2026-11-20T02:00:00Z'::timestamptz - n * interval '1 minute' from generate_series(1, 300) n;
                        alter table lectures owner to postgres;
                        create role pegasus; create table courses (id int primary key); insert into courses select generate_series(1, 3);
                        alter table courses owner to pegasus";
        production.sql("postgres", lectures).await;
        gcp.database(&production, PROJECT, instance, HOME).await;
        let home = tempfile::Builder::new().prefix("lgpegasus-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("scratch")).expect("a folder");
        let yaml = format!(
            "vault: file:///lastgood\nrunbook: https://example.com/runbook\n\
             defaults: {{ rpo: 26h, rto: 4h, retention: {{ daily: 2 }} }}\n\
             assets:\n  {asset}:\n    kind: cloudsql\n    project: {PROJECT}\n    instance: {instance}\n{policy}"
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let (scratch, google) = (home.path().join("scratch"), gcp.google());
        let env = world_in(Arc::new(vault.clone()), config, &clock, scratch, |real| real.google = google);
        Self { env, clock, gcp, production, vault, home }
    }

    /// The folder for spools.
    pub fn scratch(&self) -> std::path::PathBuf {
        self.home.path().join("scratch")
    }

    /// The one asset.
    pub fn asset(&self) -> AssetName {
        self.env.config.assets.keys().next().expect("an asset").clone()
    }

    /// Another invocation that has so long to live.
    pub fn hurried(&self, span: Duration) -> Env {
        Env { deadline: Some(after(self.clock.now(), span)), ..self.env.clone() }
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// The backups, newest first. None may be unreadable.
    pub async fn backups(&self) -> Vec<Manifest> {
        let found = self.env.vault.backups(&self.asset()).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The evidence of drills, newest first.
    pub async fn evidence(&self) -> Vec<Evidence> {
        self.env.vault.all(&Key::drills(&self.asset())).await.expect("the evidence").good
    }

    /// The names of what runs in the project.
    pub async fn instances(&self) -> Vec<String> {
        self.gcp.instances(PROJECT).await.into_iter().map(|seen| seen.name).collect()
    }

    /// Asks an instance with the administrator's password, as an application in its network would.
    pub async fn ask(&self, instance: &str, sql: &str) -> String {
        let (_, seen) = self.gcp.ask("GET", &format!("/v1/projects/{PROJECT}/instances/{instance}"), None).await;
        let host = seen["ipAddresses"][0]["ipAddress"].as_str().unwrap_or_else(|| panic!("no address: {seen}"));
        let ca = self.scratch().join(format!("{instance}.pem"));
        std::fs::write(&ca, seen["serverCaCert"]["cert"].as_str().expect("an authority")).expect("a certificate");
        let url = format!("postgres://postgres:{POSTGRES_PASSWORD}@{host}:5432/postgres?sslmode=verify-ca&sslrootcert={}", ca.display());
        let client = connect(&url.parse::<PgUrl>().expect("a URL")).await.unwrap_or_else(|error| panic!("{}", error.full()));
        client.query_one(sql, &[]).await.expect("an answer").get::<_, i64>(0).to_string()
    }

    /// Fingerprints production: the same text means that nobody touched it.
    pub async fn production_fingerprint(&self) -> String {
        self.production.fingerprint("postgres").await
    }

    /// Turns the clock.
    pub fn at(&self, moment: &str) {
        self.clock.set(moment.parse().expect("a moment"));
    }
}
