//! A filter, and what it lets through.

use super::{Kind, compare::Comparison, parse::Parser, regular::Regular};
use serde_json::Value;

/// An expression that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid list filter expression.")]
pub(crate) struct FilterError;

/// A filter. "These two types of filter expressions cannot be mixed in one request."
#[derive(Debug)]
pub(crate) enum Filter {
    /// No expression at all.
    Everything,
    /// One that follows <https://google.aip.dev/160>.
    Logic(Node),
    /// Fields with `eq` and `ne`, which all must match.
    Regular(Vec<RegularTerm>),
}

/// A part of an expression.
#[derive(Debug)]
pub(crate) enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Compare { path: Vec<String>, comparison: Comparison },
}

/// `field eq literal`, or `field ne literal`.
#[derive(Debug)]
pub(crate) struct RegularTerm {
    pub(crate) path: Vec<String>,
    pub(crate) equal: bool,
    pub(crate) literal: Regular,
}

impl Filter {
    pub(crate) fn parse(text: &str, kind: Kind) -> Result<Self, FilterError> {
        if text.trim().is_empty() {
            return Ok(Filter::Everything);
        }
        Parser::new(text, kind).filter()
    }

    pub(crate) fn matches(&self, resource: &Value) -> bool {
        match self {
            Filter::Everything => true,
            Filter::Logic(node) => node.matches(resource),
            Filter::Regular(terms) => terms.iter().all(|term| {
                let found = at(resource, &term.path);
                found.iter().any(|value| text_of(value).is_some_and(|text| term.literal.matches(&text)))
                    == term.equal
            }),
        }
    }
}

impl Node {
    fn matches(&self, resource: &Value) -> bool {
        match self {
            Node::And(nodes) => nodes.iter().all(|node| node.matches(resource)),
            Node::Or(nodes) => nodes.iter().any(|node| node.matches(resource)),
            Node::Not(node) => !node.matches(resource),
            Node::Compare { path, comparison } => comparison.holds(&at(resource, path)),
        }
    }
}

/// What a resource has at a path: of a list, what every element has.
fn at<'a>(resource: &'a Value, path: &[String]) -> Vec<&'a Value> {
    let mut found = vec![resource];
    for name in path {
        found = found.into_iter().flat_map(elements).filter_map(|value| value.get(name)).collect();
    }
    found.into_iter().flat_map(elements).collect()
}

fn elements(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

/// A scalar as text.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, Kind};
    use serde_json::{Value, json};

    fn worker() -> Value {
        json!({
            "name": "worker-1",
            "status": "RUNNING",
            "id": "42",
            "labels": { "pool": "blue", "with-dash": "1", "empty": "" },
            "scheduling": { "automaticRestart": false },
            "cpuPlatform": "Intel Skylake",
            "tags": { "items": ["web", "db"] },
            "networkInterfaces": [{ "networkIP": "10.0.0.2" }, { "networkIP": "10.0.0.3" }],
        })
    }

    fn lets_through(filter: &str) -> bool {
        Filter::parse(filter, Kind::Instance).unwrap_or_else(|_| panic!("{filter}")).matches(&worker())
    }

    #[test]
    fn what_matches() {
        for filter in [
            "",
            "name=worker-1",
            "name = \"worker-1\"",
            "name='worker-1'",
            "name!=worker-2",
            "name<>worker-2",
            "name=worker-*",
            "name:worker-*",
            "labels.pool=blue",
            "labels.pool:blue",
            "labels.pool:*",
            "labels.empty:*",
            "labels.with-dash=1",
            "labels.\"with-dash\"=\"1\"",
            "labels.absent!=x",
            "NOT labels.absent:*",
            "-labels.absent:*",
            "status=RUNNING AND labels.pool=blue",
            "status=RUNNING labels.pool=blue",
            "(status=RUNNING) (labels.pool=blue)",
            "(status=RUNNING)(labels.pool=blue)",
            "status=STAGING OR status=RUNNING",
            "status=STAGING OR status=STOPPING OR status=RUNNING",
            "scheduling.automaticRestart = false",
            "(scheduling.automaticRestart = false) (cpuPlatform = \"Intel Skylake\")",
            "id>=42",
            "id<100",
            "tags.items=db",
            "tags.items:db",
            "networkInterfaces.networkIP=10.0.0.3",
            "NOT (name=a OR name=b)",
        ] {
            assert!(lets_through(filter), "{filter}");
        }
    }

    #[test]
    fn what_does_not() {
        for filter in [
            "name=worker",
            "name=Worker-1",
            "name!=worker-1",
            "name=*-2",
            "labels.pool=red",
            "labels.absent:*",
            "labels.absent=\"\"",
            "status=RUNNING AND labels.pool=red",
            "status=RUNNING labels.pool=red",
            "(status=RUNNING)(labels.pool=red)",
            "NOT status=RUNNING",
            "scheduling.automaticRestart = true",
            "id>42",
            "tags.items=cache",
        ] {
            assert!(!lets_through(filter), "{filter}");
        }
    }

    /// <https://google.aip.dev/160> has it so, unlike most languages.
    #[test]
    fn or_binds_tighter_than_and() {
        assert!(!lets_through("name=worker-1 OR status=STAGING AND labels.pool=red"));
        assert!(lets_through("labels.pool=red OR status=RUNNING AND name=worker-1"));
        assert!(lets_through("name=worker-1 OR (status=STAGING AND labels.pool=red)"));
    }

    #[test]
    fn regular_expressions_match_the_whole_field() {
        for filter in [
            "name eq worker-.*",
            "name eq 'worker-[0-9]+'",
            "name eq \"worker-(1|2)\"",
            "name eq (worker|server)-1",
            "name ne worker",
            "name ne .*instance",
            "(name eq worker-.*) (status ne \"STAGING\")",
            "labels.pool eq bl.e",
            "labels.absent ne x",
        ] {
            assert!(lets_through(filter), "{filter}");
        }
        for filter in [
            "name eq worker",
            "name eq orker-1",
            "name ne worker-1",
            "(name eq worker-.*)(status ne RUNNING)",
        ] {
            assert!(!lets_through(filter), "{filter}");
        }
    }

    #[test]
    fn what_cannot_be_parsed() {
        for filter in [
            "not-a-filter",
            "name=",
            "=x",
            "name==x",
            "(name=x",
            "name=x)",
            "name=\"x",
            "name=x AND",
            "OR name=x",
            "NOT",
            "()",
            "nothing=x",
            "metadata.items.key=x",
            "labels.=x",
            ".name=x",
            "name eq",
            "name eq (",
            "name eq [",
            "(name eq a) OR (name eq b)",
            "(name eq a) (status=RUNNING)",
            "status=RUNNING AND (name eq a)",
            "NOT name eq a",
            "name > *",
        ] {
            assert!(Filter::parse(filter, Kind::Instance).is_err(), "{filter}");
        }
    }

    #[test]
    fn each_kind_has_fields_of_its_own() {
        assert!(Filter::parse("operationType = \"insert\"", Kind::Operation).is_ok());
        assert!(Filter::parse("operationType = \"insert\"", Kind::Instance).is_err());
        assert!(Filter::parse("labels.a=b", Kind::MachineType).is_err());
    }
}
