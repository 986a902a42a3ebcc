//! The program `poold`: a queue, a scheduler and a command line around an elastic pool of cloud workers.
//!
//! A library so that its tests, benchmarks and the simulator can reach it; what it offers to others is the program: [`main`],
//! and [`run`] with drivers of their own in it.

mod access;
mod api;
mod assemble;
mod cli;
mod client;
mod commands;
mod config;
mod demo;
mod destroy_all;
mod dispatcher;
mod doors;
mod drivers;
mod http;
mod job;
mod manual;
mod open_files;
mod operate;
mod page;
mod process_metrics;
mod program_config;
mod queue;
mod say;
mod serve;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "loopback")]
mod simulate;
#[cfg(feature = "loopback")]
mod simulation;
mod state_dir;
mod stopping;
mod telemetry;
mod token_commands;

pub use cli::run as main;
pub use drivers::run;
