//! The keys that backups are encrypted with, where their keeper can be asked to use them.

use crate::{domain::posture::KeySeen, error::Result};
use async_trait::async_trait;
use std::fmt::Debug;

/// The keys at one place.
///
/// What a key closed while it was good can be opened later only by the same key, its material and our right to use it: all
/// that a restore depends on. What keeps us from asking is an error.
#[async_trait]
pub trait Keys: Debug + Send + Sync {
    /// Looks at how its keeper says that a key stands.
    async fn key(&self, name: &str) -> Result<KeySeen>;

    /// Closes a few bytes under a key. None where the keeper lets nobody but its own services use it.
    async fn close(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Opens what [`Keys::close`] closed under the same key. A key that does not is unusable, and it says why.
    async fn open(&self, name: &str, closed: &[u8]) -> Result<KeySeen>;
}
