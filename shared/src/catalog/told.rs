//! Which findings were told to whom, and which of them somebody acknowledged.
//!
//! What was told is an observation: lost, everything is told once more. An acknowledgement is kept for good, with its end.

use super::{Found, Key, Record, Vault};
use crate::{
    domain::tell::{Ack, Memory},
    error::Result,
};

impl Record for Memory {
    const NAME: &'static str = "told";
    /// The first knew no times, and one line for each severity.
    const VERSION: u64 = 2;
}

impl Record for Ack {
    const NAME: &'static str = "ack";
}

/// Returns every acknowledgement that there ever was, the last one of each finding.
pub async fn acks(vault: &Vault) -> Result<Found<Ack>> {
    vault.all(&Key::acks()).await
}
