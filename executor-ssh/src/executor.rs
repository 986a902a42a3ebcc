//! The executor: at most one connection, one attempt to make it, one target.

use crate::{
    SshConfig, command,
    connection::{Connection, within},
    conversation,
    end::Cause,
    shared_error::SharedExecutorError,
};
use async_trait::async_trait;
use pool_api::{Channel, Command, CommandOutput, Executor, ExecutorError, HostVerifier, Target};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::watch, task::AbortHandle};

/// Runs commands on one worker over one SSH connection.
///
/// The connection is made when it is first needed; who needs it meanwhile waits for the same attempt and
/// shares its error. It is made anew, and its host verified anew, after it was lost. Nothing is tried twice:
/// a failed attempt is the caller's error, and the next call makes the next attempt.
///
/// An attempt goes on when those who wait for it give up, within the limits of its [`SshConfig`].
///
/// Dropping the executor closes it.
pub struct SshExecutor {
    config: Arc<SshConfig>,
    verifier: Arc<dyn HostVerifier>,
    state: Arc<Mutex<State>>,
}

/// What is true right now. The lock is never held across an await.
struct State {
    target: Option<Target>,
    link: Link,
    /// How many attempts were begun: the number of the latest.
    attempts: u64,
}

/// The connection to the present target.
enum Link {
    /// There is none.
    Idle,
    /// One is being made.
    Making {
        /// Its outcome; without one when the attempt was given up.
        outcome: watch::Receiver<Option<Outcome>>,
        /// Gives it up.
        attempt: AbortHandle,
    },
    /// There is one, or there was: it says itself when it has ended.
    Made(Arc<Connection>),
    /// Never again.
    Closed,
}

type Outcome = Result<Arc<Connection>, SharedExecutorError>;

impl SshExecutor {
    /// An executor that has not connected yet. Without a target it answers
    /// [`NoAddress`](ExecutorError::NoAddress).
    ///
    /// Its methods must be called within a tokio runtime with time and I/O enabled.
    pub fn new(config: Arc<SshConfig>, target: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Self {
        let state = Arc::new(Mutex::new(State { target, link: Link::Idle, attempts: 0 }));
        Self { config, verifier, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The connection that is there, or the outcome of the one attempt to make it.
    async fn connection(&self) -> Result<Arc<Connection>, ExecutorError> {
        loop {
            let mut outcome = match self.connection_or_attempt()? {
                Ok(connection) => return Ok(connection),
                Err(attempt) => attempt,
            };
            // When the attempt was given up, for another target or for good, the state says how to go on.
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await
                && let Some(outcome) = &*outcome
            {
                return outcome.clone().map_err(Into::into);
            }
        }
    }

    fn connection_or_attempt(
        &self,
    ) -> Result<Result<Arc<Connection>, watch::Receiver<Option<Outcome>>>, ExecutorError> {
        let mut state = self.state();
        match &state.link {
            Link::Closed => return Err(ExecutorError::Closed),
            Link::Made(connection) if !connection.end.has_come() => return Ok(Ok(Arc::clone(connection))),
            Link::Making { outcome, .. } => return Ok(Err(outcome.clone())),
            Link::Made(_) | Link::Idle => {}
        }
        let target = state.target.clone().ok_or(ExecutorError::NoAddress)?;
        let (sender, outcome) = watch::channel(None);
        state.attempts += 1;
        let making = Attempt {
            number: state.attempts,
            config: Arc::clone(&self.config),
            target,
            verifier: Arc::clone(&self.verifier),
            state: Arc::clone(&self.state),
            outcome: sender,
        };
        let attempt = tokio::spawn(making.run());
        state.link = Link::Making { outcome: outcome.clone(), attempt: attempt.abort_handle() };
        Ok(Err(outcome))
    }
}

/// One attempt to make a connection.
struct Attempt {
    number: u64,
    config: Arc<SshConfig>,
    target: Target,
    verifier: Arc<dyn HostVerifier>,
    state: Arc<Mutex<State>>,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Attempt {
    /// Makes the connection and says so, first in the state and then to those who wait.
    async fn run(self) {
        let Target { address, user } = &self.target;
        tracing::debug!(%address, user = %user.name, "connecting");
        let result = Connection::make(&self.config, &self.target, &*self.verifier).await;
        let outcome = {
            let mut state = lock(&self.state);
            // An attempt that is given up is aborted, but may have come this far: it counts no more.
            if !matches!(state.link, Link::Making { .. }) || state.attempts != self.number {
                return;
            }
            match result {
                Ok(connection) => {
                    state.link = Link::Made(Arc::clone(&connection));
                    Ok(connection)
                }
                Err(error) => {
                    tracing::debug!(%address, %error, "no connection");
                    state.link = Link::Idle;
                    Err(error.into())
                }
            }
        };
        let _ = self.outcome.send(Some(outcome));
    }
}

/// Nothing panics while it holds the lock; were it so, the state would still be whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends whatever there is.
fn end(link: Link, cause: Cause) {
    match link {
        Link::Making { attempt, .. } => attempt.abort(),
        Link::Made(connection) => connection.end(cause),
        Link::Idle | Link::Closed => {}
    }
}

#[async_trait]
impl Executor for SshExecutor {
    fn set_target(&self, target: Option<Target>) {
        let mut state = self.state();
        if state.target == target {
            return;
        }
        tracing::debug!(address = target.as_ref().map(|target| target.address.as_str()), "another target");
        state.target = target;
        if !matches!(state.link, Link::Closed) {
            let link = std::mem::replace(&mut state.link, Link::Idle);
            drop(state);
            end(link, Cause::Retargeted);
        }
    }

    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        let limit = command.time_limit;
        let running = async { command::run(&self.connection().await?, command).await };
        within("command", limit, running).await
    }

    async fn open(&self, command: Command) -> Result<Channel, ExecutorError> {
        conversation::open(&self.connection().await?, command).await
    }

    fn close(&self) {
        let link = std::mem::replace(&mut self.state().link, Link::Closed);
        end(link, Cause::Closed);
    }
}

impl Drop for SshExecutor {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SshExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let link = match &state.link {
            Link::Idle => "idle",
            Link::Making { .. } => "connecting",
            Link::Made(connection) if connection.end.has_come() => "lost",
            Link::Made(_) => "connected",
            Link::Closed => "closed",
        };
        f.debug_struct("SshExecutor").field("target", &state.target).field("link", &link).finish()
    }
}
