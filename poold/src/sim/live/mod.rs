//! The program on the simulated cloud in real time, behind its socket: for those who build on the API, and for tests of load.

mod crowd;
mod run;
mod setup;

pub(super) use run::{LiveOptions, serve};
