//! Comparisons of a field with a value.

use super::expression::text_of;
use serde_json::Value;
use std::cmp::Ordering;

/// "The operator must be either `=`, `!=`, `>`, `<`, `<=`, `>=` or `:`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Has,
}

/// An operator and the value at its right.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) operator: Operator,
    pub(crate) value: String,
    /// A quoted `*` is a star, and nothing else.
    pub(crate) quoted: bool,
}

impl Comparison {
    /// Whether the comparison holds for any of a field's values. Nothing equals a field that is not there,
    /// and so `!=` holds.
    pub(crate) fn holds(&self, found: &[&Value]) -> bool {
        match self.operator {
            Operator::Has if self.value == "*" && !self.quoted => !found.is_empty(),
            Operator::Equal | Operator::Has => found.iter().any(|value| self.equals(value)),
            Operator::NotEqual => !found.iter().any(|value| self.equals(value)),
            Operator::Less => self.any_is(found, Ordering::is_lt),
            Operator::LessOrEqual => self.any_is(found, Ordering::is_le),
            Operator::Greater => self.any_is(found, Ordering::is_gt),
            Operator::GreaterOrEqual => self.any_is(found, Ordering::is_ge),
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match value {
            Value::Bool(flag) => self.value.eq_ignore_ascii_case(if *flag { "true" } else { "false" }),
            Value::Number(number) => number.as_f64() == self.value.parse().ok(),
            Value::String(text) => self.is_like(text),
            _ => false,
        }
    }

    /// A text that may start or end with a `*`, which stands for anything: <https://google.aip.dev/160>.
    fn is_like(&self, text: &str) -> bool {
        let end = self.value.strip_suffix('*');
        let start = self.value.strip_prefix('*');
        match (start, end) {
            (Some(start), Some(_)) => text.contains(start.strip_suffix('*').unwrap_or(start)),
            (Some(start), None) => text.ends_with(start),
            (None, Some(end)) => text.starts_with(end),
            (None, None) => text == self.value,
        }
    }

    fn any_is(&self, found: &[&Value], wanted: impl Fn(Ordering) -> bool) -> bool {
        found.iter().filter_map(|value| text_of(value)).any(|text| {
            let numbers = (text.parse::<f64>(), self.value.parse::<f64>());
            let ordering = match numbers {
                (Ok(left), Ok(right)) => left.partial_cmp(&right),
                _ => Some(text.as_str().cmp(&self.value)),
            };
            ordering.is_some_and(&wanted)
        })
    }
}
