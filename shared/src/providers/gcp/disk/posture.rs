//! How Google keeps a disk: what goes when its machine goes, whether its own schedule's snapshots outlive it, how near the quota is.

use super::{
    compute::Compute,
    wire::{Disk, Machine, ProjectSeen, ResourcePolicy, after, last, path_of},
};
use crate::{
    domain::posture::{Posture, Quota},
    error::Result,
    providers::gcp::call::escaped,
};

/// Looks at how a disk is kept.
pub(super) async fn of(compute: &Compute, disk: &Disk, itself: &str) -> Result<Posture> {
    let mut besides = Vec::new();
    for user in &disk.users {
        let Some(zone) = after(user, "zones") else { continue };
        let path = format!("zones/{}/instances/{}", escaped(zone), escaped(last(user)));
        // A machine that is gone meanwhile deletes nothing any more.
        let Some(machine) = compute.find::<Machine>("compute.instances.get", last(user), &path).await? else { continue };
        if machine.disks.iter().any(|attached| attached.auto_delete && path_of(&attached.source) == itself) {
            besides.push(format!("it is deleted together with machine {}: auto-delete is on", machine.name));
        }
    }
    for address in &disk.resource_policies {
        let Some(region) = after(address, "regions") else { continue };
        let path = format!("regions/{}/resourcePolicies/{}", escaped(region), escaped(last(address)));
        let found = compute.find::<ResourcePolicy>("compute.resourcePolicies.get", last(address), &path).await?;
        let Some(policy) = found else { continue };
        let retention = policy.snapshot_schedule_policy.and_then(|schedule| schedule.retention_policy);
        let on_delete = retention.and_then(|retention| retention.on_source_disk_delete);
        if on_delete.as_deref() == Some("APPLY_RETENTION_POLICY") {
            let name = policy.name;
            besides.push(format!("its snapshot schedule {name} goes on deleting its snapshots once the disk is gone: set it to keep them"));
        }
    }
    let project = compute.find::<ProjectSeen>("compute.projects.get", compute.project(), "").await?;
    let snapshots = project.and_then(|project| quota(&project));
    Ok(Posture { snapshots, besides, ..Posture::default() })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "Google writes whole numbers from 0 as decimals")]
fn quota(project: &ProjectSeen) -> Option<Quota> {
    let snapshots = project.quotas.iter().find(|quota| quota.metric == "SNAPSHOTS")?;
    Some(Quota { used: snapshots.usage as u64, most: snapshots.limit as u64 })
}
