//! How the buckets are kept that backups lie in: what would expose them, or delete them behind our back, is told.

use aws_sdk_s3::types as s3;
use freshness_checker::FreshnessChecker;
use lastgood_core::{
    config::Config,
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::{State, vault},
        place::Place,
        posture::{BucketPosture, Encryption, Expiry, Exposure, Lifecycle, Lock},
    },
    env::Env,
    function::{Exit, Findings, Function},
    observe,
    ports::{Bucket, If},
    providers::aws::S3,
    testing::{MemoryProviders, World},
};
use lastgood_tests::{
    aws::Aws,
    s3::{S3Server, place},
};
use std::sync::Arc;

const CONFIG: &str = r#"
vault: file:///vault
assets:
  orders: { kind: postgres, url: env:U, retention: { daily: 7, weekly: 4, monthly: 12 }, export: { schedule: "0 2 * * *" }, copies: [ { vault: file:///west } ] }
  uploads: { kind: bucket, url: file:///uploads, expect: { versioning: true, noncurrent_days: 30 } }
"#;

/// A bucket as it should be.
fn good() -> BucketPosture {
    let uploads = Lifecycle { id: "unfinished".to_owned(), uploads_days: Some(7), noncurrent_days: Some(90), ..Lifecycle::default() };
    BucketPosture {
        versioning: Some(true),
        encryption: Some(Encryption::OfTheStore),
        lock: Some(Lock::On { days: None }),
        lifecycle: Some(vec![uploads]),
        exposure: Some(Exposure::Closed),
        unseen: Vec::new(),
    }
}

fn kinds(findings: &[Finding]) -> Vec<(FindingKind, Severity)> {
    findings.iter().map(|finding| (finding.kind, finding.severity)).collect()
}

fn said(posture: &BucketPosture, place: &str) -> Vec<Finding> {
    let yaml = CONFIG.replace("file:///vault", place);
    vault(&Config::parse(&yaml, "lastgood.yaml").unwrap(), &place.parse().unwrap(), posture)
}

fn rule(prefix: &str, expires: Expiry) -> BucketPosture {
    let rule = Lifecycle {
        id: "tidy".to_owned(),
        prefix: prefix.to_owned(),
        expires: Some(expires),
        uploads_days: Some(1),
        ..Lifecycle::default()
    };
    BucketPosture { lifecycle: Some(vec![rule]), ..good() }
}

#[test]
fn a_rule_that_deletes_backups_before_retention_does_is_critical_wherever_it_reaches_them() {
    let critical = [(FindingKind::VaultUnsafe, Severity::Critical)];
    for prefix in
        ["", "lastgood", "lastgood/", "lastgood/exports/", "lastgood/exports/orders/", "lastgood/catalog/", "lastgood/catalog/v1/assets/"]
    {
        let said = said(&rule(prefix, Expiry::After(90)), "s3://acme/lastgood");
        assert_eq!(kinds(&said)[..1], critical, "{prefix:?}");
        assert!(
            said[0].sentence.contains("tidy") && said[0].sentence.contains("90 days") && said[0].sentence.contains("372"),
            "{}",
            said[0]
        );
    }
    for prefix in ["logs/", "lastgood2/", "lastgood/status/", "exports/"] {
        assert_eq!(
            kinds(&said(&rule(prefix, Expiry::After(1)), "s3://acme/lastgood"))
                .iter()
                .filter(|(kind, _)| *kind == FindingKind::VaultUnsafe)
                .count(),
            0,
            "{prefix:?}"
        );
    }
    assert_eq!(kinds(&said(&rule("exports/", Expiry::After(1)), "s3://acme"))[..1], critical, "a vault without a prefix");
    let on = said(&rule("", Expiry::On("2026-12-01T00:00:00Z".to_owned())), "s3://acme/lastgood");
    assert_eq!(kinds(&on), critical, "a day is before every retention");
    // After retention a rule is only careless: age alone never deletes.
    let late = said(&rule("", Expiry::After(400)), "s3://acme/lastgood");
    assert_eq!(kinds(&late), [(FindingKind::PostureDrift, Severity::Warning)]);
    assert!(late[0].sentence.contains("the last good backup"), "{}", late[0]);
    let mut tagged = rule("", Expiry::After(1));
    tagged.lifecycle.as_mut().unwrap()[0].tagged = true;
    assert!(
        kinds(&said(&tagged, "s3://acme/lastgood")).iter().all(|(_, severity)| *severity == Severity::Note),
        "our objects bear no tags"
    );
}

#[test]
fn each_weakness_is_told_by_what_it_costs_and_what_nobody_knows_is_not() {
    assert_eq!(said(&good(), "s3://acme/lastgood"), []);
    assert_eq!(said(&BucketPosture::default(), "s3://acme/lastgood"), [], "unknown is absent");
    let drift = (FindingKind::PostureDrift, Severity::Warning);
    for (posture, wanted, word) in [
        (
            BucketPosture { exposure: Some(Exposure::Public("its policy".to_owned())), ..good() },
            (FindingKind::VaultUnsafe, Severity::Critical),
            "by anybody",
        ),
        (BucketPosture { exposure: Some(Exposure::Unguarded("BlockPublicPolicy off".to_owned())), ..good() }, drift, "BlockPublicPolicy"),
        (BucketPosture { versioning: Some(false), ..good() }, drift, "former versions"),
        (BucketPosture { encryption: Some(Encryption::Nothing), ..good() }, drift, "encrypt"),
        (BucketPosture { lock: Some(Lock::Off), ..good() }, (FindingKind::PostureDrift, Severity::Note), "Object Lock"),
        (BucketPosture { lifecycle: Some(Vec::new()), ..good() }, (FindingKind::PostureDrift, Severity::Note), "not finished"),
        (
            BucketPosture { unseen: vec![("versioning".to_owned(), "s3:GetBucketVersioning on acme: not allowed".to_owned())], ..good() },
            (FindingKind::CouldNotObserve, Severity::Warning),
            "s3:GetBucketVersioning",
        ),
    ] {
        let said = said(&posture, "s3://acme/lastgood");
        assert_eq!(kinds(&said), [wanted], "{word}");
        assert!(said[0].sentence.contains(word) && said[0].sentence.contains("s3://acme/lastgood"), "{}", said[0]);
    }
    let glacier =
        Lifecycle { id: "cold".to_owned(), archives: Some((30, "GLACIER".to_owned())), uploads_days: Some(7), ..Lifecycle::default() };
    let said = said(&BucketPosture { lifecycle: Some(vec![glacier]), ..good() }, "s3://acme/lastgood");
    assert!(kinds(&said) == [drift] && said[0].sentence.contains("GLACIER after 30 days"), "{said:?}");
}

#[tokio::test]
async fn the_checker_tells_of_the_vault_of_every_copy_and_of_a_protected_bucket() {
    let world = World::new("2026-11-20T12:00:00Z", CONFIG).unwrap();
    for place in ["file:///vault", "file:///west", "file:///uploads"] {
        world.at(place).set_posture(good());
    }
    let of_posture = |findings: Vec<Finding>| -> Vec<String> {
        let kinds = [FindingKind::PostureDrift, FindingKind::VaultUnsafe];
        findings.into_iter().filter(|finding| kinds.contains(&finding.kind)).map(|finding| finding.to_string()).collect()
    };
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    assert_eq!(of_posture(status.findings()), Vec::<String>::new());

    world
        .at("file:///west")
        .set_posture(BucketPosture { exposure: Some(Exposure::Public("its policy lets everybody in".to_owned())), ..good() });
    world.at("file:///vault").set_posture(BucketPosture { versioning: Some(false), encryption: Some(Encryption::Nothing), ..good() });
    let short = Lifecycle { noncurrent_days: Some(7), ..Lifecycle::default() };
    world.at("file:///uploads").set_posture(BucketPosture { lifecycle: Some(vec![short]), ..good() });
    let status = FreshnessChecker::default().run(&world.env()).await.unwrap();
    let told = of_posture(status.findings());
    assert!(told[0].starts_with("file:///west can be read by anybody"), "{told:?}");
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.iter().any(|told| told == "uploads: it keeps former versions for 7 days, and 30 are expected"), "{told:?}");
    assert_eq!((status.exit(), status.overall.state), (Exit::Failed, State::Failing), "a vault that anybody reads is no vault");
    // Two findings of one kind are one message, which says both.
    let sent = world.inbox.take();
    let drift: Vec<_> = sent.iter().filter(|told| told.starts_with("warning file:///vault")).collect();
    assert_eq!(drift.len(), 1, "{sent:?}");
    assert!(drift[0].contains("former versions") && drift[0].contains("encrypt"), "{drift:?}");

    let one = FreshnessChecker { asset: Some("orders".parse().unwrap()) }.run(&world.env()).await.unwrap();
    assert_eq!(of_posture(one.findings()), Vec::<String>::new(), "a look at one asset is not about the vault");
}

/// A client past our own code, and a bucket of which nothing is set.
async fn client(aws: &Aws) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(&aws.sdk("us-east-1")).force_path_style(true);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    client.create_bucket().bucket("vault-test").send().await.unwrap();
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_is_asked_for_all_of_it() {
    let Some(aws) = Aws::start("s3_is_asked_for_all_of_it").await else { return };
    let client = client(&aws).await;
    let bucket = S3::new(place("lastgood"), aws.settings("us-east-1")).unwrap();
    let bare = bucket.posture().await.unwrap().unwrap();
    assert_eq!((bare.versioning, bare.lock, bare.lifecycle.as_deref()), (Some(false), Some(Lock::Off), Some(&[][..])), "{bare:?}");
    assert!(matches!(bare.exposure, Some(Exposure::Unguarded(_))), "{bare:?}");
    assert_eq!(bare.unseen, [], "{bare:?}");

    let enabled = s3::VersioningConfiguration::builder().status(s3::BucketVersioningStatus::Enabled).build();
    client.put_bucket_versioning().bucket("vault-test").versioning_configuration(enabled).send().await.unwrap();
    let default = s3::ServerSideEncryptionByDefault::builder()
        .sse_algorithm(s3::ServerSideEncryption::AwsKms)
        .kms_master_key_id("arn:aws:kms:us-east-1:123456789012:key/k")
        .build()
        .unwrap();
    let rule = s3::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let encryption = s3::ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    client.put_bucket_encryption().bucket("vault-test").server_side_encryption_configuration(encryption).send().await.unwrap();
    let rule = s3::LifecycleRule::builder().id("old").status(s3::ExpirationStatus::Enabled);
    let rule = rule
        .filter(s3::LifecycleRuleFilter::builder().prefix("lastgood/exports/").build())
        .expiration(s3::LifecycleExpiration::builder().days(30).build())
        .build()
        .unwrap();
    let lifecycle = s3::BucketLifecycleConfiguration::builder().rules(rule).build().unwrap();
    client.put_bucket_lifecycle_configuration().bucket("vault-test").lifecycle_configuration(lifecycle).send().await.unwrap();
    let block = s3::PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    client.put_public_access_block().bucket("vault-test").public_access_block_configuration(block).send().await.unwrap();

    let kept = bucket.posture().await.unwrap().unwrap();
    assert_eq!((kept.versioning, &kept.exposure), (Some(true), &Some(Exposure::Closed)), "{kept:?}");
    assert_eq!(kept.encryption, Some(Encryption::Key(Some("arn:aws:kms:us-east-1:123456789012:key/k".to_owned()))));
    let [rule] = &kept.lifecycle.unwrap()[..] else { panic!() };
    assert_eq!((rule.prefix.as_str(), &rule.expires), ("lastgood/exports/", &Some(Expiry::After(30))));

    client.delete_public_access_block().bucket("vault-test").send().await.unwrap();
    client.put_bucket_acl().bucket("vault-test").acl(s3::BucketCannedAcl::PublicRead).send().await.unwrap();
    let open = bucket.posture().await.unwrap().unwrap();
    assert!(matches!(&open.exposure, Some(Exposure::Public(why)) if why.contains("access list")), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r40_a_copy_that_a_key_locked_up_is_told_by_reading_from_it() {
    let Some(aws) = Aws::start("r40_a_copy_that_a_key_locked_up_is_told").await else { return };
    let client = client(&aws).await;
    let default = s3::ServerSideEncryptionByDefault::builder().sse_algorithm(s3::ServerSideEncryption::AwsKms).build().unwrap();
    let rule = s3::ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(default).build();
    let encryption = s3::ServerSideEncryptionConfiguration::builder().rules(rule).build().unwrap();
    client.put_bucket_encryption().bucket("vault-test").server_side_encryption_configuration(encryption).send().await.unwrap();
    let world = World::new("2026-11-20T12:00:00Z", &CONFIG.replace("file:///west", "s3://vault-test/west")).unwrap();
    let west: Arc<dyn Bucket> = Arc::new(S3::new(place("west"), aws.settings("us-east-1")).unwrap());
    west.put("catalog/v1/assets/orders/backups/x.json", "{}".into(), If::Absent).await.unwrap();
    let buckets = [(place("west"), west), (world.config.vault.clone(), Arc::new(world.vault.clone()) as Arc<dyn Bucket>)].into();
    let providers = MemoryProviders {
        buckets,
        source: world.source.clone(),
        snapshots: world.snapshots.clone(),
        replicas: world.replicas.clone(),
        wal: world.wal.clone(),
        schedules: world.schedules.clone(),
    };
    let env = Env { providers: Arc::new(providers), ..world.env() };
    let told = || async {
        let critical = observe::vaults(&env).await.into_iter().filter(|finding| finding.severity == Severity::Critical);
        critical.map(|finding| (finding.kind, finding.sentence)).collect::<Vec<_>>()
    };
    assert_eq!(told().await, []);
    aws.faults().refuse_key("aws/s3");
    let [(FindingKind::KeyUnusable, sentence)] = &told().await[..] else { panic!() };
    assert!(sentence.contains("s3://vault-test/west") && sentence.contains("is disabled"), "{sentence}");
    aws.faults().accept_keys();
    aws.faults().deny("s3:GetObject");
    let [(FindingKind::CouldNotObserve, sentence)] = &told().await[..] else { panic!() };
    assert!(sentence.contains("s3:GetObject"), "{sentence}");
}

#[tokio::test]
async fn a_store_that_does_not_know_the_questions_is_told_nothing_of() {
    let server = S3Server::verifying().await;
    let kept = server.open("lastgood").posture().await.unwrap().unwrap();
    assert_eq!(kept.unseen, [], "{kept:?}");
    let place: Place = place("lastgood");
    let config = Config::parse(&CONFIG.replace("file:///vault", &place.to_string()), "lastgood.yaml").unwrap();
    let told = vault(&config, &place, &kept);
    assert!(told.iter().all(|finding| finding.severity == Severity::Note), "{told:?} {kept:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_to_look_that_is_missing_is_named_and_never_green() {
    let Some(aws) = Aws::start("r41_a_right_to_look_that_is_missing_is_named").await else { return };
    client(&aws).await;
    let config = Config::parse(&CONFIG.replace("file:///vault", "s3://vault-test/lastgood"), "lastgood.yaml").unwrap();
    let place: Place = "s3://vault-test/lastgood".parse().unwrap();
    for right in [
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketPolicyStatus",
        "s3:GetBucketAcl",
    ] {
        aws.faults().allow_all();
        aws.faults().deny(right);
        let bucket = S3::new(place.clone(), aws.settings("us-east-1")).unwrap();
        let kept = bucket.posture().await.unwrap().unwrap();
        let told = vault(&config, &place, &kept);
        let blind: Vec<_> = told.iter().filter(|finding| finding.kind == FindingKind::CouldNotObserve).collect();
        assert!(blind.len() == 1 && blind[0].sentence.contains(right), "{right}: {told:?}");
        assert_ne!(kept.exposure, Some(Exposure::Closed), "{right}");
    }
}
