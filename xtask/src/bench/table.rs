use std::fmt;

use comfy_table::{CellAlignment, ContentArrangement, Table as Lines, presets};

use super::row::Row;

/// The figures for people: in the order of their places, else as they were measured. In Markdown, for a page.
pub(super) struct Table<'a>(pub(super) &'a [Row]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines::new();
        lines.load_style(presets::ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        lines.set_header(["group", "figure", "measured", "limit", ""]);
        if let Some(measured) = lines.column_mut(2) {
            measured.set_cell_alignment(CellAlignment::Right);
        }
        let mut rows: Vec<&Row> = self.0.iter().collect();
        rows.sort_by_key(|row| row.place());
        for row in rows {
            lines.add_row([
                row.group.clone(),
                row.is.clone(),
                row.measured.map(|measured| measured.to_string()).unwrap_or_default(),
                row.limit.map(|limit| limit.to_string()).unwrap_or_default(),
                verdict(row).to_owned(),
            ]);
        }
        writeln!(out, "{lines}")
    }
}

fn verdict(row: &Row) -> &'static str {
    match (row.measured, row.met) {
        (None, _) => "NOT MEASURED",
        (_, Some(true)) => "met",
        (_, Some(false)) => "NOT MET",
        (_, None) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::Limit;
    use super::super::quantity::{Quantity, Unit};
    use super::*;

    #[test]
    fn the_table_shows_what_compares_first_and_what_is_not_met() {
        let row = |id: &str, value: Option<f64>, unit, met: Option<bool>| Row {
            group: "jobs".into(),
            id: id.into(),
            is: id.into(),
            measured: value.map(|value| Quantity { value, unit }),
            limit: met.map(|_| Limit::AtMost(Quantity { value: 0.005, unit })),
            met,
        };
        let rows = [
            row("jobs.soon", Some(0.0042), Unit::Seconds, Some(true)),
            row("jobs.late", Some(0.0062), Unit::Seconds, Some(false)),
            row("jobs.never", None, Unit::Seconds, None),
            row("jobs.share", Some(0.7), Unit::Ratio, None),
            row("yardstick.a", Some(900.0), Unit::PerSecond, None),
        ];
        let expected = "\
| group | figure      | measured | limit        |              |
|-------|-------------|----------|--------------|--------------|
| jobs  | yardstick.a |    900/s |              |              |
| jobs  | jobs.share  |     0.7x |              |              |
| jobs  | jobs.soon   |   4.2 ms | at most 5 ms | met          |
| jobs  | jobs.late   |   6.2 ms | at most 5 ms | NOT MET      |
| jobs  | jobs.never  |          |              | NOT MEASURED |
";
        assert_eq!(Table(&rows).to_string(), expected);
    }
}
