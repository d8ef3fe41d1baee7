//! The disks of Compute Engine: what is ordered is an operation first, which ends late and sometimes badly; a snapshot freezes
//! what its disk holds, a new disk bears it. The same order sent twice takes effect once, by its id; a name is given once.

mod disks;
mod operations;
mod routes;
mod snapshots;

use super::{Asked, Call, Faults, Part, Refusal};
use async_trait::async_trait;
use disks::Disk;
use lastgood_core::clock::{Clock, Timestamp};
use operations::Operation;
use serde_json::{Value, json};
use snapshots::Snapshot;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Compute Engine, as far as it keeps disks.
pub struct Compute {
    clock: Arc<dyn Clock>,
    faults: Faults,
    world: Mutex<World>,
}

#[derive(Default)]
struct World {
    /// By project, place (`zones/europe-west1-b`) and name.
    disks: BTreeMap<(String, String, String), Disk>,
    snapshots: BTreeMap<(String, String), Snapshot>,
    operations: BTreeMap<String, Operation>,
    /// Operations by the id that their order bore.
    requests: BTreeMap<String, String>,
    /// What a machine says of its disks, by project, zone and name.
    machines: BTreeMap<(String, String, String), Vec<Value>>,
    policies: BTreeMap<(String, String, String), Value>,
    most_snapshots: Option<usize>,
    taken: BTreeMap<String, Vec<Timestamp>>,
    number: u64,
}

impl World {
    fn next(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

/// What is under way shows its states, one per look.
#[derive(Debug, Clone)]
struct Turns {
    left: Vec<&'static str>,
    end: &'static str,
}

impl Turns {
    fn new(states: &[&'static str], looks: usize, end: &'static str) -> Self {
        Self { left: states.iter().rev().flat_map(|state| std::iter::repeat_n(*state, looks)).collect(), end }
    }

    /// The state that this look finds.
    fn look(&mut self) -> &'static str {
        self.left.pop().unwrap_or(self.end)
    }

    fn over(&self) -> bool {
        self.left.is_empty()
    }
}

/// The state of what is gone once it has been looked at.
const GONE: &str = "GONE";

fn missing(path: &str) -> Refusal {
    Refusal::new(404, "notFound", format!("The resource '{path}' was not found"))
}

fn taken(path: &str) -> Refusal {
    Refusal::new(409, "alreadyExists", format!("The resource '{path}' already exists"))
}

impl Compute {
    /// Nothing is there yet.
    pub fn new(clock: Arc<dyn Clock>, faults: &Faults) -> Arc<Self> {
        Arc::new(Self { clock, faults: faults.clone(), world: Mutex::default() })
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a project have so many snapshots.
    pub fn most_snapshots(&self, most: usize) {
        self.world().most_snapshots = Some(most);
    }

    /// Starts a machine with these disks of its zone, which it deletes with itself or not.
    pub fn machine(&self, project: &str, zone: &str, name: &str, disks: &[(&str, bool)]) {
        let mut world = self.world();
        let address =
            |what: &str, name: &str| format!("https://www.googleapis.com/compute/v1/projects/{project}/zones/{zone}/{what}/{name}");
        let entries = disks.iter().map(|(disk, auto)| json!({ "source": address("disks", disk), "autoDelete": auto })).collect();
        world.machines.insert((project.into(), zone.into(), name.into()), entries);
        for (disk, _) in disks {
            let disk = world.disks.get_mut(&(project.into(), format!("zones/{zone}"), (*disk).into())).expect("a disk");
            disk.users.push(address("instances", name));
        }
    }

    /// Puts a snapshot schedule on a disk.
    pub fn scheduled(&self, project: &str, zone: &str, disk: &str, policy: &str, on_delete: &str) {
        let region = zone.rsplit_once('-').expect("a zone").0;
        let mut world = self.world();
        let body = json!({ "name": policy, "snapshotSchedulePolicy": { "retentionPolicy": { "onSourceDiskDelete": on_delete } } });
        world.policies.insert((project.into(), region.into(), policy.into()), body);
        let disk = world.disks.get_mut(&(project.into(), format!("zones/{zone}"), disk.into())).expect("a disk");
        disk.policies.push(format!("https://www.googleapis.com/compute/v1/projects/{project}/regions/{region}/resourcePolicies/{policy}"));
    }

    fn machine_seen(&self, call: &Call) -> Result<Value, Refusal> {
        let [project, zone, name] = &call.names[..] else { return Err(missing("instances")) };
        let found = self.world().machines.get(&(project.clone(), zone.clone(), name.clone())).cloned();
        found.map(|disks| json!({ "kind": "compute#instance", "name": name, "disks": disks })).ok_or_else(|| missing(name))
    }

    fn policy_seen(&self, call: &Call) -> Result<Value, Refusal> {
        let [project, region, name] = &call.names[..] else { return Err(missing("resourcePolicies")) };
        self.world().policies.get(&(project.clone(), region.clone(), name.clone())).cloned().ok_or_else(|| missing(name))
    }

    fn project_seen(&self, call: &Call) -> Value {
        let world = self.world();
        let used = world.snapshots.keys().filter(|(project, _)| *project == call.names[0]).count();
        let quotas = json!([
            { "metric": "NETWORKS", "limit": 5.0, "usage": 1.0 },
            { "metric": "SNAPSHOTS", "limit": world.most_snapshots.unwrap_or(1000), "usage": used },
        ]);
        json!({ "kind": "compute#project", "name": call.names[0], "quotas": quotas })
    }

    /// Cuts what a filter leaves into pages.
    fn page(&self, call: &Call, all: Vec<Value>) -> Result<Value, Refusal> {
        let number = |name: &str| call.query(name).and_then(|text| text.parse::<usize>().ok());
        let most = number("maxResults").unwrap_or(500).min(self.faults.rules_now().page).max(1);
        let after = match call.query("pageToken") {
            None => None,
            Some(token) => {
                Some(token.strip_prefix("after-").ok_or_else(|| Refusal::new(400, "invalid", "Invalid value for field 'pageToken'"))?)
            }
        };
        let filter = call.query("filter").unwrap_or_default();
        let fits = |item: &&Value| match filter.strip_prefix("labels.") {
            None => filter.is_empty(),
            Some(rule) => match (rule.split_once('='), rule.strip_suffix(":*")) {
                (Some((key, value)), _) => item["labels"][key] == value,
                (None, Some(key)) => item["labels"].get(key).is_some(),
                (None, None) => false,
            },
        };
        let comes = |item: &&Value| after.is_none_or(|after| item["name"].as_str().is_some_and(|name| name > after));
        let mut fitting = all.iter().filter(fits).filter(comes);
        let items: Vec<_> = fitting.by_ref().take(most).cloned().collect();
        let mut page = json!({ "items": &items });
        if fitting.next().is_some() {
            let last = items.last().and_then(|item| item["name"].as_str()).unwrap_or_default();
            page["nextPageToken"] = format!("after-{last}").into();
        }
        Ok(page)
    }
}

#[async_trait]
impl Part for Compute {
    fn call(&self, asked: &Asked) -> Option<Result<Call, Refusal>> {
        routes::read(asked)
    }

    async fn answer(&self, call: &Call) -> Result<Value, Refusal> {
        match call.api {
            "compute.disks.get" => self.disk_seen(call),
            "compute.disks.list" => self.disks_listed(call),
            "compute.disks.insert" => self.make_disk(call),
            "compute.disks.delete" => self.delete_disk(call),
            "compute.disks.createSnapshot" => self.take_snapshot(call),
            "compute.snapshots.get" => self.snapshot_seen(call),
            "compute.snapshots.list" => self.snapshots_listed(call),
            "compute.snapshots.delete" => self.delete_snapshot(call),
            "compute.instances.get" => self.machine_seen(call),
            "compute.resourcePolicies.get" => self.policy_seen(call),
            "compute.projects.get" => Ok(self.project_seen(call)),
            _ => self.operation_seen(call),
        }
    }
}
