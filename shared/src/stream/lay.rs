//! An artifact as a file on this machine, as it was before it was compressed and encrypted.

use super::{Keys, open};
use crate::{
    domain::backup::Artifact,
    env::Gauge,
    error::{During, Error, Result},
    ports::Bucket,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::io::AsyncWriteExt;

/// Lays an artifact down in a new file that its owner alone can read, durable and compared with its record when this returns. Where
/// it fails, what was written so far is left for the caller to remove.
pub async fn lay_down(bucket: Arc<dyn Bucket>, artifact: &Artifact, keys: &Keys, gauge: Arc<dyn Gauge>, path: &Path) -> Result<()> {
    let mut bytes = open(bucket, artifact, keys, gauge).await?;
    let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    tokio::io::copy(&mut bytes, &mut file).await.map_err(Error::from)?;
    file.flush().await.during(format!("writing {}", path.display()))?;
    file.sync_all().await.during(format!("writing {}", path.display()))
}

/// What a file or folder is called while it is being made, beside its own name.
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.lastgood-unfinished"))
}
