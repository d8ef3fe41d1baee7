//! Short looks (`relist_every`): they only ever confirm that all is well, and everything that a function changes, and whatever
//! of the newest backup or of a provider's snapshots is lost, is told by the very next look all the same.

use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{Key, Status, verify_backup},
    domain::{backup::Manifest, finding::FindingKind, freshness::State},
    function::{Exit, Findings, Function},
    testing::World,
};

const NOW: &str = "2026-11-20T12:00:00Z";
const WEST: &str = "file:///west";

const CONFIG: &str = r#"
vault: file:///vault
relist_every: 24h
defaults: { rpo: 26h, rto: 4h, retention: { daily: 14 } }
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 10 * * *" }
    copies: [ { vault: file:///west } ]
"#;

/// Three nights, copied. The newest was read back by a function this morning, which left its sign.
async fn settled() -> (World, Vec<Manifest>) {
    let world = World::new(NOW, CONFIG).unwrap();
    let orders = world.asset("orders-db");
    for when in ["50h ago", "26h ago", "2h ago"] {
        let id = orders.backed_up(when).unwrap();
        orders.copied(id, WEST).unwrap();
    }
    for function in ["export-to-bucket", "cross-region-copy", "freshness-checker"] {
        world.woken(function, "2h ago").unwrap();
    }
    let env = world.env();
    let backups = env.vault.backups(&"orders-db".parse().unwrap()).await.unwrap().good;
    verify_backup(&env, &env.vault, &backups[0]).await.unwrap();
    world.passes("61m");
    assert_eq!(check(&world).await.exit(), Exit::Good);
    assert!(world.vault.keys().contains(&gist()), "{:?}", world.vault.keys());
    (world, backups)
}

async fn check(world: &World) -> Status {
    FreshnessChecker::default().run(&world.env()).await.unwrap()
}

fn gist() -> String {
    Key::Gist("freshness-checker".to_owned(), "orders-db".parse().unwrap()).to_string()
}

fn kinds(status: &Status) -> Vec<FindingKind> {
    status.findings().iter().map(|finding| finding.kind).collect()
}

#[tokio::test]
async fn a_short_look_says_what_a_whole_one_says() {
    let (world, _) = settled().await;
    world.passes("5m");
    let short = check(&world).await;
    world.vault.lose(&gist());
    let whole = check(&world).await;
    assert_eq!(short.assets, whole.assets);
    assert_eq!(short.assets[0].state, State::Good);
    assert!(short.assets[0].proven.is_none() && short.assets[0].backups == 3);
}

#[tokio::test]
async fn what_grows_old_grows_old_in_short_looks_too() {
    let (world, _) = settled().await;
    world.passes("10h");
    assert_eq!(check(&world).await.exit(), Exit::Good);
    world.passes("14h");
    assert!(kinds(&check(&world).await).contains(&FindingKind::BackupStale));
}

#[tokio::test]
async fn what_a_function_writes_is_seen_by_the_next_look() {
    let (world, _) = settled().await;
    // The next night: a function makes a backup, and so leaves a sign.
    world.passes("21h");
    let made = ExportToBucket::default().run(&world.env()).await.unwrap();
    assert_eq!(made.exit(), Exit::Good, "{made:?}");
    let status = check(&world).await;
    assert_eq!(status.assets[0].backups, 4, "{status:#?}");
}

#[tokio::test]
async fn what_a_killed_writer_announced_is_waited_for() {
    let (world, backups) = settled().await;
    let env = world.env();
    verify_backup(&env, &env.vault, &backups[1]).await.unwrap();
    let signed = check(&world).await;
    assert_eq!(signed.exit(), Exit::Good);
    // Its sign stands. What it announced comes half an hour later, without another sign.
    world.passes("30m");
    let damage = vec![lastgood_core::domain::damage::Damage::Missing { object: backups[1].artifacts[0].key.clone() }];
    world.asset("orders-db").verified(backups[1].id, "1m ago", damage).unwrap();
    assert!(kinds(&check(&world).await).contains(&FindingKind::BackupCorrupt));
}

#[tokio::test]
async fn the_newest_backup_is_missed_at_once_and_an_older_one_when_everything_is_listed_again() {
    let (world, backups) = settled().await;
    let (newest, oldest) = (backups[0].artifacts[0].key.clone(), backups[2].artifacts[0].key.clone());
    let kept = world.vault.bytes(&newest).unwrap();
    world.vault.lose(&newest);
    assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing));
    world.vault.overwrite(&newest, kept);
    assert_eq!(check(&world).await.exit(), Exit::Good);

    world.vault.lose(&oldest);
    assert_eq!(check(&world).await.exit(), Exit::Good, "a stranger's hand leaves no sign: this is what relist_every allows");
    world.passes("23h");
    assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing), "and this is how long at the most");
}

#[tokio::test]
async fn the_newest_copy_is_missed_at_once() {
    let (world, backups) = settled().await;
    world.at(WEST).lose(&backups[0].artifacts[0].key);
    assert!(kinds(&check(&world).await).contains(&FindingKind::CopyMissing));
}

#[tokio::test]
async fn who_asks_for_themselves_is_told_everything() {
    let (world, backups) = settled().await;
    world.vault.lose(&backups[2].artifacts[0].key);
    let status = freshness_checker::observe_all(&world.env(), None).await.unwrap();
    assert!(kinds(&status).contains(&FindingKind::RecordedButMissing));
    let asked = FreshnessChecker { asset: Some("orders-db".parse().unwrap()) }.run(&world.env()).await.unwrap();
    assert!(kinds(&asked).contains(&FindingKind::RecordedButMissing));
    // What one check found, the next does not take back because it looks at less.
    assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing));
}

#[tokio::test]
async fn a_gist_that_cannot_be_read_is_none() {
    let (world, backups) = settled().await;
    world.vault.lose(&backups[2].artifacts[0].key);
    for bytes in [&b""[..], b"no zstd", &zstd_of(b"{"), &zstd_of(b"{\"version\":2}"), &zstd_of(&vec![b'['; 20 << 20])] {
        world.vault.overwrite(&gist(), bytes.to_vec());
        assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing), "{} bytes", bytes.len());
    }
}

#[tokio::test]
async fn another_policy_is_not_judged_by_what_was_seen_under_the_old_one() {
    let (mut world, backups) = settled().await;
    world.vault.lose(&backups[2].artifacts[0].key);
    let config = CONFIG.replace("daily: 14", "daily: 15");
    world.config = std::sync::Arc::new(lastgood_core::config::Config::parse(&config, "lastgood.yaml").unwrap());
    assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing));
}

#[tokio::test]
async fn nothing_is_gone_by_where_the_config_does_not_ask_for_it() {
    let (mut world, backups) = settled().await;
    world.vault.lose(&backups[2].artifacts[0].key);
    let config = CONFIG.replace("relist_every: 24h\n", "");
    world.config = std::sync::Arc::new(lastgood_core::config::Config::parse(&config, "lastgood.yaml").unwrap());
    assert!(kinds(&check(&world).await).contains(&FindingKind::RecordedButMissing));
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}
