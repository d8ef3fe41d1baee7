//! Throwaway volumes that drills make of snapshots: never attached to anything, read through EBS's own interface to the blocks
//! of the snapshot that each is made of, and removed. One is ours because its tags say so.

use super::{
    blocks::Reading,
    difference,
    error::is_absent,
    region::{Parameters, Region, tagged, with},
    wire::{Begun, Volume},
};
use crate::{
    catalog::Vault,
    clock::{Clock, Timestamp},
    config::{Asset, Copies, EbsDrill, Source},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
        drill::{ReplicaName, Sighting},
        held::{Held, Member},
        place::Place,
    },
    error::{Error, Kind, Result, failed, invalid, not_found, refused, retry, unsupported},
    id::AssetName,
    ports::{Replica, Replicas, Rows},
    providers::{
        aws::{Aws, marks},
        managed::volumes,
    },
};
use async_trait::async_trait;
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// A volume is there within seconds.
const PAUSE: Duration = Duration::from_secs(5);

/// Throwaway volumes of one asset, in every region that its policy touches.
#[derive(Debug)]
pub struct EbsReplicas {
    aws: Arc<Aws>,
    asset: AssetName,
    home: Place,
    drill: EbsDrill,
    places: BTreeSet<Place>,
    clock: Arc<dyn Clock>,
}

impl EbsReplicas {
    /// Makes replicas of an asset as `drill` says. Asks nothing yet.
    pub fn new(aws: Arc<Aws>, asset: &Asset, drill: EbsDrill, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Volume { place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, and `drill.into.ebs` restores volumes", asset.name, asset.source.kind())));
        };
        let copies = asset.policy.copies.iter().filter(|copies| matches!(copies, Copies::Region { .. })).map(Copies::place).cloned();
        let zoned = drill.zones.keys().map(|region| Place::aws(region, None)).collect::<Result<Vec<_>>>()?;
        let places = copies.filter(|place| drill.zones.contains_key(place.bucket())).chain(zoned).chain([home.clone()]).collect();
        Ok(Self { aws, asset: asset.name.clone(), home: home.clone(), drill, places, clock })
    }

    fn zone(&self, place: &Place) -> Result<&str> {
        match self.drill.zones.get(place.bucket()) {
            Some(zone) => Ok(zone),
            None if *place == self.home => Ok(&self.drill.zone),
            None => Err(invalid(format!("no zone is named for drills at {place}"))
                .hint(format!("add `zones: {{ {0}: {0}a }}` to `drill.into.ebs`", place.bucket()))),
        }
    }

    /// The volumes of a replica, wherever they are. They are nowhere only if every place said so.
    async fn find(&self, name: &ReplicaName) -> Result<Option<(Region, Vec<Volume>)>> {
        let mut blind = None;
        for place in &self.places {
            let look = async {
                let region = Region::open(&self.aws, place).await?;
                let found = region.volumes(&[(marks::BY_REPLICA, &name.0)]).await?;
                Ok::<_, Error>((region, found))
            };
            match look.await {
                Ok((region, found)) if !found.is_empty() => return Ok(Some((region, found))),
                Ok(_) => {}
                Err(error) => blind = Some(error),
            }
        }
        blind.map_or(Ok(None), Err)
    }

    async fn ours(&self, name: &ReplicaName) -> Result<(Region, Vec<Volume>)> {
        self.find(name).await?.ok_or_else(|| not_found(format!("there is no replica {name}")))
    }

    /// Makes one volume. The token makes of a repetition the same volume.
    async fn make(&self, region: &Region, name: &ReplicaName, held: &Held, member: &Member, expires: Timestamp) -> Result<()> {
        let mut tags = marks::of_replica(name, &self.asset, expires, &member.of);
        marks::note_members(&mut tags, held.members.len());
        let mut ask = made_of(held, member, self.zone(&held.place)?, &format!("{name} {}", member.of));
        ask.extend(tagged("volume", &tags));
        let made: Begun = region.ask_for("ec2:CreateVolume", &format!("{} for {name}", member.reference), &ask).await?;
        let id = made.volume_id.unwrap_or_default();
        tracing::info!(asset = %self.asset, replica = %name, "volume {id} is made of {} at {}", member.reference, region.place);
        Ok(())
    }

    async fn read(&self, region: &Region, member: &Member) -> CheckResult {
        let (what, wanted) = (format!("blocks of {}", member.of), "each as EBS sums it (SHA-256)");
        match (Reading { region, id: &member.reference, bytes: member.bytes }).all(self.drill.blocks).await {
            Ok(read) if read.blocks == 0 => CheckResult::could_not_verify(what, wanted, "nothing was ever written to it"),
            Ok(read) => CheckResult::passed(
                what,
                wanted,
                format!("{} read, {} MiB, out of {} GiB", read.blocks, read.bytes >> 20, member.bytes >> 30),
            ),
            Err(error) if error.kind() == Kind::Corrupt => CheckResult::failed(what, wanted, error.full()),
            Err(error) => CheckResult::could_not_verify(what, wanted, error.full()),
        }
    }
}

/// The parameters that make a volume of a snapshot, set up as the one that it is of.
pub(super) fn made_of(held: &Held, member: &Member, zone: &str, token: &str) -> Parameters {
    // A token has up to 64 characters.
    let token = hex::encode(&Sha256::digest(format!("{token} {} {zone}", member.reference))[..24]);
    let mut ask = vec![with("SnapshotId", &member.reference), with("AvailabilityZone", zone), with("ClientToken", token)];
    let recorded = volumes::recorded(&held.settings, &member.of);
    let text = |name: &str| recorded.and_then(|settings| volumes::text(settings, name));
    let number = |name: &str| recorded.filter(|settings| difference::applies(settings, name)).and_then(|all| volumes::number(all, name));
    ask.extend(text("type").map(|kind| with("VolumeType", kind)));
    ask.extend(number("iops").map(|iops| with("Iops", iops.to_string())));
    ask.extend(number("throughput").map(|throughput| with("Throughput", throughput.to_string())));
    ask.push(with("Size", (member.bytes >> 30).to_string()));
    ask
}

pub(super) fn held(backup: &Manifest) -> Result<&Held> {
    let held = backup.held.as_ref().filter(|held| !held.members.is_empty());
    held.ok_or_else(|| unsupported("only snapshots that EBS holds can be made volumes of"))
}

fn sighting(volumes: &[Volume]) -> Sighting {
    let members = volumes.iter().filter_map(|volume| marks::members(&volume.tags())).max().unwrap_or(1);
    let all = |status: &str| volumes.iter().all(|volume| volume.status == status);
    match () {
        () if volumes.iter().any(|volume| volume.status == "error") => Sighting::Unfinished,
        () if volumes.len() == members && (all("available") || all("in-use")) => Sighting::Restored,
        () => Sighting::UnderWay,
    }
}

fn is_attached(volume: &Volume) -> bool {
    volume.status == "in-use" || !volume.attachment_set.item.is_empty()
}

fn silent(name: &ReplicaName) -> Error {
    unsupported(format!("{name} is a volume: it is read, not asked")).hint("check it by `{ filesystem: ext4 }`")
}

#[async_trait]
impl Replicas for EbsReplicas {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let held = held(backup)?;
        let region = Region::open(&self.aws, &held.place).await?;
        let there = region.volumes(&[(marks::BY_REPLICA, &name.0)]).await?;
        for member in &held.members {
            if !there.iter().any(|volume| marks::volume(&volume.tags()) == Some(&member.of)) {
                self.make(&region, name, held, member, expires).await?;
            }
        }
        Ok(())
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        Ok(self.find(name).await?.and_then(|(_, volumes)| {
            let (name, expires) = volumes.iter().find_map(|volume| marks::replica(&volume.tags()))?;
            Some(Replica { name, expires, sighting: sighting(&volumes) })
        }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        let held = held(backup)?;
        loop {
            let (_, volumes) = self.ours(name).await.map_err(|error| retry(format!("replica {name} is not seen yet")).because(error))?;
            match sighting(&volumes) {
                Sighting::Restored => return Ok([("ebs".to_owned(), held.engine.clone())].into()),
                Sighting::Unfinished => {
                    return Err(failed(format!("EBS could not make {name} of snapshot {}", held.reference))
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
        let held = held(backup)?;
        let (region, volumes) = self.ours(name).await?;
        let mut checks = difference::checks(&held.members, &held.settings, &volumes)?;
        for member in &held.members {
            checks.push(self.read(&region, member).await);
        }
        Ok(checks)
    }

    async fn filesystems(&self, name: &ReplicaName) -> Result<BTreeMap<String, Vec<String>>> {
        let (region, volumes) = self.ours(name).await?;
        let mut all = BTreeMap::new();
        for volume in volumes {
            let tags = volume.tags();
            let of = marks::volume(&tags).unwrap_or(&volume.volume_id).to_owned();
            let id = volume.snapshot_id.as_deref().unwrap_or_default();
            let found = Reading { region: &region, id, bytes: volume.size << 30 }.filesystems().await?;
            all.insert(of, found.into_iter().map(str::to_owned).collect());
        }
        Ok(all)
    }

    async fn ask(&self, name: &ReplicaName, _: &str) -> Result<Rows> {
        Err(silent(name))
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        Err(silent(name))
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        let Some((region, volumes)) = self.find(name).await? else { return Ok(()) };
        if let Some(taken) = volumes.iter().find(|volume| is_attached(volume)) {
            return Err(refused(format!("{} of replica {name} is attached, which a drill never does", taken.volume_id))
                .hint("somebody took it into use: detach it, or remove the tags that begin with lastgood: from it"));
        }
        for volume in volumes.iter().filter(|volume| volume.status != "deleting") {
            let id = &volume.volume_id;
            match region.ask("ec2:DeleteVolume", &vec![with("VolumeId", id)]).await {
                Ok(_) => tracing::info!(asset = %self.asset, replica = %name, "volume {id} at {} is being removed", region.place),
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(region.told("ec2:DeleteVolume", id, &error)),
            }
        }
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let mut all: BTreeMap<ReplicaName, (Timestamp, Vec<Volume>)> = BTreeMap::new();
        for place in &self.places {
            let look = async { Region::open(&self.aws, place).await?.volumes(&[marks::ANY_REPLICA]).await };
            let found = match look.await {
                Ok(found) => found,
                // A region that is out of reach is swept another time; drills elsewhere do not wait for it.
                Err(error) if error.kind() == Kind::Retry => {
                    tracing::warn!(asset = %self.asset, "leftovers of drills at {place} could not be looked for: {}", error.full());
                    continue;
                }
                Err(error) => return Err(error),
            };
            for volume in found.into_iter().filter(|volume| volume.status != "deleting") {
                if let Some((name, expires)) = marks::replica(&volume.tags()) {
                    all.entry(name).or_insert_with(|| (expires, Vec::new())).1.push(volume);
                }
            }
        }
        // What somebody attached is in use, and left alone.
        all.retain(|_, (_, volumes)| !volumes.iter().any(is_attached));
        Ok(all.into_iter().map(|(name, (expires, volumes))| Replica { name, expires, sighting: sighting(&volumes) }).collect())
    }
}
