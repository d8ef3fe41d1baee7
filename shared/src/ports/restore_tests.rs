//! Restores that somebody else makes to be tested, and waits to be told of.

use super::Replicas;
use crate::{
    domain::restore_test::{RestoreTest, Told},
    error::Result,
};
use async_trait::async_trait;
use std::sync::Arc;

/// The restore tests of one asset.
#[async_trait]
pub trait RestoreTests: Send + Sync {
    /// Returns the restores of this asset that have ended, belong to a restore testing plan and that nobody has judged yet,
    /// oldest first.
    async fn awaiting(&self) -> Result<Vec<RestoreTest>>;

    /// Takes what was restored for a replica: it can be asked, and is never removed. What is not a test's, or is in
    /// another network than the drill's, is refused before anything of it is touched.
    fn adopted(&self, test: &RestoreTest) -> Arc<dyn Replicas>;

    /// Tells what came of it, once: a test that was judged meanwhile is left alone.
    async fn tell(&self, test: &RestoreTest, told: Told, message: &str) -> Result<()>;
}
