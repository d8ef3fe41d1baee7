//! Backup runs: a backup really freezes the data of its instance, at the moment when it begins to run.

use super::{
    BackupSeen, Key, SqlAdmin, State,
    instances::Instance,
    key, listing, moment,
    operations::{Failed, Work, internal},
};
use crate::{
    engine::Frozen,
    gcp::{
        faults::Ending,
        wire::{Call, Refusal},
    },
};
use lastgood_core::clock::Timestamp;
use serde_json::{Value, json};
use std::{cmp::Reverse, sync::Arc};

/// A backup.
pub(super) struct Backup {
    /// What no other backup ever has.
    pub(super) lasting: String,
    /// Its number as a run; other instances have the same numbers.
    id: String,
    pub(super) of: Key,
    pub(super) identity: String,
    pub(super) kind: &'static str,
    pub(super) status: &'static str,
    pub(super) description: String,
    pub(super) location: String,
    enqueued: Timestamp,
    started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    error: Option<String>,
    pub(super) frozen: Option<Arc<Frozen>>,
    /// Its instance as it was.
    pub(super) settings: Value,
    /// When its instance was deleted, if it was.
    pub(super) orphaned: Option<Timestamp>,
    /// How many listings still show it, once it is deleted.
    shown: Option<usize>,
}

impl Backup {
    fn new(instance: &mut Instance, of: &Key, kind: &'static str, lasting: String, now: Timestamp) -> Self {
        let id = instance.next_run.to_string();
        instance.next_run += 1_000;
        let kept = instance.settings()["backupConfiguration"]["location"].as_str();
        let location = kept.unwrap_or(if instance.region().starts_with("europe") { "eu" } else { "us" }).to_owned();
        Self {
            lasting,
            id,
            of: of.clone(),
            identity: instance.identity.clone(),
            kind,
            status: "ENQUEUED",
            description: String::new(),
            location,
            enqueued: now,
            started: None,
            ended: None,
            error: None,
            frozen: None,
            settings: instance.json(of),
            orphaned: None,
            shown: None,
        }
    }

    /// Whether it is there, whatever its state.
    pub(super) fn is_there(&self) -> bool {
        self.shown.is_none()
    }

    /// A listing comes by.
    fn pass_by(&mut self) {
        self.shown = self.shown.map(|shown| shown.saturating_sub(1));
    }

    /// The key that it is under, if its instance has one of its own.
    pub(super) fn kms_key(&self) -> Option<&str> {
        self.settings["diskEncryptionConfiguration"]["kmsKeyName"].as_str()
    }

    /// As a run.
    fn run(&self) -> Value {
        let (project, instance) = &self.of;
        let status = if self.status == "DELETING" { "DELETION_PENDING" } else { self.status };
        let mut json = json!({
            "kind": "sql#backupRun", "id": self.id, "instance": instance, "status": status, "type": self.kind,
            "enqueuedTime": moment(self.enqueued), "windowStartTime": moment(self.enqueued), "location": self.location,
            "databaseVersion": self.settings["databaseVersion"], "backupKind": "SNAPSHOT", "timeZone": "UTC",
            "selfLink": format!("https://sqladmin.googleapis.com/v1/projects/{project}/instances/{instance}/backupRuns/{}", self.id),
        });
        if !self.description.is_empty() {
            json["description"] = self.description.clone().into();
        }
        for (name, at) in [("startTime", self.started), ("endTime", self.ended)] {
            if let Some(at) = at {
                json[name] = moment(at).into();
            }
        }
        if let Some(key) = self.kms_key() {
            json["diskEncryptionConfiguration"] = json!({ "kind": "sql#diskEncryptionConfiguration", "kmsKeyName": key });
            json["diskEncryptionStatus"] =
                json!({ "kind": "sql#diskEncryptionStatus", "kmsKeyVersionName": format!("{key}/cryptoKeyVersions/1") });
        }
        if let Some(error) = &self.error {
            json["error"] = json!({ "kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": error });
        }
        if let Some(frozen) = self.frozen.as_ref().filter(|_| self.status == "SUCCESSFUL") {
            json["maxChargeableBytes"] = frozen.bytes().to_string().into();
        }
        json
    }

    /// As a backup of the project.
    pub(super) fn json(&self) -> Value {
        let (project, instance) = &self.of;
        let name = format!("projects/{project}/backups/{}", self.lasting);
        let mut json = json!({
            "kind": "sql#backup", "name": name, "selfLink": format!("https://sqladmin.googleapis.com/v1/{name}"), "type": self.kind,
            "instance": instance, "location": self.location, "state": self.status, "backupKind": "SNAPSHOT", "timeZone": "UTC",
            "databaseVersion": self.settings["databaseVersion"], "instanceSettings": self.settings,
            "backupRun": format!("projects/{project}/instances/{instance}/backupRuns/{}", self.id),
            "backupInterval": { "startTime": moment(self.started.unwrap_or(self.enqueued)) },
        });
        if !self.description.is_empty() {
            json["description"] = self.description.clone().into();
        }
        if let Some(ended) = self.ended {
            json["backupInterval"]["endTime"] = moment(ended).into();
        }
        if let Some(key) = self.kms_key() {
            json["kmsKey"] = key.into();
        }
        if let Some(at) = self.orphaned {
            json["instanceDeletionTime"] = moment(at).into();
        }
        json
    }
}

impl SqlAdmin {
    /// Lets Cloud SQL take a backup by itself: it is there at once. Returns its id.
    pub async fn takes_by_itself(&self, project: &str, name: &str) -> String {
        let mut state = self.state.lock().await;
        let key = (project.to_owned(), name.to_owned());
        let lasting = self.enqueue(&mut state, &key, "AUTOMATED", None).expect("a running instance");
        self.begin_backup(&mut state, &key, &lasting).await.expect("a backup");
        self.end_backup(&mut state, &lasting, None).expect("a backup");
        state.backups.last().map(|backup| backup.id.clone()).unwrap_or_default()
    }

    /// The backups of a project, the newest first.
    pub async fn backups_seen(&self, project: &str) -> Vec<BackupSeen> {
        let state = self.state.lock().await;
        let there = state.backups.iter().rev().filter(|backup| backup.of.0 == project && backup.is_there());
        let seen = there.map(|Backup { id, of, status, description, .. }| BackupSeen {
            id: id.clone(),
            instance: of.1.clone(),
            status,
            description: description.clone(),
        });
        seen.collect()
    }

    /// Puts a backup there that waits for its turn, and returns its lasting name.
    pub(super) fn enqueue(&self, state: &mut State, of: &Key, kind: &'static str, said: Option<&Value>) -> Result<String, Refusal> {
        let lasting = state.unique();
        let now = self.now();
        let instance = state.instances.get_mut(of).ok_or_else(|| self.missing())?;
        let mut backup = Backup::new(instance, of, kind, lasting.clone(), now);
        if let Some(said) = said {
            said["description"].as_str().unwrap_or_default().clone_into(&mut backup.description);
            if let Some(location) = said["location"].as_str() {
                location.clone_into(&mut backup.location);
            }
        }
        if backup.description.chars().count() > 1_024 {
            return Err(Refusal::new(400, "invalid", "Invalid request: the description is too long."));
        }
        state.backups.push(backup);
        Ok(lasting)
    }

    /// The backups of an instance that is there; what Cloud SQL keeps beyond an instance's end is no run of a later one.
    fn runs<'a>(&self, state: &'a State, of: &Key) -> Result<Vec<&'a Backup>, Refusal> {
        let identity = &self.instance(state, of)?.identity;
        Ok(state.backups.iter().rev().filter(|backup| backup.identity == *identity && backup.orphaned.is_none()).collect())
    }

    /// The runs of these instances as a listing shows them: what was begun a moment ago may be missing, and what was deleted may
    /// be on it still.
    fn listed(&self, State { instances, backups, .. }: &State, of: &[Key]) -> Vec<Value> {
        let late = self.faults.rules_now().listed_late;
        let live = |backup: &Backup| of.contains(&backup.of) && instances.get(&backup.of).is_some_and(|at| at.identity == backup.identity);
        let mut found: Vec<_> =
            backups.iter().filter(|backup| live(backup) && backup.orphaned.is_none() && !(late && backup.status == "ENQUEUED")).collect();
        found.sort_by_key(|run| Reverse((run.enqueued, run.id.clone())));
        found.into_iter().map(Backup::run).collect()
    }

    pub(super) fn lasting_of_run(&self, state: &State, of: &Key, id: &str) -> Result<String, Refusal> {
        let run = self.runs(state, of)?.into_iter().find(|run| run.id == id && run.is_there());
        let missing = || Refusal::new(404, "backupRunDoesNotExist", "The Cloud SQL backup run does not exist.");
        run.map(|run| run.lasting.clone()).ok_or_else(missing)
    }

    pub(super) async fn list_runs(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let (project, name) = key(call);
        let all: Vec<Key> =
            state.instances.keys().filter(|(of, known)| *of == project && (name == "-" || *known == name)).cloned().collect();
        if all.is_empty() && name != "-" {
            return Err(self.missing());
        }
        if call.query("pageToken").is_none() {
            for key in &all {
                self.look(state, key).await;
            }
        }
        let found = self.listed(state, &all);
        if call.query("pageToken").is_none() {
            state.backups.iter_mut().for_each(Backup::pass_by);
            state.backups.retain(|backup| backup.shown != Some(0));
        }
        Ok(listing::page(&found, call, "maxResults", self.faults.rules_now().page)?.json("sql#backupRunsList", "items"))
    }

    pub(super) async fn get_run(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        self.look(state, &key).await;
        let lasting = self.lasting_of_run(state, &key, &call.names[2])?;
        Ok(state.backups.iter().find(|backup| backup.lasting == lasting).map(Backup::run).unwrap_or_default())
    }

    pub(super) async fn insert_run(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        self.take(state, &key(call), &call.body).await
    }

    /// Begins a backup on demand.
    pub(super) async fn take(&self, state: &mut State, of: &Key, said: &Value) -> Result<Value, Refusal> {
        self.instance(state, of)?;
        self.free(state, of).await?;
        self.runnable(state, of)?;
        let lasting = self.enqueue(state, of, "ON_DEMAND", Some(said))?;
        let id = state.backups.last().map(|backup| backup.id.clone()).unwrap_or_default();
        let context = json!({ "backupContext": { "kind": "sql#backupContext", "backupId": id, "name": format!("projects/{}/backups/{lasting}", of.0) } });
        Ok(self.begin(state, "BACKUP_VOLUME", of, Work::Backup(lasting), context))
    }

    pub(super) async fn begin_backup(&self, state: &mut State, of: &Key, lasting: &str) -> Result<(), Failed> {
        let now = self.now();
        let server = state.instances.get(of).and_then(|instance| instance.server.as_ref()).ok_or_else(internal)?;
        let frozen = Arc::new(server.socket.freeze().await);
        let backup = state.backups.iter_mut().find(|backup| backup.lasting == lasting).ok_or_else(internal)?;
        (backup.status, backup.started, backup.frozen) = ("RUNNING", Some(now), Some(frozen));
        Ok(())
    }

    pub(super) fn end_backup(&self, state: &mut State, lasting: &str, ending: Option<Ending>) -> Result<(), Failed> {
        let now = self.now();
        let backup = state.backups.iter_mut().find(|backup| backup.lasting == lasting).ok_or_else(internal)?;
        backup.ended = Some(now);
        backup.status = match ending {
            None => "SUCCESSFUL",
            Some(Ending::Skipped) => "SKIPPED",
            Some(_) => "FAILED",
        };
        if backup.status != "SUCCESSFUL" {
            backup.frozen = None;
        }
        if backup.status == "FAILED" {
            backup.error = Some("The backup could not be taken: the disk's snapshot failed.".to_owned());
        }
        if ending == Some(Ending::Error) { Err(internal()) } else { Ok(()) }
    }

    pub(super) async fn delete_run(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let key = key(call);
        let lasting = self.lasting_of_run(state, &key, &call.names[2])?;
        self.free(state, &key).await?;
        self.begin_delete_backup(state, &key, lasting)
    }

    pub(super) fn begin_delete_backup(&self, state: &mut State, of: &Key, lasting: String) -> Result<Value, Refusal> {
        let backup = state.backups.iter_mut().find(|backup| backup.lasting == lasting).ok_or_else(|| self.missing())?;
        if matches!(backup.status, "ENQUEUED" | "RUNNING" | "DELETING" | "DELETED") {
            let message = "The instance or operation is not in an appropriate state to handle the request.";
            return Err(Refusal::new(409, "invalidState", message));
        }
        backup.status = "DELETING";
        Ok(self.begin(state, "DELETE_BACKUP", of, Work::DeleteBackup(lasting), Value::Null))
    }

    pub(super) fn end_delete_backup(&self, state: &mut State, lasting: &str, ending: Option<Ending>) -> Result<(), Failed> {
        if ending.is_some() {
            let backup = state.backups.iter_mut().find(|backup| backup.lasting == lasting).ok_or_else(internal)?;
            backup.status = "DELETION_FAILED";
            return if ending == Some(Ending::Error) { Err(internal()) } else { Ok(()) };
        }
        let shown = self.faults.rules_now().looks;
        for backup in state.backups.iter_mut().filter(|backup| backup.lasting == lasting) {
            (backup.status, backup.frozen, backup.shown) = ("DELETED", None, Some(shown));
        }
        Ok(())
    }
}
