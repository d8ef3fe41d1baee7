//! Fleets in memory: one line protects whatever bears a tag, members come and go, and nobody is forgotten.

use cross_region_copy::CrossRegionCopy;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::When,
    catalog::{Roster, Status},
    domain::{
        finding::{FindingKind, Severity},
        fleet::{Candidate, Unfit},
        freshness::State,
    },
    env::Env,
    event::{Asked, Event},
    function::{Exit, Findings, Function, Outcome},
    id::AssetName,
    prune::{self, Mode},
    testing::World,
};
use snapshot_trigger::{SnapshotReport, SnapshotTrigger};
use std::collections::BTreeMap;

const HOME: &str = "aws://eu-west-1";

const CONFIG: &str = r#"
vault: s3://near/lastgood
runbook: https://example.com/runbook
defaults: { rpo: 26h, rto: 4h, retention: { daily: 1 } }
assets:
  orders-db:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
  prod:
    kind: rds
    select: { tag: backup=true, retired: [ancient] }
    region: eu-west-1
    snapshot: { schedule: "0 3 * * *" }
    copies: [ { region: us-east-1, kms_key: alias/dr } ]
"#;

fn world() -> World {
    World::new("2026-11-20T03:00:00Z", CONFIG).unwrap()
}

fn tagged(id: &str) -> Candidate {
    let tags = vec![BTreeMap::from([("backup".to_owned(), "true".to_owned())])];
    Candidate { id: id.to_owned(), tags, instances: Vec::new(), unfit: None }
}

fn shows(world: &World, ids: &[&str]) {
    world.snapshots.shows(HOME, Ok(ids.iter().map(|id| tagged(id)).collect()));
}

fn name(name: &str) -> AssetName {
    name.parse().unwrap()
}

async fn wake(env: &Env) -> SnapshotReport {
    SnapshotTrigger::default().run(env).await.unwrap()
}

async fn check(world: &World) -> Status {
    FreshnessChecker::default().run(&world.looked().await).await.unwrap()
}

fn outcomes(report: &SnapshotReport) -> Vec<(&str, &'static str)> {
    let word = |outcome: &Outcome<_>| match outcome {
        Outcome::Done(_) => "done",
        Outcome::NotDue { .. } => "not due",
        Outcome::AlreadyRunning { .. } => "running",
        Outcome::Waiting { .. } => "waiting",
        Outcome::Failed { .. } => "failed",
    };
    report.entries.iter().map(|entry| (entry.asset.as_str(), word(&entry.outcome))).collect()
}

/// What is found of one asset: kinds and severities.
fn found(status: &Status, asset: &str) -> Vec<(FindingKind, Severity)> {
    let of = status.findings().into_iter().filter(|finding| finding.asset.as_ref().is_some_and(|name| name.as_str() == asset));
    of.map(|finding| (finding.kind, finding.severity)).collect()
}

#[tokio::test]
async fn one_line_takes_a_snapshot_of_everything_that_bears_the_tag() {
    let world = world();
    shows(&world, &["billing", "shop", "orders-prod"]);
    let env = world.looked().await;
    let report = wake(&env).await;
    let all = [("orders-db", "done"), ("prod-billing", "done"), ("prod-shop", "done")];
    assert_eq!(outcomes(&report), all, "what the config names itself is kept once");
    for member in ["prod-billing", "prod-shop"] {
        let backups = env.vault.backups(&name(member)).await.unwrap().good;
        let held = backups[0].held.as_ref().unwrap();
        assert_eq!(held.name.0, format!("lastgood-{member}-20261120t030000z"));
    }
    let roster: Roster = env.vault.roster(&name("prod")).await.unwrap();
    let enrolled: Vec<_> = roster.members.values().map(|member| member.instance.as_str()).collect();
    assert_eq!(enrolled, ["billing", "shop"]);

    assert!(outcomes(&wake(&world.looked().await).await).iter().all(|(_, outcome)| *outcome == "not due"), "twice is harmless");
    let copied = CrossRegionCopy { asset: Some(name("prod")) }.run(&world.looked().await).await.unwrap();
    assert_eq!(copied.entries.len(), 2, "a fleet's name means its members");
    let status = check(&world).await;
    assert_eq!(status.assets.iter().filter(|asset| asset.fleet == Some(name("prod"))).count(), 2);
    let urgent = status.findings().into_iter().filter(|finding| finding.severity > Severity::Note).count();
    assert_eq!((status.overall.state, urgent), (State::Good, 0), "{:#?}", status.findings());
}

#[tokio::test]
async fn a_snapshot_of_every_member_is_begun_before_any_is_waited_for() {
    let world = world();
    shows(&world, &["a", "b", "c", "d"]);
    let effects = lastgood_core::testing::SideEffects::default();
    let config = world.looked().await.config;
    let env = Env { config, ..world.env_through(&effects) };
    let began = lastgood_core::clock::Clock::now(&world.clock);
    let report = wake(&env).await;
    assert_eq!(report.exit(), Exit::Good, "{report:?}");
    for entry in &report.entries {
        let Outcome::Done(taken) = &entry.outcome else { panic!("{entry:?}") };
        assert_eq!(taken.data_time, began, "{} waited for another", entry.asset);
    }
    let begins = effects.names().iter().filter(|name| name.starts_with("begin snapshot")).count();
    assert_eq!(begins, 5, "each once");
}

#[tokio::test]
async fn a_member_that_loses_its_tag_or_is_deleted_stays_visible_and_keeps_what_it_has() {
    let world = world();
    shows(&world, &["billing", "shop", "ancient"]);
    wake(&world.looked().await).await;
    CrossRegionCopy::default().run(&world.looked().await).await.unwrap();
    world.passes("24h");
    wake(&world.looked().await).await;
    CrossRegionCopy::default().run(&world.looked().await).await.unwrap();

    // billing loses its tag, shop and ancient are deleted.
    world.snapshots.shows(HOME, Ok(vec![Candidate { tags: vec![BTreeMap::new()], ..tagged("billing") }]));
    let before = world.snapshots.names(HOME);
    world.passes("1h");
    let report = wake(&world.looked().await).await;
    assert!(!report.entries.iter().any(|entry| entry.asset.as_str().starts_with("prod-")), "nothing is taken of them: {report:?}");
    let status = check(&world).await;
    assert_eq!(found(&status, "prod-billing"), [(FindingKind::MemberLeft, Severity::Warning)], "{:#?}", status.findings());
    assert_eq!(found(&status, "prod-shop"), [(FindingKind::MemberLeft, Severity::Warning)]);
    assert_eq!(found(&status, "prod-ancient"), [(FindingKind::MemberLeft, Severity::Note)], "its leaving is meant");
    assert_eq!(found(&status, "prod"), [(FindingKind::FleetShort, Severity::Critical)], "nobody is left");

    world.passes("30h");
    wake(&world.looked().await).await;
    let status = check(&world).await;
    assert_eq!(found(&status, "prod-billing"), [(FindingKind::MemberLeft, Severity::Critical)], "it runs on and loses data");
    assert_eq!(found(&status, "prod-shop"), [(FindingKind::MemberLeft, Severity::Warning)], "there is nothing more to lose");
    let sentence = &status.findings().into_iter().find(|f| f.asset == Some(name("prod-billing"))).unwrap().sentence;
    assert!(
        sentence.contains("does not bear the tag of fleet prod any more, since 31h ago") || sentence.contains("since 30h ago"),
        "{sentence}"
    );

    // Nothing is let go of those that left, however often retention looks; by hand neither.
    let env = world.looked().await;
    for member in ["prod-billing", "prod-shop"] {
        let asset = env.config.asset(&name(member)).unwrap();
        let pruned = prune::prune(&env, asset, Mode::Apply, None).await.unwrap();
        assert_eq!(pruned.let_go.len(), 0, "{pruned:?}");
        assert!(!env.vault.backups(&asset.name).await.unwrap().good.is_empty());
    }
    assert!(before.iter().filter(|name| name.contains("prod-")).all(|name| world.snapshots.names(HOME).contains(name)));

    // It gets its tag again, and goes on as if nothing had been.
    shows(&world, &["billing"]);
    wake(&world.looked().await).await;
    CrossRegionCopy::default().run(&world.looked().await).await.unwrap();
    assert_eq!(found(&check(&world).await, "prod-billing"), []);
}

#[tokio::test]
async fn a_region_that_cannot_be_listed_is_its_fleets_failure_and_stops_nobody_else() {
    let world = world();
    shows(&world, &["billing"]);
    wake(&world.looked().await).await;
    world.passes("24h");
    world.snapshots.shows(HOME, Err("AccessDenied"));
    let report = wake(&world.looked().await).await;
    assert_eq!(outcomes(&report), [("orders-db", "done"), ("prod-billing", "done"), ("prod", "failed")], "known members are kept");
    assert_eq!(report.exit(), Exit::Failed);
    CrossRegionCopy::default().run(&world.looked().await).await.unwrap();
    let status = check(&world).await;
    assert_eq!(found(&status, "prod"), [(FindingKind::CouldNotObserve, Severity::Warning)]);
    assert_eq!(found(&status, "prod-billing"), [], "{:#?}", status.findings());
}

#[tokio::test]
async fn a_fleet_that_never_had_anybody_is_a_finding_and_never_silent() {
    let world = world();
    wake(&world.looked().await).await;
    let status = check(&world).await;
    assert_eq!(found(&status, "prod"), [(FindingKind::FleetShort, Severity::Critical)]);
    assert_eq!(status.exit(), Exit::Stale);
    world.snapshots.shows(HOME, Err("AccessDenied"));
    assert_eq!(found(&check(&world).await, "prod"), [(FindingKind::CouldNotObserve, Severity::Critical)]);
}

#[tokio::test]
async fn what_drills_and_restores_made_never_joins_whatever_tags_it_carries() {
    let world = world();
    let ours = Candidate { unfit: Some(Unfit::Ours), ..tagged("lastgood-drill-prod-shop-20261120t060000z") };
    world.snapshots.shows(HOME, Ok(vec![tagged("shop"), ours]));
    let report = wake(&world.looked().await).await;
    assert_eq!(outcomes(&report), [("orders-db", "done"), ("prod-shop", "done")]);
}

#[tokio::test]
async fn a_member_whose_name_another_asset_has_is_told_and_not_mixed_up() {
    let world = World::new("2026-11-20T03:00:00Z", &CONFIG.replace("orders-db:", "prod-billing:")).unwrap();
    shows(&world, &["billing", "shop"]);
    let report = wake(&world.looked().await).await;
    assert_eq!(outcomes(&report), [("prod-billing", "done"), ("prod-shop", "done"), ("prod", "failed")]);
    let status = check(&world).await;
    assert_eq!(found(&status, "prod"), [(FindingKind::FleetShort, Severity::Critical)]);
    let roster = world.env().vault.roster(&name("prod")).await.unwrap();
    assert_eq!(roster.members.keys().map(AssetName::as_str).collect::<Vec<_>>(), ["prod-shop"]);
}

#[tokio::test]
async fn r33_a_notice_about_a_member_wakes_for_that_member_and_an_event_may_name_the_fleet() {
    let world = world();
    let cluster = Candidate { instances: vec!["shop-one".to_owned()], ..tagged("shop") };
    world.snapshots.shows(HOME, Ok(vec![tagged("billing"), cluster]));
    let env = world.looked().await;
    let ask = |source: &str| {
        let event = format!(
            r#"{{"source":"aws.rds","detail-type":"RDS DB Instance Event","account":"111122223333","region":"eu-west-1","time":"2026-11-20T02:59:00Z",
                "detail":{{"EventID":"RDS-EVENT-0031","EventCategories":["failure"],"SourceType":"DB_INSTANCE","SourceIdentifier":"{source}"}}}}"#
        );
        match Event::parse(event.as_bytes()).unwrap().ask::<SnapshotTrigger>(&env.config).unwrap() {
            Asked::Run(asked) => asked.asset.map(|asset| asset.as_str().to_owned()),
            Asked::Nothing(_) => None,
        }
    };
    assert_eq!(ask("billing").as_deref(), Some("prod-billing"));
    assert_eq!(ask("shop-one").as_deref(), Some("prod-shop"), "an instance of a cluster means the cluster");
    assert_eq!(ask("stranger"), None);
    let report = SnapshotTrigger { asset: Some(name("prod")), when: When::Now }.run(&env).await.unwrap();
    assert_eq!(outcomes(&report), [("prod-billing", "done"), ("prod-shop", "done")]);
    let report = SnapshotTrigger { asset: Some(name("prod-shop")), when: When::Due }.run(&env).await.unwrap();
    assert_eq!(report.entries.len(), 1);
}

#[tokio::test]
async fn an_operator_sees_members_by_name() {
    let world = world();
    shows(&world, &["billing"]);
    wake(&world.looked().await).await;
    world.snapshots.shows(HOME, Ok(vec![]));
    let config = world.looked().await.config;
    let shown = config.show().unwrap();
    assert!(shown.contains("select:") && shown.contains("tag: backup=true"), "{shown}");
    assert!(shown.contains("# prod: prod-billing is billing in eu-west-1, no longer selected: its backups are kept"), "{shown}");
    let again = lastgood_core::config::Config::parse(&shown, "lastgood.yaml").unwrap();
    assert_eq!((again.fleets.len(), again.assets.len()), (1, 1), "it can be read again");
    let error = config.asset(&name("prod")).unwrap_err();
    assert!(error.full().contains("is a fleet") && error.advice().unwrap().contains("prod-billing"), "{error:?}");
    assert!(config.asset(&name("prod-billing")).is_ok());
}

#[test]
fn a_fleet_says_what_it_may_and_nothing_else() {
    let parse = |fleet: &str| {
        let text = format!("vault: s3://v/x\nassets:\n  prod: {{ kind: rds, region: eu-west-1, {fleet} }}\n");
        lastgood_core::config::Config::parse(&text, "lastgood.yaml").map(|config| config.fleets.len()).map_err(|error| error.full())
    };
    let snapshot = "snapshot: { schedule: \"0 3 * * *\" }";
    assert_eq!(parse(&format!("select: {{ tag: backup=true }}, {snapshot}")), Ok(1));
    for (fleet, why) in [
        (format!("select: {{ tag: backup=true }}, instance: x, {snapshot}"), "no `instance`"),
        (format!("select: {{ tag: backup=true }}, url: env:X, {snapshot}"), "no `url`"),
        ("select: { tag: backup=true }".to_owned(), "nothing is to be taken"),
        (format!("select: {{ tag: \"lastgood:asset=x\" }}, {snapshot}"), "are ours"),
        (format!("select: {{ tags: backup }}, {snapshot}"), "unknown key"),
        (format!("select: {{}}, {snapshot}"), "missing key `tag`"),
    ] {
        let error = parse(&fleet).unwrap_err();
        assert!(error.contains(why), "{fleet}: {error}");
    }
    let long =
        format!("vault: s3://v/x\nassets: {{ {}: {{ kind: rds, region: eu-west-1, select: {{ tag: a }}, {snapshot} }} }}", "p".repeat(25));
    assert!(lastgood_core::config::Config::parse(&long, "lastgood.yaml").unwrap_err().full().contains("at most 24"));
}
