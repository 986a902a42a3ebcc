use serde::Deserialize;

/// A line that the program prints of a batch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Failed(SeedFailure),
    Done(Done),
}

/// A seed in which a check failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct SeedFailure {
    pub(crate) seed: u64,
    /// Which check, when, and what it found.
    pub(crate) violation: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let failed = r#"{"seed":7,"rule":"a","violation":"a: job 3","faults":["b"],"reproduce":"x"}"#;
        let failure = SeedFailure { seed: 7, violation: "a: job 3".to_owned() };
        assert_eq!(Line::read(failed), Some(Line::Failed(failure)));
        let done = r#"{"done":8,"failed":0,"events":100,"seconds":0.5,"simulated_hours":12.5}"#;
        let expected = Done { done: 8, events: 100, seconds: 0.5, simulated_hours: 12.5 };
        assert_eq!(Line::read(done), Some(Line::Done(expected)));
        for other in ["", "thread 'main' panicked", r#"{"seed":7}"#, r#"{"done":8}"#] {
            assert_eq!(Line::read(other), None, "{other}");
        }
    }
}
