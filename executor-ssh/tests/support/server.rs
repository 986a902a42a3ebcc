//! A small SSH server in this process. It runs lines with `sh`, and a few that start with `%` itself.

use executor_ssh::PrivateKey;
use russh::{
    Channel, ChannelId, ChannelMsg, Sig,
    keys::{HashAlg, ssh_key},
    server::{self, Auth, ChannelOpenHandle, Handle, Msg, Session, VerifiedPublicKey},
};
use secrecy::ExposeSecret;
use std::{
    collections::HashMap,
    io,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

/// What a server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// TCP connections accepted.
    pub connections: AtomicUsize,
    /// Those that have not ended.
    pub alive: AtomicUsize,
    /// Lines that it was asked to run.
    pub lines: Mutex<Vec<String>>,
    /// Channels open now.
    pub channels: AtomicUsize,
    /// Most channels open at once.
    pub most_channels: AtomicUsize,
    /// Bytes handed over by `%flood`.
    pub flooded: AtomicU64,
    /// A `%hang` or `%status` has begun.
    pub hanging: Notify,
    /// Ends the connections that are open.
    pub hang_up: Notify,
}

/// Stops, with all its connections, when dropped.
pub struct Server {
    pub address: String,
    /// Of its host key.
    pub fingerprint: String,
    pub seen: Arc<Seen>,
    accepting: JoinHandle<()>,
}

/// How a server behaves.
#[derive(Clone)]
pub struct Behaviour {
    pub host_key: PrivateKey,
    pub allowed: Vec<PrivateKey>,
    /// As OpenSSH's `MaxSessions`.
    pub max_sessions: usize,
    /// Ends the connection instead of an answer to the key.
    pub hangs_up_at_login: bool,
}

impl Behaviour {
    pub fn new(allowed: &PrivateKey) -> Self {
        Self {
            host_key: PrivateKey::generate(),
            allowed: vec![allowed.clone()],
            max_sessions: usize::MAX,
            hangs_up_at_login: false,
        }
    }
}

impl Server {
    /// On a free port of the loopback, accepting this key for every user.
    pub async fn start(allowed: &PrivateKey) -> Self {
        Self::start_with(Behaviour::new(allowed)).await
    }

    pub async fn start_with(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self::serve(listener, address, behaviour)
    }

    fn serve(listener: TcpListener, address: String, behaviour: Behaviour) -> Self {
        let host_key =
            ssh_key::PrivateKey::from_openssh(behaviour.host_key.to_openssh().expose_secret()).unwrap();
        let fingerprint = host_key.fingerprint(HashAlg::Sha256).to_string();
        let config = Arc::new(server::Config {
            keys: vec![host_key],
            nodelay: true,
            auth_rejection_time: std::time::Duration::ZERO,
            ..Default::default()
        });
        let seen = Arc::new(Seen::default());
        let connection_seen = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connection_seen.connections.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let connection = Connection {
                    seen: Arc::clone(&connection_seen),
                    behaviour: behaviour.clone(),
                    open: Arc::default(),
                    channels: HashMap::new(),
                    commands: JoinSet::new(),
                };
                sessions.spawn(serve_one(Arc::clone(&config), stream, connection));
            }
        });
        Self { address, fingerprint, seen, accepting }
    }

    pub fn lines(&self) -> Vec<String> {
        self.seen.lines.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve_one(config: Arc<server::Config>, stream: TcpStream, connection: Connection) {
    // The library runs the session in a task of its own, which this handle does not own: the stream is
    // carried through a pipe that ends with this task.
    let seen = Arc::clone(&connection.seen);
    seen.alive.fetch_add(1, Ordering::SeqCst);
    let (near, far) = tokio::io::duplex(64 * 1024);
    let (mut near_read, mut near_write) = tokio::io::split(near);
    let (mut tcp_read, mut tcp_write) = stream.into_split();
    let inwards = async { tokio::io::copy(&mut tcp_read, &mut near_write).await };
    let outwards = async { tokio::io::copy(&mut near_read, &mut tcp_write).await };
    let session = async {
        if let Ok(session) = server::run_stream(config, far, connection).await {
            let _ = session.await;
        }
        io::Result::Ok(0)
    };
    tokio::select! {
        _ = inwards => {}
        _ = outwards => {}
        _ = session => {}
        () = seen.hang_up.notified() => {}
    }
    seen.alive.fetch_sub(1, Ordering::SeqCst);
}

struct Connection {
    seen: Arc<Seen>,
    behaviour: Behaviour,
    open: Arc<AtomicUsize>,
    channels: HashMap<ChannelId, Channel<Msg>>,
    /// Ended with the connection.
    commands: JoinSet<()>,
}

/// Counts an open channel for as long as it lives.
struct Counted(Arc<Seen>, Arc<AtomicUsize>);

impl Counted {
    fn new(seen: &Arc<Seen>, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        let now = seen.channels.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_channels.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(seen), Arc::clone(open))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.channels.fetch_sub(1, Ordering::SeqCst);
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        if self.behaviour.hangs_up_at_login {
            return Err(russh::Error::Disconnect);
        }
        let shown = key.public_key.key_data().clone();
        let shown = ssh_key::PublicKey::from(shown).to_openssh()?;
        let known = self.behaviour.allowed.iter().any(|key| key.public_key().0 == shown);
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.open.load(Ordering::SeqCst) >= self.behaviour.max_sessions {
            reply.reject(russh::ChannelOpenFailure::ConnectFailed).await;
        } else {
            self.channels.insert(channel.id(), channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let line = String::from_utf8_lossy(data).into_owned();
        self.seen.lines.lock().unwrap().push(line.clone());
        let Some(channel) = self.channels.remove(&id) else { return Ok(()) };
        if line == "%refuse" {
            return session.channel_failure(id);
        }
        session.channel_success(id)?;
        let counted = Counted::new(&self.seen, &self.open);
        self.commands.spawn(run(line, channel, session.handle(), Arc::clone(&self.seen), counted));
        Ok(())
    }
}

/// Runs one line to its end.
async fn run(line: String, mut channel: Channel<Msg>, handle: Handle, seen: Arc<Seen>, counted: Counted) {
    let id = channel.id();
    match line.split_once(' ').map_or((line.as_str(), ""), |(word, rest)| (word, rest)) {
        ("%true", _) => {
            let _ = channel.exit_status(0).await;
        }
        // Closes without a word of how it ended.
        ("%close", _) => {}
        ("%hang", _) => {
            seen.hanging.notify_one();
            std::future::pending::<()>().await;
        }
        // Says how it ended, but never that nothing follows.
        ("%status", _) => {
            let _ = channel.exit_status(0).await;
            seen.hanging.notify_one();
            std::future::pending::<()>().await;
        }
        // Until the client closes the channel.
        ("%wait", _) => while !matches!(channel.wait().await, None | Some(ChannelMsg::Close)) {},
        ("%signal", name) => {
            let _ = handle
                .exit_signal_request(id, Sig::Custom(name.into()), false, String::new(), String::new())
                .await;
        }
        ("%flood", _) => {
            let chunk = bytes::Bytes::from(vec![b'x'; 16 * 1024]);
            while channel.data_bytes(chunk.clone()).await.is_ok() {
                seen.flooded.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
        }
        ("%forward", kind) => {
            let opened = match kind {
                "tcpip" => handle.channel_open_forwarded_tcpip("localhost", 80, "localhost", 81).await,
                "streamlocal" => handle.channel_open_forwarded_streamlocal("/tmp/socket").await,
                "agent" => handle.channel_open_agent().await,
                "x11" => handle.channel_open_x11("localhost", 6000).await,
                "session" => handle.channel_open_session().await,
                "direct-tcpip" => handle.channel_open_direct_tcpip("localhost", 80, "localhost", 81).await,
                other => panic!("no such channel: {other}"),
            };
            let answer = opened.map_or_else(|error| format!("{error:?}"), |_| "accepted".to_owned());
            let _ = channel.data_bytes(answer.into_bytes()).await;
            let _ = channel.exit_status(0).await;
        }
        _ => shell(&line, &mut channel).await,
    }
    // Before the client knows that the channel is closed: it then counts on the place.
    drop(counted);
    let _ = channel.close().await;
}

async fn shell(line: &str, channel: &mut Channel<Msg>) {
    let mut child = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Without a bound: what is not read here stops the whole session (the library waits for the channel), and
    // with it the client's word that there is room for more output.
    let (to_stdin, mut queued) = tokio::sync::mpsc::unbounded_channel::<bytes::Bytes>();
    let feeding = tokio::spawn(async move {
        while let Some(data) = queued.recv().await {
            if stdin.write_all(&data).await.is_err() {
                break;
            }
        }
    });
    let mut to_stdin = Some(to_stdin);
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut to_client, mut errors_to_client) = (channel.make_writer(), channel.make_writer_ext(Some(1)));
    let output = async {
        let _ = tokio::io::copy(&mut out, &mut to_client).await;
    };
    let errors = async {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(count @ 1..) = err.read(&mut buffer).await {
            let _ = errors_to_client.write_all(&buffer[..count]).await;
        }
    };
    let input = async {
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => {
                    if let Some(to_stdin) = &to_stdin {
                        let _ = to_stdin.send(data);
                    }
                }
                ChannelMsg::Eof => to_stdin = None,
                ChannelMsg::Close => return,
                _ => {}
            }
        }
    };
    let finished = async { tokio::join!(output, errors) };
    tokio::select! {
        _ = finished => {}
        () = input => return,
    }
    feeding.abort();
    let status = child.wait().await.unwrap();
    let code = status.code().and_then(|code| u32::try_from(code).ok());
    let _ = channel.exit_status(code.unwrap_or(255)).await;
}
