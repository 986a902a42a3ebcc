//! A service that keeps jobs in memory; the test says how they end.

use crate::{
    access::{self, Role},
    api::{
        ErrorCode, EventKind, EventMessage, EventStream, Explanation, HoldOff, HoldOffKind, InstanceAction,
        InstanceRow, JobDetail, JobPage, JobQuery, JobRow, OutputPiece, OutputRead, PoolStatus, Series,
        Service, ServiceError, Submission, Submitted, TypeRow,
    },
    config::ApiConfig,
    http::{self, AuditLog, Carrier, Gate, NetworkListener},
    job::{Finish, HistoryEntry, Job, JobKey, JobRequest, JobState, Moment, OutputKept, QueueTag, Record},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use pool_core::{InstanceId, InstanceTypeName, OutputStream, Resources};
use prometheus::Registry;
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

#[derive(Debug)]
pub(crate) struct Fake {
    tag: QueueTag,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    /// How many are waiting.
    waits: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) jobs: Vec<Job>,
    /// By job's number and run.
    pub(crate) output: BTreeMap<(u64, u32), [Vec<u8>; 2]>,
    pub(crate) submissions: Vec<(Option<String>, Vec<u64>)>,
    pub(crate) instances: Vec<InstanceRow>,
    pub(crate) actions: Vec<(InstanceId, InstanceAction)>,
    /// Each job ends like this as soon as it is submitted.
    pub(crate) at_once: Option<Finish>,
    /// So many submissions are kept, and then answered as if poold was stopping.
    pub(crate) lost_answers: usize,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        let fake = Self {
            tag: QueueTag::random(),
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            waits: watch::Sender::new(0),
        };
        Arc::new(fake)
    }

    /// Where each job has ended by the time it was submitted.
    pub(crate) fn ending(finish: Finish) -> Arc<Self> {
        let fake = Self::new();
        fake.change(|state| state.at_once = Some(finish));
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state())
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let value = change(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
        value
    }

    /// Waits until the jobs are such.
    pub(crate) async fn until(&self, is: impl Fn(&State) -> bool) {
        self.changed.subscribe().wait_for(|_| is(&self.state())).await.unwrap();
    }

    /// Waits until so many questions are being waited with: for the end of a job, or for its output.
    pub(crate) async fn until_waiting(&self, count: u64) {
        self.waits.subscribe().wait_for(|waiting| *waiting == count).await.unwrap();
    }

    /// Begins another run of a job.
    pub(crate) fn begin(&self, number: u64) {
        self.change(|state| {
            let record = &mut state.jobs[number as usize - 1].record;
            (record.state, record.runs, record.attempts) =
                (JobState::Running, record.runs + 1, record.attempts + 1);
            record.started = Some(Moment::now());
        });
    }

    pub(crate) fn print(&self, number: u64, stream: OutputStream, data: &[u8]) {
        self.change(|state| {
            let run = state.jobs[number as usize - 1].record.runs;
            state.output.entry((number, run)).or_default()[stream as usize].extend_from_slice(data);
        });
    }

    pub(crate) fn end(&self, number: u64, finish: Finish) {
        self.change(|state| end(&mut state.jobs[number as usize - 1].record, finish));
    }

    fn find(&self, key: &JobKey) -> Result<Job, ServiceError> {
        let number = key.number_in(&self.tag).unwrap_or(0);
        let job = self.state().jobs.iter().find(|job| job.number == number).cloned();
        job.ok_or_else(|| ServiceError::new(ErrorCode::NotFound, format!("there is no job {key}")))
    }
}

fn end(record: &mut Record, finish: Finish) {
    record.state = finish.state();
    record.finish = Some(finish);
    record.ended = Some(Moment::now());
    record.output = OutputKept::Complete;
}

/// Counts for as long as it is not dropped.
struct Waiting<'a>(&'a watch::Sender<u64>);

impl<'a> Waiting<'a> {
    fn new(count: &'a watch::Sender<u64>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A server on a fake in a new state directory.
pub(crate) struct Serving {
    pub(crate) dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn new(fake: &Arc<Fake>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (stop, task) = serve(fake, dir.path());
        Self { dir, stop: Some(stop), task }
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap();
    }

    pub(crate) fn restart(&mut self, fake: &Arc<Fake>) {
        let (stop, task) = serve(fake, self.dir.path());
        (self.stop, self.task) = (Some(stop), task);
    }
}

/// So many connections are served at once.
pub(crate) const MAX_CONNECTIONS: usize = 256;

fn serve(fake: &Arc<Fake>, dir: &Path) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let carrier = Carrier::Socket(http::listen(dir).unwrap());
    let (stop, stopped) = oneshot::channel();
    let router = router(fake, dir, &ApiConfig::default());
    let stopped = async { drop(stopped.await) };
    (stop, tokio::spawn(http::serve(router, carrier, MAX_CONNECTIONS, measured(), stopped)))
}

/// Makes a token in a state directory.
pub(crate) fn token(dir: &Path, name: &str, role: Role, expires: Option<Moment>) -> String {
    let create = |entries: &mut Vec<_>| access::create(entries, name, role, Moment::now(), expires);
    access::change(dir, create).unwrap().reveal().to_owned()
}

/// A router that is asked over TCP. It ends with what is returned.
pub(crate) fn on_network(
    router: axum::Router,
    listener: NetworkListener,
    max_connections: usize,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let (carrier, stopped) = (Carrier::Network(listener), async { drop(stopped.await) });
    (stop, tokio::spawn(http::serve(router, carrier, max_connections, measured(), stopped)))
}

/// Counts nowhere.
fn measured() -> http::Measured {
    http::Measured::new(&Registry::new(), "test").unwrap()
}

/// The API over a fake, with the tokens of a directory.
pub(crate) fn router(fake: &Arc<Fake>, dir: &Path, config: &ApiConfig) -> axum::Router {
    let service: Arc<dyn Service> = Arc::clone(fake) as _;
    let audit = AuditLog::open(dir).unwrap();
    http::router(service, Arc::new(Gate::new(dir, config)), Arc::new(audit))
}

#[async_trait]
impl Service for Fake {
    async fn submit(&self, submission: Submission) -> Result<Submitted, ServiceError> {
        let problems: Vec<_> = submission.jobs.iter().flat_map(JobRequest::problems).collect();
        if !problems.is_empty() {
            return Err(ServiceError::invalid_jobs(problems));
        }
        self.change(|state| {
            let known = state.submissions.iter().find(|(id, _)| id.is_some() && *id == submission.request_id);
            let numbers = match known {
                Some((_, numbers)) => numbers.clone(),
                None => {
                    let first = state.jobs.len() as u64 + 1;
                    for (number, request) in (first..).zip(submission.jobs) {
                        let mut record = Record::new(request.priority);
                        if let Some(finish) = state.at_once.clone() {
                            (record.runs, record.attempts) = (1, 1);
                            end(&mut record, finish);
                        }
                        let id = self.tag.job_id(number);
                        let (submitted, request) = (Moment::now(), Arc::new(request));
                        state.jobs.push(Job { number, id, submitted, request, record });
                    }
                    let numbers: Vec<u64> = (first..=state.jobs.len() as u64).collect();
                    state.submissions.push((submission.request_id, numbers.clone()));
                    numbers
                }
            };
            if state.lost_answers > 0 {
                state.lost_answers -= 1;
                return Err(ServiceError::stopping());
            }
            Ok(Submitted { ids: numbers.into_iter().map(|number| self.tag.job_id(number)).collect() })
        })
    }

    async fn jobs(&self, query: JobQuery) -> Result<JobPage, ServiceError> {
        let limit = query.limit.unwrap_or(100);
        let before = query.before.unwrap_or(u64::MAX);
        let state = self.state();
        let sought = state.jobs.iter().rev().filter(|job| job.number < before);
        let sought = sought.filter(|job| query.name.is_none() || job.request.name == query.name);
        let jobs: Vec<JobRow> = sought.take(limit).map(JobRow::from).collect();
        let next = jobs.last().map(|job| job.number).filter(|_| jobs.len() == limit);
        Ok(JobPage { jobs, next })
    }

    async fn job(&self, key: JobKey) -> Result<JobDetail, ServiceError> {
        let job = self.find(&key)?;
        let entry =
            HistoryEntry { at: job.submitted, state: JobState::Queued, detail: "submitted".to_owned() };
        Ok(JobDetail { job: JobRow::from(&job), history: vec![entry] })
    }

    async fn explain(&self, key: JobKey) -> Result<Explanation, ServiceError> {
        let JobDetail { job, history } = self.job(key).await?;
        let (reason, text) = ("at_quota".to_owned(), "the quota is used up".to_owned());
        Ok(Explanation { job, reason, text, remedy: None, ahead: Some(3), ahead_is_at_least: false, history })
    }

    async fn wait(&self, key: JobKey, patience: Duration) -> Result<JobRow, ServiceError> {
        self.find(&key)?;
        let _waiting = Waiting::new(&self.waits);
        let ended = self.until(|state| {
            state
                .jobs
                .iter()
                .any(|job| Some(job.number) == key.number_in(&self.tag) && job.record.state.is_final())
        });
        drop(timeout(patience, ended).await);
        self.find(&key).map(|job| JobRow::from(&job))
    }

    async fn kill(&self, key: JobKey, reason: String) -> Result<JobRow, ServiceError> {
        let job = self.find(&key)?;
        if job.record.state.is_final() {
            let message = format!("job {key} is {} already", job.record.state);
            return Err(ServiceError::new(ErrorCode::Conflict, message));
        }
        self.end(job.number, Finish::Cancelled { reason });
        self.find(&key).map(|job| JobRow::from(&job))
    }

    async fn set_priority(&self, key: JobKey, priority: u32) -> Result<JobRow, ServiceError> {
        let job = self.find(&key)?;
        self.change(|state| state.jobs[job.number as usize - 1].record.priority = priority);
        self.find(&key).map(|job| JobRow::from(&job))
    }

    async fn read_output(&self, read: OutputRead) -> Result<OutputPiece, ServiceError> {
        let mut changed = self.changed.subscribe();
        let _waiting = read.wait.then(|| Waiting::new(&self.waits));
        loop {
            let job = self.find(&read.key)?;
            let run = read.run.or((job.record.runs > 0).then_some(job.record.runs));
            let over = job.record.state.is_final() || run.is_some_and(|run| run < job.record.runs);
            let data = self.look(|state| {
                let both = run.and_then(|run| state.output.get(&(job.number, run)));
                let all = both.map_or(&[][..], |both| &both[read.stream as usize]);
                // In small pieces, so that their borders are tested.
                let rest = all.get(read.offset as usize..).unwrap_or_default();
                Bytes::copy_from_slice(&rest[..rest.len().min(7)])
            });
            if !data.is_empty() || over || !read.wait {
                let incomplete = job.record.output == OutputKept::Incomplete;
                return Ok(OutputPiece { run, last: data.is_empty(), data, incomplete });
            }
            changed.changed().await.unwrap();
        }
    }

    async fn instances(&self) -> Result<Vec<InstanceRow>, ServiceError> {
        Ok(self.look(|state| state.instances.clone()))
    }

    async fn act_on_instance(
        &self,
        id: InstanceId,
        action: InstanceAction,
    ) -> Result<InstanceRow, ServiceError> {
        self.change(|state| state.actions.push((id.clone(), action)));
        let found =
            self.look(|state| state.instances.iter().find(|row| row.id.as_ref() == Some(&id)).cloned());
        found.ok_or_else(|| ServiceError::new(ErrorCode::NotFound, format!("there is no instance {id}")))
    }

    async fn types(&self) -> Result<Vec<TypeRow>, ServiceError> {
        Ok(vec![type_row("small")])
    }

    async fn hold_offs(&self) -> Result<Vec<HoldOff>, ServiceError> {
        Ok(type_row("small").hold_offs)
    }

    async fn series(&self, back: Duration) -> Result<Series, ServiceError> {
        Ok(Series { step_seconds: back.as_secs_f64(), points: Vec::new() })
    }

    async fn events(&self) -> Result<EventStream, ServiceError> {
        let status = serde_json::to_string(&self.status().await?).unwrap();
        let first = EventMessage { event: EventKind::Status, data: status.into() };
        let second = EventMessage { event: EventKind::Missed, data: "{}".into() };
        Ok(stream::iter([first, second]).boxed())
    }

    async fn status(&self) -> Result<PoolStatus, ServiceError> {
        Ok(PoolStatus {
            release: "1".to_owned(),
            pid: 1,
            instance_set: "test".to_owned(),
            driver: "fake".to_owned(),
            started_at: Moment::now(),
            loaded: true,
            jobs: BTreeMap::from([(JobState::Queued, 2)]),
            instances: BTreeMap::from([("idle".to_owned(), 1)]),
            price_per_hour: 0.25,
            at_quota: true,
            at_max_instances: true,
            at_provider_quota: false,
            at_capacity: Vec::new(),
            problems: vec!["the disk is full".to_owned()],
        })
    }

    fn is_loaded(&self) -> bool {
        true
    }

    async fn metrics(&self) -> String {
        "pool_jobs 2\n".to_owned()
    }
}

/// An idle instance.
pub(crate) fn instance(id: &str) -> InstanceRow {
    InstanceRow {
        id: Some(InstanceId::new(id).unwrap()),
        instance_type: "small".try_into().unwrap(),
        provider_type: "loop.small".to_owned(),
        placement: String::new(),
        address: None,
        worker_state: "idle".to_owned(),
        idle_behavior: "run".to_owned(),
        running_jobs: Vec::new(),
        last_job: None,
        price: Some(0.01),
        reason: None,
        created_at: Some(Moment::now()),
        idle_seconds: Some(75.0),
        reserved: Resources::default(),
    }
}

/// A type that the provider has none of.
pub(crate) fn type_row(name: &str) -> TypeRow {
    let name: InstanceTypeName = name.try_into().unwrap();
    let hold_off = HoldOff {
        kind: HoldOffKind::Capacity,
        covers: format!("type {name}"),
        types: vec![name.clone()],
        operation: None,
        placement: None,
        until: Some(Moment(1_764_000_000_000)),
        until_fewer_than: None,
    };
    TypeRow {
        name,
        provider_type: "loop.small".to_owned(),
        vcpus: 4.0,
        memory: 1 << 30,
        scratch: 0,
        gpus: 0,
        price: 0.04,
        preemptible: false,
        instances: BTreeMap::from([("idle".to_owned(), 3)]),
        at_capacity: true,
        at_quota: false,
        hold_offs: vec![hold_off],
    }
}
