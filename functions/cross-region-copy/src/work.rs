//! Copies one backup to one place, and proves it: artifacts, then the manifest, then the proofs, the vault's own last.

use crate::CrossRegionCopy;
use futures::{StreamExt, TryStreamExt, stream};
use lastgood_core::{
    catalog::{Checked, Copied, Copy, Copying, Key, Vault, Verification, lease::Lease, verify_backup},
    clock::{Timestamp, since},
    domain::{
        archive::{Readiness, StorageClass},
        backup::{Artifact, Manifest},
        damage::Damage,
    },
    env::{Env, Gauge},
    error::{During, Error, Kind, Result, conflict, corrupt, failed, out_of_time},
    function::Function,
    ports::{Bucket, If, ObjectMeta},
    stream::{Relayed, relay},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Mutex, Semaphore};

/// How much may be on its way at once, in pieces of 8 MiB: one large artifact, or several small ones.
const WEIGHTS: u32 = 8;
const WEIGHT: u64 = 8 << 20;
/// Artifacts that are looked after at once.
const AT_ONCE: usize = 16;
/// How often the checkpoint is saved while the work goes on.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// Why a backup was not copied.
#[derive(Debug)]
pub enum Refusal {
    /// The vault's own bytes are damaged; the backup is marked so.
    SourceDamaged(Error),
    /// Anything else.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// One backup on its way to one place.
pub struct Work<'a> {
    env: &'a Env,
    to: &'a Vault,
    /// The class of storage that the artifacts are to have there.
    class: Option<StorageClass>,
    /// Where the artifacts go: the place itself, or the same in that class.
    bytes: Arc<dyn Bucket>,
    backup: &'a Manifest,
    lease: &'a Lease,
    progress: Mutex<(Copying, Timestamp)>,
    slots: Semaphore,
}

impl<'a> Work<'a> {
    /// Takes the work up where an earlier invocation put it down.
    pub async fn resume(
        env: &'a Env,
        (to, class): (&'a Vault, Option<StorageClass>),
        backup: &'a Manifest,
        lease: &'a Lease,
    ) -> Result<Self> {
        let begun = env.vault.load::<Copying>(&Self::checkpoint(backup, to)).await;
        let progress = match begun {
            Ok(Some(stored)) => stored.record,
            Ok(None) => Copying { backup: backup.id, place: to.place().clone(), artifacts: Vec::new() },
            // A checkpoint that cannot be read costs reading again, nothing else.
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported) => {
                Copying { backup: backup.id, place: to.place().clone(), artifacts: Vec::new() }
            }
            Err(error) => return Err(error),
        };
        let progress = Mutex::new((progress, env.clock.now()));
        let bytes = class.and_then(|class| to.bucket().of_class(class)).unwrap_or_else(|| to.bucket().clone());
        Ok(Self { env, to, class, bytes, backup, lease, progress, slots: Semaphore::new(WEIGHTS as usize) })
    }

    fn checkpoint(backup: &Manifest, to: &Vault) -> Key {
        Key::Copying(backup.asset.clone(), backup.id, to.place().clone())
    }

    /// Copies every artifact and proves the backup there. Returns the bytes that were moved or read again.
    pub async fn run(&self) -> Result<u64, Refusal> {
        let Self { env, to, backup, .. } = self;
        let what = format!("copying {} {} to {}", backup.asset, backup.id, to.place());
        let gauge = env.progress.begin(&what, Some(backup.stored_bytes()));
        let mut bytes = 0;
        let mut harm: Option<Harm> = None;
        let work: Vec<_> = backup.artifacts.iter().map(|artifact| self.artifact(artifact, gauge.as_ref())).collect();
        let mut all = stream::iter(work).buffer_unordered(AT_ONCE);
        let mut ended = Ok(());
        while let Some(done) = all.next().await {
            match done {
                Ok(Done::There(moved)) => bytes += moved,
                Ok(Done::Harmed(found)) => {
                    harm = Some(found);
                    break;
                }
                Err(error) => {
                    ended = Err(error);
                    break;
                }
            }
        }
        drop(all);
        if let Err(error) = ended {
            self.save_progress().await?;
            return Err(error.into());
        }
        match harm {
            None => {}
            Some(Harm::Source(damage)) => {
                verify_backup(env, &env.vault, backup).await?;
                return Err(Refusal::SourceDamaged(damage.into()));
            }
            Some(Harm::Taken(damage)) => {
                let error = conflict(format!("{} holds other bytes under this name: {damage}", to.place()));
                let hint = "find out who wrote it; if it is a damaged copy, remove that object and copy again";
                return Err(error.hint(hint).into());
            }
        }
        self.lay_down().await?;
        self.prove().await?;
        Ok(bytes)
    }

    async fn artifact(&self, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Done> {
        let weight = u32::try_from(artifact.size.div_ceil(WEIGHT)).unwrap_or(WEIGHTS).clamp(1, WEIGHTS);
        let _slot = self.slots.acquire_many(weight).await.map_err(|error| failed("waiting for a slot").because(error))?;
        let (from, to) = (self.env.vault.bucket().as_ref(), self.bytes.as_ref());
        if self.is_checked(artifact).await? {
            gauge.add(artifact.size);
            return Ok(Done::There(0));
        }
        let relayed = within_time(self.env, &artifact.key, relay(from, to, artifact, gauge)).await?;
        match relayed {
            Relayed::AlreadyThere | Relayed::Copied => {
                let meta =
                    to.head(&artifact.key).await?.ok_or_else(|| corrupt(format!("{} vanished while it was copied", artifact.key)))?;
                self.note(artifact, meta).await?;
                Ok(Done::There(artifact.size))
            }
            Relayed::SourceDamaged(damage) => Ok(Done::Harmed(Harm::Source(damage))),
            Relayed::Taken(damage) => Ok(Done::Harmed(Harm::Taken(damage))),
        }
    }

    /// Whether an artifact was read again there by an earlier invocation, and is in the same state still.
    async fn is_checked(&self, artifact: &Artifact) -> Result<bool> {
        let copied = Copied::from(artifact);
        let version = {
            let progress = self.progress.lock().await;
            let found = progress.0.artifacts.iter().find(|checked| checked.copied == copied);
            let Some(checked) = found else { return Ok(false) };
            checked.version.clone()
        };
        let Some(seen) = self.to.bucket().head(&artifact.key).await? else { return Ok(false) };
        if version.is_empty() || seen.size != artifact.size {
            return Ok(false);
        }
        // What was moved to an archive since cannot be read again, and its move may have changed its state: it was moved on the
        // condition that it was what had been read.
        let archived = async || Ok::<_, Error>(self.to.bucket().readiness(&artifact.key).await? != Some(Readiness::Now));
        Ok(seen.version.0 == version || (self.class.is_some_and(StorageClass::is_archive) && archived().await?))
    }

    async fn note(&self, artifact: &Artifact, meta: ObjectMeta) -> Result<()> {
        let mut progress = self.progress.lock().await;
        progress.0.artifacts.retain(|checked| checked.copied.key != artifact.key);
        progress.0.artifacts.push(Checked { copied: artifact.into(), version: meta.version.0 });
        let now = self.env.clock.now();
        if since(now, progress.1) >= CHECKPOINT {
            self.env.vault.save(&Self::checkpoint(self.backup, self.to), &progress.0).await?;
            progress.1 = now;
        }
        Ok(())
    }

    /// Moves every artifact to the class that the policy names, where it does not lie there from the first: what lies in an
    /// archive could not have been read back. What was read is noted before.
    async fn lay_down(&self) -> Result<()> {
        let Some(class) = self.class.filter(|class| self.to.bucket().of_class(*class).is_none()) else { return Ok(()) };
        self.save_progress().await?;
        let moves = self.backup.artifacts.iter().map(|artifact| async move {
            let moved = within_time(self.env, &artifact.key, self.to.bucket().reclass(&artifact.key, class)).await;
            moved.during(format!("moving {} to {class}", artifact.key))
        });
        stream::iter(moves.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await.map(|_| ())
    }

    async fn save_progress(&self) -> Result<()> {
        let progress = self.progress.lock().await;
        if progress.0.artifacts.is_empty() {
            return Ok(());
        }
        self.env.vault.save(&Self::checkpoint(self.backup, self.to), &progress.0).await
    }

    /// Makes the copy stand alone, then records it: at the place first, in the vault last.
    async fn prove(&self) -> Result<()> {
        let Self { env, to, backup, lease, .. } = self;
        let (asset, id, place) = (backup.asset.clone(), backup.id, to.place().clone());
        self.copy_digests().await?;
        let manifest = Key::Manifest(asset.clone(), id);
        match to.create(&manifest, *backup).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Conflict => {
                if to.load::<Manifest>(&manifest).await?.is_none_or(|there| there.record != **backup) {
                    return Err(conflict(format!("{place} holds another manifest as {manifest}"))
                        .hint("two vaults share this place: give each a prefix of its own"));
                }
            }
            Err(error) => return Err(error),
        }
        let now = env.clock.now();
        let seen = Verification { backup: id, asset: asset.clone(), verified_at: now, bytes: backup.stored_bytes(), damage: Vec::new() };
        to.save(&Key::Verification(asset.clone(), id), &seen).await?;
        let artifacts = backup.artifacts.iter().map(Copied::from).collect();
        let proof = Copy { backup: id, asset: asset.clone(), place: place.clone(), proven_at: now, artifacts, held: None };
        let key = Key::Copy(asset, id, place);
        to.save(&key, &proof).await?;
        lease.confirm().await?;
        env.vault.save(&key, &proof).await?;
        env.vault.bucket().delete(&Self::checkpoint(backup, to).to_string()).await
    }

    /// Copies the file that `sha256sum -c` reads, where there is one.
    async fn copy_digests(&self) -> Result<()> {
        let folder = Key::exports(&self.backup.asset);
        let Some(name) = self.backup.main().and_then(|main| main.key.strip_prefix(&folder)) else { return Ok(()) };
        let key = Key::Digests(self.backup.asset.clone(), name.to_owned()).to_string();
        let Some((bytes, _)) = self.env.vault.bucket().get(&key, lastgood_core::catalog::RECORD_LIMIT).await? else { return Ok(()) };
        match self.to.bucket().put(&key, bytes, If::Absent).await {
            Err(error) if error.kind() != Kind::Conflict => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

enum Done {
    There(u64),
    Harmed(Harm),
}

enum Harm {
    Source(Damage),
    Taken(Damage),
}

/// Does a piece of work if the invocation's time allows it; what is cut off leaves nothing visible.
async fn within_time<T>(env: &Env, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(deadline) = env.deadline else { return work.await };
    let ended = || {
        out_of_time(format!("this invocation's time ended while copying {what}"))
            .hint(format!("the next wake-up goes on; if it never gets past this object, give {} more time", CrossRegionCopy::NAME))
    };
    let left = since(deadline, env.clock.now());
    if left.is_zero() {
        return Err(ended());
    }
    tokio::select! {
        biased;
        done = work => done,
        () = env.clock.sleep(left) => Err(ended()),
    }
}
