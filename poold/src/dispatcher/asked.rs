//! What the dispatcher is asked, and its answers.

use super::{
    core::{Dispatcher, Waiter},
    explain::Ahead,
    tail::Tail,
};
use crate::{
    api::{ErrorCode, JobRow, Reason, ServiceError},
    job::{JobKey, JobRequest, JobState, Moment, OutputKept},
    queue::{JobReader, Queue},
};
use pool_core::JobId;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{broadcast, oneshot};

/// Answers a question.
type Answer<T> = oneshot::Sender<Result<T, ServiceError>>;
/// Called when the pass is durable, or with the reason why it is not.
pub(super) type Reply = Box<dyn FnOnce(Result<&dyn Queue, ServiceError>) + Send>;

/// What the queue alone can answer. It sends its answer itself.
pub(super) type Question = Box<dyn FnOnce(&dyn JobReader) + Send>;

/// A question.
pub(crate) enum Asked {
    /// With each job, whether it also fits a type that is not preemptible.
    Submit {
        request_id: Option<String>,
        jobs: Vec<(Arc<JobRequest>, bool)>,
        answer: Answer<Vec<JobId>>,
    },
    Kill {
        key: JobKey,
        reason: String,
        answer: Answer<JobRow>,
    },
    SetPriority {
        key: JobKey,
        priority: u32,
        answer: Answer<JobRow>,
    },
    /// Where nothing else reads the queue.
    Read(Question),
    /// Why jobs wait, in their order; none for those that do not.
    Why {
        numbers: Vec<u64>,
        answer: Answer<Vec<Option<Reason>>>,
    },
    /// Why a job waits, and how many are before it; none if it does not wait.
    WhyQueued {
        number: u64,
        answer: Answer<Option<(Reason, Option<Ahead>)>>,
    },
    Wait {
        key: JobKey,
        answer: Waiter,
    },
    Output {
        key: JobKey,
        run: Option<u32>,
        want: bool,
        answer: Answer<OutputAt>,
    },
    Status {
        answer: Answer<DispatcherStatus>,
    },
    UpdateGauges {
        answer: Answer<()>,
    },
}

/// What only the dispatcher knows of the whole.
#[derive(Debug)]
pub(crate) struct DispatcherStatus {
    pub(crate) started_at: Moment,
    pub(crate) jobs: BTreeMap<JobState, u64>,
    /// For people.
    pub(crate) problems: Vec<String>,
}

/// Where a run's output is, and what may become of it.
#[derive(Debug)]
pub(crate) struct OutputAt {
    pub(crate) number: u64,
    /// None: the job has had none yet.
    pub(crate) run: Option<u32>,
    /// Nothing more will come of this run.
    pub(crate) over: bool,
    pub(crate) incomplete: bool,
    /// Wakes when there is more.
    pub(crate) progress: broadcast::Receiver<()>,
}

impl Dispatcher {
    /// Answers what can be answered at once. True when the rest needs a pass.
    pub(super) fn answer(&mut self, questions: &mut Vec<Asked>) -> bool {
        let mut needed = false;
        for question in questions.drain(..) {
            match question {
                Asked::Submit { request_id, jobs, answer } => {
                    self.submit(request_id, jobs, answer);
                    needed = true;
                }
                Asked::Kill { key, reason, answer } => {
                    let change = |this: &mut Self, number| this.board.cancel(this.now(), number, &reason);
                    self.change_job(&key, change, answer);
                    needed = true;
                }
                Asked::SetPriority { key, priority, answer } => {
                    let change =
                        |this: &mut Self, number| this.board.set_priority(this.now(), number, priority);
                    self.change_job(&key, change, answer);
                    needed = true;
                }
                // Who does not wait for an answer any longer needs none.
                Asked::Read(question) => question(&*self.queue),
                Asked::Why { numbers, answer } => {
                    let reasons = numbers.into_iter().map(|number| self.why_queued(number)).collect();
                    drop(answer.send(Ok(reasons)));
                }
                Asked::WhyQueued { number, answer } => {
                    let why = self.why_queued(number).map(|why| (why, self.ahead_of(number)));
                    drop(answer.send(Ok(why)));
                }
                Asked::Wait { key, answer } => self.wait(&key, answer),
                Asked::Output { key, run, want, answer } => {
                    drop(answer.send(self.output_at(&key, run, want)));
                }
                Asked::Status { answer } => drop(answer.send(self.status())),
                Asked::UpdateGauges { answer } => {
                    self.update_gauges();
                    drop(answer.send(Ok(())));
                }
            }
        }
        needed
    }

    fn submit(
        &mut self,
        request_id: Option<String>,
        jobs: Vec<(Arc<JobRequest>, bool)>,
        answer: Answer<Vec<JobId>>,
    ) {
        let before = match request_id.as_deref().map(|id| self.queue.submission(id)).transpose() {
            Ok(before) => before.flatten(),
            Err(error) => return drop(answer.send(Err(ServiceError::from(&error)))),
        };
        // Asked twice in one pass: both get the answer of the first.
        if let Some(numbers) = request_id.as_deref().and_then(|id| self.board.new_submission(id)) {
            let ids = numbers.map(|number| self.tag.job_id(number)).collect();
            self.replies.push(Box::new(move |committed| drop(answer.send(committed.map(|_| ids)))));
            return;
        }
        if let Some((first, count)) = before {
            let ids = (first..first + count).map(|number| self.tag.job_id(number)).collect();
            return drop(answer.send(Ok(ids)));
        }
        let room = self.settings.max_jobs.saturating_sub(self.board.len() as u64);
        if jobs.len() as u64 > room {
            let most = self.settings.max_jobs;
            let message = format!(
                "the queue has room for {room} more jobs: at most {most} may be unfinished (queue.max_jobs). Submit fewer, \
                 or wait until some have ended"
            );
            return drop(answer.send(Err(ServiceError::new(ErrorCode::Conflict, message))));
        }
        let first = self.board.next_number();
        let jobs = (first..)
            .zip(jobs)
            .map(|(number, (request, on_demand))| (request, self.tag.job_id(number), on_demand));
        let jobs = jobs.collect();
        let numbers = self.board.submit(self.now(), request_id, jobs);
        let ids = numbers.map(|number| self.tag.job_id(number)).collect();
        self.replies.push(Box::new(move |committed| drop(answer.send(committed.map(|_| ids)))));
    }

    fn change_job(
        &mut self,
        key: &JobKey,
        change: impl FnOnce(&mut Self, u64) -> bool,
        answer: Answer<JobRow>,
    ) {
        match key.number_in(&self.tag) {
            Some(number) if change(self, number) => {
                self.replies.push(Box::new(move |committed| {
                    drop(answer.send(committed.and_then(|queue| row(queue, number))));
                }));
            }
            number => {
                let found = number.map(|number| row(&*self.queue, number)).transpose();
                drop(answer.send(Err(match found {
                    Ok(Some(row)) => {
                        ServiceError::new(ErrorCode::Conflict, format!("job {key} is {} already", row.state))
                    }
                    Ok(None) => no_job(key),
                    Err(error) => error,
                })));
            }
        }
    }

    fn status(&self) -> Result<DispatcherStatus, ServiceError> {
        let mut problems: Vec<String> = self.commit_problem.iter().cloned().collect();
        problems.extend(self.call_problems.lately());
        let jobs = self.queue.counts().map_err(|error| ServiceError::from(&error))?;
        Ok(DispatcherStatus { started_at: self.started_at, jobs, problems })
    }

    fn number(&self, key: &JobKey) -> Result<u64, ServiceError> {
        key.number_in(&self.tag).ok_or_else(|| no_job(key))
    }

    fn wait(&mut self, key: &JobKey, answer: Waiter) {
        let number = match self.number(key) {
            Ok(number) => number,
            Err(error) => return drop(answer.send(Err(error))),
        };
        if self.board.get(number).is_some() {
            let waiters = self.waiters.entry(number).or_default();
            waiters.retain(|waiter| !waiter.is_closed());
            waiters.push(answer);
        } else {
            drop(answer.send(row(&*self.queue, number)));
        }
    }

    fn output_at(&mut self, key: &JobKey, run: Option<u32>, want: bool) -> Result<OutputAt, ServiceError> {
        let number = self.number(key)?;
        let finished;
        let record = match self.board.get(number) {
            Some(job) => &job.record,
            None => {
                let job = self.queue.job(number).map_err(|error| ServiceError::from(&error))?;
                finished = job.ok_or_else(|| no_job(key))?;
                &finished.record
            }
        };
        let last = record.runs;
        let run = match run {
            Some(run) if run == 0 || run > last => {
                let message = format!("job {key} has had {last} runs: there is no run {run}");
                return Err(ServiceError::new(ErrorCode::NotFound, message));
            }
            Some(run) => Some(run),
            None => (last > 0).then_some(last),
        };
        let present = matches!(record.state, JobState::Locked | JobState::Running);
        let over = match run {
            Some(run) => run < last || !present,
            None => record.state.is_final(),
        };
        let incomplete = match run {
            Some(run) if run < last => true,
            _ => record.output == OutputKept::Incomplete,
        };
        let progress = if over {
            broadcast::channel(1).1
        } else {
            let tail = self.tails.entry(number).or_insert_with(Tail::new);
            if want {
                tail.want();
            }
            tail.subscribe()
        };
        Ok(OutputAt { number, run, over, incomplete: incomplete && over, progress })
    }
}

/// One job as the API shows it.
pub(super) fn row(queue: &dyn Queue, number: u64) -> Result<JobRow, ServiceError> {
    match queue.job(number) {
        Ok(Some(job)) => Ok(JobRow::from(&job)),
        Ok(None) => Err(no_job(&JobKey::Number(number))),
        Err(error) => Err(ServiceError::from(&error)),
    }
}

pub(super) fn no_job(key: &JobKey) -> ServiceError {
    let message =
        format!("there is no job {key}: it was never submitted here, or finished long ago and was deleted");
    ServiceError::new(ErrorCode::NotFound, message)
}
