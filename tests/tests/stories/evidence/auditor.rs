//! An auditor at a desk: the command over a chain, and what is checked without us.

use super::{CONFIG, day, world};
use lastgood_core::{catalog::evidence::EvidenceKey, testing::World};
use lastgood_tests::{desk::Desk, hosts::Ran};
use std::path::Path;

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
