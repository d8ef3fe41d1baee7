//! A crowd: a fleet of so many members with so many backups each, whose records come out of nowhere when they are asked for.
//!
//! What is asked is counted, and may take as long as a cloud takes to answer. Nothing is held in memory but what functions
//! write, so that what a tick takes can be told from the world that it looks at.

use async_trait::async_trait;
use bytes::Bytes;
use lastgood_core::{
    catalog::{
        Copy, Key, Tombstone, Vault, encode,
        evidence::{Drilled, Evidence, ReplicaSeen},
    },
    clock::{Clock, Timestamp, before},
    config::{Asset, Config, DrillTarget},
    domain::{
        backup::{Expectations, Form, Manifest, Method, Origin, Tier},
        drill::{ReplicaName, Verdict},
        fleet::Candidate,
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
        run::{Run, RunState},
    },
    env::{Env, Quiet},
    error::{Result, unsupported},
    fleet,
    id::{AssetName, BackupId, Slot},
    ports::{Bucket, ByteStream, Exporter, If, Listed, ObjectMeta, Providers, Replicas, Snapshots, SourceSeen, Upload, Version},
    testing::{ManualClock, MemoryBucket, MemorySecrets},
};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const HOME: &str = "aws://eu-west-1";
const FAR: &str = "aws://us-east-1";
const TAKES: &str = "snapshot-trigger";
const COPIES: &str = "cross-region-copy";
const DRILLS: &str = "restore-drill";
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
    /// What functions wrote.
    written: MemoryBucket,
}

impl Crowd {
    /// A fleet of `members` with `backups` each, the newest of last night; every answer takes as long as `latency`.
    pub fn of(members: usize, backups: usize, latency: Duration) -> Self {
        let clock = ManualClock::at("2026-11-20T12:00:00Z".parse().expect("a moment"));
        let place: Place = "s3://crowd/lastgood".parse().expect("a place");
        let written = MemoryBucket::new(place, clock.clone());
        Self { calls: Arc::default(), clock, members, backups, latency, written }
    }

    /// What a function gets, once its host has looked who belongs to the fleet.
    pub async fn env(&self) -> Env {
        let config = Config::parse(CONFIG, "lastgood.yaml").expect("a config");
        let vault = Vault::new(Arc::new(self.clone()));
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
        let name = fleet_member(0);
        self.keys(&Key::records(&name)).len()
    }

    async fn asked(&self, count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
    }

    fn slot(&self, back: usize) -> Slot {
        let last: Timestamp = "2026-11-20T03:00:00Z".parse().expect("a moment");
        Slot(before(last, Duration::from_hours(24 * u64::try_from(back).expect("a number"))))
    }

    fn manifest(&self, asset: &AssetName, back: usize) -> Manifest {
        let slot = self.slot(back);
        let held = held(asset, slot, HOME);
        let settings = (0..24).map(|n| (format!("setting_{n}"), serde_json::json!({ "value": format!("of some length, number {n}") })));
        Manifest {
            id: BackupId::derive(TAKES, asset, &slot),
            asset: asset.clone(),
            method: Method::ProviderSnapshot,
            tier: Tier::Daily,
            slot,
            data_time: slot.0,
            started_at: slot.0,
            finished_at: slot.0,
            source: Origin { server: held.engine.clone(), system_identifier: Some("db-ABCDEFGHIJKL".to_owned()), ..Origin::default() },
            artifacts: Vec::new(),
            held: Some(Held { settings: settings.collect(), ..held }),
            expectations: Expectations::default(),
            tools: BTreeMap::from([("lastgood".to_owned(), "0.1.0".to_owned())]),
        }
    }

    fn evidence(&self, asset: &AssetName, back: usize) -> Evidence {
        let (manifest, slot) = (self.manifest(asset, back), self.slot(back));
        let (rto, rpo) = ("4h".parse().expect("a span"), "26h".parse().expect("a span"));
        Evidence {
            drill: BackupId::derive(DRILLS, asset, &slot),
            asset: asset.clone(),
            verdict: Verdict::Proven,
            reason: None,
            backup: Some(Drilled {
                id: manifest.id,
                method: manifest.method,
                form: Form::Snapshot,
                from: HOME.parse().expect("a place"),
                data_time: manifest.data_time,
                stored_bytes: manifest.stored_bytes(),
            }),
            replica: ReplicaSeen { name: ReplicaName::derive(asset, &slot), kind: "rds".to_owned(), gone_at: slot.0 },
            started_at: slot.0,
            finished_at: slot.0,
            restore_seconds: Some(900.0),
            objectives: Evidence::objectives(rto, rpo, Some(900.0), None),
            checks: Vec::new(),
            tools: BTreeMap::new(),
            unsigned: None,
        }
    }

    /// Every key below a folder of one asset, in order.
    fn keys(&self, folder: &str) -> Vec<String> {
        let Some(asset) = asset_of(folder) else { return Vec::new() };
        let mut keys: Vec<String> = (0..self.backups)
            .flat_map(|back| {
                let (slot, manifest) = (self.slot(back), BackupId::derive(TAKES, &asset, &self.slot(back)));
                let runs = [TAKES, COPIES].map(|function| Key::Run(asset.clone(), function.to_owned(), slot));
                let far: Place = FAR.parse().expect("a place");
                let always = [Key::Manifest(asset.clone(), manifest), Key::Copy(asset.clone(), manifest, far)];
                let drill = BackupId::derive(DRILLS, &asset, &slot);
                let weekly = [Key::Drill(asset.clone(), drill), Key::Run(asset.clone(), DRILLS.to_owned(), slot)];
                let weekly = weekly.into_iter().filter(move |_| back % 7 == 0);
                // As many again were let go.
                let gone = self.slot(self.backups + back);
                let gone = Key::Tombstone(asset.clone(), BackupId::derive(TAKES, &asset, &gone));
                runs.into_iter().chain(always).chain(weekly).chain([gone]).map(|key| key.to_string()).collect::<Vec<_>>()
            })
            .filter(|key| key.starts_with(folder))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// What stands under a key of one asset.
    fn record(&self, key: &str) -> Option<Bytes> {
        let asset = asset_of(key)?;
        let written = |record: &dyn Fn() -> Result<Bytes>| record().ok();
        let back_of = |moment: Timestamp, from: usize| (from..from + self.backups).find(|back| self.slot(*back).0 == moment);
        let id = |text: &str| text.split('/').next()?.split('.').next()?.parse::<BackupId>().ok();
        let rest = key.strip_prefix(&Key::records(&asset))?;
        let (kind, name) = rest.split_once('/')?;
        match kind {
            "backups" => {
                let back = back_of(id(name)?.time(), 0)?;
                written(&|| encode(&self.manifest(&asset, back)))
            }
            "copies" => {
                let manifest = self.manifest(&asset, back_of(id(name)?.time(), 0)?);
                let copy = Copy {
                    backup: manifest.id,
                    asset: asset.clone(),
                    place: FAR.parse().ok()?,
                    proven_at: manifest.finished_at,
                    artifacts: Vec::new(),
                    held: Some(self::held(&asset, manifest.slot, FAR)),
                };
                written(&|| encode(&copy))
            }
            "drills" => {
                let back = back_of(id(name)?.time(), 0)?;
                written(&|| encode(&self.evidence(&asset, back)))
            }
            "tombstones" => {
                let back = back_of(id(name)?.time(), self.backups)?;
                let mut stone = Tombstone::of(&self.manifest(&asset, back), Vec::new(), "newer ones stand", "hash", self.clock.now());
                stone.leaving = lastgood_core::catalog::Leaving::Gone;
                written(&|| encode(&stone))
            }
            "runs" => {
                let (function, slot) = name.split_once('/')?;
                let slot: Slot = slot.strip_suffix(".json")?.parse().ok()?;
                let run = Run {
                    function: function.to_owned(),
                    asset: asset.clone(),
                    slot,
                    id: BackupId::derive(function, &asset, &slot),
                    attempt: 1,
                    state: RunState::Done { at: slot.0 },
                    leftovers: Vec::new(),
                    snapshot: None,
                    drill: None,
                };
                written(&|| encode(&run))
            }
            _ => None,
        }
    }

    fn meta(&self, key: &str) -> ObjectMeta {
        let modified = before(self.clock.now(), Duration::from_hours(1));
        ObjectMeta { key: key.to_owned(), size: 1_000, version: Version(format!("\"{key}\"")), modified }
    }
}

/// The asset of a member.
fn fleet_member(number: usize) -> AssetName {
    format!("prod-db{number:05}").parse().expect("a name")
}

fn asset_of(key: &str) -> Option<AssetName> {
    key.strip_prefix("catalog/v1/assets/")?.split('/').next()?.parse().ok()
}

fn held(asset: &AssetName, slot: Slot, at: &str) -> Held {
    let place: Place = at.parse().expect("a place");
    let name = SnapshotName::derive(asset, &slot);
    Held {
        reference: format!("arn:aws:rds:{}:111122223333:snapshot:{name}", place.bucket()),
        engine: "postgres 15.18".to_owned(),
        bytes: 20 << 30,
        encrypted: true,
        key: Some(format!("arn:aws:kms:{}:111122223333:key/1", place.bucket())),
        members: Vec::new(),
        settings: BTreeMap::new(),
        place,
        name,
    }
}

#[async_trait]
impl Bucket for Crowd {
    fn place(&self) -> &Place {
        self.written.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.asked(&self.calls.heads).await;
        self.written.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.asked(&self.calls.gets).await;
        match self.record(key) {
            Some(bytes) => Ok(Some((bytes, self.meta(key).version))),
            None => self.written.get(key, most).await,
        }
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.written.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.asked(&self.calls.puts).await;
        self.written.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        self.written.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        const PAGE: usize = 1_000;
        self.asked(&self.calls.lists).await;
        let mut all: Vec<_> = self.keys(prefix).iter().map(|key| self.meta(key)).collect();
        for key in self.written.keys().into_iter().filter(|key| key.starts_with(prefix)) {
            all.extend(self.written.head(&key).await?);
        }
        all.retain(|meta| start_after.is_none_or(|after| meta.key.as_str() > after));
        all.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let next = (all.len() > PAGE).then(|| all[PAGE - 1].key.clone());
        all.truncate(PAGE);
        Ok(Listed { objects: all, next })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.written.delete(key).await
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn sweep_uploads(&self, _: Timestamp, _: Duration) -> Result<usize> {
        Ok(0)
    }
}

#[async_trait]
impl Providers for Crowd {
    async fn bucket(&self, _: &Place) -> Result<Arc<dyn Bucket>> {
        Ok(Arc::new(self.clone()))
    }

    async fn exporter(&self, asset: &Asset, _: Form) -> Result<Arc<dyn Exporter>> {
        Err(unsupported(format!("{} is not exported", asset.name)))
    }

    async fn snapshots(&self, asset: &Asset, at: &Place) -> Result<Arc<dyn Snapshots>> {
        Ok(Arc::new(Shelf { crowd: self.clone(), asset: asset.name.clone(), place: at.clone() }))
    }

    async fn candidates(&self, _: &Place) -> Result<Vec<Candidate>> {
        for _ in 0..self.members.div_ceil(100) {
            self.asked(&self.calls.provider).await;
        }
        let tags = || vec![BTreeMap::from([("backup".to_owned(), "true".to_owned())])];
        let one = |number| Candidate { id: format!("db{number:05}"), tags: tags(), instances: Vec::new(), unfit: None };
        Ok((0..self.members).map(one).collect())
    }

    async fn replicas(&self, asset: &Asset, _: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Err(unsupported(format!("{} is not drilled", asset.name)))
    }
}

/// What a region holds of one member.
#[derive(Debug)]
struct Shelf {
    crowd: Crowd,
    asset: AssetName,
    place: Place,
}

#[async_trait]
impl Snapshots for Shelf {
    fn place(&self) -> &Place {
        &self.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        Err(unsupported("nothing is taken here"))
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        // What a region shows of all instances serves every one of them.
        Ok(Some(Posture { retention_days: Some(7), protected: Some(true), public: Some(false), ..Posture::default() }))
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        Err(unsupported(format!("{} is not taken here", label.name)))
    }

    async fn begin_copy(&self, label: &Label, _: &Held) -> Result<()> {
        Err(unsupported(format!("{} is not copied here", label.name)))
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        Ok(self.snapshots().await?.into_iter().find(|seen| seen.name == *name))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        for _ in 0..self.crowd.backups.div_ceil(100).max(1) {
            self.crowd.asked(&self.crowd.calls.provider).await;
        }
        let one = |back| {
            let slot = self.crowd.slot(back);
            let held = held(&self.asset, slot, &self.place.to_string());
            SnapshotSeen {
                name: held.name.clone(),
                backup: Some(BackupId::derive(TAKES, &self.asset, &slot)),
                state: SnapshotState::Available,
                data_time: Some(slot.0),
                held,
            }
        };
        Ok((0..self.crowd.backups).map(one).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        Err(unsupported(format!("{name} is not removed here")))
    }
}
