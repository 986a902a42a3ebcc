//! The whole program in simulated time: pool, dispatcher and queue are the real ones; the cloud, its machines and their
//! jobs are the loopback's `sim` body; all chance comes from one seed. What must never be is checked after every event.
//!
//! Only for the project's own checks: `cargo xtask sim`. `poold-sim serve` is the same world in real time, behind the API.

mod checks;
mod cli;
mod director;
mod draw;
mod draw_faults;
mod ending;
mod faults;
mod live;
mod people;
mod scenarios;
mod setting;
mod shared;
mod shrink;
mod story;
mod told;

pub use cli::main;
