use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::args::Pace;
use super::crew;
use super::report::{Done, Line, SeedFailure};
use super::seeds::Seeds;
use super::summary::{Failure, Summary};
use crate::child::{self, Ended};
use crate::error::TaskError;

/// So many chunks for each process, if there are seeds enough: the last ones to end then wait for little.
const CHUNKS_A_PROCESS: u64 = 16;
/// More would be too many to be tried one by one after a process that crashed.
const LONGEST_CHUNK: u64 = 16;

/// Runs all seeds, in as many processes at a time as the pace says, each begun as `program` says. `on_chunk` hears of each part that is done: how many
/// seeds it had, and the failures in it.
///
/// # Errors
/// [`TaskError`] when the program cannot be run. That it crashes or hangs is a failure of its seed.
pub(crate) fn run(
    program: impl Fn() -> Command + Sync,
    seeds: &[Seeds],
    pace: Pace,
    on_chunk: impl Fn(u64, &[Failure]) + Sync,
) -> Result<Summary, TaskError> {
    let jobs = pace.jobs as u64;
    let count: u64 = seeds.iter().map(|seeds| seeds.count()).sum();
    let size = (count / (jobs * CHUNKS_A_PROCESS)).clamp(1, LONGEST_CHUNK);
    let chunks: Mutex<VecDeque<Seeds>> =
        Mutex::new(seeds.iter().flat_map(|seeds| seeds.chunks(size)).collect());
    let total = Mutex::new(Summary::default());
    let work = || -> Result<(), TaskError> {
        while let Some(seeds) = next(&chunks) {
            let Some(part) = run_chunk(program(), seeds, pace)? else {
                // Which of them it was is not known: each has a process of its own.
                let mut chunks = lock(&chunks);
                seeds.chunks(1).for_each(|seed| chunks.push_back(seed));
                continue;
            };
            on_chunk(seeds.count(), &part.failures);
            lock(&total).add(part);
        }
        Ok(())
    };
    crew::run(pace.jobs, work)?;
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.sort();
    Ok(total)
}

/// A worker that finds nothing ends, although another may put single seeds back: that one will run them.
fn next(chunks: &Mutex<VecDeque<Seeds>>) -> Option<Seeds> {
    lock(chunks).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One process. None if it did not do all of its several seeds.
fn run_chunk(mut command: Command, seeds: Seeds, pace: Pace) -> Result<Option<Summary>, TaskError> {
    let mut failures = Vec::new();
    let mut done = None;
    // Who looks into a seed that failed has its faults looked for then: that takes hundreds of runs.
    command.args(["batch", "--no-shrink", "--seeds", &seeds.to_string()]);
    let ended = child::run(&mut command, pace.limit, |line| {
        match Line::read(line) {
            Some(Line::Failed(failure)) => failures.push(failure),
            Some(Line::Done(all)) => done = Some(all),
            None => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(result(seeds, failures, done, &ended))
}

fn result(seeds: Seeds, failures: Vec<SeedFailure>, done: Option<Done>, ended: &Ended) -> Option<Summary> {
    let expected_code = i32::from(!failures.is_empty());
    if let Some(done) = done
        && done.done == seeds.count()
        && ended.code() == Some(expected_code)
    {
        let mut summary = Summary::from(&done);
        summary.failures = failures.into_iter().map(Failure::from).collect();
        return Some(summary);
    }
    if seeds.count() > 1 {
        return None;
    }
    let failure = Failure { seed: seeds.first(), what: ended.to_string() };
    Some(Summary::of_failure(failure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// Does as a simulation would in which seed 5 breaks a rule, and whatever else is asked for by seed.
    fn run_shell(special: &str, seeds: &str, limit: Duration) -> Summary {
        let script = format!(
            "from=${{4%..*}} to=${{4#*..}} code=0 seed=$from
             while [ $seed -lt $to ]; do
             case $seed in
             5) echo '{{\"seed\":5,\"violation\":\"held: i-1\"}}'; code=1;;
             {special}
             esac
             seed=$((seed+1))
             done
             echo '{{\"done\":'$((to-from))',\"events\":10,\"seconds\":1,\"simulated_hours\":2}}'
             exit $code"
        );
        let program = || {
            let mut command = Command::new("sh");
            command.args(["-c", &script, "sh"]);
            command
        };
        run(program, &[seeds.parse().unwrap()], Pace { jobs: 2, limit }, |_, _| {}).unwrap()
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn all_seeds_are_run_and_failures_are_collected() {
        let summary = run_shell("", "0..100", LONG);
        assert_eq!(summary.seeds, 100);
        assert_eq!(summary.failures.len(), 1);
        assert_eq!((summary.failures[0].seed, summary.failures[0].what.as_str()), (5, "held: i-1"));
    }

    #[test]
    fn a_seed_that_crashes_is_found_among_those_that_do_not() {
        let summary = run_shell("33) echo oh >&2; exit 101;;", "0..100", LONG);
        assert_eq!(summary.seeds, 100);
        let seeds: Vec<u64> = summary.failures.iter().map(|failure| failure.seed).collect();
        assert_eq!(seeds, [5, 33]);
        assert_eq!(summary.failures[1].what, "the program ended with exit status: 101: oh");
    }

    #[test]
    fn a_seed_that_hangs_is_named() {
        let summary = run_shell("1) exec sleep 600;;", "0..3", Duration::from_millis(500));
        assert_eq!(summary.seeds, 3);
        assert_eq!(summary.failures.len(), 1);
        assert_eq!(summary.failures[0].seed, 1);
        assert!(summary.failures[0].what.starts_with("it hangs"), "{summary:?}");
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_error() {
        let pace = Pace { jobs: 2, limit: LONG };
        let result = run(|| Command::new("/no/such/program"), &[Seeds::one(0)], pace, |_, _| {});
        assert!(matches!(result, Err(TaskError::Start { .. })));
    }
}
