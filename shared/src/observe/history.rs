//! Makes an asset's history of what a look has read anyway: not one call more, and no record is kept.

use super::records::maker;
use crate::{
    catalog::{Tombstone, evidence::Evidence},
    clock::{Timestamp, before, since},
    config::{Asset, Copies},
    domain::{
        backup::{Form, Method},
        freshness::{Candidate, CopySeen, Objects, Reading, Seen, grace},
        history::{Copied, Drilled, History, LONGEST, PastBackup, PastDrill, Standing},
        run::RunState,
    },
    id::{BackupId, Slot},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What became of an asset, as far as it is over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// What was let go: of when, in which form, of how many bytes.
    pub gone: Vec<(Timestamp, Form, u64)>,
    /// When runs were due that made no backup.
    pub failures: Vec<(Timestamp, Form)>,
    /// Its drills.
    pub drills: Vec<PastDrill>,
}

impl Past {
    pub(super) fn of(
        asset: &Asset,
        seen: &Seen,
        tombstones: &[Tombstone],
        drills: &[Evidence],
        slots: &BTreeMap<Form, Vec<Slot>>,
        now: Timestamp,
    ) -> Self {
        let oldest = before(now, LONGEST);
        let failures = failures(asset, seen, tombstones, slots).into_iter().filter(|(at, _)| *at >= oldest).collect();
        let gone = tombstones.iter().filter(|stone| stone.data_time >= oldest);
        let drills = drills.iter().filter(|evidence| evidence.finished_at >= oldest).map(past_drill).collect();
        Self { gone: gone.map(|stone| (stone.data_time, stone.form, stone.stored_bytes)).collect(), failures, drills }
    }
}

fn past_drill(evidence: &Evidence) -> PastDrill {
    PastDrill {
        id: evidence.drill,
        at: evidence.finished_at,
        verdict: evidence.verdict,
        what: match &evidence.backup {
            None => Drilled::Nothing,
            Some(drilled) if drilled.method == Method::PointInTime => Drilled::Moment,
            Some(drilled) => Drilled::Backup(drilled.form),
        },
        bytes: evidence.backup.as_ref().map_or(0, |drilled| drilled.stored_bytes),
        took: evidence.restore_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    }
}

/// Returns what became of an asset.
pub(super) fn of(asset: &Asset, seen: &Seen, past: &Past, now: Timestamp) -> History {
    let kept = seen.backups.iter().map(|backup| PastBackup {
        data_time: backup.manifest.data_time,
        form: backup.manifest.form(),
        bytes: backup.manifest.stored_bytes(),
        took: Some(since(backup.manifest.finished_at, backup.manifest.started_at)),
        standing: standing(backup),
        copies: copied(asset, backup, now),
    });
    let gone = past.gone.iter().map(|(data_time, form, bytes)| PastBackup {
        data_time: *data_time,
        form: *form,
        bytes: *bytes,
        took: None,
        standing: Standing::LetGo,
        copies: Copied::Unasked,
    });
    let backups = kept.chain(gone).collect();
    History { backups, failures: past.failures.clone(), drills: past.drills.clone() }.bounded(now)
}

fn standing(backup: &Candidate) -> Standing {
    let contradicted = matches!(&backup.reading, Some(Reading { contradiction: Some(_), .. }));
    match &backup.objects {
        Objects::Damaged(_) => Standing::Damaged,
        Objects::Whole | Objects::Unknown if contradicted => Standing::Damaged,
        Objects::Whole | Objects::Unknown => Standing::Kept,
    }
}

fn copied(asset: &Asset, backup: &Candidate, now: Timestamp) -> Copied {
    let mut asked = asset.policy.copies.iter().map(Copies::place).filter(|place| backup.manifest.belongs_at(place)).peekable();
    if asked.peek().is_none() {
        return Copied::Unasked;
    }
    // A proof stands until something is seen that speaks against it.
    let lacking = |seen: Option<&CopySeen>| matches!(seen, None | Some(CopySeen::Absent | CopySeen::Damaged(_)));
    let late = since(now, backup.manifest.finished_at) > grace(asset.policy.rpo.duration());
    match asked.any(|place| lacking(backup.copies.get(place))) {
        false => Copied::Everywhere,
        true if late => Copied::Missing,
        true => Copied::UnderWay,
    }
}

/// When runs were due that made no backup. The newest say themselves how they ended; of older ones the listing alone tells
/// that they were begun, and what each would have made is known by its name.
fn failures(asset: &Asset, seen: &Seen, tombstones: &[Tombstone], slots: &BTreeMap<Form, Vec<Slot>>) -> Vec<(Timestamp, Form)> {
    let made: BTreeSet<BackupId> =
        seen.backups.iter().map(|backup| backup.manifest.id).chain(tombstones.iter().map(|stone| stone.backup)).collect();
    let of_form = |(form, slots): (&Form, &Vec<Slot>)| {
        let read: BTreeMap<Slot, &RunState> = seen.runs.get(form).into_iter().flatten().map(|run| (run.slot, &run.state)).collect();
        let failed = |slot: &&Slot| match read.get(slot) {
            Some(RunState::Failed { .. }) => true,
            Some(RunState::Working { .. } | RunState::Waiting { .. }) => false,
            Some(RunState::Done { .. }) | None => !made.contains(&BackupId::derive(maker(*form), &asset.name, slot)),
        };
        slots.iter().filter(failed).map(|slot| (slot.0, *form)).collect::<Vec<_>>()
    };
    slots.iter().flat_map(of_form).collect()
}
