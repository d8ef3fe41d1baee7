//! Every object path of a vault, in one place.

use crate::{
    domain::{place::Place, tell::Topic},
    id::{AssetName, BackupId, Slot},
};
use sha2::{Digest, Sha256};
use std::fmt;

/// The path of a record or an artifact below the vault.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A finished backup.
    Manifest(AssetName, BackupId),
    /// The proof that a backup exists at another place.
    Copy(AssetName, BackupId, Place),
    /// How far the copying of a backup to another place has come; gone once it is proven there.
    Copying(AssetName, BackupId, Place),
    /// That a backup is being brought back from an archive at a place.
    Recall(AssetName, BackupId, Place),
    /// What the last reading-back of a backup found.
    Verification(AssetName, BackupId),
    /// A drill's evidence.
    Drill(AssetName, BackupId),
    /// A drill's evidence for people.
    DrillPage(AssetName, BackupId),
    /// A signed link of an asset's chain of evidence, by its number from 1.
    EvidenceLink(AssetName, u64),
    /// An extract for analysts.
    Extract(AssetName, BackupId),
    /// What a backup was, after retention let it go.
    Tombstone(AssetName, BackupId),
    /// What a prune decided, before it acted.
    Plan(AssetName, BackupId),
    /// Work under way.
    Run(AssetName, String, Slot),
    /// When a function last ran.
    Heartbeat(String),
    /// Who was ever a member of a fleet.
    Roster(AssetName),
    /// What a function remembers of an asset's records.
    Memory(String, AssetName),
    /// The gist of what a function saw of an asset, while all was well.
    Gist(String, AssetName),
    /// When a function last touched an asset's records.
    Touched(AssetName),
    /// What was seen and judged last: the data behind the page.
    Status,
    /// The page that says how everything stands.
    StatusPage,
    /// What was seen and judged last, in Prometheus' words.
    Metrics,
    /// Which findings were told to whom.
    Told,
    /// That somebody knows of a finding.
    Ack(Topic),
    /// What a key closed, and must open again.
    Opened(Place, String),
    /// A stored object of a backup, by its name.
    Artifact(AssetName, String),
    /// The digests of a backup's artifacts, as `sha256sum -c` reads them, by the artifact's name.
    Digests(AssetName, String),
}

impl Key {
    /// The folder of all records of an asset.
    pub fn records(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/")
    }

    /// The folder of an asset's manifests.
    pub fn manifests(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/backups/")
    }

    /// The folder of an asset's copy proofs.
    pub fn copies(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/copies/")
    }

    /// The folder of an asset's recalls from archives.
    pub fn recalls(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/recalls/")
    }

    /// The folder of an asset's verifications.
    pub fn verifications(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/verifications/")
    }

    /// The folder of an asset's drills.
    pub fn drills(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/drills/")
    }

    /// The folder of an asset's chain of evidence.
    pub fn evidence(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/evidence/")
    }

    /// The folder of an asset's tombstones.
    pub fn tombstones(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/tombstones/")
    }

    /// The folder of an asset's prune plans.
    pub fn plans(asset: &AssetName) -> String {
        format!("catalog/v1/assets/{asset}/plans/")
    }

    /// The folder of a function's runs for an asset.
    pub fn runs(asset: &AssetName, function: &str) -> String {
        format!("catalog/v1/assets/{asset}/runs/{function}/")
    }

    /// The folder of all acknowledgements.
    pub fn acks() -> String {
        "catalog/v1/acks/".to_owned()
    }

    /// The folder that tells when whose records were touched.
    pub fn touches() -> String {
        "catalog/v1/touched/".to_owned()
    }

    /// Whose records an object path belongs to, if it is a record's.
    pub fn owner(path: &str) -> Option<AssetName> {
        path.strip_prefix("catalog/v1/assets/")?.split('/').next()?.parse().ok()
    }

    /// The folder of an asset's artifacts.
    pub fn exports(asset: &AssetName) -> String {
        format!("exports/{asset}/")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Manifest(asset, id) => write!(f, "{}{id}.json", Self::manifests(asset)),
            Self::Copy(asset, id, place) => write!(f, "{}{id}/{}.json", Self::copies(asset), place.slug()),
            Self::Copying(asset, id, place) => write!(f, "catalog/v1/assets/{asset}/copying/{id}/{}.json", place.slug()),
            Self::Recall(asset, id, place) => write!(f, "{}{id}/{}.json", Self::recalls(asset), place.slug()),
            Self::Verification(asset, id) => write!(f, "{}{id}.json", Self::verifications(asset)),
            Self::Drill(asset, id) => write!(f, "{}{id}.json", Self::drills(asset)),
            Self::DrillPage(asset, id) => write!(f, "{}{id}.html", Self::drills(asset)),
            Self::EvidenceLink(asset, number) => write!(f, "{}{number:010}.json", Self::evidence(asset)),
            Self::Extract(asset, id) => write!(f, "catalog/v1/assets/{asset}/analytics/{id}.json"),
            Self::Tombstone(asset, id) => write!(f, "{}{id}.json", Self::tombstones(asset)),
            Self::Plan(asset, id) => write!(f, "{}{id}.json", Self::plans(asset)),
            Self::Run(asset, function, slot) => write!(f, "{}{slot}.json", Self::runs(asset, function)),
            Self::Heartbeat(function) => write!(f, "catalog/v1/heartbeats/{function}.json"),
            Self::Roster(fleet) => write!(f, "catalog/v1/fleets/{fleet}.json"),
            Self::Memory(function, asset) => write!(f, "catalog/v1/memory/{function}/{asset}.json.zst"),
            Self::Gist(function, asset) => write!(f, "catalog/v1/memory/{function}/{asset}.gist.json.zst"),
            Self::Touched(asset) => write!(f, "{}{asset}", Self::touches()),
            Self::Status => f.write_str("status/status.json"),
            Self::StatusPage => f.write_str("status/index.html"),
            Self::Metrics => f.write_str("status/metrics.prom"),
            Self::Told => f.write_str("catalog/v1/told.json"),
            // No asset's name has an underscore.
            Self::Ack(Topic { asset, kind }) => {
                write!(f, "{}{}/{}.json", Self::acks(), asset.as_ref().map_or("_", AssetName::as_str), kind.slug())
            }
            Self::Opened(place, key) => write!(f, "catalog/v1/keys/{}/{}.json", place.slug(), hex::encode(&Sha256::digest(key)[..8])),
            Self::Artifact(asset, name) => write!(f, "{}{name}", Self::exports(asset)),
            Self::Digests(asset, name) => write!(f, "{}{name}.sha256", Self::exports(asset)),
        }
    }
}
