//! What happened: the alerts that came, how long each fault went unnoticed, and when data would have been lost beyond its rpo.

use super::{cast::Cast, cast::LeftOut, fault::Fault};
use lastgood_core::{
    catalog::Status,
    clock::{Timestamp, after, since},
    domain::finding::{Finding, FindingKind, Severity},
    function::{Exit, Findings},
    id::{AssetName, BackupId},
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Between two nightly backups a little more than a day passes: only what is beyond this is called lost.
const SLACK: Duration = Duration::from_hours(1);

/// An alert that came.
#[derive(Debug, Clone, Serialize)]
pub struct Alert {
    /// When it was found.
    pub at: Timestamp,
    /// When a channel took it; none where none ever did.
    pub told: Option<Timestamp>,
    /// When it was over; none where it never was.
    pub over: Option<Timestamp>,
    /// What kind.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// The asset, if it is about one.
    pub asset: Option<AssetName>,
    /// What it says.
    pub sentence: String,
    /// The next command.
    pub command: String,
}

/// A fault and how it was noticed.
#[derive(Debug, Clone, Serialize)]
pub struct Noticed {
    /// The fault as it was typed.
    pub fault: String,
    /// When it began.
    pub began: Timestamp,
    /// When somebody was told; none where nobody was.
    pub at: Option<Timestamp>,
    /// How long that took, in seconds.
    pub after_seconds: Option<u64>,
    /// The alert: its kind and sentence.
    pub by: Option<String>,
}

/// A time during which more would have been lost than the policy allows.
#[derive(Debug, Clone, Serialize)]
pub struct Loss {
    /// The asset.
    pub asset: AssetName,
    /// The first moment.
    pub from: Timestamp,
    /// When a good backup ended it; none where none did.
    pub until: Option<Timestamp>,
    /// How much would have been lost at worst, in seconds; none where nothing could have been restored at all.
    pub worst_seconds: Option<u64>,
}

/// Everything that happened.
#[derive(Debug, Serialize)]
pub struct Story {
    /// How many days were played.
    pub days: u32,
    /// With which seed.
    pub seed: u64,
    /// When it began, on the virtual clock.
    pub start: Timestamp,
    /// Who played.
    pub assets: Vec<AssetName>,
    /// Who did not.
    pub left_out: Vec<LeftOut>,
    /// What was played otherwise than the config says.
    pub changed: Vec<String>,
    /// How many times a function really ran.
    pub runs: u64,
    /// How many backups were taken, and how many drills proved one.
    pub backups: u64,
    /// Drills that proved a backup.
    pub proven: u64,
    /// The alerts, in order.
    pub alerts: Vec<Alert>,
    /// The faults.
    pub faults: Vec<Noticed>,
    /// When too much would have been lost.
    pub losses: Vec<Loss>,
    /// What is weak about the policy.
    pub weaknesses: Vec<String>,
}

impl Story {
    /// 2 where a fault was never noticed.
    pub fn exit(&self) -> Exit {
        if self.faults.iter().any(|fault| fault.at.is_none()) { Exit::Stale } else { Exit::Good }
    }
}

/// A backup as the simulation, and not Lastgood, knows it.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The moment whose data it holds.
    pub data_time: Timestamp,
    /// Whether its data is what the source should hold.
    pub whole: bool,
    /// Whether what is at home is as it was stored.
    pub sound: bool,
    /// Whether a copy exists elsewhere.
    pub copied: bool,
}

/// Writes everything down.
#[derive(Debug, Default)]
pub struct Chronicle {
    alerts: Vec<Alert>,
    open: BTreeMap<(Option<AssetName>, FindingKind), usize>,
    /// What exists, by asset.
    pub backups: BTreeMap<AssetName, BTreeMap<BackupId, Backup>>,
    losses: Vec<Loss>,
    losing: BTreeMap<AssetName, usize>,
    /// How many times a function really ran.
    pub runs: u64,
    /// Drills that proved a backup.
    pub proven: BTreeSet<BackupId>,
    taken: BTreeSet<BackupId>,
}

impl Chronicle {
    /// A backup was taken.
    pub fn took(&mut self, asset: &AssetName, id: BackupId, data_time: Timestamp, whole: bool) {
        if self.taken.insert(id) {
            let backup = Backup { data_time, whole, sound: true, copied: false };
            self.backups.entry(asset.clone()).or_default().insert(id, backup);
        }
    }

    /// The checker looked: what is new is an alert, what is gone is over. `heard` says whether a channel takes what it is told.
    pub fn checked(&mut self, now: Timestamp, status: &Status, heard: bool) {
        let mut current: BTreeMap<(Option<AssetName>, FindingKind), Finding> = BTreeMap::new();
        for finding in status.findings().into_iter().filter(|finding| finding.severity > Severity::Note) {
            // The worst comes first.
            current.entry((finding.asset.clone(), finding.kind)).or_insert(finding);
        }
        self.open.retain(|key, index| {
            let escalated = current.get(key).is_some_and(|finding| finding.severity > self.alerts[*index].severity);
            let lasts = current.contains_key(key) && !escalated;
            if !lasts {
                self.alerts[*index].over = Some(now);
            }
            lasts
        });
        for (key, finding) in current {
            let index = *self.open.entry(key).or_insert_with(|| {
                let Finding { kind, asset, severity, sentence, command, .. } = finding;
                self.alerts.push(Alert { at: now, told: None, over: None, kind, severity, asset, sentence, command });
                self.alerts.len() - 1
            });
            if heard {
                self.alerts[index].told.get_or_insert(now);
            }
        }
    }

    /// Asks what would be lost now. `home` says whether what is at home can be read, `away` whether copies can.
    pub fn weigh(&mut self, now: Timestamp, asset: &AssetName, rpo: Duration, home: bool, away: bool) {
        let usable = |backup: &&Backup| backup.whole && (home && backup.sound || away && backup.copied);
        let backups = self.backups.get(asset);
        let newest = backups.into_iter().flat_map(BTreeMap::values).filter(usable).map(|backup| backup.data_time).max();
        let lost = newest.map(|newest| since(now, newest));
        let allowed = rpo + SLACK;
        if lost.is_some_and(|lost| lost <= allowed) {
            if let Some(index) = self.losing.remove(asset) {
                self.losses[index].until = Some(now);
            }
            return;
        }
        let index = *self.losing.entry(asset.clone()).or_insert_with(|| {
            // Where nothing can be restored any more, that began just now.
            let from = newest.map_or(now, |newest| after(newest, allowed));
            self.losses.push(Loss { asset: asset.clone(), from, until: None, worst_seconds: Some(0) });
            self.losses.len() - 1
        });
        let worst = &mut self.losses[index].worst_seconds;
        *worst = worst.zip(lost).map(|(worst, lost)| worst.max(lost.as_secs()));
    }

    /// Closes the book.
    pub fn close(self, cast: &Cast, days: u32, seed: u64, start: Timestamp) -> Story {
        let faults: Vec<Noticed> = cast.faults.iter().map(|fault| self.noticed(fault, start)).collect();
        let mut weaknesses = Vec::new();
        for fault in &faults {
            match fault.at {
                None => weaknesses.push(format!("{} was never noticed", fault.fault)),
                Some(at) => {
                    let before = self.losses.iter().find(|loss| loss.from >= fault.began && loss.from < at);
                    weaknesses
                        .extend(before.map(|loss| {
                            format!("{} was noticed only after {} could have lost more than its rpo", fault.fault, loss.asset)
                        }));
                }
            }
        }
        weaknesses.extend(cast.remarks.iter().cloned());
        Story {
            days,
            seed,
            start,
            assets: cast.config.assets.keys().cloned().collect(),
            left_out: cast.left_out.clone(),
            changed: cast.changed.clone(),
            runs: self.runs,
            backups: self.taken.len() as u64,
            proven: self.proven.len() as u64,
            alerts: self.alerts,
            faults,
            losses: self.losses,
            weaknesses,
        }
    }

    fn noticed(&self, fault: &Fault, start: Timestamp) -> Noticed {
        let began = after(start, fault.from);
        let concerns = |alert: &&Alert| match (&fault.about, &alert.asset) {
            (Some(about), Some(asset)) => about == asset.as_str() || super::fault::FUNCTIONS.contains(&about.as_str()),
            (None, _) | (_, None) => true,
        };
        let shows = |alert: &&Alert| alert.at >= began && alert.told.is_some() && fault.kind.shows_as(alert.kind);
        let by = self.alerts.iter().filter(shows).filter(concerns).min_by_key(|alert| alert.told);
        let at = by.and_then(|alert| alert.told);
        Noticed {
            fault: fault.to_string(),
            began,
            at,
            after_seconds: at.map(|at| since(at, began).as_secs()),
            by: by.map(|alert| format!("{}: {}", alert.kind.slug(), alert.sentence)),
        }
    }
}
