//! The proxy itself.

use super::{
    Action, Answer, Request, Rule,
    forward::{forward, read},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{Response, body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::fd::{AsFd as _, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::sleep,
};

/// From the first half of an answer to the end of the connection, so that the half is on its way by then.
const CUT_PAUSE: Duration = Duration::from_millis(50);

type Outgoing = Response<BoxBody<Bytes, io::Error>>;

/// An HTTP proxy on a port of 127.0.0.1, for one instance set at a time. It runs on a thread of its own, so that nothing
/// that a driver does to its runtime can stop it. Ends when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Dropped with the proxy, which ends the thread.
    _running: oneshot::Sender<()>,
}

struct Shared {
    upstream: Option<SocketAddr>,
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<Request>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts it. What no rule answers goes to `upstream`; where there is none, it is answered with status 502.
    ///
    /// # Errors
    /// When there is no port or no thread to be had.
    pub fn start(upstream: Option<SocketAddr>, rules: Vec<Rule>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (running, ended) = oneshot::channel();
        let shared = Arc::new(Shared { upstream, rules: Mutex::new(rules), requests: Mutex::default() });
        let served = Arc::clone(&shared);
        thread::Builder::new().name("fault proxy".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // It never sends: this is the end of the proxy.
                    _ = ended => {}
                    error = accept(listener, served) => tracing::error!(?error, "the fault proxy has stopped"),
                }
            });
        })?;
        Ok(Self { address, shared, _running: running })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One more rule, which comes before all that are there.
    pub fn add(&self, rule: Rule) {
        lock(&self.shared.rules).insert(0, rule);
    }

    /// Every request that has arrived here until now, in order, whatever has become of it.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Counts requests later on, also when the proxy itself has been given away. For
    /// [`Opened::counting`](crate::Opened::counting).
    pub fn counter(
        &self,
        is_of: impl Fn(crate::Call, &Request) -> bool + Send + Sync + 'static,
    ) -> impl Fn(crate::Call) -> usize + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |call| lock(&shared.requests).iter().filter(|request| is_of(call, request)).count()
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) -> io::Error {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return error,
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&shared)));
            }
            Err(error) => return error,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    // A second handle, with which the socket's end can be made a reset.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let socket = Arc::new(socket);
    let service = service_fn(|incoming| {
        let (shared, socket) = (Arc::clone(&shared), Arc::clone(&socket));
        async move { shared.handle(read(incoming).await?, &socket).await }
    });
    // An error is what the trial wanted, or the driver's way to hang up.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

impl Shared {
    /// An error closes the connection without an answer.
    async fn handle(&self, request: Request, socket: &OwnedFd) -> io::Result<Outgoing> {
        lock(&self.requests).push(request.clone());
        let action = lock(&self.rules).iter_mut().find_map(|rule| rule.take(&request));
        let Some(action) = action else { return whole(self.forward(&request).await?) };
        match action {
            Action::Answer(answer) => whole(answer),
            Action::AnswerBy(make) => whole(make(&request)),
            Action::Change(change) => {
                let mut changed = request;
                change(&mut changed);
                whole(self.forward(&changed).await?)
            }
            Action::ChangeAnswer(change) => {
                let mut answer = self.forward(&request).await?;
                change(&request, &mut answer);
                whole(answer)
            }
            Action::Delay(delay) => {
                sleep(delay).await;
                whole(self.forward(&request).await?)
            }
            Action::LoseRequest => Err(closed()),
            Action::LoseAnswer => {
                self.forward(&request).await?;
                Err(closed())
            }
            Action::Reset => {
                sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
                Err(closed())
            }
            Action::CutAnswer => half(&self.forward(&request).await?),
            Action::GarbleAnswer(body) => whole(Answer { body, ..self.forward(&request).await? }),
            Action::Hang => {
                self.forward(&request).await?;
                std::future::pending().await
            }
            Action::Repeat => {
                self.forward(&request).await?;
                whole(self.forward(&request).await?)
            }
        }
    }

    async fn forward(&self, request: &Request) -> io::Result<Answer> {
        match self.upstream {
            Some(upstream) => forward(upstream, request).await,
            None => Ok(Answer::new(502, "text/plain", "no rule of the fault proxy answers this request")),
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by a rule of the fault proxy")
}

fn head(answer: &Answer) -> hyper::http::response::Builder {
    let mut head = Response::builder().status(answer.status).header("content-length", answer.body.len());
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    head
}

fn whole(answer: Answer) -> io::Result<Outgoing> {
    let head = head(&answer);
    head.body(Full::new(answer.body).map_err(|never| match never {}).boxed()).map_err(io::Error::other)
}

fn half(answer: &Answer) -> io::Result<Outgoing> {
    let head = head(answer);
    let first = answer.body.slice(..answer.body.len() / 2);
    let parts = stream::once(async move { Ok(Frame::data(first)) }).chain(stream::once(async {
        sleep(CUT_PAUSE).await;
        Err(closed())
    }));
    head.body(BoxBody::new(StreamBody::new(parts))).map_err(io::Error::other)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
