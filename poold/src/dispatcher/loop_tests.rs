//! What the loop does while the queue cannot be written. The clock is tokio's, and paused.

use super::{
    asked::Asked,
    board::Limits,
    core::{DispatchError, Dispatcher},
    outputs::OutputStore,
    read,
    settings::DispatchSettings,
};
use crate::{
    api::JobDetail,
    job::{Assigned, HistoryEntry, Job, JobRequest, JobState, Moment, QueueTag, Record},
    queue::{Change, JobFilter, JobReader, NewJob, Queue, QueueError, SqliteQueue},
};
use async_trait::async_trait;
use pool_core::{
    BoxCloudError, ByteSize, Capabilities, Connector, CreateRequest, Executor, HostVerifier, Idempotency,
    Instance, InstanceSet, InstanceType, Placement, PlanOptions, Pool, PoolConfig, PublicKey, QuotaGroup,
    RunnerSource, TagLimits, Tags, Target, WallClock,
};
use prometheus::Registry;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep},
};

/// A cloud that never has an instance, and says so once this is closed.
struct NoInstances(Arc<Semaphore>);

#[async_trait]
impl InstanceSet for NoInstances {
    async fn create(&self, _: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        std::future::pending().await
    }

    async fn instances(&self, _: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        assert!(self.0.acquire().await.is_err(), "there are no permits");
        Ok(Vec::new())
    }

    fn quota_group(&self, _: &InstanceType) -> QuotaGroup {
        "all".parse().unwrap()
    }

    fn placements(&self) -> Vec<Placement> {
        vec![Placement::unnamed()]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: false,
            added_scratch: false,
            host_keys: false,
            list_settle_time: Duration::ZERO,
        }
    }

    async fn stop(&self) {}
}

struct NoConnector;

impl Connector for NoConnector {
    fn public_key(&self) -> PublicKey {
        PublicKey("ssh-ed25519 AAAA".into())
    }

    fn executor(&self, _: Option<Target>, _: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        panic!("there is no instance to connect to")
    }
}

/// The disk of a queue.
#[derive(Clone, Debug, Default)]
struct Disk {
    is_full: Arc<AtomicBool>,
    /// Commits that were tried while it was.
    tried: Arc<AtomicU32>,
}

struct QueueOnDisk(SqliteQueue, Disk);

impl JobReader for QueueOnDisk {
    fn job(&self, number: u64) -> Result<Option<Job>, QueueError> {
        self.0.job(number)
    }
    fn jobs(&self, filter: &JobFilter) -> Result<Vec<Job>, QueueError> {
        self.0.jobs(filter)
    }
    fn history(&self, number: u64) -> Result<Vec<HistoryEntry>, QueueError> {
        self.0.history(number)
    }
}

impl Queue for QueueOnDisk {
    fn tag(&self) -> &QueueTag {
        self.0.tag()
    }
    fn next_number(&self) -> u64 {
        self.0.next_number()
    }
    fn cloud(&self) -> Result<Option<String>, QueueError> {
        self.0.cloud()
    }
    fn bind_to_cloud(&mut self, cloud: &str) -> Result<(), QueueError> {
        self.0.bind_to_cloud(cloud)
    }
    fn unfinished(&self) -> Result<Vec<Job>, QueueError> {
        self.0.unfinished()
    }
    fn commit(&mut self, changes: &[Change]) -> Result<(), QueueError> {
        if !self.1.is_full.load(SeqCst) {
            return self.0.commit(changes);
        }
        // A loop that is busy would never let the paused clock go on.
        assert!(self.1.tried.fetch_add(1, SeqCst) < 10_000, "the loop is busy");
        Err(QueueError::DiskFull { path: "queue.sqlite".into() })
    }
    fn try_to_write(&mut self) -> Result<(), QueueError> {
        if !self.1.is_full.load(SeqCst) {
            return self.0.try_to_write();
        }
        assert!(self.1.tried.fetch_add(1, SeqCst) < 10_000, "the loop is busy");
        Err(QueueError::DiskFull { path: "queue.sqlite".into() })
    }
    fn submission(&self, request_id: &str) -> Result<Option<(u64, u64)>, QueueError> {
        self.0.submission(request_id)
    }
    fn request(&self, number: u64) -> Result<Option<Arc<JobRequest>>, QueueError> {
        self.0.request(number)
    }
    fn counts(&self) -> Result<BTreeMap<JobState, u64>, QueueError> {
        self.0.counts()
    }
    fn prunable(
        &self,
        before: Moment,
        recent: Moment,
        keep: u64,
        limit: usize,
    ) -> Result<Vec<u64>, QueueError> {
        self.0.prunable(before, recent, keep, limit)
    }
}

struct Running {
    dir: TempDir,
    pool: Pool,
    disk: Disk,
    /// Closed when the cloud may answer.
    unlisted: Arc<Semaphore>,
    asked: mpsc::Sender<Asked>,
    ended: JoinHandle<Result<(), DispatchError>>,
}

impl Running {
    /// A dispatcher whose queue holds these jobs, counted from 1.
    fn with(records: Vec<Record>) -> Self {
        let running = Self::before_the_first_list(records);
        running.unlisted.close();
        running
    }

    fn before_the_first_list(records: Vec<Record>) -> Self {
        let unlisted = Arc::new(Semaphore::new(0));
        let dir = tempfile::tempdir().unwrap();
        let instance_type: InstanceType = serde_json::from_value(serde_json::json!({
            "name": "small", "provider_type": "small", "vcpus": 2, "memory": "2 GiB", "price": 0.01,
        }))
        .unwrap();
        let mut queue = SqliteQueue::open(&dir.path().join("queue.sqlite")).unwrap();
        let request = Arc::new(JobRequest::new(["true"]));
        let new = |number| NewJob { number, submitted: Moment::now(), request: request.clone() };
        let jobs = (1..=records.len() as u64).map(new).collect();
        let mut changes = vec![Change::Submit { request_id: None, jobs }];
        for (number, record) in (1..).zip(records) {
            changes.push(Change::Update { number, record: Box::new(record), history: None });
        }
        queue.commit(&changes).unwrap();

        let config = PoolConfig::new("test".parse().unwrap(), vec![instance_type.clone()]);
        let pool = Pool::builder(config, Arc::new(NoInstances(unlisted.clone())), NoConnector)
            .runner(RunnerSource::Installed("/bin/none".to_owned()))
            .start()
            .unwrap();
        let settings = DispatchSettings {
            instance_set: "test".to_owned(),
            driver: "none".to_owned(),
            instance_types: vec![Arc::new(instance_type)],
            plan: PlanOptions::default(),
            keeps_idle: false,
            limits: Limits { max_attempts: 3, max_preemptions: 3, max_refusals: 20 },
            output_limit: ByteSize::mib(1),
            max_output_limit: ByteSize::mib(1),
            max_jobs: 1000,
            keep_finished: Duration::from_secs(3600),
            max_finished: 1000,
            list_settle_time: Duration::ZERO,
        };
        let disk = Disk::default();
        let outputs = OutputStore::open(dir.path().join("outputs")).unwrap();
        let queue = Box::new(QueueOnDisk(queue, disk.clone()));
        let dispatcher =
            Dispatcher::new(pool.clone(), queue, outputs, settings, &Registry::new(), WallClock::system());
        let dispatcher = dispatcher.unwrap();
        let (asked, questions) = mpsc::channel(8);
        let ended = tokio::spawn(dispatcher.run(questions, std::future::pending()));
        Self { dir, pool, disk, unlisted, asked, ended }
    }

    async fn job(&self, number: u64) -> JobDetail {
        let (answer, answered) = oneshot::channel();
        let question = move |reader: &dyn JobReader| drop(answer.send(read::detail(reader, number)));
        self.asked.send(Asked::Read(Box::new(question))).await.unwrap();
        answered.await.unwrap().unwrap().unwrap()
    }

    async fn end(self) {
        drop(self.asked);
        self.ended.await.unwrap().unwrap();
        self.pool.stop().await;
    }
}

/// Given to a worker by an earlier process.
fn locked() -> Record {
    let worker = Assigned {
        instance: "i-1".parse().unwrap(),
        instance_type: "small".parse().unwrap(),
        preemptible: false,
    };
    let mut record = Record::new(100);
    record.state = JobState::Locked;
    (record.runs, record.attempts, record.worker) = (1, 1, Some(worker));
    record
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_full_the_loop_tries_now_and_then_and_then_goes_on() {
    let running = Running::with(vec![locked()]);
    // Its worker is gone, and that cannot be written.
    running.disk.is_full.store(true, SeqCst);
    let begun = Instant::now();
    sleep(Duration::from_secs(300)).await;
    let tried = running.disk.tried.load(SeqCst);
    assert!((100..400).contains(&tried), "{tried} times in {:?}", begun.elapsed());
    assert_eq!(running.job(1).await.job.state, JobState::Locked);
    running.disk.is_full.store(false, SeqCst);
    sleep(Duration::from_secs(2)).await;
    let detail = running.job(1).await;
    assert_eq!((detail.job.state, detail.job.attempts), (JobState::Queued, 1), "{:?}", detail.history);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn old_outputs_are_deleted_while_the_disk_is_full() {
    let mut old = Record::new(100);
    old.state = JobState::Complete;
    old.ended = Some(Moment(1));
    let running = Running::with(vec![locked(), old]);
    running.disk.is_full.store(true, SeqCst);
    let output = running.dir.path().join("outputs/0/2/1.stdout");
    std::fs::create_dir_all(output.parent().unwrap()).unwrap();
    std::fs::write(&output, "room").unwrap();
    sleep(Duration::from_secs(120)).await;
    assert!(!output.exists(), "it may be the room that is missing");
    running.disk.is_full.store(false, SeqCst);
    sleep(Duration::from_secs(120)).await;
    let (answer, answered) = oneshot::channel();
    let question = move |reader: &dyn JobReader| drop(answer.send(reader.job(2).unwrap()));
    running.asked.send(Asked::Read(Box::new(question))).await.unwrap();
    assert!(answered.await.unwrap().is_none(), "what was deleted half-way is found again");
    running.end().await;
}

#[tokio::test]
async fn it_ends_when_the_pool_has_stopped_by_itself() {
    let running = Running::with(vec![locked()]);
    running.pool.stop().await;
    let ended = running.ended.await.unwrap();
    assert!(matches!(ended, Err(DispatchError::PoolStopped)), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_never_end_do_not_keep_it_from_looking_at_the_pool() {
    let mut records = vec![Record::new(100); 300];
    records[0] = locked();
    let running = Running::before_the_first_list(records);
    let stop = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..2)
        .map(|_| {
            let (asked, stop) = (running.asked.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    let filter = JobFilter { limit: 300, ..JobFilter::default() };
                    let question = move |reader: &dyn JobReader| drop(read::page(reader, &filter));
                    asked.blocking_send(Asked::Read(Box::new(question))).unwrap();
                }
            })
        })
        .collect();
    sleep(Duration::from_millis(200)).await;
    running.unlisted.close();
    let begun = Instant::now();
    while running.job(1).await.job.state == JobState::Locked {
        assert!(begun.elapsed() < Duration::from_secs(10), "its worker is gone, and nobody has looked");
    }
    stop.store(true, SeqCst);
    asking.into_iter().for_each(|thread| thread.join().unwrap());
    running.end().await;
}
