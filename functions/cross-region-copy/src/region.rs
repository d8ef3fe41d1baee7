//! Copies one snapshot that the provider holds to one of its other regions or accounts, and proves it by what that place
//! itself says: it is complete, as large, of the same engine and moment, and no less encrypted.

use lastgood_core::{
    backup::{clear_if_broken, settle, standing},
    catalog::{Copy, Key, lease::Lease},
    domain::{
        backup::Manifest,
        held::{Held, Label, SnapshotSeen},
    },
    env::Env,
    error::{Result, corrupt, failed},
    ports::Snapshots,
};

/// Copies a snapshot, or goes on waiting for a copy that was begun, and records the proof last. Returns its bytes.
pub async fn copy(env: &Env, to: &dyn Snapshots, backup: &Manifest, lease: &Lease) -> Result<u64> {
    let original = backup.held.as_ref().ok_or_else(|| failed("a region holds no copies of what is stored in a vault"))?;
    let label = Label { name: original.name.clone(), asset: backup.asset.clone(), backup: backup.id };
    // Of a set, some parts may have been begun: those that were not are begun now.
    let begun = standing(env, to, &label).await?;
    if begun.is_none_or(|seen| seen.held.members.len() < original.members.len()) {
        to.begin_copy(&label, original).await?;
    }
    let seen = match settle(env, to, &label).await {
        Ok(seen) => seen,
        Err(error) => {
            clear_if_broken(to, &label).await?;
            return Err(error);
        }
    };
    let held = sound(seen, backup, original)?;
    let bytes = held.bytes;
    let proof = Copy {
        backup: backup.id,
        asset: backup.asset.clone(),
        place: to.place().clone(),
        proven_at: env.clock.now(),
        artifacts: Vec::new(),
        held: Some(held),
    };
    lease.confirm().await?;
    env.vault.save(&Key::Copy(backup.asset.clone(), backup.id, to.place().clone()), &proof).await?;
    Ok(bytes)
}

/// Compares what the place says of the copy with what was recorded of the original.
fn sound(seen: SnapshotSeen, backup: &Manifest, original: &Held) -> Result<Held> {
    let refuse = |why: String| Err(corrupt(format!("the copy of {} at {} is not the original: {why}", backup.id, seen.held.place)));
    if let Some(why) = seen.held.differs(original) {
        return refuse(why);
    }
    match seen.data_time {
        Some(moment) if moment.as_second() == backup.data_time.as_second() => Ok(seen.held),
        Some(moment) => refuse(format!("it holds the data of {moment}, the original those of {}", backup.data_time)),
        None => refuse("the provider does not say which moment it holds".to_owned()),
    }
}
