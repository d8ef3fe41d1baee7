//! What was seen of one asset: the only input of the rules, beside the policy and the present moment.

use crate::{
    clock::Timestamp,
    domain::{
        backup::{Form, Manifest},
        drill::Verdict,
        place::Place,
        posture::{BucketPosture, KeySeen, Posture},
        run::Run,
        wal::WalSeen,
    },
    id::BackupId,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// What was seen of one asset.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Its backups that retention has not let go, in any order.
    pub backups: Vec<Candidate>,
    /// Records that could not be read: key and reason.
    pub unreadable: Vec<(String, String)>,
    /// Stored objects that no manifest, open run or tombstone names.
    pub unrecorded: Vec<Stray>,
    /// The newest runs of each form's function, newest first.
    pub runs: BTreeMap<Form, Vec<Run>>,
    /// When a schedule last woke each form's function; a form is missing when none ever did.
    pub scheduled: BTreeMap<Form, Timestamp>,
    /// How its provider keeps it; none where no provider does.
    pub posture: Option<Posture>,
    /// How the bucket is kept that it is; none where it is none, or its store does not know the questions.
    pub bucket: Option<BucketPosture>,
    /// How its write-ahead log is archived; none where the policy asks for none.
    pub wal: Option<WalSeen>,
    /// What was let go lately, and how many bytes of it there were.
    pub let_go: Vec<(Timestamp, u64)>,
    /// The keys that its backups and their copies are encrypted with.
    pub keys: Vec<KeySeen>,
    /// Its drills, in any order.
    pub drills: Vec<DrillSeen>,
    /// Why the next prune will let nothing go, if it will not.
    pub prune_refused: Option<String>,
    /// What could not be looked at, and why.
    pub blind: Vec<(String, String)>,
}

/// One backup as it was found.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its manifest.
    pub manifest: Manifest,
    /// Whether what the manifest names is there.
    pub objects: Objects,
    /// What the last reading of its bytes found; none when it was read only once, before its manifest was written.
    pub reading: Option<Reading>,
    /// How it stands at each place that the policy names.
    pub copies: BTreeMap<Place, CopySeen>,
}

/// Whether the objects that a manifest names are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objects {
    /// All, with their recorded sizes.
    Whole,
    /// Something is missing or has another size: what.
    Damaged(String),
    /// The listing could not be had.
    Unknown,
}

/// What a reading of all bytes of a backup found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// What was not as recorded; none when every byte was.
    pub contradiction: Option<String>,
}

/// How a backup stands at another place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySeen {
    /// A proof says that it was read back there, and its objects are still listed with their sizes.
    Proven,
    /// There is no proof.
    Absent,
    /// A proof says so, but something is missing or has another size there: what.
    Damaged(String),
    /// A proof says so; the place could not be listed.
    Unknown,
}

/// A finished drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillSeen {
    /// The backup that was restored.
    pub backup: BackupId,
    /// Its form.
    pub form: Form,
    /// The moment that was restored, where it was no backup of ours but one of the provider's own continuous backups.
    pub moment: Option<Timestamp>,
    /// When the drill ended.
    pub finished_at: Timestamp,
    /// How it ended.
    pub verdict: Verdict,
    /// Why, in a sentence, where it is not proven.
    pub why: Option<String>,
    /// Why its evidence is not signed although the config asks for it.
    pub unsigned: Option<String>,
    /// From the start of the restore until validated; none when it did not come that far.
    pub took: Option<Duration>,
}

/// An object that lies in the vault and belongs to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
    /// When the store says that it was written.
    pub modified: Timestamp,
}
