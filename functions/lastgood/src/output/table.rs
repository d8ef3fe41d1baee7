//! Tables: plain columns, no boxes; on a terminal that is too narrow for them, blocks of lines.

use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use lastgood_core::{
    clock::{Timestamp, since},
    domain::span::human,
};
use std::time::Duration;

/// The spaces between two columns.
const GAP: u16 = 2;

/// Returns an empty table with these columns.
pub fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| Cell::new(column).add_attribute(Attribute::Bold)));
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, GAP));
    });
    table
}

/// Returns the table as text. No cell is ever broken, so that ids and keys can be copied: where the terminal is too narrow
/// for the rows, each becomes a block of lines.
pub fn text(table: &Table) -> String {
    let wide: u16 = table.column_max_content_widths().iter().map(|width| width.saturating_add(GAP)).sum();
    match table.width() {
        Some(terminal) if wide.saturating_sub(GAP) > terminal => blocks(table),
        Some(_) | None => lines(table),
    }
}

/// Returns a table whose columns from this one on are sentences, which may be broken between words.
pub fn sentences(mut table: Table, from: usize) -> String {
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.column_iter_mut().take(from).for_each(|column| {
        column.set_constraint(ColumnConstraint::ContentWidth);
    });
    lines(&table)
}

/// The rows, without the spaces that end them.
fn lines(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn blocks(table: &Table) -> String {
    let names: Vec<_> = table.header().into_iter().flat_map(comfy_table::Row::cell_iter).map(Cell::content).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let block = |row: &comfy_table::Row| {
        let pairs = names.iter().zip(row.cell_iter()).map(|(name, cell)| format!("{name:<longest$}  {}", cell.content()));
        pairs.collect::<Vec<_>>().join("\n")
    };
    table.row_iter().map(block).collect::<Vec<_>>().join("\n\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(width: u16) -> Table {
        let mut listing = table(&["ASSET", "", "ARTIFACT"]);
        listing.set_width(width);
        listing.add_row(["orders-db", "done", "exports/orders-db/orders-db_daily_20261120_020000.dump.zst"]);
        listing
    }

    #[test]
    fn a_narrow_terminal_gets_blocks_and_no_key_is_broken() {
        let key = "exports/orders-db/orders-db_daily_20261120_020000.dump.zst";
        assert_eq!(text(&listing(80)), format!("ASSET      {:4}  ARTIFACT\norders-db  done  {key}", ""));
        assert_eq!(text(&listing(60)), format!("ASSET     orders-db\n          done\nARTIFACT  {key}"));
    }

    #[test]
    fn sentences_wrap_below_themselves() {
        let mut plan = table(&["BACKUP", "WHY"]);
        plan.set_width(30);
        plan.add_row(["01M7WEZ7Y06N0ZFHR9WS", "newest data; newest proven"]);
        let said = sentences(plan, 1);
        assert!(said.lines().skip(2).all(|line| line.starts_with(&" ".repeat(22))), "{said}");
    }

    #[test]
    fn ages_are_whole_seconds() {
        let now: Timestamp = "2026-11-20T02:00:10.5Z".parse().unwrap();
        let at = |text: &str| ago(now, text.parse().unwrap());
        assert_eq!([at("2026-11-20T02:00:10Z"), at("2026-11-20T02:00:07Z"), at("2026-11-20T01:00:10Z")], ["just now", "3s ago", "1h ago"]);
        assert_eq!([age(0), age(70)], ["0s", "1m 10s"]);
    }
}
