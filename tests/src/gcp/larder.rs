//! A team's cache on the emulated Memorystore, with what a real Redis wrote in it; a vault, a config, Lastgood with its real
//! adapters, and a real Redis for its drills.

use super::{Gcp, memorystore::Memorystore};
use crate::{
    house::world_in,
    redis::{Redis, programs},
};
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    config::Config,
    domain::backup::Manifest,
    env::Env,
    providers::gcp::Google,
    testing::{ManualClock, MemoryBucket},
};
use std::sync::Arc;
use tempfile::TempDir;

/// The asset.
pub const CACHE: &str = "cache";
/// What the cache is filled with: texts, numbers, lists, sets, hashes, streams, two databases, and keys that expire.
pub const FILLING: &str = "
    set greeting hello
    set counter 41
    rpush queue one two three
    sadd tags red green blue
    zadd scores 1.5 ann 2 bob
    hset user:1 name Ann city Graz
    xadd events 1-1 kind order id 7
    xgroup create events workers 0
    xreadgroup group workers w1 count 1 streams events >
    set session:1 x ex 1000000
    set session:2 x ex 1000000
    select 2
    set other yes";

/// A larder. All of it is gone with the test.
pub struct Larder {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock, and Google's.
    pub clock: ManualClock,
    /// The emulated Google.
    pub gcp: Gcp,
    /// Memorystore, from behind.
    pub caches: Arc<Memorystore>,
    /// The Redis that fills the cache.
    pub redis: Redis,
    /// The vault, dated by the same clock.
    pub vault: MemoryBucket,
    home: TempDir,
}

impl Larder {
    /// Builds a larder at two in the morning, or says that the test is skipped because there is no Redis.
    pub async fn build(test: &str) -> Option<Self> {
        let (servers, program) = programs(test)?;
        let redis = Redis::start(&program);
        redis.say(FILLING);
        let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().expect("a moment"));
        let mut caches = None;
        let gcp = Gcp::start_with(Arc::new(clock.clone()), |faults, storage| {
            let made = Memorystore::new(Arc::new(clock.clone()), faults, storage);
            caches = Some(made.clone());
            vec![made]
        })
        .await;
        let caches = caches.expect("it was made");
        gcp.storage().create_bucket("acme-exports");
        caches.found("acme-prod", "europe-west1", "shop", redis.saved());
        let home = tempfile::Builder::new().prefix("lglarder-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("scratch")).expect("a folder");
        let yaml = format!(
            "vault: file:///lastgood\ndefaults: {{ rpo: 26h, rto: 4h, retention: {{ daily: 2 }} }}\nassets:\n  {CACHE}: {{ kind: redis, provider: gcp, \
             project: acme-prod, region: europe-west1, instance: shop, export: {{ schedule: \"0 2 * * *\", through: gs://acme-exports/redis }}, \
             drill: {{ schedule: \"0 6 * * *\" }} }}\n"
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let google = Arc::new(Google::new(gcp.access()));
        let env = world_in(Arc::new(vault.clone()), config, &clock, home.path().join("scratch"), |real| {
            real.google = google;
            real.redis = servers;
        });
        Some(Self { env, clock, gcp, caches, redis, vault, home })
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// A path of its own.
    pub fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    /// The backups of the cache, newest first. None may be unreadable.
    pub async fn backups(&self) -> Vec<Manifest> {
        let found = self.env.vault.backups(&CACHE.parse().expect("a name")).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The evidence of its drills, newest first.
    pub async fn evidence(&self) -> Vec<Evidence> {
        self.env.vault.all(&Key::drills(&CACHE.parse().expect("a name"))).await.expect("the evidence").good
    }

    /// Turns the clock.
    pub fn set(&self, now: &str) {
        self.clock.set(now.parse().expect("a moment"));
    }

    /// What lies in the bucket that Memorystore exports through.
    pub fn exports(&self) -> Vec<String> {
        self.gcp.storage().names_in("acme-exports")
    }
}
