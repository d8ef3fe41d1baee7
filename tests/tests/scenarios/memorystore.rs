//! A night and a day of a Redis of Memorystore, with the real adapters: exported through a bucket, read to its last byte, loaded into
//! a real throwaway Redis, restored into a new folder.

use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{compare::CheckOutcome, drill::Verdict, freshness::State},
    function::{Exit, Findings, Function, Outcome},
};
use lastgood_tests::gcp::larder::{CACHE, Larder};
use restore::Restore;
use restore_drill::RestoreDrill;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_is_exported_drilled_in_a_real_redis_and_restored() {
    let Some(larder) = Larder::build("memorystore::a_cache_is_exported").await else { return };
    let env = &larder.env;
    let report = ExportToBucket::default().run(env).await.unwrap();
    let Outcome::Done(taken) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(taken.data_time.to_string(), "2026-11-20T02:00:00Z", "what was there when the export was ordered is in it");
    assert!(larder.exports().is_empty(), "nothing stays in the bucket between: {:?}", larder.exports());
    let backup = larder.backups().await.remove(0);
    let artifact = backup.main().unwrap();
    assert_eq!(artifact.key, "exports/cache/cache_monthly_20261120_020000.rdb.zst");
    assert!(backup.source.server.starts_with("Redis ") && backup.source.address == "10.0.0.3:6379", "{:?}", backup.source);
    let counted: Vec<_> = backup.expectations.keyspace.iter().map(|(db, keys)| (*db, keys.keys, keys.expiring)).collect();
    assert_eq!(counted, [(0, 9, 2), (2, 1, 0)]);
    assert_eq!(backup.tools["rdb-checksum"], "checked");

    larder.set("2026-11-20T06:00:00Z");
    let report = RestoreDrill::default().run(env).await.unwrap();
    assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
    let evidence = larder.evidence().await.remove(0);
    let wrong: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    assert_eq!((evidence.verdict, wrong.len()), (Verdict::Proven, 0), "{evidence:#?}");
    let found = |name: &str| evidence.checks.iter().find(|check| check.name == name).map(|check| check.found.clone());
    assert_eq!(found("keys of database 0").as_deref(), Some("7 lasting, 2 expiring"));
    assert_eq!(found("keys of database 2").as_deref(), Some("1 lasting, 0 expiring"));
    let replicas = env.providers.replicas(env.config.asset(&CACHE.parse().unwrap()).unwrap(), &Default::default()).await.unwrap();
    assert!(replicas.replicas().await.unwrap().is_empty(), "torn down");
    let status = FreshnessChecker::default().run(env).await.unwrap();
    assert_eq!(status.assets[0].state, State::Good, "{:#?}", status.findings());

    let folder = larder.path("restored");
    let into = folder.display().to_string().parse().unwrap();
    let restore = Restore {
        asset: CACHE.parse().unwrap(),
        backup: None,
        at: None,
        latest: true,
        into,
        from: None,
        apply: true,
        confirm: None,
        recall: lastgood_core::domain::archive::Haste::default(),
    };
    let report = restore.run(env).await.unwrap();
    let Outcome::Done(done) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert!(done.next.iter().any(|step| step.contains("never import into the instance in use")), "{:?}", done.next);
    let bytes = std::fs::read(folder.join("dump.rdb")).unwrap();
    assert!(bytes.starts_with(b"REDIS00") && bytes.len() as u64 == artifact.plain_size);

    for day in ["2026-11-21", "2026-11-22", "2026-11-23"] {
        larder.set(&format!("{day}T02:00:00Z"));
        larder.redis.say(&format!("set made-on-{day} yes"));
        larder.caches.holds("shop", larder.redis.saved());
        let report = ExportToBucket::default().run(env).await.unwrap();
        assert_eq!((report.exit(), report.findings()), (Exit::Good, Vec::new()), "{report:?}");
    }
    let newest = larder.backups().await.remove(0);
    assert_eq!(newest.expectations.keyspace[&0].keys, 12);
}
