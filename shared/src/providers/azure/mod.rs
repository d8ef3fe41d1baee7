//! Azure's services: Blob Storage.
//!
//! The official crate knows neither account keys nor connection strings, so it is called by its REST interface with a thin client
//! of ours. Nothing is asked of Azure before the first call.

mod access;
mod bucket;
mod call;
mod class;
mod identity;
mod listing;
mod read;
mod refused;
mod sign;
mod upload;

pub use access::{Access, Account, Azure};
pub use bucket::Blobs;
