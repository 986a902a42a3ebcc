//! One worker's line: all that is asked of it, in order, over one connection.

use crate::{
    deploy::{DeployError, deploy, quote},
    session::{ANSWER_LIMIT, Answer, HELLO_LIMIT, Session, SessionError, SessionEvent},
    shell::Shell,
};
use pool_api::{Command, Executor, InstanceId, JobSpec, RunId, Target};
use pool_protocol::{
    HelloToRunner, KillTimes, OLDEST_PROTOCOL_VERSION, OutputChunk, OutputStream, PROTOCOL_VERSION, Refusal,
    RequestError, ToPool, ToRunner,
};
use pool_state::{Event, ProbeId, ProbeResult, RunList, StartAnswer};
use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::timeout,
};

/// The boot probe is meant to be a quick look.
const BOOT_PROBE_LIMIT: Duration = Duration::from_secs(60);
/// A read that waits for output is answered when there is some, or the run ends.
const WAITING_READ_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Reads that wait to be sent. More make their callers wait.
const READ_QUEUE: usize = 64;

/// What is asked of a worker.
#[derive(Debug)]
pub(crate) enum Ask {
    Probe { probe: ProbeId, boot: bool },
    Start { run: RunId, spec: Arc<JobSpec> },
    Kill { run: RunId, reason: String, times: KillTimes },
    Forget { run: RunId },
    SetHeld { held: bool },
}

/// Which piece of output is asked for, and by whom.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) run: RunId,
    pub(crate) stream: OutputStream,
    pub(crate) offset: u64,
    pub(crate) limit: u64,
    pub(crate) wait: bool,
    pub(crate) reply: oneshot::Sender<Result<OutputChunk, ReadError>>,
}

/// Output that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The pool does not know the job, or its worker is gone.
    #[error("the job's worker is not there any longer")]
    Gone,
    /// The runner cannot be reached now.
    #[error("the job's worker cannot be reached: {0}")]
    Unreachable(String),
    /// The runner has no such run.
    #[error("the runner on the job's worker says: {0}")]
    Refused(RequestError),
    /// The pool was stopped.
    #[error("the pool has stopped")]
    Stopped,
}

/// The handle of a worker's line. Dropping it closes the line.
#[derive(Debug)]
pub(crate) struct Link {
    asks: mpsc::UnboundedSender<Ask>,
    reads: mpsc::Sender<Read>,
    executor: Arc<dyn Executor>,
    task: AbortHandle,
}

impl Link {
    /// Opens a line. Nothing is connected before something is asked.
    pub(crate) fn new(shell: &Arc<Shell>, instance: InstanceId, executor: Arc<dyn Executor>) -> Self {
        // What waits here is bounded by the decisions: a probe a worker, a start and a kill a job.
        let (asks, asked) = mpsc::unbounded_channel();
        // Callers may want to read as much as they like: not so much that a probe or a kill has to wait for them.
        let (reads, read) = mpsc::channel(READ_QUEUE);
        let worker = Worker {
            shell: Arc::downgrade(shell),
            instance,
            executor: executor.clone(),
            session: None,
            answers: JoinSet::new(),
            violation: Arc::default(),
        };
        let task = tokio::spawn(worker.serve(asked, read)).abort_handle();
        Self { asks, reads, executor, task }
    }

    pub(crate) fn ask(&self, ask: Ask) {
        // Fails only when the line is closed; then nobody waits for an answer.
        drop(self.asks.send(ask));
    }

    /// Where to send reads to. Does not keep the line open.
    pub(crate) fn reads(&self) -> mpsc::Sender<Read> {
        self.reads.clone()
    }

    pub(crate) fn set_target(&self, target: Option<Target>) {
        self.executor.set_target(target);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        self.executor.close();
    }
}

/// Why the runner cannot be talked to.
#[derive(Debug, thiserror::Error)]
enum Unreachable {
    #[error("the runner program is not on the worker")]
    Deploy(#[from] DeployError),
    #[error("no session with the runner")]
    Session(#[from] SessionError),
    #[error("the runner could not be asked")]
    Request(#[source] SessionError),
    #[error("the instance is not known any longer")]
    Gone,
}

impl Unreachable {
    /// Only then is it certain that the runner does not do what was asked.
    fn says_that_nothing_was_sent(&self) -> bool {
        match self {
            Self::Deploy(_) | Self::Session(_) | Self::Gone => true,
            // A frame that is too long never leaves.
            Self::Request(error) => matches!(error, SessionError::Frame(_)),
        }
    }
}

/// The side of the line that does what is asked.
struct Worker {
    shell: Weak<Shell>,
    instance: InstanceId,
    executor: Arc<dyn Executor>,
    session: Option<Session>,
    /// What waits for answers: the next in the queue need not. Ends with the line.
    answers: JoinSet<()>,
    /// The peer did not keep the protocol: its next probe fails for that.
    violation: Arc<Mutex<Option<String>>>,
}

impl Worker {
    async fn serve(mut self, mut asks: mpsc::UnboundedReceiver<Ask>, mut reads: mpsc::Receiver<Read>) {
        loop {
            // Cancel safety: each branch is a receive; a branch that is dropped has taken nothing.
            tokio::select! {
                biased;
                ask = asks.recv() => match ask {
                    Some(ask) => self.carry_out(ask).await,
                    None => return,
                },
                Some(read) = reads.recv() => self.read(read, &mut reads).await,
                Some(_) = self.answers.join_next() => {}
            }
        }
    }

    async fn carry_out(&mut self, ask: Ask) {
        match ask {
            Ask::Probe { probe, boot } => self.probe(probe, boot).await,
            Ask::Start { run, spec } => self.start(run, &spec).await,
            Ask::Kill { run, reason, times } => {
                // Lost or refused: the decisions ask again until the run has ended.
                let make = |request| ToRunner::Kill { request, run, reason, times };
                self.ask_and_ignore(make).await;
            }
            Ask::Forget { run } => self.forget(run).await,
            // Lost: the next session's hello says it again.
            Ask::SetHeld { held } => {
                self.ask_and_ignore(|request| ToRunner::Hold { request, held }).await;
            }
        }
    }

    async fn probe(&mut self, probe: ProbeId, boot: bool) {
        let boot = if boot { self.boot_probe().await } else { Ok(()) };
        let asked = self.request(|request| ToRunner::List { request }).await.map_err(|error| chain(&error));
        let (shell, instance, violation) =
            (self.shell.clone(), self.instance.clone(), self.violation.clone());
        self.answers.spawn(async move {
            let listed = match asked {
                Ok(answer) => match answer.wait(ANSWER_LIMIT).await {
                    Ok(ToPool::Runs { runs, broken, .. }) => Ok(RunList { runs, broken }),
                    Ok(_) => Err(chain(&SessionError::WrongAnswer)),
                    Err(error) => Err(chain(&error)),
                },
                Err(reason) => Err(reason),
            };
            let before = violation.lock().unwrap_or_else(PoisonError::into_inner).take();
            let runs = before.map_or(listed, Err);
            if let Some(shell) = shell.upgrade() {
                shell.handle(Event::Probed { instance, probe, result: ProbeResult { boot, runs } });
            }
        });
    }

    async fn boot_probe(&self) -> Result<(), String> {
        let Some(command) = self.shell.upgrade().map(|shell| shell.config.boot_probe_command.clone()) else {
            return Err("the pool has stopped".to_owned());
        };
        match self.executor.execute(Command::new(command).time_limit(BOOT_PROBE_LIMIT)).await {
            Ok(output) if output.status.is_success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                Err(format!("the boot probe command ended with {}: {}", output.status, said.trim()))
            }
            Err(error) => Err(chain(&error)),
        }
    }

    async fn start(&mut self, run: RunId, spec: &JobSpec) {
        let make = |request| ToRunner::Start { request, run: run.clone(), spec: Box::new(spec.clone()) };
        let asked = match self.request(make).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.says_that_nothing_was_sent() => Err(StartAnswer::Refused(chain(&error))),
            Err(error) => Err(StartAnswer::Lost(chain(&error))),
        };
        let (shell, instance) = (self.shell.clone(), self.instance.clone());
        self.answers.spawn(async move {
            let answer = match asked {
                Err(answer) => answer,
                Ok(answer) => match answer.wait(ANSWER_LIMIT).await {
                    Ok(ToPool::Done { .. }) => StartAnswer::Started,
                    Ok(_) => StartAnswer::Lost(chain(&SessionError::WrongAnswer)),
                    Err(error @ SessionError::Failed(_)) => StartAnswer::Refused(chain(&error)),
                    Err(error) => StartAnswer::Lost(chain(&error)),
                },
            };
            if let Some(shell) = shell.upgrade() {
                shell.handle(Event::StartAnswered { instance, run, answer });
            }
        });
    }

    async fn forget(&mut self, run: RunId) {
        let make = |request| ToRunner::Forget { request, run: run.clone() };
        // Not forgotten: the runner says again that it has ended, and is told again.
        let Ok(answer) = self.request(make).await else { return };
        let (shell, instance) = (self.shell.clone(), self.instance.clone());
        self.answers.spawn(async move {
            if answer.wait(ANSWER_LIMIT).await.is_ok()
                && let Some(shell) = shell.upgrade()
            {
                shell.handle(Event::Forgotten { instance, run });
            }
        });
    }

    async fn ask_and_ignore(&mut self, make: impl FnOnce(u64) -> ToRunner) {
        if let Ok(answer) = self.request(make).await {
            self.answers.spawn(async move { drop(answer.wait(ANSWER_LIMIT).await) });
        }
    }

    async fn read(&mut self, read: Read, others: &mut mpsc::Receiver<Read>) {
        let Read { run, stream, offset, limit: bytes, wait, mut reply } = read;
        if reply.is_closed() {
            return;
        }
        let make = |request| ToRunner::Read { request, run, stream, offset, limit: bytes, wait };
        let answer = match self.request(make).await {
            Ok(answer) => answer,
            Err(error) => {
                // Who is in the queue would fare no better, and each attempt may take long.
                let waiting = std::iter::from_fn(|| others.try_recv().ok()).map(|read| read.reply);
                for reply in std::iter::once(reply).chain(waiting) {
                    drop(reply.send(Err(ReadError::Unreachable(chain(&error)))));
                }
                return;
            }
        };
        let limit = if wait { WAITING_READ_LIMIT } else { ANSWER_LIMIT };
        self.answers.spawn(async move {
            let answer = tokio::select! {
                biased;
                // Dropping the answer is safe: a late one is passed over.
                () = reply.closed() => return,
                answer = answer.wait(limit) => answer,
            };
            let result = match answer {
                Ok(ToPool::Output { chunk, .. }) => Ok(chunk),
                Ok(_) => Err(ReadError::Unreachable(chain(&SessionError::WrongAnswer))),
                Err(SessionError::Failed(error)) => Err(ReadError::Refused(error)),
                Err(error) => Err(ReadError::Unreachable(chain(&error))),
            };
            drop(reply.send(result));
        });
    }

    /// Sends a request in the open session, or in a new one.
    async fn request(&mut self, make: impl FnOnce(u64) -> ToRunner) -> Result<Answer, Unreachable> {
        if self.session.as_ref().is_none_or(Session::is_closed) {
            if let Some(closed) = self.session.take() {
                // So that its end is not taken for the end of the next.
                closed.ended().await;
            }
            self.session = Some(self.open().await?);
        }
        let session = self.session.as_ref().ok_or(Unreachable::Gone)?;
        session.request(make).await.map_err(Unreachable::Request)
    }

    /// A new session: connects, verifies, deploys the runner and attaches to it, as need be.
    async fn open(&self) -> Result<Session, Unreachable> {
        let shell = self.shell.upgrade().ok_or(Unreachable::Gone)?;
        let instance = shell.cloud.instance(&self.instance).ok_or(Unreachable::Gone)?;
        let root = instance.root();
        let program = shell.runner_program(&self.instance).await.map_err(DeployError::from)?;
        let path = deploy(&*self.executor, &program, root).await?;
        let line = format!("exec {} runner attach --root {}", quote(&path)?, quote(root)?);
        let channel = timeout(HELLO_LIMIT, self.executor.open(Command::new(line)))
            .await
            .map_err(|_| Unreachable::Session(SessionError::NoAnswer(HELLO_LIMIT)))?
            .map_err(SessionError::from)?;
        let hello = HelloToRunner {
            version: PROTOCOL_VERSION,
            oldest_version: OLDEST_PROTOCOL_VERSION,
            instance_set: shell.config.instance_set.clone(),
            epoch: shell.epoch,
            orphan_timeout_ms: u64::try_from(shell.config.timeout_orphan.as_millis()).unwrap_or(u64::MAX),
            held: shell.look(|state| state.is_held(&self.instance)),
            power_off: instance.power_off().map(str::to_owned),
        };
        let (events, id, violation) = (self.shell.clone(), self.instance.clone(), self.violation.clone());
        let session =
            Session::open(channel, hello, move |event| forward(&events, &id, &violation, event)).await;
        if let Err(SessionError::Refused(Refusal::StaleEpoch { highest })) = &session
            // Else it is nonsense: ours is not stale then.
            && *highest > shell.epoch
        {
            let (instance, highest) = (self.instance.clone(), *highest);
            shell.handle(Event::Superseded { instance, highest });
        }
        let session = session?;
        tracing::debug!(instance = %self.instance, runner = %session.hello().release, "session opened");
        Ok(session)
    }
}

fn forward(
    shell: &Weak<Shell>,
    instance: &InstanceId,
    violation: &Mutex<Option<String>>,
    event: SessionEvent,
) {
    let Some(shell) = shell.upgrade() else { return };
    let instance = instance.clone();
    match event {
        SessionEvent::Opened => shell.handle(Event::SessionOpened { instance }),
        SessionEvent::Exited { run, end } => shell.handle(Event::RunEnded { instance, run, end }),
        SessionEvent::Broken { reason } => shell.handle(Event::Broken { instance, reason }),
        SessionEvent::Closed { reason, violation: broken_protocol } => {
            tracing::debug!(%instance, reason, "session closed");
            if broken_protocol {
                *violation.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
            }
            shell.handle(Event::SessionClosed { instance, reason });
        }
    }
}

/// An error and its sources on one line, for people.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
