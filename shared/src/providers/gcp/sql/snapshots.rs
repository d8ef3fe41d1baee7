//! The backups of one instance of Cloud SQL: taken, seen and let go.
//!
//! A backup has no name of our choosing, and nothing keeps Google from making two of it: its description says whose it is, and
//! whoever begins one looks first. Cloud SQL copies no backup; where one lies is said when it is made.

use super::{
    continuous, label, posture,
    project::{Begun, Project},
    seen, wait,
    wire::{BackupRun, Instance},
};
use crate::{
    clock::Clock,
    config::{Asset, Source},
    domain::{
        continuous::Continuous,
        held::{Held, Label, SnapshotName, SnapshotSeen, SnapshotState},
        place::Place,
        posture::Posture,
    },
    error::{Error, Kind, Result, conflict, invalid, not_found, refused, retry, unsupported},
    id::AssetName,
    ports::{Snapshots, SourceSeen},
    providers::{gcp::Google, managed::Pauses},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tokio::sync::Mutex;

/// An instance that says it is free and refuses all the same is asked this often, a minute in all.
const TRIES: u32 = 8;

/// The backups of one instance.
#[derive(Debug)]
pub struct SqlSnapshots {
    project: Project,
    asset: AssetName,
    instance: String,
    location: Option<String>,
    clock: Arc<dyn Clock>,
    /// The operations that were begun here: a backup may be listed only a while after it began.
    begun: Mutex<HashMap<SnapshotName, (Label, String)>>,
}

impl SqlSnapshots {
    /// Opens the backups of an asset in its project. Asks nothing yet.
    pub fn open(google: Arc<Google>, asset: &Asset, at: &Place, clock: Arc<dyn Clock>) -> Result<Self> {
        let Source::Cloudsql { instance, place: home, .. } = &asset.source else {
            return Err(invalid(format!("{} is of kind {}, not cloudsql", asset.name, asset.source.kind())));
        };
        if at != home {
            return Err(unsupported(format!("Cloud SQL holds backups of {} at {home} alone, and not at {at}", asset.name))
                .hint("say where they lie with `snapshot.location`"));
        }
        Ok(Self {
            project: Project::open(google, home)?,
            asset: asset.name.clone(),
            instance: instance.clone(),
            location: asset.policy.snapshot.as_ref().and_then(|snapshot| snapshot.location.clone()),
            clock,
            begun: Mutex::default(),
        })
    }

    async fn look(&self) -> Result<Instance> {
        self.project.instance(&self.instance).await?.ok_or_else(|| {
            not_found(format!("there is no instance {} at {}", self.instance, self.project.place))
                .hint("check `project` and `instance` of this asset; what was retained of a deleted one is among the project's backups")
        })
    }

    async fn runs(&self) -> Result<Vec<BackupRun>> {
        let runs = match self.project.backups(&self.instance).await {
            Err(error) if error.kind() == Kind::Denied && self.project.instance(&self.instance).await?.is_none() => None,
            runs => runs?,
        };
        match runs {
            Some(runs) => Ok(runs),
            // What was retained of it is among the project's backups.
            None => match self.project.retained(&self.instance).await? {
                retained if retained.is_empty() => Err(self.gone()),
                retained => Ok(retained.iter().map(super::wire::Backup::as_run).collect()),
            },
        }
    }

    fn gone(&self) -> Error {
        not_found(format!("there is no instance {} at {}, and nothing was retained of one", self.instance, self.project.place))
            .hint("check `project` and `instance` of this asset; the vault's exports are as they were")
    }

    fn ours(&self, run: &BackupRun) -> Option<SnapshotSeen> {
        seen::backup(&self.project.place, &self.asset, run)
    }

    /// Every backup that bears a name, with what it was made by.
    async fn named(&self, name: &SnapshotName) -> Result<Vec<(BackupRun, SnapshotSeen)>> {
        let runs = self.runs().await?;
        Ok(runs.into_iter().filter_map(|run| self.ours(&run).filter(|seen| seen.name == *name).map(|seen| (run, seen))).collect())
    }

    /// What an operation that was begun here says of a backup that is not listed yet.
    async fn unlisted(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        let Some((label, operation)) = self.begun.lock().await.get(name).cloned() else { return Ok(None) };
        let Some(operation) = self.project.operation(&operation).await? else { return Ok(None) };
        let state = match operation.trouble() {
            Some(why) => SnapshotState::Failed(why),
            None if operation.is_over() => return Ok(None),
            None => SnapshotState::Pending { percent: None },
        };
        let run = BackupRun { instance: self.instance.clone(), ..BackupRun::default() };
        Ok(Some(SnapshotSeen { backup: Some(label.backup), state, ..seen::described(&self.project.place, name.clone(), &run) }))
    }

    /// What speaks against a backup that says it succeeded: the operation that made it.
    async fn trouble(&self, run: &BackupRun) -> Result<Option<String>> {
        if run.lasting.is_some() {
            return Ok(None);
        }
        let operations = self.project.operations(&self.instance).await?;
        let of_it = |operation: &&super::wire::Operation| {
            operation.backup_context.as_ref().is_some_and(|context| context.backup_id == run.id)
                && operation.operation_type.contains("BACKUP")
        };
        Ok(operations.iter().filter(of_it).find_map(super::wire::Operation::trouble))
    }

    /// Begins to delete a backup. A deletion locks the instance, too: the next one waits for it.
    async fn let_go(&self, run: &BackupRun) -> Result<()> {
        if let Some(lasting) = &run.lasting {
            return self.project.begin_retained_removal(lasting).await;
        }
        let mut pauses = Pauses::new(&*self.clock);
        for _ in 0..TRIES {
            match self.project.begin_backup_removal(&self.instance, &run.id).await {
                Err(error) if error.kind() == Kind::Retry => {
                    tracing::info!(asset = %self.asset, "backup {} cannot be deleted yet: {}", run.id, error.full());
                    wait::until_free(&self.project, &self.instance, &mut pauses).await?;
                }
                begun => return begun,
            }
        }
        self.project.begin_backup_removal(&self.instance, &run.id).await
    }

    /// Whether a backup of this label is there or on its way; a stranger's under its name is refused.
    async fn is_begun(&self, label: &Label) -> Result<bool> {
        let mut standing = self.named(&label.name).await?;
        standing.retain(|(_, seen)| seen.state != SnapshotState::Leaving);
        if let Some((run, _)) = standing.iter().find(|(_, seen)| seen.backup != Some(label.backup)) {
            return Err(conflict(format!("backup {} of {} says that it is {}, and is not of this run", run.id, self.instance, label.name))
                .hint("nothing was touched: find out whose it is"));
        }
        Ok(!standing.is_empty())
    }
}

#[async_trait]
impl Snapshots for SqlSnapshots {
    fn place(&self) -> &Place {
        &self.project.place
    }

    async fn source(&self) -> Result<SourceSeen> {
        let instance = self.look().await?;
        let operations = self.project.operations(&self.instance).await?;
        Ok(seen::source(&instance, &operations))
    }

    async fn posture(&self) -> Result<Option<Posture>> {
        let instance = self.look().await?;
        let newest = self.runs().await?.into_iter().filter(|run| run.status == "SUCCESSFUL").max_by_key(|run| run.start_time);
        let reach = if posture::keeps_its_log(&instance) { self.project.reach(&self.instance).await? } else { None };
        Ok(Some(posture::of(&instance, newest.as_ref(), reach.as_ref())))
    }

    async fn continuous(&self) -> Result<Option<Continuous>> {
        let instance = self.look().await?;
        if !posture::keeps_its_log(&instance) {
            return Ok(None);
        }
        let reach = self.project.reach(&self.instance).await?;
        Ok(reach.and_then(|reach| continuous::of(&self.project.place, &instance, &reach)))
    }

    async fn begin_snapshot(&self, label: &Label) -> Result<()> {
        let description = label::description(label);
        let mut pauses = Pauses::new(&*self.clock);
        let mut last = None;
        for _ in 0..TRIES {
            if self.is_begun(label).await? {
                tracing::info!(asset = %self.asset, backup = %label.backup, "backup {} was begun before and is adopted", label.name);
                return Ok(());
            }
            match self.project.begin_backup(&self.instance, &description, self.location.as_deref()).await {
                Ok(Begun::Under(operation)) => {
                    if let Some(why) = operation.trouble() {
                        return Err(crate::error::failed(format!("Cloud SQL gave up the backup {} at once: {why}", label.name)));
                    }
                    self.begun.lock().await.insert(label.name.clone(), (label.clone(), operation.name));
                    tracing::info!(asset = %self.asset, backup = %label.backup, "backup {} of {} begins", label.name, self.instance);
                    return Ok(());
                }
                Ok(Begun::Taken) => return Err(conflict(format!("{} is not in a state in which it can be backed up", self.instance))),
                // Somebody else was faster, or an operation that is said to be over is not.
                Ok(Begun::Busy(error)) => last = Some(error),
                // Slower, or without an answer: whether it was begun is looked at before it is asked for again.
                Err(error) if error.kind() == Kind::Retry => last = Some(error),
                Err(error) => return Err(error),
            }
            wait::until_free(&self.project, &self.instance, &mut pauses).await?;
        }
        Err(last.unwrap_or_else(|| retry(format!("{} is busy", self.instance))))
    }

    async fn begin_copy(&self, label: &Label, _: &Held) -> Result<()> {
        Err(unsupported(format!("Cloud SQL copies no backup, so {} stays where it was made", label.name))
            .hint("say where backups are made with `snapshot.location`, and copy an export to another vault"))
    }

    async fn snapshot(&self, name: &SnapshotName) -> Result<Option<SnapshotSeen>> {
        let standing = self.named(name).await?;
        let Some(mut seen) = seen::best(standing.iter().map(|(_, seen)| seen.clone())) else {
            return self.unlisted(name).await;
        };
        if seen.state == SnapshotState::Available {
            let run = standing.iter().find(|(_, one)| one.held.reference == seen.held.reference).map(|(run, _)| run);
            if let Some(why) = match run {
                Some(run) => self.trouble(run).await?,
                None => None,
            } {
                seen.state = SnapshotState::Failed(why);
            }
        }
        Ok(Some(seen))
    }

    async fn snapshots(&self) -> Result<Vec<SnapshotSeen>> {
        let mut all: BTreeMap<SnapshotName, Vec<SnapshotSeen>> = BTreeMap::new();
        for seen in self.runs().await?.iter().filter_map(|run| self.ours(run)).filter(|seen| seen.backup.is_some()) {
            all.entry(seen.name.clone()).or_default().push(seen);
        }
        Ok(all.into_values().filter_map(seen::best).collect())
    }

    async fn begin_removal(&self, name: &SnapshotName) -> Result<()> {
        for (run, seen) in self.named(name).await? {
            if seen.backup.is_none() {
                return Err(refused(format!("backup {} of {} is not one of {}", run.id, self.instance, self.asset))
                    .hint("it is not ours and was not touched"));
            }
            if seen.state == SnapshotState::Leaving {
                continue;
            }
            self.let_go(&run).await?;
            tracing::info!(asset = %self.asset, "backup {name} ({}) of {} is being removed", run.id, self.instance);
        }
        self.begun.lock().await.remove(name);
        Ok(())
    }
}
