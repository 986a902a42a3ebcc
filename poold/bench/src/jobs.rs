//! Jobs from end to end: through the command line, the queue, SSH and the runner, and back.

use crate::{
    error::BenchError,
    report::{Unit, rate, say, spread},
    serving::{Serving, beside_this},
    yardsticks,
};
use std::{fs, path::Path, time::Duration};

/// Jobs whose rate is measured.
const JOBS: usize = 10_000;
/// Jobs that follow one another on one worker.
const IN_A_ROW: usize = 500;
/// Jobs that are waited for, each before the next is submitted.
const WAITED_FOR: usize = 50;
/// How often the program is started.
const STARTS: usize = 5;

pub(crate) fn run(dir: &Path) -> Result<(), BenchError> {
    one_worker(&dir.join("one"))?;
    four_workers(&dir.join("four"))
}

/// What a user sees who waits: one worker for one job at a time.
fn one_worker(dir: &Path) -> Result<(), BenchError> {
    let serving = Serving::begin(dir, 1, 1)?;
    let waits: Result<Vec<_>, _> =
        (0..WAITED_FOR).map(|_| serving.time(&["submit", "--wait", "--", "true"])).collect();
    spread("jobs.submit_wait", waits?)?;

    let stamp = beside_this("poold-bench-stamp")?;
    let stamps = dir.join("stamps");
    let (stamp, file) = (stamp.to_string_lossy(), stamps.to_string_lossy());
    let in_a_row = IN_A_ROW.to_string();
    serving.run(&["submit", "--wait", "--array", &in_a_row, "--", &stamp, &file])?;
    let stamps = fs::read_to_string(&stamps).map_err(BenchError::failed("read the jobs' times"))?;
    let mut times = stamps
        .lines()
        .map(|line| {
            let (began, ended) = line.split_once(' ').unwrap_or_default();
            Ok((began.parse()?, ended.parse()?))
        })
        .collect::<Result<Vec<(u64, u64)>, std::num::ParseIntError>>()
        .map_err(BenchError::failed("read a job's times"))?;
    times.sort_unstable();
    if times.len() != IN_A_ROW {
        return Err(BenchError::Wrong(format!("{} jobs ran, not {IN_A_ROW}", times.len())));
    }
    let gaps = times.windows(2).map(|pair| Duration::from_nanos(pair[1].0.saturating_sub(pair[0].1)));
    spread("jobs.exit_to_next_start", gaps.collect())?;
    Ok(())
}

/// What it can do: four workers for four jobs at a time each.
fn four_workers(dir: &Path) -> Result<(), BenchError> {
    let mut serving = Serving::begin(dir, 4, 4)?;
    // Once before: what is loaded, made and grown for the first jobs is there for all others.
    serving.run(&["submit", "--wait", "--array", "100", "--", "true"])?;
    let jobs = JOBS.to_string();
    let took = serving.time(&["submit", "--wait", "--array", &jobs, "--", "true"])?;
    let jobs_rate = rate("jobs.four_workers", JOBS, took)?;
    let spawn_rate = yardsticks::spawn_and_wait()?;
    say("jobs.four_workers.share_of_spawn", jobs_rate / spawn_rate, Unit::Ratio)?;

    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        serving.stop()?;
        starts.push(serving.start()?);
    }
    spread("serve.cold_start", starts)?;

    // Jobs of priority 0 wait: nothing else goes on.
    let took = serving.time(&["submit", "--array", &jobs, "--priority", "0", "--", "true"])?;
    say("submit.ten_thousand", took.as_secs_f64(), Unit::Seconds)?;
    Ok(())
}
