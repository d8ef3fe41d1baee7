//! RDS and Aurora: snapshots that they hold, and throwaway instances that drills restore to.
//!
//! Whether an identifier names an instance or a cluster is found out, never configured: an instance that is a member of an
//! Aurora or Multi-AZ cluster is backed up with its cluster. What is ours is told by its tags alone; nothing else is ever
//! changed or removed. Names are derived, so that the same work always meets itself.

mod adopted;
mod automated;
mod beside;
mod body;
mod continuous;
mod copy;
mod difference;
mod directory;
mod error;
mod extracts;
mod leftovers;
mod look;
mod make;
mod names;
mod order;
mod posture;
mod presign;
mod ready;
mod replicas;
mod restore;
mod seen;
mod settings;
mod snapshots;
mod source;
mod status;
mod tags;
mod teardown;
#[cfg(test)]
mod tests;
mod wait;

pub use beside::Beside;
pub use directory::{Directory, candidates};
pub use extracts::RdsExtracts;
pub use leftovers::Leftovers;
pub use replicas::RdsReplicas;
pub use snapshots::RdsSnapshots;

/// Whether it is an instance of its own, or a cluster: each has calls, snapshots and names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// An instance.
    Instance,
    /// An Aurora or Multi-AZ cluster.
    Cluster,
}

impl Shape {
    /// What a snapshot is of, or a source is, as its ARN says.
    fn of(arn: &str) -> Self {
        if arn.contains(":cluster-snapshot:") || arn.contains(":cluster:") { Self::Cluster } else { Self::Instance }
    }
}
