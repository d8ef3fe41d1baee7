//! Replicas in Cloud SQL: each a throwaway instance that a backup is restored into, or a clone as of a moment.
//!
//! One is ours because its labels say so; whatever else bears its name is left alone. It has no public address, no backups and no
//! protection, and a password that only this invocation knows: the next one sets another.

use super::{
    difference, label, make, names,
    project::{Begun, Project},
    restore::{self, Origin, held},
    settings,
    wire::Instance,
};
use crate::{
    catalog::Vault,
    clock::{Clock, Timestamp},
    config::{Asset, Source, SqlDrill},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::CheckResult,
        drill::ReplicaName,
    },
    error::{Error, Result, conflict, failed, invalid, not_found, refused, retry},
    id::AssetName,
    ports::{Replica, Replicas, Rows, Secret, Sighting},
    providers::{
        gcp::Google,
        managed::Pauses,
        postgres::{PgUrl, Tools, ask},
    },
};
use async_trait::async_trait;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::Mutex;

/// Throwaway instances of one asset, in its project.
pub struct SqlReplicas {
    pub(super) project: Project,
    pub(super) asset: AssetName,
    spared: BTreeSet<String>,
    pub(super) drill: SqlDrill,
    pub(super) clock: Arc<dyn Clock>,
    tools: Tools,
    pub(super) scratch: PathBuf,
    expiring: Mutex<HashMap<ReplicaName, Timestamp>>,
    pub(super) passwords: Mutex<HashMap<ReplicaName, Secret>>,
}

impl fmt::Debug for SqlReplicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlReplicas").field("asset", &self.asset).field("place", &self.project.place).finish_non_exhaustive()
    }
}

/// What bears the name of a replica.
pub(super) enum Found {
    /// It.
    Ours(Instance),
    /// A clone that nobody has labelled yet: no clone can be given labels before it is up.
    Unlabelled(Instance),
    /// Somebody else's.
    Strange,
}

impl SqlReplicas {
    /// Makes replicas of an asset as `drill` says. Asks nothing yet.
    pub fn new(google: Arc<Google>, asset: &Asset, drill: SqlDrill, clock: Arc<dyn Clock>, tools: Tools, scratch: PathBuf) -> Result<Self> {
        let Source::Cloudsql { instance, place: home, .. } = &asset.source else {
            return Err(invalid(format!(
                "{} is of kind {}, and `drill.into.cloudsql` restores backups of cloudsql",
                asset.name,
                asset.source.kind()
            )));
        };
        Ok(Self {
            project: Project::open(google, home)?,
            asset: asset.name.clone(),
            spared: BTreeSet::from([instance.clone()]),
            drill,
            clock,
            tools,
            scratch,
            expiring: Mutex::default(),
            passwords: Mutex::default(),
        })
    }

    /// Spares the sources of other assets too, whatever they are called and labelled.
    #[must_use]
    pub fn sparing<'a>(mut self, sources: impl IntoIterator<Item = &'a str>) -> Self {
        self.spared.extend(sources.into_iter().map(str::to_owned));
        self
    }

    pub(super) fn id(&self, name: &ReplicaName) -> String {
        names::of_replica(self.project.id(), name)
    }

    pub(super) fn spares(&self, id: &str) -> bool {
        self.spared.contains(id)
    }

    /// Looks what bears the name of a replica.
    pub(super) async fn find(&self, name: &ReplicaName) -> Result<Option<Found>> {
        let id = self.id(name);
        let Some(instance) = self.project.instance(&id).await? else { return Ok(None) };
        if label::replica(&instance).is_some_and(|(_, labelled, _)| labelled == *name) {
            return Ok(Some(Found::Ours(instance)));
        }
        if label::is_marked(&instance) || self.spares(&id) {
            return Ok(Some(Found::Strange));
        }
        let operations = self.project.operations(&id).await?;
        let cloned = operations.iter().any(|operation| operation.target_id == id && restore::is_clone(operation));
        Ok(Some(if cloned { Found::Unlabelled(instance) } else { Found::Strange }))
    }

    /// What bears the name, if it is ours, labelled or not yet.
    pub(super) async fn ours(&self, name: &ReplicaName) -> Result<Option<Instance>> {
        match self.find(name).await? {
            Some(Found::Ours(instance) | Found::Unlabelled(instance)) => Ok(Some(instance)),
            Some(Found::Strange) => Err(self.stranger(name)),
            None => Ok(None),
        }
    }

    pub(super) fn stranger(&self, name: &ReplicaName) -> Error {
        conflict(format!("{} at {} exists and is not replica {name}", self.id(name), self.project.place))
            .hint("nothing was touched: look at it, and remove it by hand if nobody needs it")
    }

    /// Begins a replica, or adopts the one of this name that is ours.
    async fn begin(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        let (id, origin, recorded) = (self.id(name), Origin::of(backup)?, &held(backup)?.settings);
        if self.spares(&id) {
            return Err(refused(format!("replica {name} would bear the name of a source")).hint("rename the asset"));
        }
        self.expiring.lock().await.insert(name.clone(), expires);
        let mut pauses = Pauses::new(&*self.clock);
        while let Some(instance) = self.ours(name).await? {
            restore::refuse_source(&instance, backup)?;
            if instance.state != "PENDING_DELETE" {
                return Ok(());
            }
            // An earlier one is still on its way out.
            pauses.wait().await;
        }
        make::drill_network(&self.drill, recorded)?;
        let begun = match &origin {
            Origin::Backup { .. } => {
                let body = make::for_drill(&id, &self.drill, recorded, &self.labels(name, expires)?)?;
                restore::make(&self.project, &body).await?
            }
            Origin::Moment { source, at } => restore::clone(&self.project, &id, source, at, &*self.clock).await?,
        };
        if begun {
            tracing::info!(asset = %self.asset, backup = %backup.id, replica = %name, "making {id} at {} for {}", self.project.place, origin.said());
            return Ok(());
        }
        match self.ours(name).await? {
            Some(instance) => restore::refuse_source(&instance, backup),
            None => Err(conflict(format!("the name {id} cannot be had at {}, and nothing bears it", self.project.place))
                .hint("Cloud SQL may withhold the name of a deleted instance for a week; the next drill has another")),
        }
    }

    pub(super) fn labels(&self, name: &ReplicaName, expires: Timestamp) -> Result<serde_json::Value> {
        let slot = label::slot_of(name, &self.asset).ok_or_else(|| invalid(format!("{name} is no replica of {}", self.asset)))?;
        Ok(label::of_replica(&self.asset, &slot, expires))
    }

    /// Fills the replica, fences what came up as its source is, sets a new password and notes with it that it is ready.
    async fn finish(&self, name: &ReplicaName, backup: &Manifest) -> Result<BTreeMap<String, String>> {
        let (id, origin, held) = (self.id(name), Origin::of(backup)?, held(backup)?);
        let expires = self.expiring.lock().await.get(name).copied();
        let instance = self.up(name, Some(backup)).await?;
        let expires = expires.or_else(|| label::replica(&instance).map(|(_, _, expires)| expires)).unwrap_or_else(|| self.clock.now());
        let labels = self.labels(name, expires)?;
        match &origin {
            Origin::Backup { .. } => restore::fill(&self.project, &id, &origin, &*self.clock).await?,
            Origin::Moment { .. } => {
                let fence = make::fence_of_clone(&self.drill, &held.settings, &labels)?;
                restore::change(&self.project, &id, &fence, &*self.clock).await?;
            }
        }
        let instance = self.up(name, Some(backup)).await?;
        self.refuse_exposed(&instance, name)?;
        let mut passwords = self.passwords.lock().await;
        passwords.insert(name.clone(), self.renew(name).await?);
        let ready = json!({ "settings": { "userLabels": make::labels(&labels, true) } });
        restore::change(&self.project, &id, &ready, &*self.clock).await?;
        Ok([("cloudsql".to_owned(), held.engine.clone())].into())
    }

    /// Waits until the replica is up and nobody is at work on it.
    pub(super) async fn up(&self, name: &ReplicaName, backup: Option<&Manifest>) -> Result<Instance> {
        let (id, mut pauses) = (self.id(name), Pauses::new(&*self.clock));
        loop {
            let instance = self.ours(name).await?.ok_or_else(|| retry(format!("replica {name} at {} is gone", self.project.place)))?;
            if let Some(backup) = backup {
                restore::refuse_source(&instance, backup)?;
            }
            let operations = self.project.operations(&id).await?;
            match restore::stillborn(&operations, &id) {
                Some((true, why)) => return Err(failed(format!("Cloud SQL gave up the clone {id}: {why}"))),
                Some((false, why)) => return Err(surroundings(&id, &why)),
                None => {}
            }
            match instance.state.as_str() {
                "RUNNABLE" if operations.iter().all(|operation| operation.target_id != id || operation.is_over()) => return Ok(instance),
                "PENDING_DELETE" => return Err(retry(format!("replica {name} at {} is being removed", self.project.place))),
                "FAILED" | "SUSPENDED" => return Err(surroundings(&id, &instance.state)),
                _ => pauses.wait().await,
            }
        }
    }

    /// Where a replica is asked.
    async fn url(&self, name: &ReplicaName) -> Result<PgUrl> {
        let instance = self.ours(name).await?.ok_or_else(|| not_found(format!("there is no replica {name}")))?;
        self.refuse_exposed(&instance, name)?;
        let mut passwords = self.passwords.lock().await;
        if let Some(password) = passwords.get(name) {
            return self.url_of(&instance, password);
        }
        let password = self.renew(name).await?;
        passwords.insert(name.clone(), password.clone());
        self.url_of(&instance, &password)
    }

    /// Refuses a replica that came up with a public address, or in another network than the drill's.
    pub(super) fn refuse_exposed(&self, instance: &Instance, name: &ReplicaName) -> Result<()> {
        let refuse = |why: String| Err(refused(format!("replica {name} came up {why}")).hint("it is removed; nothing was asked of it"));
        let lets_in = instance.setting("/ipConfiguration/authorizedNetworks").and_then(serde_json::Value::as_array);
        if instance.is_on("/ipConfiguration/ipv4Enabled") || lets_in.is_some_and(|networks| !networks.is_empty()) {
            return refuse("with a public address".to_owned());
        }
        let network = instance.text("/ipConfiguration/privateNetwork");
        if self.drill.network.as_deref().is_some_and(|wanted| network.is_none_or(|network| !network.ends_with(wanted))) {
            return refuse(format!("in {}, which is not the drill's network", network.unwrap_or("no network")));
        }
        Ok(())
    }
}

fn surroundings(id: &str, why: &str) -> Error {
    invalid(format!("Cloud SQL gave up the instance {id}: {why}"))
        .hint("check the drill's network, tier and region, and the project's quota; the backup is not to blame")
}

#[async_trait]
impl Replicas for SqlReplicas {
    async fn begin_replica(&self, name: &ReplicaName, backup: &Manifest, expires: Timestamp) -> Result<()> {
        self.begin(name, backup, expires).await
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        Ok(match self.find(name).await? {
            Some(Found::Ours(instance)) => label::replica(&instance).map(|(_, name, expires)| {
                let sighting = sighting(&instance);
                Replica { name, expires, sighting }
            }),
            Some(Found::Unlabelled(_)) => Some(Replica { name: name.clone(), expires: self.clock.now(), sighting: Sighting::UnderWay }),
            Some(Found::Strange) | None => None,
        })
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.finish(name, backup).await
    }

    async fn measure(&self, name: &ReplicaName, expected: &Expectations, form: Form) -> Result<Expectations> {
        ask::measure(&self.url(name).await?, expected, form).await
    }

    async fn set_up(&self, name: &ReplicaName, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let instance = self.ours(name).await?.ok_or_else(|| not_found(format!("there is no replica {name}")))?;
        let recorded =
            backup.held.as_ref().map(|held| &held.settings).filter(|settings| settings::text(settings, "databaseVersion").is_some());
        let recorded = recorded.ok_or_else(|| invalid("the manifest does not say how the source was set up"))?;
        let home = settings::text(recorded, "region") == Some(&instance.region);
        Ok(difference::checks(recorded, &settings::of(&instance), home))
    }

    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows> {
        ask::ask(&self.url(name).await?, sql).await
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        // It brings its extension along, which is written into the replica.
        let url = PgUrl { options: None, ..self.url(name).await? };
        ask::amcheck(&url, &self.tools).await
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        self.tear_down(name).await
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        let all = self.project.instances().await?;
        let ours = all.iter().filter(|instance| !self.spares(&instance.name)).filter_map(|instance| {
            let (_, name, expires) = label::replica(instance)?;
            (self.id(&name) == instance.name).then(|| Replica { name, expires, sighting: sighting(instance) })
        });
        Ok(ours.collect())
    }
}

/// How far a replica has come. What is up without our settings is taken up where it was left.
fn sighting(instance: &Instance) -> Sighting {
    match instance.state.as_str() {
        "RUNNABLE" if label::is_ready(instance) => Sighting::Restored,
        "FAILED" | "SUSPENDED" => Sighting::Unfinished,
        _ => Sighting::UnderWay,
    }
}

impl SqlReplicas {
    /// Begins to remove a replica that is ours. What Cloud SQL does not take now, it takes when it is asked again.
    async fn tear_down(&self, name: &ReplicaName) -> Result<()> {
        let id = self.id(name);
        if self.spares(&id) {
            return Err(refused(format!("{id} is the source of an asset, whatever its labels say"))
                .hint("take the labels that begin with lastgood- from it"));
        }
        let Some(instance) = self.ours(name).await? else { return Ok(()) };
        if instance.state == "PENDING_DELETE" {
            return Ok(());
        }
        // A clone is protected as its source is, and its backups would outlive it.
        if ["/deletionProtectionEnabled", "/retainBackupsOnDelete", "/finalBackupConfig/enabled"].iter().any(|path| instance.is_on(path)) {
            let mut settings = json!({ "deletionProtectionEnabled": false, "retainBackupsOnDelete": false });
            if instance.is_on("/finalBackupConfig/enabled") {
                settings["finalBackupConfig"] = json!({ "enabled": false });
            }
            // It is removed once that is over, and somebody asks again.
            return self.project.begin_change(&id, &json!({ "settings": settings })).await.map(|_| ());
        }
        match self.project.begin_removal(&id).await {
            Ok(Begun::Under(_)) => tracing::info!(asset = %self.asset, replica = %name, "{id} at {} is being removed", self.project.place),
            Ok(Begun::Busy(_) | Begun::Taken) => return Ok(()),
            Err(error) if self.project.instance(&id).await?.is_some() => return Err(error),
            Err(_) => {}
        }
        self.passwords.lock().await.remove(name);
        Ok(())
    }
}
