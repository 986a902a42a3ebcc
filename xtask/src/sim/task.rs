use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::args::{Choice, Pace, SimArgs};
use super::progress::Progress;
use super::seeds::Seeds;
use super::summary::Failure;
use super::{batch, crew, mutants, program, regressions, scenarios, twice};
use crate::built;
use crate::error::TaskError;
use crate::process::{repository_root, seconds};

const EXIT_BUILD_FAILED: u8 = 4;

pub(crate) fn run(args: &SimArgs) -> Result<ExitCode, TaskError> {
    let pace = args.pace();
    if let Choice::Mutants(names) = args.choice() {
        return Ok(match mutants::run(names, pace)? {
            Some(all_caught) => verdict(all_caught),
            None => ExitCode::from(EXIT_BUILD_FAILED),
        });
    }
    let Some(program) = program::build()? else { return Ok(ExitCode::from(EXIT_BUILD_FAILED)) };
    match args.choice() {
        Choice::Seed(seed) => passed_on(&program, &args.seed_arguments(seed)),
        Choice::List => passed_on(&program, &["list".to_owned()]),
        Choice::Scenarios([name]) => passed_on(&program, &args.scenario_arguments(name)),
        Choice::Scenarios(names) => run_scenarios(&program, names, pace),
        Choice::AllScenarios => run_scenarios(&program, &scenarios::names(&program)?, pace),
        Choice::Twice(seeds) => run_twice(&program, seeds, pace),
        Choice::Seeds(seeds) => run_seeds(&program, &[seeds], pace, args.json()),
        Choice::Regressions => {
            run_seeds(&program, &regressions::seeds(&repository_root())?, pace, args.json())
        }
        Choice::Mutants(_) => unreachable!("done above"),
    }
}

fn verdict(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The program's exit codes are this one's: 0, 1 and 2.
fn passed_on(program: &Path, arguments: &[String]) -> Result<ExitCode, TaskError> {
    let code = program::run(program, arguments)?;
    let code = code.and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn run_seeds(program: &Path, seeds: &[Seeds], pace: Pace, json: bool) -> Result<ExitCode, TaskError> {
    let started = Instant::now();
    let progress = Progress::new(seeds.iter().map(|seeds| seeds.count()).sum(), "seeds");
    let told = |failure: &Failure| {
        if json { failure.json() } else { failure.to_string() }
    };
    let summary = batch::run(
        || Command::new(program),
        seeds,
        pace,
        |count, failures| {
            failures.iter().for_each(|failure| progress.say(told(failure)));
            progress.add(count);
        },
    )?;
    drop(progress);
    let took = started.elapsed();
    if json {
        println!("{}", summary.json(took));
    } else {
        if !summary.failures.is_empty() {
            let failed: Vec<String> =
                summary.failures.iter().map(|failure| failure.seed.to_string()).collect();
            println!("failed seeds: {}", failed.join(" "));
        }
        println!("{}", summary.line(took));
    }
    Ok(verdict(summary.failures.is_empty()))
}

fn run_twice(program: &Path, seeds: Seeds, pace: Pace) -> Result<ExitCode, TaskError> {
    let started = Instant::now();
    let folder = built::target_folder()?.join("sim-logs");
    let progress = Progress::new(seeds.count(), "seeds");
    let differing = twice::run(program, &folder, seeds, pace, &progress)?;
    drop(progress);
    let took = seconds(started.elapsed());
    println!("{} seeds, each twice, {} differ, in {took}", seeds.count(), differing.len());
    Ok(verdict(differing.is_empty()))
}

fn run_scenarios(program: &Path, names: &[String], pace: Pace) -> Result<ExitCode, TaskError> {
    let started = Instant::now();
    let left = Mutex::new(names.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || -> Result<usize, TaskError> {
        let mut failed = 0;
        while let Some(name) = next() {
            let end = scenarios::run(Command::new(program), name, pace)?;
            if end.passed() {
                println!("{}", end.line());
            } else {
                failed += 1;
                println!("{}\n{}\n  again: cargo xtask sim --scenario {name}", end.line(), end.what());
            }
        }
        Ok(failed)
    };
    let failed: usize = crew::run(pace.jobs, work)?.into_iter().sum();
    println!("{} scenarios, {failed} failed, in {}", names.len(), seconds(started.elapsed()));
    // None at all would be no success.
    Ok(verdict(failed == 0 && !names.is_empty()))
}
