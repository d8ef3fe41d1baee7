//! What every Lastgood function has in common.
//!
//! Dependencies point one way: [`host`] → [`env`] → {[`catalog`], [`ports`]} → [`domain`], and [`providers`] → {[`ports`],
//! [`domain`]}. `domain` decides and is pure; `ports` are what we need of the world; `providers` are thin translations to
//! it; `catalog` remembers; `stream` is the data path; `host` is where an invocation comes from.

pub mod backup;
pub mod catalog;
pub mod clock;
pub mod config;
pub mod domain;
pub mod env;
pub mod error;
pub mod event;
pub mod exposition;
pub mod fleet;
pub mod function;
pub mod host;
pub mod id;
pub mod observe;
pub mod ports;
pub mod providers;
pub mod prune;
pub mod recall;
pub mod redact;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;
