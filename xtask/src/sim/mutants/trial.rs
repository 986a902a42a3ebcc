use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use super::copy::VARIABLE;
use super::list::{Mutant, Trial};
use crate::child;
use crate::error::TaskError;
use crate::sim::args::Pace;
use crate::sim::report::{Line, SeedFailure};
use crate::sim::scenarios;

/// What became of a mutant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) name: String,
    pub(crate) rules: Vec<String>,
    pub(crate) result: Caught,
}

/// Whether a check found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Caught {
    /// A check failed: what it said, and after how many seeds; none for a scenario.
    By { violation: String, seeds: Option<u64> },
    /// All passed.
    Not,
    /// The program did not end as it should.
    Broken(String),
}

impl Verdict {
    pub(crate) fn is_caught(&self) -> bool {
        matches!(self.result, Caught::By { .. })
    }
}

/// Runs the program with this mutant switched on until a check finds it, or all that was to be run has been.
pub(crate) fn run(program: &Path, mutant: &Mutant, pace: Pace) -> Result<Verdict, TaskError> {
    let mut command = Command::new(program);
    command.env(VARIABLE, &mutant.name);
    let result = match &mutant.run {
        Trial::Scenario(scenario) => {
            let end = scenarios::run(command, scenario, pace)?;
            match end.ended.code() {
                Some(0) => Caught::Not,
                Some(1) => Caught::By { violation: end.violation(), seeds: None },
                _ => Caught::Broken(end.what()),
            }
        }
        Trial::Seeds(seeds) => {
            command.args(["batch", "--no-shrink", "--seeds", &seeds.to_string()]);
            let mut found: Option<SeedFailure> = None;
            let ended = child::run(&mut command, pace.limit, |line| {
                let Some(Line::Failed(failure)) = Line::read(line) else { return ControlFlow::Continue(()) };
                found = Some(failure);
                ControlFlow::Break(())
            })?;
            match found {
                Some(failure) => Caught::By {
                    violation: failure.violation,
                    seeds: Some((failure.seed + 1).saturating_sub(seeds.first())),
                },
                None if ended.code() == Some(0) => Caught::Not,
                None => Caught::Broken(ended.to_string()),
            }
        }
    };
    Ok(Verdict { name: mutant.name.clone(), rules: mutant.rules.clone(), result })
}
