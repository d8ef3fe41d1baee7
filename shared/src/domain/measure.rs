//! What a run measured of an asset, in numbers that a monitor plots and alarms on. What is not known is absent, never 0.
//!
//! Delivery to monitors is at least once, so these are gauges all: telling one twice changes nothing.

use crate::id::AssetName;
use serde_json::Number;
use std::collections::BTreeMap;

/// What is measured. Its name and unit are relied on by alarms and dashboards: gauges are added, never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gauge {
    /// How old the data of the newest backup is that counts.
    BackupAge,
    /// How old it may be.
    RecoveryPointObjective,
    /// The moment of that data, in Unix time.
    BackupLastSuccess,
    /// How many bytes the vault holds of the backup that was taken.
    BackupSize,
    /// How long it took.
    BackupDuration,
    /// Whether taking it failed: 1, or 0.
    BackupFailed,
    /// How many backups there are.
    Backups,
    /// How many bytes they take.
    StoredBytes,
    /// How many places that must have the newest backup do not.
    CopiesMissing,
    /// How far the copy that is furthest behind is behind.
    CopyLag,
    /// How long ago a restore was last proven.
    DrillAge,
    /// The moment of that, in Unix time.
    DrillLastProven,
    /// Whether the drill that ended was not proven: 1, or 0.
    DrillFailed,
    /// How long a restore takes, until validated.
    Restore,
    /// How long it may take.
    RecoveryTimeObjective,
    /// How many critical findings there are.
    CriticalFindings,
    /// How many warnings there are.
    Warnings,
}

/// What a number counts, by the names that `CloudWatch` gives to units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Time, or a moment in Unix time.
    Seconds,
    /// Bytes.
    Bytes,
    /// A number of things.
    Count,
}

impl Gauge {
    /// Every gauge.
    pub const ALL: [Self; 17] = [
        Self::BackupAge,
        Self::RecoveryPointObjective,
        Self::BackupLastSuccess,
        Self::BackupSize,
        Self::BackupDuration,
        Self::BackupFailed,
        Self::Backups,
        Self::StoredBytes,
        Self::CopiesMissing,
        Self::CopyLag,
        Self::DrillAge,
        Self::DrillLastProven,
        Self::DrillFailed,
        Self::Restore,
        Self::RecoveryTimeObjective,
        Self::CriticalFindings,
        Self::Warnings,
    ];

    /// The name of the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BackupAge => "BackupAgeSeconds",
            Self::RecoveryPointObjective => "RecoveryPointObjectiveSeconds",
            Self::BackupLastSuccess => "BackupLastSuccessTimestamp",
            Self::BackupSize => "BackupSizeBytes",
            Self::BackupDuration => "BackupDurationSeconds",
            Self::BackupFailed => "BackupFailed",
            Self::Backups => "Backups",
            Self::StoredBytes => "StoredBytes",
            Self::CopiesMissing => "CopiesMissing",
            Self::CopyLag => "CopyLagSeconds",
            Self::DrillAge => "DrillAgeSeconds",
            Self::DrillLastProven => "DrillLastProvenTimestamp",
            Self::DrillFailed => "DrillFailed",
            Self::Restore => "RestoreSeconds",
            Self::RecoveryTimeObjective => "RecoveryTimeObjectiveSeconds",
            Self::CriticalFindings => "CriticalFindings",
            Self::Warnings => "Warnings",
        }
    }

    /// Its unit.
    pub const fn unit(self) -> Unit {
        match self {
            Self::BackupAge
            | Self::RecoveryPointObjective
            | Self::BackupLastSuccess
            | Self::BackupDuration
            | Self::CopyLag
            | Self::DrillAge
            | Self::DrillLastProven
            | Self::Restore
            | Self::RecoveryTimeObjective => Unit::Seconds,
            Self::BackupSize | Self::StoredBytes => Unit::Bytes,
            Self::BackupFailed | Self::Backups | Self::CopiesMissing | Self::DrillFailed | Self::CriticalFindings | Self::Warnings => {
                Unit::Count
            }
        }
    }
}

impl Unit {
    /// The unit as `CloudWatch` writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Bytes => "Bytes",
            Self::Count => "Count",
        }
    }
}

/// What was measured of one asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measures {
    /// The asset.
    pub asset: AssetName,
    /// What is known.
    pub known: BTreeMap<Gauge, Number>,
}

impl Measures {
    /// Nothing is known yet.
    pub fn of(asset: &AssetName) -> Self {
        Self { asset: asset.clone(), known: BTreeMap::new() }
    }

    /// Adds a measure, if it is known.
    #[must_use]
    pub fn with(mut self, gauge: Gauge, value: Option<impl Into<Number>>) -> Self {
        self.known.extend(value.map(|value| (gauge, value.into())));
        self
    }

    /// Adds a length of time in seconds, if it is known.
    #[must_use]
    pub fn lasting(self, gauge: Gauge, seconds: Option<f64>) -> Self {
        self.with(gauge, seconds.and_then(Number::from_f64))
    }
}

/// Folds what was measured of a fleet's members into one of the fleet: a thousand members would be as many metrics, each with
/// its price. Of what is counted the sum, of everything else the worst.
pub fn folded<'a>(measures: Vec<Measures>, fleet_of: impl Fn(&AssetName) -> Option<&'a AssetName>) -> Vec<Measures> {
    let mut single = Vec::new();
    let mut fleets: BTreeMap<&AssetName, BTreeMap<Gauge, Vec<Number>>> = BTreeMap::new();
    for one in measures {
        match fleet_of(&one.asset) {
            None => single.push(one),
            Some(fleet) => {
                let all = fleets.entry(fleet).or_default();
                one.known.into_iter().for_each(|(gauge, value)| all.entry(gauge).or_default().push(value));
            }
        }
    }
    single.extend(fleets.into_iter().map(|(fleet, all)| Measures {
        asset: fleet.clone(),
        known: all.into_iter().filter_map(|(gauge, values)| Some((gauge, gauge.worst(values)?))).collect(),
    }));
    single
}

impl Gauge {
    fn worst(self, values: Vec<Number>) -> Option<Number> {
        let by = |a: &Number, b: &Number| a.as_f64().unwrap_or_default().total_cmp(&b.as_f64().unwrap_or_default());
        match self {
            Self::BackupLastSuccess | Self::DrillLastProven => values.into_iter().min_by(by),
            Self::BackupSize | Self::Backups | Self::StoredBytes | Self::CopiesMissing | Self::CriticalFindings | Self::Warnings => {
                Some(values.iter().filter_map(Number::as_u64).sum::<u64>().into())
            }
            Self::BackupAge
            | Self::RecoveryPointObjective
            | Self::BackupDuration
            | Self::BackupFailed
            | Self::CopyLag
            | Self::DrillAge
            | Self::DrillFailed
            | Self::Restore
            | Self::RecoveryTimeObjective => values.into_iter().max_by(by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_one_thing_to_a_monitor() {
        let name = |name: &str| name.parse::<AssetName>().unwrap();
        let fleet = name("prod");
        let of = |asset: &str, failed: u8, size: u64, at: i64| {
            let measures = Measures::of(&name(asset)).with(Gauge::BackupFailed, Some(failed));
            measures.with(Gauge::BackupSize, Some(size)).with(Gauge::BackupLastSuccess, Some(at))
        };
        let all = vec![of("prod-a", 0, 5, 20), of("prod-b", 1, 7, 10), of("orders", 0, 1, 1), Measures::of(&name("prod-c"))];
        let folded = folded(all, |asset| asset.as_str().starts_with("prod-").then_some(&fleet));
        assert_eq!(folded, [of("orders", 0, 1, 1), of("prod", 1, 12, 10)]);
    }
}
