//! The dispatcher: gives the queue's jobs to the pool's workers, and survives everything on the way.

mod absent;
mod asked;
mod board;
#[cfg(test)]
mod board_tests;
mod collect;
mod core;
mod durable;
mod explain;
mod followed;
mod handle;
#[cfg(test)]
mod loop_tests;
mod metrics;
mod observe;
mod outputs;
mod problems;
mod prune;
mod rows;
mod settings;
mod start;
mod tail;

pub(crate) use self::core::{DispatchError, Dispatcher, PassReport};
pub(crate) use asked::Asked;
pub(crate) use handle::Handle;
pub(crate) use outputs::OutputStore;
pub(crate) use settings::DispatchSettings;
