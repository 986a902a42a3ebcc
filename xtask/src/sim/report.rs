use serde::Deserialize;
use serde_json::Value;

/// A line that the program prints of a batch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Failed(SeedFailure),
    Done(Done),
}

/// A seed in which a check failed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SeedFailure {
    pub(crate) seed: u64,
    /// Which check, and what it found.
    violation: Value,
    /// The faults that are needed for it.
    #[serde(default)]
    pub(crate) faults: Vec<Value>,
}

/// What a whole batch came to.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Done {
    /// How many seeds were run.
    pub(crate) done: u64,
    pub(crate) events: u64,
    /// Of this process.
    pub(crate) seconds: f64,
    pub(crate) simulated_hours: f64,
}

impl Line {
    /// None for what is no such line.
    pub(crate) fn read(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

impl SeedFailure {
    pub(crate) fn violation(&self) -> String {
        match &self.violation {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let failed = r#"{"seed":7,"violation":"one_place: job 3","faults":[1,4],"reproduce":"x"}"#;
        let Some(Line::Failed(failure)) = Line::read(failed) else { panic!("no failure") };
        assert_eq!((failure.seed, failure.violation().as_str()), (7, "one_place: job 3"));
        assert_eq!(failure.faults.len(), 2);
        let done = r#"{"done":8,"events":100,"seconds":0.5,"simulated_hours":12.5}"#;
        let expected = Done { done: 8, events: 100, seconds: 0.5, simulated_hours: 12.5 };
        assert_eq!(Line::read(done), Some(Line::Done(expected)));
        for other in ["", "thread 'main' panicked", r#"{"seed":7}"#, r#"{"done":8}"#] {
            assert_eq!(Line::read(other), None, "{other}");
        }
    }
}
