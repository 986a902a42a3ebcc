//! What the cloud keeps beside an instance: the pool's memory across crashes.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names and values that a provider stores with an instance and returns with each list.
///
/// Ordered by name, so that what is shown and recorded is the same each time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    /// No tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of a tag.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a tag, in place of an older value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds all of `other`, whose values win over those that were there.
    pub fn extend(&mut self, other: &Tags) {
        self.0.extend(other.iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// True when every tag of `filter` is here with the same value. An empty filter matches all.
    pub fn matches(&self, filter: &Tags) -> bool {
        filter.iter().all(|(name, value)| self.get(name) == Some(value))
    }

    /// All tags, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(tags: I) -> Self {
        Self(tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_matches_when_all_its_tags_are_there() {
        let tags: Tags = [("set", "a"), ("type", "small")].into_iter().collect();
        assert!(tags.matches(&Tags::new()));
        assert!(tags.matches(&[("set", "a")].into_iter().collect()));
        assert!(!tags.matches(&[("set", "b")].into_iter().collect()));
        assert!(!tags.matches(&[("set", "a"), ("more", "")].into_iter().collect()));
    }
}
