//! One command of a client, as a process of this machine.

use crate::machine::Environment;
use bytes::{Bytes, BytesMut};
use russh::{
    ChannelWriteHalf, Sig,
    server::{Handle, Msg},
};
use std::{
    convert::Infallible,
    ffi::OsStr,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

/// Most bytes that a command has been sent and has not read. Beyond it the whole connection waits for this command, for
/// there is no way to slow down one channel alone: russh widens a channel's window by itself.
const INPUT_BUFFER: usize = 64 << 20;
/// How long the connection waits for it.
const INPUT_PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of output that are sent at once. No SSH packet of ours is larger.
const OUTPUT_CHUNK: usize = 32 << 10;
/// How long after its end a command's output is waited for before its exit status is sent. A process that it has left
/// behind may hold its output open for ever.
const DRAIN_GRACE: Duration = Duration::from_millis(500);
/// The second of the two streams of output (RFC 4254, 5.2).
const STDERR: u32 = 1;

/// The connection's end of a command's standard input.
pub(super) struct Input {
    chunks: mpsc::UnboundedSender<Chunk>,
    room: Arc<Semaphore>,
}

/// The command's end of it.
pub(super) struct Feed(mpsc::UnboundedReceiver<Chunk>);

struct Chunk {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The command takes nothing more and has not ended.
#[derive(Debug)]
pub(super) struct Stuck;

pub(super) fn input() -> (Input, Feed) {
    let (chunks, feed) = mpsc::unbounded_channel();
    (Input { chunks, room: Arc::new(Semaphore::new(INPUT_BUFFER)) }, Feed(feed))
}

impl Input {
    /// Hands over what the client has sent. What comes after a command has closed its input is dropped.
    pub(super) async fn send(&mut self, data: &[u8]) -> Result<(), Stuck> {
        let size = u32::try_from(data.len()).map_err(|_| Stuck)?;
        let room = tokio::select! {
            room = timeout(INPUT_PATIENCE, Arc::clone(&self.room).acquire_many_owned(size)) => room,
            () = self.chunks.closed() => return Ok(()),
        };
        // The semaphore is never closed.
        let room = room.map_err(|_| Stuck)?.map_err(|_| Stuck)?;
        // An error means that the command has closed its input.
        let _ = self.chunks.send(Chunk { bytes: Bytes::copy_from_slice(data), _room: room });
        Ok(())
    }
}

impl Feed {
    /// Writes all of it to the command, until either side ends.
    async fn run(mut self, mut stdin: ChildStdin) {
        while let Some(chunk) = self.0.recv().await {
            if stdin.write_all(&chunk.bytes).await.is_err() {
                break;
            }
        }
    }
}

/// A channel, taken apart.
pub(super) struct Talk {
    pub(super) session: Handle,
    pub(super) output: ChannelWriteHalf<Msg>,
    pub(super) feed: Feed,
    /// Ends when the client has closed the channel or is gone.
    pub(super) closed: oneshot::Receiver<Infallible>,
}

/// The connection is gone; whoever wants to know sees it elsewhere.
struct Gone;

/// One command.
pub(super) struct Exec {
    /// For the shell.
    pub(super) line: Vec<u8>,
    pub(super) environment: Environment,
}

impl Exec {
    /// Runs it, and ends with the process. As with OpenSSH, a client that closes the channel or goes away closes the
    /// command's three streams and does not end the command.
    pub(super) async fn run(self, talk: Talk) {
        let Talk { session, output, feed, closed } = talk;
        let spawned = self
            .environment
            .shell([OsStr::new("-c"), OsStr::from_bytes(&self.line)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                tracing::warn!(%error, "a command cannot be started");
                let _ = session.channel_failure(output.id()).await;
                let _ = output.close().await;
                return;
            }
        };
        tokio::select! {
            _ = converse(&mut child, &session, &output, feed) => {}
            _ = closed => {}
        }
        // The process must be waited for, or it would stay in the table of processes.
        if let Err(error) = child.wait().await {
            tracing::warn!(%error, "a command cannot be waited for");
        }
    }
}

/// Carries input and output until both the command and its output have ended.
async fn converse(
    child: &mut Child,
    session: &Handle,
    output: &ChannelWriteHalf<Msg>,
    feed: Feed,
) -> Result<(), Gone> {
    let id = output.id();
    session.channel_success(id).await.map_err(|()| Gone)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut feeding = pin!(async {
        if let Some(stdin) = stdin {
            feed.run(stdin).await;
        }
    });
    let mut draining = pin!(async {
        tokio::join!(drain(stdout, output, None), drain(stderr, output, Some(STDERR)));
    });
    let (mut fed, mut drained) = (false, false);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(|_| Gone)?,
            () = &mut draining, if !drained => drained = true,
            () = &mut feeding, if !fed => fed = true,
        }
    };
    let all_sent = Notify::new();
    let drain_rest = async {
        if !drained {
            draining.await;
        }
        all_sent.notify_one();
    };
    let report_end = async {
        // Either way it is time.
        let _ = timeout(DRAIN_GRACE, all_sent.notified()).await;
        report(session, id, status).await
    };
    // Both at once, for both wait in the same queue to the connection: what waited there without being polled would
    // keep the place that it was given, and enough of these would stop the connection.
    let ((), reported) = tokio::join!(drain_rest, report_end);
    reported?;
    output.eof().await.map_err(|_| Gone)?;
    output.close().await.map_err(|_| Gone)
}

/// Sends one stream of output, no faster than the client takes it, until either side ends.
async fn drain(
    stream: Option<impl AsyncRead + Unpin>,
    output: &ChannelWriteHalf<Msg>,
    extended: Option<u32>,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(OUTPUT_CHUNK);
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let chunk = buffer.split().freeze();
        let sent = match extended {
            None => output.data_bytes(chunk).await,
            Some(code) => output.extended_data_bytes(code, chunk).await,
        };
        if sent.is_err() {
            break;
        }
    }
}

async fn report(session: &Handle, id: russh::ChannelId, status: ExitStatus) -> Result<(), Gone> {
    let sent = match (status.code(), status.signal()) {
        (None, Some(signal)) => {
            let (text, language) = (String::new(), String::new());
            session.exit_signal_request(id, signal_name(signal), status.core_dumped(), text, language).await
        }
        (code, _) => {
            let code = code.and_then(|code| u32::try_from(code).ok()).unwrap_or(u32::MAX);
            session.exit_status_request(id, code).await
        }
    };
    sent.map_err(|()| Gone)
}

/// The names of RFC 4254, 6.10; other signals go by their number.
fn signal_name(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        10 => Sig::USR1,
        11 => Sig::SEGV,
        12 => Sig::Custom("USR2".into()),
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        other => Sig::Custom(other.to_string()),
    }
}
