//! The runner on a machine: what it keeps on disk, its daemon with its sessions, and its jobs. As `pool-runner` does it,
//! without files, processes and threads, and without anything of the world: the time and what it needs to know come in as
//! a [`Scene`], which takes what is to be said and done.

mod daemon;
mod orphan;
mod output;
mod requests;
mod runs;
mod scene;
mod sessions;

pub(super) use daemon::{Due, Runner};
pub use output::{sim_byte, sim_output};
pub(super) use scene::{Said, Scene};
