//! All that there is in the world, and the one place where what is due is done.

use super::{
    SimCounters, SimEvent, SimObserver, SimOptions,
    calls::{Asked, PendingCall, Reply},
    chance::Chance,
    clock::{Agenda, Clock},
    line::{Connection, ConnectionId, ToMachine, ToProgram},
    machine::{self, Machine, Step},
    runner::Due,
};
use crate::{LoopbackConfig, model::Cloud};
use pool_api::{InstanceId, PublicKey};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::sync::Notify;

/// Later than anything that matters: what is due after this is not due.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Something that comes due.
#[derive(Debug)]
pub(super) enum What {
    /// A request reaches the provider.
    Request(Box<PendingCall>),
    /// The provider reads the next page of a list.
    Page(Box<PendingCall>),
    /// A response reaches who asked.
    Response(Box<PendingCall>, Reply),
    /// A question about a host key reaches the provider.
    HostKey(Box<Asked>),
    /// A machine goes on in its life.
    Life(InstanceId, Step),
    /// Something reaches a machine.
    ToMachine(ConnectionId, ToMachine),
    /// Something reaches a program.
    ToProgram(ConnectionId, ToProgram),
    /// A runner has something to do.
    Runner(InstanceId, Due),
}

/// The world.
pub(super) struct State {
    pub(super) config: Arc<LoopbackConfig>,
    pub(super) options: SimOptions,
    pub(super) clock: Clock,
    agenda: Agenda<What>,
    /// Until when the driving task sleeps; none when it does not.
    sleeps_until: Option<Duration>,
    wake: Arc<Notify>,
    pub(super) chance: Chance,
    pub(super) cloud: Cloud,
    pub(super) machines: BTreeMap<InstanceId, Machine>,
    /// Whose an address is.
    pub(super) addresses: BTreeMap<String, InstanceId>,
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    last_number: u64,
    /// Of all programs.
    pub(super) public_key: PublicKey,
    /// How far the programs' wall clock is from the provider's, in seconds.
    pub(super) jumped: i64,
    pub(super) observers: Vec<SimObserver>,
    pub(super) counters: SimCounters,
}

impl State {
    pub(super) fn new(config: LoopbackConfig, options: SimOptions, wake: Arc<Notify>) -> Self {
        let config = Arc::new(config);
        let clock = Clock::new();
        let mut chance = Chance::new(config.seed);
        let public_key = machine::public_key(&mut chance.keys);
        Self {
            chance,
            public_key,
            cloud: Cloud::new(Arc::clone(&config), Vec::new(), clock.model()),
            config,
            options,
            clock,
            agenda: Agenda::new(),
            sleeps_until: None,
            wake,
            machines: BTreeMap::new(),
            addresses: BTreeMap::new(),
            connections: BTreeMap::new(),
            last_number: 0,
            jumped: 0,
            observers: Vec::new(),
            counters: SimCounters::default(),
        }
    }

    /// A number that nothing else in this world has.
    pub(super) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn emit(&mut self, event: &SimEvent) {
        let now = self.clock.time();
        for observer in &mut self.observers {
            observer(now, event);
        }
    }

    /// Has something done at a time.
    pub(super) fn at(&mut self, at: Duration, what: What) {
        if at > FAR {
            return;
        }
        // Those of connections by connection, so that it does not matter which a crash closes first.
        let rank = match &what {
            What::ToMachine(id, _) | What::ToProgram(id, _) => *id,
            _ => 0,
        };
        self.agenda.add(at, rank, what);
        if self.sleeps_until.is_some_and(|until| at < until) {
            self.sleeps_until = None;
            self.wake.notify_one();
        }
    }

    /// Has something done after a time from now.
    pub(super) fn after(&mut self, after: Duration, what: What) {
        self.at(self.clock.time().saturating_add(after), what);
    }

    /// Does all that is due. The time until which nothing is due then; none: for ever.
    pub(super) fn go_on(&mut self) -> Option<Duration> {
        let now = self.clock.read();
        while let Some((at, what)) = self.agenda.pop(now) {
            self.clock.go_on(at);
            self.counters.events += 1;
            self.carry_out(what);
        }
        self.agenda.next()
    }

    /// Notes that the driving task sleeps until this time, so that it is woken when something is due earlier.
    pub(super) fn sleep_until(&mut self, until: Option<Duration>) {
        self.sleeps_until = Some(until.unwrap_or(FAR + Duration::from_secs(1)));
    }

    fn carry_out(&mut self, what: What) {
        match what {
            What::Request(call) => self.request_arrives(call),
            What::Page(call) => self.read_page(call),
            What::Response(call, reply) => self.response_arrives(*call, reply),
            What::HostKey(asked) => self.answer_about_host_key(*asked),
            What::Life(id, step) => self.live(&id, step),
            What::ToMachine(id, item) => self.reach_machine(id, item),
            What::ToProgram(id, item) => self.reach_program(id, item),
            What::Runner(id, due) => self.with_runner(&id, |runner, scene| runner.handle(due, scene)),
        }
    }

    /// What the provider's and the machines' clocks show.
    pub(super) fn provider_clock(&self) -> SystemTime {
        self.options.wall_clock + self.clock.time()
    }
}
