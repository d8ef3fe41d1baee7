//! Memorystore for Redis: an instance writes its RDB file into Cloud Storage, from where it is read through to its last byte into
//! the vault, and removed.
//!
//! An export is an operation of the instance's own, one at a time; what it wrote counts only once every byte of it was read back
//! here and the file is whole by itself. Nothing is ever imported into an instance that is in use: Memorystore would replace what
//! it holds.

mod api;
mod error;
mod export;

pub use export::{Memorystore, Which};
