//! Exports of a Redis of Memorystore that is busy, slow, moody and half done: what is not a whole file in the vault is no backup, and
//! nothing of it stays in the bucket between.

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    domain::drill::Verdict,
    env::Env,
    function::{Function, Outcome},
};
use lastgood_tests::gcp::{
    Ending, Lost,
    larder::{CACHE, Larder},
};
use restore_drill::RestoreDrill;

/// Exports now, and returns what came of it in one text; empty where it came to a backup.
async fn export(env: &Env) -> String {
    let report = ExportToBucket::default().run(env).await.unwrap();
    match &report.entries[0].outcome {
        Outcome::Done(_) => String::new(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r43_what_ends_badly_or_is_cut_is_no_backup_and_the_next_one_is_whole() {
    for (ending, word) in [
        (Ending::Error, "the service is busy or out of reach"),
        (Ending::Truncated, "the service is busy or out of reach"),
        (Ending::SilentlyTruncated, "ends in the middle"),
    ] {
        let Some(larder) = Larder::build("memorystore_gcp::r43_what_ends_badly").await else { return };
        larder.gcp.faults().ends("redis.export", ending);
        let told = export(&larder.env).await;
        assert!(told.contains(word), "{ending:?}: {told}");
        assert!(larder.backups().await.is_empty(), "{ending:?}");
        let artifacts = larder.vault.keys().into_iter().filter(|key| key.starts_with("exports/")).count();
        assert_eq!(artifacts, 0, "{ending:?}: nothing that looks like a backup");
        larder.set("2026-11-20T02:30:00Z");
        assert_eq!(export(&larder.another("second")).await, "", "{ending:?}");
        assert_eq!(larder.backups().await.len(), 1, "{ending:?}");
        for _ in 0..50 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            if larder.exports().is_empty() {
                break;
            }
        }
        assert!(larder.exports().is_empty(), "{ending:?}: {:?}", larder.exports());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r43_a_file_whose_checksum_is_wrong_or_that_is_none_is_refused_however_well_it_was_exported() {
    let Some(larder) = Larder::build("memorystore_gcp::r43_a_file").await else { return };
    let good = larder.redis.saved();
    let mut damaged = good.clone();
    let at = damaged.windows(5).position(|window| window == b"hello").unwrap();
    damaged[at] ^= 1;
    for (round, (bytes, word)) in
        [(damaged, "its checksum is"), (b"<html>not an RDB</html>".to_vec(), "no RDB file")].into_iter().enumerate()
    {
        larder.caches.holds("shop", bytes);
        larder.set(&format!("2026-11-20T02:{:02}:00Z", round * 20));
        let told = export(&larder.another(&format!("round-{round}"))).await;
        assert!(told.contains(word), "{told}");
        assert!(larder.backups().await.is_empty());
    }
    larder.caches.holds("shop", good);
    larder.set("2026-11-20T03:30:00Z");
    assert_eq!(export(&larder.another("good")).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r03_whichever_half_of_the_order_is_lost_one_export_comes_of_it() {
    for half in [Lost::Request, Lost::Reply] {
        let Some(larder) = Larder::build("memorystore_gcp::r03_whichever_half").await else { return };
        larder.gcp.faults().lose("redis.instances.export", 1, half);
        export(&larder.env).await;
        larder.set("2026-11-20T02:30:00Z");
        export(&larder.another("second")).await;
        assert_eq!(larder.backups().await.len(), 1, "{half:?}");
        assert!(larder.exports().is_empty(), "{half:?}: {:?}", larder.exports());
        let orders = larder.gcp.calls("redis.instances.export");
        assert_eq!(orders, if half == Lost::Reply { 1 } else { 2 }, "{half:?}: one that took effect is not given again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r05_an_instance_at_which_something_else_goes_on_is_left_in_peace() {
    let Some(larder) = Larder::build("memorystore_gcp::r05_an_instance").await else { return };
    larder.caches.begins_by_itself("shop");
    let told = export(&larder.env).await;
    assert!(told.contains("(update), and does one thing at a time"), "{told}");
    assert_eq!(larder.gcp.calls("redis.instances.export"), 0);
    larder.caches.state("shop", "FAILING_OVER");
    larder.set("2026-11-20T02:20:00Z");
    let told = export(&larder.another("second")).await;
    assert!(told.contains("failing_over"), "{told}");
    larder.caches.state("shop", "READY");
    for minute in [40, 55] {
        larder.set(&format!("2026-11-20T02:{minute}:00Z"));
        export(&larder.another(&format!("at-{minute}"))).await;
    }
    assert_eq!(larder.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_that_is_missing_is_named_with_who_lacks_it() {
    let Some(larder) = Larder::build("memorystore_gcp::r41_a_right").await else { return };
    let rights = ["redis.instances.get", "redis.operations.list", "redis.instances.export"];
    for (round, right) in rights.iter().enumerate() {
        larder.set(&format!("2026-11-20T02:{:02}:00Z", round * 14));
        larder.gcp.faults().deny(right);
        let told = export(&larder.another(&format!("denied-{round}"))).await;
        larder.gcp.faults().allow_all();
        assert!(told.contains(right), "without {right}: {told}");
        assert!(larder.backups().await.is_empty(), "{right}");
    }
    larder.set("2026-11-20T03:30:00Z");
    larder.gcp.faults().bar("acme-exports");
    let told = export(&larder.another("barred")).await;
    assert!(told.contains("let serviceAccount:redis-1@prod.iam.gserviceaccount.com create and read objects"), "{told}");
    larder.gcp.faults().allow_all();
    larder.set("2026-11-20T04:30:00Z");
    assert_eq!(export(&larder.another("with every right")).await, "");
    // An export that began goes on, whoever may look at it: it is told, and waited for by whoever may.
    larder.set("2026-11-21T02:00:00Z");
    larder.gcp.faults().deny("redis.operations.get");
    let told = export(&larder.another("blind")).await;
    assert!(told.contains("redis.operations.get"), "{told}");
    assert_eq!(larder.backups().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r27_a_drill_that_was_killed_anywhere_leaves_no_redis_behind() {
    let Some(larder) = Larder::build("memorystore_gcp::r27_a_drill").await else { return };
    assert_eq!(export(&larder.env).await, "");
    larder.set("2026-11-20T06:00:00Z");
    // Dropped while the server loads or is asked: the next invocation ends it.
    let drill = RestoreDrill { asset: Some(CACHE.parse().unwrap()), now: true, ..RestoreDrill::default() };
    let _ = tokio::time::timeout(std::time::Duration::from_millis(150), drill.run(&larder.another("killed"))).await;
    larder.set("2026-11-20T06:30:00Z");
    for holder in ["second", "third"] {
        RestoreDrill { asset: Some(CACHE.parse().unwrap()), ..RestoreDrill::default() }.run(&larder.another(holder)).await.unwrap();
    }
    let evidence = larder.evidence().await;
    assert!(evidence.iter().any(|evidence| evidence.verdict == Verdict::Proven), "{evidence:#?}");
    let asset = larder.env.config.asset(&CACHE.parse().unwrap()).unwrap();
    let replicas = larder.env.providers.replicas(asset, &Default::default()).await.unwrap();
    assert!(replicas.replicas().await.unwrap().is_empty());
    let folder = larder.path("scratch").parent().unwrap().display().to_string();
    let left = std::process::Command::new("pgrep").args(["-f", &format!("{folder}.*redis")]).output();
    if let Ok(left) = left {
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "a server was left behind");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r25_keys_that_are_missing_in_the_restore_condemn_the_backup() {
    let Some(larder) = Larder::build("memorystore_gcp::r25_keys").await else { return };
    assert_eq!(export(&larder.env).await, "");
    let mut backup = larder.backups().await.remove(0);
    backup.expectations.keyspace.entry(2).or_default().keys += 1;
    let key = lastgood_core::catalog::Key::Manifest(backup.asset.clone(), backup.id);
    larder.env.vault.save(&key, &backup).await.unwrap();
    larder.set("2026-11-20T06:00:00Z");
    RestoreDrill { asset: Some(CACHE.parse().unwrap()), now: true, ..RestoreDrill::default() }.run(&larder.env).await.unwrap();
    let evidence = larder.evidence().await.remove(0);
    assert_eq!(evidence.verdict, Verdict::Failed);
    assert!(evidence.reason.unwrap().contains("keys of database 2: expected 2 lasting"), "{:?}", evidence.checks);
}
