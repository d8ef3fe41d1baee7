//! Snapshots: begun at once, uploaded later, and sometimes failed after all was accepted.

use super::{Compute, GONE, Turns, World, missing, routes, taken};
use crate::gcp::{Call, Ending, Refusal};
use lastgood_core::clock::{Timestamp, since};
use serde_json::{Value, json};
use std::time::Duration;

/// A snapshot.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    body: Value,
    pub(super) turns: Turns,
    began: Timestamp,
    pub(super) size: u64,
    pub(super) key: Option<String>,
    source: String,
    pub(super) holds: String,
}

impl Snapshot {
    fn look(&mut self) -> Value {
        let mut said = self.body.clone();
        said["kind"] = "compute#snapshot".into();
        said["status"] = self.turns.look().into();
        // Google writes its moments in its own zone.
        said["creationTimestamp"] =
            self.began.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(-8))).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string().into();
        said["diskSizeGb"] = self.size.to_string().into();
        said["sourceDisk"] = format!("https://www.googleapis.com/compute/v1/{}", self.source).into();
        if let Some(key) = &self.key {
            said["snapshotEncryptionKey"] = json!({ "kmsKeyName": format!("{key}/cryptoKeyVersions/1") });
        }
        said
    }
}

fn sweep(world: &mut World) {
    world.snapshots.retain(|_, snapshot| !(snapshot.turns.over() && snapshot.turns.end == GONE));
}

impl Compute {
    pub(super) fn take_snapshot(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        if let Some(before) = Self::ordered_before(&mut world, call) {
            return Ok(before);
        }
        sweep(&mut world);
        let (project, at) = (call.names[0].clone(), format!("{}/{}", call.names[1], call.names[2]));
        let source = format!("projects/{project}/{at}/disks/{}", call.names[3]);
        let disk = world.disks.get(&(project.clone(), at.clone(), call.names[3].clone())).ok_or_else(|| missing(&source))?.clone();
        let (name, labels) = (routes::name(&call.body)?, routes::labels(&call.body)?);
        let key = (project.clone(), name.clone());
        if world.snapshots.contains_key(&key) {
            return Err(taken(&format!("projects/{project}/global/snapshots/{name}")));
        }
        if call.body["storageLocations"].as_array().is_some_and(|locations| locations.len() != 1) {
            return Err(Refusal::new(400, "invalid", "Exactly one storage location may be named"));
        }
        let now = self.clock.now();
        let held = world.snapshots.keys().filter(|(of, _)| *of == project).count();
        let often = world.taken.entry(source.clone()).or_default();
        often.retain(|at| since(now, *at) < Duration::from_hours(1));
        let ending = self.faults.takes_an_ending("disks.createSnapshot");
        // All of these are said by the operation, after the order was accepted.
        let error = if often.len() >= 6 {
            let message = "Operation rate exceeded for resource. Too frequent operations from the source resource.";
            Some(("RESOURCE_OPERATION_RATE_EXCEEDED".to_owned(), message.to_owned()))
        } else if world.most_snapshots.is_some_and(|most| held >= most) {
            Some(("QUOTA_EXCEEDED".to_owned(), format!("Quota 'SNAPSHOTS' exceeded.  Limit: {held}.0 globally.")))
        } else if ending == Some(Ending::Error) {
            Some(("INTERNAL_ERROR".to_owned(), "Internal error. Please try again or contact Google Support.".to_owned()))
        } else {
            None
        };
        if error.is_none() {
            world.taken.entry(source.clone()).or_default().push(now);
            let end = if ending == Some(Ending::Failed) { "FAILED" } else { "READY" };
            let looks = if ending == Some(Ending::Never) { 10_000 } else { self.faults.rules_now().looks };
            let mut body = call.body.clone();
            body["labels"] = labels;
            let size = disk.body["sizeGb"].as_str().and_then(|size| size.parse().ok()).unwrap_or_default();
            let of_disk = disk.body["diskEncryptionKey"]["kmsKeyName"].as_str().map(str::to_owned);
            let turns = Turns::new(&["CREATING", "UPLOADING"], looks, end);
            world.snapshots.insert(key, Snapshot { body, turns, began: now, size, key: of_disk, source, holds: disk.holds });
        }
        Ok(self.begin(&mut world, call, &at, error, ending == Some(Ending::Never)))
    }

    pub(super) fn snapshot_seen(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        sweep(&mut world);
        let key = (call.names[0].clone(), call.names[1].clone());
        world.snapshots.get_mut(&key).map(Snapshot::look).ok_or_else(|| missing(&format!("projects/{}/global/snapshots/{}", key.0, key.1)))
    }

    pub(super) fn snapshots_listed(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        sweep(&mut world);
        let of = world.snapshots.iter_mut().filter(|((project, _), _)| *project == call.names[0]);
        let all = of.map(|(_, snapshot)| snapshot.look()).collect();
        self.page(call, all)
    }

    pub(super) fn delete_snapshot(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        if let Some(before) = Self::ordered_before(&mut world, call) {
            return Ok(before);
        }
        sweep(&mut world);
        let key = (call.names[0].clone(), call.names[1].clone());
        let looks = self.faults.rules_now().looks.max(1);
        let snapshot = world.snapshots.get_mut(&key).ok_or_else(|| missing(&key.1))?;
        let error = match self.faults.takes_an_ending("snapshots.delete") {
            Some(_) => Some(("RESOURCE_IN_USE_BY_ANOTHER_RESOURCE".to_owned(), "The snapshot is being used.".to_owned())),
            None => {
                snapshot.turns = Turns::new(&["DELETING"], looks, GONE);
                None
            }
        };
        Ok(self.begin(&mut world, call, "global", error, false))
    }

    /// The snapshots of a project, in order, with what stands in each; not those on their way out.
    pub fn snapshots(&self, project: &str) -> Vec<(String, String)> {
        let mut world = self.world();
        sweep(&mut world);
        let of = world.snapshots.iter().filter(|((of, _), snapshot)| of == project && snapshot.turns.end != GONE);
        of.map(|((_, name), snapshot)| (name.clone(), snapshot.holds.clone())).collect()
    }

    /// Where a snapshot is stored, as it was asked for.
    pub fn stored_at(&self, project: &str, name: &str) -> Option<String> {
        let world = self.world();
        world.snapshots.get(&(project.to_owned(), name.to_owned()))?.body["storageLocations"][0].as_str().map(str::to_owned)
    }

    /// Somebody removes a snapshot.
    pub fn lose(&self, project: &str, name: &str) {
        self.world().snapshots.remove(&(project.to_owned(), name.to_owned())).expect("it was there");
    }

    /// Puts a snapshot of somebody else's there.
    pub fn strangers_snapshot(&self, project: &str, name: &str) {
        let (began, body) = (self.clock.now(), json!({ "name": name, "labels": {} }));
        let snapshot = Snapshot {
            body,
            turns: Turns::new(&[], 0, "READY"),
            began,
            size: 10,
            key: None,
            source: format!("projects/{project}/zones/europe-west1-b/disks/other"),
            holds: "a stranger's".to_owned(),
        };
        self.world().snapshots.insert((project.to_owned(), name.to_owned()), snapshot);
    }
}
