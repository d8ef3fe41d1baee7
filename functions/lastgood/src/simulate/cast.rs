//! Who plays: the team's config, without what has no double here and without everything that would name something real.
//! What is left out or changed is said by name; nothing is pretended.

use super::fault::{About, FUNCTIONS, Fault};
use lastgood_core::{
    clock::Timestamp,
    config::{Asset, Check, Config, EvidencePolicy, Source, remarks},
    error::{Result, invalid},
    id::AssetName,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// An asset that does not play, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Its name.
    pub asset: AssetName,
    /// Why.
    pub why: String,
}

/// Who plays.
#[derive(Debug)]
pub struct Cast {
    /// The config as it is played.
    pub config: Config,
    /// The faults.
    pub faults: Vec<Fault>,
    /// Who does not play.
    pub left_out: Vec<LeftOut>,
    /// What is played otherwise than the config says.
    pub changed: Vec<String>,
    /// What a careful reader would remark on the policy.
    pub remarks: Vec<String>,
    /// How many channels are told.
    pub channels: usize,
}

/// The question that the doubles can answer, whatever the data.
const QUESTION: &str = "select count(*) from public.orders";

impl Cast {
    /// Takes a config apart.
    pub fn of(mut config: Config, faults: &[Fault]) -> Result<Self> {
        let (mut left_out, mut changed) = (Vec::new(), Vec::new());
        for name in config.fleets.keys() {
            let why = "a fleet: its members are known to the provider only".to_owned();
            left_out.push(LeftOut { asset: name.clone(), why });
        }
        config.fleets.clear();
        config.assets.retain(|name, asset| match unplayable(asset) {
            None => true,
            Some(why) => {
                left_out.push(LeftOut { asset: name.clone(), why });
                false
            }
        });
        if config.assets.is_empty() {
            let why = left_out.iter().map(|out| format!("{} ({})", out.asset, out.why)).collect::<Vec<_>>().join(", ");
            return Err(
                invalid(format!("no asset of this config can be played: {why}")).hint("databases, caches and volumes with a schedule can")
            );
        }
        if !config.openpgp.is_empty() {
            changed.push("exports are not encrypted: no key is opened".to_owned());
        }
        for asset in config.assets.values_mut() {
            changed.extend(adapt(asset));
        }
        let (remarks, channels) = (remarks_of(&config), config.notify.len());
        (config.openpgp, config.decrypt_with, config.passphrase) = (Vec::new(), None, None);
        (config.evidence, config.events, config.systems) = (EvidencePolicy::default(), None, BTreeMap::new());
        config.notify.clear();
        for fault in faults {
            known(&config, fault)?;
        }
        Ok(Self { config, faults: faults.to_vec(), left_out, changed, remarks, channels })
    }
}

fn remarks_of(config: &Config) -> Vec<String> {
    let told = remarks(config, Timestamp::from_second(super::wakes::START).unwrap_or_default());
    let mut said: Vec<String> = told.into_iter().map(|(asset, remark)| format!("{asset}: {remark}")).collect();
    if config.notify.is_empty() {
        said.push("`notify` names nobody: these alerts are seen only by who looks".to_owned());
    }
    said
}

/// Why an asset cannot be played; none where it can.
fn unplayable(asset: &Asset) -> Option<String> {
    let kind = match &asset.source {
        Source::Postgres { .. } | Source::Rds { .. } | Source::Elasticache { .. } | Source::Volume { .. } => None,
        Source::Disk { .. } => Some("a disk of Google's"),
        Source::Cloudsql { .. } => Some("Cloud SQL"),
        Source::Bucket { .. } => Some("a bucket"),
        Source::Redis { .. } => Some("a Redis of one's own"),
        Source::Memorystore { .. } => Some("a Redis of Memorystore"),
        Source::Secrets { .. } => Some("a set of secrets"),
    };
    if let Some(kind) = kind {
        return Some(format!("{kind}: there is no double of it yet"));
    }
    let scheduled = asset.policy.export.is_some() || asset.policy.snapshot.is_some();
    (!scheduled).then(|| "nothing is scheduled for it".to_owned())
}

/// Makes an asset playable, and says what is played otherwise.
fn adapt(asset: &mut Asset) -> Vec<String> {
    let mut changed = Vec::new();
    let name = &asset.name;
    asset.policy.analytics = None;
    if let Some(export) = &mut asset.policy.export {
        export.tables_csv.clear();
        export.digests = false;
    }
    if let Some(drill) = &mut asset.policy.drill {
        if drill.point_in_time.take().is_some() {
            changed.push(format!("{name}: its drills restore snapshots, no moments"));
        }
        if !drill.checks.is_empty() {
            changed.push(format!("{name}: its drills ask one question of made-up data instead of yours"));
        }
        // A snapshot's drill that asks nothing proves nothing: that the policy asks nothing is left as it is.
        if !drill.checks.is_empty()
            && let Ok(expect) = ">= 1".to_owned().try_into()
        {
            drill.checks = vec![Check::Sql { sql: QUESTION.to_owned(), expect }];
        }
    }
    changed
}

fn known(config: &Config, fault: &Fault) -> Result<()> {
    let Some(about) = &fault.about else { return Ok(()) };
    let asset = config.assets.keys().any(|name| name.as_str() == about);
    let function = FUNCTIONS.contains(&about.as_str());
    let known = match fault.kind.about() {
        About::Asset => asset,
        About::AssetOrFunction => asset || function,
        About::Nothing => false,
    };
    if known {
        return Ok(());
    }
    let names: Vec<_> = config.assets.keys().map(AssetName::as_str).collect();
    Err(invalid(format!("{fault}: nothing that plays is called {:?}", lastgood_core::redact::clip(about, 63)))
        .hint(format!("these play: {}", names.join(", "))))
}
