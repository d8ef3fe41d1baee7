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
        Glance, Key, Vault,
        lease::{self, Claimed, Closed},
    },
    clock::Timestamp,
    config::Asset,
    domain::backup::{Form, Manifest, Method},
    env::Env,
    error::{Kind, Result, failed, invalid},
    fleet,
    function::{Entry, Outcome, Report},
    id::{AssetName, BackupId, Slot},
};
use futures::{StreamExt, stream};
use std::time::Duration;

/// How many snapshots of a provider are seen to at once.
const AT_ONCE: usize = 16;
/// How old an upload must be before it is taken for a killed one's.
const STALE_UPLOAD: Duration = Duration::from_hours(24);

/// Takes the backups of one form that are due, or that are asked for now. One asset's failure does not touch the others.
pub async fn run(env: &Env, function: &str, form: Form, asset: Option<&AssetName>, when: When) -> Result<BackupReport> {
    let started_at = env.clock.now();
    env.vault.bucket().sweep_uploads(started_at, STALE_UPLOAD).await?;
    let mut entries = Vec::new();
    if form == Form::Snapshot {
        // Who belongs to a fleet is noted before the first snapshot of it. Where that fails, the snapshot counts for more.
        entries.extend(fleet::enrol(env, asset, started_at).await);
    }
    let mut held = Vec::new();
    for selected in env.config.selected(asset)? {
        let outcome = match Order::of(selected, form) {
            // The provider works on many at a time; what passes through us comes one after the other.
            Some(order) if order.method == Method::ProviderSnapshot => {
                held.push((selected, order));
                continue;
            }
            Some(order) => one(env, function, selected, &order, when).await.unwrap_or_else(|error| Outcome::from_error(&error)),
            None if asset == Some(&selected.name) => Outcome::from_error(&nothing_asked(selected, form)),
            None => continue,
        };
        entries.push(Entry { asset: selected.name.clone(), outcome });
    }
    entries.extend(all_held(env, function, &held, when).await);
    entries.sort_by(|a, b| a.asset.cmp(&b.asset));
    if form == Form::Snapshot {
        entries.extend(fleet::troubles(env, asset, |policy| policy.snapshot.is_some()));
    }
    Ok(BackupReport::new(Report::of(function, started_at, env.clock.now(), entries), &env.config.runbook))
}

/// Takes the snapshots that a provider makes, many at once: first all of them are begun, then what is under way is waited for,
/// so that the last of a fleet begins when the first does.
async fn all_held(env: &Env, function: &str, held: &[(&Asset, Order)], when: When) -> Vec<Entry<Taken>> {
    let impatient = Env { deadline: Some(env.clock.now()), ..env.clone() };
    let first = if held.len() > 1 { &impatient } else { env };
    let mut entries = round(first, function, held, Round::Begin(when)).await;
    let waits = |entry: &Entry<Taken>| matches!(entry.outcome, Outcome::Waiting { .. });
    if held.len() > 1 && entries.iter().any(waits) {
        let left: Vec<_> = held.iter().zip(&entries).filter(|(_, entry)| waits(entry)).map(|(one, _)| one.clone()).collect();
        let mut again = round(env, function, &left, Round::GoOn(when)).await.into_iter();
        for entry in entries.iter_mut().filter(|entry| waits(entry)) {
            // What could not even begin waits as it did.
            if let Some(later) = again.next().filter(|later| !matches!(later.outcome, Outcome::NotDue { .. })) {
                *entry = later;
            }
        }
    }
    entries
}

/// What is done in a round.
#[derive(Debug, Clone, Copy)]
enum Round {
    Begin(When),
    GoOn(When),
}

async fn round(env: &Env, function: &str, held: &[(&Asset, Order)], round: Round) -> Vec<Entry<Taken>> {
    let each = |at: usize| {
        let (asset, order) = &held[at];
        async move {
            let done = match round {
                Round::Begin(when) => one(env, function, asset, order, when).await,
                Round::GoOn(When::Due) => one(env, function, asset, order, When::Due).await,
                // What was asked for by hand is gone on with; nothing new is begun on the way.
                Round::GoOn(When::Now) => go_on(env, &env.vault, function, asset, order)
                    .await
                    .map(|done| done.unwrap_or_else(|| Outcome::NotDue { next: order.schedule.next(env.clock.now()) })),
            };
            let outcome = done.unwrap_or_else(|error| Outcome::from_error(&error));
            Entry { asset: asset.name.clone(), outcome }
        }
    };
    // One after the other comes to be: the state of a snapshot under way is large, and a thousand of them need not wait in memory.
    stream::iter(0..held.len()).map(each).buffered(AT_ONCE).collect().await
}

fn nothing_asked(asset: &Asset, form: Form) -> crate::error::Error {
    let word = match form {
        Form::Export => "export",
        Form::Snapshot => "snapshot",
    };
    if asset.has_left() {
        return invalid(format!("{} is no longer selected by its fleet: nothing new is taken of it", asset.name))
            .hint("give it its tag again; what was taken of it is kept");
    }
    invalid(format!("{} has no `{word}` in the config", asset.name)).hint(format!("add `{word}: {{ schedule: \"0 2 * * *\" }}` to it"))
}

async fn one(env: &Env, function: &str, asset: &Asset, order: &Order, when: When) -> Result<Outcome<Taken>> {
    let looked = records(env, function, asset, order).await?;
    // What a sweep ended is not as it was seen.
    let swept = lease::sweep_in(env, &looked.vault, function, &asset.name, Some(Key::Manifest)).await?;
    let seen = if swept > 0 { &env.vault } else { &looked.vault };
    let settled = match go_on(env, seen, function, asset, order).await? {
        None => None,
        Some(Outcome::Done(taken)) => Some(taken),
        Some(waiting) => return Ok(waiting),
    };
    if let Err(error) = looked.remember().await {
        tracing::warn!(asset = %asset.name, "what was read is not remembered, and will be read again: {}", error.full());
    }
    let slot = match when {
        When::Now => Slot::at(env.clock.now()),
        // Of the slots that were missed only the latest is made up for: a backup of now is a backup of now.
        When::Due => match lease::open_slot_in(env, seen, function, &asset.name, &order.schedule).await? {
            Some(slot) => match lease::resting(env, seen, function, &asset.name, slot).await? {
                Some(until) => return Ok(Outcome::NotDue { next: Some(until) }),
                None => slot,
            },
            None => return Ok(settled.map_or_else(|| Outcome::NotDue { next: order.schedule.next(env.clock.now()) }, Outcome::Done)),
        },
    };
    in_slot(env, function, asset, order, slot).await
}

/// The records of an asset at one glance. Where a tick looks at a thousand assets, what it read before need not be read again.
async fn records(env: &Env, function: &str, asset: &Asset, order: &Order) -> Result<Glance> {
    let whose = (order.form() == Form::Snapshot).then_some(function);
    env.vault.glance(&asset.name, whose, &env.clock).await
}

/// Goes on with what was begun and waits at its provider, oldest first; none where nothing does.
async fn go_on(env: &Env, seen: &Vault, function: &str, asset: &Asset, order: &Order) -> Result<Option<Outcome<Taken>>> {
    let mut settled = None;
    for slot in lease::begun(env, seen, function, &asset.name).await? {
        match in_slot(env, function, asset, order, slot).await? {
            done @ Outcome::Done(_) => settled = Some(done),
            waiting => return Ok(Some(waiting)),
        }
    }
    Ok(settled)
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
