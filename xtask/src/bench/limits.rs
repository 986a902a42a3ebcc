use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize};

use super::quantity::{Quantity, Unit};
use crate::error::TaskError;

/// The list of figures, from the repository's top folder.
pub(crate) const LIMITS: &str = "poold/bench/limits.toml";

/// Why the list is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitsError {
    #[error("it cannot be read")]
    Unreadable(#[from] toml::de::Error),
    #[error("{0} is there twice: give each figure one line")]
    Twice(String),
    #[error("{0} has at_most and at_least: give it one of them")]
    TwoLimits(String),
    #[error("{0} is made of other figures: give it both `of` and `to`")]
    HalfARatio(String),
    #[error("{id} is measured in {measured:?}, but its limit is {limit}")]
    OtherUnit { id: String, measured: Unit, limit: Quantity },
}

/// What the figures are in words, and what they may be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(rename = "group")]
    groups: Vec<GroupOfFigures>,
}

/// The figures of what is measured together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupOfFigures {
    /// As `--only` calls it.
    name: String,
    figures: Vec<Entry>,
}

/// A figure that must be measured.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// In words.
    pub(crate) is: String,
    #[serde(default, deserialize_with = "quantity")]
    at_most: Option<Quantity>,
    #[serde(default, deserialize_with = "quantity")]
    at_least: Option<Quantity>,
    /// The figure is this one…
    of: Option<String>,
    /// …as a multiple of that one.
    to: Option<String>,
}

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    AtMost(Quantity),
    AtLeast(Quantity),
}

fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Quantity>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(serde::de::Error::custom)
}

impl Limits {
    /// Those of the repository.
    pub(super) fn of(repository: &Path) -> Result<Self, TaskError> {
        let path = repository.join(LIMITS);
        let text = fs::read_to_string(&path).map_err(|source| TaskError::Read { path, source })?;
        Ok(Self::read(&text)?)
    }

    pub(super) fn read(text: &str) -> Result<Self, LimitsError> {
        let limits: Self = toml::from_str(text)?;
        let mut ids = BTreeSet::new();
        for entry in limits.groups.iter().flat_map(|group| &group.figures) {
            let id = || entry.id.clone();
            if !ids.insert(&entry.id) {
                return Err(LimitsError::Twice(id()));
            }
            if entry.at_most.is_some() && entry.at_least.is_some() {
                return Err(LimitsError::TwoLimits(id()));
            }
            if entry.of.is_some() != entry.to.is_some() {
                return Err(LimitsError::HalfARatio(id()));
            }
        }
        Ok(limits)
    }

    /// The figures of a group, in order.
    pub(super) fn group(&self, name: &str) -> impl Iterator<Item = &Entry> {
        self.groups.iter().filter(move |group| group.name == name).flat_map(|group| &group.figures)
    }

    /// What a figure is in words, whichever group measures it.
    pub(super) fn words(&self, id: &str) -> Option<&str> {
        let mut entries = self.groups.iter().flat_map(|group| &group.figures);
        entries.find(|entry| entry.id == id).map(|entry| entry.is.as_str())
    }

    /// The groups that it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| group.name.as_str())
    }
}

impl Entry {
    pub(super) fn limit(&self) -> Option<Limit> {
        self.at_most.map(Limit::AtMost).or(self.at_least.map(Limit::AtLeast))
    }

    /// The ids of the two figures that it is made of, if it is.
    pub(super) fn ratio(&self) -> Option<(&str, &str)> {
        self.of.as_deref().zip(self.to.as_deref())
    }

    /// Whether what was measured is within the limit; none if there is no limit.
    pub(super) fn is_met(&self, measured: Quantity) -> Result<Option<bool>, LimitsError> {
        let Some(limit) = self.limit() else { return Ok(None) };
        let (Limit::AtMost(bound) | Limit::AtLeast(bound)) = limit;
        if bound.unit != measured.unit {
            return Err(LimitsError::OtherUnit {
                id: self.id.clone(),
                measured: measured.unit,
                limit: bound,
            });
        }
        Ok(Some(match limit {
            Limit::AtMost(bound) => measured.value <= bound.value,
            Limit::AtLeast(bound) => measured.value >= bound.value,
        }))
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(bound) => write!(out, "at most {bound}"),
            Self::AtLeast(bound) => write!(out, "at least {bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::BENCHES;
    use super::*;
    use crate::process::repository_root;

    fn read(figure: &str) -> Result<Limits, LimitsError> {
        Limits::read(&format!("[[group]]\nname = 'a'\nfigures = [{{ id = 'a.b', is = 'it', {figure} }}]"))
    }

    fn measured(value: f64, unit: Unit) -> Quantity {
        Quantity { value, unit }
    }

    #[test]
    fn a_figure_is_held_against_its_limit() {
        let limits = read("at_most = '5us'").unwrap();
        let entry = limits.group("a").next().unwrap();
        assert_eq!(entry.is_met(measured(5e-6, Unit::Seconds)).unwrap(), Some(true));
        assert_eq!(entry.is_met(measured(5.1e-6, Unit::Seconds)).unwrap(), Some(false));
        assert!(matches!(entry.is_met(measured(1.0, Unit::Bytes)), Err(LimitsError::OtherUnit { .. })));
        assert_eq!(limits.group("b").count(), 0);

        let limits = read("at_least = '1000/s'").unwrap();
        let entry = limits.group("a").next().unwrap();
        assert_eq!(entry.limit().unwrap().to_string(), "at least 1,000/s");
        assert_eq!(entry.is_met(measured(999.0, Unit::PerSecond)).unwrap(), Some(false));
        assert_eq!(entry.is_met(measured(1000.0, Unit::PerSecond)).unwrap(), Some(true));
    }

    #[test]
    fn a_figure_may_be_made_of_two_others() {
        let limits = read("of = 'a.c', to = 'a.d'").unwrap();
        let entry = limits.group("a").next().unwrap();
        assert_eq!(entry.ratio(), Some(("a.c", "a.d")));
        assert_eq!(entry.is_met(measured(2.0, Unit::Ratio)).unwrap(), None);
    }

    #[test]
    fn a_list_that_contradicts_itself_is_refused() {
        assert!(matches!(read("at_most = '1s', at_least = '1s'"), Err(LimitsError::TwoLimits(_))));
        assert!(matches!(read("of = 'a.c'"), Err(LimitsError::HalfARatio(_))));
        assert!(matches!(read("at_most = '5 parsecs'"), Err(LimitsError::Unreadable(_))));
        assert!(matches!(read("limit = '1s'"), Err(LimitsError::Unreadable(_))));
        let twice = "[[group]]\nname = 'a'\nfigures = [{ id = 'b', is = 'it' }, { id = 'b', is = 'it' }]";
        assert!(matches!(Limits::read(twice), Err(LimitsError::Twice(_))));
    }

    #[test]
    fn the_list_of_the_repository_can_be_read() {
        let limits = Limits::of(&repository_root()).unwrap();
        let names: Vec<&str> = limits.names().collect();
        for (bench, _) in BENCHES {
            assert!(names.contains(&bench), "{bench} has no figures");
        }
    }
}
