//! ElastiCache: snapshots of a replication group or a cache cluster of Redis or Valkey, which it makes and holds.
//!
//! Which of the two an identifier names is found out, never configured. What is ours is told by its tags alone. A snapshot never
//! leaves its region: ElastiCache has no copies, and the config refuses them.

mod error;
mod region;
mod seen;
mod snapshots;
mod source;
mod wire;

pub use snapshots::CacheSnapshots;
