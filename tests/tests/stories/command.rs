//! The operator's command as an operator types it: what it says, where it says it, and how it ends.

use lastgood_tests::{
    desk::{Desk, flip},
    hosts::Ran,
    pg::{Cluster, PASSWORD},
};

const CONFIG: &str = r#"
vault: file://HOME/vault
assets:
  shop-db:
    kind: postgres
    url: env:SHOP_URL
    export: { schedule: "0 2 * * *" }
    copies: [ { vault: "file://HOME/far" } ]
    drill:
      schedule: "0 6 * * 0"
      from: file://HOME/far
      checks: [ { sql: "select count(*) from orders", expect: ">= 1" } ]
"#;

async fn shop() -> (Cluster, Desk) {
    let cluster = Cluster::start().await;
    cluster.lifelike(300).await;
    let desk = Desk::new(CONFIG).with("SHOP_URL", &cluster.url("shop"));
    (cluster, desk)
}

fn says(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.stdout.contains(word) || ran.stderr.contains(word), "{word:?} is not in {ran:#?}");
    }
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(!all.contains(PASSWORD) && !all.contains("canary"), "I5: a secret is shown: {all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_backs_up_copies_checks_drills_and_restores() {
    let (cluster, desk) = shop().await;
    says(&desk.types("status").await, &["shop-db", "none", "lastgood export shop-db"]);
    assert_eq!(desk.types("status").await.exit, Some(2), "never backed up is missing");
    says(&desk.good("config check").await, &["is valid: 1 asset"]);
    says(&desk.good("doctor").await, &["all is reachable", "it refuses to overwrite"]);

    says(&desk.good("export shop-db").await, &["done", ".dump.zst"]);
    says(&desk.good("copy").await, &["done", "file://"]);
    says(&desk.good("drill shop-db").await, &["proven", "evidence: "]);
    let status = desk.good("status --json").await.report();
    assert_eq!(status["assets"][0]["state"], "good", "{status:#}");
    assert_eq!(status["assets"][0]["copies"]["proven"], 1);
    says(&desk.good("list shop-db").await, &["export", "monthly", "1/1", "proven"]);
    says(&desk.good("verify shop-db --max-age-hours 1").await, &["every byte is as recorded"]);
    says(&desk.good("prune").await, &["stays", "nothing is to be let go"]);
    desk.good("report --html report.html").await;
    assert!(std::fs::read_to_string(desk.path("report.html")).unwrap().contains("shop-db"));

    let desk = desk.with("NEW_URL", &cluster.url("restored"));
    says(&desk.good("restore shop-db --latest --into env:NEW_URL").await, &["would restore", "--apply"]);
    assert_eq!(
        cluster.cell("postgres", "select count(*) from pg_database where datname = 'restored'").await,
        "0",
        "a plan touches nothing"
    );
    says(&desk.good("restore shop-db --latest --into env:NEW_URL --apply").await, &["restored", "it is what was recorded"]);
    assert_eq!(cluster.fingerprint("restored").await, cluster.fingerprint("shop").await);
    let again = desk.types("restore shop-db --latest --into env:NEW_URL --apply").await;
    assert_eq!(again.exit, Some(1), "a target that is not empty is refused: {again:#?}");
    let source = desk.types("restore shop-db --latest --into env:SHOP_URL --apply").await;
    assert_eq!(source.exit, Some(1), "R26, the source itself is refused: {source:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_told_with_its_place_and_exit_code_1() {
    let (_cluster, desk) = shop().await;
    desk.good("export shop-db").await;
    let artifact = desk.artifacts("shop-db", ".dump.zst").remove(0);
    flip(&artifact, 1000);
    let verify = desk.types("verify").await;
    assert_eq!(verify.exit, Some(1));
    says(&verify, &["is damaged at offset 0"]);
    let status = desk.types("status").await;
    assert_ne!(status.exit, Some(0));
    says(&status, &["corrupt", "CRITICAL"]);
    let drill = desk.types("drill shop-db").await;
    assert_ne!(drill.exit, Some(0), "R12, nothing is proven by damaged bytes: {drill:#?}");
}

#[tokio::test]
async fn a_failure_is_told_below_the_table_with_what_to_do() {
    let desk = Desk::new(CONFIG).with("SHOP_URL", "mysql://127.0.0.1/shop");
    let export = desk.types("export shop-db").await;
    assert_eq!(export.exit, Some(1), "{export:#?}");
    let lines: Vec<_> = export.stdout.lines().collect();
    assert_eq!(lines[..2], ["ASSET            BACKUP  STORED  DATA TIME  ARTIFACT", "shop-db  FAILED"], "{export:#?}");
    says(&export, &["no backup was taken: ", "→ write postgres://", "→ lastgood doctor\n"]);
    assert_eq!(export.stdout.matches("its scheme is not one of Postgres").count(), 1, "the reason is told once: {export:#?}");
    let status = desk.types("status").await;
    assert_eq!((status.exit, desk.types("check").await.exit), (Some(1), Some(1)), "status and check agree: {status:#?}");
    says(&status, &["the last export failed"]);
    assert!(!status.stdout.contains(" 0m ago"), "{status:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_never_judged_its_backup_could_not_verify_and_did_not_fail() {
    let (_cluster, desk) = shop().await;
    let nothing = desk.types("drill shop-db").await;
    assert_eq!(nothing.exit, Some(3), "{nothing:#?}");
    says(&nothing, &["could not verify", "there is no backup of shop-db at file://", "lastgood list shop-db"]);
    assert!(!nothing.stdout.contains("FAILED"), "{nothing:#?}");
    desk.good("export shop-db").await;
    let named = desk.types("drill shop-db --backup 01M7VCM420DZVF6X8GZ66RF06X").await;
    assert_eq!(named.exit, Some(3), "{named:#?}");
    says(&named, &["there is no backup 01M7VCM420DZVF6X8GZ66RF06X of shop-db"]);
    let verify = desk.types("verify --test-restore").await;
    assert_eq!(verify.exit, Some(3), "nothing was copied to the place that is drilled: {verify:#?}");
    says(&verify, &["every byte is as recorded", "test restore could not verify: there is no backup of shop-db"]);
}

#[tokio::test]
async fn an_asset_without_a_drill_is_answered_with_how_to_give_it_one() {
    let desk =
        Desk::new("vault: file://HOME/vault\nassets: { shop-db: { kind: postgres, url: env:X, export: { schedule: '0 2 * * *' } } }\n");
    let drill = desk.types("drill shop-db").await;
    assert_eq!(drill.exit, Some(3), "{drill:#?}");
    says(&drill, &["shop-db has no `drill` in the config", "→ add `drill: "]);
    says(&desk.good("drill").await, &["no drill is due"]);
}

#[tokio::test]
async fn doctor_finds_a_secret_key_that_opens_nothing_of_ours() {
    let rings = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
    let gpg = |arguments: &[&str]| {
        let ran =
            std::process::Command::new("gpg").arg("--homedir").arg(rings.path()).args(["--batch", "--quiet"]).args(arguments).output();
        ran.unwrap().stdout
    };
    let encrypted = format!("{CONFIG}\nencryption: {{ openpgp: [ours.pub], decrypt_with: \"file:HOME/secret\" }}\n");
    let desk = Desk::new(&encrypted).with("SHOP_URL", "postgres://shop@127.0.0.1:1/shop");
    for name in ["ours", "theirs"] {
        gpg(&["--passphrase", "", "--quick-gen-key", name, "default", "default", "never"]);
        std::fs::write(desk.path(&format!("{name}.pub")), gpg(&["--armor", "--export", name])).unwrap();
        let secret = desk.path("secret");
        std::fs::write(&secret, gpg(&["--armor", "--export-secret-keys", name])).unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let answers = desk.types("doctor --json").await.report();
        let answers = answers.as_array().unwrap();
        let opens = answers.iter().find(|answer| answer["question"] == "does the secret key open what we encrypt?").unwrap();
        let expected = if name == "ours" { "yes" } else { "no" };
        assert_eq!(opens["answer"], expected, "{opens:#}");
    }
    let _ = std::process::Command::new("gpgconf").arg("--homedir").arg(rings.path()).args(["--kill", "gpg-agent"]).output();
}

#[tokio::test]
async fn a_vault_that_is_a_file_is_refused_and_never_taken_for_an_empty_one() {
    let desk = Desk::new(CONFIG);
    std::fs::write(desk.path("vault"), "not a folder").unwrap();
    let status = desk.types("status").await;
    assert_eq!(status.exit, Some(64), "{status:#?}");
    says(&status, &["/vault is a file", "name a folder"]);
}

#[tokio::test]
async fn mistakes_are_answered_plainly_and_with_exit_code_64() {
    let desk = Desk::new(CONFIG);
    for (line, word) in [
        ("exprot", "export"),
        ("restore shop-db --into env:X", "--latest"),
        ("drill ../etc/passwd", "is not an asset name"),
        ("list", "<ASSET>"),
        ("export --event nowhere.json shop-db", "cannot be used with"),
    ] {
        let ran = desk.types(line).await;
        assert_eq!(ran.exit, Some(64), "lastgood {line}: {ran:#?}");
        says(&ran, &[word]);
        assert_eq!(ran.stdout, "", "mistakes are told on stderr");
    }
    let unknown = desk.types("list payments-db").await;
    assert_eq!(unknown.exit, Some(1));
    says(&unknown, &["no asset is named payments-db", "the config names: shop-db"]);
    let unset = desk.types("export shop-db").await;
    assert_eq!(unset.exit, Some(1));
    says(&unset, &["SHOP_URL"]);
    let missing = desk.types("--config elsewhere.yaml status").await;
    assert_ne!(missing.exit, Some(0));
    says(&missing, &["elsewhere.yaml", "--config"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_a_killed_export_leaves_nothing_that_counts_and_the_next_one_is_clean() {
    let (cluster, desk) = shop().await;
    cluster.sql("shop", "insert into accounts.users (email, name, joined) select 'x' || n, repeat(md5(n::text), 40), now() from generate_series(1, 60000) n").await;
    for after in [30_u64, 120, 400] {
        let mut child = desk.command("export shop-db").spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(after)).await;
        let _ = child.start_kill();
        let killed = !child.wait().await.unwrap().success();
        let listed = desk.types("list shop-db --json").await.report();
        let whole = listed.as_array().unwrap().len();
        assert!(!killed || whole == 0, "a killed export counts");
        if !killed {
            break;
        }
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    desk.good("export shop-db").await;
    desk.good("verify").await;
    assert_eq!(desk.types("list shop-db --json").await.report().as_array().unwrap().len(), 1);
}
