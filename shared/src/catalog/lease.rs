//! Who works on what: a run is held by one invocation at a time, under a lease that it renews.
//!
//! The loser of a race leaves quietly. A killed holder's lease runs out and the next invocation takes over, clears what
//! was left behind and begins again; a holder that was only slow finds its lease lost before it can record anything.

use super::{Key, Stored, Vault};
use crate::{
    clock::{Clock, after},
    domain::{
        due::Schedule,
        run::{Claim, Run, RunState},
    },
    env::Env,
    error::{Error, Kind, Result, busy, retry},
    id::{AssetName, BackupId, Slot},
    ports::Version,
};
use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::Mutex, task::JoinHandle};
use tokio_util::task::TaskTracker;

/// How long a lease lasts without being renewed: how long a killed run blocks its own slot.
pub const LEASE: Duration = Duration::from_mins(1);
const RENEW: Duration = Duration::from_secs(20);
/// How long a run that was broken off stays ours: work on a disk that had begun may still be ending.
const SETTLING: Duration = Duration::from_secs(2);
/// How far back a sweep looks for runs that were never ended.
const SWEEP_BACK: Duration = Duration::from_hours(14 * 24);

/// What exists once a run is finished: `Key::Manifest`, `Key::Drill`.
pub type Proof = fn(AssetName, BackupId) -> Key;

/// What became of an attempt to take up a run.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours.
    Lease(Lease),
    /// Another invocation holds it.
    Held {
        /// Until when, unless it renews.
        until: crate::clock::Timestamp,
    },
    /// It is done.
    Done(Box<Run>),
}

/// A run that this invocation holds.
#[derive(Debug)]
pub struct Lease {
    vault: Vault,
    key: Key,
    clock: Arc<dyn Clock>,
    held: Arc<Mutex<Stored<Run>>>,
    renewer: JoinHandle<()>,
    proof: Option<Proof>,
    recording: AtomicBool,
    ended: bool,
}

/// Runs of this process that were broken off and are being handed back.
static BROKEN_OFF: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Returns once every run of this process that was broken off is handed back, so that the next invocation need not wait
/// for its lease to run out. The last thing that a process does which was asked to end.
pub async fn handed_back() {
    BROKEN_OFF.close();
    // A vault that does not answer must not keep the process: its lease runs out by itself.
    let _ = tokio::time::timeout(Duration::from_secs(3), BROKEN_OFF.wait()).await;
}

/// How a failed attempt was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// What it left was cleared; the schedule is the retry.
    Failed,
    /// Its proof exists after all: only a reply was lost.
    Done,
    /// Its proof may still appear, so nothing was cleared: whoever comes after the lease has run out will know.
    Unsettled,
}

/// Takes up the run of a function for an asset in a slot, if nobody else holds it and it is not done. Whatever an earlier
/// attempt left behind without its proof is cleared first.
pub async fn claim(env: &Env, function: &str, asset: &AssetName, slot: Slot, proof: Option<Proof>) -> Result<Claimed> {
    let key = Key::Run(asset.clone(), function.to_owned(), slot);
    for _ in 0..5 {
        let now = env.clock.now();
        let working = RunState::Working { holder: env.holder.clone(), since: now, lease_until: after(now, LEASE) };
        let taken = match env.vault.load::<Run>(&key).await? {
            None => {
                let run = Run {
                    function: function.to_owned(),
                    asset: asset.clone(),
                    slot,
                    id: BackupId::derive(function, asset, &slot),
                    attempt: 1,
                    state: working,
                    leftovers: Vec::new(),
                    snapshot: None,
                    drill: None,
                };
                env.vault.create(&key, &run).await.map(|version| Stored { record: run, version })
            }
            Some(Stored { record: mut run, version }) => match run.claim(now) {
                Claim::AlreadyDone => return Ok(Claimed::Done(Box::new(run))),
                Claim::Held { until } => return Ok(Claimed::Held { until }),
                Claim::Take => {
                    run.attempt += 1;
                    run.state = working;
                    env.vault.save_if(&key, &run, &version).await.map(|version| Stored { record: run, version })
                }
            },
        };
        match taken {
            Ok(stored) => {
                let lease = Lease::begin(env, key, stored, proof);
                if proof_exists(&env.vault, &lease.run().await, proof).await? {
                    let run = lease.run().await;
                    lease.done().await?;
                    return Ok(Claimed::Done(Box::new(run)));
                }
                lease.clear_leftovers().await?;
                return Ok(Claimed::Lease(lease));
            }
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(retry(format!("{key} changes hands without pause")))
}

/// Returns the slot of a schedule that is open for this function and asset, or none when its run is done.
pub async fn open_slot(env: &Env, function: &str, asset: &AssetName, schedule: &Schedule) -> Result<Option<Slot>> {
    open_slot_in(env, &env.vault, function, asset, schedule).await
}

/// The same, as the asset's records show it.
pub async fn open_slot_in(env: &Env, records: &Vault, function: &str, asset: &AssetName, schedule: &Schedule) -> Result<Option<Slot>> {
    let Some(slot) = schedule.last(env.clock.now()).map(Slot::at) else { return Ok(None) };
    let run = records.load::<Run>(&Key::Run(asset.clone(), function.to_owned(), slot)).await?;
    Ok(run.is_none_or(|stored| stored.record.claim(env.clock.now()) != Claim::AlreadyDone).then_some(slot))
}

/// Returns until when a run that keeps failing is left alone by whatever wakes a function; none when it may be taken up.
pub async fn resting(env: &Env, records: &Vault, function: &str, asset: &AssetName, slot: Slot) -> Result<Option<crate::clock::Timestamp>> {
    let run = records.load::<Run>(&Key::Run(asset.clone(), function.to_owned(), slot)).await?;
    Ok(run.and_then(|stored| stored.record.rests_until()).filter(|until| *until > env.clock.now()))
}

/// Ends the runs of this function and asset whose holder is gone: marks them done where their proof exists, else failed,
/// and clears what they left behind. Returns how many it ended.
pub async fn sweep(env: &Env, function: &str, asset: &AssetName, proof: Option<Proof>) -> Result<usize> {
    sweep_in(env, &env.vault, function, asset, proof).await
}

/// The same, of the runs that the asset's records show.
pub async fn sweep_in(env: &Env, records: &Vault, function: &str, asset: &AssetName, proof: Option<Proof>) -> Result<usize> {
    let now = env.clock.now();
    let folder = Key::runs(asset, function);
    let from = Key::Run(asset.clone(), function.to_owned(), Slot::at(crate::clock::before(now, SWEEP_BACK))).to_string();
    let (mut after_key, mut ended) = (Some(from), 0);
    while let Some(start) = after_key {
        let page = records.bucket().list(&folder, Some(&start)).await?;
        for meta in page.objects {
            let Ok(Some(Stored { record: run, version })) = records.load_at::<Run>(&meta.key).await else { continue };
            let abandoned = match &run.state {
                RunState::Working { lease_until, .. } => *lease_until <= now,
                RunState::Failed { .. } => !run.leftovers.is_empty(),
                RunState::Waiting { .. } | RunState::Done { .. } => false,
            };
            if !abandoned {
                continue;
            }
            let key = Key::Run(run.asset.clone(), run.function.clone(), run.slot);
            let finished = proof_exists(&env.vault, &run, proof).await?;
            let mut over = run;
            if !finished {
                remove(&env.vault, &over.leftovers).await?;
            }
            over.leftovers.clear();
            over.state = if finished {
                RunState::Done { at: now }
            } else if let Some(begun) = &over.snapshot {
                RunState::Waiting { reason: format!("snapshot {} was begun", begun.name) }
            } else {
                RunState::Failed { at: now, reason: "the invocation that worked on it was killed".to_owned() }
            };
            match env.vault.save_if(&key, &over, &version).await {
                Ok(_) => ended += 1,
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        after_key = page.next;
    }
    Ok(ended)
}

/// Returns the slots of this function and asset whose run waits for a provider's snapshot that it began, oldest first.
pub async fn begun(env: &Env, records: &Vault, function: &str, asset: &AssetName) -> Result<Vec<Slot>> {
    let from = Key::Run(asset.clone(), function.to_owned(), Slot::at(crate::clock::before(env.clock.now(), SWEEP_BACK))).to_string();
    let mut runs = records.since::<Run>(&Key::runs(asset, function), &from).await?.good;
    runs.retain(|run| matches!(run.state, RunState::Waiting { .. }) && run.snapshot.is_some());
    Ok(runs.iter().rev().map(|run| run.slot).collect())
}

async fn proof_exists(vault: &Vault, run: &Run, proof: Option<Proof>) -> Result<bool> {
    match proof {
        Some(proof) => Ok(vault.bucket().head(&proof(run.asset.clone(), run.id).to_string()).await?.is_some()),
        None => Ok(false),
    }
}

async fn remove(vault: &Vault, keys: &[String]) -> Result<()> {
    for key in keys {
        if key.ends_with('/') {
            for object in vault.bucket().list_all(key).await? {
                vault.bucket().delete(&object.key).await?;
            }
        } else {
            vault.bucket().delete(key).await?;
        }
    }
    Ok(())
}

impl Lease {
    fn begin(env: &Env, key: Key, stored: Stored<Run>, proof: Option<Proof>) -> Self {
        let held = Arc::new(Mutex::new(stored));
        let (vault, clock) = (env.vault.clone(), env.clock.clone());
        let renewer = tokio::spawn({
            let (vault, clock, key, held) = (vault.clone(), clock.clone(), key.clone(), held.clone());
            async move {
                loop {
                    tokio::time::sleep(RENEW).await;
                    // A failed renewal is not the end: `confirm` decides before anything is recorded.
                    let _ = renew(&vault, &*clock, &key, &mut *held.lock().await).await;
                }
            }
        });
        Self { vault, key, clock, held, renewer, proof, recording: AtomicBool::new(false), ended: false }
    }

    /// The run as it stands.
    pub async fn run(&self) -> Run {
        self.held.lock().await.record.clone()
    }

    /// Notes keys that this attempt is about to write, before it writes them, so that whoever follows can clear them. One
    /// that ends in a slash stands for everything below it.
    pub async fn note(&self, keys: impl IntoIterator<Item = String>) -> Result<()> {
        let mut held = self.held.lock().await;
        held.record.leftovers.extend(keys);
        renew(&self.vault, &*self.clock, &self.key, &mut held).await
    }

    /// Makes sure that the run is still ours: the last thing before a record that counts is written.
    pub async fn confirm(&self) -> Result<()> {
        renew(&self.vault, &*self.clock, &self.key, &mut *self.held.lock().await).await
    }

    /// Saves a change of the run, if it is still ours: before whatever costs, and at every transition.
    pub async fn change(&self, change: impl FnOnce(&mut Run)) -> Result<()> {
        let mut held = self.held.lock().await;
        change(&mut held.record);
        renew(&self.vault, &*self.clock, &self.key, &mut held).await
    }

    /// Makes sure that the run is still ours, the last thing before its proof is written. From here on a failure may mean
    /// that only the reply was lost, and what the proof names is not cleared on a guess.
    pub async fn begin_recording(&self) -> Result<()> {
        self.confirm().await?;
        self.recording.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes what an attempt left behind, if the run is still ours: another attempt's objects bear the same names.
    pub async fn clear_leftovers(&self) -> Result<()> {
        let mut held = self.held.lock().await;
        if held.record.leftovers.is_empty() {
            return Ok(());
        }
        renew(&self.vault, &*self.clock, &self.key, &mut held).await?;
        remove(&self.vault, &held.record.leftovers).await?;
        held.record.leftovers.clear();
        renew(&self.vault, &*self.clock, &self.key, &mut held).await
    }

    /// Ends the run well: its proof exists.
    pub async fn done(self) -> Result<()> {
        let at = self.clock.now();
        self.end(|run| {
            run.leftovers.clear();
            run.state = RunState::Done { at };
        })
        .await
    }

    /// Ends the attempt badly: clears what it left and notes why. The schedule is the retry.
    pub async fn fail(self, error: &Error) -> Result<Closed> {
        if self.recording.load(Ordering::Relaxed) {
            if !proof_exists(&self.vault, &self.run().await, self.proof).await? {
                return Ok(Closed::Unsettled);
            }
            self.done().await?;
            return Ok(Closed::Done);
        }
        let (at, reason) = (self.clock.now(), error.full());
        self.clear_leftovers().await?;
        self.end(|run| run.state = RunState::Failed { at, reason }).await?;
        Ok(Closed::Failed)
    }

    /// Puts the run down so that any invocation may take it up where it stands.
    pub async fn put_down(self, reason: &str) -> Result<()> {
        self.end(|run| run.state = RunState::Waiting { reason: reason.to_owned() }).await
    }

    async fn end(mut self, change: impl FnOnce(&mut Run)) -> Result<()> {
        self.ended = true;
        self.renewer.abort();
        let mut held = self.held.lock().await;
        change(&mut held.record);
        let saved = self.vault.save_if(&self.key, &held.record, &held.version).await;
        saved.map(|_| ()).map_err(lost)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewer.abort();
        // A run that was recording is not handed back: its proof may still appear, and nobody may clear it on a guess.
        let Ok(runtime) = Handle::try_current() else { return };
        if self.ended || self.recording.load(Ordering::Relaxed) {
            return;
        }
        let (vault, clock, key, held) = (self.vault.clone(), self.clock.clone(), self.key.clone(), self.held.clone());
        BROKEN_OFF.spawn_on(
            async move {
                let mut held = held.lock().await;
                if let RunState::Working { lease_until, .. } = &mut held.record.state {
                    *lease_until = after(clock.now(), SETTLING).min(*lease_until);
                    // Who lost it already has nothing to hand back.
                    let _ = vault.save_if(&key, &held.record, &held.version).await;
                }
            },
            &runtime,
        );
    }
}

async fn renew(vault: &Vault, clock: &dyn Clock, key: &Key, held: &mut Stored<Run>) -> Result<()> {
    if let RunState::Working { lease_until, .. } = &mut held.record.state {
        *lease_until = after(clock.now(), LEASE);
    }
    let version: Version = vault.save_if(key, &held.record, &held.version).await.map_err(lost)?;
    held.version = version;
    Ok(())
}

fn lost(error: Error) -> Error {
    if error.kind() == Kind::Conflict {
        return busy("another invocation took this run over").hint("nothing is lost: the other one finishes it");
    }
    error
}
