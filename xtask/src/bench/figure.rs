use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Words with dots between them.
    pub(crate) id: String,
    #[serde(flatten)]
    pub(crate) quantity: Quantity,
}

impl Figure {
    /// A line of a measuring program; none if it says something else.
    pub(super) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::quantity::Unit;
    use super::*;

    #[test]
    fn a_line_of_a_measuring_program_is_a_figure() {
        let figure = Figure::read(r#"{"id":"jobs.four_workers","value":1234.5,"unit":"per_second"}"#);
        let quantity = Quantity { value: 1234.5, unit: Unit::PerSecond };
        assert_eq!(figure, Some(Figure { id: "jobs.four_workers".into(), quantity }));
        assert_eq!(Figure::read("Benchmarking state/start_job/10000"), None);
    }
}
