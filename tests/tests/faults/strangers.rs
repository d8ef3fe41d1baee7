//! A name that we derive is taken by something that is not ours: it is refused, told, and left exactly as it was.

use export_to_bucket::ExportToBucket;
use lastgood_core::{
    domain::drill::ReplicaName,
    env::Env,
    error::Kind,
    function::{Function, Outcome},
    id::Slot,
    testing::World,
};
use restore_drill::RestoreDrill;

const CONFIG: &str = r#"
vault: s3://near/lastgood
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *" }
    drill: { schedule: "0 4 * * *" }
"#;

fn world() -> (World, Env, tempfile::TempDir) {
    let world = World::new("2026-11-20T02:00:00Z", CONFIG).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let env = Env { scratch: scratch.path().to_owned(), ..world.env() };
    (world, env, scratch)
}

#[tokio::test]
async fn r04_a_strangers_object_under_the_artifacts_name_is_refused_and_left_alone() {
    let (world, env, _scratch) = world();
    let key = "exports/orders-db/orders-db_monthly_20261120_020000.dump.zst";
    world.vault.overwrite(key, &b"a stranger's"[..]);
    let report = ExportToBucket::default().run(&env).await.unwrap();
    let Outcome::Failed { kind, reason, .. } = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!(*kind, Kind::Conflict);
    assert!(reason.contains(key) && reason.contains("not of this run"), "{reason}");
    assert_eq!(world.vault.bytes(key).as_deref(), Some(&b"a stranger's"[..]));
    assert!(!world.vault.keys().iter().any(|key| key.contains("/backups/")), "nothing counts");
}

#[tokio::test]
async fn r04_a_strangers_server_under_the_replicas_name_is_refused_and_left_alone() {
    let (world, env, _scratch) = world();
    ExportToBucket::default().run(&env).await.unwrap();
    let name = ReplicaName::derive(&"orders-db".parse().unwrap(), &Slot("2026-11-19T04:00:00Z".parse().unwrap()));
    world.replicas.strange(&name.0);
    let report = RestoreDrill::default().run(&env).await.unwrap();
    let told = serde_json::to_string(&report.entries[0].outcome).unwrap();
    assert!(!told.contains("\"proven\""), "{told}");
    assert!(told.contains("is not ours"), "{told}");
    assert_eq!(world.replicas.names(), [name.0], "it is neither filled nor torn down");
}
