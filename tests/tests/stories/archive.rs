//! Copies in an archive: laid down only once they were read back, recalled only for a restore or a drill, once, and waited for.

mod restored;

use cross_region_copy::{CopyReport, CrossRegionCopy};
use lastgood_core::{
    catalog::{Copy, Key, Recall, Vault},
    clock::{Clock, after},
    config::Config,
    domain::{
        archive::{Haste, Readiness, StorageClass},
        backup::{Manifest, Role},
        place::Scheme,
    },
    env::{Env, Gauge, Progress, Quiet},
    error::{Kind, Result},
    function::{Exit, Findings, Function},
    ports::Bucket,
    providers::{aws::S3, azure::Blobs, local::Folder},
    recall,
    stream::{self, Keys},
    testing::{Archiving, Faulty, ManualClock, MemoryBucket, SideEffects},
};
use lastgood_tests::{
    archive::Archive,
    azurite::{self, Azurite},
    desk::Desk,
    fault_proxy::{Fault, FaultProxy},
    gcs::GcsServer,
    s3::{S3Server, settings_for},
    vaults::{ASSET, Buckets, asset, backup, environment, lifelike, zstd},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::io::AsyncReadExt;

const BEGIN: &str = "2026-11-20T06:00:00Z";
const HOURS_4: Duration = Duration::from_hours(4);

/// Remembers what was shown.
#[derive(Debug, Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Progress for Shown {
    fn begin(&self, what: &str, _: Option<u64>) -> Box<dyn Gauge> {
        self.0.lock().unwrap().push(what.to_owned());
        Box::new(Quiet)
    }
}

fn glacier() -> StorageClass {
    StorageClass::of(Scheme::S3, "GLACIER").unwrap()
}

fn pieces() -> [(Role, Vec<u8>); 2] {
    [(Role::Data, lifelike(300_000)), (Role::Globals, b"create role app;\n".to_vec())]
}

/// A vault here, and one there whose copies are to lie in a class.
fn env(here: &Arc<dyn Bucket>, there: &Arc<dyn Bucket>, class: &str, clock: &ManualClock) -> Env {
    let text = format!(
        "vault: {}\nassets:\n  {ASSET}:\n    kind: postgres\n    url: env:U\n    export: {{ schedule: \"0 2 * * *\" }}\n    \
         copies: [ {{ vault: \"{}\", storage_class: {class} }} ]\n",
        here.place(),
        there.place()
    );
    let config = Arc::new(Config::parse(&text, "lastgood.yaml").unwrap_or_else(|error| panic!("{}", error.full())));
    let buckets = [here, there].map(|bucket| (bucket.place().clone(), bucket.clone()));
    environment(config, Buckets(BTreeMap::from(buckets)), Arc::new(clock.clone()), std::env::temp_dir())
}

async fn copy(env: &Env) -> CopyReport {
    CrossRegionCopy { asset: Some(asset()) }.run(env).await.unwrap()
}

async fn opened(bucket: &Arc<dyn Bucket>, made: &Manifest) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let main = made.main().unwrap();
    stream::open(bucket.clone(), main, &Keys::default(), Arc::new(Quiet)).await?.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// In the words of the wire: S3's own protocol, with an archive before a server that verifies signatures.
#[tokio::test]
async fn r37_a_copy_in_glacier_is_read_back_first_laid_down_then_and_recalled_once_though_the_reply_is_lost() {
    let clock = ManualClock::at(BEGIN.parse().unwrap());
    let server = S3Server::verifying().await;
    let archive = Archive::before(server.address(), clock.clone(), HOURS_4).await;
    let proxy = FaultProxy::before(archive.address()).await;
    let there: Arc<dyn Bucket> = Arc::new(S3::new("s3://vault-test/lastgood".parse().unwrap(), settings_for(proxy.address())).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let here: Arc<dyn Bucket> = Arc::new(Folder::new(format!("file://{}/vault", folder.path().display()).parse().unwrap()).unwrap());
    let env = env(&here, &there, "GLACIER", &clock);
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
    // The reply to a move is lost as well: where the object lies decides.
    proxy.breaks("PUT", "x-id=CopyObject", 1, Fault::LoseReply);
    let report = copy(&env).await;
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    let mut laid: Vec<_> = archive.classes();
    laid.sort();
    let mut wanted: Vec<_> =
        made.artifacts.iter().map(|artifact| (format!("/vault-test/lastgood/{}", artifact.key), "GLACIER".to_owned())).collect();
    wanted.sort();
    assert_eq!(laid, wanted, "the artifacts, and nothing else");
    // Records are read at once, and what is proven stays proven without a byte read.
    let vault = Vault::new(there.clone());
    assert_eq!(vault.backups(&asset()).await.unwrap().good, std::slice::from_ref(&made));
    let again = copy(&env).await;
    assert_eq!(again.exit(), Exit::Good, "{again:?}");
    assert_eq!(proxy.seen("POST", "restore"), 0, "nobody asked for anything");
    let error = opened(&there, &made).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Refused, "{error:?}");
    assert!(error.full().contains("it is archived and must be recalled first"), "{error:?}");
    let plan = recall::needed(&vault, &made, Haste::Bulk).await.unwrap().unwrap();
    assert_eq!(plan, "recall it from GLACIER (bulk, usually 5–12 h; the provider charges for it)");

    // An invocation whose time is limited asks, notes it, and ends as waiting.
    proxy.breaks("POST", "restore", 1, Fault::LoseReply);
    let limited = Env { deadline: Some(after(clock.now(), Duration::from_mins(15))), ..env.clone() };
    let waiting = recall::ready(&limited, &vault, &made, Haste::Standard).await.unwrap_err();
    assert_eq!(waiting.kind(), Kind::OutOfTime);
    assert!(waiting.full().contains("recalling from GLACIER, begun at 2026-11-20T06:00:00Z, usually 3–5 h"), "{waiting:?}");
    let asked = proxy.seen("POST", "restore");
    assert_eq!(asked, 3, "once for each of two objects, and again where the reply was lost");
    assert_eq!(env.vault.all::<Recall>(&Key::recalls(&asset())).await.unwrap().good.len(), 1);
    // The next one finds it under way, whatever haste it would ask for.
    clock.advance(Duration::from_hours(1));
    let limited = Env { deadline: Some(after(clock.now(), Duration::from_mins(15))), ..env.clone() };
    let waiting = recall::ready(&limited, &vault, &made, Haste::Bulk).await.unwrap_err();
    assert!(waiting.full().contains("begun at 2026-11-20T06:00:00Z, usually 3–5 h"), "{waiting:?}");
    assert_eq!(proxy.seen("POST", "restore"), asked);
    // In a terminal the wait is shown, and ends.
    let shown = Shown::default();
    let terminal = Env { progress: Arc::new(shown.clone()), ..env.clone() };
    recall::ready(&terminal, &vault, &made, Haste::Standard).await.unwrap();
    assert_eq!(*shown.0.lock().unwrap(), ["recalling from GLACIER, begun at 2026-11-20T06:00:00Z, usually 3–5 h"]);
    assert!(clock.now() >= after(BEGIN.parse().unwrap(), HOURS_4));
    assert_eq!(proxy.seen("POST", "restore"), asked);
    assert!(opened(&there, &made).await.unwrap() == lifelike(300_000));
    let noted = env.vault.all::<Recall>(&Key::recalls(&asset())).await.unwrap().good;
    assert!(noted.len() == 1 && noted[0].ended_at.is_some(), "nothing is left to wait for: {noted:?}");
}

#[tokio::test]
async fn a_class_that_knows_no_haste_refuses_before_anything_is_asked() {
    let clock = ManualClock::at(BEGIN.parse().unwrap());
    let server = S3Server::verifying().await;
    let archive = Archive::before(server.address(), clock.clone(), HOURS_4).await;
    let proxy = FaultProxy::before(archive.address()).await;
    let there: Arc<dyn Bucket> = Arc::new(S3::new("s3://vault-test/lastgood".parse().unwrap(), settings_for(proxy.address())).unwrap());
    let here: Arc<dyn Bucket> = Arc::new(MemoryBucket::new("s3://here/x".parse().unwrap(), clock.clone()));
    let env = env(&here, &there, "DEEP_ARCHIVE", &clock);
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
    assert_eq!(copy(&env).await.exit(), Exit::Good);
    let error = recall::ready(&env, &Vault::new(there.clone()), &made, Haste::Expedited).await.unwrap_err();
    assert!(error.advice().unwrap().contains("--recall standard"), "{error:?}");
    assert_eq!(proxy.seen("POST", "restore"), 0);
    assert_eq!(
        there.readiness(&made.artifacts[0].key).await.unwrap(),
        Some(Readiness::Archived(StorageClass::of(Scheme::S3, "DEEP_ARCHIVE").unwrap()))
    );
}

#[tokio::test]
async fn a_copy_in_azures_archive_tier_is_read_back_first_and_rehydrated_where_it_is_needed() {
    let Some(server) = Azurite::start("a_copy_in_azures_archive_tier_is_read_back_first").await else { return };
    let clock = ManualClock::at(BEGIN.parse().unwrap());
    let there: Arc<dyn Bucket> = Arc::new(server.open("lastgood"));
    let here: Arc<dyn Bucket> = Arc::new(MemoryBucket::new("s3://here/x".parse().unwrap(), clock.clone()));
    let env = env(&here, &there, "Archive", &clock);
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
    assert_eq!(copy(&env).await.exit(), Exit::Good);
    let archived = Readiness::Archived(StorageClass::of(Scheme::Az, "Archive").unwrap());
    for artifact in &made.artifacts {
        assert_eq!(there.readiness(&artifact.key).await.unwrap(), Some(archived));
    }
    let vault = Vault::new(there.clone());
    assert_eq!(vault.backups(&asset()).await.unwrap().good, std::slice::from_ref(&made), "records are read at once");
    assert_eq!(opened(&there, &made).await.unwrap_err().kind(), Kind::Refused);
    assert_eq!(copy(&env).await.exit(), Exit::Good, "what is proven stays proven");
    recall::ready(&env, &vault, &made, Haste::Expedited).await.unwrap();
    assert!(opened(&there, &made).await.unwrap() == lifelike(300_000));
}

#[tokio::test]
async fn r37_what_azure_is_rehydrating_is_waited_for_and_not_asked_for_again() {
    let Some(server) = Azurite::start("r37_what_azure_is_rehydrating").await else { return };
    let clock = ManualClock::at(BEGIN.parse().unwrap());
    let proxy = FaultProxy::before(server.address()).await;
    let there: Arc<dyn Bucket> = Arc::new(Blobs::new(azurite::place("lastgood"), azurite::azure_at(proxy.address())).unwrap());
    let here: Arc<dyn Bucket> = Arc::new(MemoryBucket::new("s3://here/x".parse().unwrap(), clock.clone()));
    let env = env(&here, &there, "Archive", &clock);
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
    assert_eq!(copy(&env).await.exit(), Exit::Good);
    let vault = Vault::new(there);
    let limited = Env { deadline: Some(after(clock.now(), Duration::from_mins(15))), ..env.clone() };
    let asked = || proxy.seen("PUT", "comp=tier");
    let laid_down = asked();
    // Azurite brings a blob back at once; Azure takes hours, and says so on every look.
    proxy.breaks("HEAD", "exports", made.artifacts.len(), Fault::AddHeader("x-ms-archive-status", "rehydrate-pending-to-hot"));
    let waiting = recall::ready(&limited, &vault, &made, Haste::Standard).await.unwrap_err();
    assert_eq!((waiting.kind(), asked()), (Kind::OutOfTime, laid_down), "{waiting:?}");
    assert!(waiting.full().contains("2 of 2 objects"), "{waiting:?}");
    // The reply to the asking is lost, and it is on its way all the same.
    proxy.breaks("PUT", "comp=tier", made.artifacts.len(), Fault::LoseReply);
    recall::ready(&env, &vault, &made, Haste::Standard).await.unwrap();
    assert!(opened(vault.bucket(), &made).await.unwrap() == lifelike(300_000));
}

#[tokio::test]
async fn a_verify_that_meets_an_archived_backup_reads_the_others_and_could_not_verify() {
    let Some(server) = Azurite::start("a_verify_that_meets_an_archived_backup").await else { return };
    let vault = Vault::new(Arc::new(server.open("lastgood")));
    let old = backup(&vault, "2026-11-19T02:00:00Z", &pieces(), &zstd()).await;
    let new = backup(&vault, "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
    for artifact in &old.artifacts {
        vault.bucket().reclass(&artifact.key, StorageClass::of(Scheme::Az, "Archive").unwrap()).await.unwrap();
    }
    let config = format!(
        "vault: {}\nassets:\n  {ASSET}: {{ kind: postgres, url: env:U, export: {{ schedule: \"0 2 * * *\" }} }}\n",
        azurite::place("lastgood")
    );
    let desk = Desk::new(&config).with("AZURE_STORAGE_CONNECTION_STRING", &server.connection());
    let verify = desk.types("verify --all").await;
    assert_eq!(verify.exit, Some(3), "{verify:#?}");
    let row = |id| verify.stdout.lines().find(|line| line.contains(&format!(" {id} "))).unwrap_or_default().to_owned();
    assert!(row(new.id).contains("every byte is as recorded"), "{verify:#?}");
    assert!(row(old.id).contains("could not be read"), "{verify:#?}");
    assert!(verify.stdout.contains("it is archived and must be recalled first"), "{verify:#?}");
    assert_eq!(desk.good("verify --json").await.report()[0]["not_read"].as_array().unwrap().len(), 0, "the newest alone is whole");
}

#[tokio::test]
async fn a_copy_in_a_class_of_cloud_storage_lies_there_from_the_first_and_records_do_not() {
    let clock = ManualClock::at(BEGIN.parse().unwrap());
    let server = GcsServer::start().await.at_once();
    let there: Arc<dyn Bucket> = Arc::new(server.open("lastgood"));
    let here: Arc<dyn Bucket> = Arc::new(MemoryBucket::new("s3://here/x".parse().unwrap(), clock.clone()));
    let env = env(&here, &there, "ARCHIVE", &clock);
    // One that goes up in one request, and one that takes a session.
    let pieces = [(Role::Data, lifelike(90_000_000)), (Role::Globals, b"create role app;\n".to_vec())];
    let made = backup(&env.vault, "2026-11-20T02:00:00Z", &pieces, &zstd()).await;
    assert!(made.artifacts[0].size > 17 << 20, "{}", made.artifacts[0].size);
    assert_eq!(copy(&env).await.exit(), Exit::Good);
    for name in server.names() {
        let artifact = made.artifacts.iter().any(|artifact| name == format!("lastgood/{}", artifact.key));
        assert_eq!(server.class(&name), if artifact { "ARCHIVE" } else { "STANDARD" }, "{name}");
    }
    assert_eq!(recall::needed(&Vault::new(there), &made, Haste::Standard).await.unwrap(), None, "every class is read at once");
}

#[test]
fn a_class_of_storage_must_be_one_of_the_places_own_and_what_it_costs_at_least_is_remarked() {
    let config = |copy: &str, more: &str| {
        let text = format!(
            "vault: s3://a/x\nassets:\n  shop:\n    kind: postgres\n    url: env:U\n    export: {{ schedule: \"0 2 * * *\" }}\n    \
             copies: [ {copy} ]\n{more}"
        );
        Config::parse(&text, "lastgood.yaml")
    };
    for (copy, says, hint) in [
        ("{ vault: \"gs://b/x\", storage_class: GLACIER }", "is no class of storage of gs://", "NEARLINE, COLDLINE, ARCHIVE"),
        ("{ vault: \"s3://b/x\", storage_class: Cool }", "is no class of storage of s3://", "GLACIER_IR, GLACIER, DEEP_ARCHIVE"),
        ("{ vault: \"az://b/x\", storage_class: ARCHIVE }", "is no class of storage of az://", "Hot, Cool, Cold, Archive"),
        ("{ vault: \"file:///b\", storage_class: GLACIER }", "has no classes of storage", "leave `storage_class` out"),
        ("{ region: us-east-1, storage_class: GLACIER }", "a snapshot has no class of storage", "leave `storage_class` out"),
    ] {
        let error = config(copy, "").unwrap_err();
        assert!(error.full().contains(says) && error.full().contains("lastgood.yaml:7"), "{copy}: {}", error.full());
        assert!(error.advice().unwrap().contains(hint), "{copy}: {:?}", error.advice());
    }
    let remarks = |more: &str| {
        let config = config("{ vault: \"s3://b/x\", storage_class: DEEP_ARCHIVE }", more).unwrap();
        let now = BEGIN.parse().unwrap();
        lastgood_core::config::remarks(&config, now).into_iter().map(|(_, remark)| remark).collect::<Vec<_>>().join("\n")
    };
    assert!(remarks("    retention: { daily: 35 }\n").contains("charged for 180 days at least, and retention lets the first go after 35"));
    assert!(!remarks("    retention: { daily: 180 }\n").contains("charged for"));
    assert!(
        remarks("    drill: { schedule: \"0 6 * * 0\", from: \"s3://b/x\" }\n").contains("every drill recalls a copy from DEEP_ARCHIVE")
    );
}

#[tokio::test]
async fn r02_copying_into_an_archive_killed_after_any_side_effect_is_finished_without_a_recall() {
    for k in 1.. {
        let clock = ManualClock::at(BEGIN.parse().unwrap());
        let here: Arc<dyn Bucket> = Arc::new(MemoryBucket::new("s3://here/x".parse().unwrap(), clock.clone()));
        let inner = Arc::new(MemoryBucket::new("s3://there/x".parse().unwrap(), clock.clone()));
        let there = Archiving::new(inner, clock.clone(), HOURS_4);
        let plain: Arc<dyn Bucket> = Arc::new(there.clone());
        let made = backup(&Vault::new(here.clone()), "2026-11-20T02:00:00Z", &pieces(), &zstd()).await;
        let effects = SideEffects::dying_after(k);
        let faulty = |bucket: &Arc<dyn Bucket>| Arc::new(Faulty::new(bucket.clone(), effects.clone())) as Arc<dyn Bucket>;
        let ended = effects.until_death(copy(&env(&faulty(&here), &faulty(&plain), "GLACIER", &clock))).await;
        clock.advance(Duration::from_mins(10));
        let env = env(&here, &plain, "GLACIER", &clock);
        let report = copy(&env).await;
        assert_eq!(report.exit(), Exit::Good, "killed after {k} ({:?}): {report:?}", effects.names().last());
        let proof = env.vault.load::<Copy>(&Key::Copy(asset(), made.id, plain.place().clone())).await.unwrap();
        assert!(proof.unwrap().record.proves(&made), "killed after {k}");
        let laid: Vec<_> = there.classes().into_iter().map(|(key, _)| key).collect();
        let mut wanted: Vec<_> = made.artifacts.iter().map(|artifact| artifact.key.clone()).collect();
        wanted.sort();
        assert_eq!((laid, there.recalled().len()), (wanted, 0), "killed after {k}");
        if ended.is_some() {
            assert!(k > 10, "only {k} side effects");
            return;
        }
    }
}
