//! Evidence for auditors: signed by the drill, chained, checked by the command and by openssl alone, and never rounded to good.

mod auditor;

use cross_region_copy::CrossRegionCopy;
use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    catalog::{
        Key, Vault,
        evidence::{Evidence, EvidenceKey, PublicKey, links, open, verify},
    },
    domain::{
        attest::{Chain, Signature, Standing},
        drill::Verdict,
        finding::FindingKind,
    },
    env::Env,
    function::{Findings, Function, Outcome},
    id::AssetName,
    ports::{Bucket, If},
    testing::{MemorySecrets, SideEffects, World},
};
use proptest::prelude::*;
use restore_drill::{DrillReport, RestoreDrill};
use std::sync::Arc;

const CONFIG: &str = r#"
vault: s3://near/lastgood
evidence:
  sign: env:EVIDENCE_KEY
  controls: { restore-test: ["SOC2 A1.3", "ISO27001 A.8.13"], recovery-time: ["DORA 12.6"] }
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: s3://far/lastgood } ]
    drill: { schedule: "0 4 * * *", checks: [ { sql: "select count(*) from public.orders", expect: ">= 1" } ] }
"#;

fn asset() -> AssetName {
    "orders-db".parse().unwrap()
}

fn env(world: &World, key: Option<&EvidenceKey>, effects: &SideEffects) -> Env {
    let secrets = key.map(|key| ("env:EVIDENCE_KEY".to_owned(), key.private_pem().unwrap().to_string()));
    Env { secrets: Arc::new(MemorySecrets(secrets.into_iter().collect())), scratch: std::env::temp_dir(), ..world.env_through(effects) }
}

/// A day of backups and a drill, signed by a key if there is one.
async fn day(world: &World, key: Option<&EvidenceKey>) -> DrillReport {
    let env = env(world, key, &SideEffects::default());
    ExportToBucket::default().run(&env).await.unwrap();
    CrossRegionCopy::default().run(&env).await.unwrap();
    let report = RestoreDrill::default().run(&env).await.unwrap();
    world.passes("24h");
    report
}

fn world() -> World {
    World::new("2026-11-15T04:00:00Z", CONFIG).unwrap()
}

async fn signed_days(days: usize) -> (World, EvidenceKey) {
    let (world, key) = (world(), EvidenceKey::generate().unwrap());
    for _ in 0..days {
        day(&world, Some(&key)).await;
    }
    (world, key)
}

fn vault(world: &World) -> Vault {
    Vault::new(Arc::new(world.vault.clone()))
}

fn public(key: &EvidenceKey) -> PublicKey {
    PublicKey::parse(&key.public_pem().unwrap()).unwrap()
}

async fn verified(world: &World, key: &EvidenceKey) -> Chain {
    verify(&vault(world), &asset(), &[public(key)], None).await.unwrap()
}

fn whys(chain: &Chain) -> String {
    chain.entries.iter().filter_map(|entry| entry.why.clone()).collect::<Vec<_>>().join("; ")
}

/// The keys of everything that is evidence and is verified.
fn stored(world: &World) -> Vec<String> {
    let evidence = |key: &String| key.contains("/evidence/") || key.contains("/drills/") && key.ends_with(".json");
    world.vault.keys().into_iter().filter(evidence).collect()
}

#[tokio::test]
async fn every_drill_links_its_evidence_to_the_one_before_and_names_what_it_shows() {
    let (world, key) = signed_days(3).await;
    let chain = verified(&world, &key).await;
    assert_eq!((chain.worst(), chain.entries.len()), (Some(Standing::Signed), 3), "{chain:#?}");
    assert_eq!(chain.head.as_ref().unwrap().number, 3);
    let report = day(&world, Some(&key)).await;
    let Outcome::Done(drilled) = &report.entries[0].outcome else { panic!("{report:?}") };
    let chain = verified(&world, &key).await;
    assert_eq!(drilled.head.as_ref(), Some(&chain.head.unwrap().sha256), "the report says the head, for whoever keeps it elsewhere");

    let newest = links(&vault(&world), &asset()).await.unwrap().pop().unwrap();
    let said = open(&newest.bytes.unwrap()).unwrap().statement;
    let shown: Vec<_> = said
        .predicate
        .controls
        .iter()
        .map(|control| format!("{} {}: {}", control.claim, control.shown, control.controls.join("+")))
        .collect();
    assert_eq!(shown, ["restore-test met: SOC2 A1.3+ISO27001 A.8.13", "recovery-time met: DORA 12.6"]);
    let backup = vault(&world).backup(&asset(), said.predicate.backup.unwrap().id).await.unwrap().unwrap();
    let subjects: Vec<_> = said.subject.iter().map(|subject| subject.digest["sha256"].as_str()).collect();
    assert!(backup.artifacts.iter().all(|artifact| subjects.contains(&artifact.sha256.as_str())), "{subjects:?}");
    let page = world.vault.bytes(&Key::DrillPage(asset(), said.predicate.drill).to_string()).unwrap();
    let page = String::from_utf8(page.to_vec()).unwrap();
    for told in [key.id(), "DORA 12.6", "lastgood evidence verify orders-db", said.predicate.chain.previous.as_deref().unwrap()] {
        assert!(page.contains(told), "{told}");
    }
    assert!(!page.contains("src=") && !page.contains("href="));
}

#[tokio::test]
async fn a_drill_whose_key_cannot_be_read_keeps_its_verdict_and_says_that_nobody_signed_it() {
    let (world, key) = signed_days(1).await;
    let report = day(&world, None).await;
    let Outcome::Done(drilled) = &report.entries[0].outcome else { panic!("{report:?}") };
    assert_eq!((drilled.verdict, drilled.head.as_ref()), (Verdict::Proven, None));
    let findings = report.findings();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].kind, FindingKind::EvidenceUnsigned);
    assert!(findings[0].sentence.contains("env:EVIDENCE_KEY is not set"), "{findings:?}");
    let chain = verified(&world, &key).await;
    assert_eq!(chain.worst(), Some(Standing::Unsigned), "{chain:#?}");

    // The checker tells, and tells that it is over once a drill signs again.
    let told = |world: &World| world.inbox.take().into_iter().filter(|line| line.contains("evidence")).collect::<Vec<_>>();
    FreshnessChecker::default().run(&env(&world, None, &SideEffects::default())).await.unwrap();
    let alert = told(&world);
    assert!(alert.len() == 1 && alert[0].contains("warning orders-db: the evidence of the last drill is not signed"), "{alert:?}");
    day(&world, Some(&key)).await;
    FreshnessChecker::default().run(&env(&world, Some(&key), &SideEffects::default())).await.unwrap();
    assert_eq!(told(&world), ["note orders-db: evidence-unsigned is over after 1d"]);
}

#[tokio::test]
async fn evidence_from_before_the_chain_stays_what_it_was() {
    let (world, key) = (world(), EvidenceKey::generate().unwrap());
    let plain = World {
        config: Arc::new(lastgood_core::config::Config { evidence: Default::default(), ..(*world.config).clone() }),
        ..world.clone()
    };
    assert!(day(&plain, None).await.findings().is_empty(), "nobody asked for a signature");
    assert_eq!(verified(&world, &key).await.worst(), Some(Standing::Unsigned));
    day(&world, Some(&key)).await;
    let chain = verified(&world, &key).await;
    assert_eq!(chain.worst(), Some(Standing::Signed), "{chain:#?}");
    assert_eq!(chain.entries.iter().filter(|entry| entry.standing == Standing::BeforeChain).count(), 1);
}

#[tokio::test]
async fn two_drills_that_end_at_once_stand_one_behind_the_other() {
    let (world, key) = signed_days(1).await;
    let kept = vault(&world).all::<Evidence>(&Key::drills(&asset())).await.unwrap().good.remove(0);
    let policy = &world.config.evidence;
    let other = |n: u8| Evidence { drill: format!("01KAFYV7R0ENSV9ZHHSMG8BXW{n}").parse().unwrap(), ..kept.clone() };
    let each = (0..6).map(|n| {
        let (vault, key) = (vault(&world), &key);
        async move {
            let evidence = other(n);
            let link = evidence.link(&vault, key, policy, None).await.unwrap();
            evidence.keep(&vault, Some(&link)).await.unwrap();
            link.statement.predicate.chain.number
        }
    });
    let mut numbers = futures::future::join_all(each).await;
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);
    assert_eq!(verified(&world, &key).await.worst(), Some(Standing::Signed));
}

#[tokio::test]
async fn a_drill_killed_between_its_link_and_its_record_is_signed_again_and_the_chain_is_whole() {
    let key = EvidenceKey::generate().unwrap();
    let mut superseded = 0;
    let whole = {
        let (world, effects) = (world(), SideEffects::default());
        ExportToBucket::default().run(&env(&world, Some(&key), &SideEffects::default())).await.unwrap();
        RestoreDrill::default().run(&env(&world, Some(&key), &effects)).await.unwrap();
        effects.count()
    };
    for k in 1..=whole {
        let world = world();
        ExportToBucket::default().run(&env(&world, Some(&key), &SideEffects::default())).await.unwrap();
        let effects = SideEffects::dying_after(k);
        let killed = env(&world, Some(&key), &effects);
        drop(effects.until_death(RestoreDrill::default().run(&killed)).await);
        world.passes("3m");
        RestoreDrill::default().run(&env(&world, Some(&key), &SideEffects::default())).await.unwrap();
        let chain = verified(&world, &key).await;
        assert_eq!(chain.worst(), Some(Standing::Signed), "killed after side effect {k} of {whole}: {chain:#?}");
        superseded += chain.entries.iter().filter(|entry| entry.standing == Standing::Superseded).count();
    }
    assert!(superseded > 0, "one of the kills falls between the two");
}

#[tokio::test]
async fn a_missing_link_a_foreign_key_an_expired_key_and_a_huge_file_are_told_apart() {
    let (world, key) = signed_days(4).await;
    let before = world.vault.clone();
    let link = |number| Key::EvidenceLink(asset(), number).to_string();
    let second = before.bytes(&link(2)).unwrap();

    before.delete(&link(2)).await.unwrap();
    let chain = verified(&world, &key).await;
    assert!(chain.worst() == Some(Standing::Broken) && whys(&chain).contains("link 2 is missing"), "{chain:#?}");
    before.put(&link(2), vec![b'x'; 40 << 20].into(), If::Absent).await.unwrap();
    let chain = verified(&world, &key).await;
    assert!(whys(&chain).contains("larger than a link ever is"), "{chain:#?}");
    before.overwrite(&link(2), second);
    assert_eq!(verified(&world, &key).await.worst(), Some(Standing::Signed));

    let stranger = EvidenceKey::generate().unwrap();
    let chain = verified(&world, &stranger).await;
    assert_eq!(chain.worst(), Some(Standing::CouldNotVerify), "no key of ours is known there");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pub");
    std::fs::write(&file, key.public_pem().unwrap()).unwrap();
    let named = lastgood_core::config::PublicKeyFile { file, from: None, until: Some("2026-11-17T00:00:00Z".parse().unwrap()) };
    let expired = PublicKey::load_all(&[named]).unwrap();
    let chain = verify(&vault(&world), &asset(), &expired, None).await.unwrap();
    assert!(chain.worst() == Some(Standing::Broken) && whys(&chain).contains("which was valid until 2026-11-17T00:00:00Z"), "{chain:#?}");
    let standings: Vec<_> = chain.entries.iter().map(|entry| entry.standing).collect();
    assert_eq!(standings, [Standing::Signed, Standing::Signed, Standing::Broken, Standing::Broken]);

    // Rotation: what the old key signed stays good, and the new one goes on with the chain.
    day(&world, Some(&stranger)).await;
    let chain = verify(&vault(&world), &asset(), &[public(&key), public(&stranger)], None).await.unwrap();
    assert_eq!(chain.worst(), Some(Standing::Signed), "{chain:#?}");
}

#[test]
fn any_bit_that_is_flipped_anywhere_is_found() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, key) = runtime.block_on(signed_days(2));
    let keys = stored(&world);
    assert_eq!(keys.len(), 4, "two records and two links: {keys:?}");
    proptest!(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() }, |(which in 0usize..4, place in 0.0f64..1.0, bit in 0u8..8)| {
        let sound = world.vault.bytes(&keys[which]).unwrap();
        let mut bytes = sound.to_vec();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a small file")]
        let at = (place * bytes.len() as f64) as usize;
        bytes[at] ^= 1 << bit;
        world.vault.overwrite(&keys[which], bytes);
        let chain = runtime.block_on(verified(&world, &key));
        world.vault.overwrite(&keys[which], sound);
        prop_assert_eq!(chain.worst(), Some(Standing::Broken), "{} byte {}", keys[which], at);
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_where_a_link_should_is_refused_with_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..400), json in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,200}") {
        for bytes in [bytes.as_slice(), json.as_bytes()] {
            let refused = open(bytes).is_err();
            prop_assert!(refused);
            let seen = lastgood_core::catalog::evidence::look(1, bytes, &[]);
            let wrong = matches!(seen.signature, Signature::Wrong(_));
            prop_assert!(wrong);
        }
    }
}
