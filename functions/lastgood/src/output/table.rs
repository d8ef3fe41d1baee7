//! Tables: plain columns, no boxes, as wide as the terminal.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use lastgood_core::{
    clock::{Timestamp, since},
    domain::span::human,
};
use std::time::Duration;

/// Returns an empty table with these columns.
pub fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(columns.iter().map(|column| Cell::new(column).add_attribute(Attribute::Bold)));
    table
}

/// Returns the table as text, without the spaces that end its lines.
pub fn text(table: &Table) -> String {
    table.to_string().lines().map(|line| line.trim_start_matches(' ').trim_end()).collect::<Vec<_>>().join("\n")
}

/// How a word of state is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Bad,
    /// Nothing is known.
    Dim,
}

/// Returns a word of state in its colour; without a terminal it is plain.
pub fn toned(word: &str, tone: Tone) -> Cell {
    let colour = match tone {
        Tone::Good => Color::Green,
        Tone::Warning => Color::Yellow,
        Tone::Bad => Color::Red,
        Tone::Dim => Color::DarkGrey,
    };
    Cell::new(word).fg(colour)
}

/// Returns bytes for people: `612 B`, `4.2 MB`.
pub fn bytes(count: u64) -> String {
    indicatif::DecimalBytes(count).to_string()
}

/// Returns how long ago something was: `3h 12m ago`.
pub fn ago(now: Timestamp, then: Timestamp) -> String {
    match since(now, then).as_secs() {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", age(seconds)),
    }
}

/// Returns an age in whole seconds for people: `3h 12m`.
pub fn age(seconds: u64) -> String {
    if seconds < 10 { format!("{seconds}s") } else { human(Duration::from_secs(seconds)) }
}

/// Returns a moment to the second, in UTC.
pub fn moment(at: Timestamp) -> String {
    at.to_zoned(lastgood_core::clock::UTC).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
