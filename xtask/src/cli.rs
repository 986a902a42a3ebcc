use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::{TaskError, with_sources};
use crate::{bench, ci, conformance, process, sim, test, tidy};

/// A task could not do its work, or something that it needs is missing.
const EXIT_CANNOT_RUN: u8 = 3;

/// The project's own tasks.
///
/// Exit codes: 0 all is well; 1 a test or a check failed; 2 the command line is wrong;
/// 3 something that the task needs is missing; 4 the build failed.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Check what the tests need, build, run every test, and print a summary
    Test(test::TestArgs),
    /// Try whether drivers keep the contract, and print a table of trials by driver
    Conformance(conformance::ConformanceArgs),
    /// Run the pool and its program in a simulated cloud with faults, and check what must always hold
    Sim(sim::SimArgs),
    /// Measure the program and its parts, and hold the figures against their limits
    Bench(bench::BenchArgs),
    /// Check what no compiler sees: file lengths, manifests, links, parity rows, leftovers
    Tidy,
    /// Do what CI does besides the tests: format, lints, documentation, tidy, dependency rules
    Ci,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.task {
        Task::Test(args) => test::run(&args),
        Task::Conformance(args) => conformance::run(&args),
        Task::Sim(args) => sim::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Tidy => run_tidy(),
        Task::Ci => ci::run(&names()),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", with_sources(&error));
        ExitCode::from(EXIT_CANNOT_RUN)
    })
}

/// The names of all tasks, for the check that documents name only tasks that exist.
fn names() -> Vec<String> {
    Cli::command().get_subcommands().map(|task| task.get_name().to_owned()).collect()
}

fn run_tidy() -> Result<ExitCode, TaskError> {
    let report = tidy::check_repository(&process::repository_root(), &names())?;
    for finding in &report.findings {
        println!("{finding}");
    }
    if report.findings.is_empty() {
        println!("tidy: {} files, nothing to do", report.files);
        return Ok(ExitCode::SUCCESS);
    }
    println!("tidy: {} files, {} to do", report.files, report.findings.len());
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn task_names_are_those_that_a_user_types() {
        assert_eq!(names(), ["test", "conformance", "sim", "bench", "tidy", "ci"]);
    }
}
