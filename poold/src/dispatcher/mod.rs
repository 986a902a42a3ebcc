//! The dispatcher: gives the queue's jobs to the pool's workers, and survives everything on the way.

mod absent;
mod asked;
mod board;
#[cfg(test)]
mod board_tests;
mod collect;
mod core;
mod durable;
mod events;
#[cfg(test)]
#[cfg(feature = "loopback")]
mod events_tests;
mod explain;
mod feed;
mod followed;
mod handle;
#[cfg(test)]
mod loop_tests;
mod metrics;
mod observe;
mod outputs;
mod problems;
mod prune;
mod read;
mod recorder;
mod rows;
mod settings;
mod start;
mod tail;

pub(crate) use self::core::{DispatchError, Dispatcher, PassReport};
pub(crate) use asked::Asked;
pub(crate) use handle::{Handle, HandleParts};
pub(crate) use outputs::OutputStore;
pub(crate) use settings::DispatchSettings;
