//! The program's side of a connection: an executor that behaves as `executor-ssh`'s does.

use super::{
    SimCloud,
    line::{ChannelId, ConnectionId, Knocking},
};
use async_trait::async_trait;
use bytes::Bytes;
use pool_api::{
    Channel, ChannelEvent, ChannelReader, ChannelWriter, Command, CommandOutput, Executor, ExecutorError,
    HostVerifier, Target, UnverifiedHost, VerifyError,
};
use std::{
    fmt,
    future::{Future, pending},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::timeout,
};

/// `executor-ssh`'s default limits. The handshake has none of its own here: it is a part of connecting.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const VERIFY_LIMIT: Duration = Duration::from_secs(30);

/// Why a connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    Lost,
    Retargeted,
    Closed,
}

#[derive(Debug, thiserror::Error)]
#[error("the instance has another address or user now")]
struct AnotherTarget;

/// At most one connection, one attempt to make it, one target.
pub(super) struct SimExecutor {
    world: SimCloud,
    program: u32,
    verifier: Arc<dyn HostVerifier>,
    state: Arc<Mutex<State>>,
}

struct State {
    target: Option<Target>,
    link: Link,
    /// How many attempts were begun: the number of the latest.
    attempts: u64,
}

enum Link {
    Idle,
    Making { outcome: watch::Receiver<Option<Outcome>>, attempt: AbortHandle },
    Made(Arc<Line>),
    Closed,
}

type Outcome = Result<Arc<Line>, Arc<Failure>>;

/// Why an attempt failed: the first who asks gets the error, others the like.
struct Failure {
    error: Mutex<Option<ExecutorError>>,
    like: fn(String, String) -> ExecutorError,
    address: String,
    text: String,
}

impl Failure {
    fn new(error: ExecutorError, address: String) -> Self {
        let like: fn(String, String) -> ExecutorError = match &error {
            ExecutorError::TimedOut { what: "connect", .. } => {
                |_, _| ExecutorError::TimedOut { what: "connect", limit: CONNECT_LIMIT }
            }
            ExecutorError::Connect { .. } => {
                |address, text| ExecutorError::Connect { address, source: text.into() }
            }
            ExecutorError::HostRefused(_) => {
                |_, detail| ExecutorError::HostRefused(VerifyError::NoSecret { detail })
            }
            _ => |_, text| ExecutorError::Lost(Some(text.into())),
        };
        Self { text: error.to_string(), error: Mutex::new(Some(error)), like, address }
    }

    fn error(&self) -> ExecutorError {
        let first = lock(&self.error).take();
        first.unwrap_or_else(|| (self.like)(self.address.clone(), self.text.clone()))
    }
}

impl SimExecutor {
    pub(super) fn new(
        world: SimCloud,
        program: u32,
        target: Option<Target>,
        verifier: Arc<dyn HostVerifier>,
    ) -> Self {
        let state = Arc::new(Mutex::new(State { target, link: Link::Idle, attempts: 0 }));
        Self { world, program, verifier, state }
    }

    /// The connection that is there, or the outcome of the one attempt to make it.
    async fn line(&self) -> Result<Arc<Line>, ExecutorError> {
        loop {
            let mut outcome = match self.line_or_attempt()? {
                Ok(line) => return Ok(line),
                Err(attempt) => attempt,
            };
            // When the attempt was given up, for another target or for good, the state says how to go on.
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                && let Some(outcome) = &*outcome
            {
                return outcome.clone().map_err(|failure| failure.error());
            }
        }
    }

    fn line_or_attempt(&self) -> Result<Result<Arc<Line>, watch::Receiver<Option<Outcome>>>, ExecutorError> {
        let mut state = lock(&self.state);
        match &state.link {
            Link::Closed => return Err(ExecutorError::Closed),
            Link::Made(line) if !line.has_ended() => return Ok(Ok(Arc::clone(line))),
            Link::Making { outcome, .. } => return Ok(Err(outcome.clone())),
            Link::Made(_) | Link::Idle => {}
        }
        let target = state.target.clone().ok_or(ExecutorError::NoAddress)?;
        let (sender, outcome) = watch::channel(None);
        state.attempts += 1;
        let attempt = Attempt {
            number: state.attempts,
            world: self.world.clone(),
            program: self.program,
            address: target.address,
            verifier: Arc::clone(&self.verifier),
            state: Arc::clone(&self.state),
            outcome: sender,
        };
        let attempt = tokio::spawn(attempt.run()).abort_handle();
        state.link = Link::Making { outcome: outcome.clone(), attempt };
        Ok(Err(outcome))
    }
}

/// One attempt to make a connection. Goes on when those who wait for it give up.
struct Attempt {
    number: u64,
    world: SimCloud,
    program: u32,
    address: String,
    verifier: Arc<dyn HostVerifier>,
    state: Arc<Mutex<State>>,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Attempt {
    async fn run(self) {
        let result = Line::make(&self.world, self.program, &self.address, &*self.verifier).await;
        let outcome = {
            let mut state = lock(&self.state);
            // An attempt that is given up is aborted, but may have come this far: it counts no more.
            if !matches!(state.link, Link::Making { .. }) || state.attempts != self.number {
                return;
            }
            match result {
                Ok(line) => {
                    state.link = Link::Made(Arc::clone(&line));
                    Ok(line)
                }
                Err(error) => {
                    state.link = Link::Idle;
                    Err(Arc::new(Failure::new(error, self.address)))
                }
            }
        };
        let _ = self.outcome.send(Some(outcome));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(link: Link, cause: Cause) {
    match link {
        Link::Making { attempt, .. } => attempt.abort(),
        Link::Made(line) => line.end(cause),
        Link::Idle | Link::Closed => {}
    }
}

#[async_trait]
impl Executor for SimExecutor {
    fn set_target(&self, target: Option<Target>) {
        let mut state = lock(&self.state);
        if state.target == target {
            return;
        }
        state.target = target;
        if !matches!(state.link, Link::Closed) {
            let link = std::mem::replace(&mut state.link, Link::Idle);
            drop(state);
            end(link, Cause::Retargeted);
        }
    }

    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        let limit = command.time_limit;
        within("command", limit, async { self.line().await?.run(command).await }).await
    }

    async fn open(&self, command: Command) -> Result<Channel, ExecutorError> {
        let line = self.line().await?;
        let (channel, opened, events) = line.world.lock().open(line.id, command.line);
        let guard = Arc::new(ChannelGuard { line, channel });
        guard.line.until_end(opened).await?;
        if !command.stdin.is_empty() {
            guard.send(command.stdin)?;
        }
        let writer = Box::new(Writer(Arc::clone(&guard)));
        Ok(Channel { writer, reader: Box::new(Reader { events, _guard: guard }) })
    }

    fn close(&self) {
        let link = std::mem::replace(&mut lock(&self.state).link, Link::Closed);
        end(link, Cause::Closed);
    }
}

impl Drop for SimExecutor {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SimExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimExecutor").field("target", &lock(&self.state).target).finish_non_exhaustive()
    }
}

/// A connection. Dropping it hangs up.
struct Line {
    world: SimCloud,
    id: ConnectionId,
    end: watch::Receiver<Option<Cause>>,
}

impl Line {
    async fn make(
        world: &SimCloud,
        program: u32,
        address: &str,
        verifier: &dyn HostVerifier,
    ) -> Result<Arc<Self>, ExecutorError> {
        let Knocking { id, welcome, end } = world.lock().knock(program, address.to_owned());
        let line = Arc::new(Self { world: world.clone(), id, end });
        let key = within("connect", CONNECT_LIMIT, async {
            match welcome.await {
                Ok(Ok(key)) => Ok(key),
                Ok(Err(_)) => Err(ExecutorError::Connect {
                    address: address.to_owned(),
                    source: Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)),
                }),
                // Nobody is there.
                Err(_) => pending().await,
            }
        });
        let key = key.await?;
        let unverified = Unverified(&line);
        let verifying = async { Ok(verifier.verify(&key, &unverified).await) };
        within("host verification", VERIFY_LIMIT, verifying).await?.map_err(ExecutorError::HostRefused)?;
        if line.has_ended() {
            return Err(line.error());
        }
        world.lock().set_verified(id);
        Ok(line)
    }

    async fn run(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        let output = self.world.lock().execute(self.id, command);
        self.until_end(output).await
    }

    /// What comes from the machine, unless the connection ends before.
    async fn until_end<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, ExecutorError> {
        let mut end = self.end.clone();
        let answered = async {
            match answer.await {
                Ok(answer) => answer,
                // Nobody will answer: the end of the connection or a time limit tells.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            biased;
            answer = answered => Ok(answer),
            _ = end.wait_for(Option::is_some) => Err(self.error()),
        }
    }

    fn has_ended(&self) -> bool {
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    fn error(&self) -> ExecutorError {
        match *self.end.borrow() {
            None | Some(Cause::Lost) => ExecutorError::Lost(None),
            Some(Cause::Retargeted) => ExecutorError::Lost(Some(Box::new(AnotherTarget))),
            Some(Cause::Closed) => ExecutorError::Closed,
        }
    }

    fn end(&self, cause: Cause) {
        self.world.lock().hang_up(self.id, cause);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.end(Cause::Closed);
    }
}

struct Unverified<'a>(&'a Line);

#[async_trait]
impl UnverifiedHost for Unverified<'_> {
    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        let limit = command.time_limit;
        within("command", limit, self.0.run(command)).await
    }
}

async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, ExecutorError> {
    timeout(limit, work).await.unwrap_or(Err(ExecutorError::TimedOut { what, limit }))
}

/// A channel, which is closed when both of its halves are gone.
struct ChannelGuard {
    line: Arc<Line>,
    channel: ChannelId,
}

impl ChannelGuard {
    fn send(&self, bytes: Bytes) -> Result<(), ExecutorError> {
        let sent = self.line.world.lock().send_bytes(self.channel, bytes);
        if sent { Ok(()) } else { Err(self.line.error()) }
    }
}

impl Drop for ChannelGuard {
    fn drop(&mut self) {
        self.line.world.lock().end_input(self.channel, true);
    }
}

struct Writer(Arc<ChannelGuard>);

#[async_trait]
impl ChannelWriter for Writer {
    async fn send(&mut self, bytes: Bytes) -> Result<(), ExecutorError> {
        self.0.send(bytes)
    }

    async fn close(&mut self) -> Result<(), ExecutorError> {
        let open = self.0.line.world.lock().end_input(self.0.channel, false);
        if open { Ok(()) } else { Err(self.0.line.error()) }
    }
}

struct Reader {
    events: mpsc::UnboundedReceiver<ChannelEvent>,
    _guard: Arc<ChannelGuard>,
}

#[async_trait]
impl ChannelReader for Reader {
    async fn next(&mut self) -> Option<ChannelEvent> {
        self.events.recv().await
    }
}
