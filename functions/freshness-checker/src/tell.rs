//! Tells each channel what is new: a finding once when it appears, and once when it is over.
//!
//! What a channel knows is remembered only after it took delivery; a refused delivery is a finding of its own, and is tried
//! again by the next check.

use lastgood_core::{
    catalog::{Key, Status, Told},
    domain::finding::{Finding, FindingKind, Severity},
    env::Env,
    error::Result,
    function::{Findings, Function},
    id::AssetName,
};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// Tells every channel what it does not know yet; returns what could not be delivered, as findings.
pub async fn tell(env: &Env, status: &Status, only: Option<&AssetName>) -> Vec<Finding> {
    if env.notifiers.is_empty() {
        return Vec::new();
    }
    let mut told = match env.vault.load::<Told>(&Key::Told).await {
        Ok(stored) => stored.map(|stored| stored.record).unwrap_or_default(),
        // Better told twice than not at all.
        Err(_) => Told::default(),
    };
    let current = current(status);
    let (mut undelivered, before) = (Vec::new(), told.clone());
    for notifier in &env.notifiers {
        let known = told.channels.entry(notifier.channel().to_owned()).or_default();
        let news = news(env, known, &current, only);
        if news.is_empty() {
            continue;
        }
        match notifier.notify(crate::FreshnessChecker::NAME, &news).await {
            Ok(()) => {
                let elsewhere = known.iter().filter(|key| !in_scope(key, only)).cloned();
                *known = current.keys().cloned().chain(elsewhere).collect();
            }
            Err(error) => {
                let sentence = format!("{} findings could not be told to {}: {}", news.len(), notifier.channel(), error.full());
                undelivered.push(
                    Finding::new(FindingKind::NotDelivered, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook),
                );
            }
        }
    }
    if told != before
        && let Err(error) = remember(env, &told).await
    {
        let sentence = format!("what was told could not be noted, and will be told again: {}", error.full());
        undelivered
            .push(Finding::new(FindingKind::NotDelivered, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook));
    }
    undelivered
}

/// What is to be told, by what makes it news. What is the same news is told in one sentence, so that none of it is lost.
fn current(status: &Status) -> BTreeMap<String, Finding> {
    let mut current: BTreeMap<String, Finding> = BTreeMap::new();
    for finding in status.findings().into_iter().filter(|finding| finding.severity > Severity::Note) {
        match current.entry(Told::news(&finding)) {
            Entry::Vacant(free) => drop(free.insert(finding)),
            Entry::Occupied(mut taken) => {
                let sentence = &mut taken.get_mut().sentence;
                *sentence = format!("{sentence}; {}", finding.sentence);
            }
        }
    }
    current
}

async fn remember(env: &Env, told: &Told) -> Result<()> {
    env.vault.save(&Key::Told, told).await
}

/// What a channel does not know: new findings, worst first, then what is over.
fn news(env: &Env, known: &BTreeSet<String>, current: &BTreeMap<String, Finding>, only: Option<&AssetName>) -> Vec<Finding> {
    let mut news: Vec<Finding> = current.iter().filter(|(key, _)| !known.contains(*key)).map(|(_, finding)| finding.clone()).collect();
    news.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let topic = |key: &str| key.rsplit_once('/').map_or(key.to_owned(), |(topic, _)| topic.to_owned());
    let topics: BTreeSet<String> = current.keys().map(|key| topic(key)).collect();
    let over = known.iter().filter(|key| in_scope(key, only) && !topics.contains(&topic(key)));
    news.extend(over.filter_map(|key| over_again(env, key)));
    news
}

/// Whether this check looked at what a remembered finding is about.
fn in_scope(key: &str, only: Option<&AssetName>) -> bool {
    only.is_none_or(|asset| key.split('/').next() == Some(asset.as_str()))
}

/// The good news that a finding is over.
fn over_again(env: &Env, key: &str) -> Option<Finding> {
    let mut parts = key.split('/');
    let asset: Option<AssetName> = parts.next().and_then(|name| name.parse().ok());
    let slug = parts.next()?;
    let kind = FindingKind::ALL.into_iter().find(|kind| kind.slug() == slug)?;
    let finding = Finding::new(kind, Severity::Note, format!("{slug} is over"), "lastgood status").linked(&env.config.runbook);
    Some(match asset {
        Some(asset) => finding.about(&asset),
        None => finding,
    })
}
