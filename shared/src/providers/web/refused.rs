//! A refusal, as what the caller does next. What a service's own words mean, its table says ([`Words`]).

use crate::error::{Error, Kind};
use std::error::Error as StdError;

/// What the caller does next, in which words, and a hint; `PERMISSION` in it stands for what was asked.
pub(in crate::providers) type Meaning = (Kind, &'static str, Option<&'static str>);

/// What the words of a service mean.
#[derive(Debug)]
pub(in crate::providers) struct Words {
    /// Whether a reason and a message, whatever the status, say that the same request may fare better in a moment.
    pub(in crate::providers) passing: fn(&str, &str) -> bool,
    /// What a status, a reason and a message mean.
    pub(in crate::providers) meaning: fn(u16, &str, &str) -> Meaning,
}

/// Why there is no good answer.
#[derive(Debug)]
pub(in crate::providers) enum Refused {
    /// The service answered and refused.
    Answered {
        status: u16,
        /// The word for programs: `conditionNotMet`, `BlobAlreadyExists`.
        reason: String,
        /// The words for people, if there are any that may be repeated.
        message: String,
        /// How many seconds to wait, if it says so.
        retry_after: Option<u64>,
        /// What its words mean.
        words: &'static Words,
    },
    /// No answer, or half of one.
    Silent(String),
    /// An answer in words that this build does not know.
    Strange(String),
    /// We are nobody to the service, and why.
    Nobody(Error),
}

impl Refused {
    /// What became of a connection.
    pub(in crate::providers) fn silent(error: reqwest::Error) -> Self {
        // Its address may hold a signature, or the id of an upload, which is as good as a key.
        let error = error.without_url();
        let mut said = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            said = format!("{said}: {error}");
            cause = error.source();
        }
        Self::Silent(said)
    }

    /// The status of the answer; 0 without one.
    pub(in crate::providers) const fn status(&self) -> u16 {
        match self {
            Self::Answered { status, .. } => *status,
            Self::Silent(_) | Self::Strange(_) | Self::Nobody(_) => 0,
        }
    }

    /// How many seconds the service wants us to wait.
    pub(in crate::providers) const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Answered { retry_after, .. } => *retry_after,
            Self::Silent(_) | Self::Strange(_) | Self::Nobody(_) => None,
        }
    }

    /// Whether the same request may fare better in a moment.
    pub(in crate::providers) fn passing(&self) -> bool {
        match self {
            Self::Answered { status, reason, message, words, .. } => {
                matches!(status, 408 | 429 | 500..=599) && *status != 501 || (words.passing)(reason, message)
            }
            Self::Silent(_) => true,
            Self::Nobody(error) => error.kind() == Kind::Retry,
            Self::Strange(_) => false,
        }
    }

    /// Tells it as an error of ours: what was asked (a permission, an action) and of what.
    pub(in crate::providers) fn told(self, permission: &str, of: &str) -> Error {
        let (kind, message, hint, said) = match self {
            Self::Nobody(error) => return error.during(format_args!("{permission} on {of}")),
            Self::Silent(said) => (Kind::Retry, "the service is busy or out of reach", None, said),
            Self::Strange(said) => (Kind::Unsupported, "the answer is not understood", None, said),
            Self::Answered { status, reason, message, words, .. } => {
                let (kind, meaning, hint) = (words.meaning)(status, &reason, &message);
                let said = [format!("HTTP {status}"), reason, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
                (kind, meaning, hint, said.join(": "))
            }
        };
        let error = Error::new(kind, format!("{permission} on {of}: {message}")).because(crate::redact::clip(&said, 500));
        match hint {
            Some(hint) => error.hint(hint.replace("PERMISSION", permission)),
            None => error,
        }
    }
}
