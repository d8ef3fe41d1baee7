//! What a backup was, after retention let it go. Written first: from then on the backup is no backup any more, and any
//! later prune can finish what a killed one began.

use super::{Key, Record, Vault};
use crate::{
    clock::Timestamp,
    domain::{
        backup::{Form, Manifest, Method},
        held::SnapshotName,
        place::Place,
    },
    error::{Result, retry},
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};

/// A backup that was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The backup.
    pub backup: BackupId,
    /// The asset it was a backup of.
    pub asset: AssetName,
    /// Its form.
    pub form: Form,
    /// How it was made.
    pub method: Method,
    /// The moment whose data it held.
    pub data_time: Timestamp,
    /// The bytes that the vault held for it.
    pub stored_bytes: u64,
    /// When it was let go.
    pub let_go_at: Timestamp,
    /// Why it could be let go.
    pub why: String,
    /// The hash of the plan that let it go.
    pub plan: String,
    /// The stored objects that its manifest named: exactly these are deleted, with their sidecars.
    pub objects: Vec<String>,
    /// The provider's snapshot that was its body, and the place that held it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<(Place, SnapshotName)>,
    /// The other places that had a copy of it.
    pub places: Vec<Place>,
    /// Whether all of it is gone.
    pub leaving: Leaving,
}

/// Whether all of a backup is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaving {
    /// Nothing of it is left.
    Gone,
    /// Some of it may still lie somewhere; the next prune goes on.
    Begun,
}

impl Record for Tombstone {
    const NAME: &'static str = "tombstone";
}

impl Tombstone {
    /// Begins to let a backup go.
    pub fn of(backup: &Manifest, places: Vec<Place>, why: &str, plan: &str, now: Timestamp) -> Self {
        Self {
            backup: backup.id,
            asset: backup.asset.clone(),
            form: backup.form(),
            method: backup.method,
            data_time: backup.data_time,
            stored_bytes: backup.stored_bytes(),
            let_go_at: now,
            why: why.to_owned(),
            plan: plan.to_owned(),
            objects: backup.artifacts.iter().map(|artifact| artifact.key.clone()).collect(),
            held: backup.held.as_ref().map(|held| (held.place.clone(), held.name.clone())),
            places,
            leaving: Leaving::Begun,
        }
    }
}

impl Vault {
    /// Whether retention has let a backup go. Whoever is about to use one first notes the use (a run that names the backup),
    /// then asks this; a prune first writes the tombstone, then looks for uses. So one of the two always sees the other.
    pub async fn is_let_go(&self, asset: &AssetName, id: BackupId) -> Result<bool> {
        Ok(self.bucket().head(&Key::Tombstone(asset.clone(), id).to_string()).await?.is_some())
    }

    /// Makes sure that a backup is not being let go, for whoever has noted that it uses it.
    pub async fn confirm_kept(&self, asset: &AssetName, id: BackupId) -> Result<()> {
        if self.is_let_go(asset, id).await? {
            return Err(retry(format!("retention is letting backup {id} go in this very moment"))
                .hint("run it again: another backup will be chosen"));
        }
        Ok(())
    }
}
