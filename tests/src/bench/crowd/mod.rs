//! A crowd: a fleet of so many members with so many backups each, whose records come out of nowhere when they are asked for.
//!
//! What is asked is counted, and may take as long as a cloud takes to answer. What functions write is kept where the maker says:
//! in memory, or in a folder, so that what a tick takes can be told from the world that it looks at.

mod cloud;
mod records;
mod served;
mod vault;

use lastgood_core::{
    catalog::{Key, Vault},
    config::Config,
    domain::place::Place,
    env::{Env, Quiet},
    fleet,
    ports::Bucket,
    providers::local::Folder,
    testing::{ManualClock, MemoryBucket, MemorySecrets},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const HOME: &str = "aws://eu-west-1";
const FAR: &str = "aws://us-east-1";
const PLACE: &str = "s3://crowd/lastgood";
const CONFIG: &str = r#"
vault: s3://crowd/lastgood
defaults: { rpo: 26h, rto: 4h, retention: { daily: 365 } }
assets:
  prod:
    kind: rds
    select: { tag: backup=true }
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
"#;

/// How often what was asked.
#[derive(Debug, Default)]
pub struct Calls {
    lists: AtomicUsize,
    gets: AtomicUsize,
    heads: AtomicUsize,
    puts: AtomicUsize,
    provider: AtomicUsize,
}

/// The same, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Pages of listings of the vault.
    pub lists: usize,
    /// Objects read.
    pub gets: usize,
    /// Objects looked at.
    pub heads: usize,
    /// Objects written.
    pub puts: usize,
    /// Questions to the provider, a page each.
    pub provider: usize,
}

impl Counted {
    /// All of them.
    pub fn all(&self) -> usize {
        let Self { lists, gets, heads, puts, provider } = self;
        lists + gets + heads + puts + provider
    }
}

impl Calls {
    /// Returns the counts, and begins anew.
    pub fn take(&self) -> Counted {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        Counted {
            lists: take(&self.lists),
            gets: take(&self.gets),
            heads: take(&self.heads),
            puts: take(&self.puts),
            provider: take(&self.provider),
        }
    }
}

/// A crowd.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// What was asked.
    pub calls: Arc<Calls>,
    clock: ManualClock,
    members: usize,
    backups: usize,
    latency: Duration,
    relist_every: Option<&'static str>,
    /// What functions wrote.
    written: Arc<dyn Bucket>,
    place: Place,
}

impl Crowd {
    /// A fleet of `members` with `backups` each, the newest of last night; every answer takes as long as `latency`.
    pub fn of(members: usize, backups: usize, latency: Duration) -> Self {
        let clock = noon();
        let written = MemoryBucket::new(place(), clock.clone());
        Self { calls: Arc::default(), clock, members, backups, latency, relist_every: None, written: Arc::new(written), place: place() }
    }

    /// The same crowd, of which the checker may go by what it saw when all was well, for so long.
    pub fn relisted_every(self, span: &'static str) -> Self {
        Self { relist_every: Some(span), ..self }
    }

    /// The same crowd, but what functions write goes to a folder, where the next process finds it.
    pub fn kept_in(self, folder: &Path) -> Self {
        let folder = format!("file://{}", folder.display()).parse().expect("a place");
        Self { written: Arc::new(Folder::new(folder).expect("a folder")), ..self }
    }

    /// What a function gets, once its host has looked who belongs to the fleet.
    pub async fn env(&self) -> Env {
        self.env_with(Vault::new(Arc::new(self.clone()))).await
    }

    /// The same, with a vault that is reached by the S3 protocol.
    pub async fn env_over_s3(&self, server: std::net::SocketAddr) -> Env {
        let s3 = lastgood_core::providers::aws::S3::new(place(), crate::s3::settings_for(server)).expect("a place in S3");
        self.env_with(Vault::new(Arc::new(s3))).await
    }

    async fn env_with(&self, vault: Vault) -> Env {
        let relist = self.relist_every.map(|span| format!("relist_every: {span}\n")).unwrap_or_default();
        let config = Config::parse(&format!("{relist}{CONFIG}"), "lastgood.yaml").expect("a config");
        let config = fleet::expanded(&config, &vault, self).await;
        Env {
            config: Arc::new(config),
            vault,
            clock: Arc::new(self.clock.clone()),
            secrets: Arc::new(MemorySecrets::default()),
            providers: Arc::new(self.clone()),
            notifiers: Vec::new(),
            monitors: Vec::new(),
            progress: Arc::new(Quiet),
            holder: "bench".to_owned(),
            deadline: None,
            scratch: PathBuf::from("/nonexistent"),
        }
    }

    /// How many records an asset has.
    pub fn records(&self) -> usize {
        let name = records::fleet_member(0);
        self.keys(&Key::records(&name)).len()
    }

    async fn asked(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }
}

fn noon() -> ManualClock {
    ManualClock::at("2026-11-20T12:00:00Z".parse().expect("a moment"))
}

fn place() -> Place {
    PLACE.parse().expect("a place")
}
