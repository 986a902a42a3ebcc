//! Times, commands and tables for people.

use super::harmless::harmless_line;
use crate::job::Moment;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use pool_core::Resources;
use std::time::Duration;

/// Longest text in a cell of a table, in characters.
const MAX_CELL: usize = 40;

/// A table without lines. Columns that begin with `>` are aligned to the right.
pub(crate) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| column.trim_start_matches('>')));
    for (at, column) in columns.iter().enumerate() {
        if let Some(shown) = table.column_mut(at) {
            shown.set_padding((0, 2));
            if column.starts_with('>') {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table
}

/// What is reserved, in words.
pub(super) fn resources(reserved: &Resources) -> String {
    let Resources { cpus, memory, scratch, gpus } = reserved;
    format!("{} CPUs, {memory} memory, {scratch} scratch, {gpus} GPUs", cpus.as_f64())
}

/// A cell with a text of others.
pub(super) fn cell(text: &str) -> Cell {
    let mut shown: String = harmless_line(text);
    if let Some((end, _)) = shown.char_indices().nth(MAX_CELL) {
        shown.truncate(end);
        shown.push('…');
    }
    Cell::new(shown)
}

/// The same for what need not be there.
pub(super) fn optional(text: Option<&impl ToString>) -> Cell {
    text.map_or_else(|| Cell::new("-"), |text| cell(&text.to_string()))
}

/// For how long, in its two largest units: `3m 12s`.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let Some(largest) = units.iter().position(|(unit, _)| seconds >= *unit) else {
        return format!("{}ms", duration.as_millis());
    };
    let (unit, name) = units[largest];
    let mut text = format!("{}{name}", seconds / unit);
    if let Some((smaller, name)) = units.get(largest + 1)
        && let count @ 1.. = seconds % unit / smaller
    {
        text.push_str(&format!(" {count}{name}"));
    }
    text
}

pub(super) fn ago(moment: Moment, now: Moment) -> String {
    format!("{} ago", duration(now.since(moment)))
}

/// A command as a shell would take it.
pub(super) fn command_line(command: &[String]) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_=+./:,@%".contains(c))
    };
    let quote = |word: &String| {
        if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    command.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let cases = [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (192_000, "3m 12s"),
            (3_600_000, "1h"),
            (3_659_000, "1h"),
            (7_260_000, "2h 1m"),
            (200_000_000, "2d 7h"),
        ];
        for (millis, expected) in cases {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
        assert_eq!(ago(Moment(5000), Moment(0)), "0ms ago", "clocks jump");
    }

    #[test]
    fn a_command_can_be_copied_into_a_shell() {
        let command = ["sh", "-c", "echo it's", ""].map(str::to_owned);
        assert_eq!(command_line(&command), r"sh -c 'echo it'\''s' ''");
    }

    #[test]
    fn a_cell_is_short_and_on_one_line() {
        let mut table = table(&["a", ">b"]);
        table.add_row([cell(&"x\n".repeat(100)), cell("\u{1b}[2J")]);
        let lines: Vec<String> = table.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].contains("x\\nx\\n") && lines[1].contains("\\x1b[2J"), "{lines:?}");
    }
}
