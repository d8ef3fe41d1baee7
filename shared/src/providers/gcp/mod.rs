//! Google's services: Cloud Storage, Cloud Monitoring, the disks of Compute Engine, Memorystore.
//!
//! We need little of each, so they are called by their JSON interfaces with a thin client of ours ([`Google`]); the official
//! crate only says who we are. Nothing is asked of Google before the first call.

mod access;
mod bucket;
mod call;
mod copy;
pub mod disk;
mod kept;
pub mod memorystore;
mod monitoring;
mod object;
mod read;
mod refused;
mod upload;
mod write;

pub use access::{Access, Account, Google};
pub use bucket::Gcs;
pub use monitoring::CloudMonitoring;
