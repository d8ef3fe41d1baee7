//! The snapshots that RDS takes by itself (`rds:…`), kept by copying one under a name of ours: no I/O of the source is
//! suspended, and the data is that of the automated one.

use super::{
    error::is_taken,
    look::Region,
    seen,
    snapshots::{Named, RdsSnapshots},
    source::Source,
    tags,
};
use crate::{
    domain::held::{Held, Label, SnapshotSeen, SnapshotState},
    error::Result,
};

/// Snapshots that RDS takes by itself.
const AUTOMATED: &str = "automated";

/// Returns the newest automated snapshot of an asset that is complete. One of an earlier instance of the same name is not.
pub(super) async fn newest(snapshots: &RdsSnapshots) -> Result<Option<SnapshotSeen>> {
    let (here, asset) = (&snapshots.here, &snapshots.asset);
    let all: Vec<SnapshotSeen> = match snapshots.look().await? {
        Source::Instance(instance) => {
            let id = instance.db_instance_identifier().unwrap_or(&snapshots.id);
            let ours = |found: &&aws_sdk_rds::types::DbSnapshot| found.dbi_resource_id() == instance.dbi_resource_id();
            let listed = here.snapshots_of(AUTOMATED, Some(id)).await?;
            listed.iter().filter(ours).map(|found| seen::of_instance(&here.place, asset, found)).collect()
        }
        Source::Cluster(cluster, _) => {
            let id = cluster.db_cluster_identifier().unwrap_or(&snapshots.id);
            let ours = |found: &&aws_sdk_rds::types::DbClusterSnapshot| found.db_cluster_resource_id() == cluster.db_cluster_resource_id();
            let listed = here.cluster_snapshots_of(AUTOMATED, Some(id)).await?;
            listed.iter().filter(ours).map(|found| seen::of_cluster(&here.place, asset, found)).collect()
        }
    };
    let complete = all.into_iter().filter(|seen| seen.state == SnapshotState::Available && seen.data_time.is_some());
    Ok(complete.max_by_key(|seen| seen.data_time))
}

/// Begins to copy an automated snapshot under a name of ours, within its region and under its own key. Returns false where
/// the name is taken already.
pub(super) async fn keep(snapshots: &RdsSnapshots, label: &Label, of: &Held) -> Result<bool> {
    let here: &Region = &snapshots.here;
    let gone = || crate::error::retry(format!("snapshot {} is gone from {}: RDS has let it go", of.name, here.place));
    match snapshots.named().await? {
        Named::Instance(_) => {
            let original = here.snapshot(&of.name).await?.ok_or_else(gone)?;
            let tags = tags::of_copy(label, seen::moment_of_instance(&original), original.tag_list());
            let call = here.client.copy_db_snapshot().source_db_snapshot_identifier(&of.name.0);
            let call = call.target_db_snapshot_identifier(&label.name.0).set_tags(Some(tags)).copy_tags(false);
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(here.told("rds:CopyDBSnapshot", &of.name.0, &error)),
            }
        }
        Named::Cluster(_) => {
            let original = here.cluster_snapshot(&of.name).await?.ok_or_else(gone)?;
            let tags = tags::of_copy(label, seen::moment_of_cluster(&original), original.tag_list());
            let call = here.client.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(&of.name.0);
            let call = call.target_db_cluster_snapshot_identifier(&label.name.0).set_tags(Some(tags)).copy_tags(false);
            match call.send().await {
                Ok(_) => Ok(true),
                Err(error) if is_taken(&error) => Ok(false),
                Err(error) => Err(here.told("rds:CopyDBClusterSnapshot", &of.name.0, &error)),
            }
        }
    }
}
