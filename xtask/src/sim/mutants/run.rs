use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::copy::{Copy, VARIABLE};
use super::list::{self, Mutant, Trial};
use super::table::Table;
use super::trial::{self, Verdict};
use crate::built;
use crate::error::TaskError;
use crate::process::{repository_root, seconds};
use crate::sim::args::Pace;
use crate::sim::progress::Progress;
use crate::sim::{batch, crew, scenarios};

/// Runs the mutants that are named, or all. Whether every one of them was caught, and what is run to catch them passes
/// without; none if the build fails.
pub(crate) fn run(names: &[String], pace: Pace) -> Result<Option<bool>, TaskError> {
    let root = repository_root();
    let all = list::read(&root)?;
    let mutants = list::chosen(&all, names)?;
    let started = Instant::now();
    // All in one program, also when few are named: then it need not be built again for others.
    let copy = Copy::make(&root, built::target_folder()?, &all)?;
    let Some(program) = copy.build()? else { return Ok(None) };
    let built = started.elapsed();
    println!("{} mutants in one program, built in {}", all.len(), seconds(built));

    let started = Instant::now();
    if !passes_without(&program, &mutants, pace)? {
        println!("error: the program fails without a mutant: that must be put right first");
        return Ok(Some(false));
    }
    println!("without a mutant all passes, in {}", seconds(started.elapsed()));

    let started = Instant::now();
    let verdicts = try_all(&program, &mutants, pace)?;
    print!("{}", Table(&verdicts));
    let caught = verdicts.iter().filter(|verdict| verdict.is_caught()).count();
    println!("{} mutants, {caught} caught, in {}", verdicts.len(), seconds(started.elapsed()));
    let untried =
        all.iter().filter(|mutant| mutant.not_caught.is_some() && !mutants.contains(mutant)).count();
    if untried > 0 {
        println!(
            "{untried} more were not tried, as nothing finds them so far: {} says why of each",
            list::LIST
        );
    }
    Ok(Some(caught == verdicts.len()))
}

/// Whether all that is run to catch the mutants passes while none is switched on.
fn passes_without(program: &Path, mutants: &[Mutant], pace: Pace) -> Result<bool, TaskError> {
    let plain = || {
        let mut command = Command::new(program);
        command.env_remove(VARIABLE);
        command
    };
    let mut passes = true;
    for trial in trials(mutants) {
        match trial {
            Trial::Seeds(seeds) => {
                let progress = Progress::new(seeds.count(), "seeds without a mutant");
                let summary = batch::run(plain, &[seeds], pace, |count, _| progress.add(count))?;
                drop(progress);
                summary.failures.iter().for_each(|failure| println!("{failure}"));
                passes &= summary.failures.is_empty();
            }
            Trial::Scenario(name) => {
                let end = scenarios::run(plain(), &name, pace)?;
                if !end.passed() {
                    println!("{}\n{}", end.line(), end.what());
                    passes = false;
                }
            }
        }
    }
    Ok(passes)
}

/// What is run for any of them, each once: of seeds the widest range from each first one.
fn trials(mutants: &[Mutant]) -> Vec<Trial> {
    let all: BTreeSet<&Trial> = mutants.iter().map(|mutant| &mutant.run).collect();
    let is_within_another = |trial: &Trial| {
        let Trial::Seeds(seeds) = trial else { return false };
        all.iter().any(|other| match other {
            Trial::Seeds(wider) => seeds.first() == wider.first() && seeds.count() < wider.count(),
            Trial::Scenario(_) => false,
        })
    };
    all.iter().filter(|trial| !is_within_another(trial)).map(|trial| (*trial).clone()).collect()
}

fn try_all(program: &Path, mutants: &[Mutant], pace: Pace) -> Result<Vec<Verdict>, TaskError> {
    let waiting: Mutex<VecDeque<(usize, &Mutant)>> = Mutex::new(mutants.iter().enumerate().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let progress = Progress::new(mutants.len() as u64, "mutants");
    let work = || -> Result<Vec<(usize, Verdict)>, TaskError> {
        let mut verdicts = Vec::new();
        while let Some((place, mutant)) = next() {
            verdicts.push((place, trial::run(program, mutant, pace)?));
            progress.add(1);
        }
        Ok(verdicts)
    };
    let parts = crew::run(pace.jobs, work)?;
    let mut verdicts: Vec<(usize, Verdict)> = parts.into_iter().flatten().collect();
    verdicts.sort_by_key(|(place, _)| *place);
    Ok(verdicts.into_iter().map(|(_, verdict)| verdict).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_without_is_tried_once() {
        let mutant = |run: Trial| Mutant {
            name: "a".into(),
            rules: Vec::new(),
            file: String::new(),
            find: String::new(),
            replace: String::new(),
            run,
            not_caught: None,
        };
        let seeds = |text: &str| Trial::Seeds(text.parse().unwrap());
        let scenario = Trial::Scenario("lost".into());
        let all = [
            seeds("0..20"),
            scenario.clone(),
            seeds("0..50"),
            seeds("0..50"),
            seeds("7..9"),
            scenario.clone(),
        ]
        .map(mutant);
        assert_eq!(trials(&all), [seeds("0..50"), seeds("7..9"), scenario]);
    }
}
