//! The dispatcher as others ask it: what the HTTP server calls.

use super::{
    asked::{Asked, DispatcherStatus, OutputAt, no_job},
    events::{self, Hub},
    explain::{why_active, why_final},
    outputs::OutputStore,
    read,
    recorder::{JOB_STATES, Recorder, SAMPLE_EVERY, Sample},
    rows::{Clocks, by_state, hold_off, instance_row, problems, type_rows},
    settings::DispatchSettings,
    start::fits_on_demand,
};
use crate::{
    api::{
        ErrorCode, EventStream, Explanation, HoldOff, InstanceAction, InstanceRow, JobDetail, JobPage,
        JobQuery, JobRow, OutputPiece, OutputRead, PoolStatus, Reason, Series, Service, ServiceError,
        Submission, Submitted, TypeRow, WORKER_STATES,
    },
    job::{JobKey, JobRequest, JobState, QueueTag},
    queue::{JobFilter, JobReader, QueueError, QueueReader},
};
use async_trait::async_trait;
use bytes::Bytes;
use pool_core::{FieldProblem, IdleBehavior, InstanceId, InstanceRefusal, Pool, WallClock, fits};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

const DEFAULT_PAGE: usize = 100;
const MAX_PAGE: usize = 1000;
const MAX_JOBS_A_SUBMISSION: usize = 10_000;
/// Problems that one answer tells of. A hundred thousand would help nobody.
const MAX_PROBLEMS: usize = 20;
const MAX_REQUEST_ID: usize = 64;
/// How long a change of an instance may take to be saved before the answer says that it is not.
const SAVE_LIMIT: Duration = Duration::from_secs(30);

/// Cheap to clone; all clones ask the same dispatcher.
#[derive(Clone)]
pub(crate) struct Handle {
    asked: mpsc::Sender<Asked>,
    pub(super) pool: Pool,
    outputs: OutputStore,
    settings: Arc<DispatchSettings>,
    registry: Registry,
    tag: QueueTag,
    clock: WallClock,
    reader: Option<QueueReader>,
    recorder: Recorder,
    pub(super) hub: Arc<Hub>,
}

/// What a handle is made of.
pub(crate) struct HandleParts {
    pub(crate) asked: mpsc::Sender<Asked>,
    pub(crate) pool: Pool,
    pub(crate) outputs: OutputStore,
    pub(crate) settings: DispatchSettings,
    pub(crate) registry: Registry,
    /// The queue's.
    pub(crate) tag: QueueTag,
    pub(crate) clock: WallClock,
    /// Answers what the queue's file alone can; none: the dispatcher does.
    pub(crate) reader: Option<QueueReader>,
}

impl Handle {
    pub(crate) fn new(parts: HandleParts) -> Self {
        let HandleParts { asked, pool, outputs, settings, registry, tag, clock, reader } = parts;
        let (settings, recorder, hub) = (Arc::new(settings), Recorder::new(), Arc::default());
        Self { asked, pool, outputs, settings, registry, tag, clock, reader, recorder, hub }
    }

    /// Takes in what has become durable, for who follows it: to be told of each pass.
    pub(crate) fn feed(&self) -> impl FnMut(&super::PassReport<'_>) + Send + use<> {
        let feed = Arc::clone(&self.hub.feed);
        move |report| feed.note(report.changes)
    }

    /// Samples what charts show, until the dispatcher is gone.
    pub(crate) async fn record(self) {
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            samples.tick().await;
            let Ok(DispatcherStatus { jobs, .. }) = self.ask(|answer| Asked::Status { answer }).await else {
                return;
            };
            let summary = self.pool.summary();
            let instances = by_state(&summary);
            self.recorder.push(Sample {
                at: self.clock.now().into(),
                jobs: JOB_STATES.map(|state| jobs.get(&state).copied().unwrap_or(0)),
                instances: WORKER_STATES.map(|state| instances.get(state).copied().unwrap_or(0)),
                price: summary.price.as_f64(),
            });
        }
    }

    fn clocks(&self) -> Clocks {
        Clocks { pool: self.pool.now(), wall: self.clock.now().into() }
    }

    fn number(&self, key: &JobKey) -> Result<u64, ServiceError> {
        key.number_in(&self.tag).ok_or_else(|| no_job(key))
    }

    /// Asks what the queue's file alone can answer.
    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn JobReader) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let answer = match &self.reader {
            Some(reader) => reader.ask(question).await,
            None => {
                let ask = |answer: oneshot::Sender<Result<_, ServiceError>>| {
                    // Who does not wait for it any longer needs no answer.
                    let question = move |reader: &dyn JobReader| drop(answer.send(Ok(question(reader))));
                    Asked::Read(Box::new(question))
                };
                self.ask(ask).await?
            }
        };
        answer.map_err(|error| ServiceError::from(&error))
    }

    async fn detail(&self, key: &JobKey) -> Result<JobDetail, ServiceError> {
        let number = self.number(key)?;
        self.read(move |reader| read::detail(reader, number)).await?.ok_or_else(|| no_job(key))
    }

    /// Those of these jobs that there are.
    pub(super) async fn rows(&self, numbers: Vec<u64>) -> Result<Vec<JobRow>, ServiceError> {
        let mut rows = self.read(move |reader| read::rows(reader, &numbers)).await?;
        self.add_reasons(&mut rows).await?;
        Ok(rows)
    }

    /// Says of jobs that are queued why they wait.
    async fn add_reasons(&self, rows: &mut [JobRow]) -> Result<(), ServiceError> {
        let queued = || |row: &&mut JobRow| row.state == JobState::Queued;
        let numbers: Vec<u64> = rows.iter_mut().filter(queued()).map(|row| row.number).collect();
        if numbers.is_empty() {
            return Ok(());
        }
        let reasons: Vec<Option<Reason>> = self.ask(|answer| Asked::Why { numbers, answer }).await?;
        for (row, reason) in rows.iter_mut().filter(queued()).zip(reasons) {
            row.waiting = reason;
        }
        Ok(())
    }

    async fn with_reason(&self, mut row: JobRow) -> Result<JobRow, ServiceError> {
        self.add_reasons(std::slice::from_mut(&mut row)).await?;
        Ok(row)
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Result<T, ServiceError>>) -> Asked,
    ) -> Result<T, ServiceError> {
        let (answer, answered) = oneshot::channel();
        self.asked.send(question(answer)).await.map_err(|_| ServiceError::stopping())?;
        answered.await.unwrap_or_else(|_| Err(ServiceError::stopping()))
    }

    /// All that is wrong with a job, its fields named.
    fn problems(&self, at: usize, job: &JobRequest) -> Vec<FieldProblem> {
        let mut problems = job.problems();
        if let Err(no_fit) = fits(self.types(), &job.resources(), job.preemptible) {
            problems.push(FieldProblem { field: "resources".to_owned(), problem: no_fit.to_string() });
        }
        let most = self.settings.max_output_limit;
        if job.output_limit.is_some_and(|limit| limit > most) {
            let problem = format!("more than the {most} that this poold keeps (queue.max_output_limit)");
            problems.push(FieldProblem { field: "output_limit".to_owned(), problem });
        }
        for problem in &mut problems {
            problem.field = format!("jobs[{at}].{}", problem.field);
        }
        problems
    }

    fn types(&self) -> impl Iterator<Item = &pool_core::InstanceType> {
        self.settings.instance_types.iter().map(AsRef::as_ref)
    }

    fn instance(&self, id: &InstanceId) -> Option<InstanceRow> {
        let view = self.pool.instances().into_iter().find(|view| view.id.as_ref() == Some(id))?;
        Some(instance_row(view, self.pool.now()))
    }
}

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidRequest, message)
}

fn no_instance(id: &InstanceId) -> ServiceError {
    ServiceError::new(ErrorCode::NotFound, format!("there is no instance {id}"))
}

fn refused(refusal: &InstanceRefusal) -> ServiceError {
    let code = match refusal {
        InstanceRefusal::Unknown(_) => ErrorCode::NotFound,
        _ => ErrorCode::Conflict,
    };
    ServiceError::new(code, refusal.to_string())
}

fn filter(query: JobQuery) -> Result<JobFilter, ServiceError> {
    let parse = |text: &str| {
        let state = JobState::ALL.into_iter().find(|state| state.as_str() == text.trim());
        state.ok_or_else(|| {
            let known: Vec<_> = JobState::ALL.iter().map(|state| state.as_str()).collect();
            invalid(format!("state: {text:?} is none of {}", known.join(", ")))
        })
    };
    let states = query.state.iter().flat_map(|text| text.split(',')).map(parse).collect::<Result<_, _>>()?;
    let pair = |text: &str| -> Result<_, ServiceError> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| invalid(format!("label: {text:?} is not key=value")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    let labels = query.label.iter().flat_map(|text| text.split(',')).map(pair).collect::<Result<_, _>>()?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(invalid(format!("limit: {limit} is not 1 to {MAX_PAGE}")));
    }
    Ok(JobFilter { states, group: query.group, name: query.name, labels, before: query.before, limit })
}

#[async_trait]
impl Service for Handle {
    async fn submit(&self, submission: Submission) -> Result<Submitted, ServiceError> {
        let Submission { request_id, jobs } = submission;
        if jobs.is_empty() || jobs.len() > MAX_JOBS_A_SUBMISSION {
            let count = jobs.len();
            return Err(invalid(format!("jobs: {count} of them: 1 to {MAX_JOBS_A_SUBMISSION} at once")));
        }
        if let Some(id) = &request_id
            && (!(1..=MAX_REQUEST_ID).contains(&id.chars().count()) || id.chars().any(char::is_control))
        {
            return Err(invalid(format!("request_id: give 1 to {MAX_REQUEST_ID} printable characters")));
        }
        let problems: Vec<FieldProblem> =
            jobs.iter().enumerate().flat_map(|(at, job)| self.problems(at, job)).take(MAX_PROBLEMS).collect();
        if !problems.is_empty() {
            return Err(ServiceError::invalid_jobs(problems));
        }
        let types = &self.settings.instance_types;
        let jobs = jobs.into_iter().map(|job| {
            let on_demand = fits_on_demand(types, &job);
            (Arc::new(job), on_demand)
        });
        let jobs = jobs.collect();
        let ids = self.ask(|answer| Asked::Submit { request_id, jobs, answer }).await?;
        Ok(Submitted { ids })
    }

    async fn jobs(&self, query: JobQuery) -> Result<JobPage, ServiceError> {
        let filter = filter(query)?;
        let mut page = self.read(move |reader| read::page(reader, &filter)).await?;
        self.add_reasons(&mut page.jobs).await?;
        Ok(page)
    }

    async fn job(&self, key: JobKey) -> Result<JobDetail, ServiceError> {
        let mut detail = self.detail(&key).await?;
        self.add_reasons(std::slice::from_mut(&mut detail.job)).await?;
        Ok(detail)
    }

    async fn explain(&self, key: JobKey) -> Result<Explanation, ServiceError> {
        loop {
            let JobDetail { mut job, history } = self.detail(&key).await?;
            let (why, ahead) = match job.state {
                JobState::Queued => {
                    let number = job.number;
                    let answer = self.ask(|answer| Asked::WhyQueued { number, answer }).await?;
                    // It has moved on meanwhile.
                    let Some((why, ahead)) = answer else { continue };
                    job.waiting = Some(why.clone());
                    (why, ahead)
                }
                JobState::Locked | JobState::Running => (why_active(&self.pool, &job), None),
                JobState::Complete | JobState::Cancelled => (why_final(&job), None),
            };
            let Reason { reason, text, remedy } = why;
            let (ahead, ahead_is_at_least) =
                ahead.map_or((None, false), |ahead| (Some(ahead.jobs), ahead.more));
            return Ok(Explanation { job, reason, text, remedy, ahead, ahead_is_at_least, history });
        }
    }

    async fn wait(&self, key: JobKey, patience: Duration) -> Result<JobRow, ServiceError> {
        let final_row = self.ask(|answer| Asked::Wait { key: key.clone(), answer });
        match timeout(patience, final_row).await {
            Ok(row) => row,
            Err(_) => Ok(self.job(key).await?.job),
        }
    }

    async fn kill(&self, key: JobKey, reason: String) -> Result<JobRow, ServiceError> {
        self.ask(|answer| Asked::Kill { key, reason, answer }).await
    }

    async fn set_priority(&self, key: JobKey, priority: u32) -> Result<JobRow, ServiceError> {
        let mut probe = JobRequest::new(["-"]);
        probe.priority = priority;
        if let Some(problem) = probe.problems().first() {
            return Err(invalid(problem.to_string()));
        }
        let row = self.ask(|answer| Asked::SetPriority { key, priority, answer }).await?;
        self.with_reason(row).await
    }

    async fn read_output(&self, read: OutputRead) -> Result<OutputPiece, ServiceError> {
        let OutputRead { key, stream, run, offset, wait } = read;
        loop {
            let at = self.ask(|answer| Asked::Output { key: key.clone(), run, want: wait, answer }).await?;
            let OutputAt { number, run: found, over, incomplete, mut progress } = at;
            let data = match found {
                Some(run) => self.outputs.read(number, run, stream, offset).map_err(|error| {
                    ServiceError::new(
                        ErrorCode::Internal,
                        format!("the stored output cannot be read: {error}"),
                    )
                })?,
                None => Bytes::new(),
            };
            if !data.is_empty() || over || !wait {
                let last = data.is_empty();
                return Ok(OutputPiece { run: found, data, last, incomplete });
            }
            // An error is the job's end: the next answer says so.
            drop(progress.recv().await);
        }
    }

    async fn instances(&self) -> Result<Vec<InstanceRow>, ServiceError> {
        let now = self.pool.now();
        Ok(self.pool.instances().into_iter().map(|view| instance_row(view, now)).collect())
    }

    async fn act_on_instance(
        &self,
        id: InstanceId,
        action: InstanceAction,
    ) -> Result<InstanceRow, ServiceError> {
        let behavior = match action {
            InstanceAction::Hold => IdleBehavior::Hold,
            InstanceAction::Drain => IdleBehavior::Drain,
            InstanceAction::Run => IdleBehavior::Run,
            InstanceAction::Kill { reason } => {
                let before = self.instance(&id).ok_or_else(|| no_instance(&id))?;
                self.pool.kill_instance(&id, &reason).map_err(|refusal| refused(&refusal))?;
                // It may be gone by now.
                return Ok(self.instance(&id).unwrap_or(before));
            }
        };
        let saved = self.pool.set_idle_behavior(&id, behavior).map_err(|refusal| refused(&refusal))?;
        match timeout(SAVE_LIMIT, saved.saved()).await {
            Ok(true) => self.instance(&id).ok_or_else(|| no_instance(&id)),
            Ok(false) => Err(no_instance(&id)),
            Err(_) => {
                let message = format!(
                    "it holds from now on, but the cloud has not saved it within {SAVE_LIMIT:?}: it is tried on, and \
                     would be lost if poold ended before"
                );
                Err(ServiceError::new(ErrorCode::Internal, message))
            }
        }
    }

    async fn types(&self) -> Result<Vec<TypeRow>, ServiceError> {
        Ok(type_rows(&self.pool.summary(), self.clocks()))
    }

    async fn hold_offs(&self) -> Result<Vec<HoldOff>, ServiceError> {
        let now = self.clocks();
        Ok(self.pool.summary().hold_offs.iter().map(|view| hold_off(view, now)).collect())
    }

    async fn series(&self, back: Duration) -> Result<Series, ServiceError> {
        Ok(self.recorder.series(back))
    }

    async fn events(&self) -> Result<EventStream, ServiceError> {
        events::follow(self).await
    }

    async fn status(&self) -> Result<PoolStatus, ServiceError> {
        let of_dispatcher: DispatcherStatus = self.ask(|answer| Asked::Status { answer }).await?;
        let summary = self.pool.summary();
        Ok(PoolStatus {
            release: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            instance_set: self.settings.instance_set.clone(),
            driver: self.settings.driver.clone(),
            started_at: of_dispatcher.started_at,
            loaded: summary.loaded,
            jobs: of_dispatcher.jobs,
            instances: by_state(&summary),
            price_per_hour: summary.price.as_f64(),
            at_quota: summary.at_max_instances || summary.at_provider_quota,
            at_max_instances: summary.at_max_instances,
            at_provider_quota: summary.at_provider_quota,
            at_capacity: summary
                .types
                .iter()
                .filter(|of| of.at_capacity)
                .map(|of| of.instance_type.name.clone())
                .collect(),
            problems: of_dispatcher.problems.into_iter().chain(problems(&summary)).collect(),
        })
    }

    fn is_loaded(&self) -> bool {
        self.pool.summary().loaded
    }

    async fn metrics(&self) -> String {
        self.pool.update_metrics();
        // Without it the numbers of jobs are those of the last scrape.
        drop(self.ask(|answer| Asked::UpdateGauges { answer }).await);
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) => format!("# the metrics cannot be written: {error}\n"),
        }
    }
}
