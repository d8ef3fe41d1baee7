//! The module under Terraform itself: its form, its own tests, its examples.
//!
//! Terraform and its AWS provider come from no package registry, so a machine without them skips these, and says so.

use super::root;
use std::{
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
        let home = tempfile::Builder::new().prefix("lginfra-").tempdir().unwrap();
        copy(&root().join("infra"), &home.path().join("infra"));
        std::fs::write(home.path().join("terraformrc"), "").unwrap();
        Some(Self { home, mirror: None, _turn: turn })
    }

    /// The same, where the AWS provider is needed as well.
    pub fn with_provider(test: &str) -> Option<Self> {
        let Some(mirror) = mirror() else {
            eprintln!("SKIPPED {test}: there is no mirror with Terraform's AWS provider (terraform providers mirror)");
            return None;
        };
        Self::ready(test).map(|ready| Self { mirror: Some(mirror), ..ready })
    }

    pub fn folder(&self, below: &str) -> PathBuf {
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

    pub fn done(&self, below: &str, words: &[&str]) -> String {
        let output = self.run(below, words);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "terraform {} in {below}\n{said}\n{}", words.join(" "), String::from_utf8_lossy(&output.stderr));
        said
    }

    pub fn begin(&self, below: &str) {
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
