//! A small HTTP proxy between a driver and what stands in for its provider, which breaks what a trial wants broken and
//! remembers what went over the wire.

mod exchange;
mod forward;
mod rule;
mod server;

pub use exchange::{Answer, Request};
pub use rule::{Action, AnswerChange, Rule};
pub use server::Proxy;
