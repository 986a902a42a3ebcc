//! A conversation with the runner on a worker.

use bytes::Bytes;
use pool_api::{Channel, ChannelEvent, ChannelReader, ChannelWriter, ExecutorError, RunId};
use pool_protocol::{
    FrameBuffer, FrameError, HelloToPool, HelloToRunner, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, Refusal,
    RequestError, RequestId, RunEnd, ToPool, ToRunner, encode,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

/// From opening the session to the runner's hello: the runner may have to start its daemon.
const HELLO_LIMIT: Duration = Duration::from_secs(30);
/// An answer that has not come by then will not.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Frames that wait to be sent. More make the sender wait.
const SEND_QUEUE: usize = 256;
/// How much of the remote standard error is kept, to say what went wrong.
const STDERR_KEPT: usize = 2048;

/// Something that the runner says without being asked.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    Exited {
        run: RunId,
        end: Box<RunEnd>,
    },
    Broken {
        reason: String,
    },
    /// The end; nothing follows. `violation`: the peer did not keep the protocol.
    Closed {
        reason: String,
        violation: bool,
    },
}

/// Why a session could not be opened, or a request in it was not answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the runner could not be reached")]
    Executor(#[from] ExecutorError),
    #[error("the runner refuses the session: {0:?}")]
    Refused(Refusal),
    #[error("the runner does not keep the protocol")]
    Frame(#[from] FrameError),
    #[error("the runner said {0} before its hello")]
    NoHello(&'static str),
    #[error("the runner's session ended: {0}")]
    Closed(String),
    #[error("no answer from the runner within {0:?}")]
    NoAnswer(Duration),
    #[error("{0}")]
    Failed(RequestError),
    #[error("the runner answered with another kind of frame")]
    WrongAnswer,
}

/// An open conversation. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Session {
    hello: HelloToPool,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Bytes>,
    tasks: [AbortHandle; 2],
}

#[derive(Debug, Default)]
struct Shared {
    last_request: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: BTreeMap<RequestId, oneshot::Sender<ToPool>>,
    /// Requests whose caller gave up: their late answer is no violation.
    given_up: std::collections::BTreeSet<RequestId>,
    closed: Option<String>,
}

impl Shared {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, reason: &str) {
        let mut waiting = self.waiting();
        waiting.closed.get_or_insert_with(|| reason.to_owned());
        // Whoever waits learns of it by the loss of the sender.
        waiting.answers.clear();
    }
}

impl Session {
    /// Introduces both sides on a channel to `pool-runner attach`, and goes on reading from it.
    ///
    /// # Errors
    /// [`SessionError`]; the channel is closed then.
    pub(crate) async fn open(
        channel: Channel,
        hello: HelloToRunner,
        on_event: impl Fn(SessionEvent) + Send + 'static,
    ) -> Result<Self, SessionError> {
        let Channel { mut writer, mut reader } = channel;
        let mut input = Input::default();
        let introduction = async {
            writer.send(encode(&ToRunner::Hello(hello))?.into()).await?;
            match input.next(&mut *reader).await? {
                ToPool::Hello(hello) => Ok(hello),
                ToPool::Refused { refusal } => Err(SessionError::Refused(refusal)),
                _ => Err(SessionError::NoHello("something else")),
            }
        };
        let hello = tokio::time::timeout(HELLO_LIMIT, introduction)
            .await
            .map_err(|_| SessionError::NoAnswer(HELLO_LIMIT))??;
        if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&hello.version) {
            return Err(SessionError::NoHello("a version that we do not speak"));
        }
        let shared = Arc::new(Shared::default());
        let (outgoing, queue) = mpsc::channel(SEND_QUEUE);
        let writing = tokio::spawn(write(writer, queue, shared.clone()));
        let reading = tokio::spawn(read(reader, input, shared.clone(), on_event));
        Ok(Self { hello, shared, outgoing, tasks: [writing.abort_handle(), reading.abort_handle()] })
    }

    /// What the runner said of itself.
    pub(crate) fn hello(&self) -> &HelloToPool {
        &self.hello
    }

    /// Whether it is of use no longer.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.waiting().closed.is_some()
    }

    /// Sends a request, after all that were sent before. The answer is waited for apart.
    ///
    /// # Errors
    /// [`SessionError`]: the request was not sent.
    pub(crate) async fn request(
        &self,
        make: impl FnOnce(RequestId) -> ToRunner,
    ) -> Result<Answer, SessionError> {
        let request = self.shared.last_request.fetch_add(1, Ordering::Relaxed) + 1;
        let frame = encode(&make(request))?;
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting();
            if let Some(reason) = &waiting.closed {
                return Err(SessionError::Closed(reason.clone()));
            }
            waiting.answers.insert(request, sender);
        }
        let answer = Answer { request, receiver, shared: self.shared.clone() };
        let gone = |_| SessionError::Closed("its writer has ended".to_owned());
        self.outgoing.send(frame.into()).await.map_err(gone)?;
        Ok(answer)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close("closed by the pool");
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// An answer that is on its way. Dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Answer {
    request: RequestId,
    receiver: oneshot::Receiver<ToPool>,
    shared: Arc<Shared>,
}

impl Answer {
    /// Waits for the answer.
    ///
    /// # Errors
    /// [`SessionError`]: `Failed` when the runner did not do it; otherwise it is not known whether it did.
    pub(crate) async fn wait(mut self, limit: Duration) -> Result<ToPool, SessionError> {
        match tokio::time::timeout(limit, &mut self.receiver).await {
            Ok(Ok(ToPool::Failed { error, .. })) => Err(SessionError::Failed(error)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => {
                let reason = self.shared.waiting().closed.clone();
                Err(SessionError::Closed(reason.unwrap_or_default()))
            }
            Err(_) => Err(SessionError::NoAnswer(limit)),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let mut waiting = self.shared.waiting();
        if waiting.answers.remove(&self.request).is_some() {
            waiting.given_up.insert(self.request);
        }
    }
}

/// The bytes that come in, as frames.
#[derive(Default)]
struct Input {
    frames: FrameBuffer,
    stderr: Vec<u8>,
}

impl Input {
    async fn next(&mut self, reader: &mut dyn ChannelReader) -> Result<ToPool, SessionError> {
        loop {
            if let Some(frame) = self.frames.next_frame()? {
                return Ok(frame);
            }
            match reader.next().await {
                Some(ChannelEvent::Stdout(bytes)) => self.frames.push(&bytes),
                Some(ChannelEvent::Stderr(bytes)) => {
                    let room = STDERR_KEPT.saturating_sub(self.stderr.len());
                    self.stderr.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                Some(ChannelEvent::Exit(status)) => {
                    return Err(SessionError::Closed(self.ending(&status.to_string())));
                }
                None => return Err(SessionError::Closed(self.ending("the connection was lost"))),
            }
        }
    }

    fn ending(&self, how: &str) -> String {
        let said = String::from_utf8_lossy(&self.stderr);
        match said.trim() {
            "" => how.to_owned(),
            said => format!("{how}: {said}"),
        }
    }
}

async fn write(mut writer: Box<dyn ChannelWriter>, mut queue: mpsc::Receiver<Bytes>, shared: Arc<Shared>) {
    while let Some(bytes) = queue.recv().await {
        if writer.send(bytes).await.is_err() {
            shared.close("the connection was lost");
            return;
        }
    }
}

async fn read(
    mut reader: Box<dyn ChannelReader>,
    mut input: Input,
    shared: Arc<Shared>,
    on_event: impl Fn(SessionEvent),
) {
    let (reason, violation) = loop {
        match input.next(&mut *reader).await {
            Ok(ToPool::Exited { run, end }) => on_event(SessionEvent::Exited { run, end }),
            Ok(ToPool::Broken { reason }) => on_event(SessionEvent::Broken { reason }),
            Ok(ToPool::Started { .. } | ToPool::Heartbeat) => {}
            Ok(frame) => {
                if !answer(&shared, frame) {
                    break ("it answered what was not asked, or twice".to_owned(), true);
                }
            }
            Err(error @ SessionError::Frame(_)) => break (error.to_string(), true),
            Err(SessionError::Closed(reason)) => break (reason, false),
            Err(error) => break (error.to_string(), false),
        }
    };
    shared.close(&reason);
    on_event(SessionEvent::Closed { reason, violation });
}

/// Hands an answer to whoever waits for it. False if nobody ever asked.
fn answer(shared: &Shared, frame: ToPool) -> bool {
    let Some(request) = frame.request() else { return false };
    let mut waiting = shared.waiting();
    match waiting.answers.remove(&request) {
        Some(sender) => {
            drop(waiting);
            // An error only says that the caller has just given up.
            drop(sender.send(frame));
            true
        }
        None => waiting.given_up.remove(&request),
    }
}
