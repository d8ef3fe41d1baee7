//! A house with a real Postgres source, a real vault on disk and real replicas, for stories of drills and restores.

use lastgood_core::{
    catalog::{Key, Vault},
    clock::{Clock, Timestamp, after},
    config::{Asset, Config},
    domain::{
        backup::{Compression, Form, Manifest, Method, Role, Tier},
        place::Place,
    },
    env::{Env, Quiet},
    id::{AssetName, BackupId, Slot},
    ports::{Ask, ByteStream, Secrets},
    providers::{self, local::LocalSecrets},
    stream,
    testing::ManualClock,
};
use std::{os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// When the stories begin: the clock stands still unless a story moves it.
pub const BEGIN: &str = "2026-11-20T06:00:00Z";

/// Everything that a drill needs.
pub struct House {
    /// The world as a function sees it.
    pub env: Env,
    /// The clock of that world.
    pub clock: ManualClock,
    /// The folder of everything.
    pub home: TempDir,
}

impl House {
    /// Builds a house. `drill` is the YAML of the drill policy of asset `shop`, whose source is at `source`.
    pub fn new(source: &str, drill: &str) -> Self {
        let home = tempfile::Builder::new().prefix("lgd").tempdir().expect("a temporary folder");
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
        std::fs::write(home.path().join("source-url"), source).expect("the source's URL");
        let config = format!(
            "vault: file://{home}/vault\nassets:\n  shop:\n    kind: postgres\n    url: file:{home}/source-url\n    \
             rto: 4h\n    rpo: 24h\n    export: {{ schedule: \"0 2 * * *\" }}\n    \
             copies: [ {{ vault: \"file://{home}/far\" }} ]\n    drill: {drill}\n",
            home = home.path().display(),
            drill = drill.replace("HOME", &home.path().display().to_string()),
        );
        let clock = ManualClock::at(BEGIN.parse().expect("a time"));
        let env = open(&home, &config, &clock, "first");
        Self { env, clock, home }
    }

    /// The same house as another invocation sees it.
    pub fn another_invocation(&self, holder: &str) -> Env {
        Env { holder: holder.to_owned(), ..self.env.clone() }
    }

    /// The asset.
    pub fn asset(&self) -> Asset {
        self.env.config.asset(&"shop".parse().expect("a name")).expect("asset shop").clone()
    }

    /// Where replicas live.
    pub fn drills(&self) -> PathBuf {
        self.home.path().join("run-drills")
    }

    /// What is left of replicas on this machine.
    pub fn leftovers(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.drills()).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Takes a backup of the source as it is now and stores it at `place` (the vault when not given).
    pub async fn back_up(&self, method: Method) -> Manifest {
        self.back_up_as(method, |_| {}).await
    }

    /// Takes a backup whose manifest is changed before it is written.
    pub async fn back_up_as(&self, method: Method, change: impl FnOnce(&mut Manifest)) -> Manifest {
        let asset = self.asset();
        let form = if method == Method::PgBaseBackup { Form::Snapshot } else { Form::Export };
        let exporter = self.env.providers.exporter(&asset, form).await.expect("an exporter");
        let spool = self.home.path().join(format!("spool-{}", rand::random_range(0..u64::MAX)));
        std::fs::create_dir(&spool).expect("a spool");
        let ask = Ask { method, jobs: 2, tables_csv: Vec::new(), digests: true, migrations: Vec::new(), spool };
        exporter.preflight(&ask).await.expect("a preflight");
        let mut dump = exporter.begin(&ask).await.expect("a dump");
        let derive = |slot: &Slot| BackupId::derive(&format!("{method:?}"), &asset.name, slot);
        let mut slot = Slot::at(SystemNow::now());
        // Two within a second are of two seconds.
        while self.env.vault.backup(&asset.name, derive(&slot)).await.expect("a look").is_some() {
            slot = Slot(after(slot.0, Duration::from_secs(1)));
        }
        let id = derive(&slot);
        let encoding = self.env.encoding(Compression::Zstd, None).expect("an encoding");
        let mut artifacts = Vec::new();
        while let Some(piece) = dump.next().await.expect("a piece") {
            let name = format!("shop_{id}_{}{}.zst", artifacts.len(), piece.ending);
            let key = Key::Artifact(asset.name.clone(), name).to_string();
            let bucket = self.env.vault.bucket();
            let stored = stream::store(&**bucket, &key, piece.role, piece.bytes, &encoding, piece.expected_size, &Quiet).await;
            artifacts.push(stored.expect("a stored artifact"));
        }
        let facts = dump.finish().await.expect("facts");
        let mut manifest = Manifest {
            id,
            asset: asset.name.clone(),
            method,
            tier: Tier::Daily,
            slot,
            data_time: facts.data_time,
            started_at: self.env.clock.now(),
            finished_at: self.env.clock.now(),
            source: facts.origin,
            artifacts,
            held: None,
            expectations: facts.expectations,
            tools: facts.tools,
        };
        change(&mut manifest);
        self.env.vault.create(&Key::Manifest(asset.name, id), &manifest).await.expect("a manifest");
        manifest
    }

    /// Replaces a backup's dump under a manifest that vouches for the new bytes, as whoever holds the vault's keys could.
    pub async fn replace_dump(&self, backup: &Manifest, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
        let data = backup.artifacts.iter().find(|artifact| artifact.role == Role::Data).expect("a dump");
        let bucket = self.env.vault.bucket().clone();
        let mut bytes = Vec::new();
        let mut stream = stream::open(bucket.clone(), data, &stream::Keys::default(), Arc::new(Quiet)).await.expect("the dump");
        stream.read_to_end(&mut bytes).await.expect("the dump's bytes");
        let changed: ByteStream = Box::pin(std::io::Cursor::new(change(bytes)));
        let key = data.key.replace(".zst", ".changed.zst");
        let encoding = self.env.encoding(Compression::Zstd, None).expect("an encoding");
        let stored = stream::store(&*bucket, &key, Role::Data, changed, &encoding, None, &Quiet).await.expect("a stored dump");
        let mut manifest = backup.clone();
        manifest.artifacts.iter_mut().filter(|artifact| artifact.role == Role::Data).for_each(|artifact| *artifact = stored.clone());
        self.env.vault.save(&Key::Manifest(manifest.asset.clone(), manifest.id), &manifest).await.expect("a manifest");
    }

    /// Copies the whole vault to the other place, as a copy function would have.
    pub fn copy_far(&self) -> Place {
        let (from, to) = (self.home.path().join("vault"), self.home.path().join("far"));
        let status = std::process::Command::new("cp").arg("-a").arg(from).arg(&to).status().expect("cp");
        assert!(status.success());
        format!("file://{}", to.display()).parse().expect("a place")
    }

    /// The path of a stored object.
    pub fn object(&self, key: &str) -> PathBuf {
        self.home.path().join("vault").join(key)
    }
}

/// The machine's time: what the source's clock says too.
struct SystemNow;

impl SystemNow {
    fn now() -> Timestamp {
        lastgood_core::clock::SystemClock.now()
    }
}

fn open(home: &TempDir, config: &str, clock: &ManualClock, holder: &str) -> Env {
    let config = Arc::new(Config::parse(config, "lastgood.yaml").unwrap_or_else(|error| panic!("{}\n{config}", error.full())));
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let secrets: Arc<dyn Secrets> = Arc::new(LocalSecrets);
    let scratch = home.path().join("run").join("scratch");
    std::fs::create_dir_all(&scratch).expect("a scratch folder");
    let progress = Arc::new(Quiet);
    let real = providers::Real::new(secrets.clone(), clock.clone(), progress.clone(), scratch.clone(), config.clone());
    let vault = Vault::new(providers::open_bucket(&config.vault).expect("a vault"));
    Env {
        config,
        vault,
        clock,
        secrets,
        providers: Arc::new(real),
        notifiers: Vec::new(),
        monitors: Vec::new(),
        progress,
        holder: holder.to_owned(),
        deadline: None,
        scratch,
    }
}

/// The name of the only asset.
pub fn shop() -> AssetName {
    "shop".parse().expect("a name")
}
