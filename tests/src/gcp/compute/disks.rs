//! Disks, and what they hold.

use super::{Compute, GONE, Turns, World, missing, routes, taken};
use crate::gcp::{Call, Ending, Refusal};
use serde_json::{Value, json};

/// A disk.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    pub(super) body: Value,
    pub(super) id: u64,
    pub(super) turns: Turns,
    pub(super) users: Vec<String>,
    pub(super) policies: Vec<String>,
    /// What stands on it.
    pub(super) holds: String,
}

impl Disk {
    fn look(&mut self) -> Value {
        let mut said = self.body.clone();
        said["kind"] = "compute#disk".into();
        said["id"] = self.id.to_string().into();
        said["status"] = self.turns.look().into();
        if !self.users.is_empty() {
            said["users"] = json!(self.users);
        }
        if !self.policies.is_empty() {
            said["resourcePolicies"] = json!(self.policies);
        }
        if let Some(key) = said["diskEncryptionKey"]["kmsKeyName"].as_str() {
            said["diskEncryptionKey"]["kmsKeyName"] = format!("{key}/cryptoKeyVersions/1").into();
        }
        said
    }
}

type Key = (String, String, String);

fn key(call: &Call) -> Key {
    (call.names[0].clone(), format!("{}/{}", call.names[1], call.names[2]), call.names.get(3).cloned().unwrap_or_default())
}

fn path(key: &Key) -> String {
    format!("projects/{}/{}/disks/{}", key.0, key.1, key.2)
}

fn sweep(world: &mut World) {
    world.disks.retain(|_, disk| !(disk.turns.over() && disk.turns.end == GONE));
}

impl Compute {
    pub(super) fn disk_seen(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        sweep(&mut world);
        let key = key(call);
        world.disks.get_mut(&key).map(Disk::look).ok_or_else(|| missing(&path(&key)))
    }

    pub(super) fn disks_listed(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        sweep(&mut world);
        let (project, at, _) = key(call);
        let here = world.disks.iter_mut().filter(|((of, place, _), _)| *of == project && *place == at);
        let all = here.map(|(_, disk)| disk.look()).collect();
        self.page(call, all)
    }

    pub(super) fn make_disk(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        if let Some(before) = Self::ordered_before(&mut world, call) {
            return Ok(before);
        }
        sweep(&mut world);
        let (project, at, _) = key(call);
        let key = (project, at.clone(), routes::name(&call.body)?);
        let labels = routes::labels(&call.body)?;
        if world.disks.contains_key(&key) {
            return Err(taken(&path(&key)));
        }
        let (mut body, mut holds, mut error) = (call.body.clone(), String::new(), None);
        body["labels"] = labels;
        if let Some(from) = call.body["sourceSnapshot"].as_str() {
            let parts: Vec<_> = from.split('/').collect();
            let ["projects", project, "global", "snapshots", name] = parts[..] else {
                return Err(Refusal::new(400, "invalid", "Invalid value for field 'resource.sourceSnapshot'"));
            };
            let snapshot = world.snapshots.get(&(project.to_owned(), name.to_owned())).ok_or_else(|| missing(from))?;
            if !snapshot.turns.over() || snapshot.turns.end != "READY" {
                return Err(Refusal::new(400, "resourceNotReady", format!("The resource '{from}' is not ready")));
            }
            let asked: u64 = call.body["sizeGb"].as_str().and_then(|size| size.parse().ok()).unwrap_or(snapshot.size);
            if asked < snapshot.size {
                return Err(Refusal::new(400, "invalid", "Requested disk size cannot be smaller than the snapshot size"));
            }
            body["sizeGb"] = asked.to_string().into();
            body["sourceSnapshot"] = format!("https://www.googleapis.com/compute/v1/{from}").into();
            holds.clone_from(&snapshot.holds);
            if snapshot.key.as_deref().is_some_and(|key| self.faults.refuses_key(key)) {
                let message = "Cloud KMS error when using key: the key version is not enabled".to_owned();
                error = Some(("INVALID_USAGE".to_owned(), message));
            }
        }
        let ending = self.faults.takes_an_ending("disks.insert");
        if ending == Some(Ending::Error) {
            error = Some(("ZONE_RESOURCE_POOL_EXHAUSTED".to_owned(), format!("The zone '{at}' does not have enough resources")));
        }
        if error.is_none() {
            let end = if ending == Some(Ending::Failed) { "FAILED" } else { "READY" };
            let turns = Turns::new(&["CREATING", "RESTORING"], self.faults.rules_now().looks, end);
            let id = world.next();
            world.disks.insert(key, Disk { body, id, turns, users: Vec::new(), policies: Vec::new(), holds });
        }
        Ok(self.begin(&mut world, call, &at, error, ending == Some(Ending::Never)))
    }

    pub(super) fn delete_disk(&self, call: &Call) -> Result<Value, Refusal> {
        let mut world = self.world();
        if let Some(before) = Self::ordered_before(&mut world, call) {
            return Ok(before);
        }
        sweep(&mut world);
        let key = key(call);
        let looks = self.faults.rules_now().looks;
        let disk = world.disks.get_mut(&key).ok_or_else(|| missing(&path(&key)))?;
        if let Some(user) = disk.users.first() {
            let message = format!("The disk resource '{}' is already being used by '{user}'", path(&key));
            return Err(Refusal::new(400, "resourceInUseByAnotherResource", message));
        }
        let error = match self.faults.takes_an_ending("disks.delete") {
            Some(_) => Some(("INTERNAL_ERROR".to_owned(), "Internal error. Please try again.".to_owned())),
            None => {
                disk.turns = Turns::new(&["DELETING"], looks.max(1), GONE);
                None
            }
        };
        Ok(self.begin(&mut world, call, &key.1, error, false))
    }

    /// Puts a disk there that has long been in use, with this on it. Returns its id.
    #[expect(clippy::too_many_arguments, reason = "a disk that somebody made is all of this")]
    pub fn found(&self, project: &str, at: &str, name: &str, size: u64, kind: &str, key: Option<&str>, holds: &str) -> String {
        let mut world = self.world();
        let mut body = json!({
            "name": name, "sizeGb": size.to_string(), "labels": { "team": "shop", "goog-ops-agent-policy": "v2" },
            "type": format!("https://www.googleapis.com/compute/v1/projects/{project}/{at}/diskTypes/{kind}"),
        });
        if let Some(key) = key {
            body["diskEncryptionKey"] = json!({ "kmsKeyName": key });
        }
        let id = 7_000_000_000_000_000_000 + world.next();
        let disk = Disk { body, id, turns: Turns::new(&[], 0, "READY"), users: Vec::new(), policies: Vec::new(), holds: holds.to_owned() };
        world.disks.insert((project.to_owned(), at.to_owned(), name.to_owned()), disk);
        id.to_string()
    }

    /// What stands on a disk now.
    pub fn write(&self, project: &str, at: &str, name: &str, holds: &str) {
        let mut world = self.world();
        let disk = world.disks.get_mut(&(project.to_owned(), at.to_owned(), name.to_owned())).expect("a disk");
        holds.clone_into(&mut disk.holds);
    }

    /// The disks of a project, in order, with what stands on each.
    pub fn disks(&self, project: &str) -> Vec<(String, String)> {
        let mut world = self.world();
        sweep(&mut world);
        let of = world.disks.iter().filter(|((of, _, _), disk)| of == project && disk.turns.end != GONE);
        of.map(|((_, at, name), disk)| (format!("{at}/{name}"), disk.holds.clone())).collect()
    }

    /// How a disk was made.
    pub fn body(&self, project: &str, at: &str, name: &str) -> Option<Value> {
        self.world().disks.get(&(project.to_owned(), at.to_owned(), name.to_owned())).map(|disk| disk.body.clone())
    }

    /// Puts a disk of somebody else's there.
    pub fn strangers_disk(&self, project: &str, zone: &str, name: &str) {
        self.found(project, &format!("zones/{zone}"), name, 1, "pd-standard", None, "a stranger's");
    }
}
