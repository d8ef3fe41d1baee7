//! Two vaults and an asset whose every backup must exist in both, without a server behind it.

use async_trait::async_trait;
use lastgood_core::{
    catalog::{Key, Vault},
    clock::{Clock, SystemClock, Timestamp},
    config::{Asset, Config, DrillTarget},
    domain::{
        backup::{Artifact, Compression, Form, Manifest, Method, Role, Tier},
        place::Place,
    },
    env::{Env, Quiet},
    error::{Result, not_found, unsupported},
    id::{AssetName, BackupId, Slot},
    ports::{Bucket, ByteStream, Exporter, If, Providers, Replicas},
    providers,
    stream::{self, Encoding},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tempfile::TempDir;

/// The asset's name.
pub const ASSET: &str = "orders-db";

/// Hands out buckets that a test chose, and nothing else.
#[derive(Debug, Clone, Default)]
pub struct Buckets(pub BTreeMap<Place, Arc<dyn Bucket>>);

#[async_trait]
impl Providers for Buckets {
    async fn bucket(&self, place: &Place) -> Result<Arc<dyn Bucket>> {
        self.0.get(place).cloned().ok_or_else(|| not_found(format!("no bucket is at {place}")))
    }

    async fn exporter(&self, _: &Asset, _: Form) -> Result<Arc<dyn Exporter>> {
        Err(unsupported("there is no source here"))
    }

    async fn replicas(&self, _: &Asset, _: &DrillTarget) -> Result<Arc<dyn Replicas>> {
        Err(unsupported("there are no replicas here"))
    }
}

/// Two vaults in folders of their own.
#[derive(Debug)]
pub struct Vaults {
    folder: TempDir,
    /// What a function gets.
    pub env: Env,
}

impl Default for Vaults {
    fn default() -> Self {
        Self::with("")
    }
}

impl Vaults {
    /// Makes both, with further lines in the asset's list of copies.
    pub fn with(more_copies: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let at = folder.path().display();
        let text = format!(
            "vault: file://{at}/here\nassets:\n  {ASSET}:\n    kind: postgres\n    url: env:DATABASE_URL\n    \
             export: {{ schedule: \"0 2 * * *\" }}\n    copies:\n      - vault: file://{at}/there\n{more_copies}"
        );
        let config = Arc::new(Config::parse(&text, "lastgood.yaml").unwrap());
        let mut buckets = Buckets::default();
        for name in ["here", "there"] {
            let place: Place = format!("file://{at}/{name}").parse().unwrap();
            buckets.0.insert(place.clone(), providers::open_bucket(&place).unwrap());
        }
        let env = environment(config, buckets, Arc::new(SystemClock), folder.path().join("scratch"));
        Self { folder, env }
    }

    /// The folder of the main vault.
    pub fn here(&self) -> PathBuf {
        self.folder.path().join("here")
    }

    /// The folder of the other vault.
    pub fn there(&self) -> PathBuf {
        self.folder.path().join("there")
    }

    /// The other vault.
    pub fn other(&self) -> Vault {
        let place = format!("file://{}", self.there().display()).parse().unwrap();
        Vault::new(providers::open_bucket(&place).unwrap())
    }

    /// Makes a backup of `size` plain bytes that was due at `slot`.
    pub async fn backup(&self, slot: &str, size: usize) -> Manifest {
        self.encoded(slot, size, &zstd()).await
    }

    /// Makes a backup that is stored so.
    pub async fn encoded(&self, slot: &str, size: usize, encoding: &Encoding) -> Manifest {
        backup(&self.env.vault, slot, &[(Role::Data, lifelike(size)), (Role::Globals, b"create role app;\n".to_vec())], encoding).await
    }
}

/// Makes an environment over chosen buckets; the vault is the first that the config names.
pub fn environment(config: Arc<Config>, buckets: Buckets, clock: Arc<dyn Clock>, scratch: PathBuf) -> Env {
    let vault = Vault::new(buckets.0.get(&config.vault).expect("the vault's bucket").clone());
    Env {
        vault,
        config,
        clock,
        secrets: Arc::new(providers::local::LocalSecrets),
        providers: Arc::new(buckets),
        notifiers: Vec::new(),
        monitors: Vec::new(),
        progress: Arc::new(Quiet),
        holder: "this-test".to_owned(),
        deadline: None,
        scratch,
    }
}

/// Stored with zstd, for everyone to read.
pub fn zstd() -> Encoding {
    Encoding { compression: Compression::Zstd, level: None, recipients: Arc::default(), at_once: 1 }
}

/// The asset.
pub fn asset() -> AssetName {
    ASSET.parse().unwrap()
}

/// Makes a whole backup of some pieces: artifacts, digests, manifest.
pub async fn backup(vault: &Vault, slot: &str, pieces: &[(Role, Vec<u8>)], encoding: &Encoding) -> Manifest {
    let slot = Slot(slot.parse().unwrap());
    let name = format!("{ASSET}_{}_{}", Tier::Daily.as_str(), slot.stamp());
    let suffix = encoding.compression.extension();
    let gpg = if encoding.recipients.is_empty() { "" } else { ".gpg" };
    let mut artifacts: Vec<Artifact> = Vec::new();
    for (role, bytes) in pieces {
        let ending = match role {
            Role::Data => ".dump".to_owned(),
            Role::Globals => ".globals.sql".to_owned(),
            other => format!(".{}", hex::encode(serde_json::to_vec(other).unwrap())),
        };
        let key = Key::Artifact(asset(), format!("{name}{ending}{suffix}{gpg}")).to_string();
        let source: ByteStream = Box::pin(std::io::Cursor::new(bytes.clone()));
        artifacts.push(stream::store(vault.bucket().as_ref(), &key, role.clone(), source, encoding, None, &Quiet).await.unwrap());
    }
    let main = artifacts[0].key.strip_prefix(&Key::exports(&asset())).unwrap().to_owned();
    let digests = Key::Digests(asset(), main).to_string();
    vault.bucket().put(&digests, stream::digests(&artifacts), If::Absent).await.unwrap();
    let at: Timestamp = slot.0;
    let manifest = Manifest {
        id: BackupId::derive("export-to-bucket", &asset(), &slot),
        asset: asset(),
        method: Method::PgDumpCustom,
        tier: Tier::Daily,
        slot,
        data_time: at,
        started_at: at,
        finished_at: at,
        source: lastgood_core::domain::backup::Origin::default(),
        artifacts,
        held: None,
        expectations: lastgood_core::domain::backup::Expectations::default(),
        tools: BTreeMap::new(),
    };
    vault.create(&Key::Manifest(asset(), manifest.id), &manifest).await.unwrap();
    manifest
}

/// Text-like bytes that compress about as a dump does, the same every time.
pub fn lifelike(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut text = Vec::with_capacity(size + 64);
    while text.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.extend_from_slice(format!("{}\tstory number {}\t{state:x}\n", state % 100_000, state % 977).as_bytes());
    }
    text.truncate(size);
    text
}
