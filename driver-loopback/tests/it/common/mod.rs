//! What the tests share: an open instance set in a directory of its own, and an SSH client.

pub(crate) mod client;
mod fixtures;

pub(crate) use fixtures::*;
