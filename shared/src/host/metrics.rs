//! Measures as lines of CloudWatch's embedded metric format: one JSON object for each asset, out of which CloudWatch Logs
//! makes metrics. Nothing is called for it, so it works without a network and costs a run nothing.

use crate::{
    clock::Timestamp,
    domain::measure::{Gauge, Measures},
};
use serde_json::{Map, Value, json};
use std::io::Write;

/// The namespace of the metrics.
const NAMESPACE: &str = "Lastgood";

/// Where the lines go. Whatever a process writes there must reach CloudWatch Logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlet {
    /// Where a function's logs are kept that answers elsewhere: Lambda, HTTP.
    Stdout,
    /// Beside the results of a command line, which are on stdout.
    Stderr,
}

impl Outlet {
    /// Writes one line for each asset of which something is known.
    pub fn write(self, function: &str, measures: &[Measures], at: Timestamp) {
        for line in measures.iter().filter_map(|measures| line(function, measures, at)) {
            let line = format!("{line}\n");
            // Where nobody reads there is nobody to tell.
            let _ = match self {
                Self::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
                Self::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
            };
        }
    }
}

/// One line, or nothing where nothing is known: a metric of 0 that means "unknown" would silence an alarm.
fn line(function: &str, measures: &Measures, at: Timestamp) -> Option<Value> {
    if measures.known.is_empty() {
        return None;
    }
    let metric = |gauge: &Gauge| json!({ "Name": gauge.name(), "Unit": gauge.unit().as_str() });
    let metrics: Vec<_> = measures.known.keys().map(metric).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{ "Namespace": NAMESPACE, "Dimensions": [["Asset", "Function"]], "Metrics": metrics }],
        }),
    );
    line.insert("Asset".to_owned(), measures.asset.as_str().into());
    line.insert("Function".to_owned(), function.into());
    line.extend(measures.known.iter().map(|(gauge, value)| (gauge.name().to_owned(), Value::Number(value.clone()))));
    Some(Value::Object(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn at() -> Timestamp {
        "2026-11-20T02:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_line_follows_the_embedded_metric_format() {
        let all = Gauge::ALL.into_iter().fold(Measures::of(&"orders-db".parse().unwrap()), |measures, gauge| measures.with(gauge, Some(7)));
        let line = line("freshness-checker", &all, at()).unwrap();
        assert_eq!(line["_aws"]["Timestamp"], json!(1_795_140_000_000_u64));
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        assert_eq!(directives.len(), 1);
        assert_eq!(directives[0]["Namespace"], "Lastgood");
        assert_eq!(directives[0].as_object().unwrap().len(), 3, "the format allows no other member");
        for dimension in directives[0]["Dimensions"][0].as_array().unwrap() {
            let value = line[dimension.as_str().unwrap()].as_str().unwrap();
            assert!(!value.is_empty() && value.len() <= 1024);
        }
        let metrics = directives[0]["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), Gauge::ALL.len());
        assert!(metrics.len() <= 100);
        for metric in metrics {
            assert!(line[metric["Name"].as_str().unwrap()].is_number());
            assert!(["Seconds", "Bytes", "Count"].contains(&metric["Unit"].as_str().unwrap()));
        }
    }

    #[test]
    fn every_gauge_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Gauge::ALL.map(Gauge::name).into();
        assert_eq!(names.len(), Gauge::ALL.len());
    }

    #[test]
    fn what_is_not_known_is_absent_and_never_zero() {
        let asset = "orders-db".parse().unwrap();
        assert_eq!(line("x", &Measures::of(&asset), at()), None);
        let some = Measures::of(&asset).with(Gauge::Backups, Some(0)).with(Gauge::BackupAge, None::<u64>).lasting(Gauge::Restore, None);
        let line = line("x", &some, at()).unwrap();
        assert_eq!(line["Backups"], json!(0), "a zero that is known is one");
        assert!(line.get("BackupAgeSeconds").is_none() && line.get("RestoreSeconds").is_none());
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len(), 1);
    }
}
