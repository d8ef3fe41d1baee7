//! A whole installation for a test: a vault in a temporary folder, a config, real adapters, and a clock turned by hand.

use crate::pg::Cluster;
use lastgood_core::{
    catalog::Vault,
    clock::{Clock, Timestamp},
    config::Config,
    domain::backup::Manifest,
    env::{Env, Progress, Quiet},
    ports::{Bucket, Providers, Secrets},
    providers::{
        Real,
        aws::{Access, Aws},
        local::LocalSecrets,
        postgres::Tools,
    },
    testing::ManualClock,
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// An installation of its own. Its folders are gone with it.
#[derive(Debug)]
pub struct House {
    home: tempfile::TempDir,
    /// The world as functions see it.
    pub env: Env,
    /// Its clock.
    pub clock: ManualClock,
}

impl House {
    /// Sets up an installation. `assets` is the YAML below `assets:`, in which `URL` stands for a reference to `url`.
    pub fn new(url: &str, assets: &str) -> Self {
        Self::at("2026-11-20T02:00:30Z", url, assets)
    }

    /// Sets up an installation at a moment.
    pub fn at(now: &str, url: &str, assets: &str) -> Self {
        let home = tempfile::Builder::new().prefix("lghouse-").tempdir().expect("a temporary folder");
        let secret = home.path().join("url");
        std::fs::write(&secret, url).expect("the secret file");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("permissions");
        for folder in ["vault", "scratch"] {
            std::fs::create_dir(home.path().join(folder)).expect("a folder");
        }
        let assets = assets.replace("URL", &format!("file:{}", secret.display()));
        let indented: String = assets.lines().map(|line| format!("  {line}\n")).collect();
        let yaml = format!("vault: file://{}\nassets:\n{indented}", home.path().join("vault").display());
        let config = Config::parse(&yaml, "lastgood.yaml").unwrap_or_else(|error| panic!("{error:?}\n{yaml}"));
        let clock = ManualClock::at(now.parse().expect("a moment")).held();
        let env = world(config, &clock, home.path().join("scratch"), Tools::of_this_machine());
        Self { home, env, clock }
    }

    /// The same installation on a machine whose programs of Postgres are in this folder only.
    #[must_use]
    pub fn with_programs(mut self, folder: &Path) -> Self {
        let tools = Tools::in_folders(vec![folder.to_owned()]);
        self.env = world((*self.env.config).clone(), &self.clock, self.env.scratch.clone(), tools);
        self
    }

    /// The same installation with another folder for its vault.
    #[must_use]
    pub fn in_vault(mut self, folder: &Path) -> Self {
        let place = format!("file://{}", folder.display()).parse().expect("a place");
        self.env.vault = Vault::new(lastgood_core::providers::open_bucket(&place).expect("the vault"));
        self
    }

    /// The same installation with its spools in another folder.
    #[must_use]
    pub fn with_scratch(mut self, scratch: &Path) -> Self {
        self.env.scratch = scratch.to_owned();
        self
    }

    /// Another invocation in the same installation.
    pub fn another(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// Shows progress to somebody.
    #[must_use]
    pub fn watched_by(mut self, progress: Arc<dyn Progress>) -> Self {
        self.env.progress = progress;
        self
    }

    /// The moment that its clock shows.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Turns the clock.
    pub fn set(&self, now: &str) {
        self.clock.set(now.parse().expect("a moment"));
    }

    /// The vault's folder.
    pub fn vault(&self) -> PathBuf {
        self.home.path().join("vault")
    }

    /// The folder for spools and sockets.
    pub fn scratch(&self) -> &Path {
        &self.env.scratch
    }

    /// Every file of the vault, by its path below it.
    pub fn files(&self) -> Vec<String> {
        files(&self.vault())
    }

    /// Every artifact of the vault.
    pub fn artifacts(&self) -> Vec<String> {
        self.files().into_iter().filter(|path| path.starts_with("exports/")).collect()
    }

    /// The backups of an asset, newest first. None may be unreadable.
    pub async fn backups(&self, asset: &str) -> Vec<Manifest> {
        let found = self.env.vault.backups(&asset.parse().expect("a name")).await.expect("a listing");
        assert!(found.unreadable.is_empty(), "{:?}", found.unreadable);
        found.good
    }

    /// Everything that the vault's records say, as text.
    pub fn records(&self) -> String {
        let records = self.files().into_iter().filter(|path| path.starts_with("catalog/"));
        records.map(|path| std::fs::read_to_string(self.vault().join(path)).expect("a record")).collect()
    }
}

/// Makes the world of one invocation with real adapters.
pub fn world(config: Config, clock: &ManualClock, scratch: PathBuf, tools: Tools) -> Env {
    let vault = lastgood_core::providers::open_bucket(&config.vault).expect("the vault");
    world_on(Access::default(), vault, config, clock, scratch, tools)
}

/// Makes the world of one invocation with real adapters, which reach AWS so, and this vault.
pub fn world_on(access: Access, vault: Arc<dyn Bucket>, config: Config, clock: &ManualClock, scratch: PathBuf, tools: Tools) -> Env {
    world_in(vault, config, clock, scratch, |real| {
        real.tools = tools;
        real.aws = Arc::new(Aws::new(access));
    })
}

/// Makes the world of one invocation with real adapters, which reach what they reach as `ways` says, and this vault.
pub fn world_in(vault: Arc<dyn Bucket>, config: Config, clock: &ManualClock, scratch: PathBuf, ways: impl FnOnce(&mut Real)) -> Env {
    let config = Arc::new(config);
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let secrets: Arc<dyn Secrets> = Arc::new(LocalSecrets);
    let progress: Arc<dyn Progress> = Arc::new(Quiet);
    let mut real = Real::new(secrets.clone(), clock.clone(), progress.clone(), scratch.clone(), config.clone());
    ways(&mut real);
    let providers: Arc<dyn Providers> = Arc::new(real);
    let vault = Vault::new(vault);
    Env {
        config,
        vault,
        clock,
        secrets,
        providers,
        notifiers: Vec::new(),
        monitors: Vec::new(),
        progress,
        holder: "test".to_owned(),
        deadline: None,
        scratch,
    }
}

/// Every file below a folder, by its path below it, in order.
pub fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").flatten() {
            if entry.path().is_dir() {
                todo.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).expect("a path below").display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// Runs a line of shell as an operator would type it, with Postgres' programs at hand; it must succeed.
pub fn shell(line: &str) -> String {
    let bin = crate::pg::program("psql");
    let bin = bin.parent().expect("a folder").display();
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", line])
        .env("PATH", format!("{bin}:/usr/bin:/bin"))
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}\n{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Cluster {
    /// How an operator's programs reach one of its databases.
    pub fn flags(&self, database: &str) -> String {
        format!("-h {} -p {} -U postgres -d {database}", self.socket_folder().display(), self.port())
    }
}
