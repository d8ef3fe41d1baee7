//! One error type, coarse on purpose: it answers "what does the caller do next?".
//!
//! A message is lowercase, has no full stop and reads after "failed to …: "; a hint says what to do. Whatever a provider
//! said stays in `source` and is printed once, at the top. No secret ever enters a message: see [`crate::redact`].

use std::{error::Error as StdError, fmt};

/// What the whole crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What the caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The request, the config, an event or a record is not acceptable: mend it, nothing was touched.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// A name is taken by something that is not ours, or a compare-and-swap was lost.
    Conflict,
    /// Another invocation holds the work: it will finish it.
    Busy,
    /// A passing fault (network, throttle, 5xx): the next wake-up tries again.
    Retry,
    /// The time budget ended: the state is saved and the next invocation goes on.
    OutOfTime,
    /// No room left on a disk, in a quota.
    NoSpace,
    /// A right is missing: the message names it.
    Denied,
    /// Bytes are not what their record says: quarantined, never used.
    Corrupt,
    /// A record or an artifact of a newer or unknown version.
    Unsupported,
    /// A guard refused: production, a floor, a cap, a missing confirmation.
    Refused,
    /// Everything else: a failed tool, a broken assumption.
    Failed,
}

/// A failure, with what to do about it.
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Source>,
}

impl Error {
    /// Creates an error of the given kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds one sentence that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps what the layer below said.
    #[must_use]
    pub fn because(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts what was being done in front of the message: `backing up orders-db: …`.
    #[must_use]
    pub fn during(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What to do about it, if there is more to say than the message does.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The message and the hint as one sentence, for places that keep only text.
    pub fn sentence(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }

    /// The message with every cause, in one redacted line.
    pub fn full(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source.as_deref().map(|source| source as &(dyn StdError + 'static));
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text.push_str(": ");
                text.push_str(&said);
            }
            cause = error.source();
        }
        crate::redact::text(&text)
    }
}

macro_rules! shorthands {
    ($($name:ident => $kind:ident),* $(,)?) => {$(
        #[doc = concat!("An error of kind [`Kind::", stringify!($kind), "`].")]
        pub fn $name(message: impl Into<String>) -> Error {
            Error::new(Kind::$kind, message)
        }
    )*};
}

shorthands! {
    invalid => Invalid, not_found => NotFound, conflict => Conflict, busy => Busy, retry => Retry,
    out_of_time => OutOfTime, no_space => NoSpace, denied => Denied, corrupt => Corrupt,
    unsupported => Unsupported, refused => Refused, failed => Failed,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::redact::text(&self.message))
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.full())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<std::io::Error> for Error {
    /// An I/O error keeps the kind of an [`Error`] that was carried through a reader or a writer.
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        if error.get_ref().is_some_and(<dyn StdError + Send + Sync>::is::<Self>) {
            return match error.into_inner().map(<dyn StdError + Send + Sync>::downcast::<Self>) {
                Some(Ok(ours)) => *ours,
                Some(Err(_)) | None => failed("input or output failed"),
            };
        }
        let (kind, message) = match error.kind() {
            Io::NotFound => (Kind::NotFound, "no such file or folder"),
            Io::PermissionDenied => (Kind::Denied, "permission denied"),
            Io::ReadOnlyFilesystem => (Kind::Denied, "the file system is read-only"),
            Io::AlreadyExists => (Kind::Conflict, "already exists"),
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => (Kind::NoSpace, "no space left"),
            Io::ConnectionRefused
            | Io::ConnectionReset
            | Io::ConnectionAborted
            | Io::NotConnected
            | Io::BrokenPipe
            | Io::TimedOut
            | Io::HostUnreachable
            | Io::NetworkUnreachable => (Kind::Retry, "the connection failed"),
            _ => (Kind::Failed, "input or output failed"),
        };
        // What the system says in other words is not worth saying twice.
        let said = error.raw_os_error().is_some() && matches!(kind, Kind::NotFound | Kind::Denied | Kind::Conflict | Kind::NoSpace);
        if said { Self::new(kind, message) } else { Self::new(kind, message).because(error) }
    }
}

impl From<Error> for std::io::Error {
    /// Carries an [`Error`] through a reader or a writer; `Error::from` gets it back unchanged.
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// Says what was being done when something failed.
pub trait During<T> {
    /// Puts `doing` in front of the message of a failure.
    fn during(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> During<T> for std::result::Result<T, E> {
    fn during(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().during(doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_a_reader() {
        let io: std::io::Error = corrupt("byte 17 is wrong").hint("use the copy").into();
        let back = Error::from(io);
        assert_eq!(back.kind(), Kind::Corrupt);
        assert_eq!(back.advice(), Some("use the copy"));
    }

    #[test]
    fn what_the_system_says_in_other_words_is_said_once() {
        let missing = Error::from(std::io::Error::from_raw_os_error(2)).during("reading the config");
        assert_eq!(missing.full(), "reading the config: no such file or folder");
        let refused = Error::from(std::io::Error::from_raw_os_error(111));
        assert!(refused.full().starts_with("the connection failed: Connection refused"), "{}", refused.full());
    }

    #[test]
    fn the_full_text_names_every_cause_once() {
        let error = failed("reading the vault").because(std::io::Error::other("disk on fire"));
        assert_eq!(error.full(), "reading the vault: disk on fire");
    }
}
