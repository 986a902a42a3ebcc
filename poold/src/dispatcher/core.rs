//! The dispatcher's loop: looks at what has happened, decides, makes it durable, acts.

use super::{
    asked::{Asked, Reply},
    board::Board,
    collect::Collected,
    followed::Followed,
    metrics::Metrics,
    outputs::OutputStore,
    problems::Problems,
    settings::DispatchSettings,
    start::Start,
    tail::Tail,
};
use crate::{
    api::{JobRow, ServiceError},
    job::{Moment, QueueTag},
    queue::{Change, Queue, QueueError},
    telemetry::Tracer,
};
use pool_core::{InstanceId, JobId, Notice, Plan, Pool, RunId, WaitingJobs, WallClock};
use prometheus::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};
use tokio::{
    sync::{
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        mpsc, oneshot,
    },
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};

/// From a commit that failed to the next attempt.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);
/// How many questions are taken into one pass.
const QUESTIONS_A_PASS: usize = 256;
/// A pass that takes less is not worth a pause.
const SHORT_PASS: Duration = Duration::from_millis(5);

/// Why the dispatcher ended by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DispatchError {
    #[error("the queue cannot be read")]
    Queue(#[from] QueueError),
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    #[error(
        "another program has taken the instances over (epoch {epoch}): this one has stopped and touched nothing since. \
         Let only one program use an instance set"
    )]
    Superseded { epoch: u64 },
    #[error(
        "the pool has stopped by itself: this is a fault of the program. Start it again, nothing is lost"
    )]
    PoolStopped,
}

/// What is done once the pass is durable.
#[derive(Debug, Default)]
pub(super) struct After {
    pub(super) forget: Vec<JobId>,
    pub(super) kill: Vec<(JobId, String)>,
    pub(super) starts: Vec<Start>,
    pub(super) shutdowns: Vec<InstanceId>,
    pub(super) creates: Vec<pool_core::InstanceTypeName>,
    /// Jobs whose runs were lost in this pass, and why, for metrics and traces.
    pub(super) lost: Vec<(u64, &'static str)>,
}

/// Somebody who waits until a job is final.
pub(super) type Waiter = oneshot::Sender<Result<JobRow, ServiceError>>;

/// What a pass has come to, for who [watches](Dispatcher::watch).
#[derive(Debug)]
pub(crate) struct PassReport<'a> {
    /// What has become durable.
    pub(crate) changes: &'a [Change],
    /// Names the jobs.
    pub(crate) tag: &'a QueueTag,
    /// What is to be started and created, and why the rest waits: it holds until the next pass.
    pub(crate) plan: &'a Plan,
    /// The jobs that wait, this pass' starts no longer among them.
    pub(crate) waiting: &'a WaitingJobs,
}

/// Called after each pass whose changes have become durable.
type Watch = Box<dyn FnMut(&PassReport<'_>) + Send>;

/// The loop and what it knows. The one owner of the queue.
pub(crate) struct Dispatcher {
    pub(super) pool: Pool,
    pub(super) queue: Box<dyn Queue>,
    pub(super) tag: QueueTag,
    pub(super) settings: DispatchSettings,
    pub(super) board: Board,
    pub(super) outputs: OutputStore,
    pub(super) followed: Followed,
    pub(super) plan: Plan,
    pub(super) after: After,
    pub(super) replies: Vec<Reply>,
    pub(super) waiters: BTreeMap<u64, Vec<Waiter>>,
    pub(super) tails: BTreeMap<u64, Tail>,
    pub(super) collecting: JoinSet<Collected>,
    /// Which run of a job is being collected.
    pub(super) collectors: BTreeMap<u64, (u32, AbortHandle)>,
    pub(super) collected: BTreeMap<u64, Collected>,
    /// When the end of a run was seen whose output is still being collected.
    pub(super) ends_seen: BTreeMap<u64, Moment>,
    /// Jobs that the pool did not take in the last pass, and why; kept until that is committed.
    pub(super) refused: BTreeMap<u64, String>,
    /// Runs that are being ended because no job of the queue has them: each is told of once.
    pub(super) strangers: BTreeSet<RunId>,
    /// Jobs that were refused: when each may be planned for again.
    pub(super) deferred: BTreeMap<(Instant, u64), ()>,
    pub(super) prune_at: Instant,
    pub(super) started_at: Moment,
    /// Why the last commit failed; none while commits succeed.
    pub(super) commit_problem: Option<String>,
    pub(super) call_problems: Problems,
    clock: WallClock,
    notices: broadcast::Receiver<Notice>,
    retry_at: Option<Instant>,
    pub(super) metrics: Metrics,
    pub(super) tracer: Tracer,
    watchers: Vec<Watch>,
}

impl Dispatcher {
    /// Takes up what the queue holds. What happens is dated by the clock.
    ///
    /// # Errors
    /// [`DispatchError`].
    pub(crate) fn new(
        pool: Pool,
        queue: Box<dyn Queue>,
        outputs: OutputStore,
        settings: DispatchSettings,
        registry: &Registry,
        clock: WallClock,
    ) -> Result<Self, DispatchError> {
        let metrics = Metrics::new(registry, &settings)?;
        let mut board = Board::new(settings.limits, queue.next_number());
        for job in queue.unfinished()? {
            let on_demand = super::start::fits_on_demand(&settings.instance_types, &job.request);
            board.load(&job, on_demand);
        }
        Ok(Self {
            notices: pool.notices(),
            tag: queue.tag().clone(),
            board,
            pool,
            queue,
            settings,
            outputs,
            followed: Followed::default(),
            plan: Plan::default(),
            after: After::default(),
            replies: Vec::new(),
            waiters: BTreeMap::new(),
            tails: BTreeMap::new(),
            collecting: JoinSet::new(),
            collectors: BTreeMap::new(),
            collected: BTreeMap::new(),
            ends_seen: BTreeMap::new(),
            refused: BTreeMap::new(),
            strangers: BTreeSet::new(),
            deferred: BTreeMap::new(),
            prune_at: Instant::now(),
            started_at: clock.now().into(),
            clock,
            commit_problem: None,
            call_problems: Problems::default(),
            retry_at: None,
            metrics,
            tracer: Tracer::default(),
            watchers: Vec::new(),
        })
    }

    /// Traces jobs from now on.
    pub(crate) fn trace_with(&mut self, tracer: Tracer) {
        self.tracer = tracer;
    }

    /// Tells one more of each pass from now on. It is called within the pass, which waits for it.
    pub(crate) fn watch(&mut self, watch: Watch) {
        self.watchers.push(watch);
    }

    /// Works until `stop` ends. Jobs and instances go on then, and the next dispatcher takes them up.
    ///
    /// # Errors
    /// [`DispatchError::Superseded`] when another program has taken the instances over, [`DispatchError::PoolStopped`]
    /// when the pool is of no use any longer.
    pub(crate) async fn run(
        mut self,
        mut asked: mpsc::Receiver<Asked>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), DispatchError> {
        let mut stop = std::pin::pin!(stop);
        let mut changes = self.pool.subscribe();
        let mut questions = Vec::new();
        // Whether something may have changed besides what is asked for.
        let mut look = true;
        loop {
            if let Some(epoch) = self.pool.superseded() {
                return Err(DispatchError::Superseded { epoch });
            }
            if self.pool.is_stopped() {
                return Err(DispatchError::PoolStopped);
            }
            let began = Instant::now();
            look |= self.take_what_is_there(&mut asked, &mut questions);
            let needed = self.answer(&mut questions) | std::mem::take(&mut look);
            if needed {
                self.pass();
            }
            let took = began.elapsed();
            if needed {
                self.metrics.passes.observe(took.as_secs_f64());
            }
            let wake = self.next_wake();
            // A large pool changes all the time: half of the time is enough to follow it.
            if took > SHORT_PASS {
                tokio::select! {
                    biased;
                    () = &mut stop => return Ok(()),
                    () = sleep(took) => {}
                }
            }
            // Biased, so that it goes the same way each time that all else does. Fair all the same: each turn begins with
            // all that is there, and questions come last, for they may never end.
            // Cancel safety: receives, joins and timers lose nothing when dropped; `stop` is kept.
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = changes.changed() => look = true,
                () = sleep_until(wake) => look = true,
                Some(collected) = self.collecting.join_next() => {
                    self.take_in_collected(collected);
                    look = true;
                }
                notice = self.notices.recv() => self.note(notice),
                count = asked.recv_many(&mut questions, QUESTIONS_A_PASS) => {
                    if count == 0 {
                        // Nobody is left who could ask.
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Takes what has come, and waits for nothing. True when the pool is to be looked at for that.
    fn take_what_is_there(&mut self, asked: &mut mpsc::Receiver<Asked>, questions: &mut Vec<Asked>) -> bool {
        let mut look = false;
        while let Some(collected) = self.collecting.try_join_next() {
            self.take_in_collected(collected);
            look = true;
        }
        loop {
            match self.notices.try_recv() {
                Ok(notice) => self.note(Ok(notice)),
                Err(TryRecvError::Lagged(missed)) => self.note(Err(RecvError::Lagged(missed))),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        while questions.len() < QUESTIONS_A_PASS
            && let Ok(question) = asked.try_recv()
        {
            questions.push(question);
        }
        look
    }

    /// The time of day.
    pub(super) fn now(&self) -> Moment {
        self.clock.now().into()
    }

    /// One pass: all changes of it are committed at once, and acted on only then.
    fn pass(&mut self) {
        let now = self.now();
        self.after = After::default();
        self.take_in_pool(now);
        self.end_deferrals();
        self.make_plan(now);
        let finished = if self.board.changes().is_empty() {
            self.report_pass();
            self.try_to_write_again();
            Vec::new()
        } else {
            let committing = self.metrics.commits.start_timer();
            let committed = self.queue.commit(self.board.changes());
            committing.observe_duration();
            match committed {
                Ok(()) => {
                    self.commit_problem = None;
                    self.retry_at = None;
                    self.report_pass();
                    self.count_what_is_durable(now);
                    self.trace_what_is_durable();
                    self.board.committed()
                }
                Err(error) => {
                    self.roll_back(&error);
                    // What it deletes may be the room that is missing.
                    return self.prune_if_due(now);
                }
            }
        };
        self.refused.clear();
        for job in finished {
            self.has_finished(&job);
        }
        self.act();
        for reply in std::mem::take(&mut self.replies) {
            reply(Ok(&*self.queue));
        }
        self.prune_if_due(now);
    }

    fn report_pass(&mut self) {
        for watch in &mut self.watchers {
            let (changes, waiting) = (self.board.changes(), self.board.waiting());
            watch(&PassReport { changes, tag: &self.tag, plan: &self.plan, waiting });
        }
    }

    /// Finds out whether what kept the last changes from being written is over. A pass that has none to write would not.
    fn try_to_write_again(&mut self) {
        if self.commit_problem.is_some() && self.retry_at.is_none_or(|at| at <= Instant::now()) {
            let problem = self.queue.try_to_write().err();
            self.retry_at = problem.is_some().then(|| Instant::now() + COMMIT_AGAIN);
            if problem.is_none() {
                self.metrics.committed(self.now());
            }
            self.commit_problem = problem.map(|error| ServiceError::from(&error).message);
        }
    }

    /// Nothing of the pass has happened. What the pool has to say will be said again.
    fn roll_back(&mut self, error: &QueueError) {
        let shown = ServiceError::from(error);
        self.metrics.commit_failed();
        // Tried again with every change of the pool: said once is enough.
        if self.commit_problem.as_ref() != Some(&shown.message) {
            tracing::error!(error = %shown.message, "the queue could not be written: nothing was changed");
        }
        self.board.roll_back();
        self.followed.look_at_all_again(self.board.active().map(|job| job.number));
        self.after = After::default();
        for reply in std::mem::take(&mut self.replies) {
            reply(Err(shown.clone()));
        }
        self.commit_problem = Some(shown.message);
        self.retry_at = Some(Instant::now() + COMMIT_AGAIN);
    }

    fn next_wake(&self) -> Instant {
        let deferred = self.deferred.keys().next().map(|(at, _)| *at);
        // A refusal of the pool's is looked at at once.
        let refused = (!self.refused.is_empty() && self.retry_at.is_none()).then(Instant::now);
        [deferred, self.retry_at, refused].into_iter().flatten().fold(self.prune_at, Instant::min)
    }

    /// Brings the numbers of jobs by state, and what is free on the disk, up to date.
    pub(super) fn update_gauges(&self) {
        if let Ok(counts) = self.queue.counts() {
            self.metrics.set_jobs(&counts);
        }
        self.metrics.set_stopped(self.board.stopped());
        self.metrics.look_at_disk(self.outputs.dir());
    }

    fn note(&mut self, notice: Result<Notice, RecvError>) {
        match notice {
            Ok(Notice::CallFailed { kind, failure }) => {
                self.call_problems.note(kind.to_string(), failure.message);
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "notices were missed");
            }
            Err(RecvError::Closed) => {}
        }
    }
}
