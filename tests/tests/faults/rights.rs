//! Right by right: each that a role has is taken away in turn, and the function that runs as it names what it lacks. What a
//! function asks for its role is given, and what a role is given is asked for here, or it is said where else.

use cross_region_copy::CrossRegionCopy;
use export_to_bucket::ExportToBucket;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    backup::When,
    clock::{Clock, SystemClock, after},
    config::{Config, SecretRef},
    env::{Env, Quiet},
    error::Result,
    function::{Findings, Function},
    ports::{Notifier, Providers, Secret, Secrets},
    providers::{
        Real,
        aws::{AwsSecrets, S3, Sns},
        local::LocalSecrets,
        postgres::Tools,
    },
    prune::{Mode, prune},
    testing::ManualClock,
};
use lastgood_tests::{aws::Aws, pg::Cluster};
use restore::Restore;
use restore_drill::RestoreDrill;
use serde::Serialize;
use snapshot_trigger::SnapshotTrigger;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

const HOME: &str = "eu-west-1";
const FAR: &str = "us-east-1";

/// What each role is given, as docs/deploy-aws.md says; a contract test holds that against the module.
fn given() -> BTreeMap<String, BTreeSet<String>> {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploy-aws.md")).unwrap();
    let mut given: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in docs.lines().filter(|line| line.starts_with("| `") && line.contains("| Allow |")) {
        let [_, _, actions, roles] = line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..] else { panic!("{line}") };
        for role in roles.split(", ") {
            given.entry(role.to_owned()).or_default().extend(actions.split(", ").map(str::to_owned));
        }
    }
    given
}

/// What no function of ours asks for by itself: the platform does, or a service on its behalf and in its own words.
fn of_the_platform(right: &str) -> bool {
    const NETWORK: [&str; 6] = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ];
    matches!(right.split(':').next().unwrap_or_default(), "logs" | "sqs" | "xray") || NETWORK.contains(&right)
}

/// What is shown elsewhere, and where.
fn elsewhere(role: &str, right: &str) -> Option<&'static str> {
    Some(match (role, right) {
        (
            _,
            "kms:Decrypt"
            | "kms:GenerateDataKey"
            | "kms:GenerateDataKeyWithoutPlaintext"
            | "kms:ReEncryptFrom"
            | "kms:ReEncryptTo"
            | "kms:CreateGrant",
        )
        | ("cross-region-copy" | "restore-drill", "kms:Encrypt" | "kms:DescribeKey") => {
            "a service asks for it: faults/rds_aws r40, stories/{buckets,keys} r40"
        }
        ("freshness-checker", "kms:Encrypt") => "stories/keys r41",
        (_, "ses:SendEmail") => "letters: stories/ses r41",
        ("freshness-checker", "scheduler:GetSchedule") => "stories/signals r41",
        (_, "events:PutEvents") => "its host asks: stories/changes",
        ("snapshot-trigger" | "export-to-bucket" | "cross-region-copy" | "restore-drill", "sns:Publish") => {
            "its host asks: stories/notices"
        }
        (_, "rds-db:connect") => "the database asks: stories/iam",
        (
            "export-to-bucket" | "recover",
            "secretsmanager:ListSecrets" | "secretsmanager:PutSecretValue" | "secretsmanager:CreateSecret" | "secretsmanager:TagResource",
        ) => "sets of secrets: stories/secrets_kept_aws r41",
        (_, "secretsmanager:GetSecretValue") if role != "export-to-bucket" => "the same code reads it for channels",
        ("freshness-checker", right) if right.starts_with("s3:Get") && right != "s3:GetObject" => "stories/buckets r41",
        (_, "s3:AbortMultipartUpload" | "s3:ListMultipartUploadParts") => "an upload of many parts that is given up: contract/bucket",
        (_, "s3:RestoreObject") => "copies in an archive: stories/archive",
        (_, "s3:DeleteObject" | "rds:DeleteDBSnapshot") => "retention and what a killed run left: stories/prune, faults/kills",
        (_, "rds:ModifyDBSnapshotAttribute" | "sts:AssumeRole") => "another account: providers/aws/rds/tests",
        (_, right) if right.starts_with("rds:") && right.contains("DBCluster") => "the same for a cluster: scenarios/rds",
        ("restore-drill", right) if right.starts_with("rds:") => "faults/managed/rights r41",
        ("recover", "rds:RestoreDBInstanceToPointInTime" | "rds:DescribeDBInstanceAutomatedBackups") => {
            "the same for a moment: faults/rds_moment r41"
        }
        (_, right) if right.starts_with("ec2:") || right.starts_with("ebs:") => "volumes: faults/volumes_aws r41",
        ("snapshot-trigger", "rds:CopyDBSnapshot") => "copies of what RDS took itself: the copier asks for the same, above",
        ("snapshot-trigger", "kms:Encrypt") => "a service asks for it",
        (_, right) if right.starts_with("backup:") => "restore tests of AWS Backup: faults/rds_restore_tests r41",
        (_, right) if right.starts_with("elasticache:") => "caches: providers/aws/elasticache r41",
        ("export-to-bucket", "rds:StartExportTask" | "rds:DescribeExportTasks" | "iam:PassRole" | "kms:DescribeKey") => {
            "extracts for analysts: stories/analytics"
        }
        ("recover", "rds:CreateDBInstance") => "the same for a cluster, which is given its instance",
        ("recover", "rds:DeleteDBInstance") => "by hand, what a restore of ours began: contract/infra rooms",
        ("pruner" | "recover", "rds:DescribeAccountAttributes" | "kms:DescribeKey" | "kms:Encrypt") => {
            "for what the checker looks at, or a service asks"
        }
        (_, "rds:ListTagsForResource") => "no call of ours: tags come with what they are on, for which IAM may ask this",
        (_, "rds:DescribeDBInstances" | "rds:DescribeDBParameterGroups" | "rds:DescribeDBSnapshots") => {
            "one statement lets all of them look: faults/managed/rights r41"
        }
        ("snapshot-trigger", "rds:DescribeAccountAttributes" | "kms:DescribeKey") => "given with what pruning looks at",
        _ => return None,
    })
}

/// What is done all the same: in an incident the restore counts, and that nothing could be noted of it does not.
fn does_without(role: &str, right: &str) -> bool {
    (role, right) == ("recover", "s3:PutObject")
}

/// References to this machine and to Secrets Manager.
#[derive(Debug)]
struct Sources(LocalSecrets, AwsSecrets);

#[async_trait::async_trait]
impl Secrets for Sources {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        match reference {
            SecretRef::Aws { name, field } => self.1.value(name, field.as_deref()).await,
            other => self.0.resolve(other).await,
        }
    }
}

/// A town with everything that a config can ask for of AWS, whose clock is the store's.
struct Town {
    aws: Aws,
    clock: ManualClock,
    env: Env,
    _production: Cluster,
    _home: tempfile::TempDir,
}

impl Town {
    async fn build(test: &str) -> Option<Self> {
        let clock = ManualClock::at(SystemClock.now());
        let aws = Aws::start_at(test, Arc::new(clock.clone())).await?;
        let production = aws.cluster().await;
        production.sql("postgres", "create table orders (id int primary key); insert into orders select generate_series(1, 300)").await;
        aws.database(&production, "orders-prod", HOME).await;
        aws.key(FAR, "alias/dr").await;
        let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&aws.sdk(FAR)).force_path_style(true).build());
        for bucket in ["town-vault", "town-copies"] {
            s3.create_bucket().bucket(bucket).send().await.unwrap();
        }
        let topic = aws_sdk_sns::Client::new(&aws.sdk(HOME)).create_topic().name("alerts").send().await.unwrap().topic_arn.unwrap();
        let secrets = aws_sdk_secretsmanager::Client::new(&aws.sdk(HOME));
        secrets.create_secret().name("orders").secret_string(production.url("postgres")).send().await.unwrap();
        let home = tempfile::Builder::new().prefix("lgtown-").tempdir().unwrap();
        let scratch = home.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let yaml = format!(
            r#"
vault: s3://town-vault/lastgood
notify: [ {{ kind: sns, topic: "{topic}" }} ]
assets:
  orders:
    kind: rds
    instance: orders-prod
    region: {HOME}
    url: secret:aws:orders
    snapshot: {{ schedule: "0 3 * * *" }}
    export: {{ schedule: "0 2 * * *" }}
    copies: [ {{ region: {FAR}, kms_key: alias/dr }}, {{ vault: s3://town-copies/lastgood }} ]
    retention: {{ daily: 1 }}
    drill: {{ schedule: "0 6 * * *", into: scratch, form: export }}
"#
        );
        let config = Arc::new(Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{}", error.full())));
        let (aws, env) = (aws, (config, scratch));
        let env = Self::env(&aws, &clock, env.0, env.1);
        Some(Self { aws, clock, env, _production: production, _home: home })
    }

    /// The world of one invocation: nothing is remembered of an earlier one.
    fn env(aws: &Aws, clock: &ManualClock, config: Arc<Config>, scratch: std::path::PathBuf) -> Env {
        let secrets: Arc<dyn Secrets> = Arc::new(Sources(LocalSecrets, AwsSecrets::new(aws.access(), Some(HOME.to_owned()))));
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let mut real = Real::new(secrets.clone(), time.clone(), Arc::new(Quiet), scratch.clone(), config.clone());
        real.tools = Tools::of_this_machine();
        real.aws = Arc::new(lastgood_core::providers::aws::Aws::new(aws.access()));
        let providers: Arc<dyn Providers> = Arc::new(real);
        let vault = S3::new(config.vault.clone(), aws.settings(FAR)).unwrap();
        let notifiers = config.notify.iter().filter_map(|channel| match &channel.way {
            lastgood_core::config::Way::Sns { topic } => {
                Some(Arc::new(Sns::new("sns".to_owned(), topic.clone(), secrets.clone(), aws.access())) as Arc<dyn Notifier>)
            }
            _ => None,
        });
        let notifiers = notifiers.collect();
        let vault = lastgood_core::catalog::Vault::new(Arc::new(vault));
        Env {
            vault,
            notifiers,
            monitors: Vec::new(),
            config,
            clock: time,
            secrets,
            providers,
            progress: Arc::new(Quiet),
            holder: "town".to_owned(),
            deadline: None,
            scratch,
        }
    }

    fn invocation(&self) -> Env {
        Self::env(&self.aws, &self.clock, self.env.config.clone(), self.env.scratch.clone())
    }

    /// Runs what a role is for, and returns what it says of it.
    async fn runs(&self, role: &str) -> String {
        self.clock.set(after(self.clock.now(), Duration::from_secs(61)));
        let env = self.invocation();
        let asset = Some("orders".parse().unwrap());
        match role {
            "export-to-bucket" => said(ExportToBucket { asset, when: When::Now, analytics: false }, &env).await,
            "snapshot-trigger" => said(SnapshotTrigger { asset, when: When::Now }, &env).await,
            "cross-region-copy" => said(CrossRegionCopy::default(), &env).await,
            "freshness-checker" => said(FreshnessChecker::default(), &env).await,
            "restore-drill" => said(RestoreDrill { asset, now: true, ..RestoreDrill::default() }, &env).await,
            "recover" => {
                let into = format!("rds:orders-again-{}", self.clock.now().as_second()).parse().unwrap();
                let asset = "orders".parse().unwrap();
                said(
                    Restore {
                        asset,
                        backup: None,
                        at: None,
                        latest: true,
                        into,
                        from: None,
                        apply: true,
                        confirm: None,
                        recall: lastgood_core::domain::archive::Haste::default(),
                    },
                    &env,
                )
                .await
            }
            "pruner" => match prune(&env, &env.config.assets[&"orders".parse().unwrap()], Mode::Apply, None).await {
                Ok(pruned) => {
                    let findings: Vec<_> = pruned.findings().iter().map(ToString::to_string).collect();
                    format!("{} {}", serde_json::to_string(&pruned).unwrap(), findings.join("; "))
                }
                Err(error) => error.full(),
            },
            other => panic!("{other} is no role of a function"),
        }
    }

    /// Something for the role to do: it has nothing to copy, drill or check without.
    async fn something_new_for(&self, role: &str) {
        match role {
            "cross-region-copy" => {
                self.runs("export-to-bucket").await;
                self.runs("snapshot-trigger").await;
            }
            "pruner" => {
                for made in ["export-to-bucket", "snapshot-trigger", "cross-region-copy"] {
                    self.runs(made).await;
                }
            }
            // The newest is restored, and what an earlier restore made is out of the way.
            "recover" => {
                self.runs("snapshot-trigger").await;
                let rds = aws_sdk_rds::Client::new(&self.aws.sdk(HOME));
                for instance in self.aws.instances(HOME).await.into_iter().filter(|instance| instance.name != "orders-prod") {
                    let name = instance.name;
                    let unprotected = rds.modify_db_instance().db_instance_identifier(&name).deletion_protection(false);
                    let _ = unprotected.apply_immediately(true).send().await;
                    let _ = rds.delete_db_instance().db_instance_identifier(&name).skip_final_snapshot(true).send().await;
                }
            }
            // What keys closed is opened once a day only; a check that knows of none begins anew.
            "freshness-checker" => {
                let bucket = self.env.vault.bucket();
                for key in bucket.list_all("catalog/v1/keys/").await.unwrap() {
                    bucket.delete(&key.key).await.unwrap();
                }
                bucket.delete("catalog/v1/told.json").await.unwrap();
            }
            _ => {}
        }
    }
}

/// What a run says of itself: its report, its findings, or why there are none.
async fn said<F: Function>(function: F, env: &Env) -> String
where
    F::Report: Serialize,
{
    match function.run(env).await {
        Ok(report) => {
            let findings: Vec<_> = report.findings().iter().map(ToString::to_string).collect();
            format!("{} {}", serde_json::to_string(&report).unwrap(), findings.join("; "))
        }
        Err(error) => format!("{} {}", error.full(), error.advice().unwrap_or_default()),
    }
}

async fn right_by_right(role: &str) {
    let Some(town) = Town::build(&format!("r41_rights_of_{role}")).await else { return };
    let given = given().remove(role).unwrap_or_else(|| panic!("{role} has no row in the table"));
    for first in ["export-to-bucket", "snapshot-trigger", "cross-region-copy"] {
        let said = town.runs(first).await;
        assert!(!said.contains("\"failed\"") && !said.contains("not allowed"), "{first}: {said}");
    }
    town.something_new_for(role).await;
    let before = town.aws.faults().calls_so_far();
    let quiet = town.runs(role).await;
    assert!(!quiet.contains("not allowed"), "{quiet}");
    let asked = town.aws.faults().permissions_since(before);
    let beyond: Vec<_> = asked.difference(&given).collect();
    assert_eq!(beyond, Vec::<&String>::new(), "{role} asks for what it is not given");
    for right in &asked {
        town.something_new_for(role).await;
        town.aws.faults().deny(right);
        let said = town.runs(role).await;
        town.aws.faults().allow_all();
        if does_without(role, right) {
            assert!(said.contains("\"done\""), "{role} without {right}: {said:.3000}");
        } else {
            assert!(said.contains(right.as_str()), "{role} without {right} says: {said:.3000}");
        }
    }
    let open: Vec<_> =
        given.iter().filter(|right| !asked.contains(*right) && !of_the_platform(right) && elsewhere(role, right).is_none()).collect();
    assert_eq!(open, Vec::<&String>::new(), "{role} is given what nothing here asks for: {asked:?}");
    // Given everything back, the next run makes it good.
    for _ in 0..3 {
        town.runs(role).await;
    }
    let good = town.runs(role).await;
    assert!(!good.contains("not allowed"), "{role}: {good:.3000}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_exporter_names_each_right_that_it_lacks() {
    right_by_right("export-to-bucket").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_writer_names_each_right_that_it_lacks() {
    right_by_right("snapshot-trigger").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_copier_names_each_right_that_it_lacks() {
    right_by_right("cross-region-copy").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_checker_names_each_right_that_it_lacks() {
    right_by_right("freshness-checker").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_pruner_names_each_right_that_it_lacks() {
    right_by_right("pruner").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_whoever_recovers_is_told_each_right_that_is_lacking() {
    right_by_right("recover").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_the_drill_names_each_right_that_it_lacks() {
    right_by_right("restore-drill").await;
}
