//! The module under Terraform itself: its own tests, its examples, its schedules held against ours, and a real apply.
//!
//! Terraform and its AWS provider come from no package registry, so a machine without them skips these, and says so.

use super::{
    eventbridge::Expression,
    policy::{Call, allows},
    root,
};
use lastgood_core::{clock::Timestamp, domain::due::Schedule};
use lastgood_tests::s3::S3Server;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The AWS provider takes half a gigabyte: one Terraform at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Terraform, working on a copy of the module.
struct Terraform {
    home: tempfile::TempDir,
    mirror: Option<PathBuf>,
    _turn: MutexGuard<'static, ()>,
}

#[expect(clippy::disallowed_methods, reason = "tests look for the machine's own tools")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

fn installed() -> bool {
    std::env::split_paths(&variable("PATH").unwrap_or_default()).any(|folder| folder.join("terraform").is_file())
}

/// A folder that mirrors the registry and holds the AWS provider: where Terraform looks by itself, or below /opt.
fn mirror() -> Option<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/local/share/terraform/plugins"), PathBuf::from("/usr/share/terraform/plugins")];
    folders.extend(variable("HOME").map(|home| Path::new(&home).join(".terraform.d/plugins")));
    folders.extend(std::fs::read_dir("/opt").into_iter().flatten().flatten().map(|entry| entry.path()));
    folders.into_iter().find(|folder| folder.join("registry.terraform.io/hashicorp/aws").is_dir())
}

impl Terraform {
    /// Gets ready, or says on stderr that the test is skipped.
    fn ready(test: &str) -> Option<Self> {
        if !installed() {
            eprintln!("SKIPPED {test}: terraform is not installed");
            return None;
        }
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::Builder::new().prefix("lginfra-").tempdir().unwrap();
        copy(&root().join("infra"), &home.path().join("infra"));
        std::fs::write(home.path().join("terraformrc"), "").unwrap();
        Some(Self { home, mirror: None, _turn: turn })
    }

    /// The same, where the AWS provider is needed as well.
    fn with_provider(test: &str) -> Option<Self> {
        let Some(mirror) = mirror() else {
            eprintln!("SKIPPED {test}: there is no mirror with Terraform's AWS provider (terraform providers mirror)");
            return None;
        };
        Self::ready(test).map(|ready| Self { mirror: Some(mirror), ..ready })
    }

    fn folder(&self, below: &str) -> PathBuf {
        self.home.path().join("infra/aws").join(below)
    }

    fn run(&self, below: &str, words: &[&str]) -> Output {
        let mut command = Command::new("terraform");
        command.args(words).current_dir(self.folder(below)).env_clear();
        for name in ["PATH", "HOME"] {
            command.envs(variable(name).map(|value| (name, value)));
        }
        command.env("TF_CLI_CONFIG_FILE", self.home.path().join("terraformrc")).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        // A key that opens nothing: what goes astray goes nowhere.
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_EC2_METADATA_DISABLED", "true");
        command.output().unwrap()
    }

    fn done(&self, below: &str, words: &[&str]) -> String {
        let output = self.run(below, words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "terraform {} in {below}\n{said}\n{}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        said
    }

    fn begin(&self, below: &str) {
        match &self.mirror {
            Some(mirror) => self.done(below, &["init", "-no-color", "-input=false", &format!("-plugin-dir={}", mirror.display())]),
            None => self.done(below, &["init", "-no-color", "-input=false"]),
        };
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != ".terraform" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

#[test]
fn the_module_is_formatted() {
    let Some(terraform) = Terraform::ready("the_module_is_formatted") else { return };
    terraform.done("", &["fmt", "-check", "-diff", "-recursive"]);
}

#[test]
fn the_modules_own_tests_pass() {
    let Some(terraform) = Terraform::with_provider("the_modules_own_tests_pass") else { return };
    terraform.begin("");
    let said = terraform.done("", &["test", "-no-color"]);
    assert!(said.contains("Success!") && !said.contains(" 0 passed"), "{said}");
}

#[test]
fn every_example_is_valid() {
    let Some(terraform) = Terraform::with_provider("every_example_is_valid") else { return };
    for example in super::folders(&terraform.folder("examples")) {
        let below = format!("examples/{example}");
        terraform.begin(&below);
        terraform.done(&below, &["validate", "-no-color"]);
    }
}

/// A field of a schedule, as people write them.
fn field(chance: &mut StdRng, least: u8, most: u8) -> String {
    let one = |chance: &mut StdRng| chance.random_range(least..=most);
    match chance.random_range(0..8) {
        0..=2 => "*".to_owned(),
        3 => format!("*/{}", chance.random_range(1..=most)),
        4 => one(chance).to_string(),
        5 => {
            let (a, b) = (one(chance), one(chance));
            format!("{}-{}", a.min(b), a.max(b))
        }
        6 => {
            let (a, b) = (one(chance), one(chance));
            format!("{}-{}/{}", a.min(b), a.max(b), chance.random_range(1..=7))
        }
        _ => (0..3).map(|_| one(chance).to_string()).collect::<Vec<_>>().join(","),
    }
}

#[test]
fn eventbridge_fires_exactly_when_our_schedules_do() {
    let Some(terraform) = Terraform::ready("eventbridge_fires_exactly_when_our_schedules_do") else { return };
    let mut chance = StdRng::seed_from_u64(20_261_120);
    let special =
        ["0 4 L * *", "0 4 15W * *", "0 4 1W * *", "0 4 31W * *", "0 4 * * 2#2", "0 4 * * 0L", "0 4 * * 7#1", "5 4 * JAN,jul sun-tue"];
    let mut schedules: Vec<String> = special.map(str::to_owned).into();
    while schedules.len() < 250 {
        let minute = *["0", "30", "7,37", "*/20"].choose(&mut chance).unwrap();
        let (hour, day) = (field(&mut chance, 0, 23), field(&mut chance, 1, 31));
        let (month, weekday) = (field(&mut chance, 1, 12), field(&mut chance, 0, 7));
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        if text.parse::<Schedule>().is_ok() {
            schedules.push(text);
        }
    }
    let named: serde_json::Map<_, _> = schedules.iter().enumerate().map(|(n, text)| (format!("s{n}"), text.as_str().into())).collect();
    std::fs::write(terraform.folder("cron/terraform.tfvars.json"), json!({ "schedules": named }).to_string()).unwrap();
    terraform.begin("cron");
    terraform.done("cron", &["apply", "-auto-approve", "-no-color", "-input=false"]);
    let told: Value = serde_json::from_str(&terraform.done("cron", &["output", "-json", "expressions"])).unwrap();

    let from: Timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    let first = from.to_zoned(jiff::tz::TimeZone::UTC).date();
    for (n, text) in schedules.iter().enumerate() {
        let expressions = told[format!("s{n}")].as_array().unwrap();
        let expressions: Vec<_> = expressions.iter().map(|text| Expression::parse(text.as_str().unwrap())).collect();
        let mut fires: BTreeSet<Timestamp> = BTreeSet::new();
        let mut day = first;
        // Two years hold every combination but leap days; a few dozen moments of a frequent schedule are enough.
        while fires.len() < 400 && day < first.saturating_add(jiff::Span::new().days(731)) {
            fires.extend(expressions.iter().flat_map(|expression| expression.of_day(day)));
            day = day.tomorrow().unwrap();
        }
        let end = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
        let schedule: Schedule = text.parse().unwrap();
        let mut at = lastgood_core::clock::before(from, std::time::Duration::from_secs(1));
        let mut due = BTreeSet::new();
        while let Some(next) = schedule.next(at).filter(|next| *next < end) {
            due.insert(next);
            at = next;
        }
        assert_eq!(fires, due, "{text} became {:?}", told[format!("s{n}")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_the_minimal_example_is_applied_and_its_roles_keep_to_their_room() {
    const TEST: &str = "r26_the_minimal_example_is_applied_and_its_roles_keep_to_their_room";
    let Some(terraform) = tokio::task::block_in_place(|| Terraform::with_provider(TEST)) else { return };
    let Some(aws) = S3Server::moto(TEST).await else { return };
    let settings = format!(
        "provider \"aws\" {{\n  s3_use_path_style = true\n  endpoints {{\n{}  }}\n}}\n",
        SERVICES.map(|service| format!("    {service} = \"http://{}\"\n", aws.address())).concat()
    );
    std::fs::write(terraform.folder("examples/minimal/emulator_override.tf"), settings).unwrap();
    // moto denies whatever a `Deny` is about, without a look at its conditions: here the bucket gets the rest of its policy.
    std::fs::write(terraform.folder("vault/emulator_override.tf"), WITHOUT_DENIES).unwrap();
    let packages = format!("-var=packages={}", terraform.folder("tests/packages").display());
    let (stood, again, config, state) = tokio::task::block_in_place(|| {
        let below = "examples/minimal";
        terraform.begin(below);
        terraform.done(below, &["apply", "-auto-approve", "-no-color", "-input=false", &packages]);
        let stood: Value = serde_json::from_str(&terraform.done(below, &["output", "-json", "lastgood"])).unwrap();
        let again = terraform.run(below, &["plan", "-detailed-exitcode", "-no-color", "-input=false", &packages]);
        let state: Value = serde_json::from_str(&terraform.done(below, &["show", "-json"])).unwrap();
        (stood, again, std::fs::read(terraform.folder("examples/minimal/lastgood.yaml")).unwrap(), state)
    });
    assert_eq!(stood["config_url"], "s3://acme-lastgood/lastgood/lastgood.yaml");
    let read = aws.client().get_object().bucket("acme-lastgood").key("lastgood/lastgood.yaml").send().await.unwrap();
    assert_eq!(read.body.collect().await.unwrap().into_bytes(), config, "the functions read what Terraform read");
    let functions: BTreeSet<_> = stood["functions"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(functions, ["freshness-checker", "restore-drill", "snapshot-trigger"].into(), "nothing that the config does not ask for");
    assert_eq!(stood["drill_into"]["rds"]["subnet_group"], "lastgood-drill");
    let said = String::from_utf8_lossy(&again.stdout);
    assert_eq!(again.status.code(), Some(0), "a second apply would change something:\n{said}");
    roles_keep_to_their_room(&role_policies(&state));
}

/// The policies that stand, by role.
fn role_policies(state: &Value) -> BTreeMap<String, Value> {
    let resources = state["values"]["root_module"]["child_modules"][0]["resources"].as_array().unwrap();
    let policies = resources.iter().filter(|resource| resource["type"] == "aws_iam_role_policy" && resource["name"] == "function");
    policies
        .map(|resource| {
            let policy = serde_json::from_str(resource["values"]["policy"].as_str().unwrap()).unwrap();
            (resource["index"].as_str().unwrap().to_owned(), policy)
        })
        .collect()
}

/// What each role may and may not do, asked of the policies that were really attached, by IAM's rules.
fn roles_keep_to_their_room(policies: &BTreeMap<String, Value>) {
    const PRODUCTION: &str = "arn:aws:rds:eu-west-1:123456789012:db:orders-prod";
    const SNAPSHOT: &str = "arn:aws:rds:eu-west-1:123456789012:snapshot:lastgood-orders-20261120t030000z";
    const PEOPLES: &str = "arn:aws:rds:eu-west-1:123456789012:snapshot:before-the-migration";
    const REPLICA: &str = "arn:aws:rds:eu-west-1:123456789012:db:lastgood-drill-orders-20261120t060000z";
    const STRANGER: &str = "arn:aws:rds:eu-west-1:123456789012:db:billing-prod";
    const EXPORT: &str = "arn:aws:s3:::acme-lastgood/lastgood/exports/orders/x.dump.zst";
    const MANIFEST: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/assets/orders/backups/x.json";
    const RUN: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/assets/orders/runs/restore-drill/x.json";
    const TOLD: &str = "arn:aws:s3:::acme-lastgood/lastgood/catalog/v1/told.json";
    const OURS: &[(&str, &str)] = &[("aws:RequestTag/lastgood:asset", "orders"), ("aws:RequestTag/lastgood:backup", "x")];
    const OTHERS: &[(&str, &str)] = &[("aws:RequestTag/lastgood:asset", "billing"), ("aws:RequestTag/lastgood:backup", "x")];
    const NEW: &[(&str, &str)] = &[("aws:RequestTag/lastgood:replica", "x"), ("aws:RequestTag/lastgood:expires", "x")];
    const MADE: &[(&str, &str)] = &[("aws:ResourceTag/lastgood:replica", "x")];
    const KEPT: &[(&str, &str)] = &[("aws:ResourceTag/lastgood:backup", "x")];
    const NONE: &[(&str, &str)] = &[];
    let table = [
        // The writer takes snapshots of what the config names, under our tags, and lets go of its own.
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, OURS, true),
        ("snapshot-trigger", "rds:CreateDBSnapshot", SNAPSHOT, OURS, true),
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, NONE, false),
        ("snapshot-trigger", "rds:CreateDBSnapshot", PRODUCTION, OTHERS, false),
        ("snapshot-trigger", "rds:CreateDBSnapshot", STRANGER, OURS, false),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", SNAPSHOT, KEPT, true),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", SNAPSHOT, NONE, false),
        ("snapshot-trigger", "rds:DeleteDBSnapshot", PEOPLES, KEPT, false),
        ("snapshot-trigger", "rds:AddTagsToResource", PEOPLES, OURS, false),
        ("snapshot-trigger", "rds:DeleteDBInstance", PRODUCTION, MADE, false),
        ("snapshot-trigger", "rds:ModifyDBInstance", PRODUCTION, NONE, false),
        ("snapshot-trigger", "s3:PutObject", MANIFEST, NONE, true),
        ("snapshot-trigger", "s3:DeleteObject", EXPORT, NONE, true),
        ("snapshot-trigger", "s3:DeleteObjectVersion", EXPORT, NONE, false),
        ("snapshot-trigger", "kms:Decrypt", "arn:aws:kms:eu-west-1:123456789012:key/other", NONE, false),
        // The drill restores to replicas, changes and removes those, and nothing else.
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", REPLICA, NEW, true),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", SNAPSHOT, NEW, true),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", REPLICA, NONE, false),
        ("restore-drill", "rds:RestoreDBInstanceFromDBSnapshot", STRANGER, NEW, false),
        ("restore-drill", "rds:DeleteDBInstance", REPLICA, MADE, true),
        ("restore-drill", "rds:ModifyDBInstance", REPLICA, MADE, true),
        ("restore-drill", "rds:DeleteDBInstance", REPLICA, NONE, false),
        ("restore-drill", "rds:DeleteDBInstance", PRODUCTION, MADE, false),
        ("restore-drill", "rds:ModifyDBInstance", PRODUCTION, MADE, false),
        ("restore-drill", "rds:AddTagsToResource", PRODUCTION, NEW, false),
        ("restore-drill", "rds:AddTagsToResource", STRANGER, NEW, false),
        ("restore-drill", "rds:DeleteDBInstance", STRANGER, MADE, false),
        ("restore-drill", "rds:CreateDBSnapshot", PRODUCTION, OURS, false),
        ("restore-drill", "rds:DeleteDBSnapshot", SNAPSHOT, KEPT, false),
        ("restore-drill", "rds:ModifyDBSnapshotAttribute", SNAPSHOT, KEPT, false),
        ("restore-drill", "s3:GetObject", EXPORT, NONE, true),
        ("restore-drill", "s3:PutObject", RUN, NONE, true),
        ("restore-drill", "s3:PutObject", MANIFEST, NONE, false),
        ("restore-drill", "s3:PutObject", EXPORT, NONE, false),
        // The checker looks, and tells.
        ("freshness-checker", "rds:DescribeDBSnapshots", "*", NONE, true),
        ("freshness-checker", "s3:GetObject", MANIFEST, NONE, true),
        ("freshness-checker", "s3:GetObject", EXPORT, NONE, false),
        ("freshness-checker", "s3:PutObject", TOLD, NONE, true),
        ("freshness-checker", "s3:PutObject", MANIFEST, NONE, false),
        ("freshness-checker", "rds:CreateDBSnapshot", PRODUCTION, OURS, false),
        ("freshness-checker", "s3:PutBucketPolicy", "arn:aws:s3:::acme-lastgood", NONE, false),
    ];
    for (role, action, resource, known, allowed) in table {
        let said = allows(&policies[role], Call { action, resource, known });
        assert_eq!(said, allowed, "{role}: {action} on {resource} {known:?}");
    }
}

/// What the module talks to.
const SERVICES: [&str; 14] =
    ["cloudwatch", "cloudwatchlogs", "ec2", "ecs", "events", "iam", "kms", "lambda", "rds", "s3", "scheduler", "sns", "sqs", "sts"];

const WITHOUT_DENIES: &str = r#"
resource "aws_s3_bucket_policy" "vault" {
  policy = jsonencode({ Version = "2012-10-17", Statement = concat(
    [for statement in local.bucket_statements : statement if statement.Effect == "Allow"],
    [{ Effect = "Allow", Principal = { AWS = "arn:aws:iam::${local.account}:root" }, Action = "s3:GetObject", Resource = "${local.arn}/*" }],
  ) })
}
"#;
