//! The same over AWS Secrets Manager (moto, behind a door that knows rights): exported, proven, brought back as versions that are not
//! in use.

use aws_sdk_secretsmanager::{Client, primitives::Blob};
use lastgood_core::{domain::drill::Verdict, error::Kind, providers::aws::Aws as Way};
use lastgood_tests::{
    aws::Aws,
    drawer::Drawer,
    s3::{KEY, KEY_ID},
};
use serde_json::Value;
use std::sync::Arc;

const CANARY: &str = "s3cr3t-canary-5521";

struct Kept {
    aws: Aws,
    secrets: Client,
    drawer: Drawer,
}

/// An account with some of everything, and a drawer for it.
async fn kept(test: &str) -> Option<Kept> {
    let aws = Aws::start(test).await?;
    let secrets = Client::new(&aws.sdk("eu-west-1"));
    let tag = aws_sdk_secretsmanager::types::Tag::builder().key("team").value("shop").build();
    let text = secrets.create_secret().name("prod/db").secret_string("an older one").description("of the shop").tags(tag);
    text.send().await.unwrap();
    secrets.put_secret_value().secret_id("prod/db").secret_string(CANARY).send().await.unwrap();
    secrets.create_secret().name("prod/key").secret_binary(Blob::new(*b"AP-is-text-too")).send().await.unwrap();
    secrets.create_secret().name("prod/large").secret_string("\u{1}".repeat(64 << 10)).send().await.unwrap();
    secrets.create_secret().name("prod/empty").send().await.unwrap();
    secrets.create_secret().name("prod/going").secret_string("g0ing-canary").send().await.unwrap();
    secrets.delete_secret().secret_id("prod/going").recovery_window_in_days(7).send().await.unwrap();
    secrets.create_secret().name("test/other").secret_string("x").send().await.unwrap();
    let access = aws.access();
    let drawer = Drawer::new("provider: aws, region: eu-west-1, prefix: prod/", |real| real.aws = Arc::new(Way::new(access)));
    Some(Kept { aws, secrets, drawer })
}

impl Kept {
    /// Id and value of the version that applications get.
    async fn current(&self, name: &str) -> (String, String) {
        let got = self.secrets.get_secret_value().secret_id(name).version_stage("AWSCURRENT").send().await.unwrap();
        (got.version_id().unwrap().to_owned(), got.secret_string().unwrap_or("binary").to_owned())
    }

    async fn names(&self) -> Vec<String> {
        let all = self.secrets.list_secrets().include_planned_deletion(true).send().await.unwrap();
        let mut names: Vec<_> = all.secret_list().iter().map(|entry| entry.name().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_secrets_of_an_account_are_exported_proven_and_opened_by_hand() {
    let Some(kept) = kept("secrets_kept_aws::r44_secrets_of_an_account").await else { return };
    let backup = kept.drawer.export("first").await.unwrap();
    let recorded = &backup.expectations.secrets;
    assert_eq!(recorded.keys().map(String::as_str).collect::<Vec<_>>(), ["prod/db", "prod/empty", "prod/going", "prod/key", "prod/large"]);
    assert_eq!(recorded["prod/db"], Some(kept.current("prod/db").await.0), "the id of the very version");
    assert_eq!((&recorded["prod/empty"], &recorded["prod/going"]), (&None, &None));
    let opened = kept.drawer.opened_by_hand(&backup.main().unwrap().key);
    let lines: Vec<Value> = opened.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["name"] == name).unwrap();
    assert_eq!((&of("prod/db")["value"], &of("prod/db")["labels"]["team"]), (&CANARY.into(), &"shop".into()));
    assert_eq!(of("prod/key")["binary"], "QVAtaXMtdGV4dC10b28=", "what was stored as bytes is kept as bytes");
    assert_eq!(of("prod/large")["bytes"], 64 << 10);
    assert_eq!((&of("prod/going")["without"], &of("prod/empty")["without"]), (&"scheduled-for-deletion".into(), &"no-version".into()));
    assert_eq!(kept.drawer.drill("2026-11-20T06:00:00Z").await.verdict, Verdict::Proven);
    assert_eq!(kept.drawer.files_with(&[CANARY]), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r44_a_restored_version_is_new_and_the_current_label_does_not_move() {
    let Some(kept) = kept("secrets_kept_aws::r44_a_restored_version").await else { return };
    kept.drawer.export("first").await.unwrap();
    kept.secrets.put_secret_value().secret_id("prod/db").secret_string("changed since").send().await.unwrap();
    kept.secrets.delete_secret().secret_id("prod/key").force_delete_without_recovery(true).send().await.unwrap();
    let before = kept.current("prod/db").await;
    kept.secrets.restore_secret().secret_id("prod/going").send().await.unwrap();
    kept.secrets.delete_secret().secret_id("prod/large").recovery_window_in_days(7).send().await.unwrap();

    let plan = kept.drawer.restore("secrets:eu-west-1", false).await.unwrap().steps.join("\n");
    assert!(plan.contains("make anew what is not there (1): prod/key"), "{plan}");
    assert!(plan.contains("add a version beside the one in use, which stays in use (1): prod/db"), "{plan}");
    assert!(plan.contains("beside what is there (1): prod/large"), "{plan}");
    let done = kept.drawer.restore("secrets:eu-west-1", true).await.unwrap();
    assert_eq!(done.verdict, Some(Verdict::Proven), "{:#?}", done.checks);
    assert_eq!(kept.current("prod/db").await, before, "applications get what they got before");
    let staged = kept.secrets.get_secret_value().secret_id("prod/db").version_stage("LASTGOOD_RESTORED").send().await.unwrap();
    assert_eq!(staged.secret_string(), Some(CANARY));
    let back = kept.secrets.get_secret_value().secret_id("prod/key").version_stage("AWSCURRENT").send().await.unwrap();
    assert_eq!(back.secret_binary().unwrap().as_ref(), b"AP-is-text-too", "bytes come back as bytes");
    let next = done.next.join("\n");
    let (former, version) = (&before.0, staged.version_id().unwrap());
    let command =
        format!("--secret-id prod/db --version-stage AWSCURRENT --move-to-version-id {version} --remove-from-version-id {former}");
    assert!(next.contains(&command) && !next.contains("canary"), "{next}");

    let names = kept.names().await;
    let again = kept.drawer.restore("secrets:eu-west-1", true).await.unwrap();
    assert_eq!((again.verdict, kept.names().await), (Some(Verdict::Proven), names), "once more is harmless");
    let held = kept.secrets.describe_secret().secret_id("prod/db").send().await.unwrap();
    assert_eq!(held.version_ids_to_stages().unwrap().len(), 4, "the same version, not another");

    // Another region, after the loss of this one.
    let far = kept.drawer.restore("secrets:eu-central-1?only=prod/db", true).await.unwrap();
    assert_eq!(far.verdict, Some(Verdict::Proven));
    let abroad =
        Client::new(&kept.aws.sdk("eu-central-1")).get_secret_value().secret_id("prod/db").version_stage("AWSCURRENT").send().await;
    assert_eq!(abroad.unwrap().secret_string(), Some(CANARY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r41_a_right_that_is_missing_is_named_and_nothing_counts_on_aws() {
    let Some(kept) = kept("secrets_kept_aws::r41_a_right").await else { return };
    for (round, right) in ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue"].into_iter().enumerate() {
        kept.drawer.set(&format!("2026-11-20T03:{}:00Z", 30 + round * 7));
        kept.aws.faults().deny(right);
        let told = kept.drawer.export(&format!("denied-{round}")).await.unwrap_err();
        kept.aws.faults().allow_all();
        assert!(told.contains(right) && !told.contains("canary"), "without {right}: {told}");
        assert!(kept.drawer.backups().await.is_empty(), "{right}");
    }
    kept.drawer.set("2026-11-20T04:30:00Z");
    kept.drawer.export("with every right").await.unwrap();
    kept.secrets.delete_secret().secret_id("prod/key").force_delete_without_recovery(true).send().await.unwrap();
    for (right, only) in [("secretsmanager:PutSecretValue", "prod/db"), ("secretsmanager:CreateSecret", "prod/key")] {
        kept.aws.faults().deny(right);
        let error = kept.drawer.restore(&format!("secrets:eu-west-1?only={only}"), true).await.unwrap_err();
        kept.aws.faults().allow_all();
        assert!(error.kind() == Kind::Denied && error.full().contains(right), "{}", error.full());
    }
    assert_eq!(kept.drawer.restore("secrets:eu-west-1?only=prod/key", true).await.unwrap().verdict, Some(Verdict::Proven));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r45_what_the_sdk_says_of_its_work_holds_no_value_of_an_export_or_a_restore() {
    let Some(kept) = kept("secrets_kept_aws::r45_what_the_sdk_says").await else { return };
    let config = std::fs::read_to_string(kept.drawer.path("lastgood.yaml")).unwrap();
    std::fs::write(kept.drawer.path("lastgood.yaml"), config.replace("30 3 * * *", "* * * * *")).unwrap();
    let installed = |name: &str| {
        let command = kept.drawer.command(name).with("LASTGOOD_LOG", "trace,restore=trace").with("AWS_ENDPOINT_URL", &kept.aws.endpoint());
        command.with("AWS_REGION", "eu-west-1").with("AWS_ACCESS_KEY_ID", KEY_ID).with("AWS_SECRET_ACCESS_KEY", KEY)
    };
    let restore = ["app-secrets", "--latest", "--into", "secrets:eu-west-1", "--apply"];
    for (program, arguments) in
        [("export-to-bucket", &["app-secrets"][..]), ("restore-drill", &["app-secrets", "--now"]), ("restore", &restore)]
    {
        if program == "restore" {
            kept.secrets.delete_secret().secret_id("prod/key").force_delete_without_recovery(true).send().await.unwrap();
        }
        let ran = installed(program).run(arguments).await;
        let all = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.exit, Some(0), "{program}: {all}");
        assert!(program == "restore-drill" || all.contains("aws_smithy"), "the SDK did speak");
        for trace in [CANARY, "czNjcjN0LWNhbmFyeS01NTIx", "93075031ef3220074a50", "AP-is-text-too", "QVAtaXMtdGV4dC10b28"] {
            assert!(!all.contains(trace), "{program} said {trace}");
        }
    }
    assert_eq!(kept.drawer.files_with(&[CANARY, "AP-is-text-too"]), Vec::<String>::new());
}
