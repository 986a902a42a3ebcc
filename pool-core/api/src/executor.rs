//! How the pool reaches a worker.

use crate::{RemoteUser, VerifyError};
use async_trait::async_trait;
use bytes::Bytes;
use std::{fmt, time::Duration};

/// Where an executor connects to, and as whom.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// Host or host and port, as [`Instance::address`](crate::Instance::address) gives it.
    pub address: String,
    /// Whom to log in as.
    pub user: RemoteUser,
}

/// How a remote process ended.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum ExitStatus {
    /// It ended by itself, with this code.
    Code(u32),
    /// A signal ended it: its name without `SIG` (`TERM`, `KILL`).
    Signal(String),
}

impl ExitStatus {
    /// True for code 0.
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(name) => write!(f, "signal {name}"),
        }
    }
}

/// One command line for the remote user's shell.
///
/// `Debug` shows the sizes of line and input, not their contents: they may hold secrets.
#[derive(Clone)]
pub struct Command {
    /// The line, for `sh`.
    pub line: String,
    /// Its standard input, closed at the end.
    pub stdin: Bytes,
    /// From when the command is asked for until its end; then it is given up.
    pub time_limit: Duration,
    /// Most bytes kept of standard output and of standard error, each. The rest is read and dropped.
    pub output_limit: usize,
}

impl Command {
    /// A command without input, with a minute to run and 64 KiB for each stream.
    pub fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            stdin: Bytes::new(),
            time_limit: Duration::from_secs(60),
            output_limit: 64 * 1024,
        }
    }

    /// The same with a standard input.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Bytes>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// The same with another time limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The same with another limit of output, in bytes for each stream.
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("line_bytes", &self.line.len())
            .field("stdin_bytes", &self.stdin.len())
            .field("time_limit", &self.time_limit)
            .field("output_limit", &self.output_limit)
            .finish()
    }
}

/// What a command printed, and how it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandOutput {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, up to the limit.
    pub stdout: Bytes,
    /// Standard error, up to the limit.
    pub stderr: Bytes,
    /// True when either was cut.
    pub truncated: bool,
}

/// Why a worker could not be reached, or a command not be run to its end.
///
/// That the command itself failed is no error: see [`CommandOutput::status`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutorError {
    /// The provider has not given an address yet.
    #[error("the instance has no address yet")]
    NoAddress,
    /// The address is not one.
    #[error("{address:?} is not an address: use HOST or HOST:PORT")]
    BadAddress {
        /// What was given.
        address: String,
    },
    /// No connection.
    #[error("cannot connect to {address}")]
    Connect {
        /// Where to.
        address: String,
        /// What went wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The host did not let us in.
    #[error("{address} does not accept the pool's key for user {user:?}")]
    Auth {
        /// Where.
        address: String,
        /// As whom.
        user: String,
    },
    /// The host is not the instance that it should be; the connection was closed.
    #[error("host verification failed")]
    HostRefused(#[source] VerifyError),
    /// A time limit passed.
    #[error("{what} did not finish within {limit:?}")]
    TimedOut {
        /// What was waited for: `connect`, `handshake`, `command`.
        what: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The connection ended before the command did. Whether the command went on is not known.
    #[error("the connection was lost")]
    Lost(#[source] Option<Box<dyn std::error::Error + Send + Sync>>),
    /// The host refused to run the command or to open a channel.
    #[error("the host refused to run a command")]
    Refused,
    /// [`Executor::close`] was called.
    #[error("the executor is closed")]
    Closed,
}

/// Runs commands on a host that is not verified yet. Only a [`HostVerifier`](crate::HostVerifier) gets one.
#[async_trait]
pub trait UnverifiedHost: Send + Sync {
    /// Runs one command on the connection that is being verified.
    ///
    /// # Errors
    /// As [`Executor::execute`].
    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError>;
}

/// One worker's connection: many commands and channels at once over a single one, made when it is first
/// needed, made anew when it is lost, and used only after its host was verified.
#[async_trait]
pub trait Executor: fmt::Debug + Send + Sync + 'static {
    /// Says where to connect to from now on. When that is somewhere else than before, the present connection
    /// is closed and what runs on it ends with [`ExecutorError::Lost`].
    fn set_target(&self, target: Option<Target>);

    /// Runs a command to its end.
    ///
    /// # Errors
    /// [`ExecutorError`]; none of them says that the command did not run, except `NoAddress`, `BadAddress`,
    /// `Connect`, `Auth`, `HostRefused`, `Refused` and `Closed`.
    ///
    /// # Cancel safety
    /// Dropping the future closes the command's channel; the remote process may go on.
    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError>;

    /// Starts a command and returns its streams, for a long conversation with it. The limits of `command`
    /// are not used, its input is sent first and standard input stays open.
    ///
    /// # Errors
    /// [`ExecutorError`], when the command could not be started.
    ///
    /// # Cancel safety
    /// Dropping the future, or both halves of the channel, closes it.
    async fn open(&self, command: Command) -> Result<Channel, ExecutorError>;

    /// Closes the connection, ends what runs on it with [`ExecutorError::Closed`] or
    /// [`Lost`](ExecutorError::Lost), and refuses everything from then on. Does not wait for the peer.
    fn close(&self);
}

/// The streams of a remote command that goes on.
pub struct Channel {
    /// Towards its standard input.
    pub writer: Box<dyn ChannelWriter>,
    /// Its output and end.
    pub reader: Box<dyn ChannelReader>,
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Channel")
    }
}

/// Something that came out of a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChannelEvent {
    /// Standard output.
    Stdout(Bytes),
    /// Standard error.
    Stderr(Bytes),
    /// The command ended. Nothing follows.
    Exit(ExitStatus),
}

/// The half of a [`Channel`] that goes to the command.
#[async_trait]
pub trait ChannelWriter: Send + 'static {
    /// Sends bytes to standard input; waits while the peer takes no more.
    ///
    /// # Errors
    /// [`ExecutorError::Lost`] when the channel or its connection is gone.
    ///
    /// # Cancel safety
    /// A dropped future may have sent a part: the channel is of no use afterwards for framed data.
    async fn send(&mut self, bytes: Bytes) -> Result<(), ExecutorError>;

    /// Closes standard input.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    async fn close(&mut self) -> Result<(), ExecutorError>;
}

/// The half of a [`Channel`] that comes from the command.
#[async_trait]
pub trait ChannelReader: Send + 'static {
    /// The next event; none after the end of the channel, with or without an exit status.
    ///
    /// # Cancel safety
    /// Loses nothing: a dropped future has taken no event.
    async fn next(&mut self) -> Option<ChannelEvent>;
}
