use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::args::Pace;
use crate::child::{self, Ended};
use crate::error::TaskError;
use crate::process::{output_of, seconds};

/// A scenario that was run.
#[derive(Debug)]
pub(crate) struct ScenarioEnd {
    pub(crate) name: String,
    pub(crate) ended: Ended,
    /// What it printed.
    said: Vec<String>,
    took: Duration,
}

impl ScenarioEnd {
    pub(crate) fn passed(&self) -> bool {
        self.ended.code() == Some(0)
    }

    pub(crate) fn line(&self) -> String {
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        format!("{verdict} {:>8}  {}", seconds(self.took), self.name)
    }

    /// What a check said.
    pub(crate) fn violation(&self) -> String {
        let told = self.said.iter().find_map(|line| line.strip_prefix("BROKEN: "));
        told.map_or_else(|| self.what(), str::to_owned)
    }

    /// What went wrong, in short: what it said, or how it ended.
    pub(crate) fn what(&self) -> String {
        if self.ended.code() == Some(1) && !self.said.is_empty() {
            return self.said.join("\n");
        }
        self.ended.to_string()
    }
}

/// The names of all scenarios.
pub(crate) fn names(program: &Path) -> Result<Vec<String>, TaskError> {
    let output = output_of(Command::new(program).arg("list"))?;
    Ok(names_in(&String::from_utf8_lossy(&output)))
}

/// The first word of each line; what is indented only describes it.
fn names_in(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// Runs one scenario.
pub(crate) fn run(mut command: Command, name: &str, pace: Pace) -> Result<ScenarioEnd, TaskError> {
    // Who looks into a failure has its faults looked for then: that takes hundreds of runs.
    command.args(["scenario", "--no-shrink", name]);
    let began = Instant::now();
    let mut said = Vec::new();
    let ended = child::run(&mut command, pace.limit, |line| {
        said.push(line.to_owned());
        ControlFlow::Continue(())
    })?;
    Ok(ScenarioEnd { name: name.to_owned(), ended, said, took: began.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_descriptions() {
        assert_eq!(
            names_in("lost-list  a list fails\n    in the middle\ntwo-pools\n\n"),
            ["lost-list", "two-pools"]
        );
    }
}
