//! When each function last ran: absence of this is a finding.

use super::Record;
use crate::{clock::Timestamp, function::Exit};
use serde::{Deserialize, Serialize};

/// A function's sign of life. The host writes it after every invocation, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The function.
    pub function: String,
    /// When the invocation ended.
    pub at: Timestamp,
    /// How it ended.
    pub exit: Exit,
    /// What woke it.
    pub waker: Waker,
    /// When a schedule last woke it; none if none ever did.
    pub scheduled_at: Option<Timestamp>,
}

/// What woke a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Waker {
    /// A schedule, an event or an alert.
    Event,
    /// An operator's hand.
    Hand,
}

impl Record for Heartbeat {
    const NAME: &'static str = "heartbeat";
}
