//! What must never be, checked after every event. Each rule has a name that begins with `invariant_` in its message.
//!
//! The checks see the truth: what the provider and the machines do, and what has become durable in the queue. They
//! share no code with what they check.

mod caps;
mod checker;
mod idle;
mod jobs;
mod machines;
mod polls;

pub(crate) use checker::{Checker, Limits, Violation};
pub(crate) use idle::{IdleLook, WaitingJob};
