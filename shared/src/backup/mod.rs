//! Taking a backup, whatever of: claim the slot, check, dump, store, read back, and only then say that it exists.
//!
//! The manifest is created last, under a key that must be free, and only while the run is still ours. Whatever fails before
//! that leaves the earlier backups as they were and nothing that counts; what was stored is removed, by this attempt or by
//! the next.

mod attempt;
mod gate;
mod hold;
mod name;
mod order;
mod report;
mod settle;

pub use order::{Order, When};
pub use report::{BackupReport, Taken};
pub use settle::{clear_if_broken, settle, standing};

use crate::{
    catalog::{
        Key,
        lease::{self, Claimed, Closed},
    },
    clock::Timestamp,
    config::Asset,
    domain::backup::{Form, Manifest, Method},
    env::Env,
    error::{Kind, Result, failed, invalid},
    function::{Entry, Outcome, Report},
    id::{AssetName, BackupId, Slot},
};
use std::time::Duration;

/// How old an upload must be before it is taken for a killed one's.
const STALE_UPLOAD: Duration = Duration::from_hours(24);

/// Takes the backups of one form that are due, or that are asked for now. One asset's failure does not touch the others.
pub async fn run(env: &Env, function: &str, form: Form, asset: Option<&AssetName>, when: When) -> Result<BackupReport> {
    let started_at = env.clock.now();
    env.vault.bucket().sweep_uploads(started_at, STALE_UPLOAD).await?;
    let mut entries = Vec::new();
    for selected in env.config.selected(asset)? {
        let outcome = match Order::of(selected, form) {
            Some(order) => one(env, function, selected, &order, when).await.unwrap_or_else(|error| Outcome::from_error(&error)),
            None if asset.is_some() => Outcome::from_error(&nothing_asked(selected, form)),
            None => continue,
        };
        entries.push(Entry { asset: selected.name.clone(), outcome });
    }
    Ok(BackupReport::new(Report::of(function, started_at, env.clock.now(), entries), &env.config.runbook))
}

fn nothing_asked(asset: &Asset, form: Form) -> crate::error::Error {
    let word = match form {
        Form::Export => "export",
        Form::Snapshot => "snapshot",
    };
    invalid(format!("{} has no `{word}` in the config", asset.name)).hint(format!("add `{word}: {{ schedule: \"0 2 * * *\" }}` to it"))
}

async fn one(env: &Env, function: &str, asset: &Asset, order: &Order, when: When) -> Result<Outcome<Taken>> {
    lease::sweep(env, function, &asset.name, Some(Key::Manifest)).await?;
    let mut settled = None;
    for slot in lease::begun(env, function, &asset.name).await? {
        match in_slot(env, function, asset, order, slot).await? {
            Outcome::Done(taken) => settled = Some(taken),
            waiting => return Ok(waiting),
        }
    }
    let slot = match when {
        When::Now => Slot::at(env.clock.now()),
        // Of the slots that were missed only the latest is made up for: a backup of now is a backup of now.
        When::Due => match lease::open_slot(env, function, &asset.name, &order.schedule).await? {
            Some(slot) => match lease::resting(env, function, &asset.name, slot).await? {
                Some(until) => return Ok(Outcome::NotDue { next: Some(until) }),
                None => slot,
            },
            None => return Ok(settled.map_or_else(|| Outcome::NotDue { next: order.schedule.next(env.clock.now()) }, Outcome::Done)),
        },
    };
    in_slot(env, function, asset, order, slot).await
}

/// Takes the backup of one slot, or goes on with it.
async fn in_slot(env: &Env, function: &str, asset: &Asset, order: &Order, slot: Slot) -> Result<Outcome<Taken>> {
    let lease = match lease::claim(env, function, &asset.name, slot, Some(Key::Manifest)).await? {
        Claimed::Lease(lease) => lease,
        Claimed::Held { until } => return Ok(Outcome::AlreadyRunning { until }),
        Claimed::Done(run) => return recorded(env, asset, run.id).await,
    };
    let run = lease.run().await;
    tracing::info!(asset = %asset.name, backup = %run.id, run = %run.slot, attempt = run.attempt, "taking a backup");
    let taken = match asset.source.home().filter(|_| order.method == Method::ProviderSnapshot) {
        Some(home) => hold::hold(env, asset, home, &lease).await,
        None => attempt::attempt(env, asset, order, &lease).await,
    };
    match taken {
        Ok(manifest) => {
            lease.done().await?;
            tell(&manifest);
            Ok(Outcome::Done(Taken::of(&manifest)))
        }
        // What the provider goes on with is not given up because nobody here could wait for it.
        Err(error)
            if order.method == Method::ProviderSnapshot && (error.kind() == Kind::OutOfTime || lease.run().await.snapshot.is_some()) =>
        {
            lease.put_down(&error.full()).await?;
            Err(error)
        }
        // The first failure is the one to tell; a lease that cannot be ended runs out by itself.
        Err(error) => match lease.fail(&error).await {
            Ok(Closed::Done) => recorded(env, asset, run.id).await,
            Ok(Closed::Failed) => Err(error),
            Ok(Closed::Unsettled) => Err(error.hint("whether it was recorded will be known in a minute: run it again then")),
            Err(_) => Err(error.during("the run could not be closed either")),
        },
    }
}

/// Tells of a backup that is already recorded.
async fn recorded(env: &Env, asset: &Asset, id: BackupId) -> Result<Outcome<Taken>> {
    let manifest = env.vault.backup(&asset.name, id).await?;
    let manifest =
        manifest.ok_or_else(|| failed("the run is done, but its manifest is gone").hint("`lastgood list` shows what is left"))?;
    Ok(Outcome::Done(Taken::of(&manifest)))
}

fn tell(manifest: &Manifest) {
    let duration_ms = crate::clock::since(manifest.finished_at, manifest.started_at).as_millis();
    tracing::info!(
        asset = %manifest.asset, backup = %manifest.id, bytes = manifest.stored_bytes(), data_time = %manifest.data_time,
        duration_ms = u64::try_from(duration_ms).unwrap_or(u64::MAX), "a backup is stored and read back"
    );
}

/// The earlier of two moments: a server whose clock is ahead does not make data fresher than it can be.
fn earlier(left: Timestamp, right: Timestamp) -> Timestamp {
    left.min(right)
}
