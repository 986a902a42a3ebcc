//! The program `poold`: a queue, a scheduler and a command line around an elastic pool of cloud workers.
//!
//! A library so that its tests, benchmarks and the simulator can reach it; what it offers to others is the program.

mod api;
mod cli;
mod config;
mod demo;
mod http;
mod job;
mod program_config;
mod queue;
mod state_dir;

pub use cli::run as main;
