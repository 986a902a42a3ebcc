//! The API on a network, as programs of others use it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod network;
mod schemathesis;
#[path = "../serve/support.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod support;
