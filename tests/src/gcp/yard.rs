//! A team's disk on the emulated Google, attached to a machine, a vault, a config, and Lastgood with its real adapters.

use super::{Gcp, compute::Compute};
use crate::house::world_in;
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    clock::{Clock, after},
    config::Config,
    domain::backup::Manifest,
    env::Env,
    id::AssetName,
    providers::gcp::Google,
    testing::{ManualClock, MemoryBucket},
};
use std::{sync::Arc, time::Duration};
use tempfile::TempDir;

/// The project that all is in, and the one that drills run in.
pub const PROJECT: &str = "acme-prod";
/// The project that drills run in.
pub const DRILLS: &str = "acme-drills";
/// Where the disk is, and where drills make theirs.
pub const ZONE: &str = "europe-west1-b";
/// The disk's asset.
pub const DISK: &str = "data-volume";
/// The key that the disk is encrypted with.
pub const KEY: &str = "projects/acme-keys/locations/europe-west1/keyRings/disks/cryptoKeys/data";

/// A yard. All of it is gone with the test.
pub struct Yard {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock, and Google's.
    pub clock: ManualClock,
    /// The emulated Google.
    pub gcp: Gcp,
    /// Its disks, from behind.
    pub compute: Arc<Compute>,
    /// The vault, dated by the same clock.
    pub vault: MemoryBucket,
    _home: TempDir,
}

impl Yard {
    /// Builds a yard at four in the morning.
    pub async fn build() -> Self {
        Self::with("").await
    }

    /// Builds a yard whose snapshots have these settings besides.
    pub async fn with(snapshot: &str) -> Self {
        let clock = ManualClock::at("2026-11-20T04:00:00Z".parse().expect("a moment"));
        let mut compute = None;
        let gcp = Gcp::start_with(Arc::new(clock.clone()), |faults, _| {
            let made = Compute::new(Arc::new(clock.clone()), faults);
            compute = Some(made.clone());
            vec![made]
        })
        .await;
        let compute = compute.expect("it was made");
        compute.found(PROJECT, &format!("zones/{ZONE}"), "data-1", 10, "pd-ssd", Some(KEY), "monday");
        let home = tempfile::Builder::new().prefix("lggcp-").tempdir().expect("a temporary folder");
        std::fs::create_dir(home.path().join("scratch")).expect("a folder");
        let yaml = format!(
            "vault: file:///lastgood\ndefaults: {{ rpo: 26h, rto: 4h, retention: {{ daily: 2 }} }}\nassets:\n  {DISK}: {{ kind: volume, provider: gcp, \
             project: {PROJECT}, volume: data-1, zone: {ZONE}, snapshot: {{ schedule: \"0 4 * * *\"{snapshot} }}, \
             drill: {{ schedule: \"0 6 * * *\", into: {{ disk: {{ zone: {ZONE}, project: {DRILLS} }} }} }} }}\n"
        );
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let vault = MemoryBucket::new(config.vault.clone(), clock.clone());
        let google = Arc::new(Google::new(gcp.access()));
        let env = world_in(Arc::new(vault.clone()), config, &clock, home.path().join("scratch"), |real| real.google = google);
        Self { env, clock, gcp, compute, vault, _home: home }
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// Another invocation that has so long to live.
    pub fn hurried(&self, span: Duration) -> Env {
        Env { deadline: Some(after(self.clock.now(), span)), ..self.env.clone() }
    }

    /// The backups of the disk, newest first. None may be unreadable.
    pub async fn backups(&self) -> Vec<Manifest> {
        let found = self.env.vault.backups(&name(DISK)).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// The evidence of the disk's drills, newest first.
    pub async fn evidence(&self) -> Vec<Evidence> {
        self.env.vault.all(&Key::drills(&name(DISK))).await.expect("the evidence").good
    }

    /// Turns the clock.
    pub fn set(&self, now: &str) {
        self.clock.set(now.parse().expect("a moment"));
    }

    /// The names of the disk's snapshots.
    pub fn snapshots(&self) -> Vec<String> {
        self.compute.snapshots(PROJECT).into_iter().map(|(name, _)| name).collect()
    }
}

/// The name of an asset.
pub fn name(asset: &str) -> AssetName {
    asset.parse().expect("a name")
}
