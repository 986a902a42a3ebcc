//! The rules of the API, over HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod client;
mod lifecycle;
