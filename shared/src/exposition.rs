//! How everything stands, in Prometheus' words: the contents of `status/metrics.prom`.
//!
//! Promises: what is not known has no line, and never a 0; there are moments and no ages, because an age stands still when
//! nobody looks any more, and a moment does not; the same status is always the same text.

use crate::{
    catalog::Status,
    domain::{
        finding::{FindingKind, Severity},
        freshness::{AssetStatus, State},
    },
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text},
    metrics::{MetricType, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use std::{collections::BTreeMap, fmt};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One thing that is measured of every asset. **Contract**: names and units are relied on by rules and dashboards.
struct Series {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    of: fn(&AssetStatus) -> Option<f64>,
}

const SERIES: [Series; 13] = [
    Series {
        name: "backup_last_success_timestamp",
        help: "The moment whose data the newest backup holds that counts",
        unit: SECONDS,
        of: |asset| asset.newest.as_ref().map(|newest| float(newest.data_time.as_second())),
    },
    Series { name: "backup_rpo", help: "How old that data may be", unit: SECONDS, of: |asset| Some(asset.rpo.duration().as_secs_f64()) },
    Series {
        name: "backup_next_due_timestamp",
        help: "When the next backup is due",
        unit: SECONDS,
        of: |asset| asset.next_due.map(|due| float(due.as_second())),
    },
    Series {
        name: "backup_size",
        help: "What the newest backup that counts takes, where its place tells",
        unit: BYTES,
        of: |asset| float(asset.newest.as_ref()?.stored_bytes?).into(),
    },
    Series {
        name: "backup_duration",
        help: "How long it took to make",
        unit: SECONDS,
        of: |asset| float(asset.newest.as_ref()?.took_seconds?).into(),
    },
    Series {
        name: "backup_failed",
        help: "Whether the last run that should have made a backup failed",
        unit: None,
        of: |asset| has(asset, &[FindingKind::BackupFailed], asset.newest.is_some()),
    },
    Series { name: "backups", help: "How many backups there are", unit: None, of: |asset| whole(asset).then(|| float(asset.backups)) },
    Series { name: "stored", help: "What they take together", unit: BYTES, of: |asset| whole(asset).then(|| float(asset.stored_bytes)) },
    Series { name: "copies_missing", help: "How many places that must have the newest backup do not", unit: None, of: copies_missing },
    Series {
        name: "drill_last_proven_timestamp",
        help: "When a restore was last proven",
        unit: SECONDS,
        of: |asset| asset.proven.as_ref().map(|proven| float(proven.at.as_second())),
    },
    Series {
        name: "drill_failed",
        help: "Whether the last drill was not proven",
        unit: None,
        of: |asset| has(asset, &[FindingKind::DrillFailed, FindingKind::DrillCouldNotVerify], asset.proven.is_some()),
    },
    Series {
        name: "restore_duration",
        help: "How long the last proven restore took, until validated",
        unit: SECONDS,
        of: |asset| asset.rto.measured_seconds.map(float),
    },
    Series {
        name: "restore_rto",
        help: "How long a restore may take",
        unit: SECONDS,
        of: |asset| Some(asset.rto.target.duration().as_secs_f64()),
    },
];
const SECONDS: Option<Unit> = Some(Unit::Seconds);
const BYTES: Option<Unit> = Some(Unit::Bytes);

/// Returns the text of a status, as `OpenMetrics`, which every reader of Prometheus' own format reads as well.
pub fn exposition(status: &Status) -> String {
    let mut registry = Registry::with_prefix("lastgood");
    registry.register_collector(Box::new(Exposed(status.clone())));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = text::encode(&mut text, &registry);
    text
}

#[derive(Debug)]
struct Exposed(Status);

impl Collector for Exposed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(status) = self;
        let mut family = |name: &str, help: &str, unit: Option<&Unit>, lines: &mut dyn Iterator<Item = (Vec<(&str, &str)>, f64)>| {
            let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
            for (labels, value) in lines {
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
            Ok(())
        };
        let looked = std::iter::once((Vec::new(), float(status.checked_at.as_second())));
        family("check_timestamp", "When everything was last looked at", SECONDS.as_ref(), &mut { looked })?;
        let info = status.assets.iter().map(|asset| {
            let fleet = asset.fleet.as_ref().map_or("", |fleet| fleet.as_str());
            (vec![("asset", asset.asset.as_str()), ("kind", asset.kind.as_str()), ("fleet", fleet)], 1.0)
        });
        family("asset_info", "What is protected", None, &mut { info })?;
        let each = status.assets.iter().flat_map(|asset| {
            let line = |state: State| {
                (vec![("asset", asset.asset.as_str()), ("state", state.as_str())], f64::from(u8::from(asset.state == state)))
            };
            State::ALL.map(line)
        });
        family("asset_state", "How an asset stands as a whole: 1 for the state that it is in", None, &mut { each })?;
        for series in &SERIES {
            let lines = status.assets.iter().filter_map(|asset| Some((vec![("asset", asset.asset.as_str())], (series.of)(asset)?)));
            family(series.name, series.help, series.unit.as_ref(), &mut { lines })?;
        }
        let findings = findings(status);
        let lines = findings.iter().map(|((asset, kind, severity), count)| {
            (vec![("asset", *asset), ("kind", kind.slug()), ("severity", severity.as_str())], float(*count))
        });
        family("findings", "What an operator must know now, by what it is and how bad", None, &mut { lines })
    }
}

fn findings(status: &Status) -> BTreeMap<(&str, FindingKind, Severity), usize> {
    let all = status.findings.iter().chain(status.assets.iter().flat_map(|asset| &asset.findings));
    let mut counted = BTreeMap::new();
    for finding in all {
        let asset = finding.asset.as_ref().map_or("", |asset| asset.as_str());
        *counted.entry((asset, finding.kind, finding.severity)).or_default() += 1;
    }
    counted
}

/// Whether one of these was found; unknown where that it was not means nothing: nothing was ever done, or not all was seen.
fn has(asset: &AssetStatus, kinds: &[FindingKind], done: bool) -> Option<f64> {
    let found = asset.findings.iter().any(|finding| kinds.contains(&finding.kind));
    (found || (done && whole(asset))).then(|| f64::from(u8::from(found)))
}

/// Whether the asset could be looked at in full.
fn whole(asset: &AssetStatus) -> bool {
    asset.findings.iter().all(|finding| finding.kind != FindingKind::CouldNotObserve)
}

fn copies_missing(asset: &AssetStatus) -> Option<f64> {
    let known = whole(asset) && asset.newest.is_some() && asset.copies.asked > 0;
    known.then(|| float(asset.copies.asked.saturating_sub(asset.copies.proven)))
}

/// A number as Prometheus has it: exact up to 2^53, which neither moments nor bytes of ours reach.
#[expect(clippy::cast_precision_loss, reason = "a double is all that Prometheus has")]
fn float(number: impl TryInto<i64>) -> f64 {
    number.try_into().unwrap_or(i64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_conventions() {
        for series in &SERIES {
            assert!(series.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", series.name);
            assert!(!series.name.contains("age"), "{}: an age stands still when nobody looks", series.name);
            assert!(!series.help.ends_with('.'), "{}", series.help);
        }
    }
}
