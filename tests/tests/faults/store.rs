//! A store that breaks: refused and lost requests, lost replies, errors inside a success, full disks, lost races.

use bytes::Bytes;
use lastgood_core::{
    catalog::{Key, Vault},
    clock::Timestamp,
    domain::run::{Run, RunState},
    error::{Error, Kind, Result},
    id::{AssetName, BackupId, Slot},
    ports::{Bucket, If, ObjectMeta},
    providers::{aws::S3, local::Folder},
    testing::{ManualClock, MemoryBucket},
};
use lastgood_tests::{
    fault_proxy::{Fault, FaultProxy},
    s3::{S3Server, place, settings_for},
};
use std::{path::Path, process::Command, sync::Arc, time::Duration};
use tokio::io::AsyncReadExt;

const BUSY: &str = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
const INTERNAL: &str =
    "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";
const MUCH_LATER: &str = "2040-01-01T00:00:00Z";

/// An S3 server that verifies signatures, a proxy before it, and our adapter behind that.
struct Broken {
    server: S3Server,
    proxy: FaultProxy,
    bucket: S3,
}

impl Broken {
    async fn in_front_of(server: S3Server) -> Self {
        let proxy = FaultProxy::before(server.address()).await;
        let bucket = S3::new(place("lastgood"), settings_for(proxy.address())).unwrap();
        // The probe for conditional writes has been, so that the faults hit what they are meant for.
        bucket.put("warm", "up".into(), If::Absent).await.unwrap();
        Self { server, proxy, bucket }
    }

    async fn new() -> Self {
        Self::in_front_of(S3Server::verifying().await).await
    }

    async fn stored(&self, key: &str) -> Vec<u8> {
        read(&self.server.open("lastgood"), key).await.unwrap()
    }
}

async fn read(bucket: &dyn Bucket, key: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bucket.read(key, None).await?.read_to_end(&mut bytes).await?;
    Ok(bytes)
}

fn two_parts() -> Bytes {
    (0_u32..).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).take((8 << 20) + 12_345).collect()
}

async fn upload(bucket: &dyn Bucket, key: &str, bytes: &Bytes) -> Result<ObjectMeta> {
    let upload = bucket.begin_upload(key, None).await?;
    let part = upload.part_size(0);
    upload.put_part(0, 0, bytes.slice(..part)).await?;
    upload.put_part(1, part as u64, bytes.slice(part..)).await?;
    upload.complete(bytes.len() as u64).await
}

#[tokio::test]
async fn r11_a_part_that_fails_is_sent_again() {
    let broken = Broken::new().await;
    let bytes = two_parts();
    for (key, fault) in [
        ("busy", Fault::Refuse(503, BUSY)),
        ("internal", Fault::Refuse(500, INTERNAL)),
        ("lost-request", Fault::LoseRequest),
        ("lost-reply", Fault::LoseReply),
        ("conflict", Fault::Refuse(409, "<Error><Code>OperationAborted</Code></Error>")),
    ] {
        broken.proxy.breaks("PUT", "partNumber=1", 2, fault.clone());
        let before = broken.proxy.seen("PUT", "partNumber=1");
        let meta = upload(&broken.bucket, key, &bytes).await.unwrap();
        assert_eq!(meta.size, bytes.len() as u64);
        assert_eq!(broken.proxy.seen("PUT", "partNumber=1") - before, 3, "{fault:?}");
        assert!(broken.stored(key).await == bytes, "{fault:?}");
    }
}

#[tokio::test]
async fn r11_bytes_damaged_on_their_way_are_sent_again() {
    let broken = Broken::new().await;
    broken.proxy.breaks("PUT", "/object", 1, Fault::FlipRequestByte(3));
    let bytes = Bytes::from_static(b"every byte counts");
    broken.bucket.put("object", bytes.clone(), If::Absent).await.unwrap();
    assert_eq!(broken.proxy.seen("PUT", "/object"), 2);
    assert_eq!(broken.stored("object").await, bytes);
}

#[tokio::test]
async fn r11_a_store_that_stays_broken_is_left_after_seven_tries_and_nothing_is_visible() {
    let Some(server) = S3Server::moto("r11_a_store_that_stays_broken_is_left_after_seven_tries").await else { return };
    let broken = Broken::in_front_of(server).await;
    broken.proxy.breaks("PUT", "partNumber=2", usize::MAX, Fault::Refuse(503, BUSY));
    let error = upload(&broken.bucket, "never", &two_parts()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    assert!(error.full().contains("part 1") && error.full().contains("SlowDown"), "{}", error.full());
    assert_eq!(broken.proxy.seen("PUT", "partNumber=2"), 7);
    let behind = broken.server.open("lastgood");
    assert_eq!(behind.head("never").await.unwrap(), None);
    // The orphan is there until the sweep, and not after it.
    assert_eq!(orphans(&broken.server).await, 1);
    assert_eq!(broken.bucket.sweep_uploads(MUCH_LATER.parse().unwrap(), Duration::from_hours(24)).await.unwrap(), 1);
    assert_eq!(orphans(&broken.server).await, 0);
}

async fn orphans(server: &S3Server) -> usize {
    server.client().list_multipart_uploads().bucket("vault-test").send().await.unwrap().uploads().len()
}

#[tokio::test]
async fn r11_an_error_inside_a_success_is_an_error_and_is_tried_again() {
    let broken = Broken::new().await;
    let bytes = two_parts();
    broken.proxy.breaks("POST", "uploadId", 2, Fault::Refuse(200, INTERNAL));
    upload(&broken.bucket, "second-try", &bytes).await.unwrap();
    assert_eq!(broken.proxy.seen("POST", "/second-try?uploadId"), 3);
    assert!(broken.stored("second-try").await == bytes);

    broken.proxy.breaks("POST", "uploadId", usize::MAX, Fault::Refuse(200, INTERNAL));
    let error = upload(&broken.bucket, "never", &bytes).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    assert_eq!(broken.proxy.seen("POST", "/never?uploadId"), 7);
    assert_eq!(broken.bucket.head("never").await.unwrap(), None);
}

#[tokio::test]
async fn r11_when_the_reply_to_the_last_request_is_lost_the_object_itself_decides() {
    let broken = Broken::new().await;
    let bytes = two_parts();
    for (key, fault) in
        [("lost", Fault::LoseReply), ("misreported", Fault::Misreport(200, INTERNAL)), ("blamed", Fault::Misreport(500, INTERNAL))]
    {
        broken.proxy.breaks("POST", "uploadId", 1, fault.clone());
        let meta = upload(&broken.bucket, key, &bytes).await.unwrap_or_else(|error| panic!("{fault:?}: {error:?}"));
        assert_eq!(meta.size, bytes.len() as u64);
        assert!(broken.stored(key).await == bytes);
    }
}

#[tokio::test]
async fn r11_a_write_whose_reply_was_lost_knows_its_own_mark() {
    let broken = Broken::new().await;
    broken.proxy.breaks("PUT", "/mine", 1, Fault::LoseReply);
    let version = broken.bucket.put("mine", "1".into(), If::Absent).await.unwrap();
    assert_eq!(broken.proxy.seen("PUT", "/mine"), 2, "the second was refused: the first had been done");
    broken.proxy.breaks("PUT", "/mine", 1, Fault::LoseReply);
    let version = broken.bucket.put("mine", "2".into(), If::Is(version)).await.unwrap();
    assert_eq!(broken.bucket.get("mine", 9).await.unwrap(), Some(("2".into(), version)));
    // The same bytes by another hand are another's all the same.
    broken.server.open("lastgood").put("theirs", "same".into(), If::Absent).await.unwrap();
    broken.proxy.breaks("PUT", "/theirs", 1, Fault::LoseReply);
    let error = broken.bucket.put("theirs", "same".into(), If::Absent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
}

#[tokio::test]
async fn r11_an_interrupted_transfer_goes_on_at_its_offset() {
    let broken = Broken::new().await;
    let bytes = two_parts();
    upload(&broken.bucket, "long", &bytes).await.unwrap();
    for cut in [0, 1, 100_000, 3 << 20] {
        broken.proxy.breaks("GET", "/long", 1, Fault::CutBody(cut));
    }
    assert!(read(&broken.bucket, "long").await.unwrap() == bytes);
    assert_eq!(broken.proxy.seen("GET", "/long"), 5);
}

#[tokio::test]
async fn r11_a_transfer_never_goes_on_in_another_object() {
    let broken = Broken::new().await;
    // Large enough that the transfer cannot run ahead of its reader to where the connection breaks.
    let replace = async |byte: u8| {
        let body = Bytes::from(vec![byte; 20 << 20]);
        broken.server.client().put_object().bucket("vault-test").key("lastgood/long").body(body.into()).send().await.unwrap();
    };
    replace(1).await;
    broken.proxy.breaks("GET", "/long", 1, Fault::CutBody(16 << 20));
    let mut reader = broken.bucket.read("long", None).await.unwrap();
    let mut first = [0; 1];
    reader.read_exact(&mut first).await.unwrap();
    replace(2).await;
    let error = Error::from(reader.read_to_end(&mut Vec::new()).await.unwrap_err());
    assert_eq!(error.kind(), Kind::Corrupt, "{error:?}");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_refused_before_anything_is_written() {
    let test = "a_store_that_ignores_conditions_is_refused_before_anything_is_written";
    let Some(server) = S3Server::moto(test).await else { return };
    let proxy = FaultProxy::before(server.address()).await;
    proxy.breaks("PUT", "", usize::MAX, Fault::DropConditions);
    let bucket = S3::new(place("lastgood"), settings_for(proxy.address())).unwrap();
    let error = bucket.put("record", "x".into(), If::Absent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error:?}");
    assert!(error.full().contains("ignores conditional writes"), "{error:?}");
    assert_eq!(bucket.begin_upload("artifact", None).await.err().unwrap().kind(), Kind::Unsupported);
    assert_eq!(server.open("lastgood").head("record").await.unwrap(), None);
}

#[tokio::test]
async fn r11_an_error_inside_the_success_of_a_copy_is_an_error() {
    let broken = Broken::new().await;
    let bytes = two_parts();
    upload(&broken.bucket, "source", &bytes).await.unwrap();
    broken.proxy.breaks("PUT", "/copied", 1, Fault::Refuse(200, INTERNAL));
    let meta = broken.bucket.copy_from(&broken.bucket, "source", "copied").await.unwrap().unwrap();
    assert_eq!((meta.size, broken.proxy.seen("PUT", "/copied")), (bytes.len() as u64, 2));
    broken.proxy.breaks("PUT", "/never", usize::MAX, Fault::Refuse(200, INTERNAL));
    let error = broken.bucket.copy_from(&broken.bucket, "source", "never").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Retry, "{error:?}");
    assert_eq!(broken.bucket.head("never").await.unwrap(), None);
}

/// A file system of 16 MiB that goes away with the test. Only root can make one.
struct TinyDisk(tempfile::TempDir);

impl TinyDisk {
    fn mount(test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(folder.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED {test}: only root can mount a tmpfs of 16 MiB");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn r10_a_full_disk_says_so_shows_nothing_and_leaves_nothing_behind() {
    let Some(disk) = TinyDisk::mount("r10_a_full_disk_says_so_shows_nothing_and_leaves_nothing_behind") else { return };
    let folder = Folder::new(format!("file://{}/vault", disk.path().display()).parse().unwrap()).unwrap();
    let earlier = folder.put("exports/orders/earlier.dump", Bytes::from(vec![1; 1 << 20]), If::Absent).await.unwrap();

    let upload = folder.begin_upload("exports/orders/next.dump", Some(64 << 20)).await.unwrap();
    let part = Bytes::from(vec![2; upload.part_size(0)]);
    upload.put_part(0, 0, part.clone()).await.unwrap();
    let error = upload.put_part(1, part.len() as u64, part.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace, "{error:?}");
    assert!(error.advice().unwrap().contains("make room"), "{error:?}");
    upload.abort().await.unwrap();

    let error = folder.put("exports/orders/large.json", Bytes::from(vec![3; 32 << 20]), If::Absent).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoSpace, "{error:?}");

    let dropped = folder.begin_upload("exports/orders/dropped.dump", None).await.unwrap();
    dropped.put_part(0, 0, part.clone()).await.unwrap();
    drop(dropped);

    let listed = (&folder as &dyn Bucket).list_all("").await.unwrap();
    assert_eq!(listed.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), ["exports/orders/earlier.dump"]);
    assert_eq!(folder.head("exports/orders/earlier.dump").await.unwrap().unwrap().version, earlier);
    assert_eq!(std::fs::read_dir(disk.path().join("vault/.lastgood/uploads")).unwrap().count(), 0, "no temporary file is left");
    // And there is room again for what fits.
    folder.put("exports/orders/small.dump", Bytes::from(vec![4; 12 << 20]), If::Absent).await.unwrap();
}

fn run(holder: &str) -> Run {
    let asset: AssetName = "orders".parse().unwrap();
    let slot = Slot("2026-11-20T02:00:00Z".parse().unwrap());
    let since: Timestamp = "2026-11-20T02:00:01Z".parse().unwrap();
    Run {
        function: "export-to-bucket".into(),
        id: BackupId::derive("export-to-bucket", &asset, &slot),
        asset,
        slot,
        attempt: 1,
        state: RunState::Working { holder: holder.into(), since, lease_until: "2026-11-20T02:15:00Z".parse().unwrap() },
        leftovers: Vec::new(),
        snapshot: None,
        drill: None,
    }
}

fn run_key() -> Key {
    let run = run("");
    Key::Run(run.asset, run.function, run.slot)
}

#[tokio::test]
async fn r49_the_loser_of_a_compare_and_swap_hears_of_it_and_the_winner_stays() {
    let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
    let memory = MemoryBucket::new("s3://memory/vault".parse().unwrap(), clock);
    let folder = tempfile::tempdir().unwrap();
    let file = Folder::new(format!("file://{}", folder.path().display()).parse().unwrap()).unwrap();
    let server = S3Server::verifying().await;
    let buckets: [Arc<dyn Bucket>; 3] = [Arc::new(memory), Arc::new(file), Arc::new(server.open("lastgood"))];
    for bucket in buckets {
        let vault = Vault::new(bucket);
        vault.create(&run_key(), &run("first")).await.unwrap();
        assert_eq!(vault.create(&run_key(), &run("second")).await.unwrap_err().kind(), Kind::Conflict);
        let seen_by_first = vault.load::<Run>(&run_key()).await.unwrap().unwrap();
        let seen_by_second = vault.load::<Run>(&run_key()).await.unwrap().unwrap();
        vault.save_if(&run_key(), &run("second"), &seen_by_second.version).await.unwrap();
        let error = vault.save_if(&run_key(), &run("first"), &seen_by_first.version).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
        assert_eq!(vault.load::<Run>(&run_key()).await.unwrap().unwrap().record, run("second"));
    }
}

#[tokio::test]
async fn r49_after_the_store_lost_the_last_write_its_writer_can_no_longer_save() {
    let clock = ManualClock::at("2026-11-20T02:00:00Z".parse().unwrap());
    let bucket = MemoryBucket::new("s3://memory/vault".parse().unwrap(), clock);
    let vault = Vault::new(Arc::new(bucket.clone()));
    let first = vault.create(&run_key(), &run("first")).await.unwrap();
    let second = vault.save_if(&run_key(), &run("second"), &first).await.unwrap();
    assert!(bucket.lose_last_write(&run_key().to_string()));
    let error = vault.save_if(&run_key(), &run("second, later"), &second).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error:?}");
    assert_eq!(vault.load::<Run>(&run_key()).await.unwrap().unwrap().record, run("first"));
}
