//! The two-region example as a team deploys it: applied by Terraform, then woken by its own schedules and rules. Every function
//! is its real binary under a Runtime API, with the settings that Terraform gave it, against real Postgres behind an emulated
//! Amazon.

use lastgood_core::{
    catalog::{Key, Vault, evidence::Evidence},
    clock::{Clock, SystemClock},
    domain::drill::Verdict,
    id::AssetName,
    providers::aws::S3,
};
use lastgood_tests::{
    aws::{Aws, MASTER_PASSWORD},
    deployed::{Deployed, role_policies},
    pg::Cluster,
    runtime_api::Answer,
    s3::KEY,
    terraform::Terraform,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, sync::Arc};

const HOME: &str = "eu-west-1";
const FAR: &str = "eu-central-1";
const BELOW: &str = "examples/two-region";

/// A team's account, before anything is deployed: a database of RDS, one of its own, and the URL of the latter in a secret.
struct Account {
    aws: Aws,
    production: Cluster,
    _billing: Cluster,
}

impl Account {
    async fn open(test: &str) -> Option<Self> {
        let aws = Aws::start(test).await?;
        aws.faults().rules(|rules| rules.looks = 1);
        let production = aws.cluster().await;
        let orders = "create table orders (id int primary key, created_at timestamptz not null default now());
                      insert into orders select generate_series(1, 50); alter table orders owner to dba";
        production.sql("postgres", orders).await;
        aws.database(&production, "orders-prod", HOME).await;
        let billing = Cluster::start().await;
        billing.lifelike(60).await;
        let secrets = aws_sdk_secretsmanager::Client::new(&aws.sdk(HOME));
        let url = json!({ "url": billing.url("shop") }).to_string();
        secrets.create_secret().name("lastgood/billing").secret_string(url).send().await.unwrap();
        Some(Self { aws, production, _billing: billing })
    }

    /// Applies the example twice, as the docs say: the second time with the drill network that the first one made.
    fn deploy(&self, terraform: &Terraform) -> Value {
        terraform.talks_to(self.aws.address(), BELOW, &[("dr", FAR)]);
        let config = terraform.folder(BELOW).join("lastgood.yaml");
        let text = std::fs::read_to_string(&config).unwrap().replace("/opt/rds/global-bundle.pem", &self.aws.ca().display().to_string());
        std::fs::write(&config, &text).unwrap();
        let packages = format!("-var=packages={}", terraform.folder("tests/packages").display());
        let image = "-var=export_image=123456789012.dkr.ecr.eu-west-1.amazonaws.com/lastgood-export:1";
        let network = r#"-var=database_network={ subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }"#;
        let apply = ["apply", "-auto-approve", "-no-color", "-input=false", &packages, image, network];
        terraform.begin(BELOW);
        terraform.done(BELOW, &apply);
        let stood: Value = serde_json::from_str(&terraform.done(BELOW, &["output", "-json", "lastgood"])).unwrap();
        let group = stood["drill_into"]["rds"]["security_groups"][0].as_str().unwrap();
        std::fs::write(&config, text.replace("sg-0123456789abcdef0", group)).unwrap();
        terraform.done(BELOW, &apply);
        serde_json::from_str(&terraform.done(BELOW, &["show", "-json"])).unwrap()
    }

    async fn vault(&self) -> Vault {
        let place = "s3://acme-lastgood/lastgood".parse().unwrap();
        Vault::new(Arc::new(S3::new(place, self.aws.settings(HOME)).unwrap()))
    }
}

/// Starts what was deployed. Each function signs with a key of its own, so that its calls are known from the others'.
async fn start(account: &Account, state: &Value, scratch: &Path) -> Deployed {
    let endpoint = account.aws.endpoint();
    Deployed::start(state, &scratch.join("lambda"), |function| {
        vec![
            ("AWS_ENDPOINT_URL".to_owned(), endpoint.clone()),
            ("AWS_REGION".to_owned(), HOME.to_owned()),
            ("AWS_ACCESS_KEY_ID".to_owned(), key_of(function)),
            ("AWS_SECRET_ACCESS_KEY".to_owned(), KEY.to_owned()),
        ]
    })
    .await
}

fn key_of(function: &str) -> String {
    format!("ASIA{}", function.to_uppercase().replace('-', ""))
}

fn report(answer: Answer) -> Value {
    match answer {
        Answer::Returned(report) => report,
        other => panic!("{other:?}"),
    }
}

/// What became of one asset.
fn of<'a>(report: &'a Value, asset: &str) -> &'a Value {
    report["entries"].as_array().unwrap().iter().find(|entry| entry["asset"] == asset).unwrap_or_else(|| panic!("{asset} in {report:#}"))
}

fn now() -> String {
    SystemClock.now().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_terraform_deployed_takes_copies_checks_and_proves_when_its_schedules_and_rules_wake_it() {
    const TEST: &str = "deployed::what_terraform_deployed";
    let Some(terraform) = tokio::task::block_in_place(|| Terraform::with_provider(TEST)) else { return };
    let Some(account) = Account::open(TEST).await else { return };
    let production = account.production.fingerprint("postgres").await;
    let state = tokio::task::block_in_place(|| account.deploy(&terraform));
    let scratch = tempfile::tempdir().unwrap();
    let deployed = start(&account, &state, scratch.path()).await;
    let (orders, billing): (AssetName, AssetName) = ("orders".parse().unwrap(), "billing".parse().unwrap());
    let vault = account.vault().await;

    // The first tick takes what is due; the export has a schedule of its own.
    let taken = report(deployed.tick("snapshot-trigger", &now()).await);
    assert_eq!(of(&taken, "orders")["outcome"], "done", "{taken:#}");
    let exported = report(deployed.tick("export.billing", &now()).await);
    assert_eq!(of(&exported, "billing")["outcome"], "done", "{exported:#}");
    assert!(exported["entries"].as_array().unwrap().len() == 1, "an export's schedule is about its own asset: {exported:#}");
    let snapshot = vault.backups(&orders).await.unwrap().good[0].held.clone().unwrap().name.0;

    // RDS tells that the snapshot is made: the rule wakes the copier for that asset, long before its tick.
    let made = rds_event("RDS DB Snapshot Event", &snapshot, "creation", "RDS-EVENT-0075");
    let woken = deployed.event(&made).await;
    let names: BTreeSet<_> = woken.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["cross-region-copy", "snapshot-trigger"].into());
    for (name, answer) in woken {
        let report = report(answer);
        let expected = if name == "cross-region-copy" { "done" } else { "not-due" };
        assert_eq!(of(&report, "orders")["outcome"], expected, "{name}: {report:#}");
    }
    let copied = report(deployed.tick("cross-region-copy", &now()).await);
    assert_eq!(of(&copied, "billing")["outcome"], "done", "{copied:#}");

    // Sunday's drill is due as well; it restores, asks and tears down.
    let drilled = report(deployed.tick("restore-drill", &now()).await);
    assert_eq!(of(&drilled, "orders")["outcome"], "done", "{drilled:#}\n{}", deployed.logs("restore-drill"));
    let evidence = vault.all::<Evidence>(&Key::drills(&orders)).await.unwrap().good;
    assert_eq!(evidence[0].verdict, Verdict::Proven, "{evidence:#?}");
    assert_eq!(account.aws.instances(HOME).await.len(), 1, "torn down");

    // The checker sees all of it.
    let checked = report(deployed.tick("freshness-checker", &now()).await);
    for asset in ["orders", "billing"] {
        let status = checked["assets"].as_array().unwrap().iter().find(|status| status["asset"] == asset).unwrap();
        assert_eq!((&status["copies"]["proven"], &status["copies"]["asked"]), (&json!(1), &json!(1)), "{status:#}");
    }

    // An alarm of the module's own, and trouble of the instance: looked at once more, and nothing is done twice.
    let alarm = deployed.all("aws_cloudwatch_metric_alarm.stale").find(|alarm| alarm.index == "orders").expect("an alarm for the asset");
    let alarmed = deployed.event(&alarm_event(alarm.values["alarm_name"].as_str().unwrap())).await;
    assert_eq!(alarmed.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), ["freshness-checker", "snapshot-trigger"].into());
    let trouble = deployed.event(&rds_event("RDS DB Instance Event", "orders-prod", "failure", "RDS-EVENT-0031")).await;
    assert_eq!(trouble.len(), 2);
    for (name, answer) in alarmed.into_iter().chain(trouble) {
        let report = report(answer);
        if name == "snapshot-trigger" {
            assert_eq!(of(&report, "orders")["outcome"], "not-due", "{report:#}");
        }
    }
    // What the functions tell of themselves: what is there is copied, what failed is tried again by whoever failed.
    for (function, asset, state, wakes) in [
        ("snapshot-trigger", "orders", "done", &["cross-region-copy", "freshness-checker"][..]),
        ("snapshot-trigger", "orders", "failed", &["freshness-checker", "snapshot-trigger"]),
        ("export-to-bucket", "billing", "failed", &["export-to-bucket", "freshness-checker"]),
        ("restore-drill", "orders", "failed", &["freshness-checker"]),
        ("freshness-checker", "orders", "failed", &[]),
    ] {
        let answers = deployed.event(&change(function, asset, state)).await;
        let names: BTreeSet<_> = answers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, wakes.iter().copied().collect(), "{function} {state}");
        for (name, answer) in answers {
            let report = report(answer);
            if name == function {
                assert_eq!(of(&report, asset)["outcome"], "not-due", "its slot is done: {report:#}");
            }
        }
    }
    assert_eq!(vault.backups(&orders).await.unwrap().good.len(), 1);
    assert_eq!(account.aws.calls("CreateDBSnapshot"), 1);
    assert_eq!(vault.backups(&billing).await.unwrap().good.len(), 1);

    // What each function asked of Amazon is what its deployed role allows; and production was only looked at.
    let policies = role_policies(&state);
    for function in ["snapshot-trigger", "export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill"] {
        let allowed: BTreeSet<_> = actions(&policies[function]).collect();
        let used = account.aws.faults().permissions_used_by(&key_of(function));
        let missing: Vec<_> = used.difference(&allowed).collect();
        assert!(missing.is_empty(), "{function} did what its role does not allow: {missing:?}");
        assert!(!used.is_empty(), "{function} signed nothing");
    }
    assert_eq!(account.production.fingerprint("postgres").await, production, "I4");
    for function in ["snapshot-trigger", "export-to-bucket", "cross-region-copy", "freshness-checker", "restore-drill"] {
        let logs = deployed.logs(function);
        assert!(!logs.contains(MASTER_PASSWORD) && !logs.contains("canary"), "{function} logged a secret");
    }
}

/// Every action that a policy allows on something.
fn actions(policy: &Value) -> impl Iterator<Item = String> {
    let allowed = policy["Statement"].as_array().unwrap().iter().filter(|statement| statement["Effect"] == "Allow");
    let texts = |value: &Value| match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
        one => vec![one.as_str().unwrap().to_owned()],
    };
    allowed.flat_map(move |statement| texts(&statement["Action"])).collect::<Vec<_>>().into_iter()
}

/// An event of RDS, as it comes over the bus.
fn rds_event(kind: &str, source: &str, category: &str, id: &str) -> Value {
    json!({
        "version": "0", "id": "68f6e973-1a0c-d37b-f2f2-94a7f62ffd4e", "detail-type": kind, "source": "aws.rds", "account": "123456789012",
        "time": now(), "region": HOME, "resources": [],
        "detail": { "EventCategories": [category], "SourceIdentifier": source, "EventID": id, "Message": "as RDS words it", "Date": now() },
    })
}

/// What a function of ours tells.
fn change(function: &str, asset: &str, state: &str) -> Value {
    json!({
        "version": "0", "id": "2f5e0a1c-7c55-4f0e-9a5e-6a3d1f7c9b11", "detail-type": "Lastgood Backup State Change", "source": "lastgood",
        "account": "123456789012", "time": now(), "region": HOME, "resources": [],
        "detail": { "version": 1, "function": function, "asset": asset, "state": state, "backup": null },
    })
}

/// An alarm that went off.
fn alarm_event(name: &str) -> Value {
    json!({
        "version": "0", "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
        "account": "123456789012", "time": now(), "region": HOME, "resources": [],
        "detail": { "alarmName": name, "state": { "value": "ALARM", "reason": "Threshold Crossed", "timestamp": now() } },
    })
}
