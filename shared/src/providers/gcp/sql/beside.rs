//! Restoring for real: a new instance beside the source, set up as the source was.
//!
//! A backup goes into an instance that is made for it, in any region; a moment comes back as a clone, in the source's own. What was
//! recorded of the source is asked for anew, and what then still differs is told. Nothing that exists is ever changed or removed,
//! but what this very restore began. There is no renaming: an instance's name is part of how it is reached, so the way is a new
//! secret version and a restart.

use super::{
    difference::{label as called, said},
    label, make,
    project::Project,
    restore::{self, Origin, held},
    seen::PORT,
    settings::{self, text},
    wire::Instance,
};
use crate::{
    catalog::Vault,
    clock::Clock,
    config::{Asset, Source},
    domain::{
        backup::{Expectations, Form, Manifest},
        compare::{CheckResult, shown},
    },
    env::Progress,
    error::{Result, failed, invalid, refused, retry},
    ports::{NewSqlInstance, RestoreTarget},
    providers::{gcp::Google, managed::Pauses},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What differs in every restore: where it happens to run, what it is called, and by whom it is maintained when.
const PASSING: [&str; 4] = ["gceZone", "connectionName", "databaseInstalledVersion", "locationPreference.zone"];

/// A new instance that an asset is restored into.
pub struct SqlBeside {
    project: Project,
    new: NewSqlInstance,
    source: String,
    clock: Arc<dyn Clock>,
    progress: Arc<dyn Progress>,
    /// Whether a clone was asked for here, under a name that was free before.
    cloning: AtomicBool,
    /// How the new instance is reached, once it is up.
    reached: Mutex<Option<(String, String)>>,
}

impl fmt::Debug for SqlBeside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlBeside").field("new", &self.new).finish_non_exhaustive()
    }
}

impl SqlBeside {
    /// Restores beside the instance of an asset. Asks nothing yet.
    pub fn new(
        google: Arc<Google>,
        asset: &Asset,
        new: NewSqlInstance,
        clock: Arc<dyn Clock>,
        progress: Arc<dyn Progress>,
    ) -> Result<Self> {
        let Source::Cloudsql { instance, place, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}: Cloud SQL restores only its own backups", asset.name, asset.source.kind())));
        };
        let project = Project::open(google, place)?;
        Ok(Self { project, new, source: instance.clone(), clock, progress, cloning: AtomicBool::new(false), reached: Mutex::default() })
    }

    /// Looks what bears the name: nothing, or what an earlier attempt at this very restore began. Anything else is refused.
    async fn begun(&self, backup: &Manifest) -> Result<Option<Instance>> {
        let name = &self.new.name;
        if *name == self.source {
            return Err(
                refused(format!("{name} is the source itself")).hint("name a new instance: the old one is kept until you let it go")
            );
        }
        let Some(found) = self.project.instance(name).await? else { return Ok(None) };
        restore::refuse_source(&found, backup)?;
        if label::restored(&found) == Some(backup.id) {
            return Ok(Some(found));
        }
        // A clone bears its source's labels until it is up, and nobody says of which moment it is: only whoever asked for it knows.
        if self.cloning.load(Ordering::Relaxed) && !label::is_marked(&found) {
            return Ok(Some(found));
        }
        Err(refused(format!("{name} at {} exists and is not of this restore", self.project.place)).hint(
            "name a new instance; nothing was touched. A clone of a restore that broke off is not told from any other: remove it by hand",
        ))
    }

    async fn up(&self, backup: &Manifest) -> Result<Instance> {
        let (name, mut pauses) = (&self.new.name, Pauses::new(&*self.clock));
        loop {
            let found = self.begun(backup).await?.ok_or_else(|| retry(format!("{name} at {} is gone", self.project.place)))?;
            let operations = self.project.operations(name).await?;
            if let Some((_, why)) = restore::stillborn(&operations, name) {
                return Err(failed(format!("Cloud SQL gave up {name}: {why}"))
                    .hint("look at it in the console, remove it, and try again under another name"));
            }
            match found.state.as_str() {
                "RUNNABLE" if operations.iter().all(|operation| operation.target_id != *name || operation.is_over()) => return Ok(found),
                "PENDING_DELETE" => return Err(retry(format!("{name} is being removed"))),
                "FAILED" | "SUSPENDED" => {
                    return Err(failed(format!("Cloud SQL says that {name} is {}", found.state.to_lowercase()))
                        .hint("look at it in the console, remove it, and try again under another name"));
                }
                _ => pauses.wait().await,
            }
        }
    }

    /// What a clone is set up with once it is up, where it differs from what was asked for.
    async fn set_up_clone(&self, backup: &Manifest) -> Result<()> {
        let recorded = &held(backup)?.settings;
        let labels = label::of_restored(backup.id, recorded.get("userLabels"));
        let settings = make::beside_settings(&self.new, recorded, &labels);
        let wanted: serde_json::Map<String, Value> =
            ["userLabels", "deletionProtectionEnabled", "retainBackupsOnDelete", "backupConfiguration"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), settings.get(name)?.clone())))
                .collect();
        restore::change(&self.project, &self.new.name, &json!({ "settings": wanted }), &*self.clock).await
    }

    fn note(&self, instance: &Instance) {
        let address = instance.any_address().map_or_else(|| "no address yet".to_owned(), |address| format!("{address}:{PORT}"));
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some((instance.connection_name.clone(), address));
    }
}

#[async_trait]
impl RestoreTarget for SqlBeside {
    fn form(&self) -> Form {
        Form::Snapshot
    }

    fn address(&self) -> String {
        format!("cloudsql:{}", self.new.name)
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        let (held, origin) = (held(backup)?, Origin::of(backup)?);
        let recorded = &held.settings;
        if text(recorded, "databaseVersion").is_none() {
            return Err(invalid("the manifest does not say how the source was set up"));
        }
        let labels = label::of_restored(backup.id, recorded.get("userLabels"));
        make::beside(&self.new, recorded, &labels)?;
        let moment = matches!(origin, Origin::Moment { .. });
        if moment && (make::is_elsewhere(&self.new, recorded) || self.new.network.is_some() || self.new.kms_key.is_some()) {
            return Err(invalid("a moment comes back as a clone, in its source's own region and network and under its own key")
                .hint("leave `?region=…`, `network` and `kms_key` out, or restore a backup with --backup ID"));
        }
        let region = self.new.region.as_deref().or_else(|| text(recorded, "region")).unwrap_or_default();
        let had = if moment { "that the source has now" } else { "that the source had" };
        let first = match self.begun(backup).await? {
            Some(_) => format!("go on with {}, which this restore began before", self.new.name),
            None => format!("restore {} as a new instance {} in {region} at {}", origin.said(), self.new.name, self.project.place),
        };
        let network = self.new.network.as_deref().or_else(|| text(recorded, "ipConfiguration.privateNetwork"));
        let mut steps = vec![first, format!("in {}", network.unwrap_or("no private network: it is reached as its source was"))];
        steps.push(format!("ask for the tier, flags, disk, backups, labels and protection {had}, and compare every one"));
        if recorded.contains_key("ipConfiguration.authorizedNetworks") {
            steps.push("let nobody in by a list of networks: the source has one, which you may give to it".to_owned());
        }
        steps.push(format!("leave {} as it is", self.source));
        Ok(steps)
    }

    async fn restore(&self, backup: &Manifest, _: &Vault) -> Result<BTreeMap<String, String>> {
        self.plan(backup).await?;
        let (held, origin) = (held(backup)?, Origin::of(backup)?);
        let gauge = self.progress.begin(&format!("restoring {} into {}", backup.id, self.new.name), None);
        if self.begun(backup).await?.is_none() {
            let begun = match &origin {
                Origin::Backup { .. } => {
                    let labels = label::of_restored(backup.id, held.settings.get("userLabels"));
                    restore::make(&self.project, &make::beside(&self.new, &held.settings, &labels)?).await?
                }
                Origin::Moment { source, at } => {
                    self.cloning.store(true, Ordering::Relaxed);
                    restore::clone(&self.project, &self.new.name, source, at, &*self.clock).await?
                }
            };
            // Whoever took the name meanwhile: this very restore, or a stranger, who is refused.
            if !begun && self.begun(backup).await?.is_none() {
                return Err(refused(format!("the name {} cannot be had at {}", self.new.name, self.project.place))
                    .hint("Cloud SQL may withhold the name of a deleted instance for a week: name another"));
            }
        }
        let instance = self.up(backup).await?;
        match &origin {
            Origin::Backup { .. } => restore::fill(&self.project, &self.new.name, &origin, &*self.clock).await?,
            Origin::Moment { .. } if label::restored(&instance) == Some(backup.id) => {}
            Origin::Moment { .. } => self.set_up_clone(backup).await?,
        }
        self.note(&self.up(backup).await?);
        drop(gauge);
        Ok([("cloudsql".to_owned(), held.engine.clone())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        Ok(None)
    }

    async fn set_up(&self, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let instance = self.up(backup).await?;
        self.note(&instance);
        let (found, recorded) = (settings::of(&instance), &held(backup)?.settings);
        let elsewhere = |name: &str| match name {
            "region" => self.new.region.is_some(),
            "kmsKeyName" => self.new.kms_key.is_some(),
            "ipConfiguration.privateNetwork" => self.new.network.is_some(),
            _ => PASSING.contains(&name) || make::left_behind(&self.new, recorded, name),
        };
        let compared = recorded.iter().filter(|(name, _)| !elsewhere(name));
        Ok(compared.map(|(name, value)| CheckResult::same(called(name), shown(Some(value)), said(&found, name))).collect())
    }

    fn next_steps(&self, backup: &Manifest) -> Vec<String> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (connection, address) = reached.unwrap_or_else(|| (self.new.name.clone(), "its address".to_owned()));
        let (project, name) = (self.project.id(), &self.new.name);
        let mut steps = vec![
            format!("{name} is reached as {connection} (Auth Proxy, connectors) or at {address}"),
            format!("its roles and passwords are those of {}: set new ones, or use your secret of that time", backup.data_time),
            "ask it for your newest rows before you switch, and take a backup of it: `lastgood snapshot` once the config names it"
                .to_owned(),
            format!(
                "cut over by a new version of the application's secret, from standard input so that no password is in a command line: \
                 gcloud secrets versions add SECRET --project={project} --data-file=-"
            ),
            format!(
                "restart what reads it: gcloud run services update SERVICE --project={project} --update-labels=restored={}, or \
                 kubectl rollout restart deployment/NAME",
                backup.data_time.strftime("%Y%m%d-%H%M%S")
            ),
            "an instance cannot be renamed: its name is part of how it is reached, and `lastgood.yaml` names the new one from now on"
                .to_owned(),
            format!("keep {} until nobody needs to look at it any more", self.source),
        ];
        let lets_in = backup.held.as_ref().and_then(|held| held.settings.get("ipConfiguration.authorizedNetworks"));
        if let Some(networks) = lets_in.and_then(Value::as_array) {
            let named: Vec<_> = networks.iter().filter_map(|network| network["value"].as_str()).collect();
            steps.insert(
                1,
                format!(
                    "nobody is let in by a list of networks; the source's were {}: gcloud sql instances patch {name} --project={project} \
                     --authorized-networks={}",
                    named.join(", "),
                    named.join(",")
                ),
            );
        }
        steps
    }
}
