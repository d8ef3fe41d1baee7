//! A team's secrets, as an asset: a vault in a folder, a key of OpenPGP that opens its exports, and Lastgood with its real adapters
//! before a double of a store of secrets.

use crate::{
    hosts::{Installed, binary},
    house::{files, world_in},
};
use lastgood_core::{
    catalog::{Key, evidence::Evidence},
    config::Config,
    domain::{archive::Haste, backup::Manifest},
    env::Env,
    error::Error,
    function::{Function, Outcome},
    providers::{Real, open_bucket},
    testing::ManualClock,
};
use restore::{Restore, Restored};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// The asset.
pub const SECRETS: &str = "app-secrets";

/// A drawer. All of it is gone with the test.
pub struct Drawer {
    /// The world as functions see it.
    pub env: Env,
    /// Its clock.
    pub clock: ManualClock,
    home: TempDir,
}

impl Drop for Drawer {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.path("gpg")).args(["--kill", "gpg-agent"]).output();
    }
}

impl Drawer {
    /// Sets one up at half past three in the morning. `asset` is what the asset says besides its kind and its times.
    pub fn new(asset: &str, ways: impl FnOnce(&mut Real)) -> Self {
        let home = tempfile::Builder::new().prefix("lgdrawer-").tempdir().expect("a temporary folder");
        let path = |name: &str| home.path().join(name);
        for folder in ["vault", "scratch", "gpg", "keys"] {
            std::fs::create_dir(path(folder)).expect("a folder");
            std::fs::set_permissions(path(folder), std::fs::Permissions::from_mode(0o700)).expect("permissions");
        }
        for name in ["backup", "stranger"] {
            key(home.path(), name);
        }
        let yaml = format!(
            "vault: file://{}\nencryption: {{ openpgp: [{}], decrypt_with: file:{} }}\ndefaults: {{ rpo: 26h, rto: 4h }}\nassets:\n  {SECRETS}: {{ kind: secrets, \
             {asset}, export: {{ schedule: \"30 3 * * *\" }}, drill: {{ schedule: \"0 6 * * *\" }} }}\n",
            path("vault").display(),
            path("keys/backup.asc").display(),
            path("keys/backup.key").display(),
        );
        std::fs::write(path("lastgood.yaml"), &yaml).expect("the config");
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let clock = ManualClock::at("2026-11-20T03:30:00Z".parse().expect("a moment"));
        let vault = open_bucket(&config.vault).expect("the vault");
        let env = world_in(vault, config, &clock, path("scratch"), ways);
        Self { env, clock, home }
    }

    /// A path of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Turns the clock.
    pub fn set(&self, now: &str) {
        self.clock.set(now.parse().expect("a moment"));
    }

    /// Another invocation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// Whoever comes with another secret key from now on.
    pub fn lose_the_key(&self) {
        std::fs::copy(self.path("keys/stranger.key"), self.path("keys/backup.key")).expect("another key");
    }

    /// The operator's command in a process of its own.
    pub fn command(&self, name: &str) -> Installed {
        Installed::new(binary(name), &self.path("lastgood.yaml"), &self.path("scratch"))
    }

    /// Exports, and returns the manifest, or everything that was said where there is none.
    pub async fn export(&self, holder: &str) -> Result<Manifest, String> {
        let report = export_to_bucket::ExportToBucket::default().run(&self.another(holder)).await.expect("a report");
        match &report.entries[0].outcome {
            Outcome::Done(_) => Ok(self.backups().await.remove(0)),
            other => Err(format!("{other:?}")),
        }
    }

    /// The backups, newest first. None may be unreadable.
    pub async fn backups(&self) -> Vec<Manifest> {
        let found = self.env.vault.backups(&SECRETS.parse().expect("a name")).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// Drills now, and returns the evidence.
    pub async fn drill(&self, now: &str) -> Evidence {
        self.set(now);
        let drill = restore_drill::RestoreDrill { asset: Some(SECRETS.parse().expect("a name")), now: true, ..Default::default() };
        let report = drill.run(&self.another(now)).await.expect("a report");
        assert!(matches!(&report.entries[0].outcome, Outcome::Done(_)), "{report:?}");
        self.env.vault.all(&Key::drills(&SECRETS.parse().expect("a name"))).await.expect("the evidence").good.remove(0)
    }

    /// Restores the newest backup.
    pub async fn restore(&self, into: &str, apply: bool) -> Result<Restored, Error> {
        let restore = Restore {
            asset: SECRETS.parse().expect("a name"),
            backup: None,
            at: None,
            latest: true,
            into: into.parse().expect("a target"),
            from: None,
            apply,
            confirm: None,
            recall: Haste::default(),
        };
        restore.run(&self.env).await.map(|report| report.restored().expect("a restore").clone())
    }

    /// What an operator gets out of an artifact with `gpg` and `zstd` alone.
    pub fn opened_by_hand(&self, artifact: &str) -> String {
        let (gpg, path) = (self.path("gpg"), self.path("vault").join(artifact));
        let line = format!("gpg --homedir {} --batch --quiet --decrypt {} | zstd -d", gpg.display(), path.display());
        crate::house::shell(&line)
    }

    /// Every file that contains one of these texts: of the vault, of the scratch folders, of whatever else lies here but the keys.
    pub fn files_with(&self, texts: &[&str]) -> Vec<String> {
        let holds = |file: &String| {
            let bytes = std::fs::read(self.home.path().join(file)).unwrap_or_default();
            texts.iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        std::fs::remove_file(self.path("gpg/S.gpg-agent")).ok();
        files(self.home.path()).into_iter().filter(|file| !file.starts_with("gpg/")).filter(holds).collect()
    }
}

/// Makes a key that encrypts, and lays both halves down in `keys`.
fn key(home: &Path, name: &str) {
    let gpg = |arguments: &[&str]| -> Output {
        let output =
            Command::new("gpg").arg("--homedir").arg(home.join("gpg")).args(["--batch", "--yes", "--quiet"]).args(arguments).output();
        let output = output.expect("gpg");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let parameters = home.join("keys/parameters");
    let kinds = "Key-Type: eddsa\nKey-Curve: ed25519\nSubkey-Type: ecdh\nSubkey-Curve: cv25519";
    std::fs::write(&parameters, format!("%no-protection\n{kinds}\nName-Real: {name}\nExpire-Date: 0\n%commit\n")).expect("parameters");
    gpg(&["--generate-key", &parameters.display().to_string()]);
    std::fs::write(home.join(format!("keys/{name}.asc")), gpg(&["--armor", "--export", name]).stdout).expect("the public half");
    let secret = home.join(format!("keys/{name}.key"));
    std::fs::write(&secret, gpg(&["--armor", "--export-secret-keys", name]).stdout).expect("the secret half");
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("permissions");
}
