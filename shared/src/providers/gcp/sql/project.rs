//! Cloud SQL in one project. "Not there" is told from "could not be asked", and a listing is complete or an error.
//!
//! What has a name or an id of its own may be sent again when its answer was lost. What has none (a backup, an export) is sent
//! once: whoever comes next looks first.

use super::{
    error::{is_absent, is_busy, is_taken, told},
    wire::{Backup, BackupRun, Backups, Instance, Operation, Page, Reach},
};
use crate::{
    domain::place::{Place, Scheme},
    error::{Error, Kind, Result, failed, invalid, retry},
    providers::gcp::{
        access::Google,
        call::{Ask, Call, Reply, Service, escaped},
        refused::Refused,
    },
};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// As many backups or operations as one page may have.
const PAGE: usize = 500;
/// No project has more pages than this.
const MOST_PAGES: usize = 200;

/// What came of asking for something that may be under way or there already.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is under way.
    Under(Operation),
    /// The name is taken.
    Taken,
    /// Another operation of the instance is at work.
    Busy(Error),
}

/// The instances of one project.
#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) place: Place,
    call: Call,
}

impl Project {
    /// The project at `gcp://PROJECT`. Asks nothing yet.
    pub(super) fn open(google: Arc<Google>, place: &Place) -> Result<Self> {
        if place.scheme() != Scheme::Gcp {
            return Err(invalid(format!("{place} is no project of Google's")));
        }
        Ok(Self { place: place.clone(), call: Call::new(google, Service::Sql) })
    }

    /// Its id.
    pub(super) fn id(&self) -> &str {
        self.place.bucket()
    }

    fn all(&self, of: &str) -> String {
        format!("/v1/projects/{}/{of}", escaped(self.id()))
    }

    fn one(&self, instance: &str) -> String {
        self.all(&format!("instances/{}", escaped(instance)))
    }

    fn said(&self, instance: &str) -> String {
        format!("{instance} at {}", self.place)
    }

    /// Returns an instance, or none where there is none.
    pub(super) async fn instance(&self, name: &str) -> Result<Option<Instance>> {
        match self.found(Ask::get(self.one(name)), "cloudsql.instances.get", name).await {
            // Of what is not there Google says, too, that nobody may look at it: then the whole project tells.
            Err(error) if error.kind() == Kind::Denied => match self.instances().await {
                Ok(all) if all.iter().all(|instance| instance.name != name) => Ok(None),
                Ok(_) | Err(_) => Err(error),
            },
            found => found,
        }
    }

    /// Returns every instance of the project.
    pub(super) async fn instances(&self) -> Result<Vec<Instance>> {
        self.listed(&Ask::get(self.all("instances")), "cloudsql.instances.list", "instances").await
    }

    /// Returns every backup of an instance that is to be had there; none where there is no such instance.
    pub(super) async fn backups(&self, instance: &str) -> Result<Option<Vec<BackupRun>>> {
        let ask = Ask::get(format!("{}/backupRuns", self.one(instance)));
        match self.listed(&ask, "cloudsql.backupRuns.list", instance).await {
            Ok(runs) => Ok(Some(runs)),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns what was retained of an instance that was deleted.
    pub(super) async fn retained(&self, instance: &str) -> Result<Vec<Backup>> {
        let ask = Ask::get(self.all("backups")).query("filter", format!("instance:{instance}")).query("pageSize", PAGE.to_string());
        let (mut all, mut token): (Vec<Backup>, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let ask = token.iter().fold(ask.clone(), |ask, token| ask.query("pageToken", token.as_str()));
            let page = self.call.ask(&ask).await.and_then(|reply| reply.json::<Backups>());
            let page = page.map_err(|refused| told(refused, "cloudsql.backupRuns.list", &self.said(instance)))?;
            if let Some(warning) = page.warnings.first() {
                return Err(retry(format!("listing the backups of {}: it is not whole", self.said(instance))).because(warning.said()));
            }
            all.extend(page.backups.into_iter().filter(|backup| backup.instance == instance && backup.is_retained()));
            match page.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                same if same == token => return Err(retry("listing backups: the same page came twice")),
                next => token = next,
            }
        }
        Err(failed(format!("listing the backups at {}: it does not end after {MOST_PAGES} pages", self.place)))
    }

    /// Begins to delete a backup that outlived its instance; one that is gone is a success.
    pub(super) async fn begin_retained_removal(&self, lasting: &str) -> Result<()> {
        match self.call.ask(&Ask::new(Method::DELETE, format!("/v1/{lasting}"))).await {
            Ok(_) => Ok(()),
            Err(refused) if is_absent(&refused) => Ok(()),
            Err(refused) => Err(told(refused, "cloudsql.backupRuns.delete", lasting)),
        }
    }

    /// Begins to restore a backup that outlived its instance.
    pub(super) async fn begin_restore_of_retained(&self, into: &str, lasting: &str) -> Result<Begun> {
        let ask = Ask::new(Method::POST, format!("{}/restoreBackup", self.one(into))).json(&json!({ "backup": lasting }));
        self.begun(self.call.once(&ask).await, "cloudsql.instances.restoreBackup", into)
    }

    fn run(&self, instance: &str, id: &str) -> String {
        format!("{}/backupRuns/{}", self.one(instance), escaped(id))
    }

    /// Returns the operations of an instance, the newest first, as far as Google remembers them.
    pub(super) async fn operations(&self, instance: &str) -> Result<Vec<Operation>> {
        // One page has more than are of any interest.
        let ask = Ask::get(self.all("operations")).query("instance", instance).query("maxResults", "100");
        let reply = self.call.ask(&ask).await.and_then(|reply| reply.json::<Page<Operation>>());
        Ok(reply.map_err(|refused| told(refused, "cloudsql.instances.get", &self.said(instance)))?.items)
    }

    /// Returns how an operation stands, or none where Google does not remember it.
    pub(super) async fn operation(&self, name: &str) -> Result<Option<Operation>> {
        self.found(Ask::get(self.all(&format!("operations/{}", escaped(name)))), "cloudsql.instances.get", name).await
    }

    /// Returns how far the continuous backups of an instance reach; none where there are none yet.
    pub(super) async fn reach(&self, instance: &str) -> Result<Option<Reach>> {
        let ask = Ask::get(format!("{}/getLatestRecoveryTime", self.one(instance)));
        match self.call.ask(&ask).await.and_then(|reply| reply.json()) {
            Ok(reach) => Ok(Some(reach)),
            Err(refused) if matches!(refused.status(), 400 | 404) => Ok(None),
            Err(refused) => Err(told(refused, "cloudsql.instances.get", &self.said(instance))),
        }
    }

    /// Begins a backup. Nothing keeps Google from making two of it: it is asked once.
    pub(super) async fn begin_backup(&self, instance: &str, description: &str, location: Option<&str>) -> Result<Begun> {
        let mut body = json!({ "instance": instance, "type": "ON_DEMAND", "description": description });
        if let Some(location) = location {
            body["location"] = location.into();
        }
        let ask = Ask::new(Method::POST, format!("{}/backupRuns", self.one(instance))).json(&body);
        self.begun(self.call.once(&ask).await, "cloudsql.backupRuns.create", instance)
    }

    /// Begins to delete a backup; one that is gone is a success.
    pub(super) async fn begin_backup_removal(&self, instance: &str, id: &str) -> Result<()> {
        match self.call.ask(&Ask::new(Method::DELETE, self.run(instance, id))).await {
            Ok(_) => Ok(()),
            Err(refused) if is_absent(&refused) => Ok(()),
            Err(refused) => Err(told(refused, "cloudsql.backupRuns.delete", &format!("backup {id} of {}", self.said(instance)))),
        }
    }

    /// Begins an instance.
    pub(super) async fn begin_instance(&self, body: &Value) -> Result<Begun> {
        let name = body["name"].as_str().unwrap_or_default();
        let ask = Ask::new(Method::POST, self.all("instances")).json(body);
        self.begun(self.call.ask(&ask).await, "cloudsql.instances.create", name)
    }

    /// Begins a clone of an instance as it was at a moment.
    pub(super) async fn begin_clone(&self, source: &str, context: &Value) -> Result<Begun> {
        let ask = Ask::new(Method::POST, format!("{}/clone", self.one(source))).json(&json!({ "cloneContext": context }));
        self.begun(self.call.ask(&ask).await, "cloudsql.instances.clone", source)
    }

    /// Begins to restore a backup of one instance into another, which is overwritten. Sent once: what became of it is looked at.
    pub(super) async fn begin_restore(&self, into: &str, source: &str, backup: &str) -> Result<Begun> {
        let context = json!({ "backupRunId": backup, "instanceId": source, "project": self.id() });
        let ask = Ask::new(Method::POST, format!("{}/restoreBackup", self.one(into))).json(&json!({ "restoreBackupContext": context }));
        self.begun(self.call.once(&ask).await, "cloudsql.instances.restoreBackup", into)
    }

    /// Begins to change an instance.
    pub(super) async fn begin_change(&self, instance: &str, body: &Value) -> Result<Begun> {
        let ask = Ask::new(Method::PATCH, self.one(instance)).json(body);
        self.begun(self.call.ask(&ask).await, "cloudsql.instances.update", instance)
    }

    /// Begins to delete an instance, without a last backup of it.
    pub(super) async fn begin_removal(&self, instance: &str) -> Result<Begun> {
        let ask = Ask::new(Method::DELETE, self.one(instance)).query("enableFinalBackup", "false");
        self.begun(self.call.ask(&ask).await, "cloudsql.instances.delete", instance)
    }

    /// Begins to set a role's password.
    pub(super) async fn begin_password(&self, instance: &str, user: &str, password: &str) -> Result<Begun> {
        let ask = Ask::new(Method::PUT, format!("{}/users", self.one(instance))).query("name", user);
        let ask = ask.json(&json!({ "name": user, "password": password }));
        self.begun(self.call.ask(&ask).await, "cloudsql.users.update", &format!("{user} of {instance}"))
    }

    /// Begins to write a dump of a database to an object. Sent once, as a backup is.
    pub(super) async fn begin_export(&self, instance: &str, context: &Value) -> Result<Begun> {
        let ask = Ask::new(Method::POST, format!("{}/export", self.one(instance))).json(&json!({ "exportContext": context }));
        self.begun(self.call.once(&ask).await, "cloudsql.instances.export", instance)
    }

    fn begun(&self, replied: Result<Reply, Refused>, permission: &str, of: &str) -> Result<Begun> {
        match replied.and_then(|reply| reply.json::<Operation>()) {
            Ok(operation) => Ok(Begun::Under(operation)),
            Err(refused) if is_busy(&refused) => Ok(Begun::Busy(told(refused, permission, &self.said(of)))),
            Err(refused) if is_taken(&refused) && permission != "cloudsql.instances.delete" => Ok(Begun::Taken),
            Err(refused) => Err(told(refused, permission, &self.said(of))),
        }
    }

    async fn found<T: DeserializeOwned>(&self, ask: Ask, permission: &str, of: &str) -> Result<Option<T>> {
        match self.call.ask(&ask).await.and_then(|reply| reply.json()) {
            Ok(found) => Ok(Some(found)),
            Err(refused) if is_absent(&refused) => Ok(None),
            Err(refused) => Err(told(refused, permission, &self.said(of))),
        }
    }

    /// Reads every page. One that stands still or does not end is an error: half a listing would say that something is gone.
    async fn listed<T: DeserializeOwned>(&self, ask: &Ask, permission: &str, of: &str) -> Result<Vec<T>> {
        let (mut all, mut token): (Vec<T>, Option<String>) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let mut page = ask.clone().query("maxResults", PAGE.to_string());
            if let Some(token) = &token {
                page = page.query("pageToken", token);
            }
            let page = self.call.ask(&page).await.and_then(|reply| reply.json::<Page<T>>());
            let page = page.map_err(|refused| told(refused, permission, &self.said(of)))?;
            if let Some(warning) = page.warnings.first() {
                return Err(retry(format!("listing {of} at {}: it is not whole", self.place)).because(warning.said()));
            }
            all.extend(page.items);
            match page.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(all),
                same if same == token => return Err(retry(format!("listing {of} at {}: the same page came twice", self.place))),
                next => token = next,
            }
        }
        Err(failed(format!("listing {of} at {}: it does not end after {MOST_PAGES} pages", self.place)))
    }
}
