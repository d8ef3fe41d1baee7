//! A store of secrets in memory, for tests.

use super::{Current, Listed, Payload, Store, Version, Without};
use crate::error::{Result, denied};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};
use zeroize::Zeroizing;

/// A store in memory. Clones are the same store.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    secrets: BTreeMap<String, (Vec<Vec<u8>>, Option<Without>)>,
    denied: BTreeSet<String>,
    rotations: BTreeMap<String, (String, Vec<u8>)>,
}

impl Shelf {
    pub(super) fn with(secrets: &[(&str, &str)]) -> Self {
        let shelf = Self::default();
        for (name, value) in secrets {
            shelf.add(name, value);
        }
        shelf
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    pub(super) fn add(&self, name: &str, value: &str) {
        self.held().secrets.entry(name.to_owned()).or_default().0.push(value.into());
    }

    pub(super) fn take(&self, name: &str, why: Without) {
        self.held().secrets.entry(name.to_owned()).or_default().1 = Some(why);
    }

    pub(super) fn deny(&self, name: &str) {
        self.held().denied.insert(name.to_owned());
    }

    /// Once one is read, another is rotated.
    pub(super) fn rotate_once_read(&self, read: &str, rotated: &str, value: &str) {
        self.held().rotations.insert(read.to_owned(), (rotated.to_owned(), value.into()));
    }
}

#[async_trait]
impl Store for Shelf {
    fn service(&self) -> &'static str {
        "a shelf"
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }

    async fn list(&self) -> Result<Vec<Listed>> {
        Ok(self.held().secrets.keys().rev().map(|name| Listed { name: name.clone(), ..Listed::default() }).collect())
    }

    async fn current(&self, name: &str) -> Result<Current> {
        let mut held = self.held();
        if held.denied.contains(name) {
            return Err(denied(format!("read on secret {name}: not allowed")));
        }
        if let Some((other, value)) = held.rotations.remove(name) {
            held.secrets.entry(other).or_default().0.push(value);
        }
        let (versions, without) = held.secrets.get(name).cloned().unwrap_or_default();
        Ok(match (without, versions.last()) {
            (Some(why), _) => Current::Without(why),
            (None, None) => Current::Without(Without::NoVersion),
            (None, Some(value)) => {
                let payload = Payload::of(Zeroizing::new(value.clone()));
                Current::Version(Version { id: versions.len().to_string(), made: None, payload })
            }
        })
    }
}
