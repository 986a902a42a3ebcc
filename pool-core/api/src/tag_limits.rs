//! What tags a provider can store.

use crate::Tags;

/// What tags a provider can store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TagLimits {
    /// How many on one instance, the pool's own included.
    pub count: usize,
    /// Longest name, in characters.
    pub name_length: usize,
    /// Longest value, in characters.
    pub value_length: usize,
}

/// A tag that a provider would refuse.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the tag {name:?}: {problem}")]
pub struct TagError {
    /// Its name, cut to 80 characters.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl TagError {
    /// A tag and what is wrong with it.
    pub fn new(name: &str, problem: impl Into<String>) -> Self {
        Self { name: name.chars().take(80).collect(), problem: problem.into() }
    }
}

impl TagLimits {
    /// Checks tags that are to be on one instance together, so that what the provider would refuse is refused before any
    /// call.
    ///
    /// ```
    /// use pool_api::{TagLimits, Tags};
    ///
    /// let limits = TagLimits { count: 50, name_length: 128, value_length: 256 };
    /// let tags: Tags = [("owner", "x".repeat(300))].into_iter().collect();
    /// let error = limits.check(&tags).unwrap_err();
    /// assert_eq!(error.to_string(), "the tag \"owner\": the value is longer than 256 characters");
    /// ```
    ///
    /// # Errors
    /// The first bad one; where they are too many, the first that is too much.
    pub fn check(self, tags: &Tags) -> Result<(), TagError> {
        for (index, (name, value)) in tags.iter().enumerate() {
            let problem = if index >= self.count {
                format!("is one tag too many: {} are wanted, and {} allowed", tags.len(), self.count)
            } else if name.is_empty() {
                "a tag needs a name".to_owned()
            } else if name.chars().count() > self.name_length {
                format!("the name is longer than {} characters", self.name_length)
            } else if value.chars().count() > self.value_length {
                format!("the value is longer than {} characters", self.value_length)
            } else {
                continue;
            };
            return Err(TagError::new(name, problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TagLimits = TagLimits { count: 2, name_length: 128, value_length: 256 };

    fn problem(name: &str, value: &str) -> Option<String> {
        LIMITS.check(&[(name, value)].into_iter().collect()).err().map(|bad| bad.problem)
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(problem(&"\u{e9}".repeat(128), &"\u{e9}".repeat(256)), None);
        assert!(problem(&"\u{e9}".repeat(129), "").is_some_and(|text| text.contains("128")));
        assert!(problem("a", &"\u{e9}".repeat(257)).is_some_and(|text| text.contains("256")));
        assert!(problem("", "a").is_some());
        assert_eq!(problem("A name, with anything: in it\n", ""), None);
    }

    #[test]
    fn the_first_tag_that_is_too_much_is_named() {
        let tags: Tags = (0..3).map(|n| (format!("tag{n}"), "")).collect();
        assert_eq!(TagLimits { count: 3, ..LIMITS }.check(&tags), Ok(()));
        let bad = LIMITS.check(&tags).unwrap_err();
        assert_eq!((bad.name.as_str(), bad.problem.contains("3 are wanted, and 2")), ("tag2", true));
    }
}
