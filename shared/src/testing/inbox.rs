//! Somebody who listens, and secrets that a test makes up.

use crate::{
    config::SecretRef,
    domain::finding::Finding,
    error::{Result, not_found, retry},
    ports::{Notifier, Secret, Secrets},
};
use async_trait::async_trait;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A channel that keeps what it was told. Clones are the same channel.
#[derive(Debug, Clone)]
pub struct Inbox {
    name: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    told: Vec<Vec<Finding>>,
    closed: bool,
}

impl Inbox {
    /// An empty one that takes every delivery.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was told so far out, one line per finding: `critical orders-db: newest backup is …`.
    pub fn take(&self) -> Vec<String> {
        let told = std::mem::take(&mut self.state().told);
        told.iter().flatten().map(|finding| format!("{:?} {finding}", finding.severity).to_lowercase()).collect()
    }

    /// Returns the last finding that was told.
    pub fn last(&self) -> Option<Finding> {
        self.state().told.last().and_then(|told| told.last().cloned())
    }

    /// Refuses every delivery from now on.
    pub fn close(&self) {
        self.state().closed = true;
    }

    /// Takes deliveries again.
    pub fn open(&self) {
        self.state().closed = false;
    }
}

#[async_trait]
impl Notifier for Inbox {
    fn channel(&self) -> &str {
        &self.name
    }

    async fn notify(&self, _: &str, findings: &[Finding]) -> Result<()> {
        let mut state = self.state();
        if state.closed {
            return Err(retry("the receiver answered 503"));
        }
        state.told.push(findings.to_vec());
        Ok(())
    }
}

/// Secrets by reference, as a test says.
#[derive(Debug, Clone, Default)]
pub struct MemorySecrets(pub BTreeMap<String, String>);

#[async_trait]
impl Secrets for MemorySecrets {
    async fn resolve(&self, reference: &SecretRef) -> Result<Secret> {
        let value = self.0.get(&reference.to_string());
        value.map(Secret::new).ok_or_else(|| not_found(format!("{reference} is not set")))
    }
}
