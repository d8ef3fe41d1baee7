//! Google's services: Cloud Storage, Cloud SQL, the disks of Compute Engine, Memorystore, Cloud KMS, Cloud Monitoring, Secret
//! Manager, Pub/Sub.
//!
//! We need little of each, so they are called by their JSON interfaces with a thin client of ours ([`Google`]); the official
//! crate only says who we are. Nothing is asked of Google before the first call.

mod access;
mod bucket;
mod call;
mod copy;
pub mod disk;
mod idtoken;
mod kept;
mod keys;
pub mod memorystore;
mod monitoring;
mod multipart;
mod object;
mod project;
mod pubsub;
mod read;
mod refused;
mod secrets;
mod session;
pub mod sql;
mod way;
mod write;

pub use access::{Access, Account, Google};
pub use bucket::Gcs;
pub use idtoken::{Expected, IdTokens, Unproven};
pub use keys::GcpKeys;
pub use monitoring::CloudMonitoring;
pub use pubsub::Pubsub;
pub use secrets::{GcpSecretSet, GcpSecrets};
