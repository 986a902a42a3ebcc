//! Runs it: one life of the program, from its first list of instances until nothing is left to do.

use super::{job_list::JobList, ledger::Ledger, observer::Observer, progress::Progress};
use crate::{
    api::{ErrorCode, Service as _, ServiceError, Submission},
    config::ServeConfig,
    dispatcher::PassReport,
    job::JobRequest,
    simulation::{
        Program, ProgramPlan, begin_life, beginning_of_time, command, memory_directory, paused_runtime,
        place_of,
    },
};
use driver_loopback::{
    LoopbackConfig,
    sim::{SimCloud, SimCounters, SimEnd, SimJob, SimOptions},
};
use pool_core::{JobSpec, RunId};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Most jobs that are submitted together.
const BATCH: usize = 10_000;
/// How long the request of a call to the provider takes, and its answer.
const CALL: Duration = Duration::from_millis(50);
/// Gauges that nobody reads are brought up to date so often.
const SELDOM: Duration = Duration::from_secs(24 * 60 * 60);

/// What is simulated.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) config: ServeConfig,
    pub(super) provider: LoopbackConfig,
    pub(super) jobs: JobList,
    pub(super) until: Duration,
}

/// Why it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nothing will happen any more.
    Done,
    /// The time was over.
    Until,
}

/// What has happened.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) end: End,
    /// When it ended.
    pub(super) at: Duration,
    pub(super) ledger: Ledger,
    pub(super) counters: SimCounters,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("the simulation cannot be run")]
    System(#[from] io::Error),
    #[error("the program has ended by itself: {0}")]
    Ended(String),
    #[error("{line}: poold serve would refuse the jobs that are submitted {at} after the start: {message}")]
    Refused { line: String, at: humantime::FormattedDuration, message: String },
    #[error("interrupted")]
    Interrupted,
}

/// Simulates it. Ends early when `interrupted` is set.
///
/// # Errors
/// [`RunError`].
pub(super) fn simulate(setup: Setup, interrupted: &Arc<AtomicBool>) -> Result<Outcome, RunError> {
    let (pool, until) = (&setup.config.pool, setup.until);
    let ledger = Ledger::new(setup.jobs.jobs(), &pool.instance_types, pool.min_idle.clone());
    let observer = Observer::new(ledger, Progress::new(), Arc::clone(interrupted));
    let cloud = SimCloud::new(setup.provider.clone(), options(&setup.jobs));
    let seen = observer.clone();
    cloud.observe(Box::new(move |now, event| seen.see(now, event)));
    let directory = memory_directory("poold-simulate-")?;
    let runtime = paused_runtime()?;
    let (ended, now) = runtime.block_on(async {
        let ended = live(setup, &cloud, &observer, directory.path()).await;
        // The world's clock goes with the runtime's.
        (ended, cloud.now())
    });
    // Every task of the program ends here.
    drop(runtime);
    observer.finish();
    let end = ended?;
    let empty = Ledger::new(0, &[], BTreeMap::new());
    let (ledger, at) = observer.ledger(|ledger| {
        let at = ledger.time(now).min(until);
        ledger.close(at);
        (std::mem::replace(ledger, empty), at)
    });
    Ok(Outcome { end, at, ledger, counters: cloud.counters() })
}

fn options(jobs: &JobList) -> SimOptions {
    let does: Vec<(Duration, i32)> = jobs
        .lines
        .iter()
        .flat_map(|line| std::iter::repeat_n((line.takes, line.exit_code), line.copies))
        .collect();
    let mut options = SimOptions::new(beginning_of_time(), move |_: &RunId, spec: &JobSpec| {
        let (takes, exit_code) =
            place_of(&spec.command).and_then(|place| does.get(place)).copied().unwrap_or_default();
        SimJob { end: SimEnd::Exit(exit_code), ..SimJob::quiet(takes) }
    });
    // Milliseconds change no answer that is counted in minutes. That jobs that start together end together saves the
    // scheduler most of its passes.
    options.call_latency = CALL..=CALL;
    options.line_latency = Duration::ZERO..=Duration::ZERO;
    options
}

/// Jobs that are submitted at the same time.
struct Wave {
    at: Duration,
    jobs: Vec<JobRequest>,
    /// Where the first of them was read.
    line: String,
}

/// Who submits what, in the order of time and of the list.
fn waves(jobs: &JobList) -> Vec<Wave> {
    let mut waves: BTreeMap<Duration, Wave> = BTreeMap::new();
    let mut place = 0;
    for line in &jobs.lines {
        let wave = waves.entry(line.at).or_insert_with(|| Wave {
            at: line.at,
            jobs: Vec::new(),
            line: format!("{}:{}", jobs.file, line.line),
        });
        for _ in 0..line.copies {
            wave.jobs.push(bare(&line.request, place));
            place += 1;
        }
    }
    waves.into_values().collect()
}

/// All of a job that makes a difference.
fn bare(request: &JobRequest, place: usize) -> JobRequest {
    JobRequest {
        group: request.group.clone(),
        cpus: request.cpus,
        memory: request.memory,
        scratch: request.scratch,
        gpus: request.gpus,
        preemptible: request.preemptible,
        priority: request.priority,
        time_limit: request.time_limit,
        attempts: request.attempts,
        rerun_if_unknown: request.rerun_if_unknown,
        ..JobRequest::new(command(place))
    }
}

async fn live(
    mut setup: Setup,
    cloud: &SimCloud,
    observer: &Observer,
    directory: &Path,
) -> Result<End, RunError> {
    begin_life(cloud);
    setup.config.pool.metrics_interval = SELDOM;
    let plan = ProgramPlan {
        number: 0,
        life: 1,
        seed: setup.provider.seed,
        dir: directory.join("state"),
        config: setup.config,
        ahead: 0,
        reads_apart: false,
    };
    let (world, seen) = (cloud.clone(), observer.clone());
    let watch = move |report: &PassReport<'_>| seen.pass(world.now(), report);
    let mut program = Program::start(plan, cloud, watch)?;
    let mut deadline = Instant::now() + setup.until;
    // Whoever submits jobs does not wait for the first list of instances: poold has run for long.
    while !program.pool.view().loaded {
        // Each pass wakes it. (With a second subscriber of the pool chance would say who is woken first.)
        // Cancel safety: waits for ends, notices and timers, which lose nothing.
        tokio::select! {
            biased;
            why = program.ended() => return Err(RunError::Ended(why)),
            () = observer.woken() => {}
            () = sleep_until(deadline) => return Ok(End::Until),
        }
        if observer.is_interrupted() {
            return Err(RunError::Interrupted);
        }
    }
    let began = Instant::now();
    // The world counts whole milliseconds, and cuts off the rest.
    deadline = began + setup.until + Duration::from_millis(1);
    observer.ledger(|ledger| ledger.begin(cloud.now()));
    let mut waves = waves(&setup.jobs).into_iter().peekable();
    loop {
        if observer.is_interrupted() {
            return Err(RunError::Interrupted);
        }
        if observer.ledger(|ledger| ledger.is_done()) {
            return Ok(End::Done);
        }
        let next = waves.peek().map(|wave| began + wave.at);
        let wake = next.filter(|at| *at <= deadline);
        // Cancel safety: as above.
        tokio::select! {
            biased;
            why = program.ended() => return Err(RunError::Ended(why)),
            () = observer.woken() => {}
            () = sleep_until(wake.unwrap_or(deadline)) => match (wake, waves.next()) {
                (Some(_), Some(wave)) => submit(&mut program, wave).await?,
                _ => return Ok(End::Until),
            },
        }
    }
}

async fn submit(program: &mut Program, wave: Wave) -> Result<(), RunError> {
    let Wave { at, jobs, line } = wave;
    let mut jobs = jobs.into_iter().peekable();
    while jobs.peek().is_some() {
        let batch = jobs.by_ref().take(BATCH).collect();
        match program.handle.submit(Submission { request_id: None, jobs: batch }).await {
            Ok(_) => {}
            Err(ServiceError { code: ErrorCode::Stopping, .. }) => {
                return Err(RunError::Ended(program.ended().await));
            }
            Err(error) => {
                let at = humantime::format_duration(at);
                return Err(RunError::Refused { line, at, message: error.message });
            }
        }
    }
    Ok(())
}
