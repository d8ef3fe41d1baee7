//! Exports of a set of secrets: every secret once, in the order of names, each the version that counts at that moment.
//!
//! Whole or not at all: one secret that may not be read fails the export and names the right that is missing. One that has no value
//! that counts (disabled, destroyed, to be deleted) is told in its line and is no error.

use super::{
    Current, Listed, Store,
    line::{LONGEST_VALUE, written},
};
use crate::{
    clock::{Clock, Timestamp},
    domain::backup::{Expectations, Method, Origin, Role},
    error::{Error, Result, failed, invalid, not_found, unsupported},
    ports::{Ask, Dump, Exporter, Facts, Piece, Preflight},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};
use tokio_util::io::StreamReader;

/// The most secrets of one asset: its manifest names each.
const MOST: usize = 10_000;

/// Exports of one set.
pub struct SecretExports {
    store: Arc<dyn Store>,
    prefix: Option<String>,
    clock: Arc<dyn Clock>,
}

impl SecretExports {
    /// Will export what is in a store, as far as its name begins so. Asks nothing yet.
    pub fn new(store: Arc<dyn Store>, prefix: Option<String>, clock: Arc<dyn Clock>) -> Self {
        Self { store, prefix, clock }
    }

    fn origin(&self) -> Origin {
        Origin { server: self.store.service().to_owned(), address: self.store.place(), ..Origin::default() }
    }

    /// Every secret that belongs to the set, in the order of names.
    async fn listed(&self) -> Result<Vec<Listed>> {
        let mut listed = self.store.list().await?;
        if let Some(prefix) = &self.prefix {
            listed.retain(|secret| secret.name.starts_with(prefix.as_str()));
        }
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        let place = self.store.place();
        if listed.is_empty() {
            let such = self.prefix.as_ref().map(|prefix| format!(" whose name begins with {prefix}")).unwrap_or_default();
            return Err(not_found(format!("{place} holds no secret{such}"))
                .hint("mend where it is in the config; take the asset out where there is nothing to keep"));
        }
        if listed.len() > MOST {
            return Err(invalid(format!("{place} holds {} secrets, more than the {MOST} that one asset may have", listed.len()))
                .hint("make several assets of them, each with a `prefix`"));
        }
        if let Some(twice) = listed.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(failed(format!("{} came twice in the listing of {place}", twice[0].name)));
        }
        Ok(listed)
    }
}

#[async_trait]
impl Exporter for SecretExports {
    async fn preflight(&self, _: &Ask) -> Result<Preflight> {
        let listed = self.listed().await?;
        // One is read, so that a right that is missing shows before anything is stored.
        if let Some(first) = listed.iter().find(|secret| secret.without.is_none()) {
            self.store.current(&first.name).await?;
        }
        let expected_size = (listed.len() * LONGEST_VALUE * 3 / 2) as u64;
        Ok(Preflight { origin: self.origin(), expected_size })
    }

    async fn begin(&self, ask: &Ask) -> Result<Box<dyn Dump>> {
        if ask.method != Method::SecretsJsonl {
            return Err(unsupported("secrets are exported as JSON lines alone"));
        }
        let began = self.clock.now();
        let listed = self.listed().await?;
        Ok(Box::new(Export { origin: self.origin(), began, store: self.store.clone(), left: Some(listed.into()), found: Arc::default() }))
    }
}

type Found = Arc<Mutex<Option<BTreeMap<String, Option<String>>>>>;

struct Export {
    origin: Origin,
    began: Timestamp,
    store: Arc<dyn Store>,
    left: Option<VecDeque<Listed>>,
    found: Found,
}

/// What is still to be read, and what was.
struct Reading {
    store: Arc<dyn Store>,
    left: VecDeque<Listed>,
    seen: BTreeMap<String, Option<String>>,
    found: Found,
}

impl Reading {
    /// The next line; its buffer is wiped once it was compressed.
    async fn line(mut self) -> Result<Option<(Bytes, Self)>> {
        let Some(listed) = self.left.pop_front() else {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.seen);
            return Ok(None);
        };
        let current = match listed.without {
            Some(why) => Current::Without(why),
            None => self.store.current(&listed.name).await?,
        };
        let (line, version) = match &current {
            Current::Version(version) => (written(&listed, Ok(version))?, Some(version.id.clone())),
            Current::Without(why) => {
                tracing::info!(secret = listed.name, ?why, "a secret has no value that counts: its line says so");
                (written(&listed, Err(*why))?, None)
            }
        };
        self.seen.insert(listed.name, version);
        Ok(Some((Bytes::from_owner(line), self)))
    }
}

#[async_trait]
impl Dump for Export {
    async fn next(&mut self) -> Result<Option<Piece>> {
        let Some(left) = self.left.take() else { return Ok(None) };
        let reading = Reading { store: self.store.clone(), left, seen: BTreeMap::new(), found: self.found.clone() };
        let lines = stream::try_unfold(reading, Reading::line).map_err(<std::io::Error as From<Error>>::from);
        let bytes = Box::pin(StreamReader::new(Box::pin(lines)));
        Ok(Some(Piece { role: Role::Data, ending: ".secrets.jsonl".to_owned(), expected_size: None, bytes }))
    }

    async fn finish(self: Box<Self>) -> Result<Facts> {
        let secrets = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let secrets = secrets.ok_or_else(|| failed("the export was ended before all of it was read"))?;
        let expectations = Expectations { secrets, ..Expectations::default() };
        Ok(Facts { origin: self.origin, data_time: self.began, expectations, tools: BTreeMap::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Kind,
        providers::secret_set::{Without, shelf::Shelf},
        testing::ManualClock,
    };
    use tokio::io::AsyncReadExt;

    fn ask() -> Ask {
        let spool = std::path::PathBuf::from("/nowhere");
        Ask { method: Method::SecretsJsonl, jobs: 1, tables_csv: vec![], digests: false, migrations: vec![], spool }
    }

    async fn exported(shelf: &Shelf, prefix: Option<&str>) -> Result<(String, Facts)> {
        let clock = Arc::new(ManualClock::at("2026-11-20T03:30:00Z".parse().unwrap()));
        let exports = SecretExports::new(Arc::new(shelf.clone()), prefix.map(str::to_owned), clock);
        exports.preflight(&ask()).await?;
        let mut dump = exports.begin(&ask()).await?;
        let mut piece = dump.next().await?.unwrap();
        assert_eq!((piece.role, piece.ending.as_str()), (Role::Data, ".secrets.jsonl"));
        let mut text = String::new();
        piece.bytes.read_to_string(&mut text).await.map_err(Error::from)?;
        assert!(dump.next().await?.is_none());
        Ok((text, dump.finish().await?))
    }

    #[tokio::test]
    async fn every_secret_is_one_line_and_one_without_a_value_says_why() {
        let shelf = Shelf::with(&[("b", "two"), ("a", "one"), ("other", "x")]);
        shelf.take("c", Without::Disabled);
        let (text, facts) = exported(&shelf, None).await.unwrap();
        let names: Vec<_> = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].clone()).collect();
        assert_eq!(names, ["a", "b", "c", "other"]);
        assert_eq!(facts.expectations.secrets["a"].as_deref(), Some("1"));
        assert_eq!(facts.expectations.secrets["c"], None);
        let (text, _) = exported(&shelf, Some("o")).await.unwrap();
        assert_eq!(text.lines().count(), 1);
    }

    #[tokio::test]
    async fn r44_a_rotation_meanwhile_leaves_one_whole_version_and_its_id() {
        let shelf = Shelf::with(&[("a", "old-a"), ("b", "old-b")]);
        shelf.rotate_once_read("a", "b", "new-b");
        let (text, facts) = exported(&shelf, None).await.unwrap();
        let id = facts.expectations.secrets["b"].clone().unwrap();
        let line = text.lines().find(|line| line.contains("\"name\":\"b\"")).unwrap();
        assert!(line.contains(&format!("\"version\":\"{id}\"")) && id == "2" && line.contains("new-b"), "{line}");
    }

    #[tokio::test]
    async fn r41_one_secret_that_may_not_be_read_is_no_partial_success() {
        let shelf = Shelf::with(&[("a", "one"), ("b", "c4nary")]);
        shelf.deny("b");
        let error = exported(&shelf, None).await.err().unwrap();
        assert!(error.kind() == Kind::Denied && error.full().contains("secret b") && !error.full().contains("c4nary"), "{}", error.full());
    }

    #[tokio::test]
    async fn nothing_at_all_is_more_often_a_wrong_place_than_the_truth() {
        let error = exported(&Shelf::with(&[]), None).await.err().unwrap();
        assert!(error.kind() == Kind::NotFound && error.full().contains("holds no secret"), "{}", error.full());
        let error = exported(&Shelf::with(&[("a", "b")]), Some("prod/")).await.err().unwrap();
        assert!(error.full().contains("begins with prod/"), "{}", error.full());
    }
}
