//! The write-ahead log of a server that is nobody's but its owner's, and the repository that it goes to. Both are only looked at.

use crate::{
    domain::wal::{ArchiverSeen, RepositorySeen},
    error::Result,
};
use async_trait::async_trait;
use std::fmt::Debug;

/// Where one asset's write-ahead log goes.
#[async_trait]
pub trait WalArchive: Debug + Send + Sync {
    /// Looks at what the server says of its archiving.
    async fn archiver(&self) -> Result<ArchiverSeen>;

    /// Looks at what the repository holds; none where the policy names none.
    async fn repository(&self) -> Result<Option<RepositorySeen>>;
}
