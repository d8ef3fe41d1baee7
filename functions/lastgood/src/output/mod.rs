//! How the command speaks: results on stdout, everything else on stderr; tables for people, JSON for programs.

pub mod progress;
pub mod table;

use lastgood_core::error::{Result, failed};
use serde::Serialize;
use std::io::Write;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Tables and sentences.
    People,
    /// One JSON document.
    Programs,
}

/// Prints a result on stdout. A reader that went away (`| head`) is no error.
pub fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(failed("writing the result").because(error)),
        _ => Ok(()),
    }
}

/// Prints a result as JSON on stdout.
pub fn say_json<T: Serialize>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| failed("writing the result").because(error))?;
    say(&text)
}

/// Prints a remark on stderr, redacted.
pub fn remark(text: &str) {
    let mut err = std::io::stderr().lock();
    // Where stderr is closed there is nobody to tell.
    let _ = writeln!(err, "{}", lastgood_core::redact::text(text));
}
