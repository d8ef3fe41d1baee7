//! Numbers and states as people read them.

use lastgood_core::{
    clock::{Timestamp, UTC, since},
    domain::{backup::Form, finding::Severity, freshness::State, span::human},
};
use std::time::Duration;

/// A moment to the second, in UTC.
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A day, in UTC.
pub fn day(at: Timestamp) -> String {
    at.to_zoned(UTC).date().to_string()
}

/// How long ago something was.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    match since(now, then).as_secs() {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", age(seconds)),
    }
}

/// An age or a length of time in whole seconds: `3h 12m`.
pub fn age(seconds: u64) -> String {
    match seconds {
        0 => "<1s".to_owned(),
        1..10 => format!("{seconds}s"),
        _ => human(Duration::from_secs(seconds)),
    }
}

/// Bytes: `4.2 MB`.
pub fn bytes(count: u64) -> String {
    let (mut whole, mut rest, mut unit) = (count, 0, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if whole < 1000 {
            break;
        }
        (rest, whole, unit) = (whole % 1000, whole / 1000, next);
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{} {unit}", rest / 100) }
}

/// A form of backups.
pub const fn form(form: Form) -> &'static str {
    match form {
        Form::Export => "export",
        Form::Snapshot => "snapshot",
    }
}

/// What a state is marked with: told by its shape, not by its colour alone.
pub const fn mark(state: State) -> &'static str {
    match state {
        State::Good => "✓",
        State::Warning => "!",
        State::Unknown => "?",
        State::Stale | State::Failing => "✕",
    }
}

/// A severity.
pub const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([bytes(17), bytes(1_536), bytes(563_200_000), bytes(0)], ["17 B", "1.5 kB", "563.2 MB", "0 B"]);
        assert_eq!([age(0), age(7), age(70), age(93_600)], ["<1s", "7s", "1m 10s", "1d 2h"]);
    }
}
