//! Bringing secrets back to a store: as new secrets and new versions beside what is there. No label that is in use is moved, nothing
//! is written over, nothing is deleted; what applications read changes when an operator types the commands that this names.

use super::{Brought, Keeper, Lines, Listed, Way, checked};
use crate::{
    catalog::Vault,
    domain::{
        backup::{Expectations, Form, Manifest, Method},
        compare::CheckResult,
    },
    env::Progress,
    error::{During, Result, corrupt, not_found, unsupported},
    ports::RestoreTarget,
    stream::Keys,
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// How many names one step of a plan tells, and how many commands are told at the end.
const TOLD: usize = 20;

/// Which secrets of a backup are brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted(pub Vec<String>);

impl Wanted {
    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|wanted| wanted == name)
    }
}

/// A store that secrets are brought back to.
pub struct BesideSecrets {
    keeper: Arc<dyn Keeper>,
    wanted: Wanted,
    keys: Keys,
    progress: Arc<dyn Progress>,
    brought: Mutex<Vec<Brought>>,
}

impl BesideSecrets {
    /// Brings secrets back to a store: all, or those that are named. Touches nothing.
    pub fn new(keeper: Arc<dyn Keeper>, wanted: Wanted, keys: Keys, progress: Arc<dyn Progress>) -> Self {
        Self { keeper, wanted, keys, progress, brought: Mutex::default() }
    }

    fn guard(&self, backup: &Manifest) -> Result<()> {
        if backup.method != Method::SecretsJsonl {
            return Err(unsupported(format!("backup {} is no export of secrets", backup.id)));
        }
        let recorded = &backup.expectations.secrets;
        if let Some(name) = self.wanted.0.iter().find(|name| recorded.get(*name).is_none_or(Option::is_none)) {
            let why = if recorded.contains_key(name) { "had no value then" } else { "is not in it" };
            return Err(not_found(format!("backup {} holds no secret {name}: it {why}", backup.id))
                .hint("name another backup, or another secret; `--into file:///…` shows all of them"));
        }
        backup.artifacts.iter().try_for_each(|artifact| self.keys.can_open(artifact))
    }

    /// How each is brought back, and what is there of it now.
    async fn ways(&self, backup: &Manifest) -> Result<BTreeMap<String, (Way, Option<String>)>> {
        let there: BTreeMap<String, Listed> = self.keeper.list().await?.into_iter().map(|listed| (listed.name.clone(), listed)).collect();
        let held = backup.expectations.secrets.iter().filter(|(name, version)| version.is_some() && self.wanted.has(name));
        Ok(held
            .map(|(name, _)| {
                let listed = there.get(name);
                (name.clone(), (self.keeper.way(name, listed, backup.id), listed.and_then(|listed| listed.version.clone())))
            })
            .collect())
    }

    fn brought(&self) -> Vec<Brought> {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<_> = names.map(String::as_str).collect();
    let more = names.len().saturating_sub(TOLD);
    let told = names[..names.len() - more].join(", ");
    if more == 0 { told } else { format!("{told}, and {more} more") }
}

#[async_trait]
impl RestoreTarget for BesideSecrets {
    fn form(&self) -> Form {
        Form::Export
    }

    fn address(&self) -> String {
        format!("{}, {}", self.keeper.service(), self.keeper.place())
    }

    async fn plan(&self, backup: &Manifest) -> Result<Vec<String>> {
        self.guard(backup)?;
        let ways = self.ways(backup).await?;
        let mut steps = vec![format!(
            "read back, decrypt and decompress backup {}, and compare every byte with its record, every value with its digest",
            backup.id
        )];
        let of = |is: &dyn Fn(&Way) -> bool| ways.iter().filter(|(_, (way, _))| is(way)).map(|(name, _)| name).collect::<Vec<_>>();
        let anew = of(&|way| *way == Way::Anew);
        let version = of(&|way| *way == Way::Version);
        let beside = of(&|way| matches!(way, Way::Beside(_)));
        let mut step = |of: &[&String], what: &str| {
            if !of.is_empty() {
                steps.push(format!("{what} ({}): {}", of.len(), names(of.iter().copied())));
            }
        };
        step(&anew, "make anew what is not there");
        step(&version, "add a version beside the one in use, which stays in use");
        step(&beside, "make a secret of another name, NAME--restored-…, beside what is there");
        let none: Vec<_> = backup
            .expectations
            .secrets
            .iter()
            .filter(|(name, version)| version.is_none() && self.wanted.has(name))
            .map(|(name, _)| name)
            .collect();
        step(&none, "leave out what had no value");
        steps.push("read every one again and compare it; what applications use is not changed".to_owned());
        Ok(steps)
    }

    async fn restore(&self, backup: &Manifest, vault: &Vault) -> Result<BTreeMap<String, String>> {
        self.guard(backup)?;
        let ways = self.ways(backup).await?;
        let open = || Lines::open(backup, vault, &self.keys, &*self.progress);
        // All of it is known to be good before the first is brought back.
        if checked(open().await?).await? != backup.expectations.secrets {
            return Err(corrupt("the export holds other secrets or versions than were recorded").hint("restore another backup"));
        }
        let mut lines = open().await?;
        while let Some(line) = lines.next().await? {
            let Some((way, former)) = ways.get(&line.name) else { continue };
            let back = self.keeper.bring_back(&line, way, backup.id).await;
            let done = self.brought().len();
            let version = back.during(format!("bringing secret {} back ({done} are; once more is harmless)", line.name))?;
            tracing::info!(secret = line.name, version, "a secret is back, and not in use yet");
            let brought = Brought { name: line.name.clone(), way: way.clone(), version, former: former.clone() };
            self.brought.lock().unwrap_or_else(PoisonError::into_inner).push(brought);
        }
        let (back, wanted) = (self.brought(), ways.keys().collect::<BTreeSet<_>>());
        if let Some(missing) = wanted.iter().find(|name| !back.iter().any(|brought| brought.name == ***name)) {
            return Err(corrupt(format!("the export holds no secret {missing} after all")));
        }
        Ok([("lastgood".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into())
    }

    async fn measure(&self, _: &Manifest) -> Result<Option<Expectations>> {
        // The versions there have ids of their own; what they hold was compared byte by byte on the way.
        Ok(None)
    }

    async fn set_up(&self, backup: &Manifest) -> Result<Vec<CheckResult>> {
        let wanted = backup.expectations.secrets.iter().filter(|(name, version)| version.is_some() && self.wanted.has(name)).count();
        Ok(vec![CheckResult::same("values read again", wanted.to_string(), self.brought().len().to_string())])
    }

    fn next_steps(&self, _: &Manifest) -> Vec<String> {
        let brought = self.brought();
        let mut steps =
            vec!["nothing that applications use was changed; what was brought back may be older than what is in use".to_owned()];
        let waits = || brought.iter().filter(|brought| brought.way != Way::Anew);
        steps.extend(waits().take(TOLD).map(|brought| format!("to use {} as it was: {}", brought.name, self.keeper.cut_over(brought))));
        if waits().count() > TOLD {
            steps.push(format!("and {} more in the same way", waits().count() - TOLD));
        }
        steps.push("make sure that what a secret opens still takes it: a password may have been changed since".to_owned());
        steps.push("who may read what was made anew, its rotation and its topics are not part of a backup: set them again".to_owned());
        steps
    }
}
