//! Who is told what, when: the judgement behind every alert.
//!
//! One alert for each change of state, one more where it stays (at the interval that its severity has), one when it is over,
//! and a digest at its hour even when all is good, so that silence is noticed. What a person acknowledged is quiet until it
//! gets worse, ends, or the acknowledgement runs out. What no channel took that should have is owed, and goes to the next.
//! What could not be seen is never over.

mod ack;
mod digest;
mod instead;
mod judge;
mod memory;
mod topic;

pub use ack::{Ack, Ended};
pub use digest::{Digest, digest_due};
pub use instead::{Refusal, Standing, instead};
pub use judge::{Case, Round, cases, notice, owed};
pub use memory::{Instead, Known, Knows, Memory, Refused};
pub use topic::{Filter, Topic};

use super::{
    finding::{Finding, Severity},
    span::Span,
};
use crate::clock::Timestamp;
use serde::Serialize;

/// What a channel is told at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The function that speaks.
    pub function: String,
    /// The vault that it is about.
    pub vault: String,
    /// When.
    pub sent_at: Timestamp,
    /// What is new, worst first.
    pub alerts: Vec<Alert>,
    /// How everything stands, at its hour.
    pub digest: Option<Digest>,
}

impl Message {
    /// The findings that it tells of: what is over is told as a note.
    pub fn findings(&self) -> Vec<Finding> {
        self.alerts.iter().map(|alert| alert.finding.clone()).collect()
    }

    /// How bad the worst of it is.
    pub fn worst(&self) -> Severity {
        self.alerts.iter().map(|alert| alert.finding.severity).max().unwrap_or(Severity::Note)
    }
}

/// What is told of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// What became of it.
    #[serde(flatten)]
    pub what: What,
    /// The finding as it is now.
    pub finding: Finding,
    /// Since when it stands.
    pub since: Option<Timestamp>,
    /// Within what time somebody should respond, as the config says.
    pub respond_within: Option<Span>,
}

/// What became of a finding, as a channel knew it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// It is new.
    New,
    /// It got worse.
    Worse {
        /// How bad it was.
        was: Severity,
    },
    /// It got better, and is still there.
    Better {
        /// How bad it was.
        was: Severity,
    },
    /// It got better than the channel wants to hear of.
    Eased {
        /// How bad it was.
        was: Severity,
    },
    /// It is still there.
    Still,
    /// It is over.
    Over {
        /// How long it lasted, where that is known.
        lasted_seconds: Option<u64>,
    },
    /// Nothing is wrong: the channel itself is tried.
    Trial,
}

impl What {
    /// Whether nothing of it is left for the channel.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Over { .. } | Self::Eased { .. } | Self::Trial => true,
            Self::New | Self::Worse { .. } | Self::Better { .. } | Self::Still => false,
        }
    }
}

#[cfg(test)]
mod tests;
