//! Terraform itself, working on a copy of our modules.
//!
//! Terraform and its AWS provider come from no package registry, so a machine without them skips what needs them, and says so. In the
//! place of the google provider stands one that knows its schema ([`google`]).

mod google;

use crate::s3::{KEY, KEY_ID};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The AWS provider takes half a gigabyte: one Terraform at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Terraform, working on a copy of the module.
pub struct Terraform {
    home: tempfile::TempDir,
    mirror: Option<PathBuf>,
    /// The cloud whose module is worked on: `aws` or `gcp`.
    cloud: &'static str,
    /// The providers that run already.
    attached: Option<String>,
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
    pub fn ready(test: &str) -> Option<Self> {
        if !installed() {
            eprintln!("SKIPPED {test}: terraform is not installed");
            return None;
        }
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::Builder::new().prefix("lginfra-").tempdir().expect("a folder for Terraform");
        copy(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra")), &home.path().join("infra"));
        std::fs::write(home.path().join("terraformrc"), "").expect("a file");
        Some(Self { home, mirror: None, cloud: "aws", attached: None, _turn: turn })
    }

    /// The same, where the AWS provider is needed as well.
    pub fn with_provider(test: &str) -> Option<Self> {
        let Some(mirror) = mirror() else {
            eprintln!("SKIPPED {test}: there is no mirror with Terraform's AWS provider (terraform providers mirror)");
            return None;
        };
        Self::ready(test).map(|ready| Self { mirror: Some(mirror), ..ready })
    }

    /// The same, for the module of Google Cloud, with a provider that knows its schema.
    pub fn google(test: &str) -> Option<Self> {
        Self::ready(test).map(|ready| Self { cloud: "gcp", attached: Some(google::attached()), ..ready })
    }

    /// A folder below the module of the copy.
    pub fn folder(&self, below: &str) -> PathBuf {
        self.home.path().join("infra").join(self.cloud).join(below)
    }

    /// Lets a folder talk to an emulator at this address: its own provider, and one of each alias in a region.
    ///
    /// moto denies whatever a `Deny` is about, without a look at its conditions: there the vault gets the rest of its policy.
    pub fn talks_to(&self, address: SocketAddr, below: &str, aliases: &[(&str, &str)]) {
        let endpoints = SERVICES.map(|service| format!("    {service} = \"http://{address}\"\n")).concat();
        let provider = |own: &str| format!("provider \"aws\" {{\n{own}  s3_use_path_style = true\n  endpoints {{\n{endpoints}  }}\n}}\n");
        let others = aliases.iter().map(|(alias, region)| provider(&format!("  alias = \"{alias}\"\n  region = \"{region}\"\n")));
        let settings = [provider("")].into_iter().chain(others).collect::<String>();
        std::fs::write(self.folder(below).join("emulator_override.tf"), settings).expect("a file");
        std::fs::write(self.folder("vault").join("emulator_override.tf"), WITHOUT_DENIES).expect("a file");
    }

    fn run(&self, below: &str, words: &[&str]) -> Output {
        let mut command = Command::new("terraform");
        command.args(words).current_dir(self.folder(below)).env_clear();
        for name in ["PATH", "HOME"] {
            command.envs(variable(name).map(|value| (name, value)));
        }
        command.env("TF_CLI_CONFIG_FILE", self.home.path().join("terraformrc")).env("CHECKPOINT_DISABLE", "1").env("TF_IN_AUTOMATION", "1");
        // A key that opens nothing: what goes astray goes nowhere.
        command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", KEY).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(self.attached.iter().map(|attached| ("TF_REATTACH_PROVIDERS", attached)));
        command.output().expect("terraform")
    }

    /// Runs Terraform in a folder; it must succeed. Returns what it printed.
    pub fn done(&self, below: &str, words: &[&str]) -> String {
        let output = self.run(below, words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "terraform {} in {below}\n{said}\n{}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Runs Terraform in a folder; it must refuse. Returns what it said.
    pub fn refused(&self, below: &str, words: &[&str]) -> String {
        let output = self.run(below, words);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "terraform {} in {below} was content\n{said}", words.join(" "));
        said
    }

    /// Initialises a folder.
    pub fn begin(&self, below: &str) {
        match &self.mirror {
            Some(mirror) => self.done(below, &["init", "-no-color", "-input=false", &format!("-plugin-dir={}", mirror.display())]),
            None => self.done(below, &["init", "-no-color", "-input=false"]),
        };
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && name != ".terraform" {
            copy(&path, &to.join(name));
        } else if path.is_file() {
            std::fs::copy(&path, to.join(name)).expect("a copy");
        }
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
