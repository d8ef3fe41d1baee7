//! Where drills of the simulation restore to. What is restored out of a vault is really read, byte for byte; of a snapshot that
//! its provider holds there is nothing to read but how many rows it had.

use super::{fault::Kind, weather::Weather};
use async_trait::async_trait;
use lastgood_core::{
    catalog::Vault,
    clock::Timestamp,
    domain::{
        backup::{Expectations, Form, Manifest, Role, TableFacts},
        compare::CheckResult,
        drill::{ReplicaName, Sighting},
    },
    env::Quiet,
    error::{Result, failed, not_found},
    id::AssetName,
    ports::{Replica, Replicas, Rows},
    stream::{self, Keys},
    testing::ManualClock,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::io::AsyncReadExt;

/// How long a restore takes.
const RESTORE: Duration = Duration::from_mins(6);

type Held = BTreeMap<ReplicaName, (Timestamp, Option<u64>)>;

/// Every replica of one asset. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Stand {
    asset: AssetName,
    weather: Weather,
    clock: ManualClock,
    held: Arc<Mutex<Held>>,
}

impl Stand {
    /// An empty place.
    pub fn new(asset: AssetName, weather: Weather, clock: ManualClock) -> Self {
        Self { asset, weather, clock, held: Arc::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self, name: &ReplicaName) -> Result<u64> {
        let rows = self.held().get(name).and_then(|(_, rows)| *rows).ok_or_else(|| not_found(format!("{name} holds no restore")))?;
        Ok(if self.weather.hits(Kind::DrillFails, &self.asset) { 0 } else { rows })
    }
}

fn seen(name: &ReplicaName, (expires, rows): &(Timestamp, Option<u64>)) -> Replica {
    Replica { name: name.clone(), expires: *expires, sighting: Sighting::of(rows.is_some()) }
}

#[async_trait]
impl Replicas for Stand {
    async fn begin_replica(&self, name: &ReplicaName, _: &Manifest, expires: Timestamp) -> Result<()> {
        self.held().entry(name.clone()).or_insert((expires, None));
        Ok(())
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        Ok(self.held().get(name).map(|held| seen(name, held)))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let rows = if backup.held.is_some() {
            1
        } else {
            let data =
                backup.artifacts.iter().find(|artifact| artifact.role == Role::Data).ok_or_else(|| failed("the backup holds no data"))?;
            let mut bytes = Vec::new();
            stream::open(vault.bucket().clone(), data, &Keys::default(), Arc::new(Quiet)).await?.read_to_end(&mut bytes).await?;
            bytes.iter().fold(0, |lines, byte| lines + u64::from(*byte == b'\n'))
        };
        self.clock.advance(RESTORE);
        match self.held().get_mut(name) {
            Some(held) => held.1 = Some(rows),
            None => return Err(not_found(format!("{name} is gone"))),
        }
        Ok(BTreeMap::new())
    }

    async fn measure(&self, name: &ReplicaName, expected: &Expectations, _: Form) -> Result<Expectations> {
        let rows = self.rows(name)?;
        let tables = expected.tables.keys().map(|table| (table.clone(), TableFacts { rows, digest: None })).collect();
        Ok(Expectations { tables, ..expected.clone() })
    }

    async fn set_up(&self, name: &ReplicaName, _: &Manifest) -> Result<Vec<CheckResult>> {
        self.rows(name)?;
        Ok(vec![CheckResult::passed("settings", "as the source's", "the same")])
    }

    async fn ask(&self, name: &ReplicaName, _: &str) -> Result<Rows> {
        let rows = self.rows(name)?;
        Ok(Rows { columns: vec!["count".to_owned()], rows: vec![vec![Some(rows.to_string())]] })
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        self.rows(name).map(|_| 0)
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        self.held().remove(name);
        Ok(())
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        Ok(self.held().iter().map(|(name, held)| seen(name, held)).collect())
    }
}
