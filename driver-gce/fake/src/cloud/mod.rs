//! The cloud: its resources, and what calls do to them.

mod call;
mod catalog;
mod change;
mod disk;
mod fingerprint;
mod guest;
mod insert;
mod instance;
mod link;
mod list;
mod operation;
mod page;
mod progress;
mod quota;
mod remove;
mod state;

pub(crate) use fingerprint::fingerprint;
pub(crate) use link::link;
pub(crate) use progress::Event;
pub(crate) use state::Cloud;
