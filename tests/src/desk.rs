//! An operator at a desk: a config, a vault on disk, and the real command typed as one would type it.

use crate::hosts::{Ran, binary};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
};
use tempfile::TempDir;
use tokio::process::Command;

/// A desk of a test's own.
pub struct Desk {
    home: TempDir,
    variables: Vec<(String, String)>,
}

impl Desk {
    /// Sets up a desk. `HOME` in the config stands for the desk's folder.
    pub fn new(config: &str) -> Self {
        let home = tempfile::Builder::new().prefix("lgdesk-").tempdir().expect("a temporary folder");
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        let desk = Self { home, variables: Vec::new() };
        std::fs::write(desk.path("lastgood.yaml"), config.replace("HOME", &desk.home.path().display().to_string())).expect("the config");
        desk
    }

    /// Sets an environment variable for what is typed.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A path below the desk.
    pub fn path(&self, below: &str) -> PathBuf {
        self.home.path().join(below)
    }

    /// The artifacts of an asset in the vault that end so.
    pub fn artifacts(&self, asset: &str, ending: &str) -> Vec<PathBuf> {
        let folder = self.path("vault/exports").join(asset);
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut found: Vec<_> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
        found.sort();
        found
    }

    /// The command with these arguments, ready to be started.
    #[expect(clippy::disallowed_methods, reason = "a test finds its tools where this process does")]
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary("lastgood"));
        command.args(line.split_whitespace()).current_dir(self.home.path()).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap_or_default()).env("LASTGOOD_SCRATCH", self.path("scratch"));
        command.envs(self.variables.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Types a command and waits for its end.
    pub async fn types(&self, line: &str) -> Ran {
        let output = self.command(line).output().await.expect("the command to start");
        Ran {
            exit: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Types a command that must end with exit code 0.
    pub async fn good(&self, line: &str) -> Ran {
        let ran = self.types(line).await;
        assert_eq!(ran.exit, Some(0), "lastgood {line}: {ran:#?}");
        ran
    }
}

/// Flips one bit of a file's byte.
pub fn flip(file: &Path, offset: usize) {
    let mut bytes = std::fs::read(file).expect("the file");
    bytes[offset] ^= 1;
    std::fs::write(file, bytes).expect("the file");
}
