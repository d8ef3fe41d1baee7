//! The schedules that wake us, where somebody keeps them who can be asked.

use crate::{domain::freshness::ScheduleSeen, error::Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// The schedules that wake us.
#[async_trait]
pub trait Schedules: Debug + Send + Sync {
    /// Looks at one of them.
    async fn schedule(&self, name: &str) -> Result<ScheduleSeen>;
}
