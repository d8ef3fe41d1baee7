//! One attempt at a snapshot that the provider makes and holds: from the first look to the manifest.
//!
//! The intent is saved before the provider is asked, with how the source was set up; the snapshot's name is derived from
//! it. So whoever comes next finds the snapshot that was begun, adopts it and goes on waiting.

use super::{
    earlier, name,
    settle::{Pauses, clear_if_broken, settle, standing},
};
use crate::{
    catalog::{Key, lease::Lease},
    clock::since,
    config::{Asset, SnapshotFrom},
    domain::{
        backup::{Expectations, Manifest, Method, Origin},
        held::{Held, Label, SnapshotName, SnapshotSeen},
        place::Place,
        run::BegunSnapshot,
    },
    env::Env,
    error::{Kind, Result, failed, retry},
    ports::{Readiness, Snapshots, SourceSeen},
};

/// Takes the snapshot that a lease is about, or goes on with it, and returns its manifest, which by then is in the vault.
pub(super) async fn hold(env: &Env, asset: &Asset, home: &Place, lease: &Lease) -> Result<Manifest> {
    let run = lease.run().await;
    let started_at = env.clock.now();
    let label = Label { name: SnapshotName::derive(&asset.name, &run.slot), asset: asset.name.clone(), backup: run.id };
    let snapshots = env.providers.snapshots(asset, home).await?;
    let begun = match run.snapshot {
        Some(begun) => {
            go_on(env, asset, &*snapshots, &label, lease, &begun).await?;
            begun
        }
        None => begin(env, asset, &*snapshots, &label, lease).await?,
    };
    let seen = match settle(env, &*snapshots, &label).await {
        Ok(seen) => seen,
        Err(error) => {
            if clear_if_broken(&*snapshots, &label).await? {
                lease.change(|run| run.snapshot = None).await?;
            }
            return Err(error);
        }
    };
    let data_time = seen.data_time.ok_or_else(|| retry(format!("{} does not say yet which moment {} holds", home, label.name)))?;
    let known = env.vault.backups(&asset.name).await?;
    let manifest = Manifest {
        id: run.id,
        asset: asset.name.clone(),
        method: Method::ProviderSnapshot,
        tier: name::tier(&known.good, Method::ProviderSnapshot.form(), begun.began_at),
        slot: run.slot,
        data_time: earlier(data_time, env.clock.now()),
        started_at: begun.began_at.min(started_at),
        finished_at: env.clock.now(),
        source: Origin {
            server: seen.held.engine.clone(),
            system_identifier: Some(begun.identity),
            address: begun.address,
            ..Origin::default()
        },
        artifacts: Vec::new(),
        held: Some(Held { settings: begun.settings, ..seen.held }),
        expectations: Expectations::default(),
        tools: [("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
    };
    lease.begin_recording().await?;
    env.vault.create(&Key::Manifest(asset.name.clone(), run.id), &manifest).await?;
    Ok(manifest)
}

/// Begins a snapshot once its source is ready for one.
async fn begin(env: &Env, asset: &Asset, snapshots: &dyn Snapshots, label: &Label, lease: &Lease) -> Result<BegunSnapshot> {
    standing(env, snapshots, label).await?;
    if from_automated(asset) {
        // What cannot be kept is said before anything is noted.
        automated(env, asset, snapshots).await?;
    }
    let source = ready(env, asset, snapshots, lease).await?;
    let SourceSeen { address, identity, settings, .. } = source;
    let begun = BegunSnapshot { name: label.name.clone(), began_at: env.clock.now(), address, identity, settings };
    lease.change(|run| run.snapshot = Some(begun.clone())).await?;
    match ask(env, asset, snapshots, label).await {
        Ok(()) => Ok(begun),
        Err(error) => {
            // A refusal began nothing; a reply that was lost may have.
            if error.kind() != Kind::Retry {
                lease.change(|run| run.snapshot = None).await?;
            }
            Err(error)
        }
    }
}

/// Asks the provider for what the policy wants: a snapshot of now, or its own newest one under our name.
async fn ask(env: &Env, asset: &Asset, snapshots: &dyn Snapshots, label: &Label) -> Result<()> {
    if from_automated(asset) {
        let newest = automated(env, asset, snapshots).await?;
        return snapshots.begin_keeping(label, &newest.held).await;
    }
    snapshots.begin_snapshot(label).await
}

fn from_automated(asset: &Asset) -> bool {
    asset.policy.snapshot.as_ref().is_some_and(|snapshot| snapshot.from == SnapshotFrom::Automated)
}

/// The newest snapshot that the provider took by itself, if it holds newer data than what is kept already.
async fn automated(env: &Env, asset: &Asset, snapshots: &dyn Snapshots) -> Result<SnapshotSeen> {
    let place = snapshots.place();
    let newest = snapshots.automated().await?.ok_or_else(|| {
        failed(format!("{place} holds no automated snapshot of {}", asset.name))
            .hint("give the source a backup retention of at least one day, or leave `from: automated` out")
    })?;
    let known = env.vault.backups(&asset.name).await?.good;
    let held = known.iter().filter(|backup| backup.held.is_some()).max_by_key(|backup| backup.data_time);
    match (held, newest.data_time) {
        (Some(held), Some(moment)) if moment <= held.data_time => Err(failed(format!(
            "the newest automated snapshot, {}, holds the data of {moment}, and backup {} holds those of {} already",
            newest.name, held.id, held.data_time
        ))
        .hint("RDS takes one a day in the source's backup window: let `snapshot.schedule` follow it by an hour")),
        (_, _) => Ok(newest),
    }
}

/// Makes sure that what an earlier invocation began is under way: it may have been killed before it could ask, or asked
/// while the source was busy.
async fn go_on(env: &Env, asset: &Asset, snapshots: &dyn Snapshots, label: &Label, lease: &Lease, begun: &BegunSnapshot) -> Result<()> {
    if standing(env, snapshots, label).await?.is_some() {
        return Ok(());
    }
    if since(env.clock.now(), begun.began_at) > asset.policy.rpo.duration() {
        lease.change(|run| run.snapshot = None).await?;
        return Err(failed(format!("snapshot {} was begun {} ago and never appeared", label.name, asset.policy.rpo)));
    }
    ready(env, asset, snapshots, lease).await?;
    ask(env, asset, snapshots, label).await
}

/// Waits until a snapshot of the source can begin: not while it is backing up, being modified or failing over.
async fn ready(env: &Env, asset: &Asset, snapshots: &dyn Snapshots, lease: &Lease) -> Result<SourceSeen> {
    let mut pauses = Pauses::default();
    let until = crate::clock::after(lease.run().await.slot.0, asset.policy.rpo.duration());
    loop {
        let source = snapshots.source().await?;
        match &source.readiness {
            Readiness::Ready => return Ok(source),
            // What is copied is not the source, whatever it is busy with.
            Readiness::Busy(_) if from_automated(asset) => return Ok(source),
            Readiness::Busy(with) if env.clock.now() > until => {
                return Err(failed(format!("{} has been busy ({with}) for all of its rpo, {}", asset.name, asset.policy.rpo))
                    .hint("look at it in the provider's console; the next slot tries again"));
            }
            Readiness::Busy(with) => {
                tracing::info!(asset = %asset.name, "no snapshot can begin yet: it is {with}");
                pauses.wait(env).await.map_err(|error| error.during(format!("waiting while {} is {with}", asset.name)))?;
            }
            Readiness::Unfit(why) => {
                return Err(failed(format!("no snapshot of {} can be taken: it is {why}", asset.name))
                    .hint("mend it first; earlier snapshots are as they were"));
            }
        }
    }
}
