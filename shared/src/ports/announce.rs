//! Somebody who wakes what waits for a change.

use crate::{domain::change::Change, error::Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// Tells programs, and no people, what a run changed. Nothing depends on it: the schedules find the same work later.
#[async_trait]
pub trait Announcer: Debug + Send + Sync {
    /// Tells changes. One that was not taken is an error, whatever became of the others.
    async fn announce(&self, function: &str, changes: &[Change]) -> Result<()>;
}
