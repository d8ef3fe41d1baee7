//! Who plots: adapters for the monitors that the config names.

mod pushgateway;
mod textfile;

pub use pushgateway::Gateway;
pub use textfile::Collected;

use crate::{
    config::Config,
    ports::{Monitor, Secrets},
};
use std::sync::Arc;

/// Returns every monitor of the config. Touches nothing before the first numbers.
pub fn monitors(config: &Config, secrets: &Arc<dyn Secrets>) -> Vec<Arc<dyn Monitor>> {
    let mut monitors: Vec<Arc<dyn Monitor>> = Vec::new();
    if let Some(file) = &config.metrics.textfile {
        monitors.push(Arc::new(Collected::new(file.clone())));
    }
    if let Some(gateway) = &config.metrics.pushgateway {
        monitors.push(Arc::new(Gateway::new(gateway.clone(), secrets.clone())));
    }
    monitors
}
