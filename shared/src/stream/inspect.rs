//! Reads stored bytes back and compares them with their record: two stages, so that reading and digesting overlap.

use super::{
    fetch::fetch,
    pipe::{Outlet, pipe},
};
use crate::{
    domain::{backup::Artifact, damage::Damage},
    env::Gauge,
    error::{Result, failed},
    ports::Bucket,
};
use sha2::{Digest, Sha256};
use std::io::BufRead;

/// Chunks between reading and digesting.
const AHEAD: usize = 1;

/// Reads back every stored byte of an artifact and returns how it differs from the record, if it does. An error means
/// that this could not be found out.
pub async fn inspect(bucket: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<Option<Damage>> {
    let (inlet, items) = pipe(AHEAD);
    let digester = tokio::task::spawn_blocking(move || {
        let (mut outlet, mut sha256) = (Outlet::new(items), Sha256::new());
        loop {
            let block = outlet.fill_buf()?;
            if block.is_empty() {
                return Ok::<_, std::io::Error>((outlet.position(), hex::encode(sha256.finalize())));
            }
            sha256.update(block);
            let count = block.len();
            outlet.consume(count);
        }
    });
    let fetched = fetch(bucket, artifact, &inlet, gauge).await;
    drop(inlet);
    let whole = digester.await.map_err(|error| failed("the digester stopped").because(error))?;
    if let Some(damage) = fetched? {
        return Ok(Some(damage));
    }
    let (size, sha256) = whole?;
    if size != artifact.size || sha256 != artifact.sha256 {
        return Ok(Some(Damage::Bytes { object: artifact.key.clone(), offset: None, length: artifact.size }));
    }
    Ok(None)
}

/// Reads back every stored byte of an artifact and compares it with the record: any difference is an error of kind
/// `Corrupt` (`NotFound` where there is no object) that names object and offset.
pub async fn verify(bucket: &dyn Bucket, artifact: &Artifact, gauge: &dyn Gauge) -> Result<()> {
    inspect(bucket, artifact, gauge).await?.map_or(Ok(()), |damage| Err(damage.into()))
}
