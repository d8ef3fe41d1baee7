//! What is to be copied where: decided from what the catalog and the places say, without touching either.

use lastgood_core::{
    catalog::Copy,
    clock::since,
    domain::{
        backup::{Artifact, Manifest},
        held::{SnapshotSeen, SnapshotState},
        place::Place,
    },
    id::BackupId,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What was seen of one place.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The backups whose manifest lies there.
    pub manifests: BTreeSet<BackupId>,
    /// The objects there and their sizes.
    pub objects: BTreeMap<String, u64>,
    /// The provider's snapshots there.
    pub snapshots: Vec<SnapshotSeen>,
}

impl Seen {
    fn holds(&self, backup: &Manifest) -> bool {
        if let Some(original) = &backup.held {
            let sound = |seen: &&SnapshotSeen| seen.state == SnapshotState::Available && seen.held.differs(original).is_none();
            return self.snapshots.iter().filter(sound).any(|seen| seen.backup == Some(backup.id));
        }
        let there = |artifact: &Artifact| self.objects.get(&artifact.key) == Some(&artifact.size);
        self.manifests.contains(&backup.id) && backup.artifacts.iter().all(there)
    }
}

/// Returns the backups that are proven at a place: a proof says so, and what it speaks of is still seen there.
pub fn proven<'a>(backups: &'a [Manifest], proofs: &[Copy], place: &Place, seen: &Seen) -> Vec<&'a Manifest> {
    let proof = |backup: &Manifest| proofs.iter().any(|proof| proof.place == *place && proof.proves(backup));
    backups.iter().filter(|backup| proof(backup) && seen.holds(backup)).collect()
}

/// Returns the backups that are still to be copied to a place, newest first. What retention let go is not copied.
pub fn missing<'a>(backups: &'a [Manifest], proven: &[&Manifest], let_go: &BTreeSet<BackupId>, place: &Place) -> Vec<&'a Manifest> {
    let done: BTreeSet<_> = proven.iter().map(|backup| backup.id).collect();
    let wanted = |backup: &&Manifest| backup.belongs_at(place) && !done.contains(&backup.id) && !let_go.contains(&backup.id);
    let mut missing: Vec<_> = backups.iter().filter(wanted).collect();
    missing.sort_by_key(|backup| std::cmp::Reverse((backup.data_time, backup.id)));
    missing
}

/// Returns how far a place is behind, in data time; none where nothing is proven there although there is something to copy.
pub fn lag(backups: &[Manifest], proven: &[&Manifest], place: &Place) -> Option<Duration> {
    let wanted = backups.iter().filter(|backup| backup.belongs_at(place)).map(|backup| backup.data_time);
    let Some(newest) = wanted.max() else { return Some(Duration::ZERO) };
    let there = proven.iter().map(|backup| backup.data_time).max()?;
    Some(since(newest, there))
}
