//! EBS: snapshots of one volume or of all of an instance's, and throwaway volumes that drills make of them and read.
//!
//! What is ours is told by its tags alone; nothing else is ever changed or removed. EBS has no names and, for snapshots, no
//! token that tells a request from its repetition: so we look before we ask, ask once, and name by tags set in the very
//! request. The snapshots of several volumes count as a whole or not at all.

mod beside;
mod blocks;
mod copy;
mod difference;
mod error;
mod filesystem;
mod partitions;
mod region;
mod replicas;
mod set;
mod settings;
mod snapshots;
mod source;
#[cfg(test)]
mod tests;
mod wire;

pub use beside::EbsVolume;
pub use replicas::EbsReplicas;
pub use snapshots::EbsSnapshots;
