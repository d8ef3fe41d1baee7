//! A config is read strictly: what is wrong is told with file, line, key and fix, and no secret is ever repeated.

use lastgood_core::{
    config::{Check, Config, Copies, DrillTarget, Source},
    function::Exit,
};

const DESIGN: &str = include_str!("../../fixtures/design.yaml");

const SMALL: &str = "vault: file:///var/backups/lastgood
assets:
  orders-db:
    kind: postgres
    url: env:DATABASE_URL
    export: { schedule: \"0 2 * * *\" }
";

#[test]
fn the_example_of_the_design_is_read_whole() {
    let config = Config::parse(DESIGN, "/etc/lastgood.yaml").unwrap();
    assert_eq!(config.assets.len(), 7);
    assert_eq!(config.openpgp, ["/etc/keys/backup.asc".into()] as [std::path::PathBuf; 1]);
    let orders = config.asset(&"orders-db".parse().unwrap()).unwrap();
    assert!(matches!(orders.source, Source::Postgres { .. }));
    let Some(drill) = &orders.policy.drill else { panic!("the drill is lost") };
    assert_eq!(drill.into, DrillTarget::Scratch);
    assert_eq!(drill.checks.len(), 4);
    assert!(matches!(&drill.checks[0], Check::Sql { expect, .. } if expect.holds("1") && !expect.holds("0")));
    assert_eq!(drill.timeout.to_string(), "8h", "twice the rto");
    let rds = config.asset(&"orders-rds".parse().unwrap()).unwrap();
    assert!(matches!(&rds.policy.copies[..], [Copies::Region { region, .. }] if region == "us-east-1"));
    assert_eq!(rds.policy.retention.monthly, 12, "defaults reach every asset");
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = Config::parse(SMALL, "lastgood.yaml").unwrap();
    let policy = &config.assets.values().next().unwrap().policy;
    assert_eq!((policy.rpo.to_string(), policy.rto.to_string()), ("24h".to_owned(), "4h".to_owned()));
    assert_eq!((policy.retention.daily, policy.retention.weekly, policy.retention.monthly), (7, 4, 12));
}

/// What is wrong, where it is said to be, and a word of the fix.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "    url: env:DATABASE_URL\n=>    url: env:DATABASE_URL\n    schedulle: x\n",
        "lastgood.yaml:6:5: unknown key `schedulle` in `assets.orders-db",
        "known keys",
    ),
    (
        "    kind: postgres\n=>    kind: postgress\n",
        "lastgood.yaml:4:11: unknown value `postgress` in `assets.orders-db.kind`",
        "postgres, rds",
    ),
    ("    kind: postgres\n=>", "missing key `kind` in `assets.orders-db", "add `kind"),
    ("schedule: \"0 2 * * *\"=>schedule: \"0 2 * *\"", "lastgood.yaml:6:25: \"0 2 * *\" is not a schedule", "five cron fields"),
    (
        "schedule: \"0 2 * * *\"=>schedule: \"0 2 * * *\", scheduel: x",
        "unknown key `scheduel` in `assets.orders-db.export",
        "did you mean `schedule`",
    ),
    ("env:DATABASE_URL=>postgres://app:hunter2@db/orders", "lastgood.yaml:5:10: a secret must be a reference", "env:NAME"),
    ("env:DATABASE_URL=>hunter2", "lastgood.yaml:5:10: a secret must be a reference", "env:NAME"),
    ("file:///var/backups/lastgood=>http://169.254.169.254/x", "lastgood.yaml:1:8: ", "s3://bucket/prefix"),
    ("assets:\n=>assets:\n  ../etc: { kind: postgres }\n", "is not an asset name", "lower-case letters"),
    ("    kind: postgres\n=>    kind: postgres\n    rpo: 24\n", "\"24\" is not a length of time", "26h"),
    (
        "    kind: postgres\n=>    kind: postgres\n    retention: { daily: 0 }\n",
        "it would keep nothing in `assets.orders-db.retention`",
        "daily: 1",
    ),
    ("    kind: postgres\n=>    kind: postgres\n    retention: { daily: -1 }\n", "lastgood.yaml:5:", "write"),
    ("    kind: postgres\n=>    kind: postgres\n    instance: x\n", "a postgres asset has no `instance`", "url"),
    ("    url: env:DATABASE_URL\n=>", "missing key `url` in `assets.orders-db`", "add `url"),
    ("    export: { schedule: \"0 2 * * *\" }\n=>", "nothing is to be taken of it in `assets.orders-db`", "export"),
    ("    kind: postgres\n=>    kind: postgres\n    kind: redis\n", "key `kind` stands twice", "keep one"),
    (
        "    kind: postgres\n=>    kind: postgres\n    copies: [ { vault: file:///var/backups/lastgood } ]\n",
        "the copy's vault is the vault itself",
        "another bucket",
    ),
    (
        "    kind: postgres\n=>    kind: postgres\n    drill: { schedule: \"0 6 * * 0\", checks: [ { sql: select 1 } ] }\n",
        "not a check in `assets.orders-db.drill.checks[0]`",
        "write one of",
    ),
    (
        "    kind: postgres\n=>    kind: postgres\n    drill: { schedule: \"0 6 * * 0\", from: s3://elsewhere }\n",
        "no copy of this asset is there",
        "one of the asset's copies",
    ),
    (
        "schedule: \"0 2 * * *\"=>schedule: \"0 2 * * *\", level: 99",
        "no such compression level in `assets.orders-db.export.level`",
        "1 to 19",
    ),
    ("assets:\n=>notify: [ { kind: webhook } ]\nassets:\n", "missing key `url` in `notify[0]`", "env:NAME"),
    (
        "assets:\n=>notify: [ { kind: slack, url: \"https://hooks.slack.com/services/hunter2\" } ]\nassets:\n",
        "a secret must be a reference",
        "env:NAME",
    ),
    (
        "assets:\n=>notify: [ { kind: slack, url: env:A, routing_key: env:B } ]\nassets:\n",
        "`routing_key` is no key of a channel of kind slack",
        "url",
    ),
    ("assets:\n=>notify: [ { kind: slack, url: env:A, assets: [nobody] } ]\nassets:\n", "no asset is named `nobody`", "of this config"),
    (
        "assets:\n=>notify: [ { kind: slack, url: env:A, name: x }, { kind: slack, url: env:B, name: x } ]\nassets:\n",
        "two channels are called `x`",
        "of its own",
    ),
    (
        "assets:\n=>notify: [ { kind: smtp, host: mail.example.com, tls: none, from: a@example.com, to: [b@example.com] } ]\nassets:\n",
        "unencrypted to this machine only",
        "starttls",
    ),
    (
        "assets:\n=>notify: [ { kind: smtp, host: mail.example.com, user: a, from: a@example.com, to: [b@example.com] } ]\nassets:\n",
        "belong together",
        "both",
    ),
    (
        "assets:\n=>notify: [ { kind: ses, from: nobody, to: [b@example.com] } ]\nassets:\n",
        "not an e-mail address in `notify[0].from`",
        "lastgood@example.com",
    ),
    ("assets:\n=>notify: [ { kind: pubsub, topic: alerts } ]\nassets:\n", "not the name of a Pub/Sub topic", "projects/PROJECT"),
    ("assets:\n=>alerts: { respond: { urgent: 5m } }\nassets:\n", "`urgent` is no severity and no finding", "drill-failed"),
    ("assets:\n=>alerts: { remind: sometimes }\nassets:\n", "alerts", ""),
    ("assets:\n=>alerts: { digest: weekly }\nassets:\n", "is not a schedule", "five cron fields"),
    ("assets:\n=>heartbeat: { url: \"https://hc-ping.com/hunter2\" }\nassets:\n", "a secret must be a reference", "env:NAME"),
    ("assets:\n=>systems: { x: { restore_order: [nobody] } }\nassets:\n", "no asset is named `nobody`", "only assets of this config"),
    ("vault:=>vault: [", "lastgood.yaml:", ""),
];

#[test]
fn every_mistake_is_told_with_line_key_and_fix() {
    let mut misled = Vec::new();
    for (change, expected, fix) in WRONG {
        let (from, to) = change.split_once("=>").unwrap();
        let text = SMALL.replacen(from, to, 1);
        assert_ne!(text, SMALL, "the change {change:?} changes nothing");
        let error = match Config::parse(&text, "lastgood.yaml") {
            Ok(_) => panic!("accepted: {text}"),
            Err(error) => error,
        };
        let told = error.sentence();
        if !told.contains(expected) || !told.contains(fix) {
            misled.push(format!("{told}\n  should say: {expected} … {fix}"));
        }
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(Exit::from(&error), Exit::Usage);
    }
    assert!(misled.is_empty(), "{}", misled.join("\n"));
}

#[test]
fn the_schema_knows_every_key_of_the_example() {
    let schema = Config::schema().to_string();
    for key in ["vault", "tables_csv", "equals_source", "decrypt_with", "kms_key", "noncurrent_days", "restore_order", "tolerance"] {
        assert!(schema.contains(&format!("\"{key}\"")), "{key}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let text = "vault: file:///var/backups/lastgood\nassets:\n  a: { kind: postgres, url: env:A }\n  b: { kind: redis, url: hunter2 }\n  c: { kind: rds }\n";
    let told = Config::parse(text, "lastgood.yaml").unwrap_err().sentence();
    for part in ["lastgood.yaml:3:", "nothing is to be taken of it", "lastgood.yaml:4:", "a secret must be a reference", "lastgood.yaml:5:"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn what_is_shown_reads_again_as_the_same() {
    for text in [SMALL, DESIGN] {
        let shown = Config::parse(text, "lastgood.yaml").unwrap().show().unwrap();
        let again = Config::parse(&shown, "lastgood.yaml").unwrap_or_else(|error| panic!("{}\n{shown}", error.sentence()));
        assert_eq!(again.show().unwrap(), shown);
    }
}

#[test]
fn the_effective_config_is_shown_without_a_secret_and_with_its_defaults() {
    let shown = Config::parse(SMALL, "lastgood.yaml").unwrap().show().unwrap();
    assert!(shown.contains("rpo: 24h") && shown.contains("url: env:DATABASE_URL") && shown.contains("monthly: 12"), "{shown}");
}

#[test]
fn a_bomb_is_refused_quickly() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for n in 1..12 {
        let refs = vec![format!("*a{}", n - 1); 10].join(",");
        bomb += &format!("a{n}: &a{n} [{refs}]\n");
    }
    assert!(Config::parse(&bomb, "bomb.yaml").is_err());
    assert!(Config::parse(&"[".repeat(100_000), "deep.yaml").is_err());
    assert!(Config::parse(&"x".repeat(5 << 20), "large.yaml").is_err());
}

#[test]
fn a_drill_of_a_moment_is_refused_where_nobody_could_restore_one() {
    let rds = |drill: &str| {
        format!(
            "vault: file:///var/backups/lastgood
assets:
  orders:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: {{ schedule: \"0 3 * * *\" }}
    copies: [{{ region: us-east-1, kms_key: alias/dr }}]
    drill: {{ schedule: \"0 6 * * 0\", point_in_time: 15m, {drill} }}
"
        )
    };
    let read = |drill: &str| Config::parse(&rds(drill), "lastgood.yaml");
    let into = "into: { rds: { subnet_group: drill, security_groups: [sg-1] } }";
    let config = read(into).unwrap();
    let drill = config.assets.values().next().unwrap().policy.drill.clone().unwrap();
    assert_eq!(drill.point_in_time.unwrap().to_string(), "15m");
    for (drill, hint) in [
        ("into: scratch", "into: { rds"),
        (&format!("{into}, from: aws://us-east-1"), "leave `from`"),
        (&format!("{into}, form: snapshot"), "leave `from`"),
    ] {
        let error = read(drill).unwrap_err();
        assert!(
            error.full().contains("lastgood.yaml:9:12") && error.full().contains("assets.orders.drill.point_in_time"),
            "{}",
            error.full()
        );
        assert!(error.advice().unwrap().contains(hint), "{drill}: {:?}", error.advice());
    }
}

#[test]
fn channels_and_rules_are_read_with_their_defaults_and_shown_so_that_they_can_be_read_again() {
    let notify = "notify:
  - { kind: slack, url: env:A }
  - { kind: slack, url: env:B, severity: critical, assets: [orders-db] }
  - { kind: smtp, host: mail.example.com, user: u, password: env:P, from: \"Lastgood <a@example.com>\", to: [b@example.com] }
  - { kind: pubsub, topic: projects/acme/topics/alerts, name: events }
alerts: { remind: { warning: off }, respond: { critical: 15m, drill-failed: 1h } }
heartbeat: { url: env:BEAT }
";
    let config = Config::parse(&format!("{notify}{SMALL}"), "lastgood.yaml").unwrap();
    let names: Vec<_> = config.notify.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(names, ["slack", "slack-2", "smtp", "events"]);
    assert!(matches!(&config.notify[2].way, lastgood_core::config::Way::Smtp(smtp) if smtp.port == 587));
    let remind = config.alerts.remind;
    assert_eq!((remind.critical.unwrap().to_string(), remind.warning), ("4h".to_owned(), None));
    assert_eq!(config.alerts.digest.as_ref().unwrap().as_str(), "0 8 * * 1");
    let shown = config.show().unwrap();
    let again = Config::parse(&shown, "lastgood.yaml").unwrap_or_else(|error| panic!("{}: {shown}", error.full()));
    assert_eq!(again.show().unwrap(), shown);
    let all = Config::parse(&format!("alerts: {{ remind: off, digest: off }}\n{SMALL}"), "lastgood.yaml").unwrap().alerts;
    assert_eq!((all.remind.critical, all.remind.warning, all.digest.is_none()), (None, None, true));
}

#[test]
fn restore_tests_are_asked_of_rds_alone_and_only_with_a_question_about_data() {
    let read = |drill: &str| {
        let text = format!(
            "vault: file:///v
assets:
  orders:
    kind: rds
    instance: orders-prod
    region: eu-west-1
    snapshot: {{ schedule: \"0 3 * * *\" }}
    drill: {{ schedule: \"0 6 * * 0\", {drill} }}
"
        );
        Config::parse(&text, "lastgood.yaml")
    };
    let into = "into: { rds: { subnet_group: drill, security_groups: [sg-1] } }";
    let checks = "checks: [{ table: orders, rows: \">= 1\" }]";
    let policy = |config: Config| config.assets.into_values().next().unwrap().policy.drill.unwrap();
    assert!(policy(read(&format!("restore_tests: true, {into}, {checks}")).unwrap()).restore_tests);
    assert!(!policy(read(&format!("{into}, {checks}")).unwrap()).restore_tests, "nobody is woken who did not ask");
    for (drill, hint) in [
        (format!("restore_tests: true, into: scratch, {checks}"), "into: { rds"),
        (format!("restore_tests: true, {into}"), "add one to `checks`"),
        (format!("restore_tests: true, {into}, checks: [{{ amcheck: true }}]"), "add one to `checks`"),
    ] {
        let error = read(&drill).unwrap_err();
        assert!(error.full().contains("assets.orders.drill.restore_tests"), "{}", error.full());
        assert!(error.advice().is_some_and(|advice| advice.contains(hint)), "{:?}", error.advice());
    }
}
