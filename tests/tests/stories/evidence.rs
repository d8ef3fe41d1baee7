//! Evidence for auditors: signed by the drill, chained, checked by the command and by openssl alone, and never rounded to good.

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
use lastgood_tests::{desk::Desk, hosts::Ran};
use proptest::prelude::*;
use restore_drill::{DrillReport, RestoreDrill};
use std::{path::Path, sync::Arc};

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

/// A desk whose vault holds what a world's does, and whose keys the command made.
async fn auditor(days: usize) -> Desk {
    let desk = Desk::new(
        &CONFIG
            .replace("s3://near/lastgood", "file://HOME/vault")
            .replace("env:EVIDENCE_KEY", "file:HOME/key\n  public_keys: [ { file: key.pub } ]"),
    );
    desk.good("evidence keygen --out key").await;
    let pem = std::fs::read_to_string(desk.path("key")).unwrap();
    let key = EvidenceKey::load(&lastgood_core::ports::Secret::new(pem)).unwrap();
    let world = world();
    for _ in 0..days {
        day(&world, Some(&key)).await;
    }
    pour(&world, &desk.path("vault"));
    desk
}

fn pour(world: &World, folder: &Path) {
    for key in world.vault.keys() {
        let path = folder.join(&key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, world.vault.bytes(&key).unwrap()).unwrap();
    }
}

fn fails(ran: &Ran, exit: i32, told: &str) {
    assert_eq!(ran.exit, Some(exit), "{ran:#?}");
    assert!(ran.stdout.contains(told) || ran.stderr.contains(told), "{told}: {ran:#?}");
}

#[tokio::test]
async fn the_command_verifies_lists_and_names_what_was_done_to_a_chain() {
    use std::os::unix::fs::PermissionsExt;
    let desk = auditor(3).await;
    assert_eq!(std::fs::metadata(desk.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    fails(&desk.types("evidence keygen --out key").await, 1, "is there already");
    let good = desk.good("evidence verify").await;
    let report = desk.good("evidence verify orders-db --json").await.report();
    let head = report["chains"][0]["head"]["sha256"].as_str().unwrap().to_owned();
    assert!(good.stdout.contains(&format!("3 links, head {head}")), "{good:#?}");
    desk.good(&format!("evidence verify orders-db --head {head}")).await;
    let listed = desk.good("evidence list orders-db").await;
    assert!(listed.stdout.contains("SOC2 A1.3, ISO27001 A.8.13 met"), "{listed:#?}");
    assert!(!good.stdout.contains("PRIVATE") && !listed.stdout.contains("PRIVATE"));

    let link = |number: u8| desk.path(&format!("vault/catalog/v1/assets/orders-db/evidence/000000000{number}.json"));
    let third = std::fs::read(link(3)).unwrap();
    std::fs::remove_file(link(3)).unwrap();
    fails(&desk.types(&format!("evidence verify orders-db --head {head}")).await, 1, "its end was cut off or replaced");
    fails(&desk.types("evidence verify orders-db").await, 3, "no link names it");
    std::fs::write(link(3), &third).unwrap();
    let second = std::fs::read(link(2)).unwrap();
    std::fs::write(link(2), &third).unwrap();
    fails(&desk.types("evidence verify").await, 1, "it was moved");
    std::fs::write(link(2), &second).unwrap();
    desk.good("evidence keygen --out other").await;
    fails(&desk.types("evidence verify --key other.pub").await, 3, "which is not among the public keys given");
    fails(&desk.types("evidence verify --key key").await, 64, "no Ed25519 public key");
    fails(&desk.types("evidence verify nothing-db").await, 3, "there is no evidence of nothing-db");
    let drills = std::fs::read_dir(desk.path("vault/catalog/v1/assets/orders-db/drills")).unwrap();
    let record = drills.map(|entry| entry.unwrap().path()).find(|path| path.extension().is_some_and(|ending| ending == "json")).unwrap();
    lastgood_tests::desk::flip(&record, 100);
    fails(&desk.types("evidence verify").await, 1, "was changed after it was signed");
}

#[tokio::test]
async fn an_auditor_without_us_checks_an_export_with_openssl_and_sha256sum_as_the_docs_say() {
    let desk = auditor(3).await;
    let head = desk.good("evidence export orders-db --to handed-out --json").await.report()["head"].as_str().unwrap().to_owned();
    fails(&desk.types("evidence export orders-db --to handed-out").await, 1, "is not empty");
    // Without a config, from the folder alone.
    std::fs::remove_dir_all(desk.path("vault")).unwrap();
    std::fs::remove_file(desk.path("lastgood.yaml")).unwrap();
    desk.good(&format!("evidence verify orders-db --from handed-out --key key.pub --head {head}")).await;

    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence.md")).unwrap();
    let script = docs.split("```sh\n").find(|block| block.contains("openssl pkeyutl")).unwrap().split("```").next().unwrap();
    let run = || {
        let ran = std::process::Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(desk.path("handed-out"))
            .env("ASSET", "orders-db")
            .env("KEY", desk.path("key.pub"))
            .output()
            .unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr))
    };
    let (good, said) = run();
    assert!(good && said.contains(&format!("head {head}")) && said.matches("Signature Verified Successfully").count() == 3, "{said}");
    let of_key = std::process::Command::new("sh")
        .arg("-c")
        .arg("openssl pkey -pubin -in key.pub -outform DER | sha256sum")
        .current_dir(desk.path(""))
        .output()
        .unwrap();
    let id = String::from_utf8_lossy(&of_key.stdout).split(' ').next().unwrap().to_owned();
    assert!(desk.path(&format!("handed-out/public-keys/{id}.pem")).is_file(), "a key's id is what openssl and sha256sum say");
    // openssl reads the private half as well, and has the same public one.
    let derived =
        std::process::Command::new("openssl").args(["pkey", "-in", "key", "-pubout"]).current_dir(desk.path("")).output().unwrap();
    assert_eq!(derived.stdout, std::fs::read(desk.path("key.pub")).unwrap());

    let link = desk.path("handed-out/catalog/v1/assets/orders-db/evidence/0000000002.json");
    let sound = std::fs::read_to_string(&link).unwrap();
    std::fs::write(&link, sound.replacen("\"sig\": \"", "\"sig\": \"A", 1)).unwrap();
    assert!(!run().0, "a changed signature");
    std::fs::write(&link, &sound).unwrap();
    std::fs::remove_file(&link).unwrap();
    assert!(!run().0, "a missing link");
}

#[tokio::test]
async fn in_toto_statements_come_one_to_a_line_and_say_what_the_standard_asks() {
    let desk = auditor(2).await;
    desk.good("evidence export orders-db --to orders.intoto.jsonl --in-toto").await;
    let lines = std::fs::read_to_string(desk.path("orders.intoto.jsonl")).unwrap();
    let envelopes: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(envelopes.len(), 2);
    for envelope in envelopes {
        use base64::{Engine, prelude::BASE64_STANDARD};
        assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
        let statement: serde_json::Value =
            serde_json::from_slice(&BASE64_STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert!(statement["predicateType"].as_str().unwrap().starts_with("https://"));
        for subject in statement["subject"].as_array().unwrap() {
            assert!(subject["name"].is_string() && subject["digest"]["sha256"].as_str().unwrap().len() == 64, "{subject}");
        }
    }
}

#[tokio::test]
async fn doctor_knows_whether_drills_can_sign_and_config_refuses_what_means_nothing() {
    let desk = auditor(1).await;
    let answer = async || {
        let answers = desk.types("doctor --json").await.report();
        answers.as_array().unwrap().iter().find(|answer| answer["about"] == "evidence").unwrap().clone()
    };
    assert_eq!(answer().await["answer"], "yes");
    desk.good("evidence keygen --out other").await;
    std::fs::copy(desk.path("other.pub"), desk.path("key.pub")).unwrap();
    let no = answer().await;
    assert!(no["answer"] == "no" && no.to_string().contains("is not among evidence.public_keys"), "{no}");
    for (wrong, told) in [
        ("evidence: { controls: { restore-test: [] } }", "no list of controls"),
        ("evidence: { controls: { restore-tests: [A] } }", "unknown value `restore-tests`"),
        ("evidence: { sign: hunter2 }", "a secret must be a reference"),
        (
            "evidence: { public_keys: [ { file: a, from: 2026-02-01T00:00:00Z, until: 2026-01-01T00:00:00Z } ] }",
            "a key that is never valid",
        ),
        ("evidence: { key: env:X }", "unknown key `key`"),
    ] {
        let yaml = format!("vault: file:///v\n{wrong}\nassets: {{}}\n");
        let error = lastgood_core::config::Config::parse(&yaml, "lastgood.yaml").unwrap_err().full();
        assert!(error.contains(told) && !error.contains("hunter2"), "{wrong}: {error}");
    }
}
