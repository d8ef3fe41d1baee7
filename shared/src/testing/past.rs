//! The past of one asset, told in a test's own words and written as the functions would have written it.

use super::World;
use crate::{
    catalog::{
        Copied, Copy, Key, Verification, encode,
        evidence::{Drilled, Evidence, ReplicaSeen},
    },
    clock::{Timestamp, after, before},
    domain::{
        backup::{Artifact, Compression, Expectations, Manifest, Method, Origin, Role, TableFacts, Tier},
        damage::Damage,
        drill::{ReplicaName, Verdict},
        place::Place,
        run::{Run, RunState},
    },
    error::{Result, not_found},
    id::{AssetName, BackupId, Slot},
};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, time::Duration};

/// One asset of a world.
#[derive(Debug)]
pub struct AssetInWorld<'a> {
    world: &'a World,
    name: String,
}

impl<'a> AssetInWorld<'a> {
    pub(super) fn new(world: &'a World, name: &str) -> Self {
        Self { world, name: name.to_owned() }
    }

    /// Its name.
    pub fn name(&self) -> Result<AssetName> {
        self.name.parse()
    }

    /// An export that began with data of `when`, ran for a minute and was recorded: `2m ago` at the latest, or it is of the
    /// future and no listing shows it yet.
    pub fn backed_up(&self, when: &str) -> Result<BackupId> {
        self.backed_up_with(when, |_| {})
    }

    /// The same, after `change` had its way with the manifest. Artifacts keep the bytes that they were made with.
    pub fn backed_up_with(&self, when: &str, change: impl FnOnce(&mut Manifest)) -> Result<BackupId> {
        let mut manifest = self.export(self.world.moment(when))?;
        let bytes = manifest.artifacts.iter().map(|artifact| (artifact.key.clone(), content(&artifact.key))).collect::<Vec<_>>();
        change(&mut manifest);
        self.world.then(manifest.finished_at, |vault| {
            for (key, content) in bytes {
                vault.overwrite(&format!("{key}.sha256"), format!("{}  {key}\n", hex::encode(Sha256::digest(&content))));
                vault.overwrite(&key, content);
            }
        });
        self.world.record(manifest.finished_at, &Key::Manifest(manifest.asset.clone(), manifest.id), &manifest)?;
        Ok(manifest.id)
    }

    /// A run of the function that makes exports, which ended (or not) in this state.
    pub fn ran(&self, when: &str, state: impl FnOnce(Timestamp) -> RunState) -> Result<()> {
        self.run_of("export-to-bucket", when, state)
    }

    /// A run of a function, which ended (or not) in this state.
    pub fn run_of(&self, function: &str, when: &str, state: impl FnOnce(Timestamp) -> RunState) -> Result<()> {
        let (at, asset) = (self.world.moment(when), self.name()?);
        let slot = Slot::at(at);
        let id = BackupId::derive(function, &asset, &slot);
        let run = Run {
            function: function.to_owned(),
            asset: asset.clone(),
            slot,
            id,
            attempt: 1,
            state: state(at),
            leftovers: Vec::new(),
            snapshot: None,
            drill: None,
        };
        self.world.record(at, &Key::Run(asset, function.to_owned(), slot), &run)
    }

    /// A failed export.
    pub fn failed(&self, when: &str, reason: &str) -> Result<()> {
        self.ran(when, |at| RunState::Failed { at, reason: reason.to_owned() })
    }

    /// A copy of a backup, bytes and proof, at a place.
    pub fn copied(&self, id: BackupId, place: &str) -> Result<()> {
        let (asset, manifest) = (self.name()?, self.manifest(id)?);
        let there = self.world.at(place);
        let place: Place = place.parse()?;
        for artifact in &manifest.artifacts {
            there.overwrite(&artifact.key, content(&artifact.key));
        }
        there.overwrite(&Key::Manifest(asset.clone(), id).to_string(), encode(&manifest)?);
        let artifacts = manifest.artifacts.iter().map(Copied::from).collect();
        let proof = Copy { backup: id, asset: asset.clone(), place: place.clone(), proven_at: manifest.finished_at, artifacts, held: None };
        self.world.record(manifest.finished_at, &Key::Copy(asset, id, place), &proof)
    }

    /// A reading of every byte of a backup that found this.
    pub fn verified(&self, id: BackupId, when: &str, damage: Vec<Damage>) -> Result<()> {
        let (asset, at) = (self.name()?, self.world.moment(when));
        let found = Verification { backup: id, asset: asset.clone(), verified_at: at, bytes: 0, damage };
        self.world.record(at, &Key::Verification(asset, id), &found)
    }

    /// A drill of a backup that ended `when` with this verdict, validated after so many seconds.
    pub fn drilled(&self, id: BackupId, when: &str, verdict: Verdict, seconds: f64) -> Result<()> {
        let (asset, at, manifest) = (self.name()?, self.world.moment(when), self.manifest(id)?);
        let policy = &self.world.config.asset(&asset)?.policy;
        let slot = Slot::at(at);
        let drill = BackupId::derive("restore-drill", &asset, &slot);
        let reason = (verdict != Verdict::Proven).then(|| "rows of public.orders: expected 100, found 0".to_owned());
        let evidence = Evidence {
            drill,
            asset: asset.clone(),
            verdict,
            reason,
            backup: Some(Drilled {
                id,
                method: manifest.method,
                form: manifest.form(),
                from: self.world.config.vault.clone(),
                data_time: manifest.data_time,
                stored_bytes: manifest.stored_bytes(),
            }),
            restore_test: None,
            replica: ReplicaSeen { name: ReplicaName::derive(&asset, &slot), kind: "scratch".to_owned(), gone_at: at },
            started_at: before(at, Duration::from_mins(5)),
            finished_at: at,
            restore_seconds: Some(seconds),
            objectives: Evidence::objectives(policy.rto, policy.rpo, Some(seconds), None),
            checks: Vec::new(),
            tools: BTreeMap::new(),
            unsigned: None,
        };
        self.world.record(at, &Key::Drill(asset, drill), &evidence)
    }

    /// The manifest of a backup, as it lies in the vault.
    pub fn manifest(&self, id: BackupId) -> Result<Manifest> {
        let key = Key::Manifest(self.name()?, id).to_string();
        let bytes = self.world.vault.bytes(&key).ok_or_else(|| not_found(format!("{key} is not there")))?;
        crate::catalog::decode(&bytes)
    }

    fn export(&self, data_time: Timestamp) -> Result<Manifest> {
        let asset = self.name()?;
        let slot = Slot::at(data_time);
        let name = format!("{asset}_daily_{}.dump.zst", slot.stamp());
        let key = Key::Artifact(asset.clone(), name).to_string();
        let content = content(&key);
        let artifact = Artifact {
            role: Role::Data,
            size: content.len() as u64,
            sha256: hex::encode(Sha256::digest(&content)),
            chunks: None,
            plain_size: 1 << 20,
            compression: Compression::Zstd,
            recipients: Vec::new(),
            key,
        };
        let tables = BTreeMap::from([("public.orders".to_owned(), TableFacts { rows: 1_000, digest: None })]);
        Ok(Manifest {
            id: BackupId::derive("export-to-bucket", &asset, &slot),
            asset,
            method: Method::PgDumpCustom,
            tier: Tier::Daily,
            slot,
            data_time,
            started_at: data_time,
            finished_at: after(data_time, Duration::from_mins(1)),
            source: Origin::default(),
            artifacts: vec![artifact],
            held: None,
            expectations: Expectations { tables, ..Expectations::default() },
            tools: BTreeMap::new(),
        })
    }
}

fn content(key: &str) -> Vec<u8> {
    format!("the stored bytes of {key}").into_bytes()
}
