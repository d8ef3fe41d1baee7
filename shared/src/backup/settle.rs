//! Waiting for a provider that is at work: in this invocation while it has the time, else in the next.

use crate::{
    domain::held::{Label, SnapshotSeen, SnapshotState},
    env::Env,
    error::{During, Result, conflict, failed, retry},
    ports::Snapshots,
};
use std::time::Duration;

/// The first look follows soon, later ones at most this far apart: a provider answers for minutes, and counts calls.
const SOON: Duration = Duration::from_secs(2);
const MOST: Duration = Duration::from_secs(30);

/// Pauses that grow.
#[derive(Debug)]
pub struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(SOON)
    }
}

impl Pauses {
    /// Waits if this invocation has the time, else fails with `OutOfTime`.
    pub async fn wait(&mut self, env: &Env) -> Result<()> {
        let pause = self.0;
        self.0 = (pause * 3 / 2).min(MOST);
        env.wait(pause).await
    }
}

/// Waits until the provider has made or copied a snapshot of ours, and returns it as the provider then describes it.
pub async fn settle(env: &Env, snapshots: &dyn Snapshots, label: &Label) -> Result<SnapshotSeen> {
    let gauge = env.progress.begin(&format!("waiting for snapshot {} at {}", label.name, snapshots.place()), None);
    let mut pauses = Pauses::default();
    loop {
        let seen = snapshots.snapshot(&label.name).await?;
        let seen = seen.ok_or_else(|| retry(format!("snapshot {} is not at {} any more", label.name, snapshots.place())))?;
        if seen.backup != Some(label.backup) {
            return Err(stranger(label, snapshots));
        }
        match &seen.state {
            SnapshotState::Available => {
                drop(gauge);
                return Ok(seen);
            }
            SnapshotState::Pending { .. } => pauses.wait(env).await?,
            SnapshotState::Failed(why) => {
                let error = failed(format!("snapshot {} at {} failed: {why}", label.name, snapshots.place()));
                return Err(error.hint("what is left of it is removed; the next wake-up begins a new one"));
            }
            SnapshotState::Leaving => {
                return Err(failed(format!("snapshot {} at {} is being removed by somebody", label.name, snapshots.place())));
            }
        }
    }
}

/// Returns what bears a label's name, once nothing of ours that is on its way out does: what leaves cannot be adopted, and
/// keeps its name until it has left.
pub async fn standing(env: &Env, snapshots: &dyn Snapshots, label: &Label) -> Result<Option<SnapshotSeen>> {
    let mut pauses = Pauses::default();
    loop {
        match snapshots.snapshot(&label.name).await? {
            Some(seen) if seen.backup == Some(label.backup) && seen.state == SnapshotState::Leaving => {
                let leaving = format!("waiting for the broken {} to leave {}", label.name, snapshots.place());
                pauses.wait(env).await.during(leaving)?;
            }
            seen => return Ok(seen),
        }
    }
}

/// Removes a snapshot of ours that the provider gave up on, so that the next attempt can have the name; returns whether there
/// was one.
pub async fn clear_if_broken(snapshots: &dyn Snapshots, label: &Label) -> Result<bool> {
    let seen = snapshots.snapshot(&label.name).await?;
    let broken = seen.is_some_and(|seen| seen.backup == Some(label.backup) && matches!(seen.state, SnapshotState::Failed(_)));
    if broken {
        snapshots.begin_removal(&label.name).await?;
    }
    Ok(broken)
}

/// Says that a name which is derived from our own work is taken by something else.
fn stranger(label: &Label, snapshots: &dyn Snapshots) -> crate::error::Error {
    conflict(format!("snapshot {} at {} is not of this run", label.name, snapshots.place()))
        .hint("nothing was touched: find out whose it is and move it away")
}
