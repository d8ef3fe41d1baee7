//! Persistent Disks and Hyperdisks: snapshots of one disk, throwaway disks that drills make of them, new disks beside the old ones.
//!
//! A disk and a snapshot have names that their maker chooses, so that the same work always meets itself; what is ours is told
//! by labels alone, and nothing else is ever changed or removed. Every order bears an id, so that one which is sent twice takes
//! effect once. A snapshot belongs to its project and can be restored in every zone; where its bytes lie is chosen when it is taken.
//!
//! Google has no way to read the blocks of a disk or a snapshot but from a machine that it is attached to. So no drill here reads
//! any, and each says so: what the evidence calls seen was seen, and its verdict is never `proven`.

mod beside;
mod compute;
mod difference;
mod error;
mod labels;
mod operation;
mod posture;
mod replicas;
mod seen;
mod settings;
mod snapshots;
mod source;
mod wire;

pub use beside::RestoredDisk;
pub use replicas::DiskReplicas;
pub use snapshots::DiskSnapshots;
