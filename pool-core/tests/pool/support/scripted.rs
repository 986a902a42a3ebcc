//! A cloud and workers that do as they are told, and note what is asked of them and in which order.

use super::refused::Refused;
use async_trait::async_trait;
use bytes::Bytes;
use pool_core::{
    BoxCloudError, Capabilities, Channel, ChannelEvent, ChannelReader, ChannelWriter, Command, CommandOutput,
    Connector, CreateRequest, Executor, ExecutorError, ExitStatus, HostKey, HostKeyVerdict, HostVerifier,
    Idempotency, Instance, InstanceId, InstanceSet, InstanceType, Lifecycle, Placement, Pool, PoolBuilder,
    PoolConfig, ProviderType, PublicKey, QuotaGroup, RemoteUser, RunnerSource, TagLimits, Tags, Target,
    UnverifiedHost,
};
use pool_protocol::{FrameBuffer, HelloToPool, PROTOCOL_VERSION, ToPool, ToRunner, encode};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};
use tokio::sync::{Semaphore, mpsc, watch};

/// What a call does that is not simply carried out.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    /// Refused.
    Error,
    /// Never answered.
    Silence,
    Panic,
}

/// The cloud.
pub(crate) struct ScriptedCloud {
    state: Mutex<CloudState>,
    /// Lists wait for a permit.
    pub(crate) lists: Semaphore,
    /// Saves of tags wait for a permit.
    pub(crate) saves: Semaphore,
    pub(crate) stops: watch::Sender<usize>,
    /// Every second one fails.
    pub(crate) sweeps: watch::Sender<usize>,
}

#[derive(Default)]
struct CloudState {
    instances: BTreeMap<InstanceId, Facts>,
    creates: Vec<CreateRequest>,
    filters: Vec<Tags>,
    create_trouble: Trouble,
    destroyed: Vec<InstanceId>,
}

#[derive(Clone, Debug)]
struct Facts {
    id: InstanceId,
    provider_type: ProviderType,
    placement: Placement,
    tags: Tags,
}

impl ScriptedCloud {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            lists: Semaphore::new(Semaphore::MAX_PERMITS),
            saves: Semaphore::new(Semaphore::MAX_PERMITS),
            stops: watch::Sender::new(0),
            sweeps: watch::Sender::new(0),
        })
    }

    fn state(&self) -> MutexGuard<'_, CloudState> {
        self.state.lock().unwrap()
    }

    pub(crate) fn creates(&self) -> Vec<CreateRequest> {
        self.state().creates.clone()
    }

    pub(crate) fn filters(&self) -> Vec<Tags> {
        self.state().filters.clone()
    }

    pub(crate) fn destroyed(&self) -> Vec<InstanceId> {
        self.state().destroyed.clone()
    }

    pub(crate) fn tags(&self, id: &InstanceId) -> Option<Tags> {
        self.state().instances.get(id).map(|facts| facts.tags.clone())
    }

    pub(crate) fn trouble_creates(&self, trouble: Trouble) {
        self.state().create_trouble = trouble;
    }

    /// An instance that appears by itself, or whose tags change behind the pool's back.
    pub(crate) fn put(&self, id: &str, tags: Tags) -> InstanceId {
        let id: InstanceId = id.parse().unwrap();
        let (provider_type, placement) = ("loop.small".parse().unwrap(), Placement::unnamed());
        let facts = Facts { id: id.clone(), provider_type, placement, tags };
        self.state().instances.insert(id.clone(), facts);
        id
    }

    pub(crate) fn remove(&self, id: &InstanceId) {
        self.state().instances.remove(id);
    }
}

/// The cloud as the pool gets it, with the workers that it is asked about.
pub(crate) struct Set(pub(crate) Arc<ScriptedCloud>, pub(crate) Arc<Host>);

#[async_trait]
impl InstanceSet for Set {
    async fn create(&self, request: CreateRequest) -> Result<Arc<dyn Instance>, BoxCloudError> {
        let trouble = {
            let mut state = self.0.state();
            state.creates.push(request.clone());
            state.create_trouble
        };
        match trouble {
            Trouble::None => {}
            Trouble::Error => return Err(Refused.into()),
            Trouble::Silence => std::future::pending().await,
            Trouble::Panic => panic!("the driver has a mistake"),
        }
        self.1.learn_secret(request.init_command.expose());
        let id = self.0.put(&format!("i-{}", self.0.state().creates.len()), request.tags);
        Ok(self.instance(&id))
    }

    async fn instances(&self, filter: &Tags) -> Result<Vec<Arc<dyn Instance>>, BoxCloudError> {
        self.0.lists.acquire().await.unwrap().forget();
        self.0.state().filters.push(filter.clone());
        // All, whatever the filter says: what the pool makes of that is its own affair.
        let ids: Vec<InstanceId> = self.0.state().instances.keys().cloned().collect();
        Ok(ids.iter().map(|id| self.instance(id)).collect())
    }

    fn quota_group(&self, _: &InstanceType) -> QuotaGroup {
        "all".parse().unwrap()
    }

    fn placements(&self) -> Vec<Placement> {
        vec![Placement::unnamed()]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency: Idempotency::Token,
            tags: TagLimits { count: 50, name_length: 128, value_length: 256 },
            preemptible: true,
            added_scratch: true,
            host_keys: true,
            list_settle_time: Duration::ZERO,
        }
    }

    async fn sweep(&self) -> Result<usize, BoxCloudError> {
        self.0.sweeps.send_modify(|count| *count += 1);
        if self.0.sweeps.borrow().is_multiple_of(2) { Ok(1) } else { Err(Refused.into()) }
    }

    async fn stop(&self) {
        self.0.stops.send_modify(|count| *count += 1);
    }
}

impl Set {
    fn instance(&self, id: &InstanceId) -> Arc<dyn Instance> {
        let facts = self.0.state().instances[id].clone();
        Arc::new(ScriptedInstance { facts, cloud: self.0.clone(), host: self.1.clone() })
    }
}

struct ScriptedInstance {
    facts: Facts,
    cloud: Arc<ScriptedCloud>,
    host: Arc<Host>,
}

impl fmt::Debug for ScriptedInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.facts.fmt(f)
    }
}

#[async_trait]
impl Instance for ScriptedInstance {
    fn id(&self) -> &InstanceId {
        &self.facts.id
    }
    fn provider_type(&self) -> &ProviderType {
        &self.facts.provider_type
    }
    fn placement(&self) -> &Placement {
        &self.facts.placement
    }
    fn address(&self) -> Option<&str> {
        Some("scripted")
    }
    fn remote_user(&self) -> RemoteUser {
        RemoteUser { name: "somebody".into(), privilege: Default::default() }
    }
    fn tags(&self) -> &Tags {
        &self.facts.tags
    }
    fn lifecycle(&self) -> Lifecycle {
        Lifecycle::Running
    }
    fn created(&self) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH)
    }
    async fn set_tags(&self, tags: &Tags) -> Result<(), BoxCloudError> {
        self.cloud.saves.acquire().await.unwrap().forget();
        match self.cloud.state().instances.get_mut(&self.facts.id) {
            Some(facts) => facts.tags.extend(tags),
            None => return Err(Refused.into()),
        }
        Ok(())
    }
    async fn destroy(&self) -> Result<(), BoxCloudError> {
        self.cloud.remove(&self.facts.id);
        self.cloud.state().destroyed.push(self.facts.id.clone());
        // A machine that is gone answers no longer.
        self.host.cut();
        Ok(())
    }
    async fn verify_host_key(&self, _: &HostKey) -> Result<HostKeyVerdict, BoxCloudError> {
        self.host.note("ask the driver");
        let verdict = self.host.state().verdict;
        verdict.ok_or_else(|| Refused.into())
    }
}

/// What a runner does with a session.
pub(crate) type Script = Arc<dyn Fn(Peer) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The host that every scripted worker is.
pub(crate) struct Host {
    state: Mutex<HostState>,
    /// Counts the times that all connections were cut.
    cuts: watch::Sender<u64>,
}

struct HostState {
    /// What was asked, in order.
    log: Vec<String>,
    key: String,
    /// None: the driver cannot be asked.
    verdict: Option<HostKeyVerdict>,
    secret: Option<String>,
    /// What is stored on it, by path.
    files: BTreeMap<String, Bytes>,
    /// Takes no connections any more.
    gone: bool,
    script: Script,
}

impl Host {
    pub(crate) fn new(script: Script) -> Arc<Self> {
        let state = HostState {
            log: Vec::new(),
            key: "SHA256:first".to_owned(),
            verdict: Some(HostKeyVerdict::Unsupported),
            secret: None,
            files: BTreeMap::new(),
            gone: false,
            script,
        };
        Arc::new(Self { state: Mutex::new(state), cuts: watch::Sender::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, HostState> {
        self.state.lock().unwrap()
    }

    fn note(&self, what: &str) {
        self.state().log.push(what.to_owned());
    }

    /// What has been asked since this was last called.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub(crate) fn set_verdict(&self, verdict: Option<HostKeyVerdict>) {
        self.state().verdict = verdict;
    }

    pub(crate) fn set_secret(&self, secret: &str) {
        self.state().secret = Some(secret.to_owned());
    }

    pub(crate) fn set_script(&self, script: Script) {
        self.state().script = script;
    }

    /// Cuts the connections; the next one finds this key.
    pub(crate) fn change_key(&self, key: &str) {
        self.state().key = key.to_owned();
        self.cut();
    }

    /// Cuts all connections and takes no more.
    pub(crate) fn vanish(&self) {
        self.state().gone = true;
        self.cut();
    }

    /// Cuts all connections.
    fn cut(&self) {
        self.cuts.send_modify(|count| *count += 1);
    }

    pub(crate) fn store(&self, path: &str, bytes: &[u8]) {
        self.state().files.insert(path.to_owned(), Bytes::copy_from_slice(bytes));
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Bytes> {
        self.state().files.clone()
    }

    /// As the init command does. A secret that was set before stays.
    fn learn_secret(&self, init: &str) {
        let secret =
            init.split_whitespace().find(|w| w.len() == 40 && w.bytes().all(|b| b.is_ascii_hexdigit()));
        let secret = secret.expect("the init command stores a secret").to_owned();
        self.state().secret.get_or_insert(secret);
    }

    /// Does what the pool's command lines do.
    fn run(&self, command: &Command) -> CommandOutput {
        let line = &command.line;
        let mut state = self.state();
        let (what, code, stdout) = if line.ends_with("/instance-secret") {
            let secret = state.secret.clone();
            ("read the secret", u32::from(secret.is_none()), secret.unwrap_or_default())
        } else if line.contains("cat > \"$new\"") {
            let mode = line.find("chmod 0700 \"$new\"").expect("sets the mode");
            assert!(
                mode < line.find("cat > \"$new\"").unwrap(),
                "its mode is set before its content: {line}"
            );
            let path = line.rsplit(' ').next().unwrap().to_owned();
            let stdout = format!("{}  new.123\n", sha256(&command.stdin));
            state.files.insert(path, command.stdin.clone());
            ("copy the runner", 0, stdout)
        } else if let Some(rest) = line.strip_prefix("sha256sum ") {
            let path = rest.split(' ').next().unwrap();
            let sum = state.files.get(path).map(|bytes| format!("{}  {path}\n", sha256(bytes)));
            ("hash the runner", 0, sum.unwrap_or_default())
        } else {
            (line.as_str(), 0, String::new())
        };
        let what = what.to_owned();
        state.log.push(what);
        CommandOutput {
            status: ExitStatus::Code(code),
            stdout: stdout.into(),
            stderr: Bytes::new(),
            truncated: false,
        }
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) struct ScriptedConnector(pub(crate) Arc<Host>);

impl Connector for ScriptedConnector {
    fn public_key(&self) -> PublicKey {
        PublicKey("ssh-ed25519 AAAA".into())
    }

    fn executor(&self, _: Option<Target>, verifier: Arc<dyn HostVerifier>) -> Arc<dyn Executor> {
        Arc::new(ScriptedExecutor { host: self.0.clone(), verifier, verified: tokio::sync::Mutex::new(None) })
    }
}

/// Verifies as the contract demands: once for each connection.
struct ScriptedExecutor {
    host: Arc<Host>,
    verifier: Arc<dyn HostVerifier>,
    /// Which connection was verified.
    verified: tokio::sync::Mutex<Option<u64>>,
}

impl fmt::Debug for ScriptedExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedExecutor")
    }
}

struct Unverified(Arc<Host>);

#[async_trait]
impl UnverifiedHost for Unverified {
    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        Ok(self.0.run(&command))
    }
}

impl ScriptedExecutor {
    async fn connect(&self) -> Result<(), ExecutorError> {
        let mut verified = self.verified.lock().await;
        let connection = *self.host.cuts.borrow();
        let fingerprint = self.host.state().key.clone();
        if self.host.state().gone {
            return Err(ExecutorError::Connect { address: "scripted".into(), source: "it is gone".into() });
        }
        if *verified == Some(connection) {
            return Ok(());
        }
        let key = HostKey { openssh: "ssh-ed25519 AAAA".into(), fingerprint };
        let verdict = self.verifier.verify(&key, &Unverified(self.host.clone())).await;
        self.host.note(if verdict.is_ok() { "verified" } else { "refused" });
        verdict.map_err(ExecutorError::HostRefused)?;
        *verified = Some(connection);
        Ok(())
    }
}

#[async_trait]
impl Executor for ScriptedExecutor {
    fn set_target(&self, _: Option<Target>) {}

    async fn execute(&self, command: Command) -> Result<CommandOutput, ExecutorError> {
        self.connect().await?;
        Ok(self.host.run(&command))
    }

    async fn open(&self, command: Command) -> Result<Channel, ExecutorError> {
        self.connect().await?;
        let words: Vec<&str> = command.line.split(' ').collect();
        self.host.note(&format!("attach with {}", words[1]));
        let (to_peer, from_pool) = mpsc::unbounded_channel();
        let (to_pool, from_peer) = mpsc::channel(4);
        let script = self.host.state().script.clone();
        let peer = Peer { from_pool, to_pool, frames: FrameBuffer::new() };
        tokio::spawn(script(peer));
        let reader = Reader(from_peer, self.host.cuts.subscribe());
        Ok(Channel { writer: Box::new(Writer(to_peer)), reader: Box::new(reader) })
    }

    fn close(&self) {}
}

struct Writer(mpsc::UnboundedSender<Bytes>);

#[async_trait]
impl ChannelWriter for Writer {
    async fn send(&mut self, bytes: Bytes) -> Result<(), ExecutorError> {
        self.0.send(bytes).map_err(|_| ExecutorError::Lost(None))
    }
    async fn close(&mut self) -> Result<(), ExecutorError> {
        Ok(())
    }
}

struct Reader(mpsc::Receiver<ChannelEvent>, watch::Receiver<u64>);

#[async_trait]
impl ChannelReader for Reader {
    async fn next(&mut self) -> Option<ChannelEvent> {
        tokio::select! {
            biased;
            _ = self.1.changed() => None,
            event = self.0.recv() => event,
        }
    }
}

/// The runner's side of a session.
pub(crate) struct Peer {
    from_pool: mpsc::UnboundedReceiver<Bytes>,
    to_pool: mpsc::Sender<ChannelEvent>,
    frames: FrameBuffer,
}

impl Peer {
    /// The next frame; never comes back when the pool has closed the session.
    pub(crate) async fn hear(&mut self) -> ToRunner {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return frame;
            }
            match self.from_pool.recv().await {
                Some(bytes) => self.frames.push(&bytes),
                None => std::future::pending().await,
            }
        }
    }

    pub(crate) async fn say(&self, frame: &ToPool) -> bool {
        self.emit(ChannelEvent::Stdout(encode(frame).unwrap().into())).await
    }

    /// False once the pool listens no longer.
    pub(crate) async fn emit(&self, event: ChannelEvent) -> bool {
        self.to_pool.send(event).await.is_ok()
    }

    pub(crate) async fn closed(&self) {
        self.to_pool.closed().await;
    }

    pub(crate) async fn greet(&mut self) {
        assert!(matches!(self.hear().await, ToRunner::Hello(_)));
        self.say(&ToPool::Hello(hello(PROTOCOL_VERSION))).await;
    }

    /// Answers like a runner that knows these runs.
    pub(crate) async fn serve(&mut self, runs: &[pool_protocol::RunReport]) {
        loop {
            let answer = match self.hear().await {
                ToRunner::List { request } => ToPool::Runs { request, runs: runs.to_vec(), broken: None },
                ToRunner::Start { request, .. }
                | ToRunner::Kill { request, .. }
                | ToRunner::Forget { request, .. }
                | ToRunner::Hold { request, .. }
                | ToRunner::Exit { request } => ToPool::Done { request },
                other => panic!("not in this script: {other:?}"),
            };
            self.say(&answer).await;
        }
    }
}

pub(crate) fn hello(version: u32) -> HelloToPool {
    HelloToPool { version, release: "scripted".into(), program_hash: String::new(), pid: 1 }
}

/// A script from an async function of the peer.
pub(crate) fn script<F: Future<Output = ()> + Send + 'static>(
    act: impl Fn(Peer) -> F + Send + Sync + 'static,
) -> Script {
    Arc::new(move |peer| Box::pin(act(peer)))
}

/// A runner that does as it should, and has no runs.
pub(crate) fn good() -> Script {
    script(|mut peer| async move {
        peer.greet().await;
        peer.serve(&[]).await;
    })
}

pub(crate) struct Scripted {
    pub(crate) cloud: Arc<ScriptedCloud>,
    pub(crate) host: Arc<Host>,
}

impl Scripted {
    pub(crate) fn new(script: Script) -> Self {
        Self { cloud: ScriptedCloud::new(), host: Host::new(script) }
    }

    pub(crate) fn set(&self) -> Arc<Set> {
        Arc::new(Set(self.cloud.clone(), self.host.clone()))
    }

    /// Whose runner is installed, so that the script begins with the session.
    pub(crate) fn builder(&self, config: PoolConfig) -> PoolBuilder {
        Pool::builder(config, self.set(), ScriptedConnector(self.host.clone()))
            .runner(RunnerSource::Installed("/opt/runner".into()))
    }

    pub(crate) fn pool(&self, config: PoolConfig) -> Pool {
        self.builder(config).start().unwrap()
    }
}
