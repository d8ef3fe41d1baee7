//! Who plots: adapters for the monitors that the config names.

mod pushgateway;
mod textfile;

pub use pushgateway::Gateway;
pub use textfile::Collected;

use crate::{
    clock::Clock,
    config::{Config, ProjectId},
    ports::{Monitor, Secrets},
};
use std::sync::Arc;

/// Returns every monitor of the config. Touches nothing before the first numbers.
pub fn monitors(config: &Config, secrets: &Arc<dyn Secrets>, clock: &Arc<dyn Clock>) -> Vec<Arc<dyn Monitor>> {
    let mut monitors: Vec<Arc<dyn Monitor>> = Vec::new();
    if let Some(file) = &config.metrics.textfile {
        monitors.push(Arc::new(Collected::new(file.clone())));
    }
    if let Some(gateway) = &config.metrics.pushgateway {
        monitors.push(Arc::new(Gateway::new(gateway.clone(), secrets.clone(), clock.clone())));
    }
    if let Some(settings) = &config.metrics.cloud_monitoring {
        monitors.push(cloud_monitoring(&settings.project));
    }
    monitors
}

#[cfg(feature = "gcp")]
fn cloud_monitoring(project: &ProjectId) -> Arc<dyn Monitor> {
    use crate::providers::gcp;
    Arc::new(gcp::CloudMonitoring::new(project.clone(), Arc::new(gcp::Google::default())))
}

#[cfg(not(feature = "gcp"))]
fn cloud_monitoring(_: &ProjectId) -> Arc<dyn Monitor> {
    Arc::new(Unopened("Cloud Monitoring"))
}

/// A monitor that this build has no adapter for: it takes nothing, and says so.
#[cfg(not(feature = "gcp"))]
#[derive(Debug)]
struct Unopened(&'static str);

#[cfg(not(feature = "gcp"))]
#[async_trait::async_trait]
impl Monitor for Unopened {
    fn name(&self) -> &str {
        self.0
    }

    async fn take(&self, _: &crate::ports::Numbers) -> crate::error::Result<()> {
        Err(crate::error::unsupported("this build cannot open this monitor").hint("use a build with the feature `gcp`"))
    }
}
