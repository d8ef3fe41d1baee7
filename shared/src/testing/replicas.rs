//! Replicas in memory: what a drill restores to in a story without a server. Every change counts as a side effect.

use super::{
    SideEffects,
    source::{TABLE, expectations},
};
use crate::{
    catalog::Vault,
    clock::Timestamp,
    domain::backup::{Expectations, Form, Manifest, Role},
    env::Quiet,
    error::{Result, conflict, failed, not_found},
    ports::{Replica, ReplicaName, Replicas, Rows, Sighting},
    stream::{self, Keys},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::io::AsyncReadExt;

/// Replicas in memory. Clones are the same place.
#[derive(Debug, Clone)]
pub struct MemoryReplicas {
    effects: SideEffects,
    state: Arc<Mutex<BTreeMap<ReplicaName, Held>>>,
}

#[derive(Debug, Clone)]
struct Held {
    ours: bool,
    expires: Timestamp,
    rows: Option<u64>,
}

impl MemoryReplicas {
    /// Creates an empty place whose changes count in `effects`.
    pub fn new(effects: SideEffects) -> Self {
        Self { effects, state: Arc::default() }
    }

    /// Returns the same place, whose changes count elsewhere from now on.
    #[must_use]
    pub fn counting_in(&self, effects: SideEffects) -> Self {
        Self { effects, state: self.state.clone() }
    }

    /// Puts something there that a stranger made.
    pub fn strange(&self, name: &str) {
        let stranger = Held { ours: false, expires: Timestamp::UNIX_EPOCH, rows: Some(1) };
        self.state().insert(ReplicaName(name.to_owned()), stranger);
    }

    /// Returns the names of all that is there, ours or not.
    pub fn names(&self) -> Vec<String> {
        self.state().keys().map(|name| name.0.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, BTreeMap<ReplicaName, Held>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rows(&self, name: &ReplicaName) -> Result<u64> {
        self.state().get(name).and_then(|held| held.rows).ok_or_else(|| not_found(format!("{name} holds no restore")))
    }
}

#[async_trait]
impl Replicas for MemoryReplicas {
    async fn begin_replica(&self, name: &ReplicaName, _: &Manifest, expires: Timestamp) -> Result<()> {
        self.effects
            .around(format!("begin replica {name}"), async {
                match self.state().get(name) {
                    Some(held) if !held.ours => return Err(conflict(format!("{name} is not ours"))),
                    Some(_) | None => {}
                }
                self.state().entry(name.clone()).or_insert(Held { ours: true, expires, rows: None });
                Ok(())
            })
            .await
    }

    async fn replica(&self, name: &ReplicaName) -> Result<Option<Replica>> {
        self.effects.alive().await;
        Ok(self.state().get(name).filter(|held| held.ours).map(|held| Replica {
            name: name.clone(),
            expires: held.expires,
            sighting: Sighting::of(held.rows.is_some()),
        }))
    }

    async fn restore(&self, name: &ReplicaName, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        let data = backup.artifacts.iter().find(|artifact| artifact.role == Role::Data);
        let data = data.ok_or_else(|| failed("the backup holds no data"))?;
        let mut stream = stream::open(vault.bucket().clone(), data, &Keys::default(), Arc::new(Quiet)).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let lines = u64::try_from(bytes.split(|byte| *byte == b'\n').count() - 1).unwrap_or(u64::MAX);
        self.effects
            .around(format!("restore into {name}"), async {
                match self.state().get_mut(name) {
                    Some(held) if held.ours => held.rows = Some(lines),
                    Some(_) => return Err(conflict(format!("{name} is not ours"))),
                    None => return Err(not_found(format!("{name} is gone"))),
                }
                Ok(BTreeMap::new())
            })
            .await
    }

    async fn measure(&self, name: &ReplicaName, _: &Expectations, _: Form) -> Result<Expectations> {
        self.effects.alive().await;
        self.rows(name).map(expectations)
    }

    async fn ask(&self, name: &ReplicaName, sql: &str) -> Result<Rows> {
        self.effects.alive().await;
        let rows = self.rows(name)?;
        if !sql.contains(TABLE) {
            return Err(failed("42P01 relation does not exist"));
        }
        Ok(Rows { columns: vec!["count".to_owned()], rows: vec![vec![Some(rows.to_string())]] })
    }

    async fn amcheck(&self, name: &ReplicaName) -> Result<usize> {
        self.effects.alive().await;
        self.rows(name).map(|_| 0)
    }

    async fn begin_teardown(&self, name: &ReplicaName) -> Result<()> {
        self.effects
            .around(format!("tear down {name}"), async {
                match self.state().get(name) {
                    Some(held) if !held.ours => return Err(conflict(format!("{name} is not ours"))),
                    Some(_) | None => {}
                }
                self.state().remove(name);
                Ok(())
            })
            .await
    }

    async fn replicas(&self) -> Result<Vec<Replica>> {
        self.effects.alive().await;
        let ours = |(name, held): (&ReplicaName, &Held)| {
            held.ours.then(|| Replica { name: name.clone(), expires: held.expires, sighting: Sighting::of(held.rows.is_some()) })
        };
        Ok(self.state().iter().filter_map(ours).collect())
    }
}
