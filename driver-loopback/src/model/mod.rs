//! The provider as a model: which instances there are, what it refuses, what goes wrong. No file, socket, process,
//! clock or global randomness: the time comes in, and what is to be done about a machine goes out as a plan that a
//! body carries out.

mod cloud;
mod dice;
mod fate;
mod rate;
mod record;

#[cfg(test)]
mod tests;

pub(crate) use cloud::{Admission, Call, Cloud, TAG_LIMITS};
pub(crate) use fate::{BootFate, Fate};
pub(crate) use record::{Boot, Record};
