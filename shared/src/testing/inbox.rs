//! Somebody who listens, and secrets that a test makes up.

use crate::{
    config::SecretRef,
    domain::{
        finding::Finding,
        tell::{Alert, Filter, Message},
    },
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
    filter: Filter,
    wakes: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    told: Vec<Message>,
    closed: bool,
    asleep: bool,
}

impl Inbox {
    /// An empty one that takes every delivery.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), filter: Filter::default(), wakes: false, state: Arc::default() }
    }

    /// The same, wanting only some alerts.
    #[must_use]
    pub fn taking(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// The same, waking people: it reads no digests.
    #[must_use]
    pub fn that_wakes(self) -> Self {
        Self { wakes: true, ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was told so far out, one line per finding: `critical orders-db: newest backup is …`.
    pub fn take(&self) -> Vec<String> {
        let told = self.messages();
        let lines = told.iter().flat_map(|message| &message.alerts);
        lines.map(|Alert { finding, .. }| format!("{} {finding}", finding.severity.as_str()).to_lowercase()).collect()
    }

    /// Takes what was told so far out, as it was told.
    pub fn messages(&self) -> Vec<Message> {
        std::mem::take(&mut self.state().told)
    }

    /// Takes no delivery and refuses none: it never answers.
    pub fn falls_asleep(&self) {
        self.state().asleep = true;
    }

    /// Returns the last finding that was told.
    pub fn last(&self) -> Option<Finding> {
        self.state().told.last().and_then(|told| told.alerts.last()).map(|alert| alert.finding.clone())
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

    fn filter(&self) -> Filter {
        self.filter.clone()
    }

    fn reads_digests(&self) -> bool {
        !self.wakes
    }

    async fn notify(&self, message: &Message) -> Result<()> {
        if self.state().asleep {
            return std::future::pending().await;
        }
        let mut state = self.state();
        if state.closed {
            return Err(retry("the receiver answered 503"));
        }
        state.told.push(message.clone());
        Ok(())
    }

    async fn reach(&self) -> Result<String> {
        if self.state().closed { Err(retry("the receiver answered 503")) } else { Ok("yes".to_owned()) }
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
