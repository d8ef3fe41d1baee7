//! Stateful fakes that are harsher than the real thing, for tests of this crate and of everything built on it.

mod bucket;
mod clock;
mod faults;

pub use bucket::MemoryBucket;
pub use clock::ManualClock;
pub use faults::{Damage, Faulty, SideEffects};
