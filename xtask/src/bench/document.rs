use std::fmt;

use serde::Serialize;

use super::commit::Commit;
use super::machine::Machine;
use super::row::Row;
use super::table::Table;

/// Something could not be measured.
const EXIT_UNMEASURED: u8 = 3;

/// All that came of it: as JSON for programs, or shown for people.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    pub(super) machine: Machine,
    pub(super) commit: Option<Commit>,
    pub(super) figures: Vec<Row>,
    /// Groups that have not ended well.
    pub(super) failed: Vec<Failed>,
}

/// A group that has not ended well.
#[derive(Debug, Serialize)]
pub(super) struct Failed {
    pub(super) group: String,
    pub(super) why: String,
}

impl Document {
    /// A limit that is not met counts most, then what could not be measured. Nothing at all is no success.
    pub(super) fn verdict(&self) -> u8 {
        if self.figures.iter().any(|row| row.met == Some(false)) {
            1
        } else if !self.failed.is_empty()
            || self.figures.is_empty()
            || self.figures.iter().any(|row| row.measured.is_none())
        {
            EXIT_UNMEASURED
        } else {
            0
        }
    }
}

impl fmt::Display for Document {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.machine)?;
        if let Some(commit) = &self.commit {
            writeln!(out, "{commit}")?;
        }
        write!(out, "\n{}\n", Table(&self.figures))?;
        let count = |met: Option<bool>| self.figures.iter().filter(|row| row.met == met).count();
        let unmeasured = self.figures.iter().filter(|row| row.measured.is_none()).count();
        write!(out, "{} figures: ", self.figures.len() - unmeasured)?;
        write!(out, "{} limits met, {} not met", count(Some(true)), count(Some(false)))?;
        if unmeasured > 0 {
            write!(out, ", {unmeasured} not measured")?;
        }
        writeln!(out)?;
        for Failed { group, why } in &self.failed {
            writeln!(out, "{group}: {why}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantity::{Quantity, Unit};
    use super::*;

    fn document(rows: &[(Option<f64>, Option<bool>)], failed: &[&str]) -> Document {
        let row = |&(value, met): &(Option<f64>, Option<bool>)| Row {
            group: "a".into(),
            id: "a.b".into(),
            is: "it".into(),
            measured: value.map(|value| Quantity { value, unit: Unit::Seconds }),
            limit: None,
            met,
        };
        Document {
            machine: Machine::this().unwrap(),
            commit: None,
            figures: rows.iter().map(row).collect(),
            failed: failed
                .iter()
                .map(|group| Failed { group: (*group).to_owned(), why: "oh".to_owned() })
                .collect(),
        }
    }

    #[test]
    fn only_figures_that_are_all_there_and_within_their_limits_are_a_success() {
        let (fine, bad, missing) = ((Some(1.0), Some(true)), (Some(9.0), Some(false)), (None, None));
        assert_eq!(document(&[fine, (Some(1.0), None)], &[]).verdict(), 0);
        assert_eq!(document(&[fine, bad, missing], &["a"]).verdict(), 1);
        assert_eq!(document(&[fine, missing], &[]).verdict(), EXIT_UNMEASURED);
        assert_eq!(document(&[fine], &["a"]).verdict(), EXIT_UNMEASURED);
        assert_eq!(document(&[], &[]).verdict(), EXIT_UNMEASURED);
    }

    #[test]
    fn the_last_lines_say_how_it_went() {
        let text = document(&[(Some(1.0), Some(true)), (None, None)], &["a"]).to_string();
        assert!(text.ends_with("1 figures: 1 limits met, 0 not met, 1 not measured\na: oh\n"), "{text}");
    }
}
