//! What came out of a run.

use serde::Serialize;
use std::{io, path::Path, time::Duration};

/// How a trial ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "snake_case")]
pub enum Outcome {
    /// The driver does what it must.
    Passed,
    /// What the driver does wrong.
    Failed(String),
    /// Why it cannot be found out.
    Excluded(String),
}

/// One trial's part of the report.
#[derive(Clone, Debug, Serialize)]
pub struct TrialReport {
    /// What the driver must do.
    pub name: String,
    /// The clause of the contract that says so.
    pub clause: String,
    /// What goes wrong in a pool when it does not.
    pub reason: String,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took.
    pub seconds: f64,
    /// What was measured on the way, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

/// A part of a trial that took its time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Step {
    /// Which.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// What came out of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of which driver.
    pub driver: String,
    /// Whether with real machines.
    pub live: bool,
    /// How long it took.
    pub seconds: f64,
    /// How many trials have passed, the last checks of the run included.
    pub passed: usize,
    /// How many have failed.
    pub failed: usize,
    /// How many were excluded.
    pub excluded: usize,
    /// All of them, by name.
    pub trials: Vec<TrialReport>,
}

impl Report {
    /// Of these trials, by name; the order in which they ended is chance.
    pub(crate) fn new(driver: &str, live: bool, took: Duration, mut trials: Vec<TrialReport>) -> Self {
        trials.sort_by(|a, b| a.name.cmp(&b.name));
        let count = |of: fn(&Outcome) -> bool| trials.iter().filter(|trial| of(&trial.outcome)).count();
        Self {
            driver: driver.to_owned(),
            live,
            seconds: took.as_secs_f64(),
            passed: count(|outcome| *outcome == Outcome::Passed),
            failed: count(|outcome| matches!(outcome, Outcome::Failed(_))),
            excluded: count(|outcome| matches!(outcome, Outcome::Excluded(_))),
            trials,
        }
    }

    /// Writes it as JUnit XML, a form that CI systems read.
    pub(crate) fn write_junit(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.junit()?)
    }

    fn junit(&self) -> io::Result<String> {
        use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
        let mut suite = TestSuite::new(format!("conformance.{}", self.driver));
        suite.set_time(Duration::from_secs_f64(self.seconds));
        for trial in &self.trials {
            let status = match &trial.outcome {
                Outcome::Passed => TestCaseStatus::success(),
                Outcome::Failed(why) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(why).set_type(&trial.clause).set_description(&trial.reason);
                    status
                }
                Outcome::Excluded(why) => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(why);
                    status
                }
            };
            let mut case = TestCase::new(&trial.name, status);
            case.set_classname(format!("conformance.{}", self.driver));
            case.set_time(Duration::from_secs_f64(trial.seconds));
            suite.add_test_case(case);
        }
        let mut report = quick_junit::Report::new("conformance");
        report.add_test_suite(suite);
        report.to_string().map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let trial = |name: &str, outcome| TrialReport {
            name: name.to_owned(),
            clause: "clause 2".to_owned(),
            reason: "half a list would destroy jobs".to_owned(),
            outcome,
            seconds: 0.5,
            steps: Vec::new(),
        };
        let trials = vec![
            trial("c", Outcome::Excluded("no pages".into())),
            trial("b", Outcome::Failed("2 < 3 & \"odd\"".into())),
            trial("a", Outcome::Passed),
        ];
        Report::new("cloud", false, Duration::from_secs(2), trials)
    }

    #[test]
    fn trials_are_counted_and_in_order() {
        let report = report();
        assert_eq!((report.passed, report.failed, report.excluded), (1, 1, 1));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["trials"][0]["outcome"], "passed");
        assert_eq!(json["trials"][1]["outcome"], "failed");
        assert_eq!(json["trials"][1]["detail"], "2 < 3 & \"odd\"");
    }

    #[test]
    fn junit_has_failures_and_reasons_for_skipping() {
        let xml = report().junit().unwrap();
        assert!(xml.contains(r#"tests="3" skipped="1" errors="0" failures="1""#), "{xml}");
        assert!(
            xml.contains(r#"<failure message="2 &lt; 3 &amp; &quot;odd&quot;" type="clause 2">"#),
            "{xml}"
        );
        assert!(xml.contains(r#"<skipped message="no pages"/>"#), "{xml}");
    }
}
