use serde::Serialize;

use super::figure::Figure;
use super::limits::{Entry, Limit, Limits, LimitsError};
use super::quantity::{Quantity, Unit};

/// What is measured beside all else.
const YARDSTICK: &str = "yardstick.";

/// A figure that was measured, or should have been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) group: String,
    pub(super) id: String,
    /// In words.
    pub(super) is: String,
    /// None if it was not measured.
    #[serde(flatten)]
    pub(super) measured: Option<Quantity>,
    pub(super) limit: Option<Limit>,
    /// None without a limit, or not measured.
    pub(super) met: Option<bool>,
}

/// All that a group has measured and should have.
pub(super) fn of_group(name: &str, figures: &[Figure], limits: &Limits) -> Result<Vec<Row>, LimitsError> {
    let mut rows = Vec::new();
    for entry in limits.group(name) {
        let measured = measured(entry, figures);
        rows.push(Row {
            group: name.to_owned(),
            id: entry.id.clone(),
            is: entry.is.clone(),
            measured,
            limit: entry.limit(),
            met: measured.map(|measured| entry.is_met(measured)).transpose()?.flatten(),
        });
    }
    // All else is listed, too.
    for figure in figures {
        if rows.iter().all(|row| row.id != figure.id) {
            rows.push(Row {
                group: name.to_owned(),
                id: figure.id.clone(),
                is: limits.words(&figure.id).unwrap_or(&figure.id).to_owned(),
                measured: Some(figure.quantity),
                limit: None,
                met: None,
            });
        }
    }
    Ok(rows)
}

fn measured(entry: &Entry, figures: &[Figure]) -> Option<Quantity> {
    let find = |id: &str| figures.iter().find(|figure| figure.id == id).map(|figure| figure.quantity);
    let Some((of, to)) = entry.ratio() else { return find(&entry.id) };
    let (of, to) = (find(of)?, find(to)?);
    (of.unit == to.unit).then(|| Quantity { value: of.value / to.value, unit: Unit::Ratio })
}

/// A part of the table, from its top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Yardsticks,
    Ratios,
    Figures,
}

impl Row {
    /// Its place in the table: what the machine can do, then what depends least on the machine, then all else.
    pub(super) fn place(&self) -> Place {
        if self.id.starts_with(YARDSTICK) {
            Place::Yardsticks
        } else if self.measured.is_some_and(|measured| measured.unit == Unit::Ratio) {
            Place::Ratios
        } else {
            Place::Figures
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(id: &str, value: f64, unit: Unit) -> Figure {
        Figure { id: id.to_owned(), quantity: Quantity { value, unit } }
    }

    const LIST: &str = "[[group]]\nname = 'jobs'\nfigures = [
        { id = 'jobs.soon', is = 'soon', at_most = '1s' },
        { id = 'jobs.never', is = 'never', at_most = '1s' },
        { id = 'jobs.growth', is = 'growth', of = 'jobs.late', to = 'jobs.soon', at_most = '2x' },
        ]\n[[group]]\nname = 'other'\nfigures = [{ id = 'yardstick.a', is = 'a yardstick' }]";

    #[test]
    fn what_was_measured_and_what_should_have_been_is_listed() {
        let limits = Limits::read(LIST).unwrap();
        let figures = [
            figure("yardstick.a", 1.0, Unit::PerSecond),
            figure("jobs.late", 3.0, Unit::Seconds),
            figure("jobs.soon", 1.0, Unit::Seconds),
        ];
        let rows = of_group("jobs", &figures, &limits).unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|row| (row.is.as_str(), row.measured.map(|measured| measured.value), row.met))
            .collect();
        assert_eq!(
            told,
            [
                ("soon", Some(1.0), Some(true)),
                ("never", None, None),
                ("growth", Some(3.0), Some(false)),
                ("a yardstick", Some(1.0), None),
                ("jobs.late", Some(3.0), None),
            ]
        );
        let places: Vec<_> = rows.iter().map(Row::place).collect();
        use Place::{Figures, Ratios, Yardsticks};
        assert_eq!(places, [Figures, Figures, Ratios, Yardsticks, Figures]);
    }

    #[test]
    fn what_is_not_measured_says_so_to_programs() {
        let limits = Limits::read(LIST).unwrap();
        let rows = of_group("other", &[], &limits).unwrap();
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[0]["id"], "yardstick.a");
        assert_eq!(json[0].get("value"), None);
    }
}
