//! Which backup a drill restores: the named one, or the newest of the form that was drilled longest ago.

use lastgood_core::{
    catalog::evidence::Evidence,
    config::{DrillPolicy, DrillTarget},
    domain::backup::{Form, Manifest},
    id::BackupId,
};

/// What was chosen.
#[derive(Debug, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The backup.
    pub backup: &'a Manifest,
    /// Whether it is the newest of all.
    pub newest: bool,
}

/// Chooses among backups, from the evidence of earlier drills (newest first).
pub fn choose<'a>(backups: &'a [Manifest], drills: &[Evidence], policy: &DrillPolicy, named: Option<BackupId>) -> Option<Choice<'a>> {
    let newest = backups.iter().max_by_key(|backup| (backup.data_time, backup.id));
    let choice = |backup: &'a Manifest| Choice { backup, newest: newest.is_some_and(|newest| newest.id == backup.id) };
    if let Some(id) = named {
        return backups.iter().find(|backup| backup.id == id).map(choice);
    }
    let fits = |form: Form| match (&policy.into, policy.form) {
        // A data folder cannot be poured into a running server.
        (DrillTarget::Server(_), _) => form == Form::Export,
        // A provider restores its own snapshots.
        (DrillTarget::Rds(_) | DrillTarget::Cloudsql(_) | DrillTarget::Ebs(_) | DrillTarget::Disk(_), _) => form == Form::Snapshot,
        (_, Some(wanted)) => form == wanted,
        (DrillTarget::Scratch, None) => true,
    };
    let last = |form: Form| {
        drills.iter().filter(|drill| drill.backup.as_ref().is_some_and(|b| b.form == form)).map(|drill| drill.started_at).max()
    };
    [Form::Export, Form::Snapshot]
        .into_iter()
        .filter(|form| fits(*form))
        .filter_map(|form| {
            let newest = backups.iter().filter(|backup| backup.form() == form).max_by_key(|backup| (backup.data_time, backup.id))?;
            Some((last(form), newest))
        })
        // `min_by_key` keeps the first of equals: an export before a snapshot.
        .min_by_key(|(last, _)| *last)
        .map(|(_, backup)| choice(backup))
}
