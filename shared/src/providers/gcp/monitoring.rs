//! Numbers for Cloud Monitoring: one point of a gauge for each asset and measure, `custom.googleapis.com/lastgood/…`.
//!
//! What is not known has no point, and never a 0: let alert policies take missing data for bad.

use super::{
    access::Google,
    call::{Ask, Call, Service, escaped},
};
use crate::{
    config::ProjectId,
    domain::measure::Gauge,
    error::Result,
    ports::{Monitor, Numbers},
};
use async_trait::async_trait;
use reqwest::Method;
use serde_json::{Number, Value, json};
use std::sync::Arc;

/// As many points as one request may have: <https://cloud.google.com/monitoring/quotas>.
const AT_ONCE: usize = 200;

/// The metrics of one project.
#[derive(Debug)]
pub struct CloudMonitoring {
    project: ProjectId,
    call: Call,
}

impl CloudMonitoring {
    /// The metrics of a project. Reaches nothing yet.
    pub fn new(project: ProjectId, google: Arc<Google>) -> Self {
        Self { project, call: Call::new(google, Service::Monitoring) }
    }

    fn series(&self, asset: &str, gauge: Gauge, value: &Number, at: &str) -> Value {
        json!({
            "metric": { "type": format!("custom.googleapis.com/lastgood/{}", snake(gauge.name())), "labels": { "asset": asset } },
            "resource": { "type": "global", "labels": { "project_id": self.project.as_str() } },
            "metricKind": "GAUGE",
            "valueType": "DOUBLE",
            "points": [{ "interval": { "endTime": at }, "value": { "doubleValue": value.as_f64() } }],
        })
    }
}

#[async_trait]
impl Monitor for CloudMonitoring {
    fn name(&self) -> &'static str {
        "Cloud Monitoring"
    }

    async fn take(&self, numbers: &Numbers) -> Result<()> {
        let at = numbers.at.to_string();
        let of = |measures: &crate::domain::measure::Measures| {
            let asset = measures.asset.as_str();
            measures.known.iter().map(|(gauge, value)| self.series(asset, *gauge, value, &at)).collect::<Vec<_>>()
        };
        let all: Vec<Value> = numbers.measures.iter().flat_map(of).collect();
        let path = format!("/v3/projects/{}/timeSeries", escaped(self.project.as_str()));
        for some in all.chunks(AT_ONCE) {
            let ask = Ask::new(Method::POST, path.as_str()).json(&json!({ "timeSeries": some }));
            let asked = self.call.ask(&ask).await;
            asked.map_err(|refused| refused.told("monitoring.timeSeries.create", &format!("project {}", self.project)))?;
        }
        Ok(())
    }
}

/// `BackupAgeSeconds` as Google's metrics are named: `backup_age_seconds`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_google_names_them() {
        assert_eq!(snake("BackupAgeSeconds"), "backup_age_seconds");
        assert!(Gauge::ALL.iter().all(|gauge| snake(gauge.name()).bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
