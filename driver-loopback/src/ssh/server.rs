//! The listener of one instance and its connections.

use super::{Host, line::Line, session::Session};
use russh::server::run_stream;
use std::{
    collections::HashMap,
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

/// Within this time a client must have logged in.
const LOGIN_GRACE: Duration = Duration::from_secs(30);
/// Most connections to one instance at a time.
const MOST_CONNECTIONS: usize = 64;
/// How long no connection is taken after the system refused to give one (it is out of files, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The SSH server of one instance. Dropping it cuts all connections.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    /// What new connections get.
    host: Arc<Mutex<Arc<Host>>>,
    lines: Arc<Mutex<Lines>>,
    listening: AbortHandle,
}

/// Every connection, and how it is with them all.
#[derive(Debug, Default)]
struct Lines {
    open: HashMap<u64, Arc<Line>>,
    next: u64,
    dead: bool,
    /// Connections are dropped as soon as they are made.
    closed: bool,
}

impl Server {
    /// Starts to listen on 127.0.0.1, on this port if there is one and it is free, else on one that the system
    /// chooses. Must be called within a tokio runtime.
    pub(crate) fn start(host: Arc<Host>, port: Option<u16>) -> io::Result<Self> {
        let any = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = match port {
            Some(port) => std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).or_else(|_| any())?,
            None => any()?,
        };
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let port = listener.local_addr()?.port();
        let lines = Arc::new(Mutex::new(Lines::default()));
        let host = Arc::new(Mutex::new(host));
        let listening = tokio::spawn(listen(listener, Arc::clone(&host), Arc::clone(&lines))).abort_handle();
        Ok(Self { port, host, lines, listening })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes new connections meet another host; those that exist are dropped.
    pub(crate) fn replace_host(&self, host: Arc<Host>) {
        *lock(&self.host) = host;
        self.drop_connections();
    }

    /// Drops all connections, and all new ones until it is opened again.
    pub(crate) fn close(&self) {
        let mut lines = lock(&self.lines);
        lines.closed = true;
        lines.open.values().for_each(|line| line.cut());
    }

    /// Ends what [`close`](Self::close) has begun.
    pub(crate) fn open(&self) {
        lock(&self.lines).closed = false;
    }

    /// Drops all connections. New ones are taken.
    pub(crate) fn drop_connections(&self) {
        lock(&self.lines).open.values().for_each(|line| line.cut());
    }

    /// From now on it takes connections and says nothing, also on those that exist.
    pub(crate) fn hang(&self) {
        let mut lines = lock(&self.lines);
        lines.dead = true;
        lines.open.values().for_each(|line| line.go_dead());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
        self.listening.abort();
    }
}

async fn listen(listener: TcpListener, host: Arc<Mutex<Arc<Host>>>, lines: Arc<Mutex<Lines>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MOST_CONNECTIONS => {
                    let host = Arc::clone(&lock(&host));
                    connections.spawn(serve(stream, host, Arc::clone(&lines)));
                }
                Ok(_) => tracing::warn!(most = MOST_CONNECTIONS, "an instance has too many connections"),
                Err(error) => {
                    tracing::warn!(%error, "an instance cannot take a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection from its beginning to its end.
async fn serve(stream: TcpStream, host: Arc<Host>, lines: Arc<Mutex<Lines>>) {
    let Some(open) = OpenLine::new(lines) else { return };
    let (logged_in, login) = oneshot::channel();
    let running = async {
        stream.set_nodelay(true)?;
        let config = Arc::clone(&host.config);
        let stream = open.line.attach(stream);
        run_stream(config, stream, Session::new(host, logged_in)).await
    };
    let session = match timeout(LOGIN_GRACE, running).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection did not become an SSH session"),
        Err(_) => return tracing::debug!("a connection did not become an SSH session in time"),
    };
    let login = async {
        // An error means that the session ended before, which is seen below.
        if timeout(LOGIN_GRACE, login).await.is_err() {
            tracing::debug!("a client did not log in in time");
            open.line.cut();
        }
    };
    let (ended, ()) = tokio::join!(session, login);
    if let Err(error) = ended {
        tracing::debug!(%error, "an SSH session ended");
    }
}

/// A line, known to the server as long as this exists; cut at its end.
struct OpenLine {
    lines: Arc<Mutex<Lines>>,
    number: u64,
    line: Arc<Line>,
}

impl OpenLine {
    /// None when the server is closed.
    fn new(lines: Arc<Mutex<Lines>>) -> Option<Self> {
        let line = Arc::new(Line::default());
        let mut all = lock(&lines);
        if all.closed {
            return None;
        }
        if all.dead {
            line.go_dead();
        }
        let number = all.next;
        all.next += 1;
        all.open.insert(number, Arc::clone(&line));
        drop(all);
        Some(Self { lines, number, line })
    }
}

impl Drop for OpenLine {
    fn drop(&mut self) {
        self.line.cut();
        lock(&self.lines).open.remove(&self.number);
    }
}

/// A panic elsewhere leaves no invariant broken here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
