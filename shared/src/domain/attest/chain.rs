//! The chain: every link names the digest of the one before it, and the record that it stands for.

use crate::{
    clock::Timestamp,
    id::{AssetName, BackupId},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The newest link of a chain: what somebody remembers elsewhere to notice that its end was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number, from 1: how many links there are.
    pub number: u64,
    /// The SHA-256 of its stored bytes.
    pub sha256: String,
}

/// A link as it was found.
#[derive(Debug, Clone)]
pub struct LinkSeen {
    /// The number under which it is stored.
    pub number: u64,
    /// The SHA-256 of its stored bytes.
    pub sha256: String,
    /// What it says, or why it cannot be read.
    pub said: Result<LinkSaid, String>,
    /// What became of its signature.
    pub signature: Signature,
}

/// What a link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSaid {
    /// Its own number.
    pub number: u64,
    /// The SHA-256 of the link before it; none for the first.
    pub previous: Option<String>,
    /// The asset.
    pub asset: AssetName,
    /// The drill.
    pub drill: BackupId,
    /// The SHA-256 of the drill's record.
    pub record_sha256: String,
    /// When the drill ended.
    pub finished_at: Timestamp,
}

/// What became of a link's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signature {
    /// Good, by a key that is known and was valid then: its id.
    Good(String),
    /// By a known key, but not as it must be: why.
    Wrong(String),
    /// By a key that nobody here knows: its id as the link gives it.
    UnknownKey(String),
}

/// A drill's record as it was found.
#[derive(Debug, Clone)]
pub struct RecordSeen {
    /// The drill, by the record's place.
    pub drill: BackupId,
    /// The SHA-256 of its stored bytes.
    pub sha256: String,
    /// When it says that the drill ended, and why it is unsigned if it says so; or why it cannot be read.
    pub said: Result<(Timestamp, Option<String>), String>,
}

/// How one link, or one record without a link, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Signed, in its place, and its record is as it was.
    Signed,
    /// Signed and in its place; a later link stands for the same drill.
    Superseded,
    /// From before the chain began: nobody signed evidence then.
    BeforeChain,
    /// Kept without a signature although the chain had begun.
    Unsigned,
    /// Whether it is good cannot be told here.
    CouldNotVerify,
    /// Changed, moved, replaced or missing.
    Broken,
}

/// One link or record with its judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The link's number; none for a record without one.
    pub number: Option<u64>,
    /// The drill, if it is known.
    pub drill: Option<BackupId>,
    /// When it ended, if that is known.
    pub finished_at: Option<Timestamp>,
    /// The id of the key that signed it.
    pub key: Option<String>,
    /// How it stands.
    pub standing: Standing,
    /// Why, where it is not signed and whole.
    pub why: Option<String>,
}

/// A chain with its judgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The asset.
    pub asset: AssetName,
    /// Its newest link; none where nothing is signed.
    pub head: Option<Head>,
    /// Every link in order, then what has none, oldest first.
    pub entries: Vec<Judged>,
}

impl Chain {
    /// The worst that is known of it; none where there is nothing at all.
    pub fn worst(&self) -> Option<Standing> {
        let order = [Standing::Broken, Standing::CouldNotVerify, Standing::Unsigned, Standing::Signed, Standing::BeforeChain];
        order.into_iter().find(|standing| self.entries.iter().any(|entry| entry.standing == *standing))
    }
}

/// Judges a chain. `remembered` is a head that somebody kept elsewhere: the chain must still hold it.
pub fn judge(asset: &AssetName, links: &[LinkSeen], records: &[RecordSeen], remembered: Option<&str>) -> Chain {
    let by_number: BTreeMap<u64, &LinkSeen> = links.iter().map(|link| (link.number, link)).collect();
    let records: BTreeMap<BackupId, &RecordSeen> = records.iter().map(|record| (record.drill, record)).collect();
    let newest: BTreeMap<BackupId, u64> =
        by_number.values().filter_map(|link| Some((link.said.as_ref().ok()?.drill, link.number))).collect();
    let mut entries = Vec::new();
    let mut expected = 1;
    for link in by_number.values() {
        entries.extend(gap(expected, link.number));
        expected = link.number.saturating_add(1);
        let before = link.number.checked_sub(1).and_then(|number| by_number.get(&number).copied());
        let replaced = link.said.as_ref().is_ok_and(|said| newest.get(&said.drill) != Some(&link.number));
        entries.push(judge_link(asset, link, before, &records, replaced));
    }
    if let Some(lost) = remembered.filter(|head| !by_number.values().any(|link| link.sha256.eq_ignore_ascii_case(head))) {
        let kept = by_number.len();
        let why =
            format!("the remembered head {} is not in the chain of {kept}: its end was cut off or replaced", crate::redact::clip(lost, 64));
        entries.push(Judged { number: None, drill: None, finished_at: None, key: None, standing: Standing::Broken, why: Some(why) });
    }
    let linked: BTreeSet<BackupId> = newest.into_keys().collect();
    let began = by_number.values().filter_map(|link| Some(link.said.as_ref().ok()?.finished_at)).min();
    entries.extend(
        records.values().filter(|record| !linked.contains(&record.drill)).map(|record| without_link(record, began, links.is_empty())),
    );
    let head = by_number.values().last().map(|link| Head { number: link.number, sha256: link.sha256.clone() });
    Chain { asset: asset.clone(), head, entries }
}

/// The numbers between two links that nothing stands under.
fn gap(expected: u64, found: u64) -> Option<Judged> {
    if found <= expected {
        return None;
    }
    let last = found - 1;
    let which = if last == expected { format!("link {expected} is missing") } else { format!("links {expected} to {last} are missing") };
    let why = Some(format!("{which}: links are never removed"));
    Some(Judged { number: Some(expected), drill: None, finished_at: None, key: None, standing: Standing::Broken, why })
}

fn judge_link(
    asset: &AssetName,
    link: &LinkSeen,
    before: Option<&LinkSeen>,
    records: &BTreeMap<BackupId, &RecordSeen>,
    replaced: bool,
) -> Judged {
    let said = link.said.as_ref();
    let key = match &link.signature {
        Signature::Good(key) | Signature::UnknownKey(key) => Some(key.clone()),
        Signature::Wrong(_) => None,
    };
    let judged = |standing, why: Option<String>| Judged {
        number: Some(link.number),
        drill: said.ok().map(|said| said.drill),
        finished_at: said.ok().map(|said| said.finished_at),
        key: key.clone(),
        standing,
        why,
    };
    let broken = |why: String| judged(Standing::Broken, Some(why));
    let said = match said {
        Ok(said) => said,
        Err(why) => return broken(why.clone()),
    };
    if let Signature::Wrong(why) = &link.signature {
        return broken(why.clone());
    }
    if said.number != link.number {
        return broken(format!("it stands at {} and says that it is link {}: it was moved", link.number, said.number));
    }
    if said.asset != *asset {
        return broken(format!("it is of {}", said.asset));
    }
    match (&said.previous, before) {
        (Some(named), Some(before)) if *named != before.sha256 => {
            return broken(format!("the link before it is not the one that it names: link {} was changed or replaced", before.number));
        }
        (None, _) if said.number != 1 => return broken("it names no link before it".to_owned()),
        (Some(_), None) if said.number == 1 => return broken("it is the first and names one before it".to_owned()),
        // What is missing before it is told as such.
        (Some(_), Some(_) | None) | (None, _) => {}
    }
    if let Signature::UnknownKey(key) = &link.signature {
        let why = format!("it is signed by key {}, which is not among the public keys given", crate::redact::clip(key, 64));
        return judged(Standing::CouldNotVerify, Some(why));
    }
    if replaced {
        return judged(Standing::Superseded, Some("a later link stands for the same drill".to_owned()));
    }
    match records.get(&said.drill) {
        None => broken(format!("the record of drill {} is gone", said.drill)),
        Some(record) if record.sha256 != said.record_sha256 => {
            broken(format!("the record of drill {} was changed after it was signed", said.drill))
        }
        Some(_) => judged(Standing::Signed, None),
    }
}

fn without_link(record: &RecordSeen, began: Option<Timestamp>, no_links: bool) -> Judged {
    let (finished_at, standing, why) = match &record.said {
        Err(why) => (None, Standing::Broken, why.clone()),
        Ok((at, _)) if !no_links && began.is_some_and(|began| *at < began) => {
            (Some(*at), Standing::BeforeChain, "unsigned: from before the chain began".to_owned())
        }
        Ok((at, Some(reason))) => (Some(*at), Standing::Unsigned, format!("kept unsigned: {reason}")),
        Ok((at, None)) => (Some(*at), Standing::Unsigned, "unsigned: no link names it".to_owned()),
    };
    Judged { number: None, drill: Some(record.drill), finished_at, key: None, standing, why: Some(why) }
}
