//! The same provider with simulated machines: no directory, SSH server or process, and no time of its own.
//!
//! The [world](SimCloud) is plain data behind a mutex: the provider's model with its faults, machines with their runners
//! and jobs, and what is under way between them and the programs that use them. It outlives the runtime that a
//! program runs in: a program that crashes is a runtime that is dropped, and the next one goes on in the same world.
//! What the world does it does in the order of its times, and all chance comes from the seed of the configuration,
//! so the same seed brings the same events to the same program, provided that the clock is paused and the runtime has
//! one thread.
//!
//! # What is there
//! A program has a [seat](SimCloud::seat), with an instance set and executors that behave as the loopback's and
//! `executor-ssh`'s do: with their time limits, errors and what is lost on the way. A machine boots, can be struck
//! ([`Strike`]), and has a runner that keeps the protocol of `pool-protocol`, in real bytes, as `pool-runner` does.
//! Jobs are what [`SimOptions::jobs`] says.
//!
//! # What is not
//! Runners send no heartbeats: nothing depends on them. No program is copied to a machine: the runner is there, or
//! never is. A machine that is up has an address of its own that no other gets.

mod calls;
mod chance;
mod clock;
mod event;
mod executor;
mod instance;
mod line;
mod machine;
mod options;
mod runner;
mod seat;
mod state;
mod world;

pub use event::{SimCounters, SimEvent, SimMachine, SimObserver};
pub use options::{SimEnd, SimJob, SimOptions, Strike};
pub use runner::{sim_byte, sim_output};
pub use seat::SimSeat;
pub use world::SimCloud;
