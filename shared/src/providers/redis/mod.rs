//! Redis and Valkey, whoever runs them: their RDB files, read through to the last byte, and throwaway servers that load them.

mod client;
#[cfg(any(feature = "gcp", test))]
mod rdb;
mod scratch;
mod server;
mod target;

#[cfg(any(feature = "gcp", test))]
pub(crate) use rdb::{Rdb, watched};
pub use scratch::RedisScratch;
pub use server::Programs;
pub use target::NewRdb;
