//! Waiting for a replica that RDS is at work on, and refusing one that came up other than it was ordered.

use super::{
    body::Body,
    look::Region,
    replicas::RdsReplicas,
    restore::{held, refuse_source},
    status::{Cause, Stage},
};
use crate::{
    config::DrillNetwork,
    domain::{backup::Manifest, drill::ReplicaName},
    error::{Error, Result, failed, invalid, not_found, refused, retry},
    providers::managed::Pauses,
};
impl RdsReplicas {
    /// Waits until the replica is up. What is given up by RDS, open to the internet or in another network is an error.
    pub(super) async fn up(&self, region: &Region, name: &ReplicaName, backup: Option<&Manifest>) -> Result<Body> {
        let network = self.network(&region.place)?;
        let mut pauses = Pauses::new(&*self.clock);
        loop {
            let body = Body::find(region, name).await?.filter(|body| body.is_ours(name));
            let body = body.ok_or_else(|| retry(format!("replica {name} at {} is gone", region.place)))?;
            if let Some(backup) = backup {
                refuse_source(&body, backup)?;
            }
            refuse_exposed(&body, name, &network)?;
            match body.stage() {
                Stage::Up => return Ok(body),
                Stage::Leaving => return Err(retry(format!("replica {name} at {} is being removed", region.place))),
                Stage::Broken(cause) => return Err(broken(name, body.status(), cause)),
                Stage::AtWork => {
                    if body.lacks_instance() {
                        let backup = backup.ok_or_else(|| not_found(format!("replica {name} has lost its instance")))?;
                        self.begin_member(region, name, &body, held(backup)?).await?;
                    }
                    pauses.wait().await;
                }
            }
        }
    }
}

/// Refuses a replica that came up with a public address, or in another network than the drill's.
fn refuse_exposed(body: &Body, name: &ReplicaName, network: &DrillNetwork) -> Result<()> {
    if body.is_public() {
        return Err(refused(format!("replica {name} came up with a public address")).hint("it is removed; nothing was asked of it"));
    }
    let strange: Vec<_> = body.security_groups().into_iter().filter(|group| !network.security_groups.contains(group)).collect();
    if !strange.is_empty() {
        return Err(refused(format!("replica {name} came up in security groups that are not the drill's: {}", strange.join(", ")))
            .hint("it is removed; nothing was asked of it"));
    }
    Ok(())
}

fn broken(name: &ReplicaName, status: &str, cause: Cause) -> Error {
    match cause {
        Cause::Restore => failed(format!("RDS gave up the restore of {name}: {status}")),
        Cause::Surroundings => invalid(format!("RDS gave up replica {name}: {status}"))
            .hint("check the drill's subnet group, parameter group, class and key; the backup is not to blame"),
    }
}
