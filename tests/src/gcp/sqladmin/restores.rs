//! Clones and restores: each starts a real server, with the data of a backup, of the present or of a moment.

use super::{
    Key, SqlAdmin, State,
    fields::merge,
    instances::Server,
    key, moment,
    operations::{Failed, Work, internal},
    settings::complete,
};
use crate::{
    engine::SHIPPING,
    gcp::{
        faults::Ending,
        wire::{Call, Refusal},
    },
    pg::Cluster,
};
use lastgood_core::clock::Timestamp;
use serde_json::{Value, json};

fn invalid(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(400, "invalid", format!("Invalid request: {what}."))
}

/// What Cloud SQL says of a key that it cannot use.
fn keyless(key: &str) -> Failed {
    ("KMS_KEY_ISSUE", format!("The KMS key {key} is disabled, destroyed, or the service account may not use it."))
}

impl SqlAdmin {
    pub(super) fn latest_recovery_time(&self, state: &State, call: &Call) -> Result<Value, Refusal> {
        let (from, to) = self.window(state, &key(call))?;
        Ok(json!({ "kind": "sql#getLatestRecoveryTime", "latestRecoveryTime": moment(to), "earliestRecoveryTime": moment(from) }))
    }

    /// The moments that an instance can be brought back to.
    fn window(&self, state: &State, key: &Key) -> Result<(Timestamp, Timestamp), Refusal> {
        let instance = self.instance(state, key)?;
        let off = || invalid(format!("point-in-time recovery is not enabled for {}, or has no logs yet", key.1));
        let kept = instance.continuous.as_ref().filter(|_| instance.recovers_moments()).ok_or_else(off)?;
        let days = instance.settings()["backupConfiguration"]["transactionLogRetentionDays"].as_u64().unwrap_or(7);
        kept.window(days, self.now(), self.faults.rules_now().lag).ok_or_else(off)
    }

    pub(super) async fn clone_instance(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let (source, asked) = (key(call), &call.body["cloneContext"]);
        self.instance(state, &source)?;
        let name = asked["destinationInstanceName"].as_str().unwrap_or_default();
        let project = asked["destinationProject"].as_str().unwrap_or(&source.0).to_owned();
        let target = (project, name.to_owned());
        self.nameable(state, &target)?;
        self.free(state, &source).await?;
        self.runnable(state, &source)?;
        let until = match asked["pointInTime"].as_str() {
            None => None,
            Some(text) => {
                let at: Timestamp = text.parse().map_err(|_| invalid(format!("{text} is no timestamp")))?;
                let (from, to) = self.window(state, &source)?;
                if at > to {
                    return Err(invalid(format!("the point in time is later than the latest recovery time {}", moment(to))));
                }
                if at < from {
                    return Err(invalid(format!("the point in time is earlier than the earliest recovery time {}", moment(from))));
                }
                Some(self.clock.end_of(at).ok_or_else(|| invalid(format!("{text} is not over yet")))?)
            }
        };
        let instance = self.instance(state, &source)?;
        let mut description = instance.description.clone();
        description["name"] = name.into();
        let zone = asked["preferredZone"].as_str().map_or_else(|| format!("{}-c", instance.region()), str::to_owned);
        description["gceZone"] = zone.clone().into();
        description["settings"]["locationPreference"]["zone"] = zone.into();
        if let Some(network) = asked["destinationNetwork"].as_str() {
            description["settings"]["ipConfiguration"]["privateNetwork"] = network.into();
        }
        complete(&mut description)?;
        self.put_pending(state, &target, description);
        Ok(self.begin(state, "CREATE_CLONE", &target, Work::Clone { source, until }, Value::Null))
    }

    pub(super) async fn begin_clone(&self, state: &mut State, target: &Key, source: &Key, until: Option<Timestamp>) -> Result<(), Failed> {
        let certificates = state.instances.get(target).ok_or_else(internal)?.certificates.clone();
        let instance = state.instances.get(source).ok_or_else(internal)?;
        if let Some(key) = instance.description["diskEncryptionConfiguration"]["kmsKeyName"].as_str()
            && self.faults.refuses_key(key)
        {
            return Err(keyless(key));
        }
        let server = instance.server.as_ref().ok_or_else(internal)?;
        let cluster = match (until, &instance.continuous) {
            (None, _) => certificates.restored(&server.socket.freeze().await, &SHIPPING).await,
            (Some(until), Some(kept)) => kept.replayed(&server.socket, &certificates, until, &SHIPPING).await,
            (Some(_), None) => return Err(("POINT_IN_TIME_RECOVERY_DISABLED", "The logs are gone.".to_owned())),
        };
        self.put_server(state.instances.get_mut(target).ok_or_else(internal)?, Server::owned(cluster));
        Ok(())
    }

    pub(super) async fn restore_backup(&self, state: &mut State, call: &Call) -> Result<Value, Refusal> {
        let target = key(call);
        let overrides = call.body.get("restoreInstanceSettings");
        let is_new = !state.instances.contains_key(&target);
        if is_new && overrides.is_none() {
            return Err(self.missing());
        }
        if !is_new && overrides.is_some() {
            return Err(invalid("restoreInstanceSettings can be used to restore to a new instance only"));
        }
        let lasting = self.referred(state, &call.body, &target.0)?;
        let backup = state.backups.iter().find(|backup| backup.lasting == lasting).ok_or_else(|| self.missing())?;
        if backup.status != "SUCCESSFUL" {
            return Err(Refusal::new(409, "invalidState", "The backup is not in an appropriate state to be restored."));
        }
        let (settings, kind) = (backup.settings.clone(), if is_new { "CREATE" } else { "RESTORE_VOLUME" });
        if is_new {
            self.nameable(state, &target)?;
            let description = restored(&settings, &target.1, overrides.unwrap_or(&Value::Null))?;
            self.put_pending(state, &target, description);
        } else {
            self.free(state, &target).await?;
            let instance = self.runnable(state, &target)?;
            if settings["databaseVersion"] != instance.description["databaseVersion"] {
                return Err(invalid("the backup is of another database version than the instance"));
            }
            if size(&settings["settings"]) > size(instance.settings()) {
                return Err(invalid("the disk of the instance is smaller than that of the backup"));
            }
        }
        Ok(self.begin(state, kind, &target, Work::Restore { backup: lasting, server: None }, Value::Null))
    }

    /// The lasting name of the backup that a request refers to, in one of two ways.
    fn referred(&self, state: &State, body: &Value, project: &str) -> Result<String, Refusal> {
        match (body["backup"].as_str(), body.get("restoreBackupContext").filter(|context| !context.is_null())) {
            (Some(name), None) => {
                let parts: Vec<_> = name.split('/').collect();
                let ["projects", project, "backups", lasting] = parts[..] else { return Err(invalid("the backup's name")) };
                self.backup(state, project, lasting).map(|backup| backup.lasting.clone())
            }
            (None, Some(context)) => {
                let of = (
                    context["project"].as_str().unwrap_or(project).to_owned(),
                    context["instanceId"].as_str().unwrap_or_default().to_owned(),
                );
                let id = context["backupRunId"].as_str().map(str::to_owned).or_else(|| Some(context["backupRunId"].as_u64()?.to_string()));
                self.lasting_of_run(state, &of, &id.unwrap_or_default())
            }
            (None, None) | (Some(_), Some(_)) => Err(invalid("exactly one of backup and restoreBackupContext must be given")),
        }
    }

    pub(super) async fn begin_restore(
        &self,
        state: &mut State,
        target: &Key,
        lasting: &str,
        server: &mut Option<Cluster>,
    ) -> Result<(), Failed> {
        let backup = state.backups.iter().find(|backup| backup.lasting == lasting).ok_or_else(internal)?;
        if let Some(key) = backup.kms_key().filter(|key| self.faults.refuses_key(key)) {
            return Err(keyless(key));
        }
        let frozen = backup.frozen.clone().ok_or_else(internal)?;
        let instance = state.instances.get_mut(target).ok_or_else(internal)?;
        *server = Some(instance.certificates.restored(&frozen, &SHIPPING).await);
        if instance.server.is_some() {
            // Whoever is connected loses the connection here.
            instance.state = "MAINTENANCE";
        }
        Ok(())
    }

    pub(super) async fn end_restore(
        &self,
        state: &mut State,
        target: &Key,
        server: Option<Cluster>,
        ending: Option<Ending>,
    ) -> Result<(), Failed> {
        let instance = state.instances.get_mut(target).ok_or_else(internal)?;
        if let Some(server) = server {
            self.put_server(instance, Server::owned(server));
        }
        // The logs until now are of other data.
        instance.continuous = None;
        self.end_create(state, target, ending).await
    }
}

fn size(settings: &Value) -> u64 {
    let size = &settings["dataDiskSizeGb"];
    size.as_u64().or_else(|| size.as_str()?.parse().ok()).unwrap_or_default()
}

/// The description of an instance that a backup is restored into: what was, and what is asked for instead.
fn restored(was: &Value, name: &str, overrides: &Value) -> Result<Value, Refusal> {
    let mut description =
        json!({ "name": name, "region": was["region"], "databaseVersion": was["databaseVersion"], "settings": was["settings"] });
    if !was["diskEncryptionConfiguration"].is_null() && overrides["region"].as_str().is_none_or(|region| was["region"] == region) {
        description["diskEncryptionConfiguration"] = was["diskEncryptionConfiguration"].clone();
    }
    merge(&mut description, overrides);
    description["name"] = name.into();
    if description["databaseVersion"] != was["databaseVersion"] {
        return Err(invalid("the database version cannot change"));
    }
    complete(&mut description)?;
    if size(&description["settings"]) < size(&was["settings"]) {
        return Err(invalid("the disk size cannot decrease"));
    }
    let moved = description["region"] != was["region"];
    let zone = description["settings"]["locationPreference"]["zone"].as_str().unwrap_or_default().to_owned();
    if moved && !zone.is_empty() && !zone.starts_with(description["region"].as_str().unwrap_or_default()) {
        return Err(invalid(format!("the zone {zone} is not in the region")));
    }
    Ok(description)
}
