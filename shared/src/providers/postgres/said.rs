//! What a program of Postgres said on stderr, cut down to what may be repeated: the reason, an SQLSTATE, no data.

use super::connect;
use crate::error::Kind;

/// Why a program failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reason {
    /// What the caller does next.
    pub kind: Kind,
    /// One line, without data.
    pub text: String,
}

/// Messages by which the SQLSTATE is known: the programs print no codes, and the server is asked to speak English.
const KNOWN: [(&str, &str); 24] = [
    ("terminating connection due to administrator command", "57P01"),
    ("terminating connection because of crash of another server process", "57P02"),
    ("the database system is", "57P03"),
    ("canceling statement due to lock timeout", "55P03"),
    ("could not obtain lock", "55P03"),
    ("canceling statement due to conflict with recovery", "40001"),
    ("terminating connection due to conflict with recovery", "40001"),
    ("canceling statement due to", "57014"),
    ("permission denied for", "42501"),
    ("must be owner of", "42501"),
    ("must be superuser", "42501"),
    ("query would be affected by row-level security policy", "42501"),
    ("password authentication failed", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("too many connections", "53300"),
    ("too many clients already", "53300"),
    ("remaining connection slots are reserved", "53300"),
    ("number of requested standby connections exceeds", "53300"),
    ("No space left on device", "53100"),
    ("server closed the connection unexpectedly", "08006"),
    ("connection to server", "08006"),
    ("missing chunk number", "XX001"),
    ("invalid page in block", "XX001"),
    ("could not read block", "XX001"),
];

/// Reads stderr. Lines that may quote rows (`DETAIL`, `CONTEXT`, `Command was`, continuations) are left out.
pub(super) fn reason(said: &str) -> Reason {
    let mut kept: Vec<String> = Vec::new();
    for line in said.lines() {
        let line = line.trim();
        let telling =
            ["error: ", "fatal: ", "ERROR:", "FATAL:", "PANIC:"].iter().filter_map(|mark| line.find(mark).map(|at| (at, mark))).min();
        let Some((at, mark)) = telling else { continue };
        let message = line[at + mark.len()..].trim();
        if !message.is_empty() && !kept.iter().any(|known| known.contains(message)) {
            kept.push(without_data(message));
        }
    }
    let state = KNOWN.iter().find_map(|(text, state)| said.contains(text).then_some(*state));
    let count = kept.len();
    // The first says what broke, the last what the program made of it.
    if count > 3 {
        kept.drain(2..count - 1);
    }
    let mut text = kept.join("; ");
    if let Some(state) = state {
        let gap = if text.is_empty() { "" } else { " " };
        text = format!("{text}{gap}(SQLSTATE {state})");
    }
    Reason { kind: state.map_or(Kind::Failed, connect::kind), text: crate::redact::clip(&text, 600) }
}

/// Takes quoted text out of a message unless the word before says that it is a name.
fn without_data(message: &str) -> String {
    const NAMES: [&str; 26] = [
        "relation",
        "table",
        "column",
        "constraint",
        "schema",
        "database",
        "role",
        "user",
        "sequence",
        "function",
        "type",
        "extension",
        "index",
        "file",
        "host",
        "directory",
        "at",
        "publication",
        "subscription",
        "server",
        "view",
        "language",
        "tablespace",
        "domain",
        "parameter",
        "program",
    ];
    let mut clean = String::new();
    let mut rest = message;
    while let Some(open) = rest.find('"') {
        let Some(length) = rest[open + 1..].find('"') else { break };
        let before = &rest[..open];
        let named = before.split_whitespace().next_back().is_some_and(|word| NAMES.contains(&word));
        clean.push_str(before);
        clean.push_str(if named { &rest[open..open + length + 2] } else { "\"…\"" });
        rest = &rest[open + length + 2..];
    }
    // What follows an unclosed quote may be data.
    clean.push_str(rest.split('"').next().unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r45_rows_of_data_do_not_survive_the_reading_of_stderr() {
        let said = "pg_dump: error: Dumping the contents of table \"users\" failed: PQgetResult() failed.\n\
            pg_dump: detail: Error message from server: ERROR:  invalid input syntax for type json: \"canary\"\n\
            DETAIL:  Token \"canary\" is invalid.\nCONTEXT:  COPY users, line 3: \"canary\"\n\
            pg_dump: detail: Command was: COPY public.users (canary) TO stdout;";
        let reason = reason(said);
        assert!(!reason.text.contains("canary"), "{}", reason.text);
        assert!(reason.text.contains("table \"users\""), "{}", reason.text);
    }

    #[test]
    fn the_reason_names_the_sqlstate_and_what_to_do_next() {
        let killed = reason(
            "pg_dump: error: query failed: FATAL:  terminating connection due to administrator command\nserver closed the connection unexpectedly",
        );
        assert!(killed.text.contains("SQLSTATE 57P01"), "{}", killed.text);
        assert_eq!(killed.kind, Kind::Retry);
        let denied = reason("pg_dump: error: query failed: ERROR:  permission denied for table orders");
        assert_eq!((denied.kind, denied.text.contains("orders (SQLSTATE 42501)")), (Kind::Denied, true));
        assert_eq!(reason("pg_dump: error: could not write to file: No space left on device").kind, Kind::NoSpace);
        assert_eq!(reason("").text, "");
    }
}
