//! The cloud: its resources, and what calls do to them.

mod addresses;
mod call;
mod create;
mod disk;
mod id;
mod interface;
mod knobs;
mod list;
mod machine;
mod operation;
mod parts;
mod power;
mod progress;
mod quota;
mod remove;
mod state;
mod update;
mod view;

pub(crate) use call::Preconditions;
pub(crate) use progress::Event;
pub(crate) use state::Cloud;
