//! What the stand-ins for providers' APIs share.
//!
//! A stand-in is only as good as its likeness: what was asked of it and what it has answered ([`Exchanges`]) is held against
//! what the provider publishes, and the provider's own client is sent through it, both by programs in [`Python`].

mod exchange;
mod process;
mod python;

pub use exchange::{Exchange, Exchanges};
pub use python::{Python, check, walk};
