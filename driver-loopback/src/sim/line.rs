//! Connections between programs and machines: what is on its way, what holds it up, and how they end.

use super::{
    SimEvent, SimOptions,
    chance::{draw, happens, millis},
    executor::Cause,
    machine::Power,
    runner::Said,
    state::{State, What},
};
use bytes::Bytes;
use pool_api::{ChannelEvent, Command, CommandOutput, ExitStatus, HostKey, InstanceId};
use rand::rngs::Xoshiro256PlusPlus;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// How long until a program takes a silent peer for dead: `executor-ssh`'s keepalives with their default times.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// A connection's number.
pub(super) type ConnectionId = u64;

/// A channel of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ChannelId {
    pub(super) connection: ConnectionId,
    number: u64,
}

/// A connection that was refused.
#[derive(Debug)]
pub(super) struct Refused;

/// A connection, from the first packet until the program has hung up and the machine has heard of it.
#[derive(Debug)]
pub(super) struct Connection {
    program: u32,
    chance: Xoshiro256PlusPlus,
    address: String,
    /// Whose it is once it was accepted.
    machine: Option<InstanceId>,
    verified: bool,
    /// Who waits for it to be accepted or refused.
    welcome: Option<oneshot::Sender<Result<HostKey, Refused>>>,
    /// Tells the program that it has ended.
    end: watch::Sender<Option<Cause>>,
    /// Towards the program.
    channels: BTreeMap<ChannelId, mpsc::UnboundedSender<ChannelEvent>>,
    /// When the latest thing arrives that was sent to the machine, and to the program.
    arrives: Duration,
    comes_back: Duration,
    has_hung_up: bool,
    /// The machine has reset it.
    is_reset: bool,
    /// Since when the machine hangs or is gone.
    silent_since: Option<Duration>,
    /// What waits for the machine to hang no longer.
    held_in: VecDeque<ToMachine>,
    held_out: VecDeque<ToProgram>,
}

/// On its way to a machine.
#[derive(Debug)]
pub(super) enum ToMachine {
    Knock,
    Execute(Command, oneshot::Sender<CommandOutput>),
    Open(ChannelId, String, oneshot::Sender<()>),
    Bytes(ChannelId, Bytes),
    EndOfInput(ChannelId),
    HangUp,
}

/// On its way to a program.
#[derive(Debug)]
pub(super) enum ToProgram {
    Welcome(HostKey),
    Refused,
    Output(CommandOutput, oneshot::Sender<CommandOutput>),
    Opened(oneshot::Sender<()>),
    Event(ChannelId, ChannelEvent),
    Reset,
    /// The program notices by itself that nothing comes since this time.
    Silence(Duration),
}

/// What the program keeps of a new connection.
pub(super) struct Knocking {
    pub(super) id: ConnectionId,
    pub(super) welcome: oneshot::Receiver<Result<HostKey, Refused>>,
    pub(super) end: watch::Receiver<Option<Cause>>,
}

/// The program's side.
impl State {
    /// Tries to connect. Without an answer there is none.
    pub(super) fn knock(&mut self, program: u32, address: String) -> Knocking {
        self.clock.read();
        self.counters.connections += 1;
        let id = self.number();
        let (welcome, welcomed) = oneshot::channel();
        let (end, ended) = watch::channel(None);
        let connection = Connection {
            program,
            chance: self.chance.line(id),
            address,
            machine: None,
            verified: false,
            welcome: Some(welcome),
            end,
            channels: BTreeMap::new(),
            arrives: Duration::ZERO,
            comes_back: Duration::ZERO,
            has_hung_up: false,
            is_reset: false,
            silent_since: None,
            held_in: VecDeque::new(),
            held_out: VecDeque::new(),
        };
        self.connections.insert(id, connection);
        self.send(id, ToMachine::Knock);
        Knocking { id, welcome: welcomed, end: ended }
    }

    /// The program has found the host to be the right one.
    pub(super) fn set_verified(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.verified = true;
        }
    }

    pub(super) fn execute(&mut self, id: ConnectionId, command: Command) -> oneshot::Receiver<CommandOutput> {
        self.clock.read();
        let (reply, output) = oneshot::channel();
        self.send(id, ToMachine::Execute(command, reply));
        output
    }

    /// Opens a channel for a command.
    pub(super) fn open(
        &mut self,
        id: ConnectionId,
        line: String,
    ) -> (ChannelId, oneshot::Receiver<()>, mpsc::UnboundedReceiver<ChannelEvent>) {
        self.clock.read();
        let channel = ChannelId { connection: id, number: self.number() };
        let (events, reader) = mpsc::unbounded_channel();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.channels.insert(channel, events);
        }
        let (opened, is_open) = oneshot::channel();
        self.send(id, ToMachine::Open(channel, line, opened));
        (channel, is_open, reader)
    }

    /// Sends bytes on a channel. False if it has ended.
    pub(super) fn send_bytes(&mut self, channel: ChannelId, bytes: Bytes) -> bool {
        self.clock.read();
        let open = self.is_open(channel);
        if open {
            self.send(channel.connection, ToMachine::Bytes(channel, bytes));
        }
        open
    }

    /// Ends the input of a channel; with `closes`, takes nothing of it any more. False if it has ended.
    pub(super) fn end_input(&mut self, channel: ChannelId, closes: bool) -> bool {
        self.clock.read();
        let open = self.is_open(channel);
        if open && closes {
            self.send_closing(channel.connection, ToMachine::EndOfInput(channel));
        } else if open {
            self.send(channel.connection, ToMachine::EndOfInput(channel));
        }
        if closes && let Some(connection) = self.connections.get_mut(&channel.connection) {
            connection.channels.remove(&channel);
        }
        open
    }

    fn is_open(&self, channel: ChannelId) -> bool {
        self.connections
            .get(&channel.connection)
            .is_some_and(|connection| connection.channels.contains_key(&channel))
    }

    /// The program ends the connection.
    pub(super) fn hang_up(&mut self, id: ConnectionId, cause: Cause) {
        self.clock.read();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !std::mem::replace(&mut connection.has_hung_up, true) {
            connection.end_for_program(cause);
            self.send_closing(id, ToMachine::HangUp);
        }
    }

    /// Sends something to the machine, after all that was sent before.
    fn send(&mut self, id: ConnectionId, item: ToMachine) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let latency = line_latency(&mut connection.chance, &self.options);
        self.send_after(id, latency, item);
    }

    /// The same, for what closes the connection or a channel. When a program crashes, which of them come, and in which
    /// order, is not seeded. It must not matter: all arrive at the same time.
    fn send_closing(&mut self, id: ConnectionId, item: ToMachine) {
        let mut chance = self.chance.closing(id, self.clock.time());
        let latency = line_latency(&mut chance, &self.options);
        self.send_after(id, latency, item);
    }

    fn send_after(&mut self, id: ConnectionId, latency: Duration, item: ToMachine) {
        let now = self.clock.time();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.arrives = connection.arrives.max(now + latency);
        let at = connection.arrives;
        self.at(at, What::ToMachine(id, item));
    }

    pub(super) fn reach_program(&mut self, id: ConnectionId, item: ToProgram) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        // What nobody waits for any more is lost.
        match item {
            ToProgram::Welcome(key) => drop(connection.welcome.take().map(|welcome| welcome.send(Ok(key)))),
            ToProgram::Refused => drop(connection.welcome.take().map(|welcome| welcome.send(Err(Refused)))),
            ToProgram::Output(output, reply) => drop(reply.send(output)),
            ToProgram::Opened(opened) => drop(opened.send(())),
            ToProgram::Event(channel, event) => {
                let is_end = matches!(event, ChannelEvent::Exit(_));
                if let Some(events) = connection.channels.get(&channel) {
                    let _ = events.send(event);
                }
                if is_end {
                    connection.channels.remove(&channel);
                }
            }
            ToProgram::Reset => connection.end_for_program(Cause::Lost),
            ToProgram::Silence(since) => {
                if connection.silent_since == Some(since) {
                    connection.end_for_program(Cause::Lost);
                }
            }
        }
    }
}

impl Connection {
    /// The first cause counts.
    fn end_for_program(&mut self, cause: Cause) {
        self.channels.clear();
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            end.get_or_insert(cause);
            first
        });
    }
}

/// The machine's side.
impl State {
    pub(super) fn reach_machine(&mut self, id: ConnectionId, item: ToMachine) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if matches!(item, ToMachine::Knock) {
            return self.accept(id);
        }
        let machine = connection.machine.as_ref().and_then(|machine| self.machines.get_mut(machine));
        let Some(machine) = machine.filter(|_| !connection.is_reset) else {
            if matches!(item, ToMachine::HangUp) {
                self.connections.remove(&id);
            }
            return;
        };
        if machine.hangs {
            connection.held_in.push_back(item);
            return;
        }
        let (instance, genuine) = (machine.id.clone(), machine.genuine);
        let without_runner = machine.without_runner;
        let (program, verified) = (connection.program, connection.verified);
        let commanded =
            |what| SimEvent::Commanded { instance: instance.clone(), program, genuine, verified, what };
        match item {
            ToMachine::Knock => {}
            ToMachine::Execute(command, reply) => {
                let secret = machine.secret.clone();
                let (what, output) = run(&command, secret);
                self.counters.commands += 1;
                self.emit(&commanded(what));
                self.answer(id, ToProgram::Output(output, reply));
            }
            ToMachine::Open(channel, line, opened) => {
                let is_attach = line.contains(" runner attach --root ");
                self.counters.commands += 1;
                self.emit(&commanded(if is_attach { "attach" } else { "other" }));
                self.answer(id, ToProgram::Opened(opened));
                if without_runner {
                    self.say(channel, Said::Stderr("sh: exec: the runner: not found\n"));
                    self.say(channel, Said::Exit(ExitStatus::Code(127)));
                } else if is_attach {
                    self.with_runner(&instance, |runner, scene| runner.attach(channel, program, scene));
                } else {
                    self.say(channel, Said::Exit(ExitStatus::Code(0)));
                }
            }
            ToMachine::Bytes(channel, bytes) => {
                self.with_runner(&instance, |runner, scene| runner.receive(channel, &bytes, scene));
            }
            ToMachine::EndOfInput(channel) => {
                self.with_runner(&instance, |runner, scene| runner.end_of_input(channel, scene));
            }
            ToMachine::HangUp => {
                machine.connections.remove(&id);
                self.connections.remove(&id);
                self.with_runner(&instance, |runner, scene| {
                    runner.drop_sessions(|channel| channel.connection == id, scene);
                });
            }
        }
    }

    /// Accepts or refuses a connection, or lets it wait for ever.
    fn accept(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let instance = self.addresses.get(&connection.address);
        let Some(machine) = instance.and_then(|instance| self.machines.get_mut(instance)) else { return };
        match machine.power {
            Power::Booting if !machine.hangs => self.answer(id, ToProgram::Refused),
            Power::Up if !machine.hangs => {
                connection.machine = Some(machine.id.clone());
                machine.connections.insert(id);
                let key = machine.shown_key.clone();
                self.answer(id, ToProgram::Welcome(key));
            }
            Power::Booting | Power::Up | Power::Off => {}
        }
    }

    /// Sends what a runner or command says.
    pub(super) fn say(&mut self, channel: ChannelId, said: Said) {
        let event = match said {
            Said::Frame(bytes) => ChannelEvent::Stdout(bytes.into()),
            Said::Stderr(text) => ChannelEvent::Stderr(Bytes::from_static(text.as_bytes())),
            Said::Exit(status) => ChannelEvent::Exit(status),
        };
        self.answer(channel.connection, ToProgram::Event(channel, event));
    }

    /// Sends something to the program, after all that was sent before.
    fn answer(&mut self, id: ConnectionId, item: ToProgram) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let machine = connection.machine.as_ref().and_then(|machine| self.machines.get(machine));
        if machine.is_some_and(|machine| machine.hangs) {
            connection.held_out.push_back(item);
        } else {
            self.send_back(id, item);
        }
    }

    fn send_back(&mut self, id: ConnectionId, item: ToProgram) {
        let now = self.clock.time();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let latency = line_latency(&mut connection.chance, &self.options);
        connection.comes_back = connection.comes_back.max(now + latency);
        let at = connection.comes_back;
        self.at(at, What::ToProgram(id, item));
    }

    fn connections_of(&self, id: &InstanceId) -> Vec<ConnectionId> {
        self.machines.get(id).map(|machine| machine.connections.iter().copied().collect()).unwrap_or_default()
    }

    /// The machine drops all its connections, and says so.
    pub(super) fn reset_connections(&mut self, id: &InstanceId) {
        for number in self.connections_of(id) {
            if let Some(connection) = self.connections.get_mut(&number) {
                connection.is_reset = true;
                connection.held_out.clear();
            }
            self.send_back(number, ToProgram::Reset);
            self.drop_held(number);
        }
        if let Some(machine) = self.machines.get_mut(id) {
            machine.connections.clear();
        }
        self.with_runner(id, |runner, scene| runner.drop_sessions(|_| true, scene));
    }

    /// What waits for the machine is lost; a program that has hung up already is done with.
    fn drop_held(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let held = std::mem::take(&mut connection.held_in);
        if held.iter().any(|item| matches!(item, ToMachine::HangUp)) {
            self.connections.remove(&id);
        }
    }

    /// Nothing comes from the machine any more, until it hangs no longer.
    pub(super) fn silence(&mut self, id: &InstanceId) {
        let now = self.clock.time();
        for number in self.connections_of(id) {
            if let Some(connection) = self.connections.get_mut(&number)
                && connection.silent_since.is_none()
            {
                connection.silent_since = Some(now);
                self.after(DEAD_AFTER, What::ToProgram(number, ToProgram::Silence(now)));
            }
        }
    }

    pub(super) fn hang(&mut self, id: &InstanceId) {
        self.silence(id);
        if let Some(machine) = self.machines.get_mut(id) {
            machine.hangs = true;
        }
    }

    pub(super) fn unhang(&mut self, id: &InstanceId) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.hangs = false;
        }
        for number in self.connections_of(id) {
            let Some(connection) = self.connections.get_mut(&number) else { continue };
            connection.silent_since = None;
            let (held_in, held_out) =
                (std::mem::take(&mut connection.held_in), std::mem::take(&mut connection.held_out));
            for item in held_out {
                self.send_back(number, item);
            }
            for item in held_in {
                self.reach_machine(number, item);
            }
        }
    }

    /// A machine is gone without a word: who has hung up on it is done with.
    pub(super) fn abandon_connections(&mut self, id: &InstanceId) {
        for number in self.connections_of(id) {
            self.drop_held(number);
        }
    }
}

fn line_latency(chance: &mut Xoshiro256PlusPlus, options: &SimOptions) -> Duration {
    let latency = draw(chance, &options.line_latency);
    if happens(chance, options.slow_line_rate) {
        latency + Duration::from_millis(millis(options.slow_line))
    } else {
        latency
    }
}

/// What a command is, and what it brings. There are three: one reads the secret, one looks whether the machine has
/// booted (which a machine that answers has), and `attach`, which is of use only in a channel.
fn run(command: &Command, secret: Option<String>) -> (&'static str, CommandOutput) {
    let output = |code, stdout: Bytes, stderr: &'static str| CommandOutput {
        status: ExitStatus::Code(code),
        truncated: stdout.len() > command.output_limit,
        stdout: stdout.slice(..stdout.len().min(command.output_limit)),
        stderr: Bytes::from_static(stderr.as_bytes()),
    };
    if command.line.starts_with("cat ") && command.line.ends_with("/instance-secret") {
        let output = match secret {
            Some(secret) => output(0, secret.into(), ""),
            None => output(1, Bytes::new(), "cat: no such file"),
        };
        ("secret", output)
    } else {
        let what = if command.stdin.is_empty() { "probe" } else { "other" };
        (what, output(0, Bytes::new(), ""))
    }
}
