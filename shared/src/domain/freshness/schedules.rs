//! Whether the schedules are there, and on, that wake the functions. A schedule that is off is told before anything grows stale.

use crate::{
    config::{Asset, Config},
    domain::finding::{Finding, FindingKind, Severity},
    id::AssetName,
};

/// A schedule that should wake a function, as `infra/aws` names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waking {
    /// Its name.
    pub name: String,
    /// What it wakes.
    pub function: &'static str,
    /// The asset or fleet that it wakes it for, where it does so for one.
    pub asset: Option<AssetName>,
}

/// How a schedule stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleSeen {
    /// It is on.
    On,
    /// It is there, and switched off.
    Off,
    /// There is none of this name.
    Absent,
}

/// Returns the schedules that a config needs: one for each light function that has something to do, and one for each export.
pub fn wakings(config: &Config) -> Vec<Waking> {
    let policies = || config.policies();
    let light = [
        ("snapshot-trigger", true),
        ("freshness-checker", true),
        ("cross-region-copy", policies().any(|policy| !policy.copies.is_empty())),
        ("restore-drill", policies().any(|policy| policy.drill.is_some())),
    ];
    let ticks =
        light.into_iter().filter(|(_, wanted)| *wanted).map(|(function, _)| Waking { name: function.to_owned(), function, asset: None });
    let exports = |asset: &&Asset| asset.member.is_none() && asset.policy.export.is_some();
    let exports = config.assets.values().filter(exports).map(|asset| Waking {
        name: format!("export.{}", asset.name),
        function: "export-to-bucket",
        asset: Some(asset.name.clone()),
    });
    let fleets = config.fleets.keys().map(|fleet| Waking {
        name: format!("fleet.{fleet}"),
        function: "snapshot-trigger",
        asset: Some(fleet.clone()),
    });
    ticks.chain(exports).chain(fleets).collect()
}

/// Judges the schedules that were looked at.
pub fn schedules(config: &Config, seen: &[(Waking, ScheduleSeen)]) -> Vec<Finding> {
    seen.iter().filter_map(|(waking, seen)| off(config, waking, *seen)).collect()
}

fn off(config: &Config, waking: &Waking, seen: ScheduleSeen) -> Option<Finding> {
    let how = match seen {
        ScheduleSeen::On => return None,
        ScheduleSeen::Off => "is switched off",
        ScheduleSeen::Absent => "is not there",
    };
    // A fleet is looked at by the function's own tick as well, only later.
    let severity = if waking.name.starts_with("fleet.") { Severity::Note } else { severity(waking) };
    let what = match &waking.asset {
        Some(asset) => format!("{} for {asset}", waking.function),
        None => waking.function.to_owned(),
    };
    let sentence = format!("the schedule {} that wakes {what} {how}", waking.name);
    let command = match &waking.asset {
        Some(asset) => format!("lastgood {} {asset}", verb(waking.function)),
        None => format!("lastgood {}", verb(waking.function)),
    };
    let finding = Finding::new(FindingKind::ScheduleDisabled, severity, sentence, command).linked(&config.runbook);
    Some(match waking.asset.as_ref().filter(|asset| config.assets.contains_key(*asset)) {
        Some(asset) => finding.about(asset),
        None => finding,
    })
}

/// What an operator types to have done by hand what the schedule does not wake.
fn verb(function: &str) -> &'static str {
    match function {
        "export-to-bucket" => "export",
        "snapshot-trigger" => "snapshot",
        "cross-region-copy" => "copy",
        "restore-drill" => "drill",
        _ => "check",
    }
}

/// Nothing is lost yet; without the checker nobody would hear when it is.
fn severity(waking: &Waking) -> Severity {
    if waking.function == "freshness-checker" { Severity::Critical } else { Severity::Warning }
}
