//! Instances as directories and processes of this machine.

mod directory;
mod environment;
mod init;
mod kill;
mod process_table;
mod state_dir;

pub(crate) use directory::InstanceDir;
pub(crate) use environment::Environment;
pub(crate) use init::{init_script, run_init};
pub(crate) use kill::{end_processes, end_runs};
pub(crate) use state_dir::{ID_DIGITS, StateDir};
