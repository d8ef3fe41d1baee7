//! What is restored, and how it stands: a backup into an instance of its own, or a clone as of a moment. Operations are what tells:
//! whoever comes next finds among them what was begun, and never begins it twice.

use super::{
    label,
    project::{Begun, Project},
    seen::run_of,
    wait::until_over,
    wire::{Instance, Operation},
};
use crate::{
    clock::Clock,
    domain::{
        backup::{Manifest, Method},
        held::{Held, Label},
    },
    error::{Kind, Result, conflict, failed, invalid, not_found, refused, retry, unsupported},
    providers::managed::Pauses,
};
use serde_json::json;

/// So many answers in a row may be lost.
const LOST: u32 = 5;

/// What an instance is made of.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// A backup of an instance, by its id and what its description says.
    Backup { source: String, id: String, description: String },
    /// An instance as it was at a moment.
    Moment { source: String, at: String },
}

impl Origin {
    /// What a backup is, for Cloud SQL.
    pub(super) fn of(backup: &Manifest) -> Result<Self> {
        let held = held(backup)?;
        match backup.method {
            Method::ProviderSnapshot => {
                let (source, id) = run_of(&held.reference)
                    .ok_or_else(|| invalid(format!("{:?} is no backup of Cloud SQL", crate::redact::clip(&held.reference, 120))))?;
                let label = Label { name: held.name.clone(), asset: backup.asset.clone(), backup: backup.id };
                Ok(Self::Backup { source: source.to_owned(), id: id.to_owned(), description: label::description(&label) })
            }
            Method::PointInTime => Ok(Self::Moment { source: held.name.0.clone(), at: backup.data_time.to_string() }),
            Method::PgDumpCustom
            | Method::PgDumpPlain
            | Method::PgDumpDirectory
            | Method::PgBaseBackup
            | Method::RedisRdb
            | Method::SecretsJsonl => Err(unsupported("Cloud SQL restores only what it holds itself")),
        }
    }

    /// It, for people.
    pub(super) fn said(&self) -> String {
        match self {
            Self::Backup { source, id, .. } => format!("backup {id} of {source}"),
            Self::Moment { source, at } => format!("{source} as it was at {at}, out of its continuous backups,"),
        }
    }
}

pub(super) fn held(backup: &Manifest) -> Result<&Held> {
    backup.held.as_ref().ok_or_else(|| {
        unsupported("only backups that Cloud SQL holds can be restored into an instance of Cloud SQL").hint("drill exports `into: scratch`")
    })
}

/// Refuses the source itself, whatever it is called and labelled.
pub(super) fn refuse_source(instance: &Instance, backup: &Manifest) -> Result<()> {
    if backup.source.system_identifier.as_deref() == Some(&instance.identity()) {
        return Err(refused("what bears the new instance's name is the source itself")
            .hint("somebody labelled production as one of ours: undo that before anything else"));
    }
    Ok(())
}

/// Whether an operation makes a clone.
pub(super) fn is_clone(operation: &Operation) -> bool {
    matches!(operation.operation_type.as_str(), "CLONE" | "CREATE_CLONE")
}

/// Whether an operation restores a backup.
pub(super) fn is_restore(operation: &Operation) -> bool {
    matches!(operation.operation_type.as_str(), "RESTORE_VOLUME" | "RESTORE")
}

/// What went wrong when an instance was made; none while nothing has.
pub(super) fn stillborn(operations: &[Operation], id: &str) -> Option<(bool, String)> {
    let made = |operation: &&Operation| operation.target_id == id && (operation.operation_type == "CREATE" || is_clone(operation));
    operations.iter().filter(made).find_map(|operation| Some((is_clone(operation), operation.trouble()?)))
}

/// Restores a backup into an instance that is up, unless that was done before, and waits for it.
pub(super) async fn fill(project: &Project, into: &str, origin: &Origin, clock: &dyn Clock) -> Result<()> {
    let Origin::Backup { source, id, description } = origin else { return Ok(()) };
    let (mut pauses, mut lost) = (Pauses::new(clock), 0);
    let retained = retained(project, source, description).await?;
    loop {
        let operations = project.operations(into).await?;
        if let Some(restore) = operations.into_iter().find(|operation| operation.target_id == into && is_restore(operation)) {
            let restore = until_over(project, restore, &mut pauses).await?;
            return match restore.trouble() {
                None => Ok(()),
                Some(why) => Err(failed(format!("Cloud SQL gave up the restore of {} into {into}: {why}", origin.said()))),
            };
        }
        let begun = match &retained {
            Some(lasting) => project.begin_restore_of_retained(into, lasting).await,
            None => project.begin_restore(into, source, id).await,
        };
        match begun {
            Ok(Begun::Under(restore)) => {
                tracing::info!("{} is being restored into {into} at {}", origin.said(), project.place);
                let restore = until_over(project, restore, &mut pauses).await?;
                if let Some(why) = restore.trouble() {
                    return Err(failed(format!("Cloud SQL gave up the restore of {} into {into}: {why}", origin.said())));
                }
                return Ok(());
            }
            Ok(Begun::Busy(_)) => pauses.wait().await,
            Ok(Begun::Taken) => return Err(conflict(format!("{into} is in no state in which a backup can be restored into it"))),
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(not_found(format!("{} is gone, or its instance is", origin.said())).because(error.full()));
            }
            // An answer that was lost: what it began is among the operations by the next look.
            Err(error) if error.kind() == Kind::Retry && lost < LOST => {
                lost += 1;
                tracing::warn!("asking for the restore of {}: {}", origin.said(), error.full());
                pauses.wait().await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The name of a backup that outlived its instance; none where the instance is there.
async fn retained(project: &Project, source: &str, description: &str) -> Result<Option<String>> {
    if project.instance(source).await?.is_some() {
        return Ok(None);
    }
    let all = project.retained(source).await?.into_iter().map(|backup| backup.as_run());
    let found = all.filter(|run| run.status == "SUCCESSFUL").find(|run| run.description.as_deref() == Some(description));
    match found.and_then(|run| run.lasting) {
        Some(lasting) => Ok(Some(lasting)),
        None => Err(not_found(format!("{source} at {} is gone, and this backup of it was not retained", project.place))
            .hint("restore an export instead, into an instance that you make: --into env:NAME of its URL")),
    }
}

/// Begins the clone that brings a moment back. Returns false where the name is taken. Waits while the source is busy.
pub(super) async fn clone(project: &Project, into: &str, source: &str, at: &str, clock: &dyn Clock) -> Result<bool> {
    let context = json!({ "destinationInstanceName": into, "pointInTime": at });
    let mut pauses = Pauses::new(clock);
    loop {
        match project.begin_clone(source, &context).await? {
            Begun::Under(operation) => {
                return match operation.trouble() {
                    None => Ok(true),
                    Some(why) => Err(failed(format!("Cloud SQL gave up the clone {into} of {source}: {why}"))),
                };
            }
            Begun::Taken => return Ok(false),
            Begun::Busy(error) => {
                tracing::info!("{source} at {} is busy: {}", project.place, error.full());
                pauses.wait().await;
            }
        }
    }
}

/// Begins an instance. Returns false where the name is taken.
pub(super) async fn make(project: &Project, body: &serde_json::Value) -> Result<bool> {
    match project.begin_instance(body).await? {
        Begun::Under(operation) => match operation.trouble() {
            None => Ok(true),
            Some(why) => Err(invalid(format!("Cloud SQL makes no instance so: {why}"))),
        },
        Begun::Taken => Ok(false),
        Begun::Busy(error) => Err(error),
    }
}

/// Changes an instance and waits until that is in force; while it is busy, it is asked again.
pub(super) async fn change(project: &Project, instance: &str, body: &serde_json::Value, clock: &dyn Clock) -> Result<()> {
    let mut pauses = Pauses::new(clock);
    loop {
        match project.begin_change(instance, body).await? {
            Begun::Under(operation) => {
                let operation = until_over(project, operation, &mut pauses).await?;
                return match operation.trouble() {
                    None => Ok(()),
                    Some(why) => Err(invalid(format!("Cloud SQL does not change {instance} so: {why}"))),
                };
            }
            Begun::Taken => return Err(retry(format!("{instance} is in no state in which it can be changed"))),
            Begun::Busy(_) => pauses.wait().await,
        }
    }
}
