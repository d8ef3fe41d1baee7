//! Cloud SQL: backups that it holds, and throwaway instances that drills restore to.
//!
//! What is ours is told by what we wrote on it: a backup by its description, an instance by its labels; nothing else is ever
//! changed or removed. Names are derived, so that the same work always meets itself. Cloud SQL does one thing at a time with an
//! instance: what is under way is waited for, never collided with, and an operation that is over is asked whether it went well.

mod beside;
mod continuous;
mod difference;
mod error;
mod label;
mod make;
mod named;
mod names;
mod offload;
mod posture;
mod project;
mod ready;
mod replicas;
mod restore;
mod seen;
mod settings;
mod snapshots;
mod wait;
mod wire;

pub use beside::SqlBeside;
pub use offload::Offload;
pub use replicas::SqlReplicas;
pub use snapshots::SqlSnapshots;
