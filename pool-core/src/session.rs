//! A conversation with the runner on a worker.

use crate::link::chain;
use bytes::Bytes;
use pool_api::{Channel, ChannelEvent, ChannelReader, ChannelWriter, ExecutorError, RunId};
use pool_protocol::{
    FrameBuffer, FrameError, HelloToPool, HelloToRunner, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, Refusal,
    RequestError, RequestId, RunEnd, ToPool, ToRunner, encode,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

/// From opening the session to the runner's hello: the runner may have to start its daemon.
pub(crate) const HELLO_LIMIT: Duration = Duration::from_secs(30);
/// An answer that has not come by then will not: the session is given up, and the next one may fare better.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Frames that wait to be sent. More make the sender wait.
const SEND_QUEUE: usize = 256;
/// How much of the remote standard error is kept, to say what went wrong.
const STDERR_KEPT: usize = 2048;

/// Something that the runner says without being asked.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// The runner has accepted the session. Comes first, and once.
    Opened,
    Exited {
        run: RunId,
        end: Box<RunEnd>,
    },
    Broken {
        reason: String,
    },
    /// The end; nothing follows. Comes after every `Opened`, unless the session is dropped before.
    /// `violation`: the peer did not keep the protocol.
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
    #[error("the runner refuses the session: {}", why(.0))]
    Refused(Refusal),
    #[error("the runner does not keep the protocol")]
    Frame(#[from] FrameError),
    #[error("the runner said something else before its hello")]
    NoHello,
    #[error(
        "the runner chose protocol {0}, which this program does not speak \
         ({OLDEST_PROTOCOL_VERSION} to {PROTOCOL_VERSION})"
    )]
    Version(u32),
    #[error("the runner's session ended: {0}")]
    Closed(String),
    #[error("no answer from the runner within {0:?}")]
    NoAnswer(Duration),
    #[error("{0}")]
    Failed(RequestError),
    #[error("the runner answered with another kind of frame")]
    WrongAnswer,
}

/// What a refusal means, and what to do about it.
fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::StaleEpoch { highest } => format!(
            "another program has taken the instance set over, with epoch {highest}: let only one of the two run, \
             from one state directory"
        ),
        Refusal::OtherInstanceSet { instance_set } => {
            format!("the worker belongs to instance set {instance_set}")
        }
        Refusal::Version { newest, oldest } => format!(
            "it speaks protocol {oldest} to {newest}, this program {OLDEST_PROTOCOL_VERSION} to \
             {PROTOCOL_VERSION}: bring the older of the two up to date"
        ),
        Refusal::NoHello => "it did not take what came first for a hello".to_owned(),
    }
}

/// An open conversation. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Session {
    hello: HelloToPool,
    shared: Arc<Shared>,
    outgoing: mpsc::Sender<Bytes>,
    reading: JoinHandle<()>,
    writing: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    last_request: AtomicU64,
    waiting: Mutex<Waiting>,
    /// Tells the reading side that [`close`](Self::close) was called elsewhere.
    closing: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: BTreeMap<RequestId, oneshot::Sender<ToPool>>,
    /// Requests whose caller gave up: their late answer is no violation. These are reads of output that their
    /// callers dropped; what else gets no answer ends the session.
    given_up: BTreeSet<RequestId>,
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
        drop(waiting);
        self.closing.notify_one();
    }

    fn reason(&self) -> String {
        self.waiting().closed.clone().unwrap_or_default()
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
                _ => Err(SessionError::NoHello),
            }
        };
        let hello =
            timeout(HELLO_LIMIT, introduction).await.map_err(|_| SessionError::NoAnswer(HELLO_LIMIT))??;
        if !(OLDEST_PROTOCOL_VERSION..=PROTOCOL_VERSION).contains(&hello.version) {
            return Err(SessionError::Version(hello.version));
        }
        on_event(SessionEvent::Opened);
        let shared = Arc::new(Shared::default());
        let (outgoing, queue) = mpsc::channel(SEND_QUEUE);
        let writing = tokio::spawn(write(writer, queue, shared.clone()));
        let reading = tokio::spawn(read(reader, input, shared.clone(), on_event));
        Ok(Self { hello, shared, outgoing, reading, writing })
    }

    /// What the runner said of itself.
    pub(crate) fn hello(&self) -> &HelloToPool {
        &self.hello
    }

    /// Whether it is of use no longer.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.waiting().closed.is_some()
    }

    /// Waits until a [closed](Self::is_closed) session has said so, as its last event.
    pub(crate) async fn ended(mut self) {
        // Fails when the event's receiver has panicked: there is nothing to wait for then either.
        drop((&mut self.reading).await);
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
        match timeout(ANSWER_LIMIT, self.outgoing.send(frame.into())).await {
            Ok(Ok(())) => Ok(answer),
            Ok(Err(_)) => Err(SessionError::Closed(self.shared.reason())),
            Err(_) => {
                self.shared.close("the runner takes no more requests");
                Err(SessionError::NoAnswer(ANSWER_LIMIT))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.close("closed by the pool");
        self.reading.abort();
        self.writing.abort();
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
        match timeout(limit, &mut self.receiver).await {
            Ok(Ok(ToPool::Failed { error, .. })) => Err(SessionError::Failed(error)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(SessionError::Closed(self.shared.reason())),
            Err(_) => {
                self.shared.close(&format!("the runner did not answer within {limit:?}"));
                Err(SessionError::NoAnswer(limit))
            }
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
        if let Err(error) = writer.send(bytes).await {
            return shared.close(&chain(&error));
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
        // Cancel safety: nothing is read after the other branch has won.
        let next = tokio::select! {
            biased;
            () = shared.closing.notified() => break (shared.reason(), false),
            next = input.next(&mut *reader) => next,
        };
        match next {
            Ok(ToPool::Exited { run, end }) => on_event(SessionEvent::Exited { run, end }),
            Ok(ToPool::Broken { reason }) => on_event(SessionEvent::Broken { reason }),
            Ok(ToPool::Started { .. } | ToPool::Heartbeat) => {}
            Ok(frame) => {
                if !answer(&shared, frame) {
                    break ("it answered what was not asked, or twice".to_owned(), true);
                }
            }
            Err(error @ SessionError::Frame(_)) => break (chain(&error), true),
            Err(SessionError::Closed(reason)) => break (reason, false),
            Err(error) => break (chain(&error), false),
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
