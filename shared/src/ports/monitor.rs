//! Somebody who plots numbers and alarms on them.

use crate::{clock::Timestamp, domain::measure::Measures, error::Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// What a look at everything came to, in numbers.
#[derive(Debug, Clone)]
pub struct Numbers {
    /// In Prometheus' words.
    pub text: String,
    /// One entry for each asset.
    pub measures: Vec<Measures>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// Takes numbers. Only the newest matter, so taking the same twice changes nothing; what is refused is an error.
#[async_trait]
pub trait Monitor: Debug + Send + Sync {
    /// The monitor as a finding would name it.
    fn name(&self) -> &str;

    /// Takes the newest numbers in place of the last.
    async fn take(&self, numbers: &Numbers) -> Result<()>;
}
