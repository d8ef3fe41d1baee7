//! CloudWatch alarms: through SNS, and through `EventBridge`.
//!
//! An alarm concerns the asset that a dimension of its metrics names (`Asset`, as our own metrics have it, or the identifier
//! of an RDS instance or cluster), else the one that stands between the slashes of its own name:
//! `lastgood/orders-db/backup-stale`.

use super::{Notice, Subject, text};
use serde_json::{Map, Value};

/// Reads an alarm as SNS delivers it.
pub(super) fn told(message: &Map<String, Value>) -> Notice {
    let field = |name: &str| message.get(name).and_then(Value::as_str);
    let pair = |dimension: &Value| Some((text(dimension, "/name")?.to_owned(), text(dimension, "/value")?.to_owned()));
    let listed = |at: &Value, path: &str| -> Vec<(String, String)> {
        at.pointer(path).and_then(Value::as_array).into_iter().flatten().filter_map(pair).collect()
    };
    let trigger = message.get("Trigger").cloned().unwrap_or_default();
    let mut dimensions = listed(&trigger, "/Dimensions");
    // Metric math: several metrics, each with its own.
    for metric in trigger.pointer("/Metrics").and_then(Value::as_array).into_iter().flatten() {
        dimensions.extend(listed(metric, "/MetricStat/Metric/Dimensions"));
    }
    about(field("AlarmName"), field("NewStateValue"), &dimensions)
        .of_account(field("AWSAccountId"))
        .of_account(field("AlarmArn").filter(|arn| arn.starts_with("arn:")))
}

/// Reads the `detail` of an alarm's `EventBridge` event.
pub(in crate::event) fn changed(detail: &Value) -> Notice {
    let metrics = detail.pointer("/configuration/metrics").and_then(Value::as_array);
    let of = |metric: &Value| metric.pointer("/metricStat/metric/dimensions").and_then(Value::as_object).cloned();
    let dimensions: Vec<_> = metrics
        .into_iter()
        .flatten()
        .filter_map(of)
        .flatten()
        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
        .collect();
    about(text(detail, "/alarmName"), text(detail, "/state/value"), &dimensions)
}

fn about(name: Option<&str>, state: Option<&str>, dimensions: &[(String, String)]) -> Notice {
    let name = name.unwrap_or_default();
    let of = |names: &[&str], subject: fn(String) -> Subject| -> Vec<Subject> {
        let meant = dimensions.iter().filter(|(name, _)| names.contains(&name.as_str()));
        meant.map(|(_, value)| subject(value.clone())).collect()
    };
    let mut subjects = of(&["Asset", "asset"], Subject::Asset);
    subjects.extend(of(&["DBInstanceIdentifier", "DBClusterIdentifier"], Subject::Database));
    subjects.extend(name.split('/').map(|part| Subject::Asset(part.to_owned())));
    Notice { over: state != Some("ALARM"), ..Notice::new(format!("alarm {name}"), subjects) }
}
