//! `attach`: joins standard input and output to the daemon.
//!
//! Before the session there is one exchange that only attach and the daemon know. Attach sends a [`Greeting`] with the
//! hash of its own program. A daemon of the same program answers [`Answer::Serve`], and what follows on the
//! connection is the session. A daemon of another program does the same as long as a run goes on; else it
//! answers [`Answer::Leaving`] and ends, and attach starts one of its own program. Only once: two
//! programs that attach in turns must not be able to keep each other from work.

use crate::{
    daemon,
    error::RunnerError,
    layout::{Layout, SOCKET},
    program,
};
use pool_protocol::encode;
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    net::Shutdown,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::{fs::OpenOptionsExt as _, net::UnixStream},
    },
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// How long a daemon may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// A daemon that does not answer the greeting for this long hangs.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two tries, when another attach is just starting the daemon, or an old daemon is just ending.
const PAUSE: Duration = Duration::from_millis(10);
/// Most bytes that the daemon says before a session.
const LONGEST_ANSWER: u64 = 4096;

/// The first line on a connection from attach.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename = "attach")]
pub(crate) struct Greeting {
    /// SHA-256 of attach's program.
    pub(crate) program_hash: String,
    /// Whether a daemon of another program should make room.
    pub(crate) may_replace: bool,
}

/// The daemon's answer to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The session may begin.
    Serve,
    /// The daemon is of another program and ends now.
    Leaving,
}

pub(crate) fn run(layout: &Layout) -> Result<(), RunnerError> {
    layout.create()?;
    // The socket is reached by a relative path.
    std::env::set_current_dir(layout.dir()).map_err(RunnerError::file("enter", layout.dir()))?;
    let mut greeting = Greeting { program_hash: program::hash_cached(layout)?, may_replace: true };
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        match UnixStream::connect(SOCKET) {
            Ok(stream) => match greet(&stream, &greeting) {
                Ok(Answer::Serve) => return join(&stream),
                Ok(Answer::Leaving) => greeting.may_replace = false,
                // A daemon that is just ending.
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(RunnerError::System { what: "talk to the daemon", source }),
            },
            Err(error) if is_gone(&error) => {
                if start_daemon(layout)? {
                    continue;
                }
            }
            Err(source) => {
                let path = layout.dir().join(SOCKET);
                return Err(RunnerError::File { what: "connect to", path, source });
            }
        }
        thread::sleep(PAUSE);
    }
    Err(RunnerError::NoDaemon { seconds: PATIENCE.as_secs(), log: layout.log() })
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound | UnexpectedEof)
}

/// Starts a daemon; true once it listens, false if another one has the lock.
fn start_daemon(layout: &Layout) -> Result<bool, RunnerError> {
    let mut command = program::command("daemon", layout)?;
    let log = open_log(layout)?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(RunnerError::system("start the daemon"))?;
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        // It closes this when it listens or has failed: the first thing that it does, after a lock.
        let read = stdout.take(LONGEST_ANSWER).read_to_end(&mut answer);
        read.map_err(RunnerError::system("hear from the daemon"))?;
    }
    match String::from_utf8_lossy(&answer).trim() {
        // Not waited for: it outlives this process.
        daemon::READY => Ok(true),
        daemon::BUSY => {
            child.wait().map_err(RunnerError::system("wait for the daemon"))?;
            Ok(false)
        }
        failure => {
            child.wait().map_err(RunnerError::system("wait for the daemon"))?;
            Err(RunnerError::DaemonFailed { message: failure.to_owned(), log: layout.log() })
        }
    }
}

/// The daemon's log, emptied when it has become long.
fn open_log(layout: &Layout) -> Result<File, RunnerError> {
    const LONG: u64 = 1024 * 1024;
    let path = layout.log();
    let open = || {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
        if file.metadata()?.len() > LONG {
            file.set_len(0)?;
        }
        Ok(file)
    };
    open().map_err(RunnerError::file("open", &path))
}

fn greet(mut stream: &UnixStream, greeting: &Greeting) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(&encode(greeting).map_err(io::Error::other)?)?;
    // Byte by byte: what follows the line belongs to the session.
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') && (line.len() as u64) < LONGEST_ANSWER {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Copies in both directions until either side ends.
fn join(stream: &UnixStream) -> Result<(), RunnerError> {
    let clone = |what| move |error: io::Error| RunnerError::System { what, source: error };
    // Not through std's handles: those hold bytes back until a line end or a full buffer.
    let own = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
    let mut input = own(io::stdin().as_fd()).map_err(clone("use standard input"))?;
    let mut output = own(io::stdout().as_fd()).map_err(clone("use standard output"))?;
    let mut to_daemon = stream.try_clone().map_err(clone("use the connection"))?;
    thread::spawn(move || {
        // Whichever way this ends, there is no more input; the daemon then ends the session.
        let _ = copy(&mut input, &mut to_daemon);
        let _ = to_daemon.shutdown(Shutdown::Write);
    });
    let mut from_daemon = stream;
    match copy(&mut from_daemon, &mut output) {
        Ok(()) => Ok(()),
        Err(error) if is_gone(&error) => Ok(()),
        Err(source) => Err(RunnerError::System { what: "copy from the daemon", source }),
    }
}

/// Passes on what comes, as it comes. Not `std::io::copy`: that splices a socket into a pipe, and the kernel then
/// may keep the last bytes until more come.
fn copy(from: &mut impl io::Read, to: &mut impl io::Write) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => to.write_all(&bytes[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
