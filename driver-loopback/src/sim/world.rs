//! The world as its makers see it.

use super::{SimCounters, SimEvent, SimMachine, SimObserver, SimOptions, SimSeat, Strike, state::State};
use crate::{Faults, LoopbackConfig};
use pool_api::InstanceId;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{sync::Notify, time::sleep_until};

/// A provider with simulated machines. Clones are the same one. See [the module](super) for what it is for.
///
/// All times are since the beginning of the world.
#[derive(Clone)]
pub struct SimCloud {
    state: Arc<Mutex<State>>,
    wake: Arc<Notify>,
}

impl fmt::Debug for SimCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimCloud")
    }
}

impl SimCloud {
    /// A new world, at time zero. The configuration is the loopback's; who makes it up has it
    /// [validated](LoopbackConfig::validate). Its seed seeds everything.
    pub fn new(config: LoopbackConfig, options: SimOptions) -> Self {
        let wake = Arc::new(Notify::new());
        Self { state: Arc::new(Mutex::new(State::new(config, options, Arc::clone(&wake)))), wake }
    }

    /// Lets the world's time go by with that of the present runtime, from its last reading on. Must be called in each new
    /// runtime before anything else.
    ///
    /// Call [`now`](Self::now) last in a runtime that is about to be dropped, so that the time since the last reading
    /// counts.
    pub fn enter(&self) {
        self.lock().clock.enter();
    }

    /// Does what is due, for ever. There must be one at a time, in the runtime that was entered last.
    ///
    /// # Cancel safety
    /// Nothing is lost; another one goes on.
    pub async fn run(&self) {
        loop {
            let until = {
                let mut state = self.lock();
                let next = state.go_on();
                state.sleep_until(next);
                next.and_then(|next| state.clock.instant(next))
            };
            match until {
                Some(until) => {
                    tokio::select! {
                        biased;
                        () = self.wake.notified() => {}
                        () = sleep_until(until) => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }

    /// Reads the time. Outside of a runtime it stands still.
    pub fn now(&self) -> Duration {
        self.lock().clock.read()
    }

    /// What the programs' wall clock shows.
    pub fn wall_clock(&self) -> SystemTime {
        let mut state = self.lock();
        let time = state.clock.read();
        let jumped = Duration::from_secs(state.jumped.unsigned_abs());
        let shown = state.options.wall_clock + time;
        let set = if state.jumped < 0 { shown.checked_sub(jumped) } else { shown.checked_add(jumped) };
        set.unwrap_or(shown)
    }

    /// Sets the programs' wall clock by so many seconds from what it shows. The provider and the machines have right
    /// clocks of their own.
    pub fn jump_wall_clock(&self, seconds: i64) {
        let mut state = self.lock();
        state.go_on();
        state.jumped = state.jumped.saturating_add(seconds);
        state.emit(&SimEvent::WallClockJumped { seconds });
    }

    /// What a program has of the world. The number is of the caller's choice, and is told with what the program does.
    pub fn seat(&self, program: u32) -> SimSeat {
        SimSeat::new(self.clone(), program)
    }

    /// Other faults from now on. What was decided of a machine when it was created stays. Rates that hold for the
    /// first calls hold for the first from now on. Who makes them up has them validated, as a part of a configuration.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.lock();
        state.go_on();
        let mut config = (*state.config).clone();
        config.faults = faults;
        state.config = Arc::new(config);
        let (config, now) = (Arc::clone(&state.config), state.clock.model());
        state.cloud.configure(config, now);
    }

    /// Other options from now on.
    pub fn set_options(&self, change: impl FnOnce(&mut SimOptions)) {
        let mut state = self.lock();
        state.go_on();
        change(&mut state.options);
    }

    /// Lets something happen to a machine now. False if there is no such machine.
    pub fn strike(&self, instance: &InstanceId, strike: Strike) -> bool {
        let mut state = self.lock();
        state.go_on();
        state.strike(instance, strike)
    }

    /// All machines that exist, whatever their lifecycle, in the order in which they were created.
    pub fn machines(&self) -> Vec<SimMachine> {
        let mut state = self.lock();
        state.go_on();
        let mut machines: Vec<_> =
            state.machines.values().filter_map(|machine| state.show(machine)).collect();
        machines.sort_by_key(|machine| machine.serial);
        machines
    }

    /// Has each event told from now on, in order and at once, with its time. The observer is called under the world's
    /// lock: it must not call back into the world. There can be several.
    pub fn observe(&self, observer: SimObserver) {
        self.lock().observers.push(observer);
    }

    /// How much there was of everything.
    pub fn counters(&self) -> SimCounters {
        self.lock().counters
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // An observer that panics ends the test that it belongs to; the world itself is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
