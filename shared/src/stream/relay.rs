//! From one vault into another, verified in flight: bytes that differ from the record never become an object there.
//!
//! Where the provider can copy by itself it does, and the proof is the same: every byte read again at the destination.

use super::{digest::Digests, encode::drain, fetch::fetch, inspect::inspect, upload::through};
use crate::{
    domain::{backup::Artifact, damage::Damage},
    env::{Gauge, Quiet},
    error::{During, Error, Kind, Result, corrupt},
    ports::{Bucket, Upload},
};

/// Chunks between reading and sending.
const AHEAD: usize = 1;

/// What became of the copying of one artifact. Whatever it was, nothing that differs from the record was left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relayed {
    /// It was there before, and every byte of it was read again and is as recorded.
    AlreadyThere,
    /// It was copied, and every byte of it was read again at the destination.
    Copied,
    /// The source is not as recorded; nothing was copied.
    SourceDamaged(Damage),
    /// The destination holds other bytes under this key; nothing was touched.
    Taken(Damage),
}

/// Makes an artifact exist at another place under the same key. Running it twice is harmless. The gauge counts stored
/// bytes, once.
pub async fn relay(from: &dyn Bucket, to: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Relayed> {
    let key = artifact.key.as_str();
    let doing = || format!("copying {key} to {}", to.place());
    if to.head(key).await.during(doing())?.is_some() {
        return present(to, artifact, gauge).await.during(doing());
    }
    match to.copy_from(from, key, key).await {
        Ok(Some(_)) => prove(from, to, artifact, gauge).await,
        Ok(None) => stream(from, to, artifact, gauge).await,
        Err(error) => lost_race_or(error, from, to, artifact, gauge).await,
    }
    .during(doing())
}

/// Compares what stands under the key already.
async fn present(to: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Relayed> {
    Ok(inspect(to, artifact, gauge).await?.map_or(Relayed::AlreadyThere, Relayed::Taken))
}

/// Reads again what the provider copied. A copy that differs was made a moment ago by us, so it is ours to remove.
async fn prove(from: &dyn Bucket, to: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Relayed> {
    let Some(damage) = inspect(to, artifact, gauge).await? else { return Ok(Relayed::Copied) };
    to.delete(&artifact.key).await?;
    match inspect(from, artifact, &Quiet).await? {
        Some(damage) => Ok(Relayed::SourceDamaged(damage)),
        None => Err(corrupt(format!("the provider's copy differs from a sound source: {damage}")).hint("the next run copies it again")),
    }
}

/// A key that was taken meanwhile is compared; a source that is gone is damage; everything else stays an error.
async fn lost_race_or(error: Error, from: &dyn Bucket, to: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Relayed> {
    if error.kind() == Kind::Conflict {
        return present(to, artifact, gauge).await;
    }
    if error.kind() == Kind::NotFound && from.head(&artifact.key).await?.is_none() {
        return Ok(Relayed::SourceDamaged(Damage::Missing { object: artifact.key.clone() }));
    }
    Err(error)
}

async fn stream(from: &dyn Bucket, to: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Relayed> {
    let upload = match to.begin_upload(&artifact.key, Some(artifact.size)).await {
        Ok(upload) => upload,
        Err(error) => return lost_race_or(error, from, to, artifact, gauge).await,
    };
    let damage = match send(from, upload.as_ref(), artifact, gauge).await {
        Ok(None) => None,
        Ok(Some(damage)) => Some(Ok(Relayed::SourceDamaged(damage))),
        Err(error) => Some(Err(error)),
    };
    if let Some(ended) = damage {
        // What an abort leaves, the sweep removes.
        let _ = upload.abort().await;
        return ended;
    }
    match upload.complete(artifact.size).await {
        Ok(_) => prove(from, to, artifact, &Quiet).await,
        Err(error) => lost_race_or(error, from, to, artifact, &Quiet).await,
    }
}

/// Sends every part and returns how the source differs from the record, if it does.
async fn send(from: &dyn Bucket, upload: &dyn Upload, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Option<Damage>> {
    let mut damage = None;
    let sent = through(
        upload,
        AHEAD,
        1,
        async |inlet| {
            damage = fetch(from, artifact, &inlet, gauge).await?;
            Ok(())
        },
        |outlet, mut cutter| -> Result<Digests> {
            drain(outlet, &mut cutter)?;
            Ok(cutter.finish()?)
        },
    )
    .await;
    if damage.is_some() {
        return Ok(damage);
    }
    let Digests { size, sha256, .. } = sent?;
    let same = size == artifact.size && sha256 == artifact.sha256;
    Ok((!same).then(|| Damage::Bytes { object: artifact.key.clone(), offset: None, length: artifact.size }))
}
