//! The records of a crowd: made up from their keys, the same whenever they are asked for.

use super::{Crowd, FAR, HOME};
use bytes::Bytes;
use lastgood_core::{
    catalog::{
        Copy, Key, Leaving, Tombstone, encode,
        evidence::{Drilled, Evidence, ReplicaSeen},
    },
    clock::{Clock, Timestamp, before},
    domain::{
        backup::{Expectations, Form, Manifest, Method, Origin, Tier},
        drill::{ReplicaName, Verdict},
        held::{Held, SnapshotName},
        place::Place,
        run::{Run, RunState},
    },
    error::Result,
    id::{AssetName, BackupId, Slot},
    ports::{ObjectMeta, Version},
};
use std::{collections::BTreeMap, time::Duration};

pub(super) const TAKES: &str = "snapshot-trigger";
const COPIES: &str = "cross-region-copy";
const DRILLS: &str = "restore-drill";

impl Crowd {
    pub(super) fn slot(&self, back: usize) -> Slot {
        let last: Timestamp = "2026-11-20T03:00:00Z".parse().expect("a moment");
        Slot(before(last, Duration::from_hours(24 * u64::try_from(back).expect("a number"))))
    }

    fn manifest(&self, asset: &AssetName, back: usize) -> Manifest {
        let slot = self.slot(back);
        let held = held(asset, slot, HOME);
        let settings = (0..24).map(|n| (format!("setting_{n}"), serde_json::json!({ "value": format!("of some length, number {n}") })));
        Manifest {
            id: BackupId::derive(TAKES, asset, &slot),
            asset: asset.clone(),
            method: Method::ProviderSnapshot,
            tier: Tier::Daily,
            slot,
            data_time: slot.0,
            started_at: slot.0,
            finished_at: slot.0,
            source: Origin { server: held.engine.clone(), system_identifier: Some("db-ABCDEFGHIJKL".to_owned()), ..Origin::default() },
            artifacts: Vec::new(),
            held: Some(Held { settings: settings.collect(), ..held }),
            expectations: Expectations::default(),
            tools: BTreeMap::from([("lastgood".to_owned(), "0.1.0".to_owned())]),
        }
    }

    fn evidence(&self, asset: &AssetName, back: usize) -> Evidence {
        let (manifest, slot) = (self.manifest(asset, back), self.slot(back));
        let (rto, rpo) = ("4h".parse().expect("a span"), "26h".parse().expect("a span"));
        Evidence {
            drill: BackupId::derive(DRILLS, asset, &slot),
            asset: asset.clone(),
            verdict: Verdict::Proven,
            reason: None,
            backup: Some(Drilled {
                id: manifest.id,
                method: manifest.method,
                form: Form::Snapshot,
                from: HOME.parse().expect("a place"),
                data_time: manifest.data_time,
                stored_bytes: manifest.stored_bytes(),
            }),
            restore_test: None,
            replica: ReplicaSeen { name: ReplicaName::derive(asset, &slot), kind: "rds".to_owned(), gone_at: slot.0 },
            started_at: slot.0,
            finished_at: slot.0,
            restore_seconds: Some(900.0),
            objectives: Evidence::objectives(rto, rpo, Some(900.0), None),
            checks: Vec::new(),
            unsigned: None,
            tools: BTreeMap::new(),
        }
    }

    /// Every key below a folder of one asset, in order.
    pub(super) fn keys(&self, folder: &str) -> Vec<String> {
        let Some(asset) = asset_of(folder) else { return Vec::new() };
        let mut keys: Vec<String> = (0..self.backups)
            .flat_map(|back| {
                let (slot, manifest) = (self.slot(back), BackupId::derive(TAKES, &asset, &self.slot(back)));
                let runs = [TAKES, COPIES].map(|function| Key::Run(asset.clone(), function.to_owned(), slot));
                let far: Place = FAR.parse().expect("a place");
                let always = [Key::Manifest(asset.clone(), manifest), Key::Copy(asset.clone(), manifest, far)];
                let drill = BackupId::derive(DRILLS, &asset, &slot);
                let weekly = [Key::Drill(asset.clone(), drill), Key::Run(asset.clone(), DRILLS.to_owned(), slot)];
                let weekly = weekly.into_iter().filter(move |_| back % 7 == 0);
                // As many again were let go.
                let gone = self.slot(self.backups + back);
                let gone = Key::Tombstone(asset.clone(), BackupId::derive(TAKES, &asset, &gone));
                runs.into_iter().chain(always).chain(weekly).chain([gone]).map(|key| key.to_string()).collect::<Vec<_>>()
            })
            .filter(|key| key.starts_with(folder))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// What stands under a key of one asset.
    pub(super) fn record(&self, key: &str) -> Option<Bytes> {
        let asset = asset_of(key)?;
        let written = |record: &dyn Fn() -> Result<Bytes>| record().ok();
        let back_of = |moment: Timestamp, from: usize| (from..from + self.backups).find(|back| self.slot(*back).0 == moment);
        let id = |text: &str| text.split('/').next()?.split('.').next()?.parse::<BackupId>().ok();
        let rest = key.strip_prefix(&Key::records(&asset))?;
        let (kind, name) = rest.split_once('/')?;
        match kind {
            "backups" => {
                let back = back_of(id(name)?.time(), 0)?;
                written(&|| encode(&self.manifest(&asset, back)))
            }
            "copies" => {
                let manifest = self.manifest(&asset, back_of(id(name)?.time(), 0)?);
                let copy = Copy {
                    backup: manifest.id,
                    asset: asset.clone(),
                    place: FAR.parse().ok()?,
                    proven_at: manifest.finished_at,
                    artifacts: Vec::new(),
                    held: Some(self::held(&asset, manifest.slot, FAR)),
                };
                written(&|| encode(&copy))
            }
            "drills" => {
                let back = back_of(id(name)?.time(), 0)?;
                written(&|| encode(&self.evidence(&asset, back)))
            }
            "tombstones" => {
                let back = back_of(id(name)?.time(), self.backups)?;
                let mut stone = Tombstone::of(&self.manifest(&asset, back), Vec::new(), "newer ones stand", "hash", self.clock.now());
                stone.leaving = Leaving::Gone;
                written(&|| encode(&stone))
            }
            "runs" => {
                let (function, slot) = name.split_once('/')?;
                let slot: Slot = slot.strip_suffix(".json")?.parse().ok()?;
                let run = Run {
                    function: function.to_owned(),
                    asset: asset.clone(),
                    slot,
                    id: BackupId::derive(function, &asset, &slot),
                    attempt: 1,
                    state: RunState::Done { at: slot.0 },
                    leftovers: Vec::new(),
                    snapshot: None,
                    drill: None,
                };
                written(&|| encode(&run))
            }
            _ => None,
        }
    }

    pub(super) fn meta(&self, key: &str) -> ObjectMeta {
        let modified = before(self.clock.now(), Duration::from_hours(1));
        ObjectMeta { key: key.to_owned(), size: 1_000, version: Version(format!("\"{key}\"")), modified }
    }
}

/// The asset of a member.
pub(super) fn fleet_member(number: usize) -> AssetName {
    format!("prod-db{number:05}").parse().expect("a name")
}

fn asset_of(key: &str) -> Option<AssetName> {
    key.strip_prefix("catalog/v1/assets/")?.split('/').next()?.parse().ok()
}

pub(super) fn held(asset: &AssetName, slot: Slot, at: &str) -> Held {
    let place: Place = at.parse().expect("a place");
    let name = SnapshotName::derive(asset, &slot);
    Held {
        reference: format!("arn:aws:rds:{}:111122223333:snapshot:{name}", place.bucket()),
        engine: "postgres 15.18".to_owned(),
        bytes: 20 << 30,
        encrypted: true,
        key: Some(format!("arn:aws:kms:{}:111122223333:key/1", place.bucket())),
        members: Vec::new(),
        settings: BTreeMap::new(),
        place,
        name,
    }
}
