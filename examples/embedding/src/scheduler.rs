//! The scheduler: what is ready is given to a worker, and a worker is asked for when there is none.

use crate::steps::Step;
use pool_core::{
    CreateRefusal, IdError, InstanceTypeName, JobEnd, JobId, JobSpec, JobStatus, Outcome, OutputStream, Pool,
    ReadError, StartJob, StartRefusal,
};
use std::collections::BTreeMap;

/// Longest output of a step, in bytes.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// A step whose worker is lost is tried again.
const ATTEMPTS: u32 = 3;

/// Why not all steps are done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchedulerError {
    #[error("step {step}: {how}")]
    Failed { step: String, how: String },
    #[error("step {step}: its output cannot be read")]
    Output {
        step: String,
        #[source]
        source: ReadError,
    },
    #[error(transparent)]
    Name(#[from] IdError),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Waiting,
    Given,
    Done,
}

/// The steps and how they stand.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pool: Pool,
    steps: Vec<(Step, Stage, u32)>,
    outputs: BTreeMap<String, String>,
}

impl Scheduler {
    pub(crate) fn new(pool: Pool, steps: Vec<Step>) -> Self {
        let steps = steps.into_iter().map(|step| (step, Stage::Waiting, 1)).collect();
        Self { pool, steps, outputs: BTreeMap::new() }
    }

    /// Runs all steps. Returns their outputs.
    ///
    /// # Errors
    /// [`SchedulerError`] when a step fails: those that run are left to whoever destroys the instances.
    pub(crate) async fn run(&mut self) -> Result<BTreeMap<String, String>, SchedulerError> {
        let small: InstanceTypeName = "small".parse()?;
        // Subscribed before the first look, so that no change is missed.
        let mut changes = self.pool.subscribe();
        loop {
            self.take_in_ends().await?;
            if self.steps.iter().all(|(_, stage, _)| *stage == Stage::Done) {
                return Ok(std::mem::take(&mut self.outputs));
            }
            self.start_what_is_ready(&small)?;
            changes.changed().await;
        }
    }

    /// Looks at every step that was given away: the pool says how each stands, as often as it is asked.
    async fn take_in_ends(&mut self) -> Result<(), SchedulerError> {
        for (step, stage, attempt) in self.steps.iter_mut().filter(|(_, stage, _)| *stage == Stage::Given) {
            let job: JobId = step.name.parse()?;
            let Some(JobStatus::Ended { end, .. }) = self.pool.job(&job) else { continue };
            match end {
                JobEnd::Finished(end) if end.outcome == (Outcome::Exited { code: 0 }) => {
                    // The worker keeps the output until the job is forgotten.
                    let output = self.pool.read_all(&job, OutputStream::Stdout, OUTPUT_LIMIT).await;
                    let output = output
                        .map_err(|source| SchedulerError::Output { step: step.name.to_owned(), source })?;
                    self.outputs.insert(step.name.to_owned(), String::from_utf8_lossy(&output).into_owned());
                    *stage = Stage::Done;
                }
                JobEnd::Finished(end) => {
                    let how = end.outcome.to_string();
                    return Err(SchedulerError::Failed { step: step.name.to_owned(), how });
                }
                // It never started: the attempt was not used.
                JobEnd::NotStarted { .. } => *stage = Stage::Waiting,
                JobEnd::Denied | JobEnd::WorkerGone if *attempt < ATTEMPTS => {
                    *attempt += 1;
                    *stage = Stage::Waiting;
                }
                JobEnd::Denied | JobEnd::WorkerGone => {
                    let how = format!("its worker was lost {ATTEMPTS} times");
                    return Err(SchedulerError::Failed { step: step.name.to_owned(), how });
                }
            }
            self.pool.forget_job(&job);
        }
        Ok(())
    }

    fn start_what_is_ready(&mut self, small: &InstanceTypeName) -> Result<(), SchedulerError> {
        let mut without_worker = 0;
        for (step, stage, attempt) in self.steps.iter_mut().filter(|(_, stage, _)| *stage == Stage::Waiting) {
            let ready = step.after.iter().all(|before| self.outputs.contains_key(*before));
            if !ready {
                continue;
            }
            let mut spec = JobSpec::new(["sh", "-c", step.script]);
            for before in step.after {
                let output = self.outputs[*before].trim().to_owned();
                spec.environment.insert(format!("OUT_{before}"), output);
            }
            let start = StartJob { job: step.name.parse()?, attempt: *attempt, spec, waited: None };
            match self.pool.start_job_on_type(small, start) {
                Ok(_) => *stage = Stage::Given,
                Err(StartRefusal::NoneIdle(_)) => without_worker += 1,
                // It is tried again with the next change.
                Err(refusal) => eprintln!("step {}: {refusal}", step.name),
            }
        }
        // Those that are booting, or being created, count.
        let coming = self.pool.unallocated().get(small).copied().unwrap_or(0);
        for _ in coming..without_worker {
            match self.pool.create(small) {
                Ok(()) => {}
                // Not listed yet, or held back by quota, capacity or rate: it wakes us when that ends.
                Err(refusal) => {
                    if !matches!(refusal, CreateRefusal::NotLoaded) {
                        eprintln!("no more workers for now: {refusal}");
                    }
                    break;
                }
            }
        }
        Ok(())
    }
}
