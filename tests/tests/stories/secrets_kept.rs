//! A set of secrets in Google's Secret Manager, kept: exported encrypted, listed, proven, opened by hand, brought back beside what is
//! in use, and shown nowhere.

use freshness_checker::FreshnessChecker;
use lastgood_core::{
    domain::{backup::Method, compare::CheckOutcome, drill::Verdict, freshness::State},
    error::Kind,
    function::{Findings, Function},
};
use lastgood_tests::{
    drawer::Drawer,
    google::{Machine, Reply},
};
use serde_json::Value;

/// A value that must be seen nowhere, its base64, and its SHA-256, from which a short one could be guessed.
const CANARY: &str = "s3cr3t-canary-5521";
const TRACES: [&str; 3] = [CANARY, "czNjcjN0LWNhbmFyeS01NTIx", "93075031ef3220074a50"];

/// A project with some of everything, and a drawer for it.
async fn kept() -> (Machine, Drawer) {
    let machine = Machine::start().await;
    {
        let mut secrets = machine.secrets();
        secrets.add("db-password", "an older one");
        secrets.add("db-password", CANARY);
        secrets.label("db-password", "team", "shop");
        secrets.add("api-key", "k3y-canary-11\n");
        secrets.add("tls-key", [0, 0xff, 0xfe, b'\n', 1]);
        secrets.add("large", vec![7; 64 << 10]);
        secrets.add("switched-off", "0ff-canary");
        secrets.set("switched-off", "DISABLED");
        secrets.add("leaked", "l3aked-canary");
        secrets.set("leaked", "DESTROYED");
        secrets.create("empty");
        secrets.page = 3;
    }
    let drawer = drawer(&machine);
    (machine, drawer)
}

fn drawer(machine: &Machine) -> Drawer {
    Drawer::new("provider: gcp, project: acme-prod", |real| real.google = machine.google())
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn r44_a_night_and_a_day_of_a_set_of_secrets() {
    let (machine, drawer) = kept().await;
    let backup = drawer.export("first").await.unwrap();
    let artifact = backup.main().unwrap();
    assert_eq!(artifact.key, "exports/app-secrets/app-secrets_monthly_20261120_033000.secrets.jsonl.zst.gpg");
    assert_eq!((backup.method, backup.source.address.as_str(), artifact.recipients.len()), (Method::SecretsJsonl, "projects/acme-prod", 1));
    let version = |name: &str| backup.expectations.secrets[name].clone();
    assert_eq!((version("db-password").as_deref(), version("api-key").as_deref()), (Some("2"), Some("1")));
    assert_eq!((version("switched-off"), version("leaked"), version("empty")), (None, None, None));
    assert_eq!(backup.expectations.secrets.len(), 7);

    // With gpg, zstd and jq's eyes alone.
    let opened = lines(&drawer.opened_by_hand(&artifact.key));
    assert_eq!(opened.len(), 7);
    assert_eq!((&of(&opened, "db-password")["value"], &of(&opened, "db-password")["labels"]["team"]), (&CANARY.into(), &"shop".into()));
    assert_eq!(of(&opened, "tls-key")["binary"], "AP/+CgE=");
    assert_eq!(of(&opened, "large")["bytes"], 64 << 10);
    for (name, why) in [("switched-off", "disabled"), ("leaked", "destroyed"), ("empty", "no-version")] {
        assert_eq!(of(&opened, name)["without"], why);
    }

    let evidence = drawer.drill("2026-11-20T06:00:00Z").await;
    let wrong: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != CheckOutcome::Passed).collect();
    assert_eq!((evidence.verdict, wrong.len()), (Verdict::Proven, 0), "{evidence:#?}");
    assert_eq!(evidence.checks[0].found, "7, 4 of them with a value");
    let asset = drawer.env.config.assets.values().next().unwrap();
    let replicas = drawer.env.providers.replicas(asset, &Default::default()).await.unwrap();
    assert!(replicas.replicas().await.unwrap().is_empty(), "torn down");
    let status = FreshnessChecker::default().run(&drawer.env).await.unwrap();
    assert_eq!(status.assets[0].state, State::Good, "{:#?}", status.findings());
    assert!(machine.secrets().names().len() == 7, "neither export nor drill makes anything");
}

#[tokio::test]
async fn r44_a_rotation_during_the_export_leaves_one_whole_version_with_its_own_id() {
    let (machine, drawer) = kept().await;
    machine.secrets().rotate_once_read("api-key", "db-password", b"r0tated-canary");
    let backup = drawer.export("first").await.unwrap();
    let opened = lines(&drawer.opened_by_hand(&backup.main().unwrap().key));
    let line = of(&opened, "db-password");
    let id = backup.expectations.secrets["db-password"].clone().unwrap();
    assert_eq!((line["version"].as_str(), id.as_str()), (Some("3"), "3"));
    let number: usize = id.parse().unwrap();
    assert_eq!(line["value"].as_str().unwrap().as_bytes(), machine.secrets().versions("db-password")[number - 1]);
    assert_eq!(drawer.drill("2026-11-20T06:00:00Z").await.verdict, Verdict::Proven);
}

#[tokio::test]
async fn r44_what_comes_back_is_new_and_what_is_in_use_stays_in_use() {
    let (machine, drawer) = kept().await;
    let backup = drawer.export("first").await.unwrap();
    machine.secrets().remove("api-key");
    machine.secrets().remove("tls-key");
    machine.secrets().add("db-password", "changed since");
    let before = machine.secrets().versions("db-password");
    let plan = drawer.restore("secrets:acme-prod", false).await.unwrap();
    let steps = plan.steps.join("\n");
    assert!(steps.contains("make anew what is not there (2): api-key, tls-key"), "{steps}");
    assert!(steps.contains("beside what is there (2): db-password, large"), "{steps}");
    assert!(steps.contains("leave out what had no value (3): empty, leaked, switched-off"), "{steps}");
    assert_eq!(machine.secrets().names().len(), 5, "a plan changes nothing");

    let done = drawer.restore("secrets:acme-prod", true).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    let id = backup.id.to_string().to_ascii_lowercase();
    let beside = format!("db-password--restored-{}", &id[id.len() - 8..]);
    {
        let secrets = machine.secrets();
        assert_eq!(secrets.versions("db-password"), before, "what is in use is as it was");
        assert_eq!(secrets.versions(&beside), [CANARY.as_bytes()]);
        assert_eq!(secrets.versions("tls-key"), [[0, 0xff, 0xfe, b'\n', 1]], "bytes, as they were");
        assert_eq!(secrets.versions("api-key"), [b"k3y-canary-11\n"], "with its line break");
        assert_eq!(
            (secrets.labels(&beside)["lastgood-restored"].as_str(), secrets.labels(&beside)["team"].as_str()),
            (id.as_str(), "shop")
        );
    }
    let next = done.next.join("\n");
    let command =
        format!("--secret={beside} --project=acme-prod | gcloud secrets versions add db-password --data-file=- --project=acme-prod");
    assert!(next.contains(&command) && !next.contains("canary"), "{next}");

    // Once more is harmless.
    let names = machine.secrets().names();
    let again = drawer.restore("secrets:acme-prod", true).await.unwrap();
    assert_eq!(again.verdict, Some(Verdict::Proven));
    assert_eq!(machine.secrets().names(), names);
    let versions = |name: &str| machine.secrets().versions(name).len();
    assert_eq!((versions(&beside), versions("api-key")), (1, 1), "nothing is added twice");
    // What somebody changed since is left to them.
    machine.secrets().add("api-key", "changed again");
    let error = drawer.restore("secrets:acme-prod?only=api-key", true).await.unwrap_err();
    assert!(error.kind() == Kind::Conflict && error.full().contains("has been changed since"), "{}", error.full());
    let error = drawer.restore("secrets:acme-prod?only=leaked", true).await.unwrap_err();
    assert!(error.full().contains("it had no value then"), "{}", error.full());
}

#[tokio::test]
async fn r44_the_lines_go_into_a_new_file_that_nobody_else_reads_and_never_over_one() {
    use std::os::unix::fs::PermissionsExt;
    let (_machine, drawer) = kept().await;
    drawer.export("first").await.unwrap();
    let file = drawer.path("restored.jsonl");
    let into = format!("file://{}", file.display());
    let done = drawer.restore(&into, true).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(of(&lines(&std::fs::read_to_string(&file).unwrap()), "db-password")["value"], CANARY);
    assert_eq!(drawer.restore(&into, true).await.unwrap_err().kind(), Kind::Refused, "what is there is never written over");
    assert!(!drawer.path(".restored.jsonl.lastgood-unfinished").exists());
}

#[tokio::test]
async fn r44_another_key_opens_nothing_and_says_which_one_would() {
    let (machine, drawer) = kept().await;
    let backup = drawer.export("first").await.unwrap();
    let wanted = backup.main().unwrap().recipients[0].clone();
    drawer.lose_the_key();
    let evidence = drawer.drill("2026-11-20T06:00:00Z").await;
    let reason = evidence.reason.unwrap();
    assert_eq!(evidence.verdict, Verdict::CouldNotVerify, "the backup is not broken: {reason}");
    assert!(reason.contains(&wanted) && reason.contains("encryption.decrypt_with"), "{reason}");
    machine.secrets().remove("api-key");
    for into in ["secrets:acme-prod".to_owned(), format!("file://{}", drawer.path("out").display())] {
        let error = drawer.restore(&into, false).await.unwrap_err();
        assert!(error.kind() == Kind::Denied && error.full().contains(&wanted), "{}", error.full());
        assert!(error.advice().unwrap().contains("encryption.decrypt_with"), "{:?}", error.advice());
        drawer.restore(&into, true).await.unwrap_err();
    }
    assert!(!drawer.path("out").exists() && !machine.secrets().names().contains(&"api-key".to_owned()));
}

#[tokio::test]
async fn r44_a_version_that_is_gone_or_another_in_the_export_condemns_it() {
    let (_machine, drawer) = kept().await;
    let mut backup = drawer.export("first").await.unwrap();
    backup.expectations.secrets.insert("db-password".to_owned(), Some("3".to_owned()));
    let key = lastgood_core::catalog::Key::Manifest(backup.asset.clone(), backup.id);
    drawer.env.vault.save(&key, &backup).await.unwrap();
    let evidence = drawer.drill("2026-11-20T06:00:00Z").await;
    assert_eq!(evidence.verdict, Verdict::Failed);
    assert!(evidence.reason.unwrap().contains("secret db-password: expected version 3, found version 2"), "{:?}", evidence.checks);
    let error = drawer.restore("secrets:acme-prod", true).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{}", error.full());
}

#[tokio::test]
async fn r41_a_right_that_is_missing_is_named_and_nothing_counts() {
    let (machine, drawer) = kept().await;
    let rights = [
        ("secretmanager.secrets.list", ""),
        ("secretmanager.versions.access", ""),
        ("secretmanager.versions.access", "tls-key"),
        ("secretmanager.versions.get", "leaked"),
    ];
    for (round, (right, name)) in rights.into_iter().enumerate() {
        drawer.set(&format!("2026-11-20T03:{}:00Z", 30 + round * 7));
        machine.secrets().deny(right, name);
        let told = drawer.export(&format!("denied-{round}")).await.unwrap_err();
        machine.secrets().allow_all();
        assert!(told.contains(right) && told.contains(name) && !told.contains("canary"), "without {right}: {told}");
        assert!(drawer.backups().await.is_empty(), "{right} of {name}");
    }
    drawer.set("2026-11-20T04:30:00Z");
    drawer.export("with every right").await.unwrap();
    machine.secrets().remove("api-key");
    for right in ["secretmanager.secrets.create", "secretmanager.versions.add"] {
        machine.secrets().deny(right, "");
        let error = drawer.restore("secrets:acme-prod?only=api-key", true).await.unwrap_err();
        machine.secrets().allow_all();
        assert!(error.kind() == Kind::Denied && error.full().contains(right), "{}", error.full());
    }
    // The secret was made before the right to give it a value was missing: the next try goes on with it.
    assert_eq!(drawer.restore("secrets:acme-prod?only=api-key", true).await.unwrap().verdict, Some(Verdict::Proven));
    assert_eq!(machine.secrets().versions("api-key"), [b"k3y-canary-11\n"]);
}

#[tokio::test]
async fn r37_a_page_that_stands_still_a_damaged_value_and_a_busy_service_make_no_backup_of_half() {
    let (machine, drawer) = kept().await;
    machine.secrets().stuck = true;
    let told = drawer.export("stuck").await.unwrap_err();
    assert!(told.contains("does not end"), "{told}");
    machine.secrets().stuck = false;
    drawer.set("2026-11-20T03:50:00Z");
    machine.secrets().trouble.push_back(Reply::Said(503, r#"{"error":{"code":503,"status":"UNAVAILABLE","message":"later"}}"#.to_owned()));
    drawer.export("busy").await.unwrap();
    assert_eq!(drawer.drill("2026-11-20T06:00:00Z").await.verdict, Verdict::Proven);
}

#[tokio::test]
async fn r45_a_canary_is_nowhere_but_in_the_ciphertext_whatever_is_run() {
    let (machine, drawer) = kept().await;
    machine.secrets().guarded = true;
    // On the machine's own clock: due at every minute.
    let config = std::fs::read_to_string(drawer.path("lastgood.yaml")).unwrap();
    std::fs::write(drawer.path("lastgood.yaml"), config.replace("30 3 * * *", "* * * * *")).unwrap();
    let installed = |name: &str| {
        let mut command =
            drawer.command(name).with("LASTGOOD_LOG", "trace,restore=trace").with("TMPDIR", &drawer.path("scratch").display().to_string());
        for (name, value) in machine.environment() {
            command = command.with(name, &value);
        }
        command
    };
    let mut said = String::new();
    for (program, arguments) in [
        ("lastgood", &["config", "check"][..]),
        ("lastgood", &["doctor"]),
        ("export-to-bucket", &["app-secrets"]),
        ("restore-drill", &["app-secrets", "--now"]),
        ("restore", &["app-secrets", "--latest", "--into", "secrets:acme-prod", "--apply"]),
        ("lastgood", &["export", "app-secrets"]),
        ("lastgood", &["list", "app-secrets", "--json"]),
        ("lastgood", &["verify", "app-secrets"]),
        ("lastgood", &["drill", "app-secrets"]),
        ("lastgood", &["check"]),
        ("lastgood", &["status", "--json"]),
    ] {
        let ran = installed(program).run(arguments).await;
        assert_eq!(ran.exit, Some(0), "{program} {arguments:?}: {ran:?}");
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    }
    assert!(said.contains("taking a backup") && said.contains("a secret is back"), "the functions did speak");
    machine.secrets().deny("secretmanager.versions.access", "tls-key");
    let ran = installed("lastgood").run(&["export", "app-secrets"]).await;
    assert!(ran.exit == Some(1) && ran.stdout.contains("tls-key"), "{ran:?}");
    said.push_str(&format!("{ran:?}"));
    for trace in TRACES {
        assert!(!said.contains(trace), "{trace} was said");
    }
    let restored = machine.secrets().names().into_iter().filter(|name| name.starts_with("db-password--restored-")).count();
    assert_eq!(restored, 1, "it was brought back");
    assert_eq!(drawer.files_with(&TRACES), Vec::<String>::new());
    assert!(!drawer.backups().await.is_empty());
}

#[test]
fn secrets_that_would_lie_open_or_cannot_be_kept_so_are_refused_by_the_config() {
    let read = |encryption: &str, asset: &str| {
        let yaml = format!("vault: file:///v\n{encryption}assets:\n  s: {{ kind: secrets, {asset} }}\n");
        lastgood_core::config::Config::parse(&yaml, "lastgood.yaml")
    };
    let (sealed, export) = ("encryption: { openpgp: [keys/backup.asc] }\n", "export: { schedule: \"30 3 * * *\" }");
    let google = format!("provider: gcp, project: acme, {export}");
    let config = read(sealed, &google).unwrap();
    let shown = config.show().unwrap();
    assert!(shown.contains("kind: secrets") && shown.contains("project: acme"), "{shown}");
    read(sealed, &format!("provider: aws, region: eu-west-1, prefix: prod/, {export}")).unwrap();
    for (encryption, asset, words, fix) in [
        ("", google.clone(), "exported encrypted or not at all", "openpgp: [keys/backup.asc]"),
        (sealed, format!("provider: aws, {export}"), "missing key `region`", "add `region"),
        (sealed, format!("provider: gcp, {export}"), "missing key `project`", "add `project"),
        (sealed, format!("provider: gcp, project: ../acme, {export}"), "no id of a project", "acme-prod"),
        (sealed, format!("provider: aws, region: eu-west-1, project: acme, {export}"), "has no `project`", "provider, region, prefix"),
        (sealed, "provider: gcp, project: acme".to_owned(), "nothing is to be taken of it", "schedule"),
        (sealed, format!("{google}, snapshot: {{ schedule: \"0 3 * * *\" }}"), "nobody takes snapshots of secrets", "export"),
        (sealed, format!("{google}, prefix: \"a b\""), "no name of a secret begins so", "prod/"),
        (sealed, format!("{google}, drill: {{ schedule: \"0 6 * * *\", into: {{ server: env:X }} }}"), "restored nowhere", "into: scratch"),
        (
            sealed,
            format!("{google}, drill: {{ schedule: \"0 6 * * *\", checks: [ {{ sql: select 1, expect: \"= 1\" }} ] }}"),
            "answer no such check",
            "leave `checks` out",
        ),
        (
            sealed,
            "provider: gcp, project: acme, export: { schedule: \"30 3 * * *\", format: plain }".to_owned(),
            "JSON lines",
            "leave `format`",
        ),
    ] {
        let error = read(encryption, &asset).unwrap_err();
        let said = format!("{} {}", error.full(), error.advice().unwrap_or_default());
        assert!(said.contains(words) && said.contains(fix) && said.contains("lastgood.yaml:"), "{asset}: {said}");
    }
    let own = "encryption: { openpgp: [keys/backup.asc], decrypt_with: secret:gcp:projects/acme/secrets/backup-key }\n";
    let remarks = lastgood_core::config::remarks(&read(own, &google).unwrap(), "2026-11-20T02:00:00Z".parse().unwrap());
    assert!(remarks.iter().any(|(_, remark)| remark.contains("is one of the secrets in them: keep it elsewhere")), "{remarks:?}");
}
