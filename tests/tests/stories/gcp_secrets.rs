//! `secret:gcp:` over the wire, against a double of Secret Manager: values, fields, versions, what is refused and what is never
//! shown.

use crate::hosts::Home;
use lastgood_core::{
    error::{Error, Kind, Result},
    ports::Secret,
    providers::gcp::GcpSecrets,
    redact,
};
use lastgood_tests::google::{Machine, Reply, TOKEN};

const LOGIN: &str = r#"{"host":"10.0.0.3","port":5432,"username":"app","password":"l0gin-canary-7714"}"#;

/// What a new invocation finds.
async fn value(machine: &Machine, name: &str, field: Option<&str>) -> Result<Secret> {
    GcpSecrets::new(machine.google()).value(&format!("projects/acme-prod/secrets/{name}"), field).await
}

fn said(error: &Error) -> String {
    format!("{} {}", error.full(), error.advice().unwrap_or_default())
}

#[tokio::test]
async fn a_secret_of_google_is_its_newest_value_one_version_or_one_field_of_it() {
    let machine = Machine::start().await;
    machine.secrets().add("plain", "pl4in-canary\n");
    machine.secrets().add("db", "an older one");
    machine.secrets().add("db", LOGIN);
    assert_eq!(value(&machine, "plain", None).await.unwrap().expose(), "pl4in-canary", "one line break is the editor's");
    assert_eq!(value(&machine, "db", Some("password")).await.unwrap().expose(), "l0gin-canary-7714");
    assert_eq!(value(&machine, "db", Some("port")).await.unwrap().expose(), "5432");
    assert_eq!(value(&machine, "db/versions/1", None).await.unwrap().expose(), "an older one");
}

#[tokio::test]
async fn a_rotated_secret_counts_from_the_next_invocation_on() {
    let machine = Machine::start().await;
    machine.secrets().add("db", "before-rotation");
    let invocation = GcpSecrets::new(machine.google());
    let name = "projects/acme-prod/secrets/db";
    assert_eq!(invocation.value(name, None).await.unwrap().expose(), "before-rotation");
    machine.secrets().add("db", "after-rotation");
    assert_eq!(invocation.value(name, None).await.unwrap().expose(), "before-rotation");
    assert_eq!(machine.secrets().asked, 1, "it is asked for once in an invocation");
    assert_eq!(value(&machine, "db", None).await.unwrap().expose(), "after-rotation");
    // The newest version was switched off because it leaked, or by mistake: the one before it is not taken instead.
    machine.secrets().set("db", "DISABLED");
    assert_eq!(value(&machine, "db", None).await.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn what_secret_manager_refuses_says_what_to_do() {
    let machine = Machine::start().await;
    for name in ["off", "gone", "binary", "db"] {
        machine.secrets().add(name, LOGIN);
    }
    machine.secrets().set("off", "DISABLED");
    machine.secrets().set("gone", "DESTROYED");
    machine.secrets().add("binary", [0xff, 0xfe, 0x00]);
    machine.secrets().create("empty");
    for (name, field, kind, hint) in [
        ("off", None, Kind::NotFound, "versions enable"),
        ("gone", None, Kind::NotFound, "versions add"),
        ("empty", None, Kind::NotFound, "give it a value"),
        ("nowhere", None, Kind::NotFound, "mend its name"),
        ("db/versions/9", None, Kind::NotFound, "mend its name"),
        ("binary", None, Kind::Unsupported, "--data-file"),
        ("db", Some("passwort"), Kind::NotFound, "secrets/db#passwort"),
    ] {
        let error = value(&machine, name, field).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {}", said(&error));
        assert!(said(&error).contains(name) && error.advice().unwrap().contains(hint), "{}", said(&error));
        assert!(!said(&error).contains("canary"), "{}", said(&error));
    }
    let denied = GcpSecrets::new(machine.google()).value("projects/other-prod/secrets/db", None).await.unwrap_err();
    assert!(denied.kind() == Kind::Denied && denied.advice().unwrap().contains("secretAccessor"), "{}", said(&denied));
    let off = r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Secret Manager API has not been used in project 1 before or it is disabled."}}"#;
    machine.secrets().trouble.push_back(Reply::Said(403, off.to_owned()));
    let off = value(&machine, "db", None).await.unwrap_err();
    assert!(off.kind() == Kind::Denied && off.advice().unwrap().contains("services enable"), "{}", said(&off));
}

#[tokio::test]
async fn r37_a_busy_secret_manager_is_asked_again_and_damaged_bytes_are_never_used() {
    let machine = Machine::start().await;
    machine.secrets().add("db", "g00d-value");
    let busy = r#"{"error":{"code":503,"status":"UNAVAILABLE","message":"later"}}"#.to_owned();
    machine.secrets().trouble.extend([Reply::Said(503, busy.clone()), Reply::Said(200, busy)]);
    assert_eq!(value(&machine, "db", None).await.unwrap().expose(), "g00d-value");
    machine.secrets().trouble.push_back(Reply::Damaged);
    assert_eq!(value(&machine, "db", None).await.unwrap().expose(), "g00d-value", "damaged once is asked for again");
    machine.secrets().trouble.extend([Reply::Damaged, Reply::Damaged]);
    assert_eq!(value(&machine, "db", None).await.unwrap_err().kind(), Kind::Corrupt);
}

#[tokio::test]
async fn r46_a_hostile_answer_is_refused_without_being_repeated() {
    let machine = Machine::start().await;
    machine.secrets().add("db", "value");
    let other = r#"{"name":"projects/1/secrets/other/versions/1","payload":{"data":"Y2FuYXJ5"}}"#;
    let deep = format!("{}{}", r#"{"payload":"#.repeat(10_000), "}".repeat(10_000));
    for reply in ["canary", "{}", "[\"canary\"]", r#"{"payload":"canary"}"#, other, &deep, &"x".repeat(40 << 20)] {
        machine.secrets().trouble.push_back(Reply::Said(200, reply.to_owned()));
        let error = value(&machine, "db", None).await.unwrap_err();
        assert!(!said(&error).contains("canary") && said(&error).len() < 1_000, "{}", said(&error));
        machine.secrets().trouble.clear();
    }
    // A redirect would carry the token elsewhere.
    machine.secrets().trouble.push_back(Reply::Said(302, String::new()));
    assert!(value(&machine, "db", None).await.is_err());
}

#[tokio::test]
async fn r45_on_a_machine_of_googles_a_bare_name_is_found_with_its_own_account_and_appears_nowhere() {
    let machine = Machine::start().await;
    machine.secrets().guarded = true;
    machine.secrets().add("orders-url", "postgres://app:ur1-canary-4412@127.0.0.1:1/orders");
    let home = Home::new();
    let config = home.path("lastgood.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace("env:DATABASE_URL", "secret:gcp:orders-url");
    std::fs::write(&config, text).unwrap();
    let mut function = home.function.clone();
    for (name, value) in machine.environment() {
        function = function.with(name, &value);
    }
    for act in ["leak", "panic"] {
        let ran = function.clone().with("LASTGOOD_LOG", "trace,probe=trace").run(&["--act", act, "--json"]).await;
        let all = format!("{ran:?}");
        assert_eq!(ran.exit, Some(1), "{all}");
        assert!(!all.contains("canary") && !all.contains(TOKEN), "{act}: {all}");
        if act == "leak" {
            assert!(all.contains(redact::MASK), "it was resolved: {all}");
        }
    }
    assert!(machine.secrets().asked >= 2);
    machine.secrets().clear();
    let ran = function.run(&["--act", "leak"]).await;
    assert!(ran.exit == Some(1) && ran.stderr.contains("secret orders-url"), "{ran:?}");
    for file in lastgood_tests::house::files(&home.path("vault")) {
        let text = std::fs::read_to_string(home.path("vault").join(&file)).unwrap();
        assert!(!text.contains("canary"), "{file}");
    }
}
