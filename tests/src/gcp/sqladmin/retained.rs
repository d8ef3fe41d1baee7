//! The backups of a project: those of every instance, and those that outlive theirs.

use super::{Key, SqlAdmin, State, backups::Backup, instances::Instance, listing};
use crate::gcp::wire::{Call, Refusal};
use serde_json::Value;

fn missing() -> Refusal {
    Refusal::new(404, "backupDoesNotExist", "The Cloud SQL backup does not exist.")
}

impl SqlAdmin {
    /// An instance is gone: what it asked to keep stays, as do last backups; all others go with it.
    pub(super) fn outlive(&self, state: &mut State, instance: &Instance) {
        let (now, keeps) = (self.now(), instance.settings()["retainBackupsOnDelete"] == true);
        state.backups.retain(|backup| backup.identity != instance.identity || keeps || backup.kind == "FINAL");
        for backup in state.backups.iter_mut().filter(|backup| backup.identity == instance.identity) {
            backup.orphaned = Some(now);
        }
    }

    /// Takes the last backup of an instance that is about to go.
    pub(super) async fn last_backup(&self, state: &mut State, of: &Key, description: &str) {
        let said = serde_json::json!({ "description": description });
        let Ok(lasting) = self.enqueue(state, of, "FINAL", Some(&said)) else { return };
        let ending = self.begin_backup(state, of, &lasting).await.err().map(|_| crate::gcp::faults::Ending::Failed);
        let _ = self.end_backup(state, &lasting, ending); // its state says how it went
    }

    pub(super) async fn list_backups(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let keys: Vec<Key> = state.instances.keys().filter(|(of, _)| *of == call.names[0]).cloned().collect();
        if call.query("pageToken").is_none() {
            for key in &keys {
                self.look(state, key).await;
            }
        }
        let mut found = Vec::new();
        for backup in
            state.backups.iter().rev().filter(|backup| backup.of.0 == call.names[0] && backup.status != "SKIPPED" && backup.is_there())
        {
            let json = backup.json();
            if listing::lets_through(call.query("filter"), &json)? {
                found.push(json);
            }
        }
        let mut json = listing::page(&found, call, "pageSize", self.faults.rules_now().page)?.json("", "backups");
        json.as_object_mut().expect("an object").remove("kind");
        Ok(json)
    }

    /// A backup of the project that a path or a reference names.
    pub(super) fn backup<'a>(&self, state: &'a State, project: &str, lasting: &str) -> Result<&'a Backup, Refusal> {
        state.backups.iter().find(|backup| backup.of.0 == project && backup.lasting == lasting && backup.is_there()).ok_or_else(missing)
    }

    pub(super) fn get_backup(&self, state: &State, call: &Call) -> Result<Value, Refusal> {
        self.backup(state, &call.names[0], &call.names[1]).map(Backup::json)
    }

    pub(super) async fn create_backup(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let instance = call.body["instance"].as_str().ok_or_else(|| Refusal::new(400, "required", "Required: instance"))?;
        let instance = instance.rsplit('/').next().unwrap_or_default();
        self.take(state, &(call.names[0].clone(), instance.to_owned()), &call.body).await
    }

    pub(super) async fn delete_backup(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let backup = self.backup(state, &call.names[0], &call.names[1])?;
        let (of, lasting) = (backup.of.clone(), backup.lasting.clone());
        if backup.orphaned.is_none() {
            self.free(state, &of).await?;
        }
        self.begin_delete_backup(state, &of, lasting)
    }
}
