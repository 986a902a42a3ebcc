//! The trials.

mod all;
mod create;
mod destroy;
mod idempotency;
mod list;
mod live;
mod refusals;
mod tags;

pub(crate) use all::all;
