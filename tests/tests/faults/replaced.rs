//! Somebody writes over an object, or deletes it, while it is read or copied: what comes out is one state of it, whole, or an error.

use bytes::Bytes;
use cross_region_copy::CrossRegionCopy;
use lastgood_core::{
    catalog::{Copy, Key},
    config::Config,
    domain::backup::{Compression, Role},
    error::Kind,
    function::{Exit, Findings, Function},
    ports::{Bucket, If},
    providers::{aws::S3, azure::Blobs, gcp::Gcs},
    stream::Encoding,
    testing::{ManualClock, MemoryBucket},
};
use lastgood_tests::{
    azurite::{self, Azurite},
    fault_proxy::{Fault, FaultProxy},
    gcs::{self, GcsServer},
    s3::{S3Server, settings_for},
    vaults::{ASSET, Buckets, asset, backup, environment, lifelike},
};
use std::{collections::BTreeMap, sync::Arc};
use tokio::{io::AsyncReadExt, sync::Notify};

const SIZE: usize = 12 << 20;

/// A store, reached through a proxy.
struct Store {
    proxy: FaultProxy,
    bucket: Arc<dyn Bucket>,
    _server: Box<dyn std::any::Any>,
}

async fn gs() -> Option<Store> {
    let server = GcsServer::start().await;
    let proxy = FaultProxy::before(server.address()).await;
    let bucket = Arc::new(Gcs::new(gcs::place("lastgood"), gcs::google_at(proxy.address())).unwrap());
    Some(Store { proxy, bucket, _server: Box::new(server) })
}

async fn az() -> Option<Store> {
    let server = Azurite::start("r38_az").await?;
    let proxy = FaultProxy::before(server.address()).await;
    let bucket = Arc::new(Blobs::new(azurite::place("lastgood"), azurite::azure_at(proxy.address())).unwrap());
    Some(Store { proxy, bucket, _server: Box::new(server) })
}

async fn s3() -> Option<Store> {
    let server = S3Server::verifying().await;
    let proxy = FaultProxy::before(server.address()).await;
    let bucket = Arc::new(S3::new("s3://vault-test/lastgood".parse().unwrap(), settings_for(proxy.address())).unwrap());
    Some(Store { proxy, bucket, _server: Box::new(server) })
}

/// What somebody else does to an object.
#[derive(Debug, Clone, Copy)]
enum Stranger {
    /// Writes other bytes of the same length.
    Overwrites,
    Deletes,
}

impl Stranger {
    async fn acts(self, store: &Store, key: &str) {
        store.bucket.delete(key).await.unwrap();
        if let Self::Overwrites = self {
            store.bucket.put(key, Bytes::from(vec![b'x'; SIZE]), If::Absent).await.unwrap();
        }
    }
}

async fn a_read_is_of_one_state(store: Store) {
    let bytes = Bytes::from(lifelike(SIZE));
    for stranger in [Stranger::Overwrites, Stranger::Deletes] {
        store.bucket.delete("struck").await.unwrap();
        store.bucket.put("struck", bytes.clone(), If::Absent).await.unwrap();
        let done = Arc::new(Notify::new());
        store.proxy.breaks("GET", "struck", 1, Fault::HoldBody(8 << 20, done.clone()));
        let mut reader = store.bucket.read("struck", None).await.unwrap();
        stranger.acts(&store, "struck").await;
        done.notify_one();
        let mut got = Vec::new();
        let error = lastgood_core::error::Error::from(reader.read_to_end(&mut got).await.unwrap_err());
        assert_eq!(error.kind(), Kind::Corrupt, "{stranger:?}: {error:?}");
        assert!(error.full().contains("was replaced or removed while it was read"), "{stranger:?}: {error:?}");
        assert!(bytes.starts_with(&got), "{stranger:?}: nothing of the other state came before the error");
    }
}

/// Two backups in a vault, of which somebody damages the older while it is copied.
async fn a_copy_is_of_one_state(store: Store) {
    let there: Arc<dyn Bucket> =
        Arc::new(MemoryBucket::new("file:///there".parse().unwrap(), ManualClock::at("2026-11-20T06:00:00Z".parse().unwrap())));
    let text = format!(
        "vault: {}\nassets:\n  {ASSET}:\n    kind: postgres\n    url: env:U\n    export: {{ schedule: \"0 2 * * *\" }}\n    \
         copies: [ {{ vault: \"{}\" }} ]\n",
        store.bucket.place(),
        there.place()
    );
    let config = Arc::new(Config::parse(&text, "lastgood.yaml").unwrap_or_else(|error| panic!("{}", error.full())));
    let buckets = [&store.bucket, &there].map(|bucket| (bucket.place().clone(), bucket.clone()));
    let clock = ManualClock::at("2026-11-20T06:00:00Z".parse().unwrap());
    let env = environment(config, Buckets(BTreeMap::from(buckets)), Arc::new(clock), std::env::temp_dir());
    let plain = Encoding { compression: Compression::None, level: None, recipients: Arc::default(), at_once: 1 };
    let struck = backup(&env.vault, "2026-11-19T02:00:00Z", &[(Role::Data, lifelike(SIZE))], &plain).await;
    let sound = backup(&env.vault, "2026-11-20T02:00:00Z", &[(Role::Data, lifelike(300_000))], &plain).await;

    let (key, done) = (struck.artifacts[0].key.clone(), Arc::new(Notify::new()));
    store.proxy.breaks("GET", "_20261119_", 1, Fault::HoldBody(9 << 20, done.clone()));
    let copying = tokio::spawn({
        let env = env.clone();
        async move { CrossRegionCopy { asset: Some(asset()) }.run(&env).await.unwrap() }
    });
    while store.proxy.seen("GET", "_20261119_") == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    Stranger::Overwrites.acts(&store, &key).await;
    done.notify_one();
    let report = copying.await.unwrap();
    assert_eq!(report.exit(), Exit::Failed, "{report:?}");
    let told = serde_json::to_string(&report).unwrap();
    assert!(told.contains(&struck.id.to_string()), "the one that was left out is named: {told}");
    assert_eq!(there.head(&key).await.unwrap(), None, "nothing of it was kept");
    let is_proven = async |backup| env.vault.load::<Copy>(&Key::Copy(asset(), backup, there.place().clone())).await.unwrap().is_some();
    assert!(!is_proven(struck.id).await);
    assert!(is_proven(sound.id).await, "the other one was copied all the same");
}

macro_rules! over {
    ($($cloud:ident),*) => { $(
        mod $cloud {
            #[tokio::test]
            async fn r38_an_object_that_is_replaced_while_it_is_read_is_an_error_and_never_a_mixture() {
                if let Some(store) = super::$cloud().await { super::a_read_is_of_one_state(store).await }
            }

            #[tokio::test]
            async fn r38_a_backup_that_is_damaged_while_it_is_copied_is_named_and_the_others_are_copied() {
                if let Some(store) = super::$cloud().await { super::a_copy_is_of_one_state(store).await }
            }
        }
    )* };
}

over!(gs, az, s3);
