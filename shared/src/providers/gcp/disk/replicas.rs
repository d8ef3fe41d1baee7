//! Throwaway disks that drills make of snapshots: never attached to anything, and removed. One is ours because its labels say so.

use super::{
    compute::Compute,
    difference,
    error::is_taken,
    labels::{self, REPLICA},
    wire::Disk,
};
use crate::{
    catalog::Vault,
    clock::{Clock, Timestamp},
    config::{Asset, DiskAt, DiskDrill, Source},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
        drill::{ReplicaName, Sighting},
        held::{Held, Member},
        place::Place,
    },
    error::{Error, Result, conflict, failed, invalid, not_found, refused, retry, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows},
    providers::{gcp::Google, managed::volumes},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A disk is there within seconds to minutes.
const PAUSE: Duration = Duration::from_secs(5);

/// Throwaway disks of one asset, in one zone of the project that drills run in.
#[derive(Debug)]
pub struct DiskReplicas {
    asset: AssetName,
    zone: String,
    here: Compute,
    clock: Arc<dyn Clock>,
}

impl DiskReplicas {
    /// Makes replicas of an asset as `drill` says. Asks nothing yet.
    pub fn new(google: Arc<Google>, asset: &Asset, drill: &DiskDrill, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Disk { place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, and `drill.into.disk` restores disks", asset.name, asset.source.kind())));
        };
        let place = match &drill.project {
            Some(project) => Place::gcp(project.as_str(), None)?,
            None => home.clone(),
        };
        let here = Compute::new(google, &place, clock.clone())?;
        Ok(Self { asset: asset.name.clone(), zone: drill.zone.clone(), here, clock })
    }

    /// The disk of a replica, if there is one that is ours.
    async fn find(&self, name: &ReplicaName) -> Result<Option<Disk>> {
        let found = self.here.disk(&DiskAt::Zone(self.zone.clone()), &labels::short(&name.0)).await?;
        Ok(found.filter(|disk| labels::replica(&disk.labels, &disk.description).is_some()))
    }

    async fn ours(&self, name: &ReplicaName) -> Result<Disk> {
        self.find(name).await?.ok_or_else(|| not_found(format!("there is no replica {name}")))
    }
}

/// What a new disk is made of and how it is set up, as the one that the snapshot is of.
pub(super) fn made_of(held: &Held, member: &Member, compute: &Compute, zone: &str) -> Value {
    let mut body = json!({ "sourceSnapshot": member.reference, "sizeGb": (member.bytes >> 30).to_string() });
    let Some(recorded) = volumes::recorded(&held.settings, &member.of) else { return body };
    if let Some(kind) = volumes::text(recorded, "type") {
        body["type"] = format!("projects/{}/zones/{zone}/diskTypes/{kind}", compute.project()).into();
    }
    for (setting, name) in [("iops", "provisionedIops"), ("throughput", "provisionedThroughput")] {
        if let Some(number) = volumes::number(recorded, setting) {
            body[name] = number.to_string().into();
        }
    }
    // Without it, what was encrypted with a key of one's own would lie under Google's.
    if let Some(key) = volumes::text(recorded, "kms_key") {
        body["diskEncryptionKey"] = json!({ "kmsKeyName": key });
    }
    body
}

/// The one snapshot that a backup of a disk is.
pub(super) fn held(backup: &Manifest) -> Result<(&Held, &Member)> {
    let held = backup.held.as_ref().and_then(|held| Some((held, held.members.first()?)));
    held.ok_or_else(|| unsupported("only snapshots that Google holds can be made disks of"))
}

fn sighting(disk: &Disk) -> Sighting {
    match disk.status.as_str() {
        "READY" => Sighting::Restored,
        "FAILED" => Sighting::Unfinished,
        _ => Sighting::UnderWay,
    }
}

fn silent(name: &ReplicaName) -> Error {
    unsupported(format!("{name} is a disk that no machine has: it cannot be asked"))
}

#[async_trait]
impl Replicas for DiskReplicas {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let (held, member) = held(backup)?;
        if self.find(name).await?.is_some() {
            return Ok(());
        }
        let disk = labels::short(&name.0);
        let mut body = made_of(held, member, &self.here, &self.zone);
        body["name"] = disk.clone().into();
        body["description"] = name.0.clone().into();
        body["labels"] = json!(labels::of_replica(name, &self.asset, expires, &member.of));
        match self.here.make_disk(&self.zone, &disk, body).await {
            Ok(()) => {
                tracing::info!(asset = %self.asset, replica = %name, "disk {disk} is made of {} at {}", member.reference, self.here.place);
                Ok(())
            }
            Err(error) if is_taken(&error) && self.find(name).await?.is_some() => Ok(()),
            Err(error) if is_taken(&error) => Err(conflict(format!("a disk {disk} at {} is not of this drill", self.here.place))
                .because(error)
                .hint("nothing was touched: find out whose it is")),
            Err(error) => Err(error),
        }
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        Ok(self.find(name).await?.and_then(|disk| {
            let (name, expires) = labels::replica(&disk.labels, &disk.description)?;
            Some(Replica { name, expires, sighting: sighting(&disk) })
        }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        let (held, member) = held(backup)?;
        loop {
            let disk = self.ours(name).await.map_err(|error| retry(format!("replica {name} is not seen yet")).because(error))?;
            match sighting(&disk) {
                Sighting::Restored => return Ok([("compute".to_owned(), held.engine.clone())].into()),
                Sighting::Unfinished => {
                    return Err(failed(format!("Google could not make {name} of snapshot {}", member.reference))
                        .hint("a key that cannot be used is the usual cause: look at the snapshot and its key"));
                }
                Sighting::UnderWay | Sighting::Absent => self.clock.sleep(PAUSE).await,
            }
        }
    }

    async fn measure(&self, name: &ReplicaName, _: &Expectations, _: Form) -> Result<Expectations> {
        Err(silent(name))
    }

    async fn set_up(&self, name: &ReplicaName, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let (held, member) = held(backup)?;
        let mut checks = difference::checks(member, &held.settings, &self.ours(name).await?)?;
        let unread = "not read: Google lets only a machine that a disk is attached to read it, and a drill starts none";
        checks.push(CheckResult::could_not_verify(format!("blocks of {}", member.of), "each can be read", unread));
        Ok(checks)
    }

    async fn ask(&self, name: &ReplicaName, _: &str) -> Result<Rows> {
        Err(silent(name))
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        Err(silent(name))
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        let Some(disk) = self.find(name).await? else { return Ok(()) };
        if let Some(user) = disk.users.first() {
            return Err(refused(format!("{} of replica {name} is attached to {user}, which a drill never does", disk.name))
                .hint("somebody took it into use: detach it, or remove the labels that begin with lastgood- from it"));
        }
        if disk.status == "DELETING" {
            return Ok(());
        }
        self.here.remove_disk(&self.zone, &disk.name).await?;
        tracing::info!(asset = %self.asset, replica = %name, "disk {} at {} is being removed", disk.name, self.here.place);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let found = self.here.disks(&self.zone, &format!("labels.{REPLICA}:*")).await?;
        // What somebody attached is in use, and left alone.
        let ours = found.iter().filter(|disk| disk.status != "DELETING" && disk.users.is_empty());
        let all = ours.filter_map(|disk| {
            let (name, expires) = labels::replica(&disk.labels, &disk.description)?;
            Some(Replica { name, expires, sighting: sighting(disk) })
        });
        Ok(all.collect())
    }
}
