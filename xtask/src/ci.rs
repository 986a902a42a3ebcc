use std::fmt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::ci_template;
use crate::ci_trees::TREE_RULES;
use crate::error::{TaskError, with_sources};
use crate::process::{cargo, output_of, repository_root, seconds, shown, succeeds};
use crate::tidy;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    /// What the step needs is not installed.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

struct Step {
    name: String,
    outcome: Outcome,
    took: Duration,
}

/// Runs every step, also after one has failed, so that one run shows all there is to do.
pub(crate) fn run(tasks: &[String]) -> Result<ExitCode, TaskError> {
    let mut steps = Vec::new();
    for mut command in commands() {
        steps.push(step(shown(&command), || Ok(passed(succeeds(&mut command)?))));
    }
    steps.push(step("the driver template".into(), || Ok(passed(ci_template::run()?))));
    steps.push(step("cargo xtask tidy".into(), || run_tidy(tasks)));
    for rule in &TREE_RULES {
        steps.push(step(format!("cargo tree: {}", rule.claim), || Ok(passed(rule.holds()?))));
    }
    steps.push(step("cargo deny check bans licenses sources".into(), run_deny));

    println!("\n== summary");
    for step in &steps {
        println!("{:<7} {:>12}  {}", step.outcome, seconds(step.took), step.name);
    }
    Ok(verdict(&steps))
}

/// The whole workspace, all features: nothing that is not tested by default may rot unseen.
fn commands() -> Vec<Command> {
    let mut doc = cargo(["doc", "--locked", "--workspace", "--all-features", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    vec![
        cargo(["fmt", "--all", "--check"]),
        cargo([
            "clippy",
            "--locked",
            "--workspace",
            "--all-features",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
        cargo(["check", "--locked", "--package", "pool-core", "--no-default-features"]),
        doc,
    ]
}

fn passed(yes: bool) -> Outcome {
    if yes { Outcome::Passed } else { Outcome::Failed }
}

fn step(name: String, work: impl FnOnce() -> Result<Outcome, TaskError>) -> Step {
    println!("\n== {name}");
    let started = Instant::now();
    let outcome = work().unwrap_or_else(|error| {
        eprintln!("error: {}", with_sources(&error));
        Outcome::Failed
    });
    let took = started.elapsed();
    println!("-- {outcome}, {}", seconds(took));
    Step { name, outcome, took }
}

fn run_tidy(tasks: &[String]) -> Result<Outcome, TaskError> {
    let report = tidy::check_repository(&repository_root(), tasks)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    Ok(passed(report.findings.is_empty()))
}

/// Without `advisories`: their database comes from a git server, which not every network reaches.
fn run_deny() -> Result<Outcome, TaskError> {
    if output_of(&mut cargo(["deny", "--version"])).is_err() {
        println!("not installed: `cargo install --locked cargo-deny`");
        return Ok(Outcome::Skipped);
    }
    let mut deny = cargo(["deny", "--locked", "--all-features", "check", "--hide-inclusion-graph"]);
    deny.args(["bans", "licenses", "sources"]);
    Ok(passed(succeeds(&mut deny)?))
}

fn verdict(steps: &[Step]) -> ExitCode {
    let failed = steps.iter().filter(|step| step.outcome == Outcome::Failed).count();
    let took: Duration = steps.iter().map(|step| step.took).sum();
    println!("{} steps, {failed} failed, {}", steps.len(), seconds(took));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(outcome: Outcome) -> Step {
        step("a".into(), || Ok(outcome))
    }

    #[test]
    fn one_failed_step_fails_the_run_and_a_skipped_one_does_not() {
        let fine = [finished(Outcome::Passed), finished(Outcome::Skipped)];
        assert_eq!(verdict(&fine), ExitCode::SUCCESS);
        let broken = [finished(Outcome::Failed), finished(Outcome::Passed)];
        assert_eq!(verdict(&broken), ExitCode::FAILURE);
    }

    #[test]
    fn a_step_that_cannot_run_has_failed() {
        let step = step("a".into(), || Ok(passed(succeeds(&mut Command::new("no-such-program-here"))?)));
        assert_eq!(step.outcome, Outcome::Failed);
    }
}
