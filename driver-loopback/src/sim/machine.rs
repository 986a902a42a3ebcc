//! A machine's life: its boot, what happens to it at its time, its end.

use super::{
    SimEvent, SimMachine, Strike,
    chance::{happens, millis},
    line::ConnectionId,
    runner::{Runner, Said, Scene},
    state::{State, What},
};
use crate::model::{Boot, BootFate, Record};
use pool_api::{HostKey, InitCommand, InstanceId, Lifecycle, PublicKey};
use rand::{Rng, RngExt, rngs::Xoshiro256PlusPlus};
use russh::keys::{HashAlg, PrivateKey, ssh_key::private::Ed25519Keypair};
use std::{collections::BTreeSet, time::Duration};

/// How many hexadecimal digits an instance's id has, as the loopback's.
const ID_DIGITS: usize = 12;
/// How many hexadecimal digits the secret in an init command has.
const SECRET_DIGITS: usize = 40;

/// How far a machine is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Power {
    /// It refuses connections.
    Booting,
    Up,
    /// It is silent, for good.
    Off,
}

/// A step of a machine's life.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// It is running, and gets its address.
    Address,
    /// Its boot ends.
    Boot,
    /// It is off.
    PowerOff,
    /// It is gone.
    End,
    /// Its fate.
    Strike(Strike),
}

/// One machine.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) id: InstanceId,
    created: Duration,
    pub(super) power: Power,
    /// Nothing comes out of it or goes in.
    pub(super) hangs: bool,
    pub(super) being_destroyed: bool,
    /// What it is called by the provider.
    pub(super) own_key: HostKey,
    /// What answers at its address.
    pub(super) shown_key: HostKey,
    /// Whether that is the machine.
    pub(super) genuine: bool,
    /// What is stored as its secret.
    pub(super) secret: Option<String>,
    /// No runner can be started on it.
    pub(super) without_runner: bool,
    /// Those that were accepted and not closed.
    pub(super) connections: BTreeSet<ConnectionId>,
    pub(super) runner: Runner,
}

/// The address of the machine with this serial number.
pub(super) fn address(serial: u64) -> String {
    let [.., a, b, c] = serial.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn private_key(rng: &mut Xoshiro256PlusPlus) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&rng.random()))
}

fn host_key(rng: &mut Xoshiro256PlusPlus) -> HostKey {
    let key = private_key(rng);
    // A key that was just made has a text form.
    let openssh = key.public_key().to_openssh().unwrap_or_default();
    HostKey { openssh, fingerprint: key.fingerprint(HashAlg::Sha256).to_string() }
}

/// The key of all programs.
pub(super) fn public_key(rng: &mut Xoshiro256PlusPlus) -> PublicKey {
    PublicKey(private_key(rng).public_key().to_openssh().unwrap_or_default())
}

/// The secret that an init command stores.
fn secret_of(init: &InitCommand) -> Option<String> {
    let runs = init.expose().split(|c: char| !c.is_ascii_hexdigit());
    runs.into_iter().find(|digits| digits.len() == SECRET_DIGITS).map(str::to_owned)
}

fn other_secret(rng: &mut Xoshiro256PlusPlus) -> String {
    (0..SECRET_DIGITS).filter_map(|_| char::from_digit(rng.random_range(0..16), 16)).collect()
}

impl State {
    /// An id that no instance has.
    pub(super) fn fresh_id(&mut self) -> InstanceId {
        loop {
            let bits = self.chance.machines.next_u64() >> (64 - 4 * ID_DIGITS);
            #[expect(clippy::expect_used, reason = "hexadecimal digits are printable")]
            let id = InstanceId::new(format!("i-{bits:0ID_DIGITS$x}")).expect("a valid id");
            if self.cloud.get(&id).is_none() {
                return id;
            }
        }
    }

    /// A machine for a new instance.
    pub(super) fn begin_life(&mut self, program: u32, record: &Record, init: &InitCommand) {
        let rng = &mut self.chance.machines;
        let own_key = host_key(rng);
        let (other_key, other) = (host_key(rng), other_secret(rng));
        let locks_records = happens(rng, self.options.stale_runs_rate);
        let genuine = !matches!(record.fate.boot, BootFate::AnotherHost(_));
        let secret = secret_of(init);
        self.emit(&SimEvent::Created {
            instance: record.id.clone(),
            instance_type: record.instance_type.clone(),
            provider_type: record.provider_type.clone(),
            placement: record.placement.clone(),
            token: record.token.clone(),
            program,
            secret: secret.clone().unwrap_or_default(),
            tags: record.tags.clone(),
        });
        let machine = Machine {
            id: record.id.clone(),
            created: self.clock.time(),
            power: Power::Booting,
            hangs: false,
            being_destroyed: false,
            shown_key: if genuine { own_key.clone() } else { other_key },
            own_key,
            genuine,
            secret: if genuine { secret } else { secret.map(|_| other) },
            without_runner: record.fate.without_runner,
            connections: BTreeSet::new(),
            runner: Runner::new(locks_records),
        };
        self.machines.insert(record.id.clone(), machine);
        self.addresses.insert(address(record.serial), record.id.clone());
        self.plan_life(record);
    }

    fn plan_life(&mut self, record: &Record) {
        let fate = &record.fate;
        let boot_time = millis(fate.boot_time);
        let mut steps = vec![(boot_time, Step::Boot)];
        if fate.boot != BootFate::Fails {
            steps.insert(0, (boot_time / 2, Step::Address));
        }
        let broken = || Strike::Break("the loopback's faults say that this machine breaks".to_owned());
        let strikes = [
            (fate.break_after, broken()),
            (fate.vanish_after, Strike::Vanish),
            (fate.stop_after, Strike::Stop),
            (fate.hang_after, Strike::Hang),
            (fate.drop_connections_after, Strike::DropConnections),
            (fate.change_host_key_after, Strike::ChangeHostKey),
            (fate.reboot_after, Strike::Reboot),
            (fate.kill_jobs_after, Strike::KillJobs),
        ];
        for (after, strike) in strikes {
            steps.extend(after.map(|after| (millis(after), Step::Strike(strike))));
        }
        for (after, step) in steps {
            self.after(Duration::from_millis(after), What::Life(record.id.clone(), step));
        }
    }

    pub(super) fn live(&mut self, id: &InstanceId, step: Step) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        match step {
            Step::Address => {
                self.cloud.update(id, |record| record.port = Some(22));
                if self.cloud.get(id).is_some_and(|record| record.lifecycle == Lifecycle::Pending) {
                    self.set_lifecycle(id, Lifecycle::Running);
                }
            }
            Step::Boot => {
                let fails = self.cloud.get(id).is_none_or(|record| record.fate.boot == BootFate::Fails);
                if machine.power == Power::Booting {
                    machine.power = if fails { Power::Off } else { Power::Up };
                }
                self.cloud.update(id, |record| record.boot = Boot::Done);
                if fails && self.cloud.get(id).is_some_and(|record| record.lifecycle == Lifecycle::Pending) {
                    self.set_lifecycle(id, Lifecycle::Failed);
                }
            }
            Step::PowerOff => self.power_off(id),
            Step::End => self.end(id),
            Step::Strike(strike) => {
                self.strike(id, strike);
            }
        }
    }

    pub(super) fn set_lifecycle(&mut self, id: &InstanceId, lifecycle: Lifecycle) {
        let before = self.cloud.get(id).map(|record| record.lifecycle);
        if before.is_some_and(|before| before != lifecycle) {
            self.cloud.update(id, |record| record.lifecycle = lifecycle);
            self.emit(&SimEvent::Lifecycle { instance: id.clone(), lifecycle });
        }
    }

    /// Lets something happen to a machine. False if there is none.
    pub(super) fn strike(&mut self, id: &InstanceId, strike: Strike) -> bool {
        let Some(machine) = self.machines.get_mut(id) else { return false };
        let power = machine.power;
        let instance = id.clone();
        self.emit(&SimEvent::Struck { instance, strike: strike.clone() });
        match strike {
            Strike::Vanish => self.vanish(id),
            Strike::Stop => self.begin_stop(id),
            Strike::Hang => self.hang(id),
            Strike::Unhang => self.unhang(id),
            Strike::Break(reason) => {
                self.with_runner(id, |runner, scene| runner.break_down(reason, scene));
            }
            Strike::DropConnections => self.reset_connections(id),
            Strike::ChangeHostKey => {
                let key = host_key(&mut self.chance.machines);
                if let Some(machine) = self.machines.get_mut(id) {
                    if machine.genuine {
                        machine.shown_key = key.clone();
                    }
                    machine.own_key = key;
                }
            }
            Strike::Reboot if power == Power::Up => {
                self.reset_connections(id);
                self.with_runner(id, Runner::halt);
                if let Some(machine) = self.machines.get_mut(id) {
                    machine.hangs = false;
                }
            }
            Strike::Reboot => {}
            Strike::KillJobs => self.with_runner(id, Runner::kill_jobs),
        }
        true
    }

    /// Stops a machine, unless that is being done.
    pub(super) fn begin_stop(&mut self, id: &InstanceId) {
        let Some(machine) = self.machines.get(id) else { return };
        let lifecycle = self.cloud.get(id).map(|record| record.lifecycle);
        if machine.being_destroyed || matches!(lifecycle, Some(Lifecycle::Stopping | Lifecycle::Stopped)) {
            return;
        }
        self.set_lifecycle(id, Lifecycle::Stopping);
        self.after_shutdown(id, Step::PowerOff);
    }

    /// Destroys a machine.
    pub(super) fn begin_end(&mut self, id: &InstanceId) {
        self.after_shutdown(id, Step::End);
    }

    /// With no time to shut down it is done at once, before the call that asks for it is answered.
    fn after_shutdown(&mut self, id: &InstanceId, step: Step) {
        let time = Duration::from_millis(millis(self.config.shutdown_time));
        if time.is_zero() {
            self.live(id, step);
        } else {
            self.after(time, What::Life(id.clone(), step));
        }
    }

    fn power_off(&mut self, id: &InstanceId) {
        self.reset_connections(id);
        self.with_runner(id, Runner::halt);
        let Some(machine) = self.machines.get_mut(id) else { return };
        machine.power = Power::Off;
        if !machine.being_destroyed {
            self.cloud.update(id, |record| record.port = None);
            self.set_lifecycle(id, Lifecycle::Stopped);
        }
    }

    fn end(&mut self, id: &InstanceId) {
        self.reset_connections(id);
        self.remove(id);
    }

    fn vanish(&mut self, id: &InstanceId) {
        self.silence(id);
        self.abandon_connections(id);
        self.with_runner(id, |runner, scene| runner.drop_sessions(|_| true, scene));
        self.remove(id);
    }

    fn remove(&mut self, id: &InstanceId) {
        self.machines.remove(id);
        if let Some(record) = self.cloud.get(id) {
            self.addresses.remove(&address(record.serial));
        }
        self.cloud.remove(id);
        self.emit(&SimEvent::Gone { instance: id.clone() });
    }

    /// Has a machine's runner do something, and does what that wants of the world.
    pub(super) fn with_runner(&mut self, id: &InstanceId, act: impl FnOnce(&mut Runner, &mut Scene)) {
        let Some(machine) = self.machines.get_mut(id) else { return };
        let mut scene = Scene::new(id.clone(), self.clock.time(), self.options.clone());
        act(&mut machine.runner, &mut scene);
        let Scene { said, events, due, powers_off, frames_taken, .. } = scene;
        self.counters.frames_to_runners += frames_taken;
        for event in &events {
            self.emit(event);
        }
        for (channel, said) in said {
            self.counters.frames_from_runners += u64::from(matches!(said, Said::Frame(_)));
            self.say(channel, said);
        }
        for (at, due) in due {
            self.at(at, What::Runner(id.clone(), due));
        }
        if powers_off {
            self.begin_stop(id);
        }
    }

    /// A machine as it truly is.
    pub(super) fn show(&self, machine: &Machine) -> Option<SimMachine> {
        let record = self.cloud.get(&machine.id)?;
        Some(SimMachine {
            id: record.id.clone(),
            serial: record.serial,
            instance_type: record.instance_type.clone(),
            provider_type: record.provider_type.clone(),
            placement: record.placement.clone(),
            preemptible: record.preemptible,
            lifecycle: record.lifecycle,
            tags: record.tags.clone(),
            created: machine.created,
            genuine: machine.genuine,
            token: record.token.clone(),
            runs: machine.runner.known_runs(),
            session: machine.runner.open_session(),
        })
    }
}
