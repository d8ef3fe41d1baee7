//! The worlds that alerts are played in.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, Status, decode, encode, evidence::Evidence},
    config::Config,
    domain::{
        backup::Manifest,
        drill::Verdict,
        finding::{Finding, FindingKind},
        fleet::Candidate,
        run::RunState,
    },
    function::{Findings, Function},
    id::BackupId,
    testing::World,
};
use snapshot_trigger::SnapshotTrigger;
use std::{collections::BTreeMap, sync::Arc};

pub const NOW: &str = "2026-11-20T12:00:00Z";
pub const WEST: &str = "file:///west";

/// Nightly exports at 10:00, a copy in the west, a drill every Sunday.
pub const CONFIG: &str = r#"
vault: file:///vault
runbook: https://example.com/runbook
defaults: { rpo: 24h, rto: 4h, retention: { daily: 14, weekly: 4, monthly: 12 } }
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 10 * * *" }
    copies: [ { vault: file:///west } ]
    drill: { schedule: "0 6 * * 0", into: scratch }
"#;

/// What a play came to.
pub struct Played {
    /// What was found before.
    pub before: Vec<Finding>,
    /// The alert.
    pub fired: Finding,
    /// What its channel heard.
    pub heard: Vec<String>,
    /// What was found once it was mended.
    pub after: Vec<Finding>,
    /// What its channel heard then.
    pub heard_after: Vec<String>,
}

pub async fn check(world: &World) -> Status {
    FreshnessChecker::default().run(&world.looked().await).await.unwrap()
}

async fn findings(world: &World) -> Vec<Finding> {
    check(world).await.findings()
}

/// Plays an alert: what is before, what breaks, what mends.
pub async fn play(
    kind: FindingKind,
    mut world: World,
    breaks: impl AsyncFnOnce(&mut World),
    mends: impl AsyncFnOnce(&mut World),
) -> Played {
    let before = findings(&world).await;
    world.inbox.take();
    breaks(&mut world).await;
    let seen = findings(&world).await;
    let fired = seen.iter().find(|finding| finding.kind == kind).cloned();
    let fired = fired.unwrap_or_else(|| panic!("{kind:?} does not fire: {seen:#?}"));
    let heard = world.inbox.take();
    mends(&mut world).await;
    let mut after = findings(&world).await;
    if kind == FindingKind::NotDelivered {
        // What could not be told is told now; the next check has nothing to add.
        after = findings(&world).await;
    }
    Played { before, fired, heard, after, heard_after: world.inbox.take() }
}

/// Plays an alert that a function's host tells by itself, for no checker is there to do so.
pub async fn told_by_a_host(
    kind: FindingKind,
    mut world: World,
    breaks: impl AsyncFnOnce(&mut World),
    mends: impl AsyncFnOnce(&mut World),
) -> Played {
    let before = findings(&world).await;
    world.inbox.take();
    let told = world.inbox.clone();
    breaks(&mut world).await;
    let fired = told.last().unwrap_or_else(|| panic!("{kind:?} is not told"));
    let heard = told.take();
    mends(&mut world).await;
    let after = findings(&world).await;
    Played { before, fired, heard, after, heard_after: told.take() }
}

/// The last drill's evidence could not be signed.
pub fn unsigned(world: &World) {
    let folder = Key::drills(&"orders-db".parse().unwrap());
    let key = world.vault.keys().into_iter().rfind(|key| key.starts_with(&folder) && key.ends_with(".json")).unwrap();
    let mut evidence: Evidence = decode(&world.vault.bytes(&key).unwrap()).unwrap();
    evidence.unsigned = Some("env:EVIDENCE_KEY is not set".to_owned());
    world.vault.overwrite(&key, encode(&evidence).unwrap());
}

/// A world as it should be: five nights, copied, proven, functions alive.
pub fn healthy() -> World {
    let world = World::new(NOW, CONFIG).unwrap();
    let orders = world.asset("orders-db");
    for when in ["98h ago", "74h ago", "50h ago", "26h ago", "2h ago"] {
        let id = orders.backed_up(when).unwrap();
        orders.copied(id, WEST).unwrap();
        orders.ran(when, |at| RunState::Done { at }).unwrap();
        if when == "50h ago" {
            orders.drilled(id, "40h ago", Verdict::Proven, 600.0).unwrap();
        }
    }
    for function in ["export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill"] {
        world.woken(function, "2h ago").unwrap();
    }
    world
}

pub fn reconfigured(world: &mut World, config: &str) {
    world.config = Arc::new(Config::parse(config, "lastgood.yaml").unwrap());
}

pub fn newest(world: &World) -> Manifest {
    lastgood_core::catalog::decode(&world.vault.bytes(&manifest(world).0).unwrap()).unwrap()
}

/// The newest manifest: its key and its bytes.
pub fn manifest(world: &World) -> (String, Vec<u8>) {
    let folder = Key::manifests(&"orders-db".parse().unwrap());
    let key = world.vault.keys().into_iter().rfind(|key| key.starts_with(&folder)).unwrap();
    let bytes = world.vault.bytes(&key).unwrap();
    (key, bytes.to_vec())
}

pub fn copied(world: &World, id: BackupId) {
    world.asset("orders-db").copied(id, WEST).unwrap();
}

pub fn loses_its_copy(world: &World) {
    let newest = newest(world);
    world.vault.lose(&Key::Copy(newest.asset.clone(), newest.id, WEST.parse().unwrap()).to_string());
}

pub fn drilled(world: &World, verdict: Verdict, seconds: f64) {
    world.asset("orders-db").drilled(newest(world).id, "now", verdict, seconds).unwrap();
}

/// How many findings an asset has.
pub fn emptied(status: &Status, asset: &str) -> usize {
    status.findings().iter().filter(|finding| finding.asset.as_ref().is_some_and(|name| name.as_str() == asset)).count()
}

/// A database at a provider, with last night's snapshot.
pub async fn rds() -> World {
    let config = "vault: file:///vault\nrunbook: https://example.com/runbook\nassets:\n  orders: { kind: rds, instance: orders-prod, region: eu-west-1, snapshot: { schedule: \"0 3 * * *\" } }\n";
    let world = World::new("2026-11-20T03:05:00Z", config).unwrap();
    SnapshotTrigger::default().run(&world.env()).await.unwrap();
    world.snapshots.set_posture(lastgood_core::domain::posture::Posture::default());
    world
}

/// A fleet with these members, each with last night's snapshot.
pub async fn fleet(members: &[&str]) -> World {
    let config = "vault: s3://near/lastgood\nrunbook: https://example.com/runbook\nassets:\n  prod:\n    kind: rds\n    select: { tag: backup=true }\n    region: eu-west-1\n    snapshot: { schedule: \"0 3 * * *\" }\n";
    let world = World::new("2026-11-20T03:00:00Z", config).unwrap();
    shows(&world, members);
    SnapshotTrigger::default().run(&world.looked().await).await.unwrap();
    world
}

pub fn shows(world: &World, ids: &[&str]) {
    let tagged = |id: &&str| {
        let tags = vec![BTreeMap::from([("backup".to_owned(), "true".to_owned())])];
        Candidate { id: (*id).to_owned(), tags, instances: Vec::new(), unfit: None }
    };
    world.snapshots.shows("aws://eu-west-1", Ok(ids.iter().map(tagged).collect()));
}
