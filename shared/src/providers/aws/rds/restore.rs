//! Restoring a snapshot or a moment into the drill network, waiting for it, and making it ready for questions. Every step may be the last
//! of one invocation and the first of the next.

use super::{
    body::Body,
    look::Region,
    names,
    replicas::{RdsReplicas, stranger},
    status::Stage,
    tags,
};
use crate::{
    clock::Timestamp,
    domain::{
        backup::{Manifest, Method},
        drill::ReplicaName,
        held::Held,
    },
    error::{Result, refused, retry, unsupported},
    ports::Secret,
    providers::managed::Pauses,
};
use std::collections::BTreeMap;

impl RdsReplicas {
    /// Begins a replica, or adopts the one of this name that is ours.
    pub(super) async fn begin(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let held = held(backup)?;
        let network = self.network(&held.place)?;
        let region = self.region(&held.place).await?;
        if names::of_replica(name).eq_ignore_ascii_case(&self.source) {
            return Err(refused(format!("replica {name} would bear the name of its source")).hint("rename the asset"));
        }
        self.remember_place(name, &held.place).await;
        let mut pauses = Pauses::new(&*self.clock);
        while let Some(body) = Body::find(&region, name).await? {
            refuse_source(&body, backup)?;
            if !body.is_ours(name) {
                return Err(stranger(name, &region));
            }
            if body.stage() != Stage::Leaving {
                return Ok(());
            }
            // An earlier one is still on its way out.
            pauses.wait().await;
        }
        let ours = tags::of_replica(name, &self.asset, expires);
        if self.make(&region, name, backup, &network, ours).await? {
            let what = said(backup, held);
            tracing::info!(asset = %self.asset, backup = %backup.id, replica = %name, "restoring {what} at {}", region.place);
            return Ok(());
        }
        match Body::find(&region, name).await? {
            Some(body) if body.is_ours(name) => refuse_source(&body, backup),
            Some(_) => Err(stranger(name, &region)),
            None => Err(retry(format!("replica {name} was there and is gone"))),
        }
    }

    /// Waits until the replica is up, gives it its drill's settings and a new password, and notes with it that it is ready.
    pub(super) async fn finish(&self, name: &ReplicaName, backup: &Manifest) -> Result<BTreeMap<String, String>> {
        let held = held(backup)?;
        let region = self.region(&held.place).await?;
        self.up(&region, name, Some(backup)).await?;
        let mut passwords = self.passwords.lock().await;
        let (body, password) = self.renew(&region, name).await?;
        passwords.insert(name.clone(), password);
        let tagged = region.client.add_tags_to_resource().resource_name(body.arn()).tags(tags::ready()).send().await;
        tagged.map_err(|error| region.told("rds:AddTagsToResource", &names::of_replica(name), &error))?;
        Ok([("rds".to_owned(), held.engine.clone())].into())
    }

    /// Returns a replica that is up with the password that opens it: the one that was set here, or a new one.
    pub(super) async fn opened(&self, region: &Region, name: &ReplicaName, body: Body) -> Result<(Body, Secret)> {
        let mut passwords = self.passwords.lock().await;
        if let Some(password) = passwords.get(name) {
            return Ok((body, password.clone()));
        }
        let (body, password) = self.renew(region, name).await?;
        passwords.insert(name.clone(), password.clone());
        Ok((body, password))
    }
}

/// What a backup is, for people.
pub(super) fn said(backup: &Manifest, held: &Held) -> String {
    if backup.method == Method::PointInTime {
        return format!("{} as it was at {}, out of RDS's own continuous backups,", held.name, backup.data_time);
    }
    format!("snapshot {}", held.name)
}

pub(super) fn held(backup: &Manifest) -> Result<&Held> {
    backup.held.as_ref().ok_or_else(|| {
        unsupported("only snapshots that RDS holds can be restored into an instance of RDS").hint("drill exports `into: scratch`")
    })
}

/// Refuses the source itself, whatever it is called and tagged.
pub(super) fn refuse_source(body: &Body, backup: &Manifest) -> Result<()> {
    match (body.identity(), backup.source.system_identifier.as_deref()) {
        (Some(here), Some(source)) if here == source => Err(refused("what bears the replica's name is the source itself")
            .hint("somebody renamed or tagged production as a replica: undo that before anything else")),
        _ => Ok(()),
    }
}
