//! The demo's loop: what the plan says is done, and what ends is collected.

use super::{
    instances::Instances,
    load::Expected,
    progress::Progress,
    queue::{Queue, Stage},
};
use pool_core::{
    InstanceView, JobEnd, JobId, JobStatus, Notice, Outcome, OutputStream, Phase, PlanOptions, Pool,
    ReadError, RunEnd, StartJob, plan,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// Most bytes of each stream of a job that are kept.
const OUTPUT_LIMIT: usize = 4 << 20;
/// Output of a job that has ended lies ready: a worker that does not hand it over by then will not.
const COLLECT_LIMIT: Duration = Duration::from_secs(15);
/// The demo's end, whatever happens.
const TIME_LIMIT: Duration = Duration::from_secs(120);
/// For the instances to go at the end.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(20);

/// A job whose output was fetched, or could not be.
struct Collected {
    job: JobId,
    end: Box<RunEnd>,
    problem: Option<CollectError>,
}

/// Why a job's output is not on disk.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] std::io::Error),
    #[error("the worker did not hand it over in time")]
    TimedOut,
}

/// The loop and what it knows.
pub(crate) struct Dispatcher {
    pool: Pool,
    started: Instant,
    outputs: PathBuf,
    pub(crate) queue: Queue,
    pub(crate) instances: Instances,
    progress: Progress,
    notices: broadcast::Receiver<Notice>,
    collecting: JoinSet<Collected>,
    /// Jobs that the demo has begun to end.
    killed: BTreeSet<JobId>,
    /// Somebody pressed Ctrl-C.
    pub(crate) interrupted: bool,
    /// What went wrong beside the jobs.
    pub(crate) problems: Vec<String>,
}

impl Dispatcher {
    pub(crate) fn new(pool: Pool, queue: Queue, outputs: PathBuf) -> Self {
        let jobs = queue.iter().count();
        Self {
            notices: pool.notices(),
            pool,
            started: Instant::now(),
            outputs,
            queue,
            instances: Instances::default(),
            progress: Progress::new(jobs),
            collecting: JoinSet::new(),
            killed: BTreeSet::new(),
            interrupted: false,
            problems: Vec::new(),
        }
    }

    /// Since the demo started.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Runs until every job is final, then until every instance is gone.
    pub(crate) async fn run(&mut self) {
        let mut changes = self.pool.subscribe();
        let deadline = self.started + TIME_LIMIT;
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        while !self.queue.all_final() {
            self.take_in_ends();
            self.carry_out_plan();
            let kill_at = self.kill_what_is_due();
            self.show();
            // Cancel safety: all branches are receives and timers, which lose nothing when dropped.
            tokio::select! {
                () = changes.changed() => {}
                Some(collected) = self.collecting.join_next() => self.take_in_collected(collected),
                notice = self.notices.recv() => self.note(notice),
                () = sleep_until(kill_at.unwrap_or(deadline)) => {}
                () = sleep_until(deadline) => {
                    self.problems.push(format!("not all jobs ended within {TIME_LIMIT:?}"));
                    break;
                }
                _ = &mut interrupt => {
                    self.interrupted = true;
                    self.progress.say(self.now(), "interrupted: destroying the instances");
                    break;
                }
            }
        }
        self.queue.cancel_rest();
        self.clean_up().await;
        self.progress.finish();
    }

    /// Jobs that have ended: their output is fetched, or they go back into the queue.
    fn take_in_ends(&mut self) {
        let now = self.now();
        for (job, status) in self.pool.running() {
            let ours = self.queue.get(&job).is_some_and(|job| job.stage != Stage::Queued);
            match status {
                JobStatus::Ended { end, .. } if ours => {
                    let collect = self.queue.ended(&job, &end, now);
                    match end {
                        JobEnd::Finished(end) if collect => self.collect(job, end),
                        // Its output is being fetched already.
                        JobEnd::Finished(_) => {}
                        other => {
                            let line = format!("job {job} goes back into the queue: {other:?}");
                            self.progress.say(now, &line);
                            self.pool.forget_job(&job);
                        }
                    }
                }
                // An earlier demo in the same state directory has left it behind.
                JobStatus::Ended { .. } => drop(self.pool.forget_job(&job)),
                _ if !ours => drop(self.pool.kill_job(&job, "left behind by an earlier demo")),
                JobStatus::Preparing { .. } | JobStatus::Running { .. } => {}
            }
        }
    }

    fn collect(&mut self, job: JobId, end: Box<RunEnd>) {
        let (pool, outputs) = (self.pool.clone(), self.outputs.clone());
        self.collecting.spawn(async move {
            let stored = timeout(COLLECT_LIMIT, store_output(&pool, &outputs, &job)).await;
            let problem = stored.unwrap_or(Err(CollectError::TimedOut)).err();
            Collected { job, end, problem }
        });
    }

    fn take_in_collected(&mut self, collected: Result<Collected, tokio::task::JoinError>) {
        let Collected { job, end, problem } = match collected {
            Ok(collected) => collected,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        if let Some(problem) = problem {
            self.problems.push(format!("the output of job {job} is lost: {problem}"));
        }
        self.queue.collected(&job, &end.outcome, end.killed.as_ref());
        self.pool.forget_job(&job);
        if let Some(Stage::Final { instance, result, .. }) = self.queue.get(&job).map(|job| job.stage.clone())
        {
            if let Some(instance) = &instance {
                self.instances.count_job(instance);
            }
            if end.outcome != (Outcome::Exited { code: 0 }) {
                self.progress.say(self.now(), &format!("job {job} {result}"));
            }
        }
    }

    fn carry_out_plan(&mut self) {
        let plan = plan(&self.queue.waiting(), &BTreeMap::new(), &self.pool.view(), &PlanOptions::default());
        for (job, instance) in plan.starts {
            let Some((spec, attempt)) = self.queue.spec(&job) else { continue };
            let start = StartJob { job: job.clone(), attempt, spec, waited: Some(self.now()) };
            // A refusal leaves the job in the queue: the next plan sees why.
            if self.pool.start_job(&instance, start).is_ok() {
                self.queue.started(&job, instance, self.now());
            }
        }
        for name in plan.creates {
            if self.pool.create(&name).is_err() {
                break;
            }
        }
        for instance in plan.shutdowns {
            self.pool.shutdown_instance(&instance);
        }
    }

    /// Ends the jobs that the demo means to end. Returns when the next is due.
    fn kill_what_is_due(&mut self) -> Option<Instant> {
        let mut next = None;
        let due: Vec<(JobId, Duration)> = self
            .queue
            .iter()
            .filter_map(|job| match (&job.stage, job.load.expected) {
                (Stage::Running { since, .. }, Expected::KilledAfter(patience)) => {
                    Some((job.load.id.clone(), *since + patience))
                }
                _ => None,
            })
            .filter(|(id, _)| !self.killed.contains(id))
            .collect();
        for (job, at) in due {
            if self.now() < at {
                next = next.map_or(Some(at), |next: Duration| Some(next.min(at)));
            } else {
                self.progress.say(self.now(), &format!("killing job {job}"));
                self.pool.kill_job(&job, "the demo shows how");
                self.killed.insert(job);
            }
        }
        next.map(|at| self.started + at)
    }

    fn note(&mut self, notice: Result<Notice, RecvError>) {
        self.instances.see(&self.pool.instances());
        match notice {
            Ok(notice) => {
                if let Some(line) = self.instances.note(&notice, self.now()) {
                    self.progress.say(self.now(), &line);
                }
            }
            Err(RecvError::Lagged(missed)) => self.problems.push(format!("{missed} notices were missed")),
            Err(RecvError::Closed) => {}
        }
    }

    fn show(&self) {
        let mut phases: BTreeMap<Phase, usize> = BTreeMap::new();
        let views = self.pool.instances();
        for phase in views.iter().filter_map(|view: &InstanceView| view.phase) {
            *phases.entry(phase).or_default() += 1;
        }
        let creating = views.iter().filter(|view| view.id.is_none()).count();
        let mut text = format!("{creating} creating");
        for (phase, count) in phases {
            text.push_str(&format!(", {count} {phase}"));
        }
        text.push_str(&format!("  ({:.4}/h)", self.instances.price_now()));
        self.progress.update(self.queue.counts(), &text);
    }

    /// Destroys every instance and waits until all are gone.
    async fn clean_up(&mut self) {
        let mut changes = self.pool.subscribe();
        let deadline = Instant::now() + CLEAN_UP_LIMIT;
        loop {
            let views = self.pool.instances();
            // The pool reports the end of an instance after it has dropped it from its views.
            if views.is_empty() && self.instances.all_gone() {
                break;
            }
            for id in views.iter().filter(|view| view.shutdown.is_none()).filter_map(|view| view.id.as_ref())
            {
                // An error means that it has just gone.
                drop(self.pool.kill_instance(id, "the demo is over"));
            }
            tokio::select! {
                () = changes.changed() => {}
                notice = self.notices.recv() => self.note(notice),
                Some(_) = self.collecting.join_next() => {}
                () = sleep_until(deadline) => {
                    self.problems.push(format!("{} instances were not gone within {CLEAN_UP_LIMIT:?}", views.len()));
                    break;
                }
            }
        }
        let now = self.now();
        self.instances.close(now);
    }
}

async fn store_output(pool: &Pool, outputs: &Path, job: &JobId) -> Result<(), CollectError> {
    for stream in [OutputStream::Stdout, OutputStream::Stderr] {
        let bytes = pool.read_all(job, stream, OUTPUT_LIMIT).await?;
        tokio::fs::write(outputs.join(format!("{job}.{stream}")), bytes).await?;
    }
    Ok(())
}
