use serde::{Deserialize, Serialize};

/// What a driver's conformance program reports with `--json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct DriverReport {
    pub(crate) driver: String,
    pub(crate) live: bool,
    pub(crate) seconds: f64,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) excluded: usize,
    pub(crate) trials: Vec<Trial>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trial {
    pub(crate) name: String,
    /// The clause of the contract that it checks.
    pub(crate) clause: String,
    /// What goes wrong in a pool when it fails.
    pub(crate) reason: String,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Excluded(String),
}

/// A measured part of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) seconds: f64,
}

/// How a driver's conformance program has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Ended {
    Ran(DriverReport),
    /// The filter names none of its trials.
    NothingToRun,
    /// Something that it needs is not there; it has said what.
    Missing,
    BuildFailed,
    /// It has not done what a conformance program does.
    Broken(String),
}
