//! What clouds that keep databases and volumes themselves have in common: work that takes minutes, servers that have to let us in,
//! and how a volume is set up.

mod admitted;
mod pauses;
pub(super) mod volumes;

pub(super) use admitted::{Gate, admitted};
pub(super) use pauses::Pauses;
