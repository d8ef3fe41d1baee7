//! Stateful fakes that are harsher than the real thing: for tests of this crate and of everything built on it, and for the
//! command's simulations. No function links them.

mod archive;
mod bucket;
mod clock;
mod faults;
mod inbox;
mod past;
mod providers;
mod replicas;
mod snapshots;
mod source;
mod wal;
mod world;

pub use archive::Archiving;
pub use bucket::MemoryBucket;
pub use clock::ManualClock;
pub use faults::{Damage, Faulty, SideEffects};
pub use inbox::{Inbox, MemorySecrets};
pub use past::AssetInWorld;
pub use providers::MemoryProviders;
pub use replicas::MemoryReplicas;
pub use snapshots::{MemoryRegion, MemorySnapshots};
pub use source::MemorySource;
pub use wal::{MemorySchedules, MemoryWal};
pub use world::World;
