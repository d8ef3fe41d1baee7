//! The catalog: what the vault remembers. Records are JSON a person can read, versioned and sealed; a manifest is
//! created once and never changed, a run is saved with compare-and-swap.

pub mod evidence;
mod extract;
mod glance;
mod heartbeat;
mod key;
pub mod lease;
mod opened;
mod plan;
mod proof;
mod recall;
mod record;
mod roster;
mod status;
mod told;
mod tombstone;
mod touch;
mod uses;
mod verification;

pub use extract::Extract;
pub use glance::Glance;
pub use heartbeat::{Heartbeat, Waker};
pub use key::Key;
pub use opened::Opened;
pub use plan::{PlanRecord, PlanState};
pub use proof::{Checked, Copied, Copy, Copying};
pub use recall::Recall;
pub use record::{Record, decode, encode};
pub use roster::{Enrolment, Roster};
pub use status::{Overall, Status};
pub use told::acks;
pub use tombstone::{Leaving, Tombstone};
pub use touch::{SETTLES, touches};
pub use uses::in_use;
pub use verification::{Verification, verify_backup};

use crate::{
    domain::{backup::Manifest, place::Place},
    error::{Error, Kind, Result},
    id::{AssetName, BackupId},
    ports::{Bucket, If, Version},
};
use bytes::Bytes;
use std::sync::Arc;

/// The most bytes that a record may have: what is larger is no record of ours.
pub const RECORD_LIMIT: u64 = 32 << 20;

/// A place with backups and the records of them.
#[derive(Debug, Clone)]
pub struct Vault {
    bucket: Arc<dyn Bucket>,
}

/// A record with the state in which it was read.
#[derive(Debug, Clone)]
pub struct Stored<R> {
    /// The record.
    pub record: R,
    /// Its state, for [`Vault::save_if`].
    pub version: Version,
}

/// What a listing of records found. What cannot be read is named, not skipped in silence.
#[derive(Debug)]
pub struct Found<R> {
    /// The records, newest first.
    pub good: Vec<R>,
    /// The keys that hold no readable record, and why.
    pub unreadable: Vec<(String, Error)>,
}

impl Vault {
    /// Keeps records and artifacts in `bucket`.
    pub fn new(bucket: Arc<dyn Bucket>) -> Self {
        Self { bucket }
    }

    /// The bucket behind it.
    pub fn bucket(&self) -> &Arc<dyn Bucket> {
        &self.bucket
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        self.bucket.place()
    }

    /// Creates a record under a free key. A lost race is `Kind::Conflict`.
    pub async fn create<R: Record>(&self, key: &Key, record: &R) -> Result<Version> {
        self.bucket.put(&key.to_string(), encode(record)?, If::Absent).await
    }

    /// Saves a record over the state it was read in. A lost race is `Kind::Conflict`.
    pub async fn save_if<R: Record>(&self, key: &Key, record: &R, version: &Version) -> Result<Version> {
        self.bucket.put(&key.to_string(), encode(record)?, If::Is(version.clone())).await
    }

    /// Saves a record whatever stands there; the last writer wins. For heartbeats and other observations.
    pub async fn save<R: Record>(&self, key: &Key, record: &R) -> Result<()> {
        self.publish(key, encode(record)?).await
    }

    /// Puts bytes under a key whatever stands there; the last writer wins. For pages that people open.
    pub async fn publish(&self, key: &Key, bytes: Bytes) -> Result<()> {
        for _ in 0..8 {
            let condition = match self.bucket.head(&key.to_string()).await? {
                Some(meta) => If::Is(meta.version),
                None => If::Absent,
            };
            match self.bucket.put(&key.to_string(), bytes.clone(), condition).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                done => return done.map(|_| ()),
            }
        }
        Err(crate::error::retry(format!("{key} is being rewritten without pause")))
    }

    /// Changes a record that others may be changing: what they saved in between is read again. Returns it as it is saved.
    pub async fn revise<R: Record + Default>(&self, key: &Key, change: impl Fn(&mut R)) -> Result<R> {
        for _ in 0..8 {
            let (mut record, condition) = match self.load::<R>(key).await {
                Ok(Some(stored)) => (stored.record, If::Is(stored.version)),
                Ok(None) => (R::default(), If::Absent),
                // What nobody can read is replaced: whoever keeps more than observations in such a record must not revise it.
                Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => {
                    let found = self.bucket.head(&key.to_string()).await?;
                    (R::default(), found.map_or(If::Absent, |meta| If::Is(meta.version)))
                }
                Err(error) => return Err(error),
            };
            change(&mut record);
            match self.bucket.put(&key.to_string(), encode(&record)?, condition).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                done => return done.map(|_| record),
            }
        }
        Err(crate::error::retry(format!("{key} is being rewritten without pause")))
    }

    /// Returns a record, or none where there is none.
    pub async fn load<R: Record>(&self, key: &Key) -> Result<Option<Stored<R>>> {
        let path = key.to_string();
        let Some((bytes, version)) = self.bucket.get(&path, RECORD_LIMIT).await? else { return Ok(None) };
        let record = decode(&bytes).map_err(|error| error.during(path))?;
        Ok(Some(Stored { record, version }))
    }

    /// The same for callers that name the key themselves.
    pub(crate) async fn load_at<R: Record>(&self, path: &str) -> Result<Option<Stored<R>>> {
        let Some((bytes, version)) = self.bucket.get(path, RECORD_LIMIT).await? else { return Ok(None) };
        let record = decode(&bytes)?;
        Ok(Some(Stored { record, version }))
    }

    /// Returns every record below a folder, newest (by name) first.
    pub async fn all<R: Record>(&self, folder: &str) -> Result<Found<R>> {
        let Found { good, unreadable } = self.all_named(folder).await?;
        Ok(Found { good: good.into_iter().map(|(_, record)| record).collect(), unreadable })
    }

    /// Returns the records below a folder from a key on, newest (by name) first.
    pub async fn since<R: Record>(&self, folder: &str, from: &str) -> Result<Found<R>> {
        let Found { good, unreadable } = self.named_from(folder, from).await?;
        Ok(Found { good: good.into_iter().map(|(_, record)| record).collect(), unreadable })
    }

    /// Returns every record below a folder with the key that it stands under.
    async fn all_named<R: Record>(&self, folder: &str) -> Result<Found<(String, R)>> {
        self.named_from(folder, "").await
    }

    async fn named_from<R: Record>(&self, folder: &str, from: &str) -> Result<Found<(String, R)>> {
        use futures::{StreamExt, stream};
        let mut keys = self.bucket.list_all(folder).await?;
        keys.retain(|meta| meta.key.as_str() >= from);
        keys.retain(|meta| meta.key.ends_with(".json"));
        keys.reverse();
        let loaded = stream::iter(keys.into_iter().map(|meta| async move { (self.load_at::<R>(&meta.key).await, meta.key) }))
            .buffered(16)
            .collect::<Vec<_>>()
            .await;
        let mut found = Found { good: Vec::new(), unreadable: Vec::new() };
        for (result, path) in loaded {
            match result {
                Ok(Some(stored)) => found.good.push((path, stored.record)),
                Ok(None) => {}
                Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported | Kind::Invalid) => {
                    found.unreadable.push((path, error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Returns the backups of an asset, newest first. A manifest under another backup's key, or of another asset, is
    /// unreadable: never guessed.
    pub async fn backups(&self, asset: &AssetName) -> Result<Found<Manifest>> {
        let Found { good, mut unreadable } = self.all_named::<Manifest>(&Key::manifests(asset)).await?;
        let (good, strays): (Vec<_>, Vec<_>) = good.into_iter().partition(|(path, manifest)| stands_at_its_place(path, manifest));
        unreadable.extend(strays.into_iter().map(|(path, manifest)| (path, astray(&manifest))));
        Ok(Found { good: good.into_iter().map(|(_, manifest)| manifest).collect(), unreadable })
    }

    /// Returns one backup's manifest.
    pub async fn backup(&self, asset: &AssetName, id: BackupId) -> Result<Option<Manifest>> {
        let key = Key::Manifest(asset.clone(), id);
        match self.load::<Manifest>(&key).await? {
            Some(stored) if !stands_at_its_place(&key.to_string(), &stored.record) => Err(astray(&stored.record).during(key)),
            found => Ok(found.map(|stored| stored.record)),
        }
    }
}

/// Whether a manifest stands under the key of the backup that it describes: a copied or renamed one does not.
fn stands_at_its_place(path: &str, manifest: &Manifest) -> bool {
    Key::Manifest(manifest.asset.clone(), manifest.id).to_string() == path
}

fn astray(manifest: &Manifest) -> Error {
    crate::error::corrupt(format!("the manifest is that of backup {} of {}", manifest.id, manifest.asset))
}
