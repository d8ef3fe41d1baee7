//! What is ours of the snapshots that a service holds: adopted where we began it before, left alone where it is somebody else's.

use crate::{
    domain::held::{Label, SnapshotSeen},
    error::{Result, conflict, refused, retry},
    id::AssetName,
    ports::Snapshots,
};

/// Adopts a snapshot whose name was taken, if it is the one that is asked for.
pub(super) async fn adopt(here: &dyn Snapshots, label: &Label) -> Result<()> {
    match here.snapshot(&label.name).await? {
        Some(seen) if seen.backup == Some(label.backup) => {
            tracing::info!(asset = %label.asset, backup = %label.backup, "snapshot {} was begun before and is adopted", label.name);
            Ok(())
        }
        Some(_) => Err(conflict(format!("snapshot {} at {} is not of this run", label.name, here.place()))
            .hint("nothing was touched: find out whose it is and move it away")),
        None => Err(retry(format!("snapshot {} at {} was there and is gone", label.name, here.place()))),
    }
}

/// Refuses to remove what does not bear the tags of an asset.
pub(super) fn refuse_strangers(here: &dyn Snapshots, seen: &SnapshotSeen, asset: &AssetName) -> Result<()> {
    if seen.backup.is_some() {
        return Ok(());
    }
    Err(refused(format!("snapshot {} at {} does not bear the tags of {asset}", seen.name, here.place()))
        .hint("it is not ours and was not touched: remove it by hand if nobody needs it"))
}
