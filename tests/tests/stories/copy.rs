//! Copies: every backup at every place, proven by reading it there, and nothing that is not what its record says.

use async_trait::async_trait;
use bytes::Bytes;
use cross_region_copy::{Copied, CrossRegionCopy};
use lastgood_core::{
    catalog::{Copy, Key, Verification},
    clock::{SystemClock, Timestamp},
    config::Config,
    domain::{
        backup::{Compression, Manifest, Role},
        finding::FindingKind,
        place::Place,
    },
    env::{Env, Quiet},
    error::{Kind, Result},
    function::{Exit, Findings, Function, Outcome, Status},
    ports::{Bucket, ByteStream, If, Listed, ObjectMeta, Upload, Version},
    stream::{self, Encoding, Keys},
    testing::{Faulty, ManualClock, MemoryBucket, SideEffects},
};
use lastgood_tests::{
    s3::{self, S3Server},
    vaults::{Buckets, Vaults, asset, backup, environment, lifelike, zstd},
};
use std::{
    collections::BTreeMap,
    ops::Range,
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::io::AsyncReadExt;

async fn copy(env: &Env) -> cross_region_copy::CopyReport {
    CrossRegionCopy { asset: Some(asset()) }.run(env).await.unwrap()
}

fn done(report: &cross_region_copy::CopyReport) -> &Copied {
    match &report.entries[0].outcome {
        Outcome::Done(copied) => copied,
        other => panic!("{other:?}"),
    }
}

async fn opens_as(vault: &lastgood_core::catalog::Vault, backup: &Manifest, size: usize) {
    let main = backup.main().unwrap();
    let mut opened = stream::open(vault.bucket().clone(), main, &Keys::default(), Arc::new(Quiet)).await.unwrap();
    let mut bytes = Vec::new();
    opened.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == lifelike(size));
}

#[tokio::test]
async fn every_backup_is_copied_once_and_the_copy_stands_alone() {
    let vaults = Vaults::default();
    let older = vaults.backup("2026-11-19T02:00:00Z", 300_000).await;
    let newer = vaults.backup("2026-11-20T02:00:00Z", 20_000_000).await;

    let report = copy(&vaults.env).await;
    assert_eq!((report.status, report.exit()), (Status::Ok, Exit::Good));
    let at = &done(&report).places[0];
    assert_eq!(at.copied, [newer.id, older.id], "newest first");
    assert_eq!((at.already_proven, at.lag_seconds), (0, Some(0)));
    assert_eq!(at.bytes, older.stored_bytes() + newer.stored_bytes());

    let other = vaults.other();
    let there = other.backups(&asset()).await.unwrap().good;
    assert_eq!(there, [newer.clone(), older.clone()]);
    opens_as(&other, &newer, 20_000_000).await;
    let key = Key::Copy(asset(), newer.id, other.place().clone());
    for vault in [&vaults.env.vault, &other] {
        assert!(vault.load::<Copy>(&key).await.unwrap().unwrap().record.proves(&newer));
    }
    let verified = other.load::<Verification>(&Key::Verification(asset(), newer.id)).await.unwrap().unwrap().record;
    assert!(verified.is_sound());
    let sums: Vec<_> = std::fs::read_dir(vaults.there().join("exports/orders-db")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let sums: Vec<_> = sums.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "sha256")).collect();
    assert_eq!(sums.len(), 2);
    for sum in sums {
        let checked = Command::new("sha256sum").arg("-c").arg(&sum).current_dir(sum.parent().unwrap()).output().unwrap();
        assert!(checked.status.success(), "{checked:?}");
    }

    let again = copy(&vaults.env).await;
    let at = &done(&again).places[0];
    assert_eq!((at.copied.len(), at.already_proven, at.bytes, at.lag_seconds), (0, 2, 0, Some(0)));
}

#[tokio::test]
async fn a_damaged_backup_is_marked_and_reported_and_the_others_are_copied() {
    let vaults = Vaults::default();
    let damaged = vaults.backup("2026-11-19T02:00:00Z", 300_000).await;
    let sound = vaults.backup("2026-11-20T02:00:00Z", 300_000).await;
    let path = vaults.here().join(&damaged.main().unwrap().key);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[1_000] ^= 4;
    std::fs::write(&path, bytes).unwrap();

    let report = copy(&vaults.env).await;
    assert_eq!((report.status, report.exit()), (Status::Partial, Exit::Failed));
    let copied = done(&report);
    assert_eq!(copied.places[0].copied, [sound.id]);
    assert_eq!((copied.problems[0].kind, copied.problems[0].backup), (Kind::Corrupt, Some(damaged.id)));
    let findings = report.findings();
    assert_eq!(findings[0].kind, FindingKind::BackupCorrupt);
    assert!(findings[0].sentence.contains(&damaged.main().unwrap().key) && findings[0].sentence.contains("offset 0"), "{findings:?}");

    let other = vaults.other();
    assert_eq!(other.backups(&asset()).await.unwrap().good, [sound]);
    assert_eq!(other.bucket().head(&damaged.main().unwrap().key).await.unwrap(), None, "damaged bytes were propagated");
    let marked = vaults.env.vault.load::<Verification>(&Key::Verification(asset(), damaged.id)).await.unwrap().unwrap().record;
    assert!(!marked.is_sound());
}

#[tokio::test]
async fn a_strangers_object_is_left_alone_and_told() {
    let vaults = Vaults::default();
    let backup = vaults.backup("2026-11-20T02:00:00Z", 300_000).await;
    let key = &backup.main().unwrap().key;
    vaults.other().bucket().put(key, Bytes::from_static(b"not ours"), If::Absent).await.unwrap();
    let report = copy(&vaults.env).await;
    assert_eq!((report.status, report.exit()), (Status::Failed, Exit::Failed));
    assert!(matches!(&report.entries[0].outcome, Outcome::Failed { kind: Kind::Conflict, .. }), "{report:?}");
    assert_eq!(std::fs::read(vaults.there().join(key)).unwrap(), b"not ours");
    assert!(vaults.other().backups(&asset()).await.unwrap().good.is_empty());
}

#[tokio::test]
async fn a_copy_that_lost_an_object_is_made_whole_again() {
    let vaults = Vaults::default();
    let backup = vaults.backup("2026-11-20T02:00:00Z", 300_000).await;
    copy(&vaults.env).await;
    std::fs::remove_file(vaults.there().join(&backup.main().unwrap().key)).unwrap();
    let report = copy(&vaults.env).await;
    assert_eq!(done(&report).places[0].copied, [backup.id]);
    opens_as(&vaults.other(), &backup, 300_000).await;
}

#[tokio::test]
async fn what_retention_let_go_is_not_copied() {
    let vaults = Vaults::default();
    let gone = vaults.backup("2026-11-19T02:00:00Z", 1_000).await;
    let kept = vaults.backup("2026-11-20T02:00:00Z", 1_000).await;
    let tombstone = Key::Tombstone(asset(), gone.id).to_string();
    vaults.env.vault.bucket().put(&tombstone, Bytes::from_static(b"{}"), If::Absent).await.unwrap();
    let report = copy(&vaults.env).await;
    assert_eq!(done(&report).places[0].copied, [kept.id]);
}

#[tokio::test]
async fn a_copy_to_another_region_says_that_it_is_not_made_and_the_vaults_are_still_served() {
    let vaults = Vaults::with("      - { region: us-east-1 }\n");
    let backup = vaults.backup("2026-11-20T02:00:00Z", 1_000).await;
    let report = copy(&vaults.env).await;
    assert_eq!(report.status, Status::Partial);
    let copied = done(&report);
    assert_eq!(copied.places[0].copied, [backup.id]);
    assert_eq!(copied.problems[0].kind, Kind::Unsupported);
    assert!(copied.problems[0].hint.is_some());
}

#[tokio::test]
async fn a_copy_in_s3_stands_alone_so_that_it_can_be_copied_on_from_there() {
    let server = S3Server::verifying().await;
    let folder = tempfile::tempdir().unwrap();
    let here: Place = format!("file://{}/here", folder.path().display()).parse().unwrap();
    let (west, far) = (s3::place("west"), s3::place("far"));
    let mut buckets = Buckets::default();
    buckets.0.insert(here.clone(), lastgood_core::providers::open_bucket(&here).unwrap());
    for (place, below) in [(&west, "west"), (&far, "far")] {
        buckets.0.insert(place.clone(), Arc::new(server.open(below)));
    }
    let world = |vault: &Place, other: &Place| {
        let text = format!(
            "vault: {vault}\nassets:\n  orders-db:\n    kind: postgres\n    url: env:DATABASE_URL\n    \
             export: {{ schedule: \"0 2 * * *\" }}\n    copies: [ {{ vault: \"{other}\" }} ]\n"
        );
        let config = Arc::new(Config::parse(&text, "lastgood.yaml").unwrap());
        environment(config, buckets.clone(), Arc::new(SystemClock), folder.path().join("scratch"))
    };
    let env = world(&here, &west);
    let pieces = [(Role::Data, lifelike(30_000_000)), (Role::Globals, Vec::new())];
    let plain = Encoding { compression: Compression::None, ..zstd() };
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces, &plain).await;
    assert_eq!(made.artifacts[1].size, 0, "an empty object is a case of its own");

    let report = copy(&env).await;
    assert_eq!(done(&report).places[0].copied, [made.id], "{report:?}");
    let report = copy(&world(&west, &far)).await;
    assert_eq!(done(&report).places[0].copied, [made.id], "{report:?}");
    opens_as(&lastgood_core::catalog::Vault::new(Arc::new(server.open("far"))), &made, 30_000_000).await;
    let again = copy(&world(&west, &far)).await;
    assert_eq!((done(&again).places[0].copied.len(), done(&again).places[0].already_proven), (0, 1));
}

/// A world in memory whose vault is `a` and whose other place is `b`.
struct Memory {
    config: Arc<Config>,
    clock: ManualClock,
    here: MemoryBucket,
    there: MemoryBucket,
}

impl Memory {
    fn new() -> Self {
        let text = "vault: s3://a/lastgood\nassets:\n  orders-db:\n    kind: postgres\n    url: env:DATABASE_URL\n    \
                    export: { schedule: \"0 2 * * *\" }\n    copies: [ { vault: s3://b/lastgood } ]\n";
        let clock = ManualClock::at("2026-11-20T03:00:00Z".parse().unwrap()).held();
        let bucket = |place: &str| MemoryBucket::new(place.parse().unwrap(), clock.clone());
        let (here, there) = (bucket("s3://a/lastgood"), bucket("s3://b/lastgood"));
        Self { config: Arc::new(Config::parse(text, "lastgood.yaml").unwrap()), clock, here, there }
    }

    fn env(&self, wrap: impl Fn(Arc<dyn Bucket>) -> Arc<dyn Bucket>) -> Env {
        let mut buckets = Buckets::default();
        for bucket in [&self.here, &self.there] {
            buckets.0.insert(bucket.place().clone(), wrap(Arc::new(bucket.clone())));
        }
        environment(self.config.clone(), buckets, Arc::new(self.clock.clone()), "/nonexistent".into())
    }
}

#[tokio::test]
async fn r02_copying_killed_after_any_side_effect_is_finished_by_the_next_run() {
    let mut kills = 0;
    for k in 1.. {
        let world = Memory::new();
        let vault = world.env(|bucket| bucket).vault;
        let made = backup(&vault, "2026-11-20T02:00:00Z", &[(Role::Data, lifelike(500_000)), (Role::Globals, lifelike(10))], &zstd()).await;
        let effects = SideEffects::dying_after(k);
        let env = world.env(|bucket| Arc::new(Faulty::new(bucket, effects.clone())));
        let ended = effects.until_death(copy(&env)).await;
        let proof = Key::Copy(asset(), made.id, world.there.place().clone());
        if vault.load::<Copy>(&proof).await.unwrap().is_some() {
            for artifact in &made.artifacts {
                assert_eq!(world.there.bytes(&artifact.key), world.here.bytes(&artifact.key), "proven, but not there: killed after {k}");
            }
        }
        // The killed one's lease runs out.
        world.clock.advance(Duration::from_mins(10));
        let report = copy(&world.env(|bucket| bucket)).await;
        assert_eq!(report.status, Status::Ok, "killed after {k} ({:?}): {report:?}", effects.names().last());
        let at = &done(&report).places[0];
        assert_eq!(at.copied.len() + at.already_proven, 1, "killed after {k}");
        assert!(vault.load::<Copy>(&proof).await.unwrap().unwrap().record.proves(&made));
        assert_eq!(lastgood_core::catalog::Vault::new(Arc::new(world.there.clone())).backups(&asset()).await.unwrap().good, [made]);
        assert!(!world.here.keys().iter().any(|key| key.contains("/copying/")), "a checkpoint was left");
        if ended.is_some() {
            break;
        }
        kills = k;
    }
    assert!(kills > 10, "only {kills} side effects");
}

#[tokio::test]
async fn two_invocations_at_once_copy_once_between_them() {
    let world = Memory::new();
    let env = world.env(|bucket| bucket);
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &[(Role::Data, lifelike(500_000))], &zstd()).await;
    let mut second = env.clone();
    second.holder = "the-other-one".to_owned();
    let (one, other) = tokio::join!(copy(&env), copy(&second));
    let copied = [&one, &other]
        .iter()
        .filter(|report| matches!(&report.entries[0].outcome, Outcome::Done(at) if !at.places[0].copied.is_empty()))
        .count();
    assert_eq!(copied, 1, "{one:?} {other:?}");
    assert!(env.vault.load::<Copy>(&Key::Copy(asset(), made.id, world.there.place().clone())).await.unwrap().is_some());
}

/// A slow bucket that remembers what was uploaded to it and what was read of it.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn Bucket>,
    uploads: Arc<Mutex<BTreeMap<String, usize>>>,
}

#[async_trait]
impl Bucket for Slow {
    fn place(&self) -> &Place {
        self.inner.place()
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectMeta>> {
        self.inner.head(key).await
    }

    async fn get(&self, key: &str, most: u64) -> Result<Option<(Bytes, Version)>> {
        self.inner.get(key, most).await
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.inner.read(key, range).await
    }

    async fn put(&self, key: &str, bytes: Bytes, condition: If) -> Result<Version> {
        self.inner.put(key, bytes, condition).await
    }

    async fn begin_upload(&self, key: &str, expected: Option<u64>) -> Result<Box<dyn Upload>> {
        *self.uploads.lock().unwrap().entry(key.to_owned()).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.inner.begin_upload(key, expected).await
    }

    async fn list(&self, prefix: &str, start_after: Option<&str>) -> Result<Listed> {
        self.inner.list(prefix, start_after).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.inner.delete(key).await
    }

    async fn copy_from(&self, _: &dyn Bucket, _: &str, _: &str) -> Result<Option<ObjectMeta>> {
        Ok(None)
    }

    async fn sweep_uploads(&self, now: Timestamp, older_than: Duration) -> Result<usize> {
        self.inner.sweep_uploads(now, older_than).await
    }
}

#[tokio::test]
async fn r42_a_copy_that_runs_out_of_time_is_put_down_and_goes_on_without_copying_again() {
    let world = Memory::new();
    let uploads: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let slow = |bucket: Arc<dyn Bucket>| -> Arc<dyn Bucket> { Arc::new(Slow { inner: bucket, uploads: uploads.clone() }) };
    let pieces: Vec<_> = (0..40).map(|number| (Role::TableCsv(format!("public.t{number}")), lifelike(1_000 + number))).collect();
    let made = backup(&world.env(|bucket| bucket).vault, "2026-11-20T02:00:00Z", &pieces, &zstd()).await;

    let (mut invocations, mut waited) = (0, 0);
    loop {
        let mut env = world.env(slow);
        env.clock = Arc::new(SystemClock);
        env.deadline = Some(env.clock.now() + jiff::SignedDuration::from_secs(2));
        let begun = Instant::now();
        let report = copy(&env).await;
        invocations += 1;
        assert!(begun.elapsed() < Duration::from_secs(20), "the budget of 2 s was overrun: {:?}", begun.elapsed());
        assert!(invocations < 20, "it never ends");
        match &report.entries[0].outcome {
            Outcome::Waiting { reason } => {
                waited += 1;
                assert!(reason.contains(&made.id.to_string()), "{reason}");
                assert_eq!(report.exit(), Exit::Good);
            }
            Outcome::Done(copied) => {
                assert_eq!(copied.places[0].copied, [made.id]);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(waited >= 1, "the budget was never too short, so nothing was shown");
    let uploads = uploads.lock().unwrap();
    for artifact in &made.artifacts {
        assert_eq!(world.there.bytes(&artifact.key), world.here.bytes(&artifact.key));
    }
    // Only what was under way when the time ended may have been begun more than once.
    let again: usize = uploads.values().map(|count| count - 1).sum();
    assert!(again <= waited * 8, "{again} uploads were begun again in {waited} pauses: {uploads:?}");
    assert!(world.here.keys().iter().all(|key| !key.contains("/copying/")));
}
