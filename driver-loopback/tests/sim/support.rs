//! A program of its own in a simulated world: it creates, connects, and talks to runners by frames.

use async_trait::async_trait;
use driver_loopback::{
    LoopbackConfig,
    sim::{SimCloud, SimEvent, SimJob, SimMachine, SimOptions},
};
use pool_api::{
    Channel, ChannelEvent, Command, CreateRequest, DEFAULT_ROOT, Executor, ExitStatus, HostKey, HostVerifier,
    IdempotencyToken, InitCommand, Instance, InstanceSet, InstanceType, JobSpec, Lifecycle, RunId, Tags,
    Target, UnverifiedHost, VerifyError,
};
use pool_protocol::{
    FrameBuffer, HelloToRunner, KillTimes, OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION, RunEnd, ToPool,
    ToRunner, encode,
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::time::sleep;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// A world that is watched.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) cloud: SimCloud,
    events: Arc<Mutex<Vec<(Duration, SimEvent)>>>,
}

pub(crate) fn config(table: Value) -> LoopbackConfig {
    LoopbackConfig::from_value(table).unwrap()
}

/// Whose jobs do what their commands say: `10s`, or `10s ignore`, or `fail`.
pub(crate) fn options() -> SimOptions {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    SimOptions::new(start, |_, spec| {
        let mut job = SimJob::quiet(Duration::ZERO);
        for word in &spec.command {
            match word.as_str() {
                "ignore" => job.ignores_term = true,
                "print" => (job.stdout, job.stderr) = (1000, 10),
                "fail" => job.end = driver_loopback::sim::SimEnd::NotStarted("no such program".into()),
                word => {
                    let seconds = word.strip_suffix('s').and_then(|word| word.parse().ok()).unwrap_or(0);
                    job.duration = Duration::from_secs(seconds);
                }
            }
        }
        job
    })
}

impl World {
    pub(crate) fn new(table: Value, options: SimOptions) -> Self {
        let cloud = SimCloud::new(config(table), options);
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        cloud.observe(Box::new(move |at, event| log.lock().unwrap().push((at, event.clone()))));
        Self { cloud, events }
    }

    pub(crate) fn calm() -> Self {
        Self::new(json!({ "boot_time": "20s", "shutdown_time": "3s" }), options())
    }

    /// One life of a program: a runtime of its own, which is dropped at the end.
    pub(crate) fn live<T>(&self, life: impl Future<Output = T>) -> T {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            self.cloud.enter();
            let cloud = self.cloud.clone();
            tokio::spawn(async move { cloud.run().await });
            let result = life.await;
            self.cloud.now();
            result
        })
    }

    pub(crate) fn events(&self) -> Vec<(Duration, SimEvent)> {
        self.events.lock().unwrap().clone()
    }

    pub(crate) fn story(&self) -> Vec<String> {
        let events = self.events();
        events.iter().map(|(at, event)| format!("{} {event}", at.as_millis())).collect()
    }

    /// How many events are so.
    pub(crate) fn count(&self, is: impl Fn(&SimEvent) -> bool) -> usize {
        self.events().iter().filter(|(_, event)| is(event)).count()
    }

    pub(crate) fn only_machine(&self) -> SimMachine {
        let mut machines = self.cloud.machines();
        assert_eq!(machines.len(), 1, "{machines:?}");
        machines.remove(0)
    }

    /// A program that has created one instance, which has booted.
    pub(crate) async fn booted(&self, program: u32) -> (Program, Arc<dyn Instance>) {
        let program = Program::new(self, program);
        program.set.create(program.request(1)).await.unwrap();
        sleep(30 * SECOND).await;
        let instance = program.instance().await;
        (program, instance)
    }
}

pub(crate) struct Program {
    pub(crate) world: World,
    pub(crate) number: u32,
    pub(crate) set: Arc<dyn InstanceSet>,
}

impl Program {
    pub(crate) fn new(world: &World, number: u32) -> Self {
        Self { world: world.clone(), number, set: world.cloud.seat(number).instance_set() }
    }

    pub(crate) fn request(&self, token: u128) -> CreateRequest {
        let instance_type: InstanceType = serde_json::from_value(json!({
            "name": "small", "provider_type": "loop.small", "vcpus": 1, "memory": "1GiB", "price": 0.01,
        }))
        .unwrap();
        CreateRequest {
            instance_type: Arc::new(instance_type),
            image: None,
            placement: self.set.placements().remove(0),
            tags: [("set", "a")].into_iter().collect(),
            init_command: InitCommand::new(format!("printf %s {SECRET} > secret")),
            public_key: self.world.cloud.seat(self.number).public_key(),
            token: IdempotencyToken::from_bits(token),
        }
    }

    pub(crate) async fn list(&self) -> Vec<Arc<dyn Instance>> {
        self.set.instances(&Tags::new()).await.unwrap()
    }

    pub(crate) async fn instance(&self) -> Arc<dyn Instance> {
        let mut instances = self.list().await;
        assert_eq!(instances.len(), 1);
        instances.remove(0)
    }

    pub(crate) fn executor(&self, instance: &dyn Instance) -> (Arc<dyn Executor>, Arc<Reader>) {
        let verifier = Arc::new(Reader::default());
        let target = instance
            .address()
            .map(|address| Target { address: address.into(), user: instance.remote_user() });
        (self.world.cloud.seat(self.number).executor(target, verifier.clone()), verifier)
    }

    /// A session with the runner of an instance.
    pub(crate) async fn session(&self, instance: &dyn Instance, epoch: u64) -> Session {
        let mut session = self.attach(instance).await;
        session.hello(epoch).await;
        session
    }

    pub(crate) async fn attach(&self, instance: &dyn Instance) -> Session {
        let (executor, _) = self.executor(instance);
        let line = format!("exec /opt/runner runner attach --root {DEFAULT_ROOT}");
        let channel = executor.open(Command::new(line)).await.unwrap();
        Session { channel, frames: FrameBuffer::new(), requests: 0, told: Vec::new(), _executor: executor }
    }
}

/// Verifies by the secret, and keeps what it has read.
#[derive(Default)]
pub(crate) struct Reader {
    pub(crate) seen: Mutex<Vec<(HostKey, String)>>,
}

#[async_trait]
impl HostVerifier for Reader {
    async fn verify(&self, key: &HostKey, host: &dyn UnverifiedHost) -> Result<(), VerifyError> {
        let command = Command::new(format!("cat {DEFAULT_ROOT}/instance-secret")).time_limit(20 * SECOND);
        let output = host.execute(command).await.map_err(|error| VerifyError::Command(Box::new(error)))?;
        let read = String::from_utf8(output.stdout.to_vec()).unwrap();
        let right = read == SECRET;
        self.seen.lock().unwrap().push((key.clone(), read));
        if right { Ok(()) } else { Err(VerifyError::WrongSecret) }
    }
}

pub(crate) struct Session {
    channel: Channel,
    frames: FrameBuffer,
    requests: u64,
    /// What the runner has said without being asked.
    pub(crate) told: Vec<ToPool>,
    _executor: Arc<dyn Executor>,
}

pub(crate) fn hello(epoch: u64) -> HelloToRunner {
    HelloToRunner {
        version: PROTOCOL_VERSION,
        oldest_version: OLDEST_PROTOCOL_VERSION,
        instance_set: "set".parse().unwrap(),
        epoch,
        orphan_timeout_ms: 600_000,
        held: false,
        power_off: Some("/sbin/poweroff".into()),
    }
}

pub(crate) fn run(name: &str) -> RunId {
    RunId::new(name.parse().unwrap(), 1)
}

impl Session {
    pub(crate) async fn send(&mut self, frame: &ToRunner) {
        self.channel.writer.send(encode(frame).unwrap().into()).await.unwrap();
    }

    /// The next frame; none at the end.
    pub(crate) async fn next(&mut self) -> Option<ToPool> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return Some(frame);
            }
            match self.event().await? {
                ChannelEvent::Stdout(bytes) => self.frames.push(&bytes),
                ChannelEvent::Stderr(_) => {}
                ChannelEvent::Exit(status) => {
                    assert_eq!(status, ExitStatus::Code(0));
                    return None;
                }
            }
        }
    }

    pub(crate) async fn event(&mut self) -> Option<ChannelEvent> {
        self.channel.reader.next().await
    }

    pub(crate) async fn hello(&mut self, epoch: u64) {
        self.send(&ToRunner::Hello(hello(epoch))).await;
        assert!(matches!(self.next().await, Some(ToPool::Hello(_))));
    }

    /// Asks, and waits for the answer; what else comes is kept.
    pub(crate) async fn ask(&mut self, make: impl FnOnce(u64) -> ToRunner) -> ToPool {
        self.requests += 1;
        let request = self.requests;
        self.send(&make(request)).await;
        loop {
            let frame = self.next().await.expect("the session ended");
            if frame.request() == Some(request) {
                return frame;
            }
            self.told.push(frame);
        }
    }

    pub(crate) async fn start(&mut self, name: &str, command: &str) -> ToPool {
        self.start_spec(name, JobSpec::new(command.split(' '))).await
    }

    pub(crate) async fn start_spec(&mut self, name: &str, spec: JobSpec) -> ToPool {
        self.ask(|request| ToRunner::Start { request, run: run(name), spec: Box::new(spec) }).await
    }

    pub(crate) async fn kill(&mut self, name: &str) -> ToPool {
        let times = KillTimes { signal_every_ms: 1000, kill_after_ms: 10_000 };
        self.ask(|request| ToRunner::Kill { request, run: run(name), reason: "cancelled".into(), times })
            .await
    }

    pub(crate) async fn forget(&mut self, name: &str) -> ToPool {
        self.ask(|request| ToRunner::Forget { request, run: run(name) }).await
    }

    pub(crate) async fn list(&mut self) -> Vec<pool_protocol::RunReport> {
        match self.ask(|request| ToRunner::List { request }).await {
            ToPool::Runs { runs, .. } => runs,
            other => panic!("{other:?}"),
        }
    }

    /// The next end of a run that is told.
    pub(crate) async fn end_of(&mut self, name: &str) -> RunEnd {
        loop {
            let frame = match self.told.is_empty() {
                false => self.told.remove(0),
                true => self.next().await.expect("the session ended"),
            };
            if let ToPool::Exited { run: id, end } = frame
                && id == run(name)
            {
                return *end;
            }
        }
    }
}

pub(crate) fn lifecycles(world: &World) -> Vec<Lifecycle> {
    let events = world.events();
    let changes = events.iter().filter_map(|(_, event)| match event {
        SimEvent::Lifecycle { lifecycle, .. } => Some(*lifecycle),
        _ => None,
    });
    changes.collect()
}
