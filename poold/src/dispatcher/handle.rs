//! The dispatcher as others ask it: what the HTTP server calls.

use super::{
    asked::{Asked, OutputAt},
    outputs::OutputStore,
    rows::instance_row,
    settings::DispatchSettings,
    start::fits_on_demand,
};
use crate::{
    api::{
        ErrorCode, Explanation, InstanceAction, InstanceRow, JobDetail, JobPage, JobQuery, JobRow,
        OutputPiece, OutputRead, PoolStatus, Service, ServiceError, Submission, Submitted,
    },
    job::{JobKey, JobRequest, JobState},
    queue::JobFilter,
};
use async_trait::async_trait;
use bytes::Bytes;
use pool_core::{FieldProblem, IdleBehavior, InstanceId, InstanceRefusal, Pool, fits};
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
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
    pool: Pool,
    outputs: OutputStore,
    settings: Arc<DispatchSettings>,
    registry: Registry,
}

impl Handle {
    pub(crate) fn new(
        asked: mpsc::Sender<Asked>,
        pool: Pool,
        outputs: OutputStore,
        settings: DispatchSettings,
        registry: Registry,
    ) -> Self {
        Self { asked, pool, outputs, settings: Arc::new(settings), registry }
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
        self.ask(|answer| Asked::Jobs { filter, answer }).await
    }

    async fn job(&self, key: JobKey) -> Result<JobDetail, ServiceError> {
        self.ask(|answer| Asked::Job { key, answer }).await
    }

    async fn explain(&self, key: JobKey) -> Result<Explanation, ServiceError> {
        self.ask(|answer| Asked::Explain { key, answer }).await
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
        self.ask(|answer| Asked::SetPriority { key, priority, answer }).await
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

    async fn status(&self) -> Result<PoolStatus, ServiceError> {
        self.ask(|answer| Asked::Status { answer }).await
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
