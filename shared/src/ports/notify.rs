//! Somebody to tell.

use crate::{domain::finding::Finding, error::Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// Tells people or machines what they must know. A refused delivery is an error, never a shrug.
#[async_trait]
pub trait Notifier: Debug + Send + Sync {
    /// The channel as a finding would name it; never its address.
    fn channel(&self) -> &str;

    /// Delivers findings. `function` says which function speaks.
    async fn notify(&self, function: &str, findings: &[Finding]) -> Result<()>;
}
