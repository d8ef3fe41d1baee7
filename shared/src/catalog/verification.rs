//! What the last reading-back of a backup found.

use super::{Key, Record, Vault};
use crate::{
    clock::Timestamp,
    domain::{backup::Manifest, damage::Damage},
    env::Env,
    error::Result,
    id::{AssetName, BackupId},
    observe, stream,
};
use serde::{Deserialize, Serialize};

/// What the last reading-back of every stored byte of a backup found. It is an observation: a later one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The backup.
    pub backup: BackupId,
    /// The asset it is a backup of.
    pub asset: AssetName,
    /// When the last byte had been read.
    pub verified_at: Timestamp,
    /// The bytes that were read and are as recorded.
    pub bytes: u64,
    /// What is wrong with it: nothing when it is sound.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
}

impl Record for Verification {
    const NAME: &'static str = "verification";
}

impl Verification {
    /// Whether every stored byte was there and as recorded.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads back every stored byte of a backup and records what was found; of one that its provider holds, it asks the provider
/// instead, for no byte of that can be read. An error means that it could not be found out:
/// an earlier record then stands as it was.
pub async fn verify_backup(env: &Env, vault: &Vault, backup: &Manifest) -> Result<Verification> {
    let gauge = env.progress.begin(&format!("verifying {} {}", backup.asset, backup.id), Some(backup.stored_bytes()));
    let (mut damage, mut bytes) = (Vec::new(), 0);
    if let Some(held) = &backup.held {
        let why = observe::contradiction(env, env.config.asset(&backup.asset)?, held).await?;
        damage.extend(why.map(|why| Damage::Held { object: held.name.to_string(), why }));
    }
    for artifact in &backup.artifacts {
        match stream::inspect(vault.bucket().as_ref(), artifact, gauge.as_ref()).await? {
            None => bytes += artifact.size,
            Some(found) => damage.push(found),
        }
    }
    let found = Verification { backup: backup.id, asset: backup.asset.clone(), verified_at: env.clock.now(), bytes, damage };
    vault.save(&Key::Verification(backup.asset.clone(), backup.id), &found).await?;
    Ok(found)
}
