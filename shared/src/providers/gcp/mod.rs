//! Google's services: Cloud Storage, Cloud SQL, Cloud Monitoring.
//!
//! We need little of each, so they are called by their JSON interfaces with a thin client of ours ([`Google`]); the official
//! crate only says who we are. Nothing is asked of Google before the first call.

mod access;
mod bucket;
mod call;
mod copy;
mod kept;
mod monitoring;
mod object;
mod read;
mod refused;
pub mod sql;
mod upload;
mod write;

pub use access::{Access, Account, Google};
pub use bucket::Gcs;
pub use monitoring::CloudMonitoring;
