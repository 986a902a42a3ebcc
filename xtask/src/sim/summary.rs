use std::fmt;
use std::time::Duration;

use super::report::{Done, SeedFailure};
use crate::process::seconds;

/// A seed in which something was not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) seed: u64,
    /// Which check, and what it found; or how the program itself failed.
    pub(crate) what: String,
}

impl From<SeedFailure> for Failure {
    fn from(failure: SeedFailure) -> Self {
        Self { seed: failure.seed, what: failure.violation }
    }
}

impl Failure {
    /// The command that shows it again, and which faults it takes.
    pub(crate) fn reproduce(&self) -> String {
        format!("cargo xtask sim --seed {}", self.seed)
    }

    /// One line for programs.
    pub(crate) fn json(&self) -> String {
        let Self { seed, what } = self;
        serde_json::json!({ "seed": seed, "violation": what, "reproduce": self.reproduce() }).to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "seed {}: {}\n  again: {}", self.seed, self.what, self.reproduce())
    }
}

/// What many seeds came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    pub(crate) failures: Vec<Failure>,
    events: u64,
    simulated_hours: f64,
    /// Of all processes.
    busy_seconds: f64,
}

impl From<&Done> for Summary {
    fn from(done: &Done) -> Self {
        Self {
            seeds: done.done,
            failures: Vec::new(),
            events: done.events,
            simulated_hours: done.simulated_hours,
            busy_seconds: done.seconds,
        }
    }
}

impl Summary {
    /// Of one seed in which something went wrong.
    pub(crate) fn of_failure(failure: Failure) -> Self {
        Self { seeds: 1, failures: vec![failure], ..Self::default() }
    }

    pub(crate) fn add(&mut self, part: Self) {
        self.seeds += part.seeds;
        self.failures.extend(part.failures);
        self.events += part.events;
        self.simulated_hours += part.simulated_hours;
        self.busy_seconds += part.busy_seconds;
    }

    pub(crate) fn sort(&mut self) {
        self.failures.sort_by_key(|failure| failure.seed);
    }

    /// The last line, for people.
    pub(crate) fn line(&self, took: Duration) -> String {
        let real = took.as_secs_f64().max(0.001);
        format!(
            "{} seeds, {} failed, in {}: {} events ({} a second), {:.0} simulated hours ({:.0} a minute)",
            self.seeds,
            self.failures.len(),
            seconds(took),
            self.events,
            rounded(self.events as f64 / real),
            self.simulated_hours,
            self.simulated_hours * 60.0 / real,
        )
    }

    /// The same, for programs.
    pub(crate) fn json(&self, took: Duration) -> String {
        let Self { seeds, failures, events, simulated_hours, busy_seconds } = self;
        serde_json::json!({
            "done": seeds,
            "failed": failures.len(),
            "events": events,
            "simulated_hours": simulated_hours,
            "seconds": took.as_secs_f64(),
            "busy_seconds": busy_seconds,
        })
        .to_string()
    }
}

/// Three digits say enough.
fn rounded(number: f64) -> u64 {
    let whole = number as u64;
    let unit = 10_u64.pow(whole.checked_ilog10().unwrap_or(0).saturating_sub(2));
    whole / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_failure_says_how_to_see_it_again() {
        let failure = Failure { seed: 7, what: "held: i-1".into() };
        assert_eq!(failure.to_string(), "seed 7: held: i-1\n  again: cargo xtask sim --seed 7");
        let json: Value = serde_json::from_str(&failure.json()).unwrap();
        assert_eq!(json["violation"], "held: i-1");
    }

    #[test]
    fn parts_are_summed_up() {
        let done = Done { done: 8, events: 12_345, seconds: 0.5, simulated_hours: 30.0 };
        let mut summary = Summary::default();
        for _ in 0..2 {
            summary.add(Summary::from(&done));
        }
        assert_eq!(
            summary.line(Duration::from_secs(2)),
            "16 seeds, 0 failed, in 2.0 s: 24690 events (12300 a second), 60 simulated hours (1800 a minute)"
        );
        let json: Value = serde_json::from_str(&summary.json(Duration::from_secs(2))).unwrap();
        assert_eq!(
            (&json["done"], &json["failed"], &json["events"]),
            (&16.into(), &0.into(), &24_690.into())
        );
    }
}
