//! `status --at`: how everything stood at a moment that is past, as far as records tell, and what they do not tell.

use lastgood_core::{
    catalog::{Copy, Key, Tombstone, Verification, evidence::Evidence},
    clock::Timestamp,
    domain::{damage::Damage, drill::Verdict, finding::FindingKind, freshness::State},
    observe::{Records, Round, Then},
    testing::World,
};
use lastgood_tests::desk::Desk;

const CONFIG: &str = "
vault: s3://acme-backups/lastgood
defaults: { rpo: 24h, rto: 4h, retention: { daily: 30 } }
assets:
  orders-db:
    kind: postgres
    url: env:ORDERS_URL
    export: { schedule: \"0 2 * * *\" }
    copies: [ { vault: s3://acme-backups-west/lastgood } ]
    drill: { schedule: \"0 6 * * 0\", into: scratch }
";
const WEST: &str = "s3://acme-backups-west/lastgood";

fn world() -> World {
    World::new("2026-11-20T12:00:00Z", CONFIG).unwrap()
}

async fn at(world: &World, moment: &str) -> Then {
    let (env, moment): (_, Timestamp) = (world.env(), moment.parse().unwrap());
    let round = Round::begin(&env).await.unwrap();
    let asset = env.config.asset(&"orders-db".parse().unwrap()).unwrap();
    Records::read(&env, &round, asset, moment).await.unwrap().at(asset, &env.config.vault, moment, &env.config.runbook)
}

fn sentence(then: &Then) -> &str {
    &then.status.recoverable.as_ref().unwrap().sentence
}

fn has(then: &Then, kind: FindingKind) -> bool {
    then.status.findings.iter().any(|finding| finding.kind == kind)
}

/// Four nights, a copy that came an hour later, a drill two days ago; the first night was let go yesterday at noon.
fn lived() -> World {
    let (world, mut nights) = (world(), Vec::new());
    let orders = world.asset("orders-db");
    for night in ["2026-11-17T02:00:00Z", "2026-11-18T02:00:00Z", "2026-11-19T02:00:00Z", "2026-11-20T02:00:00Z"] {
        let id = orders.backed_up(night).unwrap();
        orders.copied(id, WEST).unwrap();
        nights.push(id);
    }
    orders.drilled(nights[1], "2026-11-18T06:00:00Z", Verdict::Proven, 90.0).unwrap();
    orders.drilled(nights[2], "2026-11-19T06:00:00Z", Verdict::Failed, 90.0).unwrap();
    let first = orders.manifest(nights[0]).unwrap();
    let let_go_at: Timestamp = "2026-11-19T12:00:00Z".parse().unwrap();
    let stone = Tombstone::of(&first, vec![WEST.parse().unwrap()], "newer backups stand for its day", "plan", let_go_at);
    world.record(let_go_at, &Key::Tombstone(first.asset.clone(), first.id), &stone).unwrap();
    world.then(let_go_at, |vault| {
        for key in [Key::Manifest(first.asset.clone(), first.id), Key::Copy(first.asset.clone(), first.id, WEST.parse().unwrap())] {
            vault.lose(&key.to_string());
        }
    });
    world
}

#[tokio::test]
async fn a_moment_of_the_past_is_answered_by_what_was_recorded_by_then() {
    let world = lived();
    let noon = at(&world, "2026-11-18T12:00:00Z").await;
    let said = "restorable to 2026-11-18 02:00:00Z within 1m 30s (measured), data loss if lost then: 10h, last proven 6h ago, from s3://acme-backups/lastgood";
    assert_eq!(sentence(&noon), said);
    assert_eq!(noon.backups.len(), 2, "what was let go since was there then: {:#?}", noon.backups);
    assert!(noon.backups.iter().all(|backup| backup.why_not.is_none()));
    assert_eq!((noon.status.state, noon.status.copies.proven), (State::Good, 1), "{:#?}", noon.status.findings);
    assert!(noon.unknown.iter().any(|said| said.starts_with("1 of the backups of orders-db that there were have been let go since")));

    let before_the_drill = at(&world, "2026-11-18T05:59:59Z").await;
    let said = sentence(&before_the_drill);
    assert!(said.contains("(how long that takes was never measured)") && said.contains("never proven"), "{said}");
    assert_eq!(before_the_drill.status.rto.measured_seconds, None, "unknown is no number");

    let after_the_prune = at(&world, "2026-11-19T12:00:00Z").await;
    assert_eq!(after_the_prune.backups.len(), 2, "let go at that very moment: the second and the third night are left");
    assert!(has(&after_the_prune, FindingKind::DrillFailed), "{:#?}", after_the_prune.status.findings);
    assert!(sentence(&after_the_prune).contains("last proven 30h ago (the last drill failed)"), "{}", sentence(&after_the_prune));
}

#[tokio::test]
async fn a_backup_counts_from_the_moment_that_it_was_finished_and_its_copy_from_the_moment_that_it_was_proven() {
    let world = lived();
    let during = at(&world, "2026-11-20T02:00:59Z").await;
    assert_eq!(during.status.newest.as_ref().unwrap().data_time.to_string(), "2026-11-19T02:00:00Z");
    assert!(has(&during, FindingKind::BackupStale), "it was a minute late: {:#?}", during.status.findings);
    let done = at(&world, "2026-11-20T02:01:00Z").await;
    assert_eq!(done.status.newest.as_ref().unwrap().data_time.to_string(), "2026-11-20T02:00:00Z");
    assert_eq!(done.status.copies.proven, 1);
}

#[tokio::test]
async fn before_the_first_backup_nothing_could_have_been_restored_and_that_nothing_is_known_is_said() {
    let world = lived();
    let early = at(&world, "2026-11-17T01:59:59Z").await;
    assert_eq!(sentence(&early), "nothing could have been restored: there was no backup");
    assert!(has(&early, FindingKind::NeverSucceeded) && early.backups.is_empty());
    assert!(early.unknown.iter().any(|said| said.contains("holds data of 2026-11-17T02:00:00Z: nothing is known of before")), "{early:#?}");
    let empty = at(&self::world(), "2026-11-17T01:59:59Z").await;
    assert!(empty.unknown.iter().any(|said| said.contains("has no record of any backup")), "{empty:#?}");
}

#[tokio::test]
async fn damage_counts_from_when_it_was_found_and_before_that_it_is_not_known() {
    let world = lived();
    let newest = at(&world, "2026-11-20T12:00:00Z").await.backups[0].id;
    world
        .asset("orders-db")
        .verified(newest, "2026-11-20T08:00:00Z", vec![Damage::Missing { object: "exports/orders-db/x".into() }])
        .unwrap();
    let before = at(&world, "2026-11-20T07:00:00Z").await;
    assert_eq!(before.backups[0].why_not, None, "nobody knew");
    let doubt = format!("backup {newest} of orders-db was found damaged at 2026-11-20T08:00:00Z: whether it was so before is not known");
    assert!(before.unknown.contains(&doubt), "{:#?}", before.unknown);
    let after = at(&world, "2026-11-20T09:00:00Z").await;
    assert!(after.backups[0].why_not.as_ref().unwrap().contains("corrupt"), "{:#?}", after.backups);
    assert!(
        sentence(&after).starts_with("restorable to 2026-11-20 02:00:00Z") && sentence(&after).contains(WEST),
        "its copy was whole: {}",
        sentence(&after)
    );
}

#[test]
fn what_is_asked_of_records_alone_needs_no_world() {
    let world = world();
    let asset = world.config.asset(&"orders-db".parse().unwrap()).unwrap();
    let (none, moment) = (Records::default(), "2026-11-20T02:00:00Z".parse().unwrap());
    let then = none.at(asset, &world.config.vault, moment, "#");
    assert_eq!((then.status.newest, then.status.backups, then.status.stored_bytes), (None, 0, 0));
    let _: (Vec<Copy>, Vec<Verification>, Vec<Evidence>) = (none.copies, none.verifications, none.drills);
}

#[tokio::test]
async fn the_command_refuses_the_future_and_what_is_no_moment_and_says_what_cannot_be_known() {
    let desk =
        Desk::new("vault: file://HOME/vault\nassets: { shop-db: { kind: postgres, url: env:X, export: { schedule: '0 2 * * *' } } }\n");
    for (line, words) in [
        ("status --at 2999-01-01T00:00:00Z", "lies in the future"),
        ("status --at yesterday", "write RFC 3339 with an offset"),
        ("status --at 2026-11-20T02:00:00", "write RFC 3339 with an offset"),
        ("status ../x", "is not an asset name"),
    ] {
        let ran = desk.types(line).await;
        assert_eq!(ran.exit, Some(64), "lastgood {line}: {ran:#?}");
        assert!(ran.stderr.contains(words) && ran.stdout.is_empty(), "{ran:#?}");
    }
    let ran = desk.types("status shop-db --at 2026-01-01T00:00:00Z").await;
    assert_eq!(ran.exit, Some(2), "it says what it would have said then: {ran:#?}");
    for words in [
        "As it was at 2026-01-01 00:00:00Z, as far as records tell",
        "shop-db: nothing could have been restored: there was no backup",
        "What cannot be known of that moment:",
        "- it is judged by the config of today",
        "- shop-db has no record of any backup",
    ] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    let told = desk.types("status --at 2026-01-01T00:00:00Z --json").await.report();
    assert_eq!(told["checked_at"], "2026-01-01T00:00:00Z");
    assert!(told["unknown"].as_array().unwrap().len() >= 4 && told["backups"]["shop-db"].as_array().unwrap().is_empty(), "{told:#}");
    assert!(told["assets"][0]["recoverable"]["loss_seconds"].is_null(), "unknown is no number: {told:#}");
}
